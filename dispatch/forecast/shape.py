"""The shape of growth over time: what hour of the day, weekday, market day and rain make of a container's rate."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.forecast.calendar import DAY_KINDS, HOURS_A_DAY, WEEKDAYS, Hours, Ints
from dispatch.forecast.distribution import Floats
from dispatch.forecast.found import SUMS, sums_of
from dispatch.forecast.growth import Growths
from dispatch.forecast.places import RATE_STRENGTHS, Places

ROUNDS: Final = 3
"""Rounds in which rates and factors are fitted by turns; more change nothing that matters."""
SPREAD_MAX_H: Final = 3
"""A growth over more hours says nothing of the hour of the day."""
HOUR_STRENGTH: Final = 20.0
"""Points of growth that the even distribution over the day is worth, for each hour of a stream."""
FACTOR_STRENGTHS: Final = (40.0, 120.0, 90.0, 60.0)
"""Points of growth that a borrowed factor is worth: of streams, kelurahan, sites and containers."""
FACTOR_RANGE: Final = (0.2, 5.0)
RATE_LEAST_PCT: Final = 0.01
"""The least rate, in points a day: settling can outweigh growth, but not for ever."""
DAYS_MIN: Final = 1.0
ALL: Final = slice(None)


class Rates(msgspec.Struct):
    """What was learnt of each container.

    `points` and `days`: (containers, 1) growth and time of observation, weighted by the shape. `found_sums`: sums of
    visits without a sensor, (containers, 5), see `dispatch.forecast.found`. `hour`: (streams, 24), `weekday`:
    (containers, 7), `day_kind`: (containers, 4), each around 1.
    """

    points: Floats
    days: Floats
    found_sums: Floats
    hour: Floats
    weekday: Floats
    day_kind: Floats

    def rate(self, places: Places) -> Floats:
        """Points a day of each container, drawn to its site, kelurahan and stream.

        NaN in a stream of which no container was observed for `DAYS_MIN`: hours of the day differ.
        """
        root = np.full((len(places.streams), 1), np.nan)
        rates = np.maximum(places.shrink(self.points, self.days, root, RATE_STRENGTHS)[:, 0], RATE_LEAST_PCT)
        longest = np.zeros(len(places.streams))
        np.maximum.at(longest, places.levels[0], self.days[:, 0])
        return np.where(longest[places.levels[0]] >= DAYS_MIN, rates, np.nan)

    def shape(self, places: Places, hours: Hours, chosen: Ints | slice = ALL) -> Floats:
        """Share of a day's growth that falls in each hour, (chosen containers, hours)."""
        hourly = self.hour[places.levels[0][chosen]] / HOURS_A_DAY
        daily = self.day_factors(hours, chosen)
        return (daily[:, :, None] * hourly[:, None, :]).reshape(len(hourly), hours.count)

    def day_factors(self, hours: Hours, chosen: Ints | slice = ALL) -> Floats:
        """Factor of each day, (chosen containers, days)."""
        weekday, kind = hours.weekday[::HOURS_A_DAY], hours.day_kind[::HOURS_A_DAY]
        return self.weekday[chosen][:, weekday] * self.day_kind[chosen][:, kind]


class Cells(msgspec.Struct, frozen=True):
    """The hours that growths cover: (cells,) the growth of each, and its place in a flat (containers, hours) array.

    `in_no_hour` are growths that cover none, and `places` the cells they are added to.
    """

    growth: Ints
    flat: Ints
    in_no_hour: Ints
    places: Ints


