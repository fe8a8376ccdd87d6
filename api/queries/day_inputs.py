"""What planning is told of a day: outlooks, last collections, where trucks are, which are broken, and open orders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from api.queries.collections import BACK, LastCollections
from api.queries.events import each_event
from api.queries.fill_forecasts import FillForecasts
from api.queries.fill_history import newest_levels
from city.inventory.geo import distance_km
from city.inventory.model import City
from dispatch.forecast.outlook import FillForecast
from dispatch.orders.records import TO_DO
from dispatch.planning.day import DayState, TruckState, WasteCase
from dispatch.planning.from_forecast import outlook_of_level, outlooks_of, service_times
from dispatch.planning.outlook import Outlooks
from dispatch.planning.plan import start_of
from dispatch.planning.policy import PlanningPolicy
from dispatch.planning.present import present_states
from dispatch.services import DispatchServices
from dispatch.shifts.plans import DayCircumstances, PlanRecord
from dispatch.shifts.records import Stop
from dispatch.verification.states import DONE_STATES
from ingest.store.port import EventQuery, TelemetryReader
from ingest.store.records import EventRecord, Reading
from ingest.store.views.device_state import RAISED_LOOKBACK, raised_by_device

FORECASTS_AT_ONCE: Final = 50
"""Forecasts are made so many at a time, so that whoever asks for others waits for no more."""
POSITION_HOLDS: Final = timedelta(hours=2)
"""A truck that was heard of longer ago is planned from its depot."""
LEVEL_HOLDS: Final = timedelta(hours=12)
"""Where no forecast says how a level grows, an older one tells nothing of today."""
LANDFILL_RADIUS_KM: Final = 0.25
_AHEAD: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class DaySources:
    """Where what planning is told comes from.

    `alerts` gives containers with an alarm that is a reason to collect them.
    """

    reader: TelemetryReader
    forecasts: FillForecasts
    collections: LastCollections
    dispatch: DispatchServices
    alerts: Callable[[], Collection[str]]


class DayInputs:
    """What is known of a day at a moment.

    Args:
        sources: Where it comes from.
        city: The inventory.
        policy: How the city plans.
        day: The day of service.
        now: UTC.
    """

    def __init__(self, sources: DaySources, city: City, policy: PlanningPolicy, day: date, now: datetime) -> None:
        self._sources, self._city, self._policy, self._day, self._now = sources, city, policy, day, now

    @property
    def now_s(self) -> float:
        """Seconds since local midnight of the day; 0 the evening before."""
        return max((self._now - start_of(self._day, self._city.time_zone)).total_seconds(), 0.0)

    def outlooks(self) -> Outlooks:
        """Outlooks of all containers that have a forecast, or a level that was measured lately.

        Raises:
            RetryLaterError: The store does not answer.
        """
        bins, alerts = list(self._city.bins.values()), self._sources.alerts()
        forecasts: list[FillForecast] = []
        for start in range(0, len(bins), FORECASTS_AT_ONCE):
            forecasts += self._sources.forecasts.forecasts(bins[start : start + FORECASTS_AT_ONCE], alerts)
        known = outlooks_of(forecasts, service_times(self._day, self._policy, self._city.time_zone))
        return {**self._outlooks_by_level(), **known}

    def _outlooks_by_level(self) -> Outlooks:
        """Outlooks by the newest levels."""
        levels = newest_levels(self._sources.reader.latest(kind="bin"))
        return {
            container: outlook_of_level(float(level.value))
            for container, level in levels.items()
            if isinstance(level.value, int | float) and self._now - level.measured_at <= LEVEL_HOLDS
        }

    def last_collected(self) -> dict[str, date]:
        """Container to the local day of its last collection, as trucks, sensors or crews told it.

        Raises:
            RetryLaterError: The store or the database does not answer.
        """
        last = self._sources.collections.by_container(self._sources.reader, self._now)
        collected_at = {container: known.at for container, known in last.items()}
        for visit in self._sources.dispatch.visits.received_between(self._now - BACK, self._now):
            collected_at[visit.container] = max(visit.at, collected_at.get(visit.container, visit.at))
        return {container: at.astimezone(self._city.time_zone).date() for container, at in collected_at.items()}

    def state(self, circumstances: DayCircumstances, current: PlanRecord | None) -> DayState:
        """What has happened: trucks, what is done, and open orders.

        Args:
            circumstances: Trucks out of service and blocked streets.
            current: The plan in force, by which trucks drive.

        Raises:
            RetryLaterError: The store or the database does not answer.
        """
        stops = self._sources.dispatch.shifts.stops_of_day(self._day)
        done = frozenset(stop.subject for stop in stops if stop.state in (*DONE_STATES, "not_possible"))
        return DayState(
            now_s=self.now_s,
            trucks=self._trucks(current, done, stops) if self.now_s else {},
            trucks_out=frozenset(circumstances.trucks_out),
            done=done,
            cases=self._cases(),
            blocked=circumstances.blocked,
        )

    def broken_trucks(self) -> set[str]:
        """Trucks that report a breakdown.

        Raises:
            RetryLaterError: The store does not answer.
        """
        return broken_trucks(self._sources.reader, self._now)

    def _cases(self) -> tuple[WasteCase, ...]:
        orders = self._sources.dispatch.orders.find(TO_DO, limit=500)
        return tuple(
            WasteCase(order.subject, order.lat_deg, order.lon_deg, order.kelurahan, order.size_kg, order.stream)
            for order in orders
        )

    def _trucks(
        self, current: PlanRecord | None, done: Collection[str], stops: Iterable[Stop]
    ) -> dict[str, TruckState]:
        positions = self.positions()
        if current is None:
            return {truck: TruckState(*position) for truck, position in positions.items()}
        unloaded = self._empty_trucks(positions, stops)
        return present_states(current.plan, positions, done, self.now_s, unloaded=unloaded)

    def positions(self) -> dict[str, tuple[float, float]]:
        """Where trucks were heard of last."""
        positions = {}
        for latest in self._sources.reader.latest(kind="truck"):
            lat_deg, lon_deg = latest.values.get("lat_deg"), latest.values.get("lon_deg")
            if lat_deg is None or lon_deg is None or self._now - lat_deg.measured_at > POSITION_HOLDS:
                continue
            if isinstance(lat_deg.value, int | float) and isinstance(lon_deg.value, int | float):
                positions[latest.device] = float(lat_deg.value), float(lon_deg.value)
        return positions

    def _empty_trucks(self, positions: Collection[str], stops: Iterable[Stop]) -> list[str]:
        """Trucks that have been at a landfill since the last stop that they collected."""
        last_at: dict[str, datetime] = {}
        trucks = {shift.id: shift.truck for shift in self._sources.dispatch.shifts.of_day(self._day)}
        for stop in stops:
            if stop.state in DONE_STATES and stop.shift_id in trucks:
                truck = trucks[stop.shift_id]
                last_at[truck] = max(stop.state_at, last_at.get(truck, stop.state_at))
        landfills = [site for site in self._city.sites.values() if site.kind == "landfill"]
        return [
            truck
            for truck, at in last_at.items()
            if truck in positions
            and any(
                distance_km(lat_deg, lon_deg, site.lat_deg, site.lon_deg) <= LANDFILL_RADIUS_KM
                for lat_deg, lon_deg in self._track(truck, at)
                for site in landfills
            )
        ]

    def _track(self, truck: str, since: datetime) -> Iterable[tuple[float, float]]:
        for record in self._sources.reader.export(since, self._now + _AHEAD, device=truck):
            if isinstance(record, Reading) and "lat_deg" in record.values and "lon_deg" in record.values:
                yield float(record.values["lat_deg"]), float(record.values["lon_deg"])


def broken_trucks(reader: TelemetryReader, now: datetime) -> set[str]:
    """Trucks whose breakdown was raised and not cleared.

    Raises:
        RetryLaterError: The store does not answer.
    """
    query = EventQuery(now - RAISED_LOOKBACK, now + _AHEAD, kind="truck", types=("breakdown",))
    events: list[EventRecord] = list(each_event(reader, query))
    return set(raised_by_device(reversed(events)))
