"""Live readings overtake a backlog, every position is drained once, and what is drained survives a restart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.lanes import Lanes, Span


def test_without_a_backlog_there_is_one_lane() -> None:
    lanes = Lanes((), 1)
    lanes.commit(lanes.done_with(1, 10), 10)
    assert (lanes.live().after, lanes.backlog(), lanes.waiting(12), lanes.trimmable()) == (10, None, 2, 10)


def test_overtaken_messages_become_the_backlog() -> None:
    lanes = Lanes(((1, 10),), 1)
    lanes.overtake(100)
    assert (lanes.live().after, lanes.backlog()) == (100, Span(10, 101))
    lanes.commit(lanes.done_with(101, 105), 105)
    assert (lanes.live().after, lanes.backlog(), lanes.trimmable()) == (105, Span(10, 101), 10)
    lanes.commit(lanes.done_with(11, 100), 100)
    assert (lanes.live().after, lanes.backlog(), lanes.trimmable()) == (105, None, 105)


def test_a_restart_goes_on_with_the_same_gap() -> None:
    again = Lanes(((1, 10), (101, 105)), 11)
    assert (again.live().after, again.backlog(), again.waiting(107)) == (105, Span(10, 101), 92)


def test_a_journal_that_begins_later_leaves_nothing_waiting_below() -> None:
    lanes = Lanes(((1, 10),), 51)
    assert (lanes.live().after, lanes.backlog(), lanes.waiting(50)) == (50, None, 0)


@given(st.lists(st.sampled_from(["arrive", "live", "backlog", "overtake", "restart"]), max_size=120))
def test_every_position_is_drained_exactly_once_under_any_course(steps: list[str]) -> None:
    last, drained = 0, []
    lanes = Lanes((), 1)
    committed: tuple[tuple[int, int], ...] = ()

    def take(span: Span) -> None:
        nonlocal committed
        end = min(span.after + 3, span.before - 1, last)
        if end > span.after:
            drained.extend(range(span.after + 1, end + 1))
            committed = lanes.done_with(span.after + 1, end)
            lanes.commit(committed, end)

    for step in [*steps, *(["live", "backlog"] * 200)]:
        if step == "arrive":
            last += 5
        elif step == "live":
            take(lanes.live())
        elif step == "backlog" and (span := lanes.backlog()):
            take(span)
        elif step == "overtake":
            lanes.overtake(last)
        elif step == "restart":
            lanes = Lanes(committed, 1)
    assert sorted(drained) == list(range(1, last + 1))
    assert lanes.waiting(last) == 0
