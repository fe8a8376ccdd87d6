"""What a truck did in a stretch of time, from its readings: how far it drove, where it stood, how long its PTO ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from city.geo import distance_km
from ingest.store.records import QUALITY_JUMP, QUALITY_NO_FIX, QUALITY_OUTDATED, Reading

STOP_MIN: Final = timedelta(minutes=2)
"""At traffic lights trucks wait for less, at a collection point for longer."""
STOP_RADIUS_KM: Final = 0.06
STEP_KM: Final = 0.025
"""Receivers that stand still wander by so much; what is less is no way driven."""
PTO_HELD_MAX: Final = timedelta(minutes=10)
"""A tracker that is silent for longer no longer says that the PTO runs."""
_NO_PLACE: Final = frozenset({QUALITY_JUMP, QUALITY_NO_FIX, QUALITY_OUTDATED})


class Span(msgspec.Struct, frozen=True):
    """From one moment to another."""

    start: datetime
    end: datetime

    def overlap(self, other: Span) -> timedelta:
        """How long both last at the same time."""
        return max(min(self.end, other.end) - max(self.start, other.start), timedelta())


class Stop(msgspec.Struct, frozen=True):
    """Where a truck stood, from when to when, and how long its PTO ran meanwhile (None: it tells of none)."""

    lat_deg: float
    lon_deg: float
    start: datetime
    end: datetime
    pto_s: float | None


class Trip(msgspec.Struct, frozen=True):
    """What a truck did.

    `distance_km` is along its positions, `odometer_km` by its own counting where it has one. `left_out` counts readings
    without a believed position by the quality word that says why. `pto_s` and `pto_times` are None without a PTO.
    """

    distance_km: float
    odometer_km: float | None
    positions: int
    left_out: dict[str, int]
    stops: list[Stop]
    pto_s: float | None
    pto_times: int | None


class _Place(msgspec.Struct, frozen=True):
    lat_deg: float
    lon_deg: float
    at: datetime

    def km_to(self, other: _Place) -> float:
        return distance_km(self.lat_deg, self.lon_deg, other.lat_deg, other.lon_deg)


def trip_of(readings: Iterable[Reading]) -> Trip:
    """The trip that readings of one truck, in order of time, tell of."""
    places: list[_Place] = []
    left_out: Counter[str] = Counter()
    odometers: list[float] = []
    switched: list[tuple[datetime, bool]] = []
    for one in readings:
        values, at = one.values, one.origin.measured_at
        if "lat_deg" in values and "lon_deg" in values:
            places.append(_Place(float(values["lat_deg"]), float(values["lon_deg"]), at))
        left_out.update(_NO_PLACE.intersection(one.origin.quality))
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
        stops=[_told(stop, runs) for stop in _stops(places)],
        pto_s=None if runs is None else _seconds(one.end - one.start for one in runs),
        pto_times=None if runs is None else len(runs),
    )


def pto_runs(switched: Sequence[tuple[datetime, bool]]) -> list[Span]:
    """When the PTO ran, from what was said of it in order of time; what runs on beyond a silence ends there."""
    runs: list[Span] = []
    for (at, runs_now), (later, _) in zip(switched, [*switched[1:], switched[-1]], strict=True):
        if not runs_now:
            continue
        until = min(later, at + PTO_HELD_MAX)
        if runs and runs[-1].end == at:
            runs[-1] = Span(runs[-1].start, until)
        else:
            runs.append(Span(at, until))
    return runs


def _driven_km(places: Sequence[_Place]) -> float:
    """The way along positions that are a step apart."""
    driven, last = 0.0, None
    for place in places:
        step = last.km_to(place) if last else 0.0
        if last is None or step >= STEP_KM:
            driven, last = driven + step, place
    return driven


def _stops(places: Sequence[_Place]) -> list[tuple[_Place, datetime]]:
    """Where it stayed within a small circle, and until when."""
    stays: list[tuple[_Place, datetime]] = []
    for place in places:
        if stays and stays[-1][0].km_to(place) <= STOP_RADIUS_KM:
            stays[-1] = stays[-1][0], place.at
        else:
            stays.append((place, place.at))
    return [(place, until) for place, until in stays if until - place.at >= STOP_MIN]


def _told(stop: tuple[_Place, datetime], runs: list[Span] | None) -> Stop:
    place, until = stop
    stood = Span(place.at, until)
    pto_s = None if runs is None else _seconds(stood.overlap(run) for run in runs)
    return Stop(place.lat_deg, place.lon_deg, place.at, until, pto_s)


def _seconds(spans: Iterable[timedelta]) -> float:
    return sum(span.total_seconds() for span in spans)
