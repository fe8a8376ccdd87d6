"""What can only be judged by what came before: jumps of positions, rates of counters, conditions that change.

It stands between decoding and the store: `settle` looks at a batch, `commit` takes over what it learnt once that is
stored. A batch that is tried again, or comes again, is settled again from where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from city.geo import distance_km
from ingest.judge import AHEAD_MAX, RATE_MAX_KBPS, sorted_quality, without_fix
from ingest.store.port import EventQuery, Latest, TelemetryReader
from ingest.store.records import QUALITY_JUMP, EventRecord, Reading, Record, Value

FASTEST_KMH: Final = 160.0
"""No garbage truck drives faster, and no measured position may imply it."""
SCATTER_KM: Final = 0.3
"""Receivers among houses scatter by so much; within it nothing is a jump."""
BELIEVED_AFTER: Final = 3
"""Positions that agree with each other, but not with the last believed one, from which on they are believed."""
RATE_GAP_MAX: Final = timedelta(minutes=30)
"""Between counters farther apart the rate would be that of another time."""
COUNTER_32: Final = 1 << 32
WRAP_FROM: Final = 1 << 31
"""A 32-bit counter wraps from its upper half; what falls from lower was started again."""
UPTIME_SLACK_S: Final = 30.0
RADIO_HEARD: Final = timedelta(minutes=15)
"""A radio that was told of alone counts for so long beside the others."""
CONDITIONS_BACK: Final = timedelta(days=1825)
"""As long as events are kept: what was raised then and not cleared is raised."""
LASTING: Final = (
    *("fire", "tilt", "lid_open", "moved", "low_battery", "tamper", "power_cut", "overspeed", "tow", "jamming", "door"),
    *("fuel_leak", "covered", "motion", "object", "intrusion", "line_crossed", "activity"),
)
"""Events whose condition devices repeat; what is raised of them is asked of the store at the start."""
_COUNTERS: Final = (("rx_bytes", "rx_kbps"), ("tx_bytes", "tx_kbps"))


class Place(msgspec.Struct, frozen=True):
    """Where a device was, and when."""

    lat_deg: float
    lon_deg: float
    at: datetime


class Track(msgspec.Struct, frozen=True):
    """The last believed position, and how many after it agree with each other and not with it."""

    believed: Place
    doubted: Place | None = None
    doubts: int = 0


class Counted(msgspec.Struct, frozen=True):
    """Counters of an access point at one moment."""

    at: datetime
    values: dict[str, float]
    uptime_s: float | None


Radios = dict[str, tuple[int, datetime]]
"""Clients of each radio, and when they were counted."""


class History:
    """Owns what is remembered of each device; one thread.

    Args:
        reader: Where it is read from at the start; None for a city without a past.
        clock: UTC, for nothing but how far back to read.
    """

    def __init__(
        self, reader: TelemetryReader | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Remember nothing; the first batch asks the store."""
        self._reader = reader
        self._clock = clock
        self._tracks: dict[str, Track] = {}
        self._counted: dict[str, Counted] = {}
        self._conditions: dict[tuple[str, str], EventRecord] = {}
        self._radios: dict[str, Radios] = {}
        self._new_radios: dict[str, Radios] = {}
        self._new_tracks: dict[str, Track] = {}
        self._new_counted: dict[str, Counted] = {}
        self._new_conditions: dict[tuple[str, str], EventRecord] = {}

    def settle(self, records: Sequence[Record]) -> list[Record | None]:
        """Each record as it is to be stored; None for a condition that has not changed.

        Raises:
            RetryLaterError: The store that knows the past is away.
        """
        if self._reader is not None:
            self._restore(self._reader)
            self._reader = None
        self._new_tracks, self._new_counted, self._new_conditions, self._new_radios = {}, {}, {}, {}
        return [self._settled(record) for record in records]

    def commit(self) -> None:
        """What was settled last is stored."""
        self._tracks |= self._new_tracks
        self._counted |= self._new_counted
        self._conditions |= self._new_conditions
        self._radios |= self._new_radios

    def _restore(self, reader: TelemetryReader) -> None:
        for latest in reader.latest():
            if place := _place_of(latest):
                self._tracks[latest.device] = Track(place)
            if counted := _counted_of(latest):
                self._counted[latest.device] = counted
        end = self._clock() + AHEAD_MAX
        for type_ in LASTING:
            newest_first = reader.events(EventQuery(end - CONDITIONS_BACK, end, types=(type_,), limit=1_000))
            for event in reversed(newest_first):
                self._conditions[event.origin.device, type_] = event

    def _settled(self, record: Record) -> Record | None:
        if isinstance(record, Reading):
            values = record.values
            if "lat_deg" in values:
                record = self._on_track(record)
            if "rx_bytes" in values or "tx_bytes" in values:
                record = self._rated(record)
            if "clients_by_radio" in values and "clients" not in values:
                record = self._summed(record)
            return record
        if isinstance(record, EventRecord) and record.lasting:
            return record if self._is_change(record) else None
        return record

    def _is_change(self, event: EventRecord) -> bool:
        key = (event.origin.device, event.type)
        known = self._new_conditions.get(key) or self._conditions.get(key)
        if known is not None and event.origin.measured_at < known.origin.measured_at:
            return False
        if event.state == (known.state if known else "cleared"):
            return False
        self._new_conditions[key] = event
        return True

    def _on_track(self, reading: Reading) -> Reading:
        device = reading.origin.device
        track = self._new_tracks.get(device) or self._tracks.get(device)
        lat, lon = float(reading.values["lat_deg"]), float(reading.values["lon_deg"])
        place = Place(lat, lon, reading.origin.measured_at)
        if track is None or is_reachable(track.believed, place):
            if track is None or place.at >= track.believed.at:
                self._new_tracks[device] = Track(place)
            return reading
        doubts = track.doubts + 1 if track.doubted and is_reachable(track.doubted, place) else 1
        if doubts >= BELIEVED_AFTER:
            self._new_tracks[device] = Track(place)
            return reading
        self._new_tracks[device] = Track(track.believed, place, doubts)
        quality = sorted_quality(reading.origin.quality, (QUALITY_JUMP,))
        return Reading(msgspec.structs.replace(reading.origin, quality=quality), without_fix(reading.values))

    def _rated(self, reading: Reading) -> Reading:
        device, at, values = reading.origin.device, reading.origin.measured_at, reading.values
        before = self._new_counted.get(device) or self._counted.get(device)
        if before is not None and at <= before.at:
            return reading
        now = Counted(at, _counters(values), _uptime(values))
        self._new_counted[device] = now
        rates = _rates(before, now) if before else {}
        missing = {name: rate for name, rate in rates.items() if name not in values}
        return Reading(reading.origin, {**values, **missing}) if missing else reading

    def _summed(self, reading: Reading) -> Reading:
        """Clients of all radios, where each is told of alone."""
        device, at = reading.origin.device, reading.origin.measured_at
        told = msgspec.json.decode(str(reading.values["clients_by_radio"]), type=dict[str, int])
        before = self._new_radios.get(device) or self._radios.get(device, {})
        kept = {name: one for name, one in before.items() if name not in told and abs(at - one[1]) <= RADIO_HEARD}
        radios = self._new_radios[device] = kept | {name: (count, at) for name, count in told.items()}
        counts = {name: count for name, (count, _) in sorted(radios.items())}
        whole: dict[str, Value] = {
            "clients": sum(counts.values()),
            "clients_by_radio": msgspec.json.encode(counts).decode(),
        }
        return Reading(reading.origin, {**reading.values, **whole})


