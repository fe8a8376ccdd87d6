"""How far forecasts were from what was then observed, and the intervals and probabilities that follow.

The errors are those of a rolling backtest: each forecast knows the growths before its own day. They are divided by a
scale, so that containers with much and little growth, and known for long and short, can be compared.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.forecast.calendar import HOURS_A_DAY, Hours, Ints
from dispatch.forecast.distribution import Floats
from dispatch.forecast.found import found_after, sums_of
from dispatch.forecast.growth import Growths
from dispatch.forecast.places import RATE_STRENGTHS, Places
from dispatch.forecast.shape import SPREAD_MAX_H, Cells, Rates, days_of, spread

HORIZONS_H: Final = (6, 12, 24, 48, 72, 120, 168)
SHARES: Final[Floats] = np.linspace(0.0125, 0.9875, 40)
"""Shares of the quantiles that are kept of the errors."""
ERRORS_MIN: Final = 60
"""With fewer errors of a stream and horizon, those of all streams are taken; with few of these, a default."""
WARM_DAYS: Final = 7
"""A backtest begins after so many days."""
NOISE_PCT: Final = 3.0
UNKNOWN_RATE: Final = 0.25
"""Variance of a rate, as a share of its square, of a container that was never observed."""
WIDENING: Final = 1.15
"""How much wider the scaled errors of a horizon are taken to be than those of the one before, where none are known."""
ERROR_MOST: Final = 4.0
"""A scaled error counts as no larger for the factor of its container: an emptying that nobody knows of is no noise."""
FACTOR_ERRORS: Final = (0.0, 30.0, 10.0, 10.0)
"""Errors that a borrowed factor is worth: of streams, kelurahan, sites and containers."""
FACTOR_RANGE: Final = (0.4, 2.5)
_DEFAULT_SPREAD: Final = 0.9


class Errors(msgspec.Struct):
    """Quantiles of scaled errors at `SHARES`: (streams, horizons, shares), and factors of containers, (containers,).

    A small container, or one that few people use, fills less evenly than others: its errors are larger by its factor.
    """

    quantiles: Floats
    factors: Floats

    def at(self, stream: int, ahead_h: Floats) -> Floats:
        """Quantiles of a stream for horizons in hours, (horizons, shares)."""
        position = np.interp(ahead_h, HORIZONS_H, np.arange(len(HORIZONS_H)))
        lower = np.floor(position).astype(np.int64)
        upper = np.minimum(lower + 1, len(HORIZONS_H) - 1)
        part = (position - lower)[:, None]
        return np.asarray(self.quantiles[stream, lower] * (1 - part) + self.quantiles[stream, upper] * part)


def scale_of(expected_pct: Floats, observed_days: Floats, scatter_pct: Floats) -> Floats:
    """Scale of the error of an expected growth in points.

    Args:
        expected_pct: Points.
        observed_days: Days of observation of the container.
        scatter_pct: Scatter of its growth.
    """
    borrowed = RATE_STRENGTHS[-1] / (RATE_STRENGTHS[-1] + np.maximum(observed_days, 0))
    variance = NOISE_PCT**2 + scatter_pct * np.maximum(expected_pct, 0) + UNKNOWN_RATE * borrowed * expected_pct**2
    return np.asarray(np.sqrt(variance))


def backtest(growths: Growths, cells: Cells, rates: Rates, hours: Hours, places: Places) -> Errors:
    """Errors of earlier forecasts of all containers."""
    number, days = len(places.containers), hours.count // HOURS_A_DAY
    shape = rates.shape(places, hours)
    covered = np.zeros(shape.shape)
    covered.reshape(-1)[cells.flat] = 1.0
    grown = spread(growths, cells, shape.reshape(-1)).reshape(shape.shape)
    daily_grown = grown.reshape(number, days, HOURS_A_DAY).sum(axis=2)
    daily_covered = (shape * covered).reshape(number, days, HOURS_A_DAY).sum(axis=2)
    # What is known at the start of a day: the days before it.
    points = np.cumsum(daily_grown, axis=1) - daily_grown
    known_days = np.cumsum(daily_covered, axis=1) - daily_covered
    root = np.full((len(places.streams), days), np.nan)
    known = _Known(places.shrink(points, known_days, root, RATE_STRENGTHS), known_days, _sums(shape))
    is_short = growths.end - growths.first <= SPREAD_MAX_H
    continuous = np.zeros(shape.shape)
    continuous.reshape(-1)[cells.flat[is_short[cells.growth]]] = 1.0
    waits = days_of(cells, shape.reshape(-1), len(growths.points))
    errors = [_of_sensors(known, _sums(grown), _sums(continuous), places)]
    errors.append(_of_visits(known, growths, waits, places))
    rows = np.concatenate(errors)
    rows = rows[np.isfinite(rows).all(axis=1)]
    factors = _factors(rows, places)
    rows[:, 2] /= factors[rows[:, 3].astype(np.int64)]
    return Errors(_quantiles(rows, len(places.streams)), factors)


class _Known(msgspec.Struct, frozen=True):
    """Rates and observed days of each container at the start of each day, and sums of its shape up to each hour."""

    rates: Floats
    days: Floats
    shape: Floats


def _sums(values: Floats) -> Floats:
    """Sums up to each hour, (containers, hours + 1)."""
    return np.concatenate((np.zeros((len(values), 1)), np.cumsum(values, axis=1)), axis=1)


def _of_sensors(known: _Known, grown: Floats, continuous: Floats, places: Places) -> Floats:
    """Rows of stream, horizon, error and container, of forecasts at the start of each day over measured hours."""
    rows, scatter_pct = [np.empty((0, 4))], places.scatter_pct
    for horizon, ahead_h in enumerate(HORIZONS_H):
        starts = np.arange(WARM_DAYS * HOURS_A_DAY, grown.shape[1] - ahead_h, HOURS_A_DAY)
        if len(starts) == 0:
            continue
        ends, day = starts + ahead_h, starts // HOURS_A_DAY
        is_measured = continuous[:, ends] - continuous[:, starts] >= ahead_h
        container, column = np.nonzero(is_measured)
        start, end = starts[column], ends[column]
        actual = grown[container, end] - grown[container, start]
        expected = known.rates[container, day[column]] * (known.shape[container, end] - known.shape[container, start])
        error = (actual - expected) / scale_of(expected, known.days[container, day[column]], scatter_pct[container])
        horizons = np.full(len(error), horizon)
        rows.append(np.stack((places.levels[0][container], horizons, error, container), axis=1))
    return np.concatenate(rows)


def _of_visits(known: _Known, growths: Growths, waits: Floats, places: Places) -> Floats:
    """The same of what visits of containers without a sensor found, from what earlier visits had found."""
    chosen = places.is_unmeasured[growths.container]
    first, end, container = growths.first[chosen], growths.end[chosen], growths.container[chosen]
    points, waits = growths.points[chosen], waits[chosen]
    day = np.minimum(first // HOURS_A_DAY, known.rates.shape[1] - 1)
    added = sums_of(waits, points)
    before = np.cumsum(added, axis=0) - added
    # Growths are ordered by container: the sums begin anew at each container's first.
    starts = np.searchsorted(container, container)
    rate = known.rates[container, day]
    expected = found_after(before - before[starts], rate, waits)
    error = (points - expected) / scale_of(expected, known.days[container, day], places.scatter_pct[container])
    horizon = np.minimum(np.searchsorted(HORIZONS_H, end - first), len(HORIZONS_H) - 1)
    rows = np.stack((places.levels[0][container], horizon, error, container), axis=1)
    return np.asarray(rows[day >= WARM_DAYS])


def _factors(rows: Floats, places: Places) -> Floats:
    """Size of each container's errors beside those of its stream, drawn to those of its site, (containers,)."""
    container, squares = rows[:, 3].astype(np.int64), np.minimum(np.abs(rows[:, 2]), ERROR_MOST) ** 2
    sums = _total(container, squares, len(places.containers))
    weights = _total(container, np.ones(len(squares)), len(places.containers))
    root = np.full((len(places.streams), 1), np.nan)
    sizes = places.shrink(sums, weights, root, FACTOR_ERRORS)[:, 0]
    means = places.stream_totals(sums)[:, 0] / np.maximum(places.stream_totals(weights)[:, 0], 1.0)
    own = sizes / np.maximum(means, 1e-9)[places.levels[0]]
    return np.asarray(np.clip(np.sqrt(np.where(np.isfinite(own) & (own > 0), own, 1.0)), *FACTOR_RANGE))


