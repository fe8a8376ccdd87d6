"""Decodes one journaled message into records and dead letters. Pure, so that a replay gives the same result."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from broker.contract.codec import elements_of, parse_events, parse_platform_event, parse_status, parse_telemetry
from broker.contract.payloads import (
    MAX_BATCH,
    Event,
    Offline,
    Online,
    Parsed,
    Rejected,
    Sleeping,
    Status,
    Telemetry,
    values_of,
)
from broker.contract.topics import Kind, Topic, is_native, is_platforms, parse_review_topic, parse_topic
from city.errors import PayloadError, TopicError
from city.inventory.model import Bin, City, Device, SensorGeometry
from city.inventory.provider import InventoryProvider
from ingest.decoding.adapters.registry import has_clients, personal_keys
from ingest.decoding.pseudonyms import Pseudonyms
from ingest.decoding.third_party import RawEvent, RawReading, ThirdPartyDecoder, UnknownDeviceMessage
from ingest.decoding.validation import apply_geometry, check_position, merge_flags, resolve_timestamp
from ingest.messages import Arrival
from ingest.store.records import EventRecord, Reading, Record, RecordOrigin, StatusRecord
from ingest.store.schema import to_columns

DEAD_LETTERS_MAX: Final = 100
"""Dead letters and unknown devices that one message may produce; an agent's batch has as many readings."""


