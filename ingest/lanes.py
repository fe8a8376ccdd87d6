"""Which part of the journal the drain takes next: live readings first, a backlog behind them, in order.

After an outage of the store the journal holds days. Draining it in order of arrival would show today's readings last,
so once the oldest waiting message is `BEHIND_S` old, what waits becomes the backlog and the live lane goes on at the
journal's end. What is drained is therefore a set of ranges of positions; the gaps between them are the backlog.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from ingest.store.intervals import IntervalSet
from ingest.store.port import Ranges

BEHIND_S: Final = 5.0
"""Age of the oldest waiting live message from which on new ones overtake it."""


class Span(msgspec.Struct, frozen=True):
    """Positions behind `after` and before `before`."""

    after: int
    before: int


_END: Final = 1 << 62


class Lanes:
    """Owns what is drained; one thread."""

    def __init__(self, drained: Ranges, first: int, next_after: Callable[[int], int] | None = None) -> None:
        """Go on where the store says that it is.

        Args:
            drained: What the store has.
            first: The journal's first position; everything below it is done with.
            next_after: The journal's first position behind another; what it skips was never given out, or is gone.
        """
        self._done = IntervalSet(drained)
        if first > 1:
            self._done.add(1, first - 1)
        if next_after is not None:
            for _, last in tuple(self._done):
                self._done.add(last, next_after(last) - 1)
        self._live_after = self._end()

    def live(self) -> Span:
        """What the live lane has not drained."""
        return Span(self._live_after, _END)

    def backlog(self) -> Span | None:
        """The oldest gap, None without a backlog."""
        after = self.trimmable()
        if after >= self._live_after:
            return None
        return Span(after, next((start for start, _ in self._done if start > after), self._live_after + 1))

    def overtake(self, last: int) -> None:
        """Leave everything up to a position to the backlog."""
        self._live_after = max(self._live_after, last)

    def done_with(self, first: int, last: int) -> Ranges:
        """What will be drained once these positions are as well."""
        after = IntervalSet(self._done)
        after.add(first, last)
        return tuple(after)

    def commit(self, drained: Ranges, last: int) -> None:
        """These are drained now; `last` was the highest of the batch."""
        self._done = IntervalSet(drained)
        self._live_after = max(self._live_after, last)

    def trimmable(self) -> int:
        """Up to where nothing is waiting."""
        start, end = next(iter(self._done), (1, 0))
        return end if start <= 1 else 0

    def waiting(self, last: int) -> int:
        """How many positions up to the journal's last are not drained."""
        return last - sum(min(end, last) - start + 1 for start, end in self._done if start <= last)

    def _end(self) -> int:
        return max((end for _, end in self._done), default=0)
