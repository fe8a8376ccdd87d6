"""The nats-server process: finding, starting, reading its log, and ending it with its parent."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

import msgspec
import structlog

from city.errors import ConfigError, RetryLaterError

log = structlog.get_logger("broker")

PROGRAM: Final = "nats-server"
READY_WITHIN_S: Final = 20.0
STOP_WITHIN_S: Final = 2.5
MEMORY_LIMIT: Final = "128MiB"
REPEAT_AFTER_S: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1
_LINE: Final = re.compile(r"^\[\d+\] \S+ \S+ \[(\w+)\] (.*)$")
_CLIENT: Final = re.compile(r"^(?:\S*?:\d+ - )?(\S+:\d+) - mid:\d+ - (?:\"[^\"]*\" - )?")
_NUMBERS: Final = re.compile(r"\d+")
_OF_STORAGE: Final = ("metafile", "corrupt", "checksum", "sanity check", "can't start jetstream", "recreating stream")
_KNOWN: Final = (
    "authentication error",  # refused sign-ins are counted where they are judged
    "authorization violation",
    "auth callout",
    "plaintext passwords",  # random ones, in a file that we alone read
    "generally discouraged",  # a payload of 8 MiB, by the 512 bytes of the headers
)


def find_program(named: str) -> str:
    """Path of the server: the named one, else the wheel's, else the system's.

    Raises:
        ConfigError: There is none.
    """
    if named:
        path = shutil.which(named)
        if path is None:
            raise ConfigError(f"KOTA_NATS_SERVER: {named!r} is no program")
        return path
    ours = Path(sysconfig.get_path("scripts")) / PROGRAM
    path = str(ours) if os.access(ours, os.X_OK) else shutil.which(PROGRAM)
    if path is None:
        raise ConfigError(f"{PROGRAM} is not installed; KOTA_NATS_SERVER names one")
    return path


class _Ports(msgspec.Struct):
    nats: list[str]


class ServerProcess:
    """Owns one nats-server. It ends when the thread that started it ends.

    Args:
        program: Path of the server.
        conf: Its configuration.
        on_line: Called on a thread of its own with level (`INF`, `WRN`, `ERR`, `FTL`) and text of each log line.
    """

    def __init__(self, program: str, conf: Path, on_line: Callable[[str, str], None]) -> None:
        for old in conf.parent.glob("*.ports"):
            old.unlink(missing_ok=True)
        self._folder = conf.parent
        self._on_line = on_line
        self._process = subprocess.Popen(  # noqa: S603 - the program the settings name
            [program, "-c", str(conf)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"GOMEMLIMIT": MEMORY_LIMIT, **os.environ},
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - one call into the kernel, no locks
        )
        threading.Thread(target=self._listen, args=(self._process.stderr,), name="broker-log", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def address(self) -> str:
        """Its address for services, once it is ready.

        Raises:
            RetryLaterError: It ended, or does not become ready.
        """
        deadline = time.monotonic() + READY_WITHIN_S
        path = self._folder / f"{PROGRAM}_{self.pid}.ports"
        while time.monotonic() < deadline:
            if not self.alive:
                raise RetryLaterError(f"{PROGRAM} ended with exit code {self._process.returncode}")
            try:
                return msgspec.json.decode(path.read_bytes(), type=_Ports).nats[0]
            except (OSError, msgspec.MsgspecError, IndexError):
                time.sleep(0.002)  # who connects before somebody answers sign-ins waits ten seconds
        raise RetryLaterError(f"{PROGRAM} is not ready after {READY_WITHIN_S:.0f} s")

    def reload(self) -> None:
        """Reload configuration and certificates; connections stay."""
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Terminate it; kill it after a timeout."""
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def kill(self) -> None:
        """SIGKILL, for a server that no longer answers."""
        self._process.kill()
        self._process.wait()

    def _listen(self, stream: IO[bytes] | None) -> None:
        assert stream is not None  # noqa: S101 - asked for above
        with stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                parsed = _LINE.match(line)
                self._on_line(*(parsed.groups() if parsed else ("INF", line)))


class LogLines:
    """Passes warnings and errors of the server's log on to ours: each kind once a minute, with a count.

    Log lines name clients by address and client id; the kind is the text without them.

    Args:
        on_silent: Called with an address that connected and did not authenticate.
        on_refused_topic: Called when a client was disconnected for a topic that cannot be carried.
    """

    def __init__(self, on_silent: Callable[[str], None], on_refused_topic: Callable[[str], None]) -> None:
        self._on_silent = on_silent
        self._on_refused_topic = on_refused_topic
        self._said: dict[str, tuple[float, int]] = {}
        self.storage_troubles: list[str] = []
        """Log lines about files that the server cannot read."""

    def take(self, level: str, text: str) -> None:
        """Process one line of the server's log."""
        client = _CLIENT.match(text)
        address = client.group(1).rpartition(":")[0] if client else ""
        what = text[client.end() :] if client else text
        lowered = what.lower()
        if level != "INF" and any(part in lowered for part in _OF_STORAGE):
            self.storage_troubles.append(what[:300])
        if "authentication timeout" in lowered:
            self._on_silent(address)
        elif "not supported for mqtt topics" in lowered:
            self._on_refused_topic(address)
        elif level in ("ERR", "WRN", "FTL") and not any(part in lowered for part in _KNOWN):
            self._say(level, what, address)

    def _say(self, level: str, what: str, address: str) -> None:
        kind = _NUMBERS.sub("#", what)[:120]
        now_s = time.monotonic()
        at_s, count = self._said.get(kind, (-REPEAT_AFTER_S, 0))
        if now_s - at_s < REPEAT_AFTER_S:
            self._said[kind] = (at_s, count + 1)
            return
        if len(self._said) > 1_000:  # noqa: PLR2004 - a bound, far above the kinds there are
            self._said.clear()
        self._said[kind] = (now_s, 0)
        say = log.warning if level == "WRN" else log.error
        say("broker.server", what=what[:300], address=address, before=count)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
