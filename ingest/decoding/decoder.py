"""Decodes one journaled message into records and dead letters. Pure, so that a replay gives the same result."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from broker.contract.codec import (
    elements_of,
    parse_events,
    parse_platform_event,
    parse_status,
    parse_telemetry,
    telemetry_decoder,
)
from broker.contract.payloads import (
    CREW_EVENT_TYPES,
    MAX_PAYLOAD_BYTES,
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
from broker.contract.topics import (
    TOPICS_REMEMBERED,
    Topic,
    is_crews,
    is_native,
    is_platforms,
    parse_crew_topic,
    parse_review_topic,
    parse_topic,
)
from city.errors import PayloadError, TopicError
from city.inventory.model import Bin, City, Device
from city.inventory.provider import InventoryProvider
from ingest.decoding.columns import ColumnDecoder, DecodedBatch, TelemetryTopic
from ingest.decoding.formats.port import CodecRunner
from ingest.decoding.formats.registry import level_events
from ingest.decoding.pseudonyms import Pseudonyms
from ingest.decoding.record_builder import RecordBuilder
from ingest.decoding.results import DEAD_LETTERS_MAX, DecodeResult
from ingest.decoding.third_party import KEPT_PART_BYTES, ThirdPartyDecoder
from ingest.messages import Arrival, JournalEntry
from ingest.store.records import EventRecord, Reading, StatusRecord

DAMAGED: Final = "the disk has changed this message in the journal"
"""Reason of the dead letter of a damaged entry."""


class Decoder:
    """Decodes each message against the newest inventory; `decode` has no clock, no network and no memory.

    Args:
        inventory: Provides the snapshot that messages are decoded against.
        late_after: Age on arrival from which on a reading gets the quality flag `late`.
        pseudonym_key: Key of the hashes that stand for hotspot clients; None drops client identities.
        codecs: Runs the codecs that profiles name; None for a process that runs none.
    """

    def __init__(
        self,
        inventory: InventoryProvider,
        *,
        late_after: timedelta,
        pseudonym_key: bytes | None = None,
        codecs: CodecRunner | None = None,
    ) -> None:
        self._inventory = inventory
        self._late_after = late_after
        self._pseudonym_key = pseudonym_key
        self._codecs = codecs
        self._newest = self._decoder_of(inventory.current())

    @property
    def inventory_version(self) -> int:
        """Version of the newest snapshot: from another one on, another device may be known."""
        return self._inventory.current().version

    def decode(self, arrival: Arrival) -> DecodeResult:
        """Records and dead letters of one message. Never raises, whatever the input."""
        return self._current().decode(arrival)

    def decode_batch(self, entries: Sequence[JournalEntry]) -> DecodedBatch:
        """Decode messages of the journal: plain readings into columns. Never raises, whatever the input."""
        return self._current().columns.decode_batch(entries)

    def level_events(self) -> frozenset[str]:
        """Event types of which only changes are stored, by the formats and by the inventory's profiles."""
        return level_events(self._inventory.current().profiles.values())

    def knows(self, adapter: str, names: Iterable[str]) -> bool:
        """Whether the inventory has a third-party device under one of these names."""
        return self._current().knows(adapter, names)

    def _current(self) -> SnapshotDecoder:
        city = self._inventory.current()
        if self._newest.version != city.version:
            self._newest = self._decoder_of(city)
        return self._newest

    def _decoder_of(self, city: City) -> SnapshotDecoder:
        return SnapshotDecoder(city, self._late_after, self._pseudonym_key, self._codecs)


