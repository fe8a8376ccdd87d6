"""Rules that need a device's past: position jumps, rates of counters, changes of level events.

The rules run between decoding and the store. `apply` processes a batch; `commit` keeps the new state once that batch is
stored. A batch that is retried is processed from the committed state again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import msgspec

from city.inventory.geo import distance_km
from ingest.decoding.validation import AHEAD_MAX, RATE_MAX_KBPS, merge_flags, without_fix
from ingest.pipeline.temperatures import TemperatureSample, is_lone_heat, without_temperature
from ingest.store.port import EventQuery, Latest, TelemetryReader
from ingest.store.records import (
    QUALITY_JUMP,
    EventRecord,
    Reading,
    Record,
    Value,
)

K = TypeVar("K")
V = TypeVar("V")

FASTEST_KMH: Final = 160.0
"""Upper limit of a garbage truck's speed; a faster move between two fixes is a jump."""
GNSS_SCATTER_KM: Final = 0.3
"""Scatter of receivers among houses; a move within it is no jump."""
CONFIRMATIONS_MIN: Final = 3
"""Consecutive fixes that agree with each other, but not with the accepted one, until they are accepted."""
RATE_GAP_MAX: Final = timedelta(minutes=30)
"""Longest gap between two counter samples for which a rate is computed."""
COUNTER_32: Final = 1 << 32
WRAP_FROM: Final = 1 << 31
"""A 32-bit counter wraps from its upper half; a fall from the lower half is a restart."""
UPTIME_SLACK_S: Final = 30.0
RADIO_COUNT_AGE_MAX: Final = timedelta(minutes=15)
"""How long the client count of a radio that reports alone is added to the others."""
LEVELS_LOOKBACK: Final = timedelta(days=1825)
"""Retention of events: an event raised that long ago and not cleared is still raised."""
RENEW_AFTER: Final = timedelta(days=3)
"""A condition that a device goes on reporting is stored again after this time: it would count as ended otherwise."""
_COUNTERS: Final = (("rx_bytes", "rx_kbps"), ("tx_bytes", "tx_kbps"))


class PositionFix(msgspec.Struct, frozen=True):
    """A position and its time."""

    lat_deg: float
    lon_deg: float
    at: datetime


class PositionTrack(msgspec.Struct, frozen=True):
    """The accepted position, a candidate that contradicts it, and how many fixes confirm the candidate."""

    accepted: PositionFix
    candidate: PositionFix | None = None
    confirmations: int = 0


class CounterSample(msgspec.Struct, frozen=True):
    """Counters of an access point at one moment."""

    at: datetime
    values: dict[str, float]
    uptime_s: float | None


RadioClients = dict[str, tuple[int, datetime]]
"""Radio to its client count and the time of that count."""


