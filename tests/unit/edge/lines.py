"""Readings of drivers without waiting, and lines that say what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from edge.outbox import TelemetryEntry
from edge.sensors.port import Sensor


def values_of(sensor: Sensor, count: int = 1) -> list[dict[str, Any]]:
    """The values of its first readings."""
    stop = threading.Event()
    readings: Iterator[Any] = sensor.readings(stop)
    found: list[dict[str, Any]] = []
    for reading in readings:
        assert isinstance(reading, TelemetryEntry)
        found.append(dict(reading.values))
        if len(found) == count:
            stop.set()
    return found


class SaidLine:
    """A line on which chunks come, one a read, and then the same for ever, or the end where `ends` says so."""

    def __init__(self, *chunks: bytes, then: bytes = b"", ends: bool = False) -> None:
        """Nothing is read yet."""
        self.chunks = list(chunks)
        self.written: list[bytes] = []
        self._closing = threading.Event()
        self._then = then
        self._ends = ends

    def read(self) -> bytes:
        """The next chunk, a millisecond after the one before."""
        if not self.chunks and self._ends:
            raise OSError(5, "Input/output error")
        self._closing.wait(0.001)
        return self.chunks.pop(0) if self.chunks else self._then

    def write(self, request: bytes) -> None:
        """Keep what was asked."""
        self.written.append(request)

    def close(self) -> None:
        """Note it."""
        self._closing.set()

    @property
    def closed(self) -> bool:
        """Whether it was let go of."""
        return self._closing.is_set()
