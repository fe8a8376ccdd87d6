"""Interval sets hold exactly the numbers that were added, as few ranges as possible."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ingest.store.intervals import IntervalSet

ranges = st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(ranges, max_size=30))
def test_holds_what_a_plain_set_would(added: list[tuple[int, int]]) -> None:
    intervals, plain = IntervalSet(), set[int]()
    for first, last in added:
        new = set(range(first, last + 1))
        assert intervals.add(first, last) == bool(new - plain)
        plain |= new
    assert {n for n in range(80) if n in intervals} == plain
    assert intervals.count() == len(plain)
    found = list(intervals)
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(found))


def test_forgets_the_lowest_first() -> None:
    intervals = IntervalSet([(0, 1), (5, 6), (9, 9)])
    intervals.keep_highest(2)
    assert list(intervals) == [(5, 6), (9, 9)]


def test_a_copy_is_independent_of_its_source() -> None:
    source = IntervalSet([(0, 1), (5, 6)])
    copy = source.copy()
    copy.add(2, 4)
    assert list(copy) == [(0, 6)]
    assert list(source) == [(0, 1), (5, 6)]
