"""What the store knows of open stops: levels of containers, positions of trucks near them, and lifts that were counted.

Each look reads what is new. Positions far from every stop are left out; everything is read again now and then, because
readings may arrive late.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

from api.queries.events import each_event
from dispatch.verification.signals import CountedLift, LevelReading, TruckFix
from ingest.store.port import EventQuery, SeriesQuery, TelemetryReader
from ingest.store.records import QUALITY_CLOCK, Reading

FILL: Final = "fill_pct"
LEVELS_BACK: Final = timedelta(hours=6)
"""Levels and positions are read from so long before the first open shift."""
READ_ALL_EVERY: Final = timedelta(minutes=10)
SENSOR_HOLDS: Final = timedelta(hours=24)
"""A sensor that has measured nothing for so long is none."""
CELL_DEG: Final = 0.003
"""Positions are kept by cells of 330 m: those of a stop are in its cell or in one beside it."""
_OVERLAP: Final = timedelta(minutes=5)
_RECEIVED_OVERLAP: Final = timedelta(seconds=30)
_LIFTS_LATE: Final = timedelta(hours=2)
_AHEAD: Final = timedelta(minutes=5)

_Cell = tuple[int, int]


class StopSignalReader:
    """Keeps the signals of open stops in memory; used by one thread.

    Args:
        reader: The store.
    """

    def __init__(self, reader: TelemetryReader) -> None:
        self._reader = reader
        self._cells: frozenset[_Cell] = frozenset()
        self._fixes: dict[str, dict[_Cell, dict[datetime, TruckFix]]] = {}
        self._lifts: dict[str, dict[tuple[str, str, int], CountedLift]] = {}
        self.levels: dict[str, tuple[LevelReading, ...]] = {}
        self.sensors: frozenset[str] = frozenset()
        """Containers whose level is measured."""
        self.heard_at: dict[str, datetime] = {}
        """When each truck was heard of last."""
        self._looked_at: datetime | None = None
        self._read_all_at: datetime | None = None

    def look(
        self,
        trucks: Collection[str],
        containers: Collection[str],
        places: Iterable[tuple[float, float]],
        since: datetime,
        now: datetime,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Read what is new.

        Args:
            trucks: Trucks of open shifts.
            containers: Containers of open stops.
            places: Latitude and longitude of open stops.
            since: Start of the first open shift.
            now: UTC.
            beat: Called between readings.

        Raises:
            RetryLaterError: The store does not answer.
        """
        start = since - LEVELS_BACK
        cells = frozenset(around for place in places for around in _around(_cell(*place)))
        is_all = self._read_all_at is None or now - self._read_all_at >= READ_ALL_EVERY or not cells <= self._cells
        if is_all:
            self._cells, self._fixes, self._lifts = cells, {}, {}
        read_from = start if is_all or self._looked_at is None else max(self._looked_at - _OVERLAP, start)
        for truck in trucks:
            beat()
            self._read_track(truck, read_from, now)
        self._read_lifts(start if is_all else max(now - _LIFTS_LATE, start), now)
        self._read_levels(containers, start, now, beat, is_all=is_all)
        self.heard_at = {latest.device: latest.received_at for latest in self._reader.latest(kind="truck")}
        self._looked_at = now
        if is_all:
            self._read_all_at = now

    def fixes(self, trucks: Iterable[str], lat_deg: float, lon_deg: float) -> tuple[TruckFix, ...]:
        """Positions of trucks around a place, by truck and time."""
        cells = _around(_cell(lat_deg, lon_deg))
        near: list[TruckFix] = []
        for truck in trucks:
            by_cell = self._fixes.get(truck, {})
            near += sorted((fix for cell in cells for fix in by_cell.get(cell, {}).values()), key=lambda fix: fix.at)
        return tuple(near)

    def lifts(self, container: str) -> tuple[CountedLift, ...]:
        """Lifts of a container that trucks counted."""
        return tuple(sorted(self._lifts.get(container, {}).values(), key=lambda lift: lift.at))

    def _read_track(self, truck: str, start: datetime, now: datetime) -> None:
        by_cell = self._fixes.setdefault(truck, {})
        for record in self._reader.export(start, now + _AHEAD, device=truck):
            if not isinstance(record, Reading) or QUALITY_CLOCK in record.origin.quality:
                continue
            fix = _fix_of(truck, record)
            if fix is not None and (cell := _cell(fix.lat_deg, fix.lon_deg)) in self._cells:
                by_cell.setdefault(cell, {})[fix.at] = fix

    def _read_lifts(self, start: datetime, now: datetime) -> None:
        for event in each_event(self._reader, EventQuery(start, now + _AHEAD, kind="truck", types=("collected",))):
            container, origin = event.detail.get("bin"), event.origin
            if isinstance(container, str):
                key = origin.device, origin.epoch, origin.seq
                lift = CountedLift(origin.measured_at, container, origin.device)
                self._lifts.setdefault(container, {})[key] = lift

    def _read_levels(
        self, containers: Collection[str], start: datetime, now: datetime, beat: Callable[[], None], *, is_all: bool
    ) -> None:
        changed_since = None if is_all or self._looked_at is None else self._looked_at - _RECEIVED_OVERLAP
        sensors = set(self.sensors)
        changed = set(containers) - self.levels.keys()
        for latest in self._reader.latest(kind="bin", changed_since=changed_since):
            level = latest.values.get(FILL)
            if level is not None and now - level.measured_at <= SENSOR_HOLDS:
                sensors.add(latest.device)
                changed |= {latest.device} & set(containers)
        self.sensors = frozenset(sensors)
        levels: defaultdict[str, tuple[LevelReading, ...]] = defaultdict(tuple)
        for container in changed & sensors:
            beat()
            points = self._reader.series(SeriesQuery(container, FILL, start, now + _AHEAD))
            levels[container] = tuple(LevelReading(point.at, float(point.value)) for point in points)
        self.levels = dict.fromkeys(containers, ()) | self.levels | levels


def _fix_of(truck: str, reading: Reading) -> TruckFix | None:
    values = reading.values
    if "lat_deg" not in values or "lon_deg" not in values:
        return None
    speed, working, lifting = values.get("speed_kmh"), values.get("pto"), values.get("lift_arm")
    return TruckFix(
        reading.origin.measured_at,
        float(values["lat_deg"]),
        float(values["lon_deg"]),
        truck,
        None if speed is None else float(speed),
        None if working is None else bool(working),
        None if lifting is None else bool(lifting),
    )


def _cell(lat_deg: float, lon_deg: float) -> _Cell:
    return int(lat_deg // CELL_DEG), int(lon_deg // CELL_DEG)


def _around(cell: _Cell) -> list[_Cell]:
    north, east = cell
    return [(north + up, east + right) for up in (-1, 0, 1) for right in (-1, 0, 1)]
