"""Child processes kept alive: start, watch, restart with backoff, stop; the mechanics behind `kota up`."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from city.child_logs import LogKeeper

BACKOFF_MIN_S: Final = 0.3
BACKOFF_MAX_S: Final = 30.0
STEADY_AFTER_S: Final = 30.0
"""A child that lived this long starts anew without a penalty."""
STOP_WITHIN_S: Final = 4.5
FRUGAL: Final = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
"""Variables of every child: one arena per thread makes small processes with many threads half as large again."""
KOTA: Final = (sys.executable, "-m", "city")


@dataclass
class Child:
    """One service process: what to run, and how its present and past lives went."""

    name: str
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0
    failures: int = 0
    due_at: float = 0.0
    last_exit: int | None = None
    last_error: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int | None:
        """The running process, None while there is none."""
        return self.process.pid if self.process and self.process.returncode is None else None


class Supervisor:
    """Owns the children of one `kota up`; neither a disk that refuses nor a machine without room for a process ends it.

    Args:
        environment: Variables every child gets on top of ours.
        logs: Where their output goes.
        command: What the arguments of a child are put behind.
    """

    def __init__(self, environment: dict[str, str], logs: LogKeeper, command: Sequence[str] = KOTA) -> None:
        """Prepare; nothing runs yet."""
        self._environment = {**FRUGAL, **os.environ, **environment, "KOTA_SUPERVISOR": str(os.getpid())}
        self._logs = logs
        self._command = command
        self._random = random.Random()  # noqa: S311 - spreads restarts, hides nothing
        self.children: list[Child] = []

    def start(self, name: str, arguments: list[str], **extra: str) -> None:
        """Start a child and keep it running from now on; `extra` are variables of its own."""
        child = Child(name, arguments, extra=extra)
        self.children.append(child)
        self._launch(child)

    def watch(self) -> list[Child]:
        """Notice ended children and start those whose wait is over; the children that ended since the last call."""
        now = time.monotonic()
        ended = []
        for child in self.children:
            if child.process is not None and _has_ended(child.process):
                self._bury(child, now)
                ended.append(child)
            elif child.process is None and now >= child.due_at:
                child.restarts += 1
                self._launch(child)
        return ended

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL after `STOP_WITHIN_S` to whatever is left of their process groups."""
        for child in self.children:
            _signal_group(child, signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN_S
        while any(child.process and not _has_ended(child.process) for child in self.children):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        for child in self.children:
            _signal_group(child, signal.SIGKILL)
            if child.process is not None:
                child.process.wait()

    def _bury(self, child: Child, now: float) -> None:
        assert child.process is not None  # noqa: S101 - of the caller
        # Before it is reaped, so that its id is nobody else's: a child's own children hold its ports.
        _signal_group(child, signal.SIGKILL)
        child.last_exit = child.process.wait()
        child.process = None
        child.failures = 0 if now - child.started_at > STEADY_AFTER_S else child.failures + 1
        self._postpone(child, now)

    def _postpone(self, child: Child, now: float) -> None:
        ceiling = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2 ** min(child.failures, 8))
        child.due_at = now + self._random.uniform(BACKOFF_MIN_S / 2, ceiling)

    def _launch(self, child: Child) -> None:
        """Start the process; where that is not possible just now (memory, descriptors) it is due again later."""
        child.started_at = time.monotonic()
        try:
            child.process = self._spawn(child)
        except OSError as exc:
            child.failures += 1
            self._postpone(child, child.started_at)
            if str(exc) != child.last_error:
                self._logs.note(child.name, f"it cannot be started: {exc}")
            child.last_error = str(exc)
        else:
            child.last_error = ""

    def _spawn(self, child: Child) -> subprocess.Popen[bytes]:
        output = self._logs.pipe(child.name)
        try:
            return subprocess.Popen(  # noqa: S603 - our own module and arguments
                [*self._command, *child.arguments],
                env={**self._environment, **child.extra},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            os.close(output)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has, without reaping it."""
    if process.returncode is not None:
        return True
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def _signal_group(child: Child, number: signal.Signals) -> None:
    if child.process is None:
        return
    with contextlib.suppress(ProcessLookupError):  # it is gone, which is what was wanted
        os.killpg(child.process.pid, number)
