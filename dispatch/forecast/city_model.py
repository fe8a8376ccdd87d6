"""The model of a city's containers: fitted from histories, kept current by each visit and reading."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import msgspec
import numpy as np

from dispatch.forecast.calendar import Calendar, hours_between
from dispatch.forecast.emptying import is_emptying, without_spikes
from dispatch.forecast.found import sums_of
from dispatch.forecast.growth import (
    FILL_MAX_PCT,
    FULL_PCT,
    STOOD_S,
    Emptying,
    FillHistory,
    Observations,
    emptied_before,
    growths_of,
    observations_of,
)
from dispatch.forecast.observation import AHEAD_MAX
from dispatch.forecast.places import Container, Places, places_of
from dispatch.forecast.residuals import Errors, backtest
from dispatch.forecast.shape import Rates, cells_of, fit_rates

HISTORY: Final = timedelta(days=60)
"""How far back a refit looks."""


class Level(msgspec.Struct, frozen=True):
    """A fill in percent at a time in seconds."""

    at_s: float
    fill_pct: float


class ContainerState(msgspec.Struct):
    """What is known of a container now.

    `first_s` is its first observation and `newest` the last one; `before` is the one before that, if there was no
    emptying in between. `emptied_s` is its last emptying, `visited_s` the last visit. `visits` counts visits that found
    it filled, and `readings` the readings since the fit.
    """

    first_s: float | None = None
    newest: Level | None = None
    before: Level | None = None
    emptied_s: float | None = None
    visited_s: float | None = None
    visits: int = 0
    observations: int = 0
    readings: int = 0


class CityModel:
    """Rates, errors and states of all containers of a city.

    Args:
        zone: Of local hours and days.
        calendar: Market days and rain.
        places: The containers.
        rates: What was learnt of each.
        errors: How far forecasts were off.
        states: Of each container, in the order of `places`.
    """

    def __init__(
        self,
        zone: tzinfo,
        calendar: Calendar,
        places: Places,
        rates: Rates,
        errors: Errors,
        states: list[ContainerState],
    ) -> None:
        self.zone = zone
        self.calendar = calendar
        self.places = places
        self.rates = rates
        self.errors = errors
        self.states = states
        self.numbers = {container.id: number for number, container in enumerate(places.containers)}

    def learn_reading(self, container: str, at: datetime, fill_pct: float, now: datetime) -> bool:
        """Take a reading into account; whether it was one.

        No reading of a known container are: what is no number or negative, what is not newer than the last one, and
        what is later than `now`.
        """
        number = self.numbers.get(container)
        if number is None or not self._is_newer(number, at, fill_pct, now):
            return False
        state, level = self.states[number], Level(at.timestamp(), min(fill_pct, 100.0))
        state.first_s = level.at_s if state.first_s is None else state.first_s
        state.observations += 1
        state.readings += 1
        if state.before is not None and state.newest is not None and _is_spike(state.before, state.newest, level):
            state.newest = level
            return True
        self._settle(number)
        state.before, state.newest = state.newest, level
        if state.before is not None and _is_emptied(state, state.before, level):
            state.before, state.emptied_s = None, level.at_s
        return True

    def learn_visit(self, container: str, visit: Emptying, now: datetime) -> bool:
        """Take a visit into account that emptied the container; whether it was one, as in `learn_reading`.

        One that is older than the newest observation may still explain a fall.
        """
        number = self.numbers.get(container)
        found_pct = visit.found_pct if visit.found_pct is not None else 0.0
        if number is None or not math.isfinite(found_pct) or found_pct < 0 or visit.at > now + AHEAD_MAX:
            return False
        state, at_s = self.states[number], visit.at.timestamp()
        if not self._is_newer(number, visit.at, found_pct, now):
            state.visited_s = max(state.visited_s or at_s, at_s)
            return False
        self._settle(number)
        if visit.found_pct is not None:
            state.visits += 1
            if state.newest is not None and not self.places.containers[number].has_sensor:
                self._grow(number, state.newest, Level(at_s, min(visit.found_pct, FILL_MAX_PCT)))
        state.before, state.newest = None, Level(at_s, visit.left_pct or 0.0)
        state.emptied_s = state.visited_s = at_s
        state.first_s = at_s if state.first_s is None else state.first_s
        state.observations += 1
        return True

    def _is_newer(self, number: int, at: datetime, fill_pct: float, now: datetime) -> bool:
        newest = self.states[number].newest
        is_later = newest is None or at.timestamp() > newest.at_s
        return math.isfinite(fill_pct) and fill_pct >= 0 and is_later and at <= now + AHEAD_MAX

    def _settle(self, number: int) -> None:
        """Learn the growth that led to the newest observation, which no later one has contradicted."""
        state = self.states[number]
        if state.before is not None and state.newest is not None:
            self._grow(number, state.before, state.newest)
            state.before = None

    def _grow(self, number: int, before: Level, after: Level) -> None:
        if before.fill_pct >= FULL_PCT:
            return
        points, days = after.fill_pct - before.fill_pct, self._shape_between(number, before.at_s, after.at_s)
        self.rates.points[number] += points
        self.rates.days[number] += days
        if not self.places.containers[number].has_sensor:
            self.rates.found_sums[number] += sums_of(np.array([days]), np.array([points]))[0]

    def _shape_between(self, number: int, start_s: float, end_s: float) -> float:
        start, end = datetime.fromtimestamp(start_s, UTC), datetime.fromtimestamp(end_s, UTC)
        hours = hours_between(start, end, self.zone, self.calendar)
        shape = self.rates.shape(self.places, hours, np.array([number]))[0]
        return float(shape[hours.index(start) : hours.index(end)].sum())


def fit(
    containers: Iterable[Container],
    histories: Mapping[str, FillHistory],
    zone: tzinfo,
    now: datetime,
    calendar: Calendar | None = None,
) -> CityModel:
    """Fit the model of a city from the histories of `HISTORY` before `now`; later observations are left out.

    Args:
        containers: All containers, also those without a history.
        histories: By container.
        zone: Of local hours and days.
        now: UTC.
        calendar: Market days and rain, where they are known.
    """
    calendar = calendar or Calendar()
    places = places_of(containers)
    hours = hours_between(now - HISTORY, now, zone, calendar)
    observed = observations_of(histories, places, now)
    growths = growths_of(observed, hours)
    rates = fit_rates(growths, hours, places)
    errors = backtest(growths, cells_of(growths, hours), rates, hours, places)
    states = _states(observed, histories, places)
    return CityModel(zone, calendar, places, rates, errors, states)


def _states(observed: Observations, histories: Mapping[str, FillHistory], places: Places) -> list[ContainerState]:
    emptied = emptied_before(observed)
    states = []
    bounds = np.searchsorted(observed.container, np.arange(len(places.containers) + 1))
    for container, begin, end in zip(places.containers, bounds[:-1], bounds[1:], strict=True):
        state = ContainerState(observations=int(end - begin))
        history = histories.get(container.id)
        if history is not None:
            visits = [visit for visit in history.visits if visit.found_pct is not None]
            state.visits = len({visit.at for visit in visits})
            state.visited_s = max((visit.at.timestamp() for visit in history.visits), default=None)
        emptyings = np.flatnonzero(emptied[begin:end])
        if len(emptyings):
            state.emptied_s = float(observed.times_s[begin + emptyings[-1]])
        if end > begin:
            state.first_s = float(observed.times_s[begin])
            state.newest = Level(float(observed.times_s[end - 1]), float(observed.fill_pct[end - 1]))
        states.append(state)
    return states


def _is_spike(before: Level, here: Level, after: Level) -> bool:
    levels = (before, here, after)
    times_s, fill_pct = (np.array([getattr(level, name) for level in levels]) for name in ("at_s", "fill_pct"))
    return not without_spikes(np.zeros(3, dtype=np.int64), times_s, fill_pct)[1]


def _is_emptied(state: ContainerState, before: Level, after: Level) -> bool:
    visited_s = state.visited_s
    stood = visited_s is not None and before.at_s - STOOD_S <= visited_s <= after.at_s + STOOD_S
    levels = np.array([before.fill_pct]), np.array([after.fill_pct])
    return bool(is_emptying(*levels, np.array([stood]))[0])