class DecodeResult(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one message. `ignored`: the message is valid and carries nothing to store.

    `unknown_devices` are messages of devices that are not in the inventory.
    """

    records: list[Record]
    rejected: list[Rejected]
    unknown_fields: int = 0
    ignored: bool = False
    unknown_devices: list[UnknownDeviceMessage] = []


class Decoder:
    """Knows the inventory; `decode` has no clock, no network and no memory.

    Each message is decoded against one snapshot, the newest when it begins.

    Args:
        inventory: What messages are decoded against.
        late_after: Age on arrival from which on a reading gets the quality flag `late`.
        pseudonym_key: Key of the hashes that stand for hotspot clients; None drops client identities.
    """

    def __init__(
        self, inventory: InventoryProvider, *, late_after: timedelta, pseudonym_key: bytes | None = None
    ) -> None:
        self._inventory = inventory
        self._third_party = ThirdPartyDecoder(inventory)
        self._late_after = late_after
        self._pseudonyms = Pseudonyms(pseudonym_key, inventory.current().time_zone)

    def decode(self, arrival: Arrival) -> DecodeResult:
        """Records and dead letters of one message. Never raises, whatever the input.

        An exception inside a decoder is a bug, but it must not hold up the messages behind it.
        """
        city = self._inventory.current()
        try:
            if is_platforms(arrival.topic):
                return self._decode_review(arrival, city)
            if is_native(arrival.topic):
                return self._decode_native(arrival, city)
            return self._decode_third_party(arrival, city)
        except PayloadError as exc:
            raw = arrival.payload if is_native(arrival.topic) else self._redact(arrival, arrival.payload, ())
            return DecodeResult([], [Rejected(raw, str(exc))])
        except TopicError as exc:
            reason = str(exc)
        except Exception as exc:  # noqa: BLE001 - promise 3: a bad message never stops a good one
            reason = f"decoder failed: {type(exc).__name__}: {exc}"
        if not is_native(arrival.topic) and not is_platforms(arrival.topic):
            return DecodeResult([], [Rejected(self._redact(arrival, arrival.payload, ()), reason)])
        # Element by element, so that a reading that comes again in another array is the same dead letter.
        parts = elements_of(arrival.payload) or [arrival.payload]
        return DecodeResult([], _limit_rejections([Rejected(raw, reason) for raw in parts], arrival.payload))

    def _redact(self, arrival: Arrival, raw: bytes, names: tuple[str, ...]) -> bytes:
        """A third-party message without names of people and without MAC addresses of clients."""
        if has_clients(arrival.topic):
            raw = self._pseudonyms.redact_macs(raw, (*names, *self._third_party.addresses()), arrival.received_at)
        keys = personal_keys(arrival.topic)
        return self._pseudonyms.redact_names(raw, keys, arrival.received_at) if keys else raw

    def _decode_native(self, arrival: Arrival, city: City) -> DecodeResult:
        topic = parse_topic(arrival.topic)
        device = _require_known(topic, city)
        if topic.channel == "telemetry":
            readings = parse_telemetry(topic.kind, arrival.payload)
            records = [self._reading(city, device, item, arrival.received_at) for item in readings.items]
            return DecodeResult(
                [*records], _limit_rejections(readings.rejected), readings.unknown_fields, ignored=_is_empty(readings)
            )
        if topic.channel == "event":
            events = parse_events(topic.kind, arrival.payload)
            event_records = [self._event(topic, item, arrival.received_at) for item in events.items]
            return DecodeResult(
                [*event_records], _limit_rejections(events.rejected), events.unknown_fields, ignored=_is_empty(events)
            )
        if topic.channel == "status":
            return DecodeResult([_status(topic, parse_status(arrival.payload), arrival.received_at)], [])
        raise TopicError(f"{topic.channel!r} goes down to devices; ingest reads telemetry, event and status")

    def _decode_review(self, arrival: Arrival, city: City) -> DecodeResult:
        """A verdict that the API has journaled: an event of the case's camera. No device can send one."""
        name, camera = parse_review_topic(arrival.topic)
        topic = Topic(name, "camera", camera, "event")
        _require_known(topic, city)
        return DecodeResult([self._event(topic, parse_platform_event(arrival.payload), arrival.received_at)], [])

    def _decode_third_party(self, arrival: Arrival, city: City) -> DecodeResult:
        message = self._third_party.read(arrival, city)
        readings = [self._to_reading(city, reading, arrival.received_at) for reading in message.readings]
        events = [self._to_event(event, arrival.received_at) for event in message.events]
        records: list[Record] = [*readings, *events, *message.statuses]
        is_silent = not (records or message.undecoded or message.unknown_devices)
        parts = (len(records), len(message.undecoded), len(message.unknown_devices))
        if any(
            count > most for count, most in zip(parts, (MAX_BATCH, DEAD_LETTERS_MAX, DEAD_LETTERS_MAX), strict=True)
        ):
            raw = self._redact(
                arrival, arrival.payload, tuple(name for unknown in message.unknown_devices for name in unknown.names)
            )
            return DecodeResult(
                [], [Rejected(raw, f"too much in one message: {parts} records, undecoded parts and unknown devices")]
            )
        rejected = [
            msgspec.structs.replace(part, raw=self._redact(arrival, part.raw, ())) for part in message.undecoded
        ]
        unknown_devices = [
            msgspec.structs.replace(unknown, raw=self._redact(arrival, unknown.raw, unknown.names))
            for unknown in message.unknown_devices
        ]
        return DecodeResult(records, rejected, ignored=is_silent, unknown_devices=unknown_devices)

    @property
    def inventory_version(self) -> int:
        """Version of the newest snapshot: from another one on, another device may be known."""
        return self._inventory.current().version

    def knows(self, adapter: str, names: Iterable[str]) -> bool:
        """Whether the inventory has a third-party device under one of these names."""
        return self._third_party.knows(adapter, names)

    def _to_reading(self, city: City, reading: RawReading, received_at: datetime) -> Reading:
        device, geometry = reading.device, reading.profile.geometry
        origin = self._origin(device.KIND, device.id, reading.epoch, reading.seq, reading.device_at, received_at)
        return _validate(city, device, origin, reading.values, reading.quality, geometry, reading.fix_age)

    def _to_event(self, event: RawEvent, received_at: datetime) -> EventRecord:
        origin = self._origin(event.device.KIND, event.device.id, event.epoch, event.seq, event.device_at, received_at)
        detail = self._pseudonyms.pseudonymize_detail(event.event.detail, origin.measured_at)
        return EventRecord(origin, event.event.type, event.event.state, detail, event.event.is_level)

    def _origin(
        self, kind: Kind, device: str, epoch: str, seq: int, device_at: datetime | None, received_at: datetime
    ) -> RecordOrigin:
        timing = resolve_timestamp(device_at, received_at, late_after=self._late_after)
        return RecordOrigin(kind, device, epoch, seq, timing.measured_at, received_at, timing.device_at, timing.quality)

    def _reading(self, city: City, device: Device, item: Telemetry, received_at: datetime) -> Reading:
        origin = self._origin(device.KIND, device.id, item.epoch, item.seq, item.ts, received_at)
        return _validate(city, device, origin, values_of(item), ())

    def _event(self, topic: Topic, item: Event, received_at: datetime) -> EventRecord:
        origin = self._origin(topic.kind, topic.device, item.epoch, item.seq, item.ts, received_at)
        return EventRecord(origin, item.type, item.state, item.detail)


def _require_known(topic: Topic, city: City) -> Device:
    if topic.city != city.id:
        raise TopicError(f"city {topic.city!r} is not this one, {city.id!r}")
    device = city.devices.get(topic.device)
    if device is None:
        raise TopicError(f"device {topic.device!r} is not in the inventory of {city.id}")
    if topic.kind != device.KIND:
        raise TopicError(f"device {topic.device!r} is a {device.KIND}, not a {topic.kind}")
    return device


def _validate(
    city: City,
    device: Device,
    origin: RecordOrigin,
    values: dict[str, Any],
    flags: tuple[str, ...],
    sensor: SensorGeometry | None = None,
    fix_age: timedelta | None = None,
) -> Reading:
    fill_flags: tuple[str, ...] = ()
    if isinstance(device, Bin):
        values, fill_flags = apply_geometry(values, city.models[device.model], sensor or SensorGeometry())
    values, position_flags = check_position(values, fix_age)
    quality = merge_flags(origin.quality, flags, fill_flags, position_flags)
    if quality != origin.quality:
        origin = msgspec.structs.replace(origin, quality=quality)
    return Reading(origin, to_columns(origin.kind, values))


def _limit_rejections(rejected: list[Rejected], whole: bytes = b"") -> list[Rejected]:
    """At most `DEAD_LETTERS_MAX` dead letters; more become one, of the whole message or of all elements."""
    if len(rejected) <= DEAD_LETTERS_MAX:
        return rejected
    raw = whole or b"[" + b",".join(element.raw for element in rejected) + b"]"
    return [Rejected(raw, f"{len(rejected)} elements, the first: {rejected[0].reason}")]


def _is_empty(parsed: Parsed[Any]) -> bool:
    """Whether the message was an empty array."""
    return not parsed.items and not parsed.rejected


def _status(topic: Topic, status: Status, received_at: datetime) -> StatusRecord:
    kind, device = topic.kind, topic.device
    match status:
        case Online():
            return StatusRecord(
                kind,
                device,
                "online",
                status.ts,
                received_at,
                firmware=status.fw,
                model=status.model,
                outbox_waiting=status.outbox_waiting,
                outbox_dropped=status.outbox_dropped,
            )
        case Offline(ts=ts, reason=reason):
            return StatusRecord(kind, device, "offline", ts, received_at, reason)
        case Sleeping(ts=ts, next_s=next_s):
            return StatusRecord(kind, device, "sleeping", ts, received_at, next_s=next_s)
