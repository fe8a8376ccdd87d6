"""Logs of child processes: their output is read from pipes and kept in files that are rotated and bounded.

child -> pipe -> reader (a thread each, no disk) -> bounded queue -> writer (one thread) -> NAME.log, NAME.log.1, ...

A slow or full disk stops the writer alone: lines beyond the queue's bound are dropped and counted, and a line in the
file says how many as soon as there is space. The pipe does not block its writer: while the supervisor itself is frozen,
a child drops what does not fit into the pipe (`city/runtime/logs.py`) and goes on working.
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
"""Maximum size of a file before it is rotated."""
LOG_FILES: Final = 4
"""Maximum files of one child, the current one included: 20 MiB a child in all."""
QUEUE_MAX_BYTES: Final = 1 << 20
"""Maximum output of one child that waits for the disk."""
PIPE_BYTES: Final = 1 << 20
"""Capacity of a pipe; Linux gives an ordinary user no more."""
LINE_MAX_BYTES: Final = 64 << 10
"""A longer line is split."""
RETRY_S: Final = 1.0
CLOSE_WITHIN_S: Final = 1.0


class RotatedLog:
    """Owns `path` and its predecessors `path.1`, `path.2`, ...; a disk that refuses loses lines and raises nothing.

    Args:
        path: The current file; its folder is made at the first write.
        max_bytes: Maximum size of a file.
        files: Maximum number of files.
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
        """Append whole lines; after a failure, a line with the number of lost lines comes first."""
        if self.dropped and not self._append(dropped_note(self.dropped).encode()):
            self.dropped = 0
        for part in _parts(lines, self._max_bytes):
            self.dropped += part.count(b"\n") if self.dropped else self._append(part)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
        self._file = None

    def _append(self, lines: bytes) -> int:
        """Append lines; returns the number of lost ones, a torn line included."""
        try:
            file = self._rotate_for(len(lines) + self._torn)
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

    def _rotate_for(self, size: int) -> int:
        file = self._open()
        if self._size and self._size + size > self._max_bytes:
            self.close()
            self._rotate()
            file = self._open()
        return file

    def _open(self) -> int:
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
    """Owns the log files of all children and the threads that write them.

    Args:
        folder: Folder of the files `NAME.log`.
        max_bytes: Maximum size of a file.
        files: Maximum number of files of one child.
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
        """Writing end of a new pipe for a child; the caller closes it once the child has inherited it.

        Raises:
            OSError: No pipe can be made.
        """
        theirs_read, write = os.pipe()
        os.set_blocking(write, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        reader = threading.Thread(target=self._read, args=(name, theirs_read), name=f"logs-{name}", daemon=True)
        self._readers = [reader for reader in self._readers if reader.is_alive()]
        self._readers.append(reader)
        reader.start()
        return write

    def note(self, name: str, line: str) -> None:
        """Add a line of the supervisor to a log."""
        self._put(name, line.encode("utf-8", "replace") + b"\n")

    def close(self) -> None:
        """Write the output of ended children; waits at most `CLOSE_WITHIN_S` for the disk and for grandchildren."""
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
    """Split lines into parts of at most `max_bytes`; a longer line is a part alone."""
    while len(lines) > max_bytes:
        end = lines.rfind(b"\n", 0, max_bytes) + 1 or lines.find(b"\n") + 1
        yield lines[:end]
        lines = lines[end:]
    if lines:
        yield lines


def dropped_note(lines: int) -> str:
    """The log line with the number of dropped lines."""
    return msgspec.json.encode({"event": "log.dropped", "level": "warning", "lines": lines}).decode() + "\n"
