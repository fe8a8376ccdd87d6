"""What stays open for long, bounded for each person and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class TooManyError(Exception):
    """No slot is free; the text says whose bound it is."""


class Slots:
    """Counts who holds how many; used from the event loop alone.

    Args:
        what: What is counted, in the plural.
        each: At most so many for a person.
        total: At most so many in all.
    """

    def __init__(self, what: str, *, each: int, total: int) -> None:
        """Nothing is open."""
        self._what = what
        self._each = each
        self._total = total
        self._held: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """How many are open."""
        return self._held.total()

    @contextmanager
    def taken(self, person: str) -> Iterator[None]:
        """Hold one.

        Raises:
            TooManyError: The person has as many as a person may, or all are taken.
        """
        if self._held[person] >= self._each:
            raise TooManyError(f"you have {self._each} {self._what} open already; close one first")
        if self.held >= self._total:
            raise TooManyError(f"{self._total} {self._what} are open already, of all people together; try again later")
        self._held[person] += 1
        try:
            yield
        finally:
            self._held[person] -= 1
            if not self._held[person]:
                del self._held[person]
