"""Live readings overtake a backlog, every position is drained once, and what is drained survives a restart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.pipeline.backlog import OffsetRange, OffsetTracker


def test_without_a_backlog_there_is_one_lane() -> None:
    tracker = OffsetTracker((), 1)
    tracker.commit(tracker.offsets_after(1, 10), 10)
    assert (tracker.live().after, tracker.backlog(), tracker.pending_count(12), tracker.low_watermark()) == (
        10,
        None,
        2,
        10,
    )


def test_overtaken_messages_become_the_backlog() -> None:
    tracker = OffsetTracker(((1, 10),), 1)
    tracker.skip_to_live(100)
    assert (tracker.live().after, tracker.backlog()) == (100, OffsetRange(10, 101))
    tracker.commit(tracker.offsets_after(101, 105), 105)
    assert (tracker.live().after, tracker.backlog(), tracker.low_watermark()) == (105, OffsetRange(10, 101), 10)
    tracker.commit(tracker.offsets_after(11, 100), 100)
    assert (tracker.live().after, tracker.backlog(), tracker.low_watermark()) == (105, None, 105)


def test_a_restart_goes_on_with_the_same_gap() -> None:
    again = OffsetTracker(((1, 10), (101, 105)), 11)
    assert (again.live().after, again.backlog(), again.pending_count(107)) == (105, OffsetRange(10, 101), 92)


def test_a_journal_that_begins_later_leaves_nothing_waiting_below() -> None:
    tracker = OffsetTracker(((1, 10),), 51)
    assert (tracker.live().after, tracker.backlog(), tracker.pending_count(50)) == (50, None, 0)


@given(st.lists(st.sampled_from(["arrive", "live", "backlog", "skip", "restart"]), max_size=120))
def test_every_offset_is_drained_exactly_once_under_any_course(steps: list[str]) -> None:
    last, drained = 0, []
    tracker = OffsetTracker((), 1)
    committed: tuple[tuple[int, int], ...] = ()

    def take(gap: OffsetRange) -> None:
        nonlocal committed
        end = min(gap.after + 3, gap.before - 1, last)
        if end > gap.after:
            drained.extend(range(gap.after + 1, end + 1))
            committed = tracker.offsets_after(gap.after + 1, end)
            tracker.commit(committed, end)

    for step in [*steps, *(["live", "backlog"] * 200)]:
        if step == "arrive":
            last += 5
        elif step == "live":
            take(tracker.live())
        elif step == "backlog" and (gap := tracker.backlog()):
            take(gap)
        elif step == "skip":
            tracker.skip_to_live(last)
        elif step == "restart":
            tracker = OffsetTracker(committed, 1)
    assert sorted(drained) == list(range(1, last + 1))
    assert tracker.pending_count(last) == 0
