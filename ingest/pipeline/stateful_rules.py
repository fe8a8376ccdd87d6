"""Rules that need a device's past: position jumps, rates of counters, complete lists, changes of level events.

The rules run between decoding and the store. `apply` processes a batch; `commit` keeps the new state once that batch is
stored. A batch that is retried is processed from the committed state again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import msgspec

from city.counters import CounterState, CounterValue, count_growth
from city.inventory.geo import distance_km
from ingest.decoding.validation import AHEAD_MAX, RATE_MAX_KBPS, merge_flags, without_fix
from ingest.pipeline.temperatures import TemperatureSample, is_lone_heat, without_temperature
from ingest.store.port import EventQuery, Latest, TelemetryReader
from ingest.store.record_batch import ReadingColumns
from ingest.store.records import QUALITY_JUMP, ClientList, EventRecord, Reading, Record, Value

K = TypeVar("K")
V = TypeVar("V")

FASTEST_KMH: Final = 160.0
"""Upper limit of a garbage truck's speed; a faster move between two fixes is a jump."""
GNSS_SCATTER_KM: Final = 0.3
"""Scatter of receivers among houses; a move within it is no jump."""
CONFIRMATIONS_MIN: Final = 3
"""Consecutive fixes that agree with each other, but not with the accepted one, until they are accepted."""
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


class CounterTrack(msgspec.Struct, frozen=True, gc=False):
    """Counters of an access point up to one moment: interface (empty for the sum) and counter to state."""

    at: datetime
    states: dict[tuple[str, str], CounterState]
    uptime_s: float | None


class ListedAccessPoint(msgspec.Struct, frozen=True):
    """The newest complete list of clients that said something of an access point, and whether it had any."""

    scope: str
    at: datetime
    has_clients: bool


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
        self._counters: StagedDict[str, CounterTrack] = StagedDict()
        self._levels: StagedDict[tuple[str, str], EventRecord] = StagedDict()
        self._radios: StagedDict[str, RadioClients] = StagedDict()
        self._client_lists: StagedDict[str, ListedAccessPoint] = StagedDict()
        self._temperatures: StagedDict[str, TemperatureSample] = StagedDict()
        self._staged: tuple[StagedDict[Any, Any], ...] = (
            self._tracks,
            self._counters,
            self._levels,
            self._radios,
            self._client_lists,
            self._temperatures,
        )

    def apply(self, records: Sequence[Record]) -> list[Record | None]:
        """Each record as it is to be stored; None for one that changes nothing.

        Those are level events that say the same again, and counts of access points that a list of clients leaves out.

        Raises:
            RetryLaterError: The store that holds the past is unavailable.
        """
        if self._reader is not None:
            self._restore(self._reader)
            self._reader = None
        for staged in self._staged:
            staged.discard()
        return [self._apply_to(record) for record in records]

    def apply_to_columns(self, columns: ReadingColumns) -> None:
        """Take note of readings that no rule changes; call it after `apply` of the same batch.

        Args:
            columns: Readings without positions and counters, none of a device of `hot_devices`.
        """
        newest: dict[str, tuple[datetime, float]] = {}
        temperatures = columns.values.get("temperature_c", ())
        samples = zip(columns.devices, zip(columns.measured_at, temperatures, strict=False), strict=False)
        if None not in temperatures and columns.is_in_order:
            newest = dict(samples)
        else:
            for device, sample in samples:
                if sample[1] is not None and (device not in newest or sample[0] >= newest[device][0]):
                    newest[device] = sample
        for device, (at, celsius) in newest.items():
            before = self._temperatures.get(device)
            if before is None or at >= before.at:
                self._temperatures[device] = TemperatureSample(at, float(celsius))

    def commit(self) -> None:
        """Keep the state of the batch last applied, which is now stored."""
        for staged in self._staged:
            staged.commit()

    def _restore(self, reader: TelemetryReader) -> None:
        for latest in reader.latest():
            if position := _position_of(latest):
                self._tracks[latest.device] = PositionTrack(position)
            if counters := _counters_of(latest):
                self._counters[latest.device] = counters
            if temperature := latest.values.get("temperature_c"):
                celsius = float(temperature.value)
                self._temperatures[latest.device] = TemperatureSample(temperature.measured_at, celsius)
        end = self._clock() + AHEAD_MAX
        for type_ in sorted(self._level_events):
            newest_first = reader.events(EventQuery(end - LEVELS_LOOKBACK, end, types=(type_,), limit=1_000))
            for event in reversed(newest_first):
                self._levels[event.origin.device, type_] = event
        self.commit()

    def _apply_to(self, record: Record) -> Record | None:
        if isinstance(record, Reading):
            if record.client_list and not self._count_of_list(record, record.client_list):
                return None
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

    def _count_of_list(self, reading: Reading, client_list: ClientList) -> bool:
        """Whether a client count out of a complete list counts.

        That of an absent device counts once, if the last list that named it was an earlier edition of this one. Not
        again: a controller leaves out an access point that is away, too.
        """
        device, at = reading.origin.device, reading.origin.measured_at
        named = self._client_lists.get(device)
        is_newer = named is None or at > named.at
        if client_list.is_absent:
            counts = is_newer and named is not None and named.scope == client_list.scope and named.has_clients
            if not counts:
                return False
        if is_newer:
            self._client_lists[device] = ListedAccessPoint(client_list.scope, at, not client_list.is_absent)
        return True

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
        before = self._counters.get(device)
        if before is not None and at <= before.at:
            return reading
        self._counters[device], rates = _count(before, reading)
        # A rate that the device reports itself wins.
        return msgspec.structs.replace(reading, values={**rates, **values}) if rates else reading

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
        totals: dict[str, Value] = {
            "clients": sum(counts.values()),
            "clients_by_radio": msgspec.json.encode(counts).decode(),
        }
        return Reading(reading.origin, {**reading.values, **totals})


