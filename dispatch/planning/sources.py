"""Chooses where travel times come from: the fleet's GPS, else imported roads, else straight lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from city.inventory.adoption import nearest_kelurahan
from city.inventory.model import City
from dispatch.planning.gps_travel import Fix, GpsLearner, GpsTravel
from dispatch.planning.policy import PlanningPolicy
from dispatch.planning.road_process import RoadProcessTravel, has_roads
from dispatch.planning.travel import Position, StraightLineTravel, TravelModel
from ingest.store.port import TelemetryReader
from ingest.store.records import QUALITY_CLOCK, Reading, Record

_CELL_DEG: Final = 0.002
"""Positions of one cell of this size (200 m) have one kelurahan: the nearest centre is looked up once."""


def best_travel(city: City, policy: PlanningPolicy, data: Path, gps: GpsTravel | None) -> TravelModel:
    """The best source there is.

    Args:
        city: Gives the factors of straight lines.
        policy: Gives speeds.
        data: The data folder, which may have roads.
        gps: What is learned; None if it is too little.
    """
    line = StraightLineTravel(city, policy.speed_kmh)
    return gps or (RoadProcessTravel(data, line) if has_roads(data) else line)


def learn_from_gps(
    city: City, policy: PlanningPolicy, reader: TelemetryReader, start: datetime, end: datetime
) -> GpsTravel | None:
    """What the stored positions of all trucks in `[start, end)` teach; None if they are too few."""
    learner, kelurahan = GpsLearner(city.time_zone), _KelurahanFinder(city)
    for truck in city.trucks:
        learner.add(_fixes(reader.export(start, end, device=truck), kelurahan))
    return learner.model(StraightLineTravel(city, policy.speed_kmh))


def _fixes(records: Iterable[Record], kelurahan: _KelurahanFinder) -> Iterator[Fix]:
    for record in records:
        if not isinstance(record, Reading) or QUALITY_CLOCK in record.origin.quality:
            continue
        lat_deg, lon_deg = record.values.get("lat_deg"), record.values.get("lon_deg")
        if isinstance(lat_deg, int | float) and isinstance(lon_deg, int | float):
            position = Position(lat_deg, lon_deg, kelurahan.at(lat_deg, lon_deg))
            yield Fix(record.origin.measured_at, position)


class _KelurahanFinder:
    """Finds the kelurahan of positions."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._known: dict[tuple[int, int], str] = {}

    def at(self, lat_deg: float, lon_deg: float) -> str:
        cell = round(lat_deg / _CELL_DEG), round(lon_deg / _CELL_DEG)
        if cell not in self._known:
            self._known[cell] = nearest_kelurahan(self._city, lat_deg, lon_deg)
        return self._known[cell]
