"""Emptyings are told from settling, noise and faults of the sensor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from dispatch.forecast.calendar import Calendar, hours_between
from dispatch.forecast.emptying import is_emptying, without_spikes
from dispatch.forecast.growth import (
    Emptying,
    FillHistory,
    Growths,
    Observations,
    emptied_before,
    growths_of,
    observations_of,
)
from dispatch.forecast.places import Container, places_of

NOW = datetime(2026, 6, 1, 3, tzinfo=UTC)
PLACES = places_of([Container("a", "organic", has_sensor=True)])


def observed(fills: list[float], visits: tuple[Emptying, ...] = (), step_h: float = 1.0) -> Observations:
    """Readings that end at `NOW`, one each `step_h`."""
    times_s = NOW.timestamp() - 3600.0 * step_h * np.arange(len(fills) - 1, -1, -1)
    return observations_of({"a": FillHistory(times_s, np.array(fills, dtype=np.float64), visits)}, PLACES, NOW)


def grown(fills: list[float], visits: tuple[Emptying, ...] = (), step_h: float = 1.0) -> Growths:
    """Growths between readings."""
    hours = hours_between(NOW - timedelta(days=60), NOW, UTC, Calendar())
    return growths_of(observed(fills, visits, step_h), hours)


@pytest.mark.parametrize(
    ("before", "after", "stood", "emptied"),
    [
        (90.0, 3.0, False, True),
        (90.0, 60.0, False, True),
        (20.0, 4.0, False, True),
        (60.0, 52.0, False, False),
        (60.0, 52.0, True, True),
        (60.0, 58.0, True, False),
        (10.0, 2.0, False, False),
        (40.0, 45.0, True, False),
    ],
)
def test_a_large_fall_is_an_emptying_and_a_small_one_only_with_a_truck(
    before: float, after: float, *, stood: bool, emptied: bool
) -> None:
    """A small fall is settling, unless a truck stood there; what is within the noise is never an emptying."""
    assert is_emptying(np.array([before]), np.array([after]), np.array([stood]))[0] == emptied


def test_a_lone_reading_far_from_its_neighbours_is_a_fault() -> None:
    """A spike up or down is left out; a level that stays is not one, nor is a spike over the end of a container."""
    series = np.array([0] * 6 + [1] * 2)
    fills = np.array([40.0, 95.0, 41.0, 5.0, 42.0, 80.0, 40.0, 41.0])
    times_s = 3600.0 * np.arange(8)
    assert without_spikes(series, times_s, fills).tolist() == [True, False, True, False, True, True, True, True]
    assert without_spikes(series, times_s * 24, fills).all()


def test_settling_counts_as_negative_growth_and_an_emptying_not_at_all() -> None:
    """The sum of growths is what came in, less what settled."""
    assert grown([50, 60, 55, 65]).points.tolist() == [10, -5, 10]
    assert grown([50, 60, 2, 12]).points.tolist() == [10, 10]
    assert emptied_before(observed([50, 60, 2, 12])).tolist() == [False, False, True, False]


def test_a_small_fall_while_a_truck_stood_there_is_an_emptying() -> None:
    """The same fall is settling without a visit, and an emptying with one within the hour."""
    fills = [30.0, 40.0, 31.0, 36.0]
    visit = Emptying(NOW - timedelta(minutes=90), None)
    assert grown(fills).points.tolist() == [10, -9, 5]
    assert grown(fills, (visit,)).points.tolist() == [10, 5]
    late = Emptying(NOW - timedelta(hours=9), None)
    assert grown(fills, (late,)).points[-2:].tolist() == [-9, 5]


def test_growth_of_a_full_container_is_unknown() -> None:
    """A sensor at its top says nothing of what is put on top."""
    assert grown([90, 98, 98, 98]).points.tolist() == [8]


def test_a_growth_covers_the_hours_between_its_observations() -> None:
    """Hours are those of the observations; two within an hour cover none."""
    growths, short = grown([10, 20, 30], step_h=5), grown([10, 20, 30], step_h=0.1)
    assert (growths.end - growths.first).tolist() == [5, 5]
    assert (short.end - short.first).tolist() == [0, 0]


def test_damaged_readings_are_left_out() -> None:
    """No numbers, negative fills and the future are left out; order and repeats do not matter."""
    now_s = NOW.timestamp()
    times_s = np.array([now_s - 3600, now_s - 7200, now_s - 3600, now_s, now_s - 1800, now_s + 86400, np.nan, now_s])
    fills = np.array([99.0, 10.0, 20.0, np.nan, -4.0, 50.0, 50.0, 130.0])
    cleaned = observations_of({"a": FillHistory(times_s, fills)}, PLACES, NOW)
    assert cleaned.times_s.tolist() == [now_s - 7200, now_s - 3600, now_s]
    assert cleaned.fill_pct.tolist() == [10.0, 20.0, 100.0]


def test_a_visit_is_what_was_found_and_left_unless_the_sensor_tells() -> None:
    """Without readings soon after it, a visit adds both; with them it only explains the fall."""
    visit = Emptying(NOW - timedelta(hours=30), 80.0, 5.0)
    alone = observations_of({"a": FillHistory(np.empty(0), np.empty(0), (visit,))}, PLACES, NOW)
    assert alone.fill_pct.tolist() == [80.0, 5.0]
    assert alone.starts.tolist() == [False, True]
    measured = observed([70.0, 3.0, 4.0], (Emptying(NOW - timedelta(minutes=100), 80.0, 5.0),))
    assert measured.fill_pct.tolist() == [70.0, 3.0, 4.0]


def test_no_history_at_all_is_no_error() -> None:
    """A city without a reading has no growths."""
    hours = hours_between(NOW - timedelta(days=60), NOW, UTC, Calendar())
    assert len(growths_of(observations_of({}, PLACES, NOW), hours).points) == 0
