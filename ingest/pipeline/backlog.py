"""Tracks the journal offsets that are committed to the store, and picks what is drained next: live, then backlog.

After an outage of the store the journal holds days of messages. Draining in order of arrival would show today's
readings last. Once the oldest pending live message is `LIVE_LAG_MAX_S` old, everything pending becomes backlog, and the
live range starts at the journal's end. The committed offsets are a set of ranges; the gaps between are the backlog.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from ingest.store.intervals import IntervalSet
from ingest.store.port import Ranges

LIVE_LAG_MAX_S: Final = 5.0
"""Age in seconds of the oldest pending live message from which on the live range skips ahead."""


class OffsetRange(msgspec.Struct, frozen=True):
    """Offsets greater than `after` and less than `before`."""

    after: int
    before: int


_END: Final = 1 << 62


class OffsetTracker:
    """Owns the set of committed offsets; used by one thread."""

    def __init__(self, committed: Ranges, first: int, next_after: Callable[[int], int] | None = None) -> None:
        """Resume at the store's committed offsets.

        Args:
            committed: What the store has.
            first: The journal's first offset; everything below it is done.
            next_after: The journal's first offset after a given one; offsets between were never assigned, or deleted.
        """
        self._committed = IntervalSet(committed)
        if first > 1:
            self._committed.add(1, first - 1)
        if next_after is not None:
            for _, last in tuple(self._committed):
                self._committed.add(last, next_after(last) - 1)
        self._live_after = self._end()

    def live(self) -> OffsetRange:
        """The range of live messages that is not committed."""
        return OffsetRange(self._live_after, _END)

    def backlog(self) -> OffsetRange | None:
        """The oldest gap; None without a backlog."""
        after = self.low_watermark()
        if after >= self._live_after:
            return None
        return OffsetRange(after, next((start for start, _ in self._committed if start > after), self._live_after + 1))

    def skip_to_live(self, last: int) -> None:
        """Leave every offset up to `last` to the backlog."""
        self._live_after = max(self._live_after, last)

    def offsets_after(self, first: int, last: int) -> Ranges:
        """The committed offsets after `first..last` is committed as well; changes nothing."""
        offsets = self._committed.copy()
        offsets.add(first, last)
        return tuple(offsets)

    def commit(self, committed: Ranges, last: int) -> None:
        """Replace the committed offsets; `last` is the highest offset of the batch."""
        self._committed = IntervalSet(committed)
        self._live_after = max(self._live_after, last)

    def low_watermark(self) -> int:
        """The highest offset below which nothing is pending; the journal may be trimmed up to it."""
        start, end = next(iter(self._committed), (1, 0))
        return end if start <= 1 else 0

    def pending_count(self, last: int) -> int:
        """Number of offsets up to the journal's last that are not committed."""
        return last - sum(min(end, last) - start + 1 for start, end in self._committed if start <= last)

    def _end(self) -> int:
        return max((end for _, end in self._committed), default=0)
