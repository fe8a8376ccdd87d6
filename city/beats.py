"""Progress of a process: its parts beat while they work, its main thread tells the supervisor and the data folder.

part of a service -> `Beats` -> every 2 s a `Sign`: to the supervisor over a pipe, to others as `DATA/alive/SERVICE`

A pipe, because a full disk takes no sign; the file is for who asks from outside (`kota status`, `kota health`).
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
"""A part that has not beaten for so long hangs. What may legitimately take longer says so with its beat."""
START_PATIENCE_S: Final = 600.0
"""Until a service's own first beat: a journal of 2 GB is checked when it is opened, on a slow card for minutes."""
SIGNS_VARIABLE: Final = "KOTA_SIGNS"
"""Names the descriptor of the pipe to the supervisor."""
_SIGN_BYTES: Final = 4_096
"""What a pipe takes as a whole; the file always has this size, so that a full disk has room for the next sign."""


class Beat(msgspec.Struct, frozen=True):
    """The last one of a part: how many it has given, how old it is, what it does, and how long that may take."""

    part: str
    count: int
    age_s: float
    doing: str = ""
    patience_s: float = PATIENCE_S

    @property
    def overdue(self) -> bool:
        """Whether the part hangs, as of when this was said."""
        return self.age_s > self.patience_s


class Sign(msgspec.Struct, frozen=True):
    """What a process says of one of its services; `number` grows by one each time, `at` is UTC seconds."""

    service: str
    pid: int
    number: int
    at: float
    beats: tuple[Beat, ...] = ()

    def overdue(self) -> Beat | None:
        """The beat that is longest overdue, None when all parts go on."""
        late = [beat for beat in self.beats if beat.overdue]
        return max(late, key=lambda beat: beat.age_s - beat.patience_s, default=None)


class Beats:
    """The parts of one process; any thread may beat.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._beats: dict[str, tuple[int, float, str, float]] = {}

    def beat(self, part: str, doing: str = "", *, patience_s: float = PATIENCE_S) -> None:
        """Say that a part goes on; cheap, so a loop may say it every turn.

        Args:
            part: The service's name, or that and more after a hyphen (`ingest-drain`).
            doing: What it begins to do, in a word or two.
            patience_s: How long that may take.
        """
        with self._lock:
            count = self._beats[part][0] if part in self._beats else 0
            self._beats[part] = (count + 1, self._clock(), doing, patience_s)

    def of(self, service: str) -> tuple[Beat, ...]:
        """The last beats of a service's parts."""
        now = self._clock()
        with self._lock:
            return tuple(
                Beat(part, count, round(now - at, 1), doing, patience_s)
                for part, (count, at, doing, patience_s) in self._beats.items()
                if part == service or part.startswith(f"{service}-")
            )


class SignWriter:
    """Hands a process's signs to whoever started it, and to the data folder; nothing it meets stops the process.

    Args:
        data: The data folder.
        beats: Those of the process.
        variables: Where the descriptor is named; it is taken out, because it is no child's.
    """

    def __init__(self, data: Path, beats: Beats, variables: MutableMapping[str, str] = os.environ) -> None:
        self._data = data
        self._beats = beats
        self._numbers: dict[str, int] = {}
        self._pipe = _pipe_of(variables.pop(SIGNS_VARIABLE, ""))

    @property
    def supervised(self) -> bool:
        """Whether a supervisor listens."""
        return self._pipe is not None

    def leave(self, service: str) -> Sign:
        """Say how a service does now."""
        number = self._numbers[service] = self._numbers.get(service, 0) + 1
        sign = Sign(service, os.getpid(), number, time.time(), self._beats.of(service))
        line = msgspec.json.encode(sign)
        if self._pipe is not None and len(line) < _SIGN_BYTES:
            with contextlib.suppress(OSError):  # full, because the supervisor is frozen, or it has gone
                os.write(self._pipe, line + b"\n")
        _write_over(sign_path(self._data, service), line)
        return sign

    def withdraw(self, service: str) -> None:
        """Take the sign back: the service has ended as it should."""
        with contextlib.suppress(OSError):
            sign_path(self._data, service).unlink()


def sign_path(data: Path, service: str) -> Path:
    """Where a service leaves its signs of life; the file's time is that of the last."""
    return data / "alive" / service


def read_sign(data: Path, service: str) -> Sign | None:
    """The last sign of a service, None when there is none that can be read."""
    for _ in range(2):  # it may be written just now
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(sign_path(data, service).read_bytes(), type=Sign)
    return None


def _write_over(path: Path, line: bytes) -> None:
    """In place: a full disk takes new content of a file of the same size, but no new file."""
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
