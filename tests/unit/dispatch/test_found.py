"""What crews find: by the rate at first, by what they found before later on, and never less for a longer wait."""

from __future__ import annotations

import numpy as np
import pytest

from dispatch.forecast.distribution import Floats
from dispatch.forecast.found import found_after, sums_of


def points_found(days: list[float], waits: list[float], points: list[float], rate_pct: float) -> Floats:
    """Points after each of the days, when visits after these waits had found these points."""
    sums = np.broadcast_to(sums_of(np.array(waits), np.array(points)).sum(axis=0), (len(days), 5))
    return found_after(sums, np.full(len(days), rate_pct), np.array(days))


def test_without_a_visit_the_rate_decides() -> None:
    assert points_found([0.0, 1.0, 3.0], [], [], 20.0).tolist() == [0.0, 20.0, 60.0]


def test_what_grows_with_the_wait_stays_on_the_line_of_the_rate() -> None:
    waits = [1.0, 2.0, 3.0, 2.0, 1.0]
    days = [0.0, 0.1, 1.0, 2.5]
    assert points_found(days, waits, [20 * wait for wait in waits], 20.0) == pytest.approx(20 * np.array(days), abs=0.2)


def test_crews_that_always_come_to_full_containers_find_them_full() -> None:
    """After many visits that found the same whatever the wait, so will the next one; the rate says 40 to 160."""
    waits = [1.0, 2.0, 3.0, 4.0] * 10
    after = points_found([1.0, 2.5, 4.0], waits, [90.0] * 40, 36.0)
    assert after == pytest.approx([90, 90, 90], abs=10)


def test_at_the_emptying_nothing_is_found_and_less_is_never_found_later() -> None:
    """Even where longer waits happened to find less."""
    after = points_found([0.0, 0.2, 0.5, 1.0, 2.0, 5.0], [1.0, 2.0, 3.0, 4.0], [90.0, 80.0, 70.0, 60.0], 30.0)
    assert after[0] == 0
    assert (np.diff(after) >= 0).all()


def test_the_sums_of_two_visits_are_those_of_each_together() -> None:
    both = sums_of(np.array([1.0, 2.0]), np.array([30.0, 50.0])).sum(axis=0)
    each = sums_of(np.array([1.0]), np.array([30.0]))[0] + sums_of(np.array([2.0]), np.array([50.0]))[0]
    assert both.tolist() == each.tolist()
