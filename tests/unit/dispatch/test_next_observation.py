"""What the next visit or reading finds: causal, calibrated, and silent where too little is known."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from dispatch.forecast.distribution import IntervalCalibration, WeightedOutcomes
from dispatch.forecast.next_observation import OBSERVATIONS_MIN, ExpectedObservation, NextObservations
from dispatch.forecast.observation import Observation, clean

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def days(count: int, seed: int = 1, container: str = "a", stream: str = "paper") -> list[Observation]:
    """Daily observations that grow and are emptied at 8 or more."""
    random = np.random.default_rng(seed)
    level, observations = 0.0, []
    for number in range(count):
        level = 0.0 if level >= 8 else min(level + float(random.choice([0, 2, 4])), 10)
        observations.append(Observation(container, stream, START + timedelta(days=number), level, -10.1, 123.6))
    return observations


def rolled(observations: list[Observation]) -> list[ExpectedObservation | None]:
    """The forecast of each observation from those before its moment."""
    model = NextObservations(UTC)
    forecasts = []
    for observation in observations:
        forecasts.append(model.forecast(observation.container, observation.stream, observation.at))
        model.learn(observation)
    return forecasts


def test_other_future_values_change_no_earlier_forecast() -> None:
    """Forecasts up to a moment are the same whatever happens from that moment on."""
    observations = days(80)
    changed = [
        msgspec.structs.replace(observation, amount=99.0) if number >= 50 else observation
        for number, observation in enumerate(observations)
    ]
    one, other = rolled(observations), rolled(changed)
    assert one[:51] == other[:51]
    assert one[51:] != other[51:]


def test_what_was_learnt_since_changes_no_forecast_of_an_earlier_moment() -> None:
    """A model that has seen the future gives the forecast of a past moment that it gave then."""
    observations = days(80)
    before = rolled(observations)
    model = NextObservations(UTC)
    for observation in observations:
        model.learn(observation)
    again = [model.forecast("a", "paper", observation.at) for observation in observations]
    assert again == before


def test_observations_of_the_same_moment_know_nothing_of_each_other() -> None:
    """The forecast of a moment is the same before and after others of that moment are learnt."""
    model = NextObservations(UTC)
    for mine, theirs in zip(days(40), days(40, 2, "b"), strict=True):
        before = model.forecast("a", "paper", mine.at)
        model.learn(theirs)
        assert model.forecast("a", "paper", mine.at) == before
        model.learn(mine)


def test_the_interval_holds_four_fifths_of_values_in_steps_and_smooth_ones() -> None:
    """Values in steps, where half are zero, and smooth ones are both within the interval as often as promised."""
    random = np.random.default_rng(3)
    smooth = [
        msgspec.structs.replace(observation, amount=float(random.gamma(4, 1)))
        for observation in days(500, container="b")
    ]
    for observations in (days(500), smooth):
        pairs = list(zip(observations, rolled(observations), strict=True))[100:]
        inside = [expected.lo80 <= seen.amount <= expected.hi80 for seen, expected in pairs if expected is not None]
        assert len(inside) == 400
        assert 0.75 <= np.mean(inside) <= 0.87


def test_a_pattern_is_found() -> None:
    """The forecast is nearer than the last value and than the median."""
    observations = days(400)
    pairs = [(seen, guess) for seen, guess in zip(observations, rolled(observations), strict=True) if guess][100:]
    amounts = np.array([seen.amount for seen, _ in pairs])
    error = np.mean([abs(guess.median - seen.amount) for seen, guess in pairs])
    assert error < np.mean(np.abs(np.diff(amounts))) * 0.8
    assert error < np.mean(np.abs(amounts - np.median(amounts))) * 0.8


def test_too_few_observations_allow_no_forecast() -> None:
    """The first forecast comes after `OBSERVATIONS_MIN` observations of the container itself."""
    model = NextObservations(UTC)
    for observation in days(50, 2, "b"):
        model.learn(observation)
    for number, observation in enumerate(days(OBSERVATIONS_MIN + 1), start=0):
        at = observation.at + timedelta(days=60)
        assert (model.forecast("a", "paper", at) is None) == (number < OBSERVATIONS_MIN)
        model.learn(msgspec.structs.replace(observation, at=at))


def test_an_observation_out_of_order_is_refused() -> None:
    """An older observation is an error: forecasts since then have not known it."""
    model = NextObservations(UTC)
    first, second = days(2)
    model.learn(second)
    with pytest.raises(ValueError, match="before the newest"):
        model.learn(first)


def test_damaged_observations_are_put_in_order_and_counted() -> None:
    """No numbers, negative amounts, repeated moments and times from the future are left out."""
    first, second, third = days(3)
    replace = msgspec.structs.replace
    cleaned = clean(
        [
            third,
            first,
            replace(second, amount=math.nan),
            replace(second, amount=-1.0),
            replace(second, amount=math.inf),
            replace(second, amount=7.0),
            replace(second, amount=5.0),
            replace(third, at=third.at + timedelta(days=365)),
        ],
        third.at,
    )
    assert [observation.at for observation in cleaned.observations] == [first.at, second.at, third.at]
    assert cleaned.observations[1].amount == 5.0
    assert (cleaned.not_numbers, cleaned.replaced, cleaned.from_future) == (3, 1, 1)


def test_two_streams_of_a_container_are_forecast_apart() -> None:
    """A stream that is always empty is forecast as empty beside one that fills."""
    observations = []
    for full, empty in zip(days(60), days(60, stream="plastic"), strict=True):
        observations += [full, msgspec.structs.replace(empty, amount=0.0)]
    forecasts = rolled(observations)
    paper, plastic = forecasts[60::2], forecasts[61::2]
    assert {guess.hi80 for guess in plastic if guess} == {0.0}
    assert np.mean([guess.mean for guess in paper if guess]) > 2.0


def test_a_quantile_is_the_outcome_that_the_weight_reaches() -> None:
    """Quantiles and shares of three outcomes with unequal weights."""
    distribution = WeightedOutcomes(np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0]))
    assert [distribution.quantile(share) for share in (0.1, 0.5, 0.51, 0.75, 0.9)] == [1.0, 1.0, 2.0, 2.0, 3.0]
    assert distribution.mean == pytest.approx(1.75)
    assert distribution.two_sided_share(3.0) == pytest.approx(0.5)
    assert distribution.two_sided_share(9.0) == pytest.approx(0.0)


def test_the_calibration_uses_earlier_errors_alone() -> None:
    """The interval of a moment ignores what was found then and later."""
    calibration, distribution = IntervalCalibration(), WeightedOutcomes(np.arange(100.0), np.ones(100))
    for number in range(60):
        calibration.learn(distribution, 50.0 if number < 40 else 99.0, float(number))
    early = calibration.outside(40.0)
    assert early > 0.9
    assert calibration.outside(60.0) < early
