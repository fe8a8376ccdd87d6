"""Decodes third-party messages: from an adapter's reports to readings and events of devices in the inventory.

adapter's report -> device and profile, by address -> frame decoder -> contract fields and events ->
`ingest.decoding.decoder`
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from broker.contract.payloads import EVENT_TYPES, Rejected, device_event_types
from city.errors import PayloadError
from city.inventory.model import City, Device, Profile
from city.inventory.provider import InventoryProvider
from ingest.decoding.adapters.address_index import DeviceAddressIndex
from ingest.decoding.adapters.port import Adapter, AdapterEvent, ConnectivityReport, DeviceReport, Hint, parse_any_time
from ingest.decoding.adapters.registry import adapter_for
from ingest.decoding.field_mapping import drop_invalid, get_path, read_events, read_fields
from ingest.decoding.frames.port import DecodedFrame, FrameReading
from ingest.decoding.frames.registry import decode_frame
from ingest.messages import Arrival
from ingest.store.records import QUALITY_INVALID, QUALITY_UNDECODED, StatusRecord

SEQ_HASH_BITS: Final = 22
_SEQ_EPOCH_S: Final = 946_684_800
_SEQ_SECONDS_MAX: Final = (1 << 31) - 1
HISTORICAL_AFTER: Final = timedelta(minutes=10)
UNDECODED: Final = "undecoded: "
"""Prefix of a dead letter's reason when no frame decoder could read the bytes."""


class RawReading(msgspec.Struct, frozen=True):
    """Values of one device at one moment, not validated; `(device, epoch, seq)` identifies the reading."""

    device: Device
    profile: Profile
    epoch: str
    seq: int
    at: datetime
    device_at: datetime | None
    values: dict[str, Any]
    quality: tuple[str, ...]
    fix_age: timedelta | None


class RawEvent(msgspec.Struct, frozen=True):
    """An event of one device, not validated."""

    device: Device
    epoch: str
    seq: int
    device_at: datetime | None
    event: AdapterEvent


class UnknownDeviceMessage(msgspec.Struct, frozen=True):
    """A message, or one record of it, of a device that is not in the inventory."""

    adapter: str
    names: tuple[str, ...]
    raw: bytes
    hint: Hint
    frame_port: int | None = None


class ThirdPartyResult(msgspec.Struct):
    """The outcome of one third-party message."""

    readings: list[RawReading] = []
    events: list[RawEvent] = []
    statuses: list[StatusRecord] = []
    unknown_devices: list[UnknownDeviceMessage] = []
    undecoded: list[Rejected] = []


class ThirdPartyDecoder:
    """Knows the inventory; `read` has no clock, no network and no memory."""

    def __init__(self, inventory: InventoryProvider) -> None:
        self._inventory = inventory
        self._time_zone = inventory.current().time_zone
        self._index = DeviceAddressIndex(inventory.current())

    def read(self, arrival: Arrival, city: City) -> ThirdPartyResult:
        """Decode one message against a snapshot of the inventory.

        Raises:
            TopicError: No adapter reads its topic.
            PayloadError: Its adapter cannot decode it.
        """
        adapter = adapter_for(arrival.topic)
        message = ThirdPartyResult()
        index = self._index_of(city)
        for report in adapter.decode(arrival.topic, arrival.payload):
            self._add(adapter, report, arrival, message, index)
        return message

    def knows(self, adapter: str, names: Iterable[str]) -> bool:
        """Whether the inventory has a device under one of these names."""
        return self._index_of(self._inventory.current()).find(adapter, names) is not None

    def addresses(self) -> Iterable[str]:
        """Every address in the inventory; all of them are of equipment."""
        return self._index_of(self._inventory.current()).addresses()

    def _index_of(self, city: City) -> DeviceAddressIndex:
        if self._index.version != city.version:
            self._index = DeviceAddressIndex(city)
        return self._index

    def _add(
        self,
        adapter: Adapter,
        report: DeviceReport,
        arrival: Arrival,
        message: ThirdPartyResult,
        index: DeviceAddressIndex,
    ) -> None:
        if report.connectivity and report.connectivity.all_devices:
            devices = index.all_of(adapter.name, report.connectivity.address_prefix)
            message.statuses += [_status(device, report.connectivity, report, arrival) for device in devices]
            return
        found = index.find(adapter.name, report.names)
        if found is None:
            port = report.frame.port if report.frame else None
            raw = report.raw or arrival.payload
            message.unknown_devices.append(UnknownDeviceMessage(adapter.name, report.names, raw, report.hint, port))
            return
        device, profile = found
        if report.connectivity and not _is_history(report, arrival):
            message.statuses.append(_status(device, report.connectivity, report, arrival))
        if _says_nothing(report):
            return
        self._measure(adapter, device, profile, report, arrival, message)

    def _measure(
        self,
        adapter: Adapter,
        device: Device,
        profile: Profile,
        report: DeviceReport,
        arrival: Arrival,
        message: ThirdPartyResult,
    ) -> None:
        readings, rest = _frame_readings(profile, report)
        for number, reading in enumerate(readings):
            at = self._aware(reading.at or report.at or _time_at(profile.time, reading.fields))
            if at is None and arrival.retained:
                continue  # kept by the broker for nobody knows how long: it may not count as measured now
            first = number == 0
            values, quality = _values(profile, reading.fields, report, first=first)
            events = [*(report.events if first else ()), *read_events(profile, reading.fields)]
            if reading.fields and not (values or quality or events):
                rest = (
                    f"{UNDECODED}none of its keys is in profile {profile.id}: {', '.join(sorted(reading.fields)[:12])}"
                )
            quality = (*quality, QUALITY_UNDECODED) if rest and first else quality
            fix_at = self._aware(report.fix_at or _time_at(profile.fix_time, reading.fields))
            counted_at = at or arrival.received_at
            seq = derive_seq(counted_at, _idempotency_key(report.key, reading, number))
            fix_age = at - fix_at if at and fix_at else None
            message.readings.append(
                RawReading(device, profile, adapter.name, seq, counted_at, at, values, quality, fix_age)
            )
            message.events += _raw_events(device, adapter.name, seq, at, counted_at, events)
        if rest:
            message.undecoded.append(Rejected(report.raw or arrival.payload, rest, device.id))

    def _aware(self, at: datetime | None) -> datetime | None:
        """A time with a zone; one without counts as the city's local time."""
        if at is None or at.tzinfo is not None:
            return at
        try:
            return at.replace(tzinfo=self._time_zone).astimezone(UTC)
        except OverflowError:
            return None


