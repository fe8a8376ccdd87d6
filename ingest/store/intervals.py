"""Sets of integers as sorted inclusive ranges, for sequence numbers and offsets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class IntervalSet:
    """Sorted, disjoint, never adjacent inclusive ranges; built from ranges in any order, overlapping or not.

    Adding is O(log n) plus the ranges it merges.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int | None = None) -> bool:
        """Add `first..last` (or one number); False when all of it was present already."""
        last = first if last is None else last
        if self._ends and first == self._ends[-1] + 1:
            self._ends[-1] = last  # the next in order, by far the most frequent
            return True
        low = bisect_right(self._starts, first) - 1
        if low >= 0 and self._ends[low] >= last:
            return False
        if low < 0 or self._ends[low] < first - 1:
            low += 1
        high = bisect_right(self._starts, last + 1)
        if low < high:
            first = min(first, self._starts[low])
            last = max(last, self._ends[high - 1])
        self._starts[low:high] = [first]
        self._ends[low:high] = [last]
        return True

    def add_run(self, numbers: list[int]) -> bool:
        """Add numbers if each is one more than the last, and all are above the set; else add nothing and return False.

        That is how the readings of a device come.
        """
        first, last = numbers[0], numbers[-1]
        if (self._ends and first <= self._ends[-1]) or numbers != list(range(first, last + 1)):
            return False
        self.add(first, last)
        return True

    def copy(self) -> IntervalSet:
        """An independent set of the same numbers."""
        copied = IntervalSet()
        copied._starts, copied._ends = self._starts[:], self._ends[:]
        return copied

    def union(self, other: IntervalSet) -> IntervalSet:
        """A set of the numbers of both."""
        both = self.copy()
        for first, last in other:
            both.add(first, last)
        return both

    def __contains__(self, number: int) -> bool:
        """Whether a number lies in one of the ranges."""
        low = bisect_right(self._starts, number) - 1
        return low >= 0 and self._ends[low] >= number

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The ranges in order."""
        return iter(zip(self._starts, self._ends, strict=True))

    def __len__(self) -> int:
        """How many ranges there are."""
        return len(self._starts)

    def count(self) -> int:
        """How many numbers are in the set."""
        return sum(last - first + 1 for first, last in self)

    def difference(self, other: IntervalSet) -> IntervalSet:
        """The numbers in this set that are not in another."""
        left = IntervalSet()
        for first, last in self:
            at = first
            low = max(0, bisect_right(other._starts, first) - 1)
            for start, end in zip(other._starts[low:], other._ends[low:], strict=True):
                if start > last:
                    break
                if start > at:
                    left.add(at, start - 1)
                at = max(at, end + 1)
            if at <= last:
                left.add(at, last)
        return left

    def keep_highest(self, ranges: int) -> None:
        """Keep only the highest `ranges` ranges."""
        del self._starts[:-ranges], self._ends[:-ranges]
