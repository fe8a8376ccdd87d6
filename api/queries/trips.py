"""Trips of trucks from readings: distance, stops, and running time of the PTO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from api.context import ApiContext
from city.inventory.geo import distance_km
from city.inventory.model import Truck
from ingest.store.records import QUALITY_JUMP, QUALITY_NO_FIX, QUALITY_OUTDATED, Reading

STOP_MIN: Final = timedelta(minutes=2)
"""Minimum duration of a stop: longer than at traffic lights, shorter than at a collection point."""
STOP_RADIUS_KM: Final = 0.06
STEP_KM: Final = 0.025
"""Minimum distance between counted positions; smaller steps are GNSS noise of a standing truck."""
PTO_HELD_MAX: Final = timedelta(minutes=10)
"""Maximum time for which a reading with a running PTO holds."""
_NO_PLACE: Final = frozenset({QUALITY_JUMP, QUALITY_NO_FIX, QUALITY_OUTDATED})


class Interval(msgspec.Struct, frozen=True):
    """A time interval."""

    start: datetime
    end: datetime

    def overlap(self, other: Interval) -> timedelta:
        """The length of the intersection of two intervals."""
        return max(min(self.end, other.end) - max(self.start, other.start), timedelta())


class TripStop(msgspec.Struct, frozen=True):
    """A stop of a truck. `pto_s`: running time of the PTO during the stop; None without a PTO."""

    lat_deg: float
    lon_deg: float
    start: datetime
    end: datetime
    pto_s: float | None


class Trip(msgspec.Struct, frozen=True):
    """The trip of a truck.

    `distance_km`: along its positions. `odometer_km`: difference of its odometer, None without one. `left_out`:
    readings without an accepted position, by quality flag. `pto_s`, `pto_times`: running time and number of PTO runs;
    None without a PTO.
    """

    distance_km: float
    odometer_km: float | None
    positions: int
    left_out: dict[str, int]
    stops: list[TripStop]
    pto_s: float | None
    pto_times: int | None


class _Place(msgspec.Struct, frozen=True):
    lat_deg: float
    lon_deg: float
    at: datetime

    def km_to(self, other: _Place) -> float:
        return distance_km(self.lat_deg, self.lon_deg, other.lat_deg, other.lon_deg)


def trip_between(context: ApiContext, truck: Truck, begin: datetime, end: datetime) -> Trip:
    """The trip of a truck in `[begin, end)`, from stored readings."""
    records = context.reader.export(begin, end, device=truck.id)
    return trip_of(record for record in records if isinstance(record, Reading))


def trip_of(readings: Iterable[Reading]) -> Trip:
    """The trip of one truck, from its readings in order of time."""
    places: list[_Place] = []
    left_out: Counter[str] = Counter()
    odometers: list[float] = []
    switched: list[tuple[datetime, bool]] = []
    for reading in readings:
        values, at = reading.values, reading.origin.measured_at
        if "lat_deg" in values and "lon_deg" in values:
            places.append(_Place(float(values["lat_deg"]), float(values["lon_deg"]), at))
        left_out.update(_NO_PLACE.intersection(reading.origin.quality))
        if "odometer_km" in values:
            odometers.append(float(values["odometer_km"]))
        if "pto" in values:
            switched.append((at, bool(values["pto"])))
    runs = pto_runs(switched) if switched else None
    return Trip(
        distance_km=round(_driven_km(places), 2),
        odometer_km=round(max(odometers) - min(odometers), 2) if odometers else None,
        positions=len(places),
        left_out=dict(left_out),
        stops=[_trip_stop(stop, runs) for stop in _stops(places)],
        pto_s=None if runs is None else _seconds(run.end - run.start for run in runs),
        pto_times=None if runs is None else len(runs),
    )


def pto_runs(switched: Sequence[tuple[datetime, bool]]) -> list[Interval]:
    """Intervals in which the PTO ran, from states in order of time. A run ends after `PTO_HELD_MAX` of silence."""
    runs: list[Interval] = []
    for (at, runs_now), (later, _) in zip(switched, [*switched[1:], switched[-1]], strict=True):
        if not runs_now:
            continue
        until = min(later, at + PTO_HELD_MAX)
        if runs and runs[-1].end == at:
            runs[-1] = Interval(runs[-1].start, until)
        else:
            runs.append(Interval(at, until))
    return runs


def _driven_km(places: Sequence[_Place]) -> float:
    """The distance along positions that are at least `STEP_KM` apart."""
    driven, last = 0.0, None
    for place in places:
        step = last.km_to(place) if last else 0.0
        if last is None or step >= STEP_KM:
            driven, last = driven + step, place
    return driven


def _stops(places: Sequence[_Place]) -> list[tuple[_Place, datetime]]:
    """The first position and the end of each stay of at least `STOP_MIN` within `STOP_RADIUS_KM`."""
    stays: list[tuple[_Place, datetime]] = []
    for place in places:
        if stays and stays[-1][0].km_to(place) <= STOP_RADIUS_KM:
            stays[-1] = stays[-1][0], place.at
        else:
            stays.append((place, place.at))
    return [(place, until) for place, until in stays if until - place.at >= STOP_MIN]


def _trip_stop(stop: tuple[_Place, datetime], runs: list[Interval] | None) -> TripStop:
    place, until = stop
    stood = Interval(place.at, until)
    pto_s = None if runs is None else _seconds(stood.overlap(run) for run in runs)
    return TripStop(place.lat_deg, place.lon_deg, place.at, until, pto_s)


def _seconds(spans: Iterable[timedelta]) -> float:
    return sum(span.total_seconds() for span in spans)
