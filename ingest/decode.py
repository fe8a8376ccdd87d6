"""One journaled message into records and dead letters: a pure function, so that a replay gives the same again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from broker.contract.codec import elements_of, parse_events, parse_platform_event, parse_status, parse_telemetry
from broker.contract.errors import PayloadError, TopicError
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
from city.model import Bin, City, Device, SensorGeometry
from ingest.adapters.registry import has_clients, personal_keys
from ingest.foreign import ForeignReader, Happened, Measured, Stranger
from ingest.journal import Arrival
from ingest.judge import judge_bin, judge_position, judge_time, sorted_quality
from ingest.pseudonyms import Pseudonyms
from ingest.store.records import EventRecord, Origin, Reading, Record, StatusRecord
from ingest.store.schema import to_columns

LETTERS_MAX: Final = 100
"""Dead letters and strangers that one message may make: as many as an agent's batch has readings."""


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """What became of a message. `ignored` when it was understood and carries nothing to store.

    `strangers` are records of devices that the inventory does not have.
    """

    records: list[Record]
    dead: list[Rejected]
    unknown_fields: int = 0
    ignored: bool = False
    strangers: list[Stranger] = []


class Decoder:
    """Knows the city; `decode` has no clock, no network and no memory.

    Args:
        city: The inventory that messages are read against.
        late_after: Age on arrival from which a reading is marked late.
        pseudonym_key: Of the hashes that stand for clients of hotspots; without it nothing of them is kept.
    """

    def __init__(self, city: City, *, late_after: timedelta, pseudonym_key: bytes | None = None) -> None:
        """Index the inventory."""
        self._city = city
        self._foreigners = ForeignReader(city)
        self._late_after = late_after
        self._pseudonyms = Pseudonyms(pseudonym_key, city.time_zone)
        self._devices: Mapping[str, Device] | None = None

    def decode(self, arrival: Arrival) -> Decoded:
        """Records and dead letters of one message; never raises, for whatever it is given.

        A decoder that fails on a message is a bug, but the message's neighbours must not pay for it.
        """
        try:
            if is_platforms(arrival.topic):
                return self._reviewed(arrival)
            return self._native(arrival) if is_native(arrival.topic) else self._foreign(arrival)
        except PayloadError as exc:
            raw = arrival.payload if is_native(arrival.topic) else self._scrubbed(arrival, arrival.payload, ())
            return Decoded([], [Rejected(raw, str(exc))])
        except TopicError as exc:
            reason = str(exc)
        except Exception as exc:  # noqa: BLE001 - promise 3: a bad message never stops a good one
            reason = f"decoder failed: {type(exc).__name__}: {exc}"
        if not is_native(arrival.topic) and not is_platforms(arrival.topic):
            return Decoded([], [Rejected(self._scrubbed(arrival, arrival.payload, ()), reason)])
        # Element by element, so that a reading that comes again in another array is the same dead letter.
        parts = elements_of(arrival.payload) or [arrival.payload]
        return Decoded([], _few([Rejected(raw, reason) for raw in parts], arrival.payload))

    def _scrubbed(self, arrival: Arrival, raw: bytes, names: tuple[str, ...]) -> bytes:
        """A message of another maker's device without names of people and MAC addresses of their phones."""
        if has_clients(arrival.topic):
            raw = self._pseudonyms.scrubbed(raw, (*names, *self._foreigners.addresses()), arrival.received_at)
        keys = personal_keys(arrival.topic)
        return self._pseudonyms.without_names(raw, keys, arrival.received_at) if keys else raw

    def _native(self, arrival: Arrival) -> Decoded:
        topic = parse_topic(arrival.topic)
        self._require_known(topic)
        if topic.channel == "telemetry":
            readings = parse_telemetry(topic.kind, arrival.payload)
            records = [self._reading(topic, item, arrival.received_at) for item in readings.items]
            return Decoded([*records], _few(readings.rejected), readings.unknown_fields, ignored=_is_empty(readings))
        if topic.channel == "event":
            events = parse_events(topic.kind, arrival.payload)
            happened = [self._event(topic, item, arrival.received_at) for item in events.items]
            return Decoded([*happened], _few(events.rejected), events.unknown_fields, ignored=_is_empty(events))
        if topic.channel == "status":
            return Decoded([_status(topic, parse_status(arrival.payload), arrival.received_at)], [])
        raise TopicError(f"{topic.channel!r} goes down to devices; ingest reads telemetry, event and status")

    def _reviewed(self, arrival: Arrival) -> Decoded:
        """A verdict that the API has journaled: an event of the case's camera, which no device can send."""
        city, camera = parse_review_topic(arrival.topic)
        topic = Topic(city, "camera", camera, "event")
        self._require_known(topic)
        return Decoded([self._event(topic, parse_platform_event(arrival.payload), arrival.received_at)], [])

    def _foreign(self, arrival: Arrival) -> Decoded:
        found = self._foreigners.read(arrival)
        readings = [self._measured(one, arrival.received_at) for one in found.measured]
        events = [self._happened(one, arrival.received_at) for one in found.happened]
        records: list[Record] = [*readings, *events, *found.statuses]
        is_silent = not (records or found.undecoded or found.strangers)
        parts = (len(records), len(found.undecoded), len(found.strangers))
        if any(count > most for count, most in zip(parts, (MAX_BATCH, LETTERS_MAX, LETTERS_MAX), strict=True)):
            raw = self._scrubbed(arrival, arrival.payload, tuple(name for one in found.strangers for name in one.names))
            return Decoded([], [Rejected(raw, f"too much in one message: {parts} records, undecoded and strangers")])
        dead = [msgspec.structs.replace(one, raw=self._scrubbed(arrival, one.raw, ())) for one in found.undecoded]
        strangers = [
            msgspec.structs.replace(one, raw=self._scrubbed(arrival, one.raw, one.names)) for one in found.strangers
        ]
        return Decoded(records, dead, ignored=is_silent, strangers=strangers)

    def inventory_changed(self) -> bool:
        """Whether the city's devices are others than when this was asked last; the first time they are."""
        changed = self._devices is not self._city.devices
        self._devices = self._city.devices
        return changed

    def knows(self, adapter: str, names: Iterable[str]) -> bool:
        """Whether the inventory has another maker's device under one of these names."""
        return self._foreigners.knows(adapter, names)

    def _measured(self, one: Measured, received_at: datetime) -> Reading:
        origin = self._origin(one.device.KIND, one.device.id, one.boot, one.seq, one.device_at, received_at)
        return self._judged(origin, one.values, one.quality, one.profile.geometry, one.fix_age)

    def _happened(self, one: Happened, received_at: datetime) -> EventRecord:
        origin = self._origin(one.device.KIND, one.device.id, one.boot, one.seq, one.device_at, received_at)
        detail = self._pseudonyms.without_persons(one.event.detail, origin.measured_at)
        return EventRecord(origin, one.event.type, one.event.state, detail, one.event.lasting)

    def _require_known(self, topic: Topic) -> None:
        if topic.city != self._city.id:
            raise TopicError(f"city {topic.city!r} is not this one, {self._city.id!r}")
        device = self._city.devices.get(topic.device)
        if device is None:
            raise TopicError(f"device {topic.device!r} is not in the inventory of {self._city.id}")
        if topic.kind != device.KIND:
            raise TopicError(f"device {topic.device!r} is a {device.KIND}, not a {topic.kind}")

    def _origin(
        self, kind: Kind, device: str, boot: str, seq: int, device_at: datetime | None, received_at: datetime
    ) -> Origin:
        timing = judge_time(device_at, received_at, late_after=self._late_after)
        return Origin(kind, device, boot, seq, timing.measured_at, received_at, timing.device_at, timing.quality)

    def _reading(self, topic: Topic, item: Telemetry, received_at: datetime) -> Reading:
        origin = self._origin(topic.kind, topic.device, item.boot, item.seq, item.ts, received_at)
        return self._judged(origin, values_of(item), ())

    def _judged(
        self,
        origin: Origin,
        values: dict[str, Any],
        words: tuple[str, ...],
        sensor: SensorGeometry | None = None,
        fix_age: timedelta | None = None,
    ) -> Reading:
        device = self._city.devices[origin.device]
        filled: tuple[str, ...] = ()
        if isinstance(device, Bin):
            values, filled = judge_bin(values, self._city.models[device.model], sensor or SensorGeometry())
        values, placed = judge_position(values, fix_age)
        quality = sorted_quality(origin.quality, words, filled, placed)
        if quality != origin.quality:
            origin = msgspec.structs.replace(origin, quality=quality)
        return Reading(origin, to_columns(origin.kind, values))

    def _event(self, topic: Topic, item: Event, received_at: datetime) -> EventRecord:
        origin = self._origin(topic.kind, topic.device, item.boot, item.seq, item.ts, received_at)
        return EventRecord(origin, item.type, item.state, item.detail)


def _few(rejected: list[Rejected], whole: bytes = b"") -> list[Rejected]:
    """At most `LETTERS_MAX` dead letters of one message: more of them are one, of the whole message or of these."""
    if len(rejected) <= LETTERS_MAX:
        return rejected
    raw = whole or b"[" + b",".join(one.raw for one in rejected) + b"]"
    return [Rejected(raw, f"{len(rejected)} elements, the first: {rejected[0].reason}")]


def _is_empty(parsed: Parsed[Any]) -> bool:
    """Whether a message was an empty array."""
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
