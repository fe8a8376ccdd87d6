"""Recent foreground masks and grey pictures of one camera: who was near a region, and was it still."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vision.detect.picture import Levels, Mask

KEPT_S: Final = 20.0
EVERY_S: Final = 0.38
"""Interval of the entries: two or three a second are enough, more would dominate a camera's memory."""


@dataclass(frozen=True)
class HistoryEntry:
    """Foreground mask and grey picture at `at_s` seconds."""

    at_s: float
    foreground: Mask
    gray: Levels


class FrameHistory:
    """Entries of the last `KEPT_S`."""

    def __init__(self) -> None:
        self._entries: deque[HistoryEntry] = deque()

    def add(self, at_s: float, foreground: Mask, gray: Levels) -> None:
        """Add an entry; skipped if the last one is less than `EVERY_S` old."""
        if self._entries and at_s - self._entries[-1].at_s < EVERY_S:
            return
        self._entries.append(HistoryEntry(at_s, foreground.copy(), gray.copy()))
        while self._entries[0].at_s < at_s - KEPT_S:
            self._entries.popleft()

    def since(self, at_s: float) -> Iterator[HistoryEntry]:
        """Entries from `at_s` seconds on, oldest first."""
        return (entry for entry in self._entries if entry.at_s >= at_s)

    def clear(self) -> None:
        """Delete all entries."""
        self._entries.clear()