def is_reachable(one: Place, other: Place) -> bool:
    """Whether a truck can have been at both, whichever came first."""
    hours = abs((other.at - one.at).total_seconds()) / 3600
    apart_km = distance_km(one.lat_deg, one.lon_deg, other.lat_deg, other.lon_deg)
    return apart_km <= max(SCATTER_KM, FASTEST_KMH * hours)


def counted_since(before: float, now: float, *, restarted: bool) -> float | None:
    """By how much a counter has grown: over a wrap of 32 bits, None when it was started again in between.

    Args:
        before: What it was.
        now: What it is.
        restarted: Whether its device says that it has started since.
    """
    if restarted:
        return None
    if now >= before:
        return now - before
    return now + COUNTER_32 - before if WRAP_FROM <= before < COUNTER_32 and now < WRAP_FROM else None


def _rates(before: Counted, now: Counted) -> dict[str, Value]:
    seconds = (now.at - before.at).total_seconds()
    if not 0 < seconds <= RATE_GAP_MAX.total_seconds():
        return {}
    restarted = (
        before.uptime_s is not None
        and now.uptime_s is not None
        and now.uptime_s < before.uptime_s + seconds - UPTIME_SLACK_S
        and now.uptime_s < seconds + UPTIME_SLACK_S
    )
    rates: dict[str, Value] = {}
    for counter, rate in _COUNTERS:
        if counter in before.values and counter in now.values:
            grown = counted_since(before.values[counter], now.values[counter], restarted=restarted)
            kbps = None if grown is None else round(grown * 8 / 1000 / seconds, 3)
            if kbps is not None and kbps <= RATE_MAX_KBPS:
                rates[rate] = kbps
    return rates


def _counters(values: dict[str, Value]) -> dict[str, float]:
    return {name: float(values[name]) for name, _ in _COUNTERS if name in values}


def _uptime(values: dict[str, Value]) -> float | None:
    return float(values["uptime_s"]) if "uptime_s" in values else None


def _place_of(latest: Latest) -> Place | None:
    lat, lon = latest.values.get("lat_deg"), latest.values.get("lon_deg")
    return Place(float(lat.value), float(lon.value), lat.measured_at) if lat and lon else None


def _counted_of(latest: Latest) -> Counted | None:
    found = {name: latest.values[name] for name, _ in _COUNTERS if name in latest.values}
    if not found:
        return None
    uptime = latest.values.get("uptime_s")
    at = max(one.measured_at for one in found.values())
    values = {name: float(one.value) for name, one in found.items() if one.measured_at == at}
    return Counted(at, values, float(uptime.value) if uptime and uptime.measured_at == at else None)
