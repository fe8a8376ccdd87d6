"""Forecasts of the containers: fitted from the store, kept current by what it gets, in a thread of the API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

import structlog

from api.queries.fill_history import (
    SAME_VISIT,
    CrewVisitSource,
    containers_of,
    newest_levels,
    no_crew_visits,
    read_histories,
    visits_since,
)
from city.errors import RetryLaterError
from city.inventory.model import Bin
from city.inventory.provider import InventoryProvider
from dispatch.alarms.watcher import AlarmBoard
from dispatch.forecast.city_model import HISTORY, CityModel, fit
from dispatch.forecast.outlook import AHEAD_H, FillForecast, forecast, without_forecast
from dispatch.forecast.reasons import NoForecastReason
from dispatch.shifts.crew_visits import CrewVisit
from ingest.store.port import FieldValue, TelemetryReader

log = structlog.get_logger("forecast")

EVERY_S: Final = 20.0
FIRST_AFTER_S: Final = 20.0
"""A server that starts has its first readings to store and its first pages to serve."""
PAUSE_MAX_S: Final = 0.5
"""A look waits after each container as long as reading it took, at most so long: half of one core is left to others."""
REFIT_EVERY: Final = timedelta(hours=24)
REFIT_CHANGED: Final = timedelta(minutes=1)
"""How soon after a fit there is another one because containers or sensors have changed."""
REFIT_COST: Final = 50
"""A changed city is fitted again after so many times what the last fit and its reading took: 2 % of the time."""
COLLECT_ALARMS: Final = ("fire", "overflowing", "tilt")
"""Kinds of alarms of a container that are a reason to collect it."""
_OVERLAP: Final = timedelta(hours=1)
"""Events are read again from so long before the last look: they may arrive late."""


def collect_alerts(board: AlarmBoard) -> set[str]:
    """Containers with an alarm that is a reason to collect them."""
    return {alarm.subject for alarm in board.listed if alarm.kind in COLLECT_ALARMS}


class FillForecasts:
    """One a city, in the process that serves the API.

    Args:
        reader: The store.
        inventory: The containers.
        clock: UTC.
        crews: Gives visits told by crews.
    """

    def __init__(
        self,
        reader: TelemetryReader,
        inventory: InventoryProvider,
        clock: Callable[[], datetime],
        crews: CrewVisitSource = no_crew_visits,
    ) -> None:
        self._reader = reader
        self._crews = crews
        self._inventory = inventory
        self._clock = clock
        self._lock = threading.Lock()
        self._model: CityModel | None = None
        self._changes: object = None
        self._looked_at: datetime | None = None
        self._took = timedelta()
        self.fitted_at: datetime | None = None
        self.failure = ""
        """Why the forecasts are not current; empty if they are."""

    def look(self, beat: Callable[[], None] = lambda: None) -> None:
        """Fit, or learn what is new; a store that is away changes nothing."""
        try:
            self._look(beat)
        except RetryLaterError as exc:
            if str(exc) != self.failure:
                log.warning("forecast.not_current", reason=str(exc))
            self.failure = str(exc)
        else:
            self.failure = ""

    def keep_looking(
        self, stop: threading.Event, beat: Callable[[], None], *, first_after_s: float = FIRST_AFTER_S
    ) -> None:
        """Look after `first_after_s` and then every `EVERY_S` until `stop`, which also ends a look.

        Args:
            stop: Ends this.
            beat: Called all the time.
            first_after_s: Before the first look.
        """
        resumed_s = time.monotonic()

        def go_on() -> None:
            nonlocal resumed_s
            beat()
            if stop.wait(min(time.monotonic() - resumed_s, PAUSE_MAX_S)):
                raise RetryLaterError("the service stops")
            resumed_s = time.monotonic()

        beat()
        stop.wait(first_after_s)
        while not stop.is_set():
            beat()
            resumed_s = time.monotonic()
            self.look(go_on)
            stop.wait(EVERY_S)

    def forecasts(
        self, containers: Iterable[Bin], alerts: Collection[str] = (), hours: int = AHEAD_H
    ) -> list[FillForecast]:
        """Forecasts of containers from now on, in their order; those without one say why."""
        now, model = self._clock(), self._model
        if model is None:
            return [_without(bin_, "not_ready", alerts) for bin_ in containers]
        with self._lock:
            return [
                forecast(model, bin_.id, now, alerts=alerts, hours=hours)
                if bin_.id in model.numbers
                else _without(bin_, "new_container", alerts)
                for bin_ in containers
            ]

    def _look(self, beat: Callable[[], None]) -> None:
        now = self._clock()
        levels = newest_levels(self._reader.latest(kind="bin"))
        containers = containers_of(self._inventory.current(), levels, now)
        if self._is_fit_due(containers, now):
            histories = read_histories(self._reader, containers, now - HISTORY, now, beat, self._crews)
            model = fit(containers, histories, self._inventory.current().time_zone, now)
            with self._lock:
                self._model, self._changes, self.fitted_at = model, containers, now
            self._took = abs(self._clock() - now)
        self._learn(levels, now)
        self._looked_at = now

    def _is_fit_due(self, containers: object, now: datetime) -> bool:
        if self.fitted_at is None:
            return True
        age = abs(now - self.fitted_at)
        if containers != self._changes:
            return age >= min(max(REFIT_CHANGED, REFIT_COST * self._took), REFIT_EVERY)
        return age >= REFIT_EVERY

    def _learn(self, levels: dict[str, FieldValue], now: datetime) -> None:
        model = self._model
        if model is None:
            return
        since = (self._looked_at or now) - _OVERLAP
        visits = visits_since(self._reader, model.numbers, since, now, self._new_crew_visits)
        with self._lock:
            for container, of_container in visits.items():
                for visit in of_container:
                    model.learn_visit(container, visit, now)
            for container, level in levels.items():
                if isinstance(level.value, int | float):
                    model.learn_reading(container, level.measured_at, float(level.value), now)

    def _new_crew_visits(self, start: datetime, now: datetime) -> list[CrewVisit]:
        """Visits told by crews that the model does not have: a truck may have reported the same one hours before."""
        return [visit for visit in self._crews(start, now) if not self._is_known(visit)]

    def _is_known(self, visit: CrewVisit) -> bool:
        model = self._model
        number = model.numbers.get(visit.container) if model else None
        emptied_s = model.states[number].emptied_s if model and number is not None else None
        return emptied_s is not None and abs(visit.at.timestamp() - emptied_s) <= SAME_VISIT.total_seconds()


def _without(bin_: Bin, reason: NoForecastReason, alerts: Collection[str]) -> FillForecast:
    return without_forecast(bin_.id, bin_.waste_kind, reason, ("alert",) if bin_.id in alerts else ())