class StagedDict(Generic[K, V]):
    """A dictionary whose changes count at once and last only when committed."""

    def __init__(self) -> None:
        self._committed: dict[K, V] = {}
        self._staged: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The staged value, else the committed one, else None."""
        return self._staged[key] if key in self._staged else self._committed.get(key)

    def __setitem__(self, key: K, value: V) -> None:
        """Stage a value."""
        self._staged[key] = value

    def commit(self) -> None:
        """Make the staged values last."""
        self._committed |= self._staged
        self._staged = {}

    def discard(self) -> None:
        """Forget the staged values."""
        self._staged = {}


class StatefulRules:
    """Owns the state of each device; used by one thread.

    Args:
        reader: Source of the state at start; None starts without a past.
        clock: UTC; used only to bound the lookback.
        level_events: Event types that devices repeat while a condition lasts; their state is read from the reader.
    """

    def __init__(
        self,
        reader: TelemetryReader | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        level_events: Collection[str] = (),
    ) -> None:
        self._reader = reader
        self._level_events = level_events
        self._clock = clock
        self._tracks: StagedDict[str, PositionTrack] = StagedDict()
        self._samples: StagedDict[str, CounterSample] = StagedDict()
        self._levels: StagedDict[tuple[str, str], EventRecord] = StagedDict()
        self._radios: StagedDict[str, RadioClients] = StagedDict()
        self._temperatures: StagedDict[str, TemperatureSample] = StagedDict()

    def apply(self, records: Sequence[Record]) -> list[Record | None]:
        """Each record as it is to be stored; None for a level event that changes nothing.

        Raises:
            RetryLaterError: The store that holds the past is unavailable.
        """
        if self._reader is not None:
            self._restore(self._reader)
            self._reader = None
        for staged in self._stages():
            staged.discard()
        return [self._apply_to(record) for record in records]

    def commit(self) -> None:
        """Keep the state of the batch last applied, which is now stored."""
        for staged in self._stages():
            staged.commit()

    def _stages(self) -> tuple[StagedDict[Any, Any], ...]:
        return self._tracks, self._samples, self._levels, self._radios, self._temperatures

    def _restore(self, reader: TelemetryReader) -> None:
        for latest in reader.latest():
            if position := _position_of(latest):
                self._tracks[latest.device] = PositionTrack(position)
            if temperature := latest.values.get("temperature_c"):
                celsius = float(temperature.value)
                self._temperatures[latest.device] = TemperatureSample(temperature.measured_at, celsius)
            if sample := _counter_sample_of(latest):
                self._samples[latest.device] = sample
        end = self._clock() + AHEAD_MAX
        for type_ in sorted(self._level_events):
            newest_first = reader.events(EventQuery(end - LEVELS_LOOKBACK, end, types=(type_,), limit=1_000))
            for event in reversed(newest_first):
                self._levels[event.origin.device, type_] = event
        self.commit()

    def _apply_to(self, record: Record) -> Record | None:
        if isinstance(record, Reading):
            values = record.values
            if "lat_deg" in values:
                record = self._check_jump(record)
            if "temperature_c" in values:
                record = self._check_heat(record)
            if "rx_bytes" in values or "tx_bytes" in values:
                record = self._add_rates(record)
            if "clients_by_radio" in values and "clients" not in values:
                record = self._sum_radio_clients(record)
            return record
        if isinstance(record, EventRecord) and record.is_level:
            return record if self._is_change(record) else None
        return record

    def _is_change(self, event: EventRecord) -> bool:
        key = (event.origin.device, event.type)
        known = self._levels.get(key)
        if known is not None and event.origin.measured_at < known.origin.measured_at:
            return False
        if event.state == (known.state if known else "cleared"):
            if known is None or event.state == "cleared":
                return False
            if event.origin.measured_at - known.origin.measured_at < RENEW_AFTER:
                return False
        self._levels[key] = event
        return True

    def _check_jump(self, reading: Reading) -> Reading:
        device = reading.origin.device
        track = self._tracks.get(device)
        lat, lon = float(reading.values["lat_deg"]), float(reading.values["lon_deg"])
        position = PositionFix(lat, lon, reading.origin.measured_at)
        if track is None or is_reachable(track.accepted, position):
            if track is None or position.at >= track.accepted.at:
                self._tracks[device] = PositionTrack(position)
            return reading
        confirmations = track.confirmations + 1 if track.candidate and is_reachable(track.candidate, position) else 1
        if confirmations >= CONFIRMATIONS_MIN:
            self._tracks[device] = PositionTrack(position)
            return reading
        self._tracks[device] = PositionTrack(track.accepted, position, confirmations)
        quality = merge_flags(reading.origin.quality, (QUALITY_JUMP,))
        return Reading(msgspec.structs.replace(reading.origin, quality=quality), without_fix(reading.values))

    def _check_heat(self, reading: Reading) -> Reading:
        device, celsius = reading.origin.device, float(reading.values["temperature_c"])
        before = self._temperatures.get(device)
        if before is not None and reading.origin.measured_at < before.at:
            return reading
        self._temperatures[device] = TemperatureSample(reading.origin.measured_at, celsius)
        fire = self._levels.get((device, "fire"))
        is_known = fire is not None and fire.state == "raised"
        return reading if is_known or not is_lone_heat(before, celsius) else without_temperature(reading)

    def _add_rates(self, reading: Reading) -> Reading:
        device, at, values = reading.origin.device, reading.origin.measured_at, reading.values
        before = self._samples.get(device)
        if before is not None and at <= before.at:
            return reading
        now = CounterSample(at, _counters(values), _uptime(values))
        self._samples[device] = now
        rates = _rates(before, now) if before else {}
        missing = {name: rate for name, rate in rates.items() if name not in values}
        return Reading(reading.origin, {**values, **missing}) if missing else reading

    def _sum_radio_clients(self, reading: Reading) -> Reading:
        """Total clients over all radios, for devices whose radios report separately."""
        device, at = reading.origin.device, reading.origin.measured_at
        reported = msgspec.json.decode(str(reading.values["clients_by_radio"]), type=dict[str, int])
        before = self._radios.get(device) or {}
        recent = {
            name: (count, counted_at)
            for name, (count, counted_at) in before.items()
            if name not in reported and abs(at - counted_at) <= RADIO_COUNT_AGE_MAX
        }
        radios = self._radios[device] = recent | {name: (count, at) for name, count in reported.items()}
        counts = {name: count for name, (count, _) in sorted(radios.items())}
        whole: dict[str, Value] = {
            "clients": sum(counts.values()),
            "clients_by_radio": msgspec.json.encode(counts).decode(),
        }
        return Reading(reading.origin, {**reading.values, **whole})


def is_reachable(first: PositionFix, second: PositionFix) -> bool:
    """Whether a truck can have been at both positions, in either order."""
    hours = abs((second.at - first.at).total_seconds()) / 3600
    apart_km = distance_km(first.lat_deg, first.lon_deg, second.lat_deg, second.lon_deg)
    return apart_km <= max(GNSS_SCATTER_KM, FASTEST_KMH * hours)


def counter_increase(before: float, now: float, *, restarted: bool) -> float | None:
    """Growth of a counter, over a wrap of 32 bits; None when it was restarted in between.

    Args:
        before: Earlier value.
        now: Later value.
        restarted: Whether the device reports a restart in between.
    """
    if restarted:
        return None
    if now >= before:
        return now - before
    return now + COUNTER_32 - before if WRAP_FROM <= before < COUNTER_32 and now < WRAP_FROM else None


def _rates(before: CounterSample, now: CounterSample) -> dict[str, Value]:
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
            grown = counter_increase(before.values[counter], now.values[counter], restarted=restarted)
            kbps = None if grown is None else round(grown * 8 / 1000 / seconds, 3)
            if kbps is not None and kbps <= RATE_MAX_KBPS:
                rates[rate] = kbps
    return rates


def _counters(values: dict[str, Value]) -> dict[str, float]:
    return {name: float(values[name]) for name, _ in _COUNTERS if name in values}


def _uptime(values: dict[str, Value]) -> float | None:
    return float(values["uptime_s"]) if "uptime_s" in values else None


def _position_of(latest: Latest) -> PositionFix | None:
    lat, lon = latest.values.get("lat_deg"), latest.values.get("lon_deg")
    return PositionFix(float(lat.value), float(lon.value), lat.measured_at) if lat and lon else None


def _counter_sample_of(latest: Latest) -> CounterSample | None:
    found = {name: latest.values[name] for name, _ in _COUNTERS if name in latest.values}
    if not found:
        return None
    uptime = latest.values.get("uptime_s")
    at = max(field.measured_at for field in found.values())
    values = {name: float(field.value) for name, field in found.items() if field.measured_at == at}
    return CounterSample(at, values, float(uptime.value) if uptime and uptime.measured_at == at else None)