def _idempotency_key(message: bytes, reading: FrameReading, number: int) -> bytes:
    """Idempotency key.

    Readings with their own timestamp are keyed by content, so a retransmission in another frame deduplicates.
    """
    if reading.at is not None:
        return msgspec.json.encode(reading.fields)
    return message + (f"/{number}".encode() if number else b"")


def _is_history(report: DeviceReport, arrival: Arrival) -> bool:
    """Whether a connectivity report is too old to be current: controllers repeat weeks of events in each answer."""
    is_past = report.connectivity is not None and report.connectivity.historical
    return is_past and report.at is not None and arrival.received_at - report.at > HISTORICAL_AFTER


def _says_nothing(report: DeviceReport) -> bool:
    return not (report.known or report.fields or report.frame or report.events or report.quality)


def _frame_readings(profile: Profile, report: DeviceReport) -> tuple[tuple[FrameReading, ...], str]:
    """The readings of a report, and the reason why a part could not be decoded (empty if none).

    The device's own bytes take precedence over the network server's decoding: servers run decoders of any age.
    """
    plain = (FrameReading(dict(report.fields)),)
    if report.frame is None:
        return plain, ""
    try:
        frame = decode_frame(profile.frames, report.frame.port, report.frame.data)
    except PayloadError as exc:
        why = "" if report.fields else f"{UNDECODED}port {report.frame.port}, {len(report.frame.data)} bytes: {exc}"
        return plain, why
    return frame.readings or plain, _rest_of(frame, report.frame.port)


def _rest_of(frame: DecodedFrame, port: int) -> str:
    return f"{UNDECODED}port {port}, the last {len(frame.rest)} bytes: {frame.rest[:16].hex()}" if frame.rest else ""


def _values(
    profile: Profile, fields: dict[str, Any], report: DeviceReport, *, first: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    values, refused = drop_invalid(profile.kind, report.known) if first else ({}, False)
    read, invalid = read_fields(profile, fields)
    words = report.quality if first else ()
    return {**values, **read}, (*words, QUALITY_INVALID) if refused or invalid else words


def _time_at(paths: Iterable[str], fields: dict[str, Any]) -> datetime | None:
    found = (parse_any_time(get_path(fields, path)) for path in paths)
    return next((at for at in found if at), None)


def _raw_events(
    device: Device, adapter: str, seq: int, at: datetime | None, counted_at: datetime, events: Iterable[AdapterEvent]
) -> Iterator[RawEvent]:
    """Events. Each type has an epoch of its own, so that one message may raise several."""
    types = EVENT_TYPES[device.KIND]
    for event in events:
        if event.type in device_event_types(device.KIND):
            own_seq = derive_seq(counted_at, event.key) if event.key else seq
            yield RawEvent(device, f"{adapter}{types.index(event.type)}", own_seq, at, event)


def _status(device: Device, connectivity: ConnectivityReport, report: DeviceReport, arrival: Arrival) -> StatusRecord:
    return StatusRecord(device.KIND, device.id, connectivity.state, report.at, arrival.received_at, connectivity.reason)


def derive_seq(at: datetime, key: bytes) -> int:
    """Derive a seq for a device that has none: repeatable for the same message, distinct within one moment.

    High bits: seconds since 2000. Low 22 bits: a checksum over time and key. Fits the contract's 2^53.
    """
    seconds = min(max(0, int(at.timestamp()) - _SEQ_EPOCH_S), _SEQ_SECONDS_MAX)
    checksum = zlib.crc32(key, zlib.crc32(f"{at.timestamp():.3f}/".encode()))
    return (seconds << SEQ_HASH_BITS) | (checksum & ((1 << SEQ_HASH_BITS) - 1))