class SnapshotDecoder:
    """Decodes messages against one snapshot of the inventory.

    Args:
        city: The snapshot.
        late_after: Age on arrival from which on a reading gets the quality flag `late`.
        pseudonym_key: Key of the hashes that stand for hotspot clients; None drops client identities.
        codecs: Runs the codecs that profiles name; None for a process that runs none.
    """

    def __init__(
        self, city: City, late_after: timedelta, pseudonym_key: bytes | None, codecs: CodecRunner | None
    ) -> None:
        self.version = city.version
        self._city = city
        self._builder = RecordBuilder(city, late_after)
        self._telemetry_topics: dict[str, TelemetryTopic | None] = {}
        self.columns = ColumnDecoder(self._telemetry_topic, self._reading, self._decode_entry, late_after)
        pseudonyms = Pseudonyms(pseudonym_key, city.time_zone)
        self._third_party = ThirdPartyDecoder(city, self._builder, pseudonyms, codecs)

    def _decode_entry(self, entry: JournalEntry) -> DecodeResult:
        if entry.damaged:
            return DecodeResult([], [Rejected(entry.arrival.payload, DAMAGED)])
        return self.decode(entry.arrival)

    def _telemetry_topic(self, name: str) -> TelemetryTopic | None:
        """What a telemetry topic of a known device says; None for every other topic."""
        try:
            return self._telemetry_topics[name]
        except KeyError:
            pass
        told: TelemetryTopic | None = None
        if is_native(name):
            with contextlib.suppress(TopicError):
                topic = parse_topic(name)
                if topic.channel == "telemetry":
                    device = self._known_device(topic)
                    gauge = self._builder.gauge(device) if isinstance(device, Bin) else None
                    told = TelemetryTopic(device, telemetry_decoder(topic.kind), gauge)
        if len(self._telemetry_topics) >= TOPICS_REMEMBERED:
            self._telemetry_topics.clear()
        self._telemetry_topics[name] = told
        return told

    def decode(self, arrival: Arrival) -> DecodeResult:
        """Records and dead letters of one message.

        An exception inside a decoder is a bug, but it must not hold up the messages behind it.
        """
        try:
            if is_platforms(arrival.topic):
                return self._decode_platforms(arrival)
            return self._decode_native(arrival) if is_native(arrival.topic) else self._third_party.decode(arrival)
        except PayloadError as exc:
            return DecodeResult([], [self._reject(arrival, str(exc))])
        except TopicError as exc:
            reason = str(exc)
        except Exception as exc:  # noqa: BLE001 - promise 3: a bad message never stops a good one
            reason = f"decoder failed: {type(exc).__name__}: {exc}"
        if not is_native(arrival.topic) and not is_platforms(arrival.topic):
            return DecodeResult([], [self._third_party.reject(arrival, reason)])
        # Element by element, so that a reading that comes again in another array is the same dead letter.
        parts = elements_of(arrival.payload) or [arrival.payload]
        return DecodeResult([], _limit_rejections([Rejected(raw, reason) for raw in parts], arrival.payload))

    def _reject(self, arrival: Arrival, reason: str) -> Rejected:
        """A whole message as a dead letter; of a device's that is too large only the beginning is kept."""
        if not is_native(arrival.topic):
            return self._third_party.reject(arrival, reason)
        is_too_large = len(arrival.payload) > MAX_PAYLOAD_BYTES
        return Rejected(arrival.payload[:KEPT_PART_BYTES] if is_too_large else arrival.payload, reason)

    def _decode_native(self, arrival: Arrival) -> DecodeResult:
        topic = parse_topic(arrival.topic)
        device = self._known_device(topic)
        if topic.channel == "telemetry":
            readings = parse_telemetry(topic.kind, arrival.payload)
            records = [self._reading(device, item, arrival.received_at) for item in readings.items]
            return DecodeResult(
                [*records], _limit_rejections(readings.rejected), readings.unknown_fields, ignored=_is_empty(readings)
            )
        if topic.channel == "event":
            events = parse_events(topic.kind, arrival.payload)
            event_records = [self._event(device, item, arrival.received_at) for item in events.items]
            return DecodeResult(
                [*event_records], _limit_rejections(events.rejected), events.unknown_fields, ignored=_is_empty(events)
            )
        if topic.channel == "status":
            return DecodeResult([_status(topic, parse_status(arrival.payload), arrival.received_at)], [])
        raise TopicError(f"{topic.channel!r} goes down to devices; ingest reads telemetry, event and status")

    def _decode_platforms(self, arrival: Arrival) -> DecodeResult:
        """An event that the API has journaled: a verdict on a camera's case, or what a truck's crew reports.

        No device can send either.
        """
        if is_crews(arrival.topic):
            city, truck = parse_crew_topic(arrival.topic)
            topic, event = Topic(city, "truck", truck, "event"), parse_platform_event(arrival.payload, CREW_EVENT_TYPES)
        else:
            city, camera = parse_review_topic(arrival.topic)
            topic, event = Topic(city, "camera", camera, "event"), parse_platform_event(arrival.payload)
        return DecodeResult([self._event(self._known_device(topic), event, arrival.received_at)], [])

    def knows(self, adapter: str, names: Iterable[str]) -> bool:
        """Whether the inventory has a third-party device under one of these names."""
        return self._third_party.knows(adapter, names)

    def _known_device(self, topic: Topic) -> Device:
        if topic.city != self._city.id:
            raise TopicError(f"city {topic.city!r} is not this one, {self._city.id!r}")
        device = self._city.devices.get(topic.device)
        if device is None:
            raise TopicError(f"device {topic.device!r} is not in the inventory of {self._city.id}")
        if topic.kind != device.KIND:
            raise TopicError(f"device {topic.device!r} is a {device.KIND}, not a {topic.kind}")
        return device

    def _reading(self, device: Device, item: Telemetry, received_at: datetime) -> Reading:
        origin = self._builder.origin(device, item.epoch, item.seq, item.ts, received_at)
        return self._builder.reading(device, origin, values_of(item))

    def _event(self, device: Device, item: Event, received_at: datetime) -> EventRecord:
        origin = self._builder.origin(device, item.epoch, item.seq, item.ts, received_at)
        return EventRecord(origin, item.type, item.state, item.detail)


def _limit_rejections(rejected: list[Rejected], message: bytes = b"") -> list[Rejected]:
    """At most `DEAD_LETTERS_MAX` dead letters; more become one, of the whole message or of all elements."""
    if len(rejected) <= DEAD_LETTERS_MAX:
        return rejected
    raw = message or b"[" + b",".join(element.raw for element in rejected) + b"]"
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
