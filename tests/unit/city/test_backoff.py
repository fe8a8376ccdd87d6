"""Waits after failures in a row: they double up to a bound, differ by chance, and honour a wait that was asked for."""

from __future__ import annotations

import pytest

from city.backoff import Backoff


def highest(_low: float, high: float) -> float:
    """The longest wait that chance allows."""
    return high


def lowest(low: float, _high: float) -> float:
    """The shortest wait that chance allows."""
    return low


def test_the_longest_wait_doubles_up_to_the_bound_and_stays_there() -> None:
    backoff = Backoff(0.5, 30.0, uniform=highest)
    assert [backoff.next_s() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    for _ in range(10_000):
        assert backoff.next_s() == 30.0


def test_no_wait_is_shorter_than_half_the_minimum_or_the_sure_share() -> None:
    spread = Backoff(0.5, 30.0, uniform=lowest)
    assert {spread.next_s() for _ in range(20)} == {0.25}
    sparing = Backoff(1.0, 30.0, sure_share=0.5, uniform=lowest)
    assert [sparing.next_s() for _ in range(6)] == [0.5, 1, 2, 4, 8, 15]


def test_a_success_begins_a_new_row() -> None:
    backoff = Backoff(0.5, 30.0, uniform=highest)
    for _ in range(5):
        backoff.next_s()
    assert backoff.failures == 5
    backoff.reset()
    assert (backoff.failures, backoff.next_s()) == (0, 0.5)


@pytest.mark.parametrize(("asked_s", "waited_s"), [(None, 0.5), (0.0, 0.5), (0.1, 0.5), (60.0, 60.0), (-5.0, 0.5)])
def test_a_wait_that_was_asked_for_is_honoured(asked_s: float | None, waited_s: float) -> None:
    assert Backoff(0.5, 30.0, uniform=highest).next_s(asked_s) == waited_s


def test_a_bound_below_the_minimum_is_the_wait() -> None:
    assert Backoff(1.0, 0.01, uniform=highest).next_s() == 0.01
    assert 0 < Backoff(1.0, 0.01).next_s() <= 0.01


def test_those_who_fail_together_wait_differently() -> None:
    clients = [Backoff(0.25, 30.0) for _ in range(50)]
    waits = {round(client.next_s(), 6) for client in clients for _ in range(6)}
    assert len(waits) > 200
