"""What the store knows of how full containers were: hourly levels of those with a sensor, and what crews found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from api.queries.events import each_event
from city.inventory.model import City
from dispatch.forecast.growth import Emptying, FillHistory
from dispatch.forecast.outlook import OBSERVED_MAX
from dispatch.forecast.places import Container
from dispatch.shifts.crew_visits import CrewVisit
from ingest.store.port import EventQuery, FieldValue, Latest, SeriesQuery, TelemetryReader
from ingest.store.records import EventRecord

FIELD: Final = "fill_pct"
HOUR: Final = timedelta(hours=1)
_AHEAD: Final = timedelta(minutes=5)
SAME_VISIT: Final = timedelta(hours=3)
"""What a truck or a sensor reports and what a crew taps within this time is one visit."""
CrewVisitSource = Callable[[datetime, datetime], Iterable[CrewVisit]]
"""Visits told by crews that came in between two times."""


def no_crew_visits(_start: datetime, _now: datetime) -> Iterable[CrewVisit]:
    """Of a city without crews' phones."""
    return ()


def newest_levels(latest: Iterable[Latest]) -> dict[str, FieldValue]:
    """The newest measured fill of each container that has one."""
    return {known.device: known.values[FIELD] for known in latest if FIELD in known.values}


def containers_of(city: City, levels: Mapping[str, FieldValue], now: datetime) -> list[Container]:
    """The containers of a city. A sensor that has measured nothing for `OBSERVED_MAX` is none."""
    measured = {device for device, level in levels.items() if now - level.measured_at <= OBSERVED_MAX}
    return [
        Container(
            bin_.id,
            bin_.waste_kind,
            bin_.kelurahan,
            bin_.site,
            bin_.id in measured,
            city.models[bin_.model].capacity_l,
        )
        for bin_ in city.bins.values()
    ]


def read_histories(
    reader: TelemetryReader,
    containers: Iterable[Container],
    start: datetime,
    now: datetime,
    beat: Callable[[], None],
    crews: CrewVisitSource = no_crew_visits,
) -> dict[str, FillHistory]:
    """Histories of containers since a time; the current hour, which is not complete, is left out.

    Args:
        reader: The store.
        containers: Which; the levels of those with a sensor are read.
        start: UTC.
        now: UTC.
        beat: Called before each container that is read.
        crews: Gives visits told by crews.

    Raises:
        RetryLaterError: The store or the database does not answer.
    """
    listed = list(containers)
    visits = visits_since(reader, {container.id for container in listed}, start, now, crews)
    end = now.replace(minute=0, second=0, microsecond=0)
    histories = {}
    for container in listed:
        times_s, levels_pct = np.empty(0), np.empty(0)
        if container.has_sensor:
            beat()
            points = reader.series(SeriesQuery(container.id, FIELD, start, end, HOUR.total_seconds(), "last"))
            # The last level of an hour is one of its end.
            times_s = np.array([(point.at + HOUR).timestamp() for point in points], dtype=np.float64)
            levels_pct = np.array([float(point.value) for point in points], dtype=np.float64)
        histories[container.id] = FillHistory(times_s, levels_pct, visits.get(container.id, ()))
    return histories


def visits_since(
    reader: TelemetryReader,
    containers: Collection[str],
    start: datetime,
    now: datetime,
    crews: CrewVisitSource = no_crew_visits,
) -> dict[str, list[Emptying]]:
    """Visits of each container since a time, oldest first: as trucks and containers report them, and as crews tap."""
    visits: defaultdict[str, list[Emptying]] = defaultdict(list)
    for event in each_event(reader, EventQuery(start, now + _AHEAD, types=("collected",))):
        container = str(event.detail.get("bin", event.origin.device))
        if container in containers:
            visits[container].append(_visit_of(event))
    for told in crews(start, now):
        if told.container in containers:
            _add_crew_visit(visits[told.container], told)
    return {
        container: sorted(of_container, key=lambda visit: visit.at)
        for container, of_container in visits.items()
        if of_container
    }


def _add_crew_visit(visits: list[Emptying], told: CrewVisit) -> None:
    """Add a visit; of one that was reported already, what the crew found counts where the report does not say."""
    for place, visit in enumerate(visits):
        if abs(visit.at - told.at) <= SAME_VISIT:
            if visit.found_pct is None:
                visits[place] = msgspec.structs.replace(visit, found_pct=told.found_pct)
            return
    visits.append(Emptying(told.at, told.found_pct))


def _visit_of(event: EventRecord) -> Emptying:
    return Emptying(event.origin.measured_at, _percent(event, "from_pct"), _percent(event, "to_pct"))


def _percent(event: EventRecord, key: str) -> float | None:
    value = event.detail.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