def cells_of(growths: Growths, hours: Hours) -> Cells:
    """The hours that growths cover."""
    lengths = growths.end - growths.first
    growth = np.repeat(np.arange(len(lengths)), lengths)
    offset = np.arange(len(growth)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    start = growths.container * hours.count + growths.first
    in_no_hour = np.flatnonzero(lengths == 0)
    return Cells(growth, start[growth] + offset, in_no_hour, start[in_no_hour])


def unlearnt(places: Places) -> Rates:
    """Rates before any growth: even over hours and days."""
    number = len(places.containers)
    return Rates(
        np.zeros((number, 1)),
        np.zeros((number, 1)),
        np.zeros((number, SUMS)),
        np.ones((len(places.streams), HOURS_A_DAY)),
        np.ones((number, WEEKDAYS)),
        np.ones((number, DAY_KINDS)),
    )


def fit_rates(growths: Growths, hours: Hours, places: Places, rounds: int = ROUNDS) -> Rates:
    """Rates and factors of all containers, fitted by turns."""
    rates = unlearnt(places)
    cells = cells_of(growths, hours)
    learn_rates(rates, growths, cells, hours, places)
    for _ in range(rounds):
        _learn_factors(rates, growths, cells, hours, places)
        learn_rates(rates, growths, cells, hours, places)
    return rates


def learn_rates(rates: Rates, growths: Growths, cells: Cells, hours: Hours, places: Places) -> None:
    """Sum up growth and observed time with the factors as they are."""
    number = len(places.containers)
    shape = rates.shape(places, hours).reshape(-1)
    container = cells.flat // hours.count
    rates.points = sums_by_place(growths.container, growths.points, number)[:, None]
    rates.days = sums_by_place(container, shape[cells.flat], number)[:, None]
    chosen = places.is_unmeasured[growths.container]
    waits = days_of(cells, shape, len(growths.points))[chosen]
    rates.found_sums = np.zeros((number, SUMS))
    np.add.at(rates.found_sums, growths.container[chosen], sums_of(waits, growths.points[chosen]))


def days_of(cells: Cells, shape: Floats, growths: int) -> Floats:
    """Days of each growth, weighted by the shape of each hour, (growths,)."""
    return sums_by_place(cells.growth, shape[cells.flat], growths)


def sums_by_place(places: Ints, values: Floats, number: int) -> Floats:
    """Sums of the values of each place, (number,) float64."""
    return np.bincount(places, values, number).astype(np.float64, copy=False)


def spread(growths: Growths, cells: Cells, shape: Floats) -> Floats:
    """Growth in each hour, flat (containers * hours,): a growth over several hours is shared out by the shape."""
    weights = shape[cells.flat]
    totals = days_of(cells, shape, len(growths.points))
    shares = weights * (growths.points / np.maximum(totals, 1e-12))[cells.growth]
    grown = sums_by_place(cells.flat, shares, len(shape))
    return grown + sums_by_place(cells.places, growths.points[cells.in_no_hour], len(shape))


def _learn_factors(rates: Rates, growths: Growths, cells: Cells, hours: Hours, places: Places) -> None:
    number, days = len(places.containers), hours.count // HOURS_A_DAY
    shape = rates.shape(places, hours)
    grown = spread(growths, cells, shape.reshape(-1)).reshape(number, days, HOURS_A_DAY)
    covered = np.zeros(shape.size)
    covered[cells.flat] = 1.0
    rate = np.nan_to_num(rates.rate(places))
    expected = (shape * covered.reshape(shape.shape) * rate[:, None]).reshape(grown.shape)
    factors = rates.day_factors(hours)
    _learn_hours(rates, growths, cells, expected, places)
    daily_grown, daily_expected = grown.sum(axis=2), expected.sum(axis=2) / np.maximum(factors, 1e-12)
    weekday, kind = hours.weekday[::HOURS_A_DAY], hours.day_kind[::HOURS_A_DAY]
    by_kind = rates.day_kind[:, kind]
    # A week has the mean 1 and an ordinary day 1, so that a rate is what an ordinary week brings a day.
    by_week = _factors(daily_grown, daily_expected * by_kind, weekday, WEEKDAYS, places)
    rates.weekday = by_week / by_week.mean(axis=1, keepdims=True)
    kinds = _factors(daily_grown, daily_expected * rates.weekday[:, weekday], kind, DAY_KINDS, places)
    rates.day_kind = kinds / kinds[:, :1]


def _factors(grown: Floats, expected: Floats, kind: Ints, kinds: int, places: Places) -> Floats:
    """Growth by what is expected without the factor, for each kind of day, (containers, kinds)."""
    sums = np.stack([grown[:, kind == number].sum(axis=1) for number in range(kinds)], axis=1)
    weights = np.stack([expected[:, kind == number].sum(axis=1) for number in range(kinds)], axis=1)
    root = np.ones((len(places.streams), kinds))
    factors = places.shrink(np.maximum(sums, 0), weights, root, FACTOR_STRENGTHS)
    return np.clip(factors, *FACTOR_RANGE)


def _learn_hours(rates: Rates, growths: Growths, cells: Cells, expected: Floats, places: Places) -> None:
    """Factor of each hour of the day, from growths over few hours."""
    is_short = (growths.end - growths.first <= SPREAD_MAX_H)[cells.growth]
    flat = cells.flat[is_short]
    shares = growths.points / np.maximum(growths.end - growths.first, 1)
    grown = sums_by_place(flat, shares[cells.growth[is_short]], expected.size).reshape(expected.shape)
    covered = np.zeros(expected.size)
    covered[flat] = 1.0
    even = expected / np.maximum(rates.hour[places.levels[0]], 1e-12)[:, None, :]
    sums = places.stream_totals(grown.sum(axis=1))
    weights = places.stream_totals((even * covered.reshape(expected.shape)).sum(axis=1))
    hour = (np.maximum(sums, 0) + HOUR_STRENGTH) / (weights + HOUR_STRENGTH)
    rates.hour = hour / hour.mean(axis=1, keepdims=True)
