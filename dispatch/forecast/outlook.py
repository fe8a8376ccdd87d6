"""The fill of containers at every hour of the next seven days, if nobody collects them, and what follows from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from dispatch.forecast.calendar import hours_between
from dispatch.forecast.city_model import CityModel, ContainerState, Level
from dispatch.forecast.distribution import Floats
from dispatch.forecast.found import SUMS, found_after
from dispatch.forecast.reasons import CollectReason, Grade, NoForecastReason
from dispatch.forecast.residuals import HORIZONS_H, SHARES, scale_of

AHEAD_H: Final = 168
VISITS_MIN: Final = 3
"""Visits of a container without a sensor that are needed for a forecast."""
OBSERVED_MAX: Final = timedelta(days=14)
LIMIT_PCT: Final = 85.0
"""Fill from which on a container is to be emptied (`ingest.store.views.device_condition.FULL_PCT`)."""
OVERFLOW_PCT: Final = 100.0
SOON_H: Final = 24
ORGANIC_AGE_MAX: Final = timedelta(hours=72)
"""Age of organic waste from which on it is to be collected: flies need a week from egg to fly, smell less."""
OBSERVED_ERROR: Final = 0.25
"""Error of an observation itself, as a share of the error at the first horizon."""
TAIL_SHARE: Final = 0.9
"""Share from which on the errors tell how steep the tail behind the largest ones is."""
GRADE_WIDTHS_PCT: Final[tuple[tuple[float, Grade], ...]] = ((15.0, "high"), (30.0, "medium"), (50.0, "low"))
ORGANIC: Final = "organic"


class HourForecast(msgspec.Struct, frozen=True):
    """The fill of a container at an hour; `lo80_pct` and `hi80_pct` hold it with 80 %."""

    at: datetime
    mean_pct: float
    lo80_pct: float
    hi80_pct: float
    overflow_probability: Annotated[float, Meta(description="That it is full by then, 0 to 1.")]


class FillForecast(msgspec.Struct, frozen=True):
    """The forecast of a container, or the reason why there is none.

    `full_at` is the first hour at which the mean reaches `LIMIT_PCT`. `emptied_at` is the last known emptying.
    """

    container: str
    stream: str
    no_forecast: NoForecastReason | None
    reliability: Grade | None
    rate_pct_per_day: float | None
    observed_at: datetime | None
    emptied_at: datetime | None
    full_at: datetime | None
    reasons: tuple[CollectReason, ...]
    hours: tuple[HourForecast, ...]


def forecast(
    model: CityModel,
    container: str,
    now: datetime,
    *,
    alerts: Collection[str] = (),
    reported: Collection[str] = (),
    hours: int = AHEAD_H,
) -> FillForecast:
    """The forecast of a container from `now` on, hour by hour; the first is that of `now`.

    Args:
        model: The city's model.
        container: Its id.
        now: UTC.
        alerts: Containers with an alert.
        reported: Containers that somebody reported.
        hours: Number of hours ahead, at most `AHEAD_H`.

    Raises:
        KeyError: The model has no such container.
    """
    number = model.numbers[container]
    state, known = model.states[number], model.places.containers[number]
    rate = float(model.rates.rate(model.places)[number])
    told: list[CollectReason] = ["alert"] if container in alerts else []
    told += ["citizen_report"] if container in reported else []
    missing = _missing(state, now, rate=rate, has_sensor=known.has_sensor or state.readings > 0)
    if missing is not None or state.newest is None:
        observed_at = _aware(state.newest.at_s if state.newest else None)
        unknown = without_forecast(container, known.stream, missing or "never_observed", told)
        return msgspec.structs.replace(unknown, observed_at=observed_at, emptied_at=_aware(state.emptied_s))
    listed = _hours(model, number, state.newest, rate, now, hours)
    full_at = next((hour.at for hour in listed if hour.mean_pct >= LIMIT_PCT), None)
    due: list[CollectReason] = []
    if full_at is not None and full_at <= now + timedelta(hours=SOON_H):
        due.append("full" if listed[0].mean_pct >= LIMIT_PCT else "will_be_full")
    emptied_at = _aware(state.emptied_s)
    # Without a known emptying the waste is at least as old as the first observation.
    oldest_at = emptied_at or _aware(state.first_s)
    if known.stream == ORGANIC and oldest_at is not None and now - oldest_at >= ORGANIC_AGE_MAX:
        due.append("organic_age")
    return FillForecast(
        container=container,
        stream=known.stream,
        no_forecast=None,
        reliability=grade_of(listed[min(SOON_H, len(listed) - 1)]),
        rate_pct_per_day=rate,
        observed_at=_aware(state.newest.at_s),
        emptied_at=emptied_at,
        full_at=full_at,
        reasons=(*due, *told),
        hours=listed,
    )


def without_forecast(
    container: str, stream: str, reason: NoForecastReason, reasons: Iterable[CollectReason]
) -> FillForecast:
    """What is said of a container without a forecast."""
    return FillForecast(container, stream, reason, None, None, None, None, None, tuple(reasons), ())


def grade_of(hour: HourForecast) -> Grade:
    """The reliability of a forecast by the width of its interval."""
    width_pct = hour.hi80_pct - hour.lo80_pct
    return next((grade for widest_pct, grade in GRADE_WIDTHS_PCT if width_pct <= widest_pct), "very_low")


def _missing(state: ContainerState, now: datetime, *, rate: float, has_sensor: bool) -> NoForecastReason | None:
    if not has_sensor and state.visits < VISITS_MIN:
        return "too_few_visits" if state.observations else "never_observed"
    if state.newest is None:
        return "never_observed"
    if now.timestamp() - state.newest.at_s > OBSERVED_MAX.total_seconds():
        return "observed_too_long_ago"
    return None if np.isfinite(rate) else "rate_unknown"


def _hours(
    model: CityModel, number: int, newest: Level, rate: float, now: datetime, count: int
) -> tuple[HourForecast, ...]:
    times_s: Floats = now.timestamp() + 3600.0 * np.arange(count + 1, dtype=np.float64)
    expected = _growth(model, number, rate, _shape_until(model, number, newest.at_s, times_s))
    stream = int(model.places.levels[0][number])
    ahead_h = np.maximum(times_s - newest.at_s, 0) / 3600
    scatter_pct = np.array([model.places.containers[number].scatter_pct])
    scale = scale_of(expected, model.rates.days[number], scatter_pct) * model.errors.factors[number]
    errors = model.errors.at(stream, ahead_h) * scale[:, None]
    # At the moment of the observation only the observation is uncertain; the error grows to that of the first horizon.
    grown = np.clip(np.sqrt(ahead_h / HORIZONS_H[0]), OBSERVED_ERROR, 1)
    fills = newest.fill_pct + expected[:, None] + errors * grown[:, None]
    # Errors are not around zero where a rate says too much or too little: the mean is that of all fills they lead to.
    mean, low, high = fills.mean(axis=1), _quantile(fills, 0.1), _quantile(fills, 0.9)
    overflow = np.maximum.accumulate(_overflow_probability(fills))
    columns = [np.maximum.accumulate(np.clip(column, 0, OVERFLOW_PCT)) for column in (mean, low, high)]
    return tuple(
        HourForecast(datetime.fromtimestamp(at_s, UTC), *(round(float(value), 3) for value in row))
        for at_s, *row in zip(times_s, *columns, overflow, strict=True)
    )


def _growth(model: CityModel, number: int, rate: float, days: Floats) -> Floats:
    """Points that were added after so many days: by the rate, or as crews found before."""
    if model.places.containers[number].has_sensor:
        return rate * days
    sums = np.broadcast_to(model.rates.found_sums[number], (len(days), SUMS))
    return found_after(sums, np.full(len(days), rate), days)


def _overflow_probability(fills: Floats) -> Floats:
    """Probability of each hour, (hours,), from values at `SHARES` in ascending order, (hours, shares).

    Beyond the last value the tail is exponential, as steep as it is from the upper tenth to that value: a container
    that overflows once in 200 days is worth less than one that does once in 20.
    """
    hours = np.arange(len(fills))
    below = (fills < OVERFLOW_PCT).sum(axis=1)
    upper = np.clip(below, 1, len(SHARES) - 1)
    lower_pct, upper_pct = fills[hours, upper - 1], fills[hours, upper]
    part = np.clip((OVERFLOW_PCT - lower_pct) / np.maximum(upper_pct - lower_pct, 1e-9), 0, 1)
    within = 1 - (SHARES[upper - 1] + part * (SHARES[upper] - SHARES[upper - 1]))
    start = int(np.searchsorted(SHARES, TAIL_SHARE))
    steep = np.log((1 - SHARES[start]) / (1 - SHARES[-1])) / np.maximum(fills[:, -1] - fills[:, start], 1e-9)
    tail = (1 - SHARES[-1]) * np.exp(-steep * np.maximum(OVERFLOW_PCT - fills[:, -1], 0))
    return np.asarray(np.where(below == 0, 1.0, np.where(below == len(SHARES), tail, within)))


def _quantile(fills: Floats, share: float) -> Floats:
    """A quantile of each hour, from values at `SHARES`."""
    position = float(np.interp(share, SHARES, np.arange(len(SHARES))))
    lower = int(position)
    return np.asarray(fills[:, lower] + (position - lower) * (fills[:, lower + 1] - fills[:, lower]))


def _shape_until(model: CityModel, number: int, start_s: float, times_s: Floats) -> Floats:
    """Days of growth, weighted by the shape, from a time to each of the times; hours in part count in part."""
    start, end = datetime.fromtimestamp(min(start_s, times_s[0]), UTC), datetime.fromtimestamp(times_s[-1], UTC)
    hours = hours_between(start, end, model.zone, model.calendar)
    shape = model.rates.shape(model.places, hours, np.array([number]))[0]
    sums = np.append(0.0, np.cumsum(shape))
    position = (np.append(start_s, times_s) - hours.start_s) / 3600
    grown = np.interp(position, np.arange(len(sums)), sums)
    return np.asarray(np.maximum(grown[1:] - grown[0], 0))


def _aware(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)
