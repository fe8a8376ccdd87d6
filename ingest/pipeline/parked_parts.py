"""What of a decoded message is no record: dead letters, fields that the contract lacks, messages of unknown devices."""

from __future__ import annotations

from broker.contract.codec import elements_of, sequence_ids_of
from broker.contract.topics import parse_topic
from city.errors import TopicError
from ingest.decoding.results import DecodeResult
from ingest.messages import JournalEntry
from ingest.store.parked.dead_letters import DeadLetter
from ingest.store.parked.quarantine import QuarantinedMessage
from ingest.store.parked.unknown_fields import UnknownField
from ingest.store.records import Record, StatusRecord


def dead_letters_of(entry: JournalEntry, result: DecodeResult) -> list[DeadLetter]:
    """What could not be decoded."""
    arrival = entry.arrival
    return [
        DeadLetter(
            entry.offset,
            arrival.topic,
            rejected.raw,
            arrival.received_at,
            rejected.reason,
            device=rejected.device or _device_of(arrival.topic),
        )
        for rejected in result.rejected
    ]


def unknown_fields_of(entry: JournalEntry, result: DecodeResult) -> list[UnknownField]:
    """Fields of a native message that the contract does not know, each once."""
    if not result.unknown_fields:
        return []
    topic, at = parse_topic(entry.arrival.topic), entry.arrival.received_at
    return [
        UnknownField(entry.offset, topic.device, topic.kind, field, at)
        for field in dict.fromkeys(result.unknown_fields)
    ]


def _device_of(topic: str) -> str:
    """The device of a native topic; empty for other topics."""
    try:
        return parse_topic(topic).device
    except TopicError:
        return ""


def quarantined_messages(entry: JournalEntry, result: DecodeResult) -> list[QuarantinedMessage]:
    """What unknown devices have sent."""
    arrival = entry.arrival
    return [
        QuarantinedMessage(
            unknown.adapter,
            unknown.names,
            arrival.topic,
            unknown.raw,
            arrival.received_at,
            arrival.retained,
            unknown.hint.model,
            unknown.hint.label,
            unknown.hint.place.get("lat_deg"),
            unknown.hint.place.get("lon_deg"),
            unknown.frame_port,
        )
        for unknown in result.unknown_devices
    ]


def store_rejection(entry: JournalEntry, record: Record, reason: str) -> DeadLetter:
    """A dead letter of the element that a rejected record came from, with the store's reason."""
    arrival = entry.arrival
    stamp = [] if isinstance(record, StatusRecord) else [(record.origin.epoch, record.origin.seq)]
    elements = (raw for raw in elements_of(arrival.payload) if stamp and sequence_ids_of(raw) == stamp)
    raw = next(elements, arrival.payload)
    return DeadLetter(
        entry.offset, arrival.topic, raw, arrival.received_at, f"store: {reason}", device=_device_of(arrival.topic)
    )
