"""Logging of every process: structlog, readable on a terminal and JSON elsewhere, to stdout.

Nobody waits for a log: a stream that takes nothing, because its disk is full or the supervisor that reads it is
frozen, loses lines. They are counted, and a line says how many as soon as there is room again.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TextIO, cast

import structlog

from city.runtime.child_logs import dropped_note


class LossyStream:
    """Writes whole lines to a stream's descriptor; one that cannot be written is dropped and counted, nothing waits.

    It waits only where the descriptor itself does; that of a child of `kota up` does not
    (`city/runtime/child_logs.py`).

    Args:
        stream: Where to, None for nowhere.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Take the descriptor; a stream without one, as in a test, is written as it is."""
        self._stream = stream
        self._file = _descriptor(stream)
        self._parts = threading.local()
        self._lock = threading.Lock()
        self._rest = b""
        self.dropped = 0

    def write(self, text: str) -> int:
        """Take text; it is written when its line ends."""
        text = getattr(self._parts, "text", "") + text
        lines, newline, self._parts.text = text.rpartition("\n")
        if newline:
            with self._lock:
                self._write(lines + newline)
        return len(text)

    def flush(self) -> None:
        """Nothing to do: whole lines are written at once."""

    def _write(self, lines: str) -> None:
        note = dropped_note(self.dropped) if self.dropped else ""
        try:
            if self._rest:  # of a line that is begun; nothing else may come in between
                self._rest = self._rest[self._put_some(self._rest) :]
            if not self._rest:
                data = (note + lines).encode("utf-8", "backslashreplace")
                self._rest = data[self._put_some(data) :]
                self.dropped = 0
                return
        except (OSError, ValueError):
            pass  # full, closed, or nobody reads
        self.dropped += lines.count("\n")

    def _put_some(self, data: bytes) -> int:
        if self._file is not None:
            return os.write(self._file, data)
        if self._stream is not None:
            self._stream.write(data.decode("utf-8", "replace"))
            self._stream.flush()
        return len(data)


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return stream.fileno() if stream is not None else None
    except (OSError, ValueError):
        return None


def configure_logging() -> None:
    """Configure structlog, once per process; loggers of the standard library log warnings and above."""
    stream = cast("TextIO", LossyStream(sys.stdout))
    logging.basicConfig(level=logging.WARNING, stream=stream, format="%(levelname)s %(name)s: %(message)s")
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stdout is not None and sys.stdout.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