def _total(container: Ints, values: Floats, count: int) -> Floats:
    """Sums of each container, (count, 1)."""
    return np.bincount(container, weights=values, minlength=count).astype(np.float64)[:, None]


def _quantiles(rows: Floats, streams: int) -> Floats:
    """Quantiles of the errors of each stream and horizon, (streams, horizons, shares)."""
    # Without any errors: a logistic distribution, a little wider than the scale says.
    default = _DEFAULT_SPREAD * np.log(SHARES / (1 - SHARES))
    table = np.empty((streams, len(HORIZONS_H), len(SHARES)))
    known = [horizon for horizon in range(len(HORIZONS_H)) if (rows[:, 1] == horizon).sum() >= ERRORS_MIN]
    for stream in range(streams):
        first = _errors_of(rows, stream, next(iter(known), 0))
        # Before the first horizon that is known, its errors: they are divided by their scale.
        quantiles = np.quantile(first, SHARES) if known else default
        for horizon in range(len(HORIZONS_H)):
            if horizon in known:
                quantiles = np.quantile(_errors_of(rows, stream, horizon), SHARES)
            elif known and horizon > known[0]:
                # Containers are emptied before so long a horizon: the errors of the one before, and a little more.
                quantiles = quantiles * WIDENING
            table[stream, horizon] = quantiles
    return table


def _errors_of(rows: Floats, stream: int, horizon: int) -> Floats:
    """Errors of a stream and horizon; those of all streams if it has few."""
    of_all = rows[rows[:, 1] == horizon]
    own = of_all[of_all[:, 0] == stream]
    return np.asarray((own if len(own) >= ERRORS_MIN else of_all)[:, 2])
