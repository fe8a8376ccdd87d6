"""Where the output of child processes goes: read from a pipe as it comes, kept in files that are rotated and bounded.

child -> pipe -> reader (a thread each, no disk) -> bounded queue -> writer (one thread) -> NAME.log, NAME.log.1, ...

A slow or full disk stops the writer alone: what the queue does not hold is dropped and counted, and a line in the file
says how much as soon as there is space. The pipe does not block its writer: while the supervisor itself is frozen a
child drops what does not fit into the pipe (`city/logs.py`) and goes on working.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

LOG_MAX_BYTES: Final = 5 << 20
"""Of one file; then the next is begun."""
LOG_FILES: Final = 4
"""Files of one child, the present one included: 20 MiB a child in all."""
QUEUE_MAX_BYTES: Final = 1 << 20
"""Of one child's output that waits for the disk."""
PIPE_BYTES: Final = 1 << 20
"""What a pipe holds while nobody reads; Linux gives an ordinary user no more."""
LINE_MAX_BYTES: Final = 64 << 10
"""A longer line is kept in pieces."""
RETRY_S: Final = 1.0
CLOSE_WITHIN_S: Final = 1.0


class RotatedLog:
    """Owns `path` and its predecessors `path.1`, `path.2`, ...; a disk that refuses loses lines and raises nothing.

    Args:
        path: The present file; its folder is made when it is first needed.
        max_bytes: Bound of one file.
        files: How many files there are at the most.
    """

    def __init__(self, path: Path, max_bytes: int = LOG_MAX_BYTES, files: int = LOG_FILES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._files = files
        self._file: int | None = None
        self._size = 0
        self._torn = False
        self.dropped = 0

    def write(self, lines: bytes = b"") -> None:
        """Append whole lines; after a failure first how many were lost."""
        if self.dropped and not self._append(dropped_note(self.dropped).encode()):
            self.dropped = 0
        for part in _parts(lines, self._max_bytes):
            self.dropped += part.count(b"\n") if self.dropped else self._append(part)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
        self._file = None

    def _append(self, lines: bytes) -> int:
        """How many of the lines were lost; one that was torn is."""
        try:
            file = self._with_room(len(lines) + self._torn)
            if self._torn:
                self._put(file, b"\n")
            while lines:
                lines = lines[self._put(file, lines) :]
        except OSError:
            self.close()  # and opened anew: somebody may have moved it, or mounted another disk
        return lines.count(b"\n")

    def _put(self, file: int, data: bytes) -> int:
        written = os.write(file, data)
        self._size += written
        self._torn = data[written - 1 : written] != b"\n"
        return written

    def _with_room(self, size: int) -> int:
        file = self._opened()
        if self._size and self._size + size > self._max_bytes:
            self.close()
            self._rotate()
            file = self._opened()
        return file

    def _opened(self) -> int:
        if self._file is not None and os.fstat(self._file).st_nlink == 0:
            self.close()
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._file).st_size
            self._torn = self._size > 0 and os.pread(self._file, 1, self._size - 1) != b"\n"
        return self._file

    def _rotate(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._files))]
        for newer, older in reversed(list(itertools.pairwise(names))):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)


class LogKeeper:
    """Owns the log files of all children and the threads that fill them.

    Args:
        folder: Where the files lie, `NAME.log` each.
        max_bytes: Bound of one file.
        files: Files of one child at the most.
    """

    def __init__(self, folder: Path, max_bytes: int = LOG_MAX_BYTES, files: int = LOG_FILES) -> None:
        self._folder = folder
        self._bounds = (max_bytes, files)
        self._logs: dict[str, RotatedLog] = {}
        self._waiting: dict[str, deque[bytes]] = {}
        self._lost: dict[str, int] = {}
        self._readers: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._closed = False
        self._writer = threading.Thread(target=self._write, name="logs-writer", daemon=True)
        self._writer.start()

    def pipe(self, name: str) -> int:
        """The end of a new pipe that a child writes to; the caller closes it once the child has it.

        Raises:
            OSError: There is none to be had.
        """
        theirs_read, write = os.pipe()
        os.set_blocking(write, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        reader = threading.Thread(target=self._read, args=(name, theirs_read), name=f"logs-{name}", daemon=True)
        self._readers = [one for one in self._readers if one.is_alive()]
        self._readers.append(reader)
        reader.start()
        return write

    def note(self, name: str, line: str) -> None:
        """Add a line of the supervisor's own to a log."""
        self._put(name, line.encode("utf-8", "replace") + b"\n")

    def close(self) -> None:
        """Keep what ended children have said; a disk that refuses, or a grandchild that still writes, ends the wait."""
        until = time.monotonic() + CLOSE_WITHIN_S
        for reader in self._readers:
            reader.join(max(0.0, until - time.monotonic()))
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._writer.join(CLOSE_WITHIN_S)

    def _read(self, name: str, pipe: int) -> None:
        rest = b""
        with open(pipe, "rb", buffering=0) as source:
            while chunk := source.read(LINE_MAX_BYTES):
                lines, newline, rest = (rest + chunk).rpartition(b"\n")
                if len(rest) > LINE_MAX_BYTES:
                    lines, newline, rest = lines + newline + rest, b"\n", b""
                if newline:
                    self._put(name, lines + newline)
        if rest:
            self._put(name, rest + b"\n")

    def _put(self, name: str, lines: bytes) -> None:
        with self._changed:
            waiting = self._waiting.setdefault(name, deque())
            if sum(map(len, waiting)) + len(lines) > QUEUE_MAX_BYTES:
                self._lost[name] = self._lost.get(name, 0) + lines.count(b"\n")
            else:
                waiting.append(lines)
                self._changed.notify()

    def _write(self) -> None:
        closed = False
        while not closed:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or any(self._waiting.values()), RETRY_S)
                waiting, self._waiting = self._waiting, {}
                lost, self._lost = self._lost, {}
                closed = self._closed
            for name in {*waiting, *lost, *self._logs}:
                log = self._log(name)
                lines = b"".join(waiting.get(name, ()))
                if lines or log.dropped:
                    log.write(lines)
                log.dropped += lost.get(name, 0)
        for log in self._logs.values():
            log.close()

    def _log(self, name: str) -> RotatedLog:
        if name not in self._logs:
            self._logs[name] = RotatedLog(self._folder / f"{name}.log", *self._bounds)
        return self._logs[name]


def _parts(lines: bytes, max_bytes: int) -> Iterator[bytes]:
    """Whole lines, together not longer than a file may be; a line that is longer alone."""
    while len(lines) > max_bytes:
        end = lines.rfind(b"\n", 0, max_bytes) + 1 or lines.find(b"\n") + 1
        yield lines[:end]
        lines = lines[end:]
    if lines:
        yield lines


def dropped_note(lines: int) -> str:
    """The line that says how many lines could not be written, with its end."""
    return msgspec.json.encode({"event": "log.dropped", "level": "warning", "lines": lines}).decode() + "\n"
