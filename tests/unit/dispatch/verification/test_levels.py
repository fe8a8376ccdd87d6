"""Levels with noise, spikes, gaps and settling: what is an emptying and what is not."""

import math
import random
from datetime import timedelta

import pytest

from dispatch.verification.levels import LevelChange, change_by_claim, emptyings, in_order
from dispatch.verification.signals import LevelReading
from tests.support.stops import OPENS, at, emptying, levels, steady

NOW = at(600)


def by_claim(readings: tuple[LevelReading, ...], minute: float = 62) -> LevelChange:
    """What the sensor says of a claim of two minutes."""
    return change_by_claim(in_order(readings, NOW), at(minute), at(minute + 2), NOW)


def without_claim(readings: tuple[LevelReading, ...]) -> list[LevelChange]:
    """Emptyings that nobody claims."""
    return emptyings(in_order(readings, NOW), OPENS)


def noisy(readings: tuple[LevelReading, ...], error_pct: float, seed: int) -> tuple[LevelReading, ...]:
    """Readings with errors."""
    chance = random.Random(seed)
    return tuple(
        LevelReading(reading.at, max(reading.fill_pct + chance.gauss(0, error_pct), 0.0)) for reading in readings
    )


@pytest.mark.parametrize("seed", range(40))
def test_noise_neither_hides_nor_makes_an_emptying(seed: int) -> None:
    """Errors of four points: a collection at 30 % is seen, and a level that stays is no collection."""
    assert by_claim(noisy(emptying(63, before_pct=30), 4, seed)).says == "fell"
    assert by_claim(noisy(steady(-60, 300, 40), 4, seed)).says == "stayed"
    assert without_claim(noisy(steady(-300, 590, 60), 4, seed)) == []
    assert len(without_claim(noisy(emptying(63), 4, seed))) == 1


def test_spike_is_no_emptying() -> None:
    """A single reading of zero after a claim proves nothing once the next ones arrive."""
    spike = steady(-60, 60, 80) + levels((70, 0)) + steady(80, 300, 80)
    assert by_claim(spike).says == "stayed"
    assert without_claim(spike) == []


def test_error_that_lasts_an_hour_is_no_emptying() -> None:
    """Several readings of zero that jump back to the old level are a fault of the sensor."""
    fault = steady(-60, 60, 80) + steady(70, 130, 0) + steady(140, 400, 81)
    assert by_claim(fault).says == "stayed"
    assert without_claim(fault) == []


def test_container_that_fills_again_was_emptied() -> None:
    """At a market the level rises by ten points an hour: that is no jump."""
    filling = tuple(LevelReading(at(70 + 10 * number), 2 + 1.7 * number) for number in range(40))
    assert by_claim(steady(-60, 60, 60) + filling).says == "fell"
    assert len(without_claim(steady(-60, 60, 60) + filling)) == 1


def test_settling_is_no_emptying() -> None:
    """Waste that settles by six points has not been collected."""
    assert by_claim(steady(-60, 60, 60) + steady(70, 300, 54)).says == "stayed"
    assert without_claim(steady(-60, 60, 60) + steady(70, 300, 42)) == []


def test_small_fall_counts_with_a_claim_alone() -> None:
    """From 20 % to 8 %: an emptying if a crew says so, and otherwise not."""
    small = steady(-60, 60, 20) + steady(70, 300, 9)
    assert by_claim(small).says == "fell"
    assert without_claim(small) == []


def test_unclaimed_fall_needs_a_second_reading() -> None:
    """The newest reading may be an error."""
    first = steady(-60, 60, 80) + levels((70, 2))
    assert without_claim(first) == []
    (change,) = without_claim(first + levels((80, 3)))
    assert (change.at, change.happened_at) == (at(70), at(65))
    assert (change.before_pct, change.after_pct) == (80, 3)


def test_fall_across_a_gap_of_a_day_has_no_time() -> None:
    """Nobody knows whether it was emptied within the window."""
    assert without_claim(steady(-900, -800, 80) + steady(60, 120, 3)) == []


def test_two_emptyings_are_two() -> None:
    """A container may be emptied in the morning and at night."""
    filling = levels(*((190 + 10 * number, 3 + 2.1 * number) for number in range(32)))
    twice = emptying(60) + filling + steady(510, 590, 3)
    assert [change.at for change in without_claim(twice)] == [at(65), at(510)]


def test_what_is_no_level_is_left_out() -> None:
    """No number, negative, from the future, repeated: the last one given of a moment counts."""
    given = levels((10, math.nan), (20, -1), (30, 50), (30, 51), (700, 60), (5, 40), (40, math.inf))
    assert [(reading.at - OPENS, reading.fill_pct) for reading in in_order(given, NOW)] == [
        (timedelta(minutes=5), 40),
        (timedelta(minutes=30), 51),
    ]


def test_without_readings_nothing_is_known() -> None:
    """Neither before nor after."""
    assert by_claim(()).says == "unknown"
    assert by_claim(steady(-60, 60, 80)).says == "unknown"
    assert by_claim(steady(70, 90, 5)).says == "unknown"
