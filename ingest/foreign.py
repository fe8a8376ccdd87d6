"""From what an adapter heard to readings of a device of the inventory: found by address, decoded, read by its profile.

heard -> device and profile -> own bytes decoded -> fields and events of the contract -> (`ingest.decode` judges them)
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from broker.contract.errors import PayloadError
from broker.contract.payloads import EVENT_TYPES, Rejected, device_event_types
from city.model import City, Device, Profile
from ingest.adapters.book import AddressBook
from ingest.adapters.port import Adapter, Happening, Heard, Hint, Presence, parse_any_time
from ingest.adapters.registry import adapter_for
from ingest.fields import keep_fitting, read_events, read_fields, value_at
from ingest.frames.port import DecodedFrame, FrameReading
from ingest.frames.registry import decode_frame
from ingest.journal import Arrival
from ingest.store.records import QUALITY_INVALID, QUALITY_UNDECODED, StatusRecord

STAMP_BITS: Final = 22
_STAMP_FROM_S: Final = 946_684_800
_STAMP_S_MAX: Final = (1 << 31) - 1
PAST_MAX: Final = timedelta(minutes=10)
UNDECODED: Final = "undecoded: "
"""How the reason of a letter begins whose bytes nobody could decode."""


class Measured(msgspec.Struct, frozen=True):
    """Values of one device at one moment, not judged yet; `boot` and `seq` make it once."""

    device: Device
    profile: Profile
    boot: str
    seq: int
    at: datetime
    device_at: datetime | None
    values: dict[str, Any]
    quality: tuple[str, ...]
    fix_age: timedelta | None


class Happened(msgspec.Struct, frozen=True):
    """An event of one device, not judged yet."""

    device: Device
    boot: str
    seq: int
    device_at: datetime | None
    event: Happening


class Stranger(msgspec.Struct, frozen=True):
    """A message, or a record of one, of a device that the inventory does not have."""

    adapter: str
    names: tuple[str, ...]
    raw: bytes
    hint: Hint
    frame_port: int | None = None


class ForeignMessage(msgspec.Struct):
    """What became of a message of another maker's device."""

    measured: list[Measured] = []
    happened: list[Happened] = []
    statuses: list[StatusRecord] = []
    strangers: list[Stranger] = []
    undecoded: list[Rejected] = []


class ForeignReader:
    """Knows the city; `read` has no clock, no network and no memory."""

    def __init__(self, city: City) -> None:
        """Index the inventory's addresses."""
        self._city = city
        self._book = AddressBook(city)

    def read(self, arrival: Arrival) -> ForeignMessage:
        """Everything a message says.

        Raises:
            TopicError: No adapter reads its topic.
            PayloadError: Its adapter cannot read it.
        """
        adapter = adapter_for(arrival.topic)
        message = ForeignMessage()
        for heard in adapter.decode(arrival.topic, arrival.payload):
            self._take(adapter, heard, arrival, message)
        return message

    def knows(self, adapter: str, names: Iterable[str]) -> bool:
        """Whether the inventory has a device under one of these names."""
        return self._book.find(adapter, names) is not None

    def addresses(self) -> Iterable[str]:
        """Every address of the inventory: those of equipment."""
        return self._book.addresses()

    def _take(self, adapter: Adapter, heard: Heard, arrival: Arrival, message: ForeignMessage) -> None:
        if heard.presence and heard.presence.everybody:
            devices = self._book.all_of(adapter.name, heard.presence.beneath)
            message.statuses += [_status(device, heard.presence, heard, arrival) for device in devices]
            return
        found = self._book.find(adapter.name, heard.names)
        if found is None:
            port = heard.frame.port if heard.frame else None
            raw = heard.raw or arrival.payload
            message.strangers.append(Stranger(adapter.name, heard.names, raw, heard.hint, port))
            return
        device, profile = found
        if heard.presence and not _is_history(heard, arrival):
            message.statuses.append(_status(device, heard.presence, heard, arrival))
        if _says_nothing(heard):
            return
        self._measure(adapter, device, profile, heard, arrival, message)

    def _measure(
        self,
        adapter: Adapter,
        device: Device,
        profile: Profile,
        heard: Heard,
        arrival: Arrival,
        message: ForeignMessage,
    ) -> None:
        readings, rest = _decoded(profile, heard)
        for number, one in enumerate(readings):
            at = self._aware(one.at or heard.at or _time_at(profile.time, one.fields))
            if at is None and arrival.retained:
                continue  # kept by the broker for nobody knows how long: it may not count as measured now
            first = number == 0
            values, quality = _values(profile, one.fields, heard, first=first)
            events = [*(heard.events if first else ()), *read_events(profile, one.fields)]
            if one.fields and not (values or quality or events):
                rest = f"{UNDECODED}none of its keys is in profile {profile.id}: {', '.join(sorted(one.fields)[:12])}"
            quality = (*quality, QUALITY_UNDECODED) if rest and first else quality
            fix_at = self._aware(heard.fix_at or _time_at(profile.fix_time, one.fields))
            stamped_at = at or arrival.received_at
            seq = stamp(stamped_at, _key(heard.key, one, number))
            fix_age = at - fix_at if at and fix_at else None
            message.measured.append(
                Measured(device, profile, adapter.name, seq, stamped_at, at, values, quality, fix_age)
            )
            message.happened += _happened(device, adapter.name, seq, at, stamped_at, events)
        if rest:
            message.undecoded.append(Rejected(heard.raw or arrival.payload, rest, device.id))

    def _aware(self, at: datetime | None) -> datetime | None:
        """A time with a zone: one without is the city's local time."""
        if at is None or at.tzinfo is not None:
            return at
        try:
            return at.replace(tzinfo=self._city.time_zone).astimezone(UTC)
        except OverflowError:
            return None