def is_reachable(first: PositionFix, second: PositionFix) -> bool:
    """Whether a truck can have been at both positions, in either order."""
    hours = abs((second.at - first.at).total_seconds()) / 3600
    apart_km = distance_km(first.lat_deg, first.lon_deg, second.lat_deg, second.lon_deg)
    return apart_km <= max(GNSS_SCATTER_KM, FASTEST_KMH * hours)


def _count(before: CounterTrack | None, reading: Reading) -> tuple[CounterTrack, dict[str, Value]]:
    """Counters after a reading, and the rates since the ones before: by interface, where the reading has interfaces."""
    at, uptime_s = reading.origin.measured_at, _uptime(reading.values)
    restarted = before is not None and _is_restart(before, at, uptime_s)
    known = before.states if before else {}
    states: dict[tuple[str, str], CounterState] = {}
    totals_kbps: dict[str, float] = {}
    at_s = at.timestamp()
    interfaces: Mapping[str, Mapping[str, Value]] = reading.counters or {"": reading.values}
    for name, octets in interfaces.items():
        for counter, rate in _COUNTERS:
            if counter in octets:
                now = CounterValue(float(octets[counter]), at_s)
                step = count_growth(known.get((name, counter)), now, restarted=restarted)
                states[name, counter] = step.state
                kbps = step.growth.kbps if step.growth else math.nan  # nan stays nan in sums, and is below no limit
                totals_kbps[rate] = totals_kbps.get(rate, 0.0) + kbps
    rates: dict[str, Value] = {rate: round(kbps, 3) for rate, kbps in totals_kbps.items() if kbps <= RATE_MAX_KBPS}
    return CounterTrack(at, states, uptime_s), rates


def _is_restart(before: CounterTrack, at: datetime, uptime_s: float | None) -> bool:
    """Whether the uptime says that the device has restarted since."""
    seconds = (at - before.at).total_seconds()
    return (
        before.uptime_s is not None
        and uptime_s is not None
        and uptime_s < before.uptime_s + seconds - UPTIME_SLACK_S
        and uptime_s < seconds + UPTIME_SLACK_S
    )


def _uptime(values: dict[str, Value]) -> float | None:
    return float(values["uptime_s"]) if "uptime_s" in values else None


def _position_of(latest: Latest) -> PositionFix | None:
    lat, lon = latest.values.get("lat_deg"), latest.values.get("lon_deg")
    return PositionFix(float(lat.value), float(lon.value), lat.measured_at) if lat and lon else None


def _counters_of(latest: Latest) -> CounterTrack | None:
    counters = {name: latest.values[name] for name, _ in _COUNTERS if name in latest.values}
    if not counters:
        return None
    uptime = latest.values.get("uptime_s")
    at = max(field.measured_at for field in counters.values())
    states = {
        ("", name): CounterState(CounterValue(float(field.value), at.timestamp()))
        for name, field in counters.items()
        if field.measured_at == at
    }
    return CounterTrack(at, states, float(uptime.value) if uptime and uptime.measured_at == at else None)
