"""Heartbeats of a process: its parts beat while they work; the main thread reports them to supervisor and data folder.

part of a service -> `HeartbeatRegistry` -> every 2 s a `ServiceHeartbeat`: to the supervisor over a pipe, and as file
`DATA/alive/SERVICE`

A pipe, because a full disk takes no file; the file is for other processes (`kota status`, `kota health`).
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Final

import msgspec

PATIENCE_S: Final = 60.0
"""Default timeout of a part; a step that may take longer states its own with the beat."""
START_PATIENCE_S: Final = 600.0
"""Timeout until a service's first beat: a journal of 2 GB is checked at the start, on a slow card for minutes."""
HEARTBEAT_VARIABLE: Final = "KOTA_SIGNS"
"""Variable with the descriptor of the pipe to the supervisor."""
_SIGN_BYTES: Final = 4_096
"""Maximum that a pipe takes atomically; the file always has this size, so that a full disk takes the next one."""


class PartHeartbeat(msgspec.Struct, frozen=True):
    """Newest beat of a part: its number, its age, the current step, and the timeout of that step."""

    part: str
    count: int
    age_s: float
    doing: str = ""
    patience_s: float = PATIENCE_S

    @property
    def overdue(self) -> bool:
        """Whether the part hangs, as of the heartbeat's time."""
        return self.age_s > self.patience_s


class ServiceHeartbeat(msgspec.Struct, frozen=True):
    """Heartbeat of one service of a process; `number` grows by one each time, `at` is UTC seconds."""

    service: str
    pid: int
    number: int
    at: float
    beats: tuple[PartHeartbeat, ...] = ()

    def overdue(self) -> PartHeartbeat | None:
        """The part that is longest overdue; None if none is."""
        late = [beat for beat in self.beats if beat.overdue]
        return max(late, key=lambda beat: beat.age_s - beat.patience_s, default=None)


class HeartbeatRegistry:
    """The beats of one process's parts; thread-safe.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._beats: dict[str, tuple[int, float, str, float]] = {}

    def beat(self, part: str, doing: str = "", *, patience_s: float = PATIENCE_S) -> None:
        """Note that a part is working; cheap enough for every iteration of a loop.

        Args:
            part: The service's name, or that and more after a hyphen (`ingest-drain`).
            doing: The step that it begins, in a word or two.
            patience_s: Timeout of that step.
        """
        with self._lock:
            count = self._beats[part][0] if part in self._beats else 0
            self._beats[part] = (count + 1, self._clock(), doing, patience_s)

    def of(self, service: str) -> tuple[PartHeartbeat, ...]:
        """Newest beats of a service's parts."""
        now = self._clock()
        with self._lock:
            return tuple(
                PartHeartbeat(part, count, round(now - at, 1), doing, patience_s)
                for part, (count, at, doing, patience_s) in self._beats.items()
                if part == service or part.startswith(f"{service}-")
            )


class HeartbeatWriter:
    """Writes a process's heartbeats to the supervisor's pipe and to the data folder; raises nothing.

    Args:
        data: The data folder.
        beats: Beats of the process.
        variables: Holds the pipe's descriptor; it is removed, so that children do not inherit it.
    """

    def __init__(self, data: Path, beats: HeartbeatRegistry, variables: MutableMapping[str, str] = os.environ) -> None:
        self._data = data
        self._beats = beats
        self._numbers: dict[str, int] = {}
        self._pipe = _pipe_of(variables.pop(HEARTBEAT_VARIABLE, ""))

    @property
    def supervised(self) -> bool:
        """Whether a supervisor reads the pipe."""
        return self._pipe is not None

    def write(self, service: str) -> ServiceHeartbeat:
        """Write a heartbeat of a service."""
        number = self._numbers[service] = self._numbers.get(service, 0) + 1
        heartbeat = ServiceHeartbeat(service, os.getpid(), number, time.time(), self._beats.of(service))
        line = msgspec.json.encode(heartbeat)
        if self._pipe is not None and len(line) < _SIGN_BYTES:
            with contextlib.suppress(OSError):  # full, because the supervisor is frozen, or it has gone
                os.write(self._pipe, line + b"\n")
        _write_over(heartbeat_path(self._data, service), line)
        return heartbeat

    def withdraw(self, service: str) -> None:
        """Delete the file: the service has ended as intended."""
        delete_heartbeat(self._data, service)


def heartbeat_path(data: Path, service: str) -> Path:
    """File of a service's heartbeats; its mtime is that of the newest."""
    return data / "alive" / service


def delete_heartbeat(data: Path, service: str) -> None:
    """Delete the file of a service that has ended; a process that was killed leaves it behind."""
    with contextlib.suppress(OSError):
        heartbeat_path(data, service).unlink()


def read_heartbeat(data: Path, service: str) -> ServiceHeartbeat | None:
    """Newest heartbeat of a service; None if there is none or it cannot be read."""
    for _ in range(2):  # it may be written just now
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(heartbeat_path(data, service).read_bytes(), type=ServiceHeartbeat)
    return None


def _write_over(path: Path, line: bytes) -> None:
    """Overwrite in place: a full disk takes new content of the same size, but no new file."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, line.ljust(_SIGN_BYTES), 0)
        finally:
            os.close(file)


def _pipe_of(number: str) -> int | None:
    try:
        pipe = int(number)
        if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
            return None
        os.set_inheritable(pipe, False)
    except (ValueError, OSError):
        return None
    return pipe