def _key(message: bytes, reading: FrameReading, number: int) -> bytes:
    """What makes a reading of a message itself; one with its own time is the same in whatever frame it comes again."""
    if reading.at is not None:
        return msgspec.json.encode(reading.fields)
    return message + (f"/{number}".encode() if number else b"")


def _is_history(heard: Heard, arrival: Arrival) -> bool:
    """Whether it came or went too long ago to be so still: controllers tell their last weeks at every question."""
    is_past = heard.presence is not None and heard.presence.past
    return is_past and heard.at is not None and arrival.received_at - heard.at > PAST_MAX


def _says_nothing(heard: Heard) -> bool:
    return not (heard.known or heard.fields or heard.frame or heard.events or heard.quality)


def _decoded(profile: Profile, heard: Heard) -> tuple[tuple[FrameReading, ...], str]:
    """What was measured, and why a part could not be decoded, empty when all was.

    A device's own bytes win over what its network server made of them: servers run decoders of any age.
    """
    plain = (FrameReading(dict(heard.fields)),)
    if heard.frame is None:
        return plain, ""
    try:
        frame = decode_frame(profile.frames, heard.frame.port, heard.frame.data)
    except PayloadError as exc:
        why = "" if heard.fields else f"{UNDECODED}port {heard.frame.port}, {len(heard.frame.data)} bytes: {exc}"
        return plain, why
    return frame.readings or plain, _rest_of(frame, heard.frame.port)


def _rest_of(frame: DecodedFrame, port: int) -> str:
    return f"{UNDECODED}port {port}, the last {len(frame.rest)} bytes: {frame.rest[:16].hex()}" if frame.rest else ""


def _values(
    profile: Profile, fields: dict[str, Any], heard: Heard, *, first: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    values, refused = keep_fitting(profile.kind, heard.known) if first else ({}, False)
    read, invalid = read_fields(profile, fields)
    words = heard.quality if first else ()
    return {**values, **read}, (*words, QUALITY_INVALID) if refused or invalid else words


def _time_at(paths: Iterable[str], fields: dict[str, Any]) -> datetime | None:
    found = (parse_any_time(value_at(fields, path)) for path in paths)
    return next((at for at in found if at), None)


def _happened(
    device: Device, adapter: str, seq: int, at: datetime | None, stamped_at: datetime, events: Iterable[Happening]
) -> Iterator[Happened]:
    """Events with a life of their own for each type, so that one message may raise several."""
    types = EVENT_TYPES[device.KIND]
    for event in events:
        if event.type in device_event_types(device.KIND):
            own_seq = stamp(stamped_at, event.key) if event.key else seq
            yield Happened(device, f"{adapter}{types.index(event.type)}", own_seq, at, event)


def _status(device: Device, presence: Presence, heard: Heard, arrival: Arrival) -> StatusRecord:
    return StatusRecord(device.KIND, device.id, presence.state, heard.at, arrival.received_at, presence.reason)


def stamp(at: datetime, key: bytes) -> int:
    """A seq for devices that have none: the same message has the same, two of one moment differ.

    Seconds since 2000 in the high bits, 22 bits of a checksum over time and key below; fits the contract's 2^53.
    """
    seconds = min(max(0, int(at.timestamp()) - _STAMP_FROM_S), _STAMP_S_MAX)
    checksum = zlib.crc32(key, zlib.crc32(f"{at.timestamp():.3f}/".encode()))
    return (seconds << STAMP_BITS) | (checksum & ((1 << STAMP_BITS) - 1))
