"""Growths of containers between observations, and the observations they come from, as arrays over the whole city."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
import numpy as np

from dispatch.forecast.calendar import Hours, Ints
from dispatch.forecast.distribution import Floats
from dispatch.forecast.emptying import Flags, is_emptying, without_spikes
from dispatch.forecast.observation import AHEAD_MAX
from dispatch.forecast.places import Places

FILL_MAX_PCT: Final = 150.0
"""What crews report at most of a container with waste beside it; more is an error."""
FULL_PCT: Final = 97.0
"""From here on a sensor does not see more waste: growth is unknown."""
STOOD_S: Final = 3_600.0
"""How far the time of a visit may be from the fall that it explains: rollups have one value an hour."""
MEASURED_SOON_S: Final = 6 * 3_600.0
"""So soon after a visit a sensor tells what was left."""
_LEFT: Final = 2


class Emptying(msgspec.Struct, frozen=True):
    """A crew emptied a container, which was `found_pct` full, to `left_pct`. None is not known."""

    at: datetime
    found_pct: float | None
    left_pct: float | None = None


class FillHistory(msgspec.Struct, frozen=True):
    """What is known of one container: readings of its sensor, (n,) seconds and percent, and visits of crews."""

    times_s: Floats
    fill_pct: Floats
    visits: Sequence[Emptying] = ()


class Observations(msgspec.Struct, frozen=True):
    """All observations: (n,) arrays by container and time, and (v,) containers and times of visits.

    `starts`: the observation is what a visit left.
    """

    container: Ints
    times_s: Floats
    fill_pct: Floats
    starts: Flags
    visited: Ints
    visits_s: Floats


class Growths(msgspec.Struct, frozen=True):
    """Growth between consecutive observations without an emptying: (m,) container, first hour, end hour, points.

    Times are rounded to hours: a growth covers the hours `[first, end)`, which may be none.
    """

    container: Ints
    first: Ints
    end: Ints
    points: Floats


def observations_of(histories: Mapping[str, FillHistory], places: Places, now: datetime) -> Observations:
    """Observations of all containers, cleaned: no number, none from the future, in order, one for each moment.

    Readings beyond 100 % are cut to it. Visits become what was found and what was left, except where a sensor tells
    soon afterwards what was left: then they only explain a fall.
    """
    latest_s = now.timestamp() + AHEAD_MAX.total_seconds()
    known = [(number, histories.get(container.id)) for number, container in enumerate(places.containers)]
    rows = [_rows(number, history, latest_s) for number, history in known if history is not None]
    # Fortran order: the columns are used one by one.
    table = np.asfortranarray(np.concatenate(rows) if rows else np.empty((0, 4)))
    visits = [(number, visit.at.timestamp()) for number, history in known if history for visit in history.visits]
    visited = np.array([visit for visit in visits if visit[1] <= latest_s], dtype=np.float64).reshape(-1, 2)
    visited = visited[np.lexsort((visited[:, 1], visited[:, 0]))]
    container, times_s, fill_pct, rank = table.T
    believed = without_spikes(container.astype(np.int64), times_s, fill_pct) | (rank > 0)
    return Observations(
        container[believed].astype(np.int64),
        times_s[believed],
        fill_pct[believed],
        rank[believed] == _LEFT,
        visited[:, 0].astype(np.int64),
        visited[:, 1],
    )


def _rows(number: int, history: FillHistory, latest_s: float) -> Floats:
    """Rows of container, time, percent and rank (0 reading, 1 found, 2 left), in order; of equals the last one."""
    readings = np.zeros((len(history.times_s), 4))
    readings[:, 1], readings[:, 2] = history.times_s, np.minimum(history.fill_pct, 100.0)
    readings = _in_order(readings, latest_s)
    times_s = readings[:, 1]
    visits_s = np.array([visit.at.timestamp() for visit in history.visits])
    following_s = np.append(times_s, math.inf)[np.searchsorted(times_s, visits_s, side="right")]
    visits = []
    for visit, at_s, measured_s in zip(history.visits, visits_s, following_s, strict=True):
        if measured_s - at_s <= MEASURED_SOON_S:
            continue
        if visit.found_pct is not None:
            visits.append((number, at_s, min(visit.found_pct, FILL_MAX_PCT), 1))
        visits.append((number, at_s, visit.left_pct or 0.0, _LEFT))
    if visits:
        readings = _in_order(np.concatenate((readings, np.array(visits, dtype=np.float64))), latest_s)
    readings[:, 0] = number
    return readings


def _in_order(rows: Floats, latest_s: float) -> Floats:
    times_s, fill_pct = rows[:, 1], rows[:, 2]
    is_usable = np.isfinite(times_s) & np.isfinite(fill_pct) & (times_s <= latest_s) & (fill_pct >= 0)
    rows = rows if is_usable.all() else rows[is_usable]
    if len(rows) > 1 and not (np.diff(rows[:, 1]) > 0).all():
        rows = rows[np.lexsort((np.arange(len(rows)), rows[:, 3], rows[:, 1]))]
        rows = rows[np.append((np.diff(rows[:, [1, 3]], axis=0) != 0).any(axis=1), True)]
    return rows


def emptied_before(observed: Observations) -> Flags:
    """Whether a container was emptied between each observation and the one before it, (n,)."""
    fill_pct, container = observed.fill_pct, observed.container
    falls = is_emptying(fill_pct[:-1], fill_pct[1:], _truck_stood(observed)) & (container[:-1] == container[1:])
    return np.asarray(np.append(np.zeros(min(len(fill_pct), 1), dtype=np.bool_), falls) | observed.starts)


def growths_of(observed: Observations, hours: Hours) -> Growths:
    """Growths between observations. Left out are emptyings and what a full container does not show."""
    container, fill_pct = observed.container, observed.fill_pct
    is_growth = (container[:-1] == container[1:]) & ~emptied_before(observed)[1:] & (fill_pct[:-1] < FULL_PCT)
    index = hours.indices(observed.times_s)
    is_growth &= (index[:-1] >= 0) & (index[1:] < hours.count)
    points = np.diff(fill_pct)
    return Growths(container[:-1][is_growth], index[:-1][is_growth], index[1:][is_growth], points[is_growth])


def _truck_stood(observed: Observations) -> Flags:
    """Whether a truck stood at a container between each observation and the next one."""
    if len(observed.visits_s) == 0 or len(observed.times_s) == 0:
        return np.zeros(max(len(observed.times_s) - 1, 0), dtype=np.bool_)
    # One axis for all containers, each far from the next.
    begin_s = min(observed.times_s.min(), observed.visits_s.min())
    span_s = max(observed.times_s.max(), observed.visits_s.max()) - begin_s + 4 * STOOD_S
    at = observed.visited * span_s + observed.visits_s - begin_s
    axis = observed.container * span_s + observed.times_s - begin_s
    first = np.searchsorted(at, axis[:-1] - STOOD_S)
    end = np.searchsorted(at, axis[1:] + STOOD_S, side="right")
    return np.asarray(end > first)
