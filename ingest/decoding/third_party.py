"""Decodes third-party messages into records of devices in the inventory.

adapter's reports -> device and profile, by address -> frame decoder or codec -> contract fields and events -> records
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES, Rejected, device_event_types
from broker.contract.topics import covers
from city.errors import PayloadError
from city.inventory.device_topics import own_topics
from city.inventory.model import City, Device, Profile
from ingest.decoding.address_index import DeviceAddressIndex
from ingest.decoding.field_mapping import doubts_fix, drop_invalid, get_path, read_events, read_fields
from ingest.decoding.formats.parsing import clock_flags, parse_any_time, parse_flag, parse_utc
from ingest.decoding.formats.port import (
    Adapter,
    AdapterEvent,
    CodecRunner,
    ConnectivityReport,
    DecodedFrame,
    DeviceReport,
    FrameReading,
    RawFrame,
)
from ingest.decoding.formats.registry import adapter_for, decode_frame, lists_clients, personal_keys
from ingest.decoding.identity import derive_seq, event_epoch
from ingest.decoding.pseudonyms import Pseudonyms, flat_mac
from ingest.decoding.record_builder import RecordBuilder
from ingest.decoding.results import DEAD_LETTERS_MAX, DecodeResult, UnknownDeviceMessage
from ingest.decoding.validation import is_plausible, merge_flags, without_fix
from ingest.messages import Arrival
from ingest.store.records import (
    QUALITY_INVALID,
    QUALITY_NO_FIX,
    QUALITY_UNDECODED,
    ClientList,
    EventRecord,
    Reading,
    Record,
    StatusRecord,
)

HISTORICAL_AFTER: Final = timedelta(minutes=10)
_NO_CLIENTS: Final[dict[str, Any]] = {"clients": 0, "clients_by_ssid": {}}
RECORDS_MAX: Final = 20_000
"""Upper limit of a message's records."""
UNKNOWN_DEVICES_MAX: Final = 2_500
"""Unknown devices that one message may bring into quarantine: a large site of which none is adopted yet."""
KEPT_WHOLE_BYTES: Final = 1 << 20
KEPT_PART_BYTES: Final = 1 << 16
"""Of a longer message that is kept as it came only so much is kept: redaction takes seconds for 8 MiB."""
_CUT_BYTES: Final = 256
"""End of that part that is left out after redaction: an address that was cut off is not recognised there."""
UNDECODED: Final = "undecoded: "
"""Prefix of a dead letter's reason when no frame decoder could read the bytes."""


class _Message(msgspec.Struct):
    """A message while its reports are decoded."""

    arrival: Arrival
    adapter: Adapter
    readings: list[Reading] = []
    events: list[EventRecord] = []
    statuses: list[StatusRecord] = []
    unknown_devices: list[UnknownDeviceMessage] = []
    undecoded: list[Rejected] = []
    moments: dict[tuple[str, datetime], int] = {}
    """Device and time of measurement to the number of records so far."""
    client_list: str = ""
    """Name of the complete list of clients that the message is; empty if it is none."""

    @property
    def record_count(self) -> int:
        """Records so far."""
        return len(self.readings) + len(self.events) + len(self.statuses)

    def in_order(self, device: str, report: DeviceReport, at: datetime | None) -> datetime | None:
        """The time of a record; records of a list that give one moment follow each other by a millisecond."""
        if at is None:
            return None
        place = self.moments.get((device, at), 0)
        self.moments[device, at] = place + 1
        return at + timedelta(milliseconds=place) if report.number else at


class ThirdPartyDecoder:
    """Knows the inventory; `decode` has no clock, no network and no memory."""

    def __init__(
        self, city: City, builder: RecordBuilder, pseudonyms: Pseudonyms, codecs: CodecRunner | None = None
    ) -> None:
        self._codecs = codecs
        self._city = city
        self._builder = builder
        self._pseudonyms = pseudonyms
        self._index = DeviceAddressIndex(city)
        self._equipment = frozenset(flat_mac(address) for address in self._index.addresses())

    def decode(self, arrival: Arrival) -> DecodeResult:
        """Decode one message.

        Raises:
            TopicError: No adapter reads its topic.
            PayloadError: Its adapter cannot decode it, or it is too large.
        """
        message = _Message(arrival, adapter_for(arrival.topic))
        self._check_size(arrival)
        for report in message.adapter.decode(arrival.topic, arrival.payload):
            if isinstance(report, Rejected):
                message.undecoded.append(report)
            else:
                self._add(report, message)
            if message.record_count > RECORDS_MAX:
                raise PayloadError(f"more than {RECORDS_MAX} records in one message")
        records: list[Record] = [*message.readings, *message.events, *message.statuses]
        return DecodeResult(
            [*records, *self._readings_of_absent(message)],
            list(self._rejections(message)) if message.undecoded or message.unknown_devices else [],
            ignored=not (records or message.undecoded or message.unknown_devices),
            unknown_devices=[
                msgspec.structs.replace(unknown, raw=self.redact(arrival, unknown.raw, unknown.names))
                for unknown in message.unknown_devices[:UNKNOWN_DEVICES_MAX]
            ],
        )

    def _check_size(self, arrival: Arrival) -> None:
        """Refuse a message that is larger than its sender's account may send.

        Mosquitto has one bound for all accounts. There a topic that a device may publish to has the device's bound.

        Raises:
            PayloadError: It is too large.
        """
        size = len(arrival.payload)
        if size <= MAX_PAYLOAD_BYTES:
            return
        is_of_device = any(
            covers(topic_filter, arrival.topic)
            for device in self._city.devices.values()
            for topic_filter in own_topics(device.binding)
        )
        bound = MAX_PAYLOAD_BYTES if is_of_device else GATEWAY_PAYLOAD_BYTES
        if size > bound:
            raise PayloadError(f"{size} bytes are more than {bound}")

    def _rejections(self, message: _Message) -> Iterator[Rejected]:
        """Dead letters of the parts that could not be decoded; of too many parts, one of the whole message."""
        arrival, unknown_devices = message.arrival, message.unknown_devices
        if len(message.undecoded) > DEAD_LETTERS_MAX:
            yield self.reject(arrival, f"{len(message.undecoded)} parts, the first: {message.undecoded[0].reason}")
        else:
            for part in message.undecoded:
                yield msgspec.structs.replace(part, raw=self.redact(arrival, part.raw))
        if len(unknown_devices) > UNKNOWN_DEVICES_MAX:
            names = tuple(name for unknown in unknown_devices for name in unknown.names)
            reason = f"{len(unknown_devices)} unknown devices, of which the first {UNKNOWN_DEVICES_MAX} are listed"
            yield self.reject(arrival, reason, names)

    def reject(self, arrival: Arrival, reason: str, names: tuple[str, ...] = ()) -> Rejected:
        """A whole message as a dead letter; `names` are those of unknown equipment in it."""
        size = len(arrival.payload)
        kept = f" (of {size} bytes the beginning is kept)" if size > KEPT_WHOLE_BYTES else ""
        return Rejected(self.redact(arrival, arrival.payload, names), reason + kept)

    def redact(self, arrival: Arrival, raw: bytes, names: tuple[str, ...] = ()) -> bytes:
        """A message, or the beginning of a large one, without names of people and without MAC addresses of clients.

        Args:
            arrival: For its topic and day.
            raw: The message, or one record of it, decodable or not.
            names: Names of unknown equipment; they stay.
        """
        if len(raw) > KEPT_WHOLE_BYTES:
            return self.redact(arrival, raw[:KEPT_PART_BYTES], names)[:-_CUT_BYTES]
        at, equipment = arrival.received_at, self._equipment.union(map(flat_mac, names)) if names else self._equipment
        has_clients = lists_clients(arrival.topic)
        raw = self._pseudonyms.redact_macs(raw, equipment, at, with_bare=has_clients)
        if keys := personal_keys(arrival.topic):
            raw = self._pseudonyms.redact_names(raw, keys, at)
        # The Wi-Fi formats name every key that is personal: there the names of networks are the city's own.
        return raw if has_clients else self._pseudonyms.redact_people(raw, at)

    def knows(self, adapter: str, names: Iterable[str]) -> bool:
        """Whether the inventory has a device under one of these names."""
        return self._index.find(adapter, names) is not None

    def _add(self, report: DeviceReport, message: _Message) -> None:
        name, arrival, connectivity = message.adapter.name, message.arrival, report.connectivity
        if report.client_list and not report.names:
            message.client_list = report.client_list
            return
        if connectivity and connectivity.all_devices:
            devices = self._index.all_of(name, connectivity.address_prefix)
            message.statuses += [_status(device, connectivity, report, arrival) for device in devices]
            return
        bound = self._index.find(name, report.names)
        if bound is None:
            port = report.frame.port if report.frame else None
            raw = report.raw or arrival.payload
            message.unknown_devices.append(UnknownDeviceMessage(name, report.names, raw, report.hint, port))
            return
        device, profile = bound
        if connectivity and not _is_history(report, arrival):
            message.statuses.append(_status(device, connectivity, report, arrival))
        if not _says_nothing(report):
            self._measure(device, profile, report, message)

    def _measure(self, device: Device, profile: Profile, report: DeviceReport, message: _Message) -> None:
        received_at = message.arrival.received_at
        readings, rest = self._frame_readings(profile, report, received_at)
        for number, reading in enumerate(readings):
            if "simulated" in reading.fields and parse_flag(reading.fields["simulated"]):
                continue  # somebody tried it out: nothing of it was measured
            at = self._aware(reading.at or report.at or _time_at(profile.time, reading.fields))
            own_time = at if at and is_plausible(at, received_at) else None
            if own_time is None and message.arrival.retained:
                continue  # kept by the broker for nobody knows how long: it may not count as measured now
            first = number == 0
            values, quality = _values(profile, reading.fields, report, first=first)
            if at is None:
                quality = merge_flags(quality, clock_flags(*(get_path(reading.fields, path) for path in profile.time)))
            own_events = report.events if first else ()
            events = (
                _events(message.adapter, own_events, profile, reading.fields) if own_events or profile.events else []
            )
            if reading.fields and not (values or quality or events):
                keys = ", ".join(sorted(reading.fields)[:12])
                rest = f"{UNDECODED}none of its keys is in profile {profile.id}: {keys}"
            quality = (*quality, QUALITY_UNDECODED) if rest and first else quality
            fix_age = self._fix_age(profile, report, reading, at)
            seq = derive_seq(own_time or received_at, _idempotency_key(report, reading, number, own_time))
            at = message.in_order(device.id, report, own_time) or at
            origin = self._builder.origin(device, message.adapter.name, seq, at, received_at)
            record = self._builder.reading(device, origin, values, quality, profile.geometry, fix_age)
            message.readings.append(_with_context(record, report) if first else record)
            if events:
                message.events += self._event_records(device, seq, at, own_time, message, events)
        if rest:
            message.undecoded.append(Rejected(report.raw or message.arrival.payload, rest, device.id))

    def _frame_readings(
        self, profile: Profile, report: DeviceReport, received_at: datetime
    ) -> tuple[tuple[FrameReading, ...], str]:
        """The readings of a report, and the reason why a part could not be decoded (empty if none).

        The frame decoder comes first, then the codec, then what the network server decoded: servers run decoders of
        any age.
        """
        plain = (FrameReading(dict(report.fields)),)
        if report.frame is None:
            return plain, ""
        try:
            frame = self._decode_frame(profile, report.frame, report.at or received_at)
        except PayloadError as exc:
            why = "" if report.fields else f"{UNDECODED}port {report.frame.port}, {len(report.frame.data)} bytes: {exc}"
            return plain, why
        return frame.readings or plain, _rest_of(frame, report.frame.port)

    def _decode_frame(self, profile: Profile, frame: RawFrame, at: datetime) -> DecodedFrame:
        """Decode a frame by the profile's frame decoder, or else by its codec.

        Raises:
            PayloadError: It has neither, or neither can decode the frame.
        """
        codec = self._city.codecs.get(profile.codec)
        if codec is None or self._codecs is None:
            return decode_frame(profile.frames, frame.port, frame.data)
        if profile.frames:
            with contextlib.suppress(PayloadError):
                return decode_frame(profile.frames, frame.port, frame.data)
        return DecodedFrame((FrameReading(self._codecs.decode(codec, frame, self._aware(at) or at)),))

    def _readings_of_absent(self, message: _Message) -> Iterator[Reading]:
        """No clients, for each access point that a complete list does not name; the stateful rules know whose it is."""
        if not message.client_list or message.arrival.retained:
            return
        received_at = message.arrival.received_at
        named = {reading.origin.device for reading in message.readings}
        client_list = ClientList(message.client_list, is_absent=True)
        for device in self._index.all_of(message.adapter.name):
            if device.KIND == "ap" and device.id not in named:
                seq = derive_seq(received_at, f"absent/{message.client_list}".encode())
                origin = self._builder.origin(device, message.adapter.name, seq, None, received_at)
                reading = self._builder.reading(device, origin, dict(_NO_CLIENTS))
                yield msgspec.structs.replace(reading, client_list=client_list)

    def _event_records(
        self,
        device: Device,
        seq: int,
        at: datetime | None,
        own_time: datetime | None,
        message: _Message,
        events: Iterable[tuple[AdapterEvent, bool]],
    ) -> Iterator[EventRecord]:
        """Records of the events that this kind of device may send."""
        received_at, types = message.arrival.received_at, device_event_types(device.KIND)
        for event, is_level in events:
            if event.type in types:
                epoch = event_epoch(message.adapter.name, device.KIND, event.type)
                own_seq = derive_seq(own_time or received_at, event.key) if event.key else seq
                origin = self._builder.origin(device, epoch, own_seq, at, received_at)
                detail = self._pseudonyms.pseudonymize_detail(event.detail, origin.measured_at)
                yield EventRecord(origin, event.type, event.state, detail, is_level)

    def _fix_age(
        self, profile: Profile, report: DeviceReport, reading: FrameReading, at: datetime | None
    ) -> timedelta | None:
        """Age of the position's fix at the time of measurement; None when unknown."""
        if at is None or not (report.fix_at or profile.fix_time):
            return None
        fix_at = self._aware(report.fix_at or _time_at(profile.fix_time, reading.fields))
        return at - fix_at if fix_at else None

    def _aware(self, at: datetime | None) -> datetime | None:
        """A time with a zone; one without counts as the city's local time."""
        if at is None or at.tzinfo is not None:
            return at
        try:
            return at.replace(tzinfo=self._city.time_zone).astimezone(UTC)
        except OverflowError:
            return None


def _idempotency_key(report: DeviceReport, reading: FrameReading, number: int, own_time: datetime | None) -> bytes:
    """Idempotency key of a reading among the device's readings of one moment.

    A stored measurement of a frame is keyed by its content, so that it is the same in another frame. A record is keyed
    by its counter or content alone; without a time of its own, by its place in the message as well.
    """
    if reading.at is not None:
        return msgspec.json.encode(reading.fields)
    place = f"#{report.number}".encode() if report.number and own_time is None else b""
    return report.key + place + (f"/{number}".encode() if number else b"")


def _is_history(report: DeviceReport, arrival: Arrival) -> bool:
    """Whether a connectivity report is too old to be current: controllers repeat weeks of events in each answer."""
    is_past = report.connectivity is not None and report.connectivity.historical
    return is_past and report.at is not None and arrival.received_at - report.at > HISTORICAL_AFTER


def _says_nothing(report: DeviceReport) -> bool:
    return not (report.known or report.fields or report.frame or report.events or report.quality)


def _rest_of(frame: DecodedFrame, port: int) -> str:
    return f"{UNDECODED}port {port}, the last {len(frame.rest)} bytes: {frame.rest[:16].hex()}" if frame.rest else ""


def _values(
    profile: Profile, fields: dict[str, Any], report: DeviceReport, *, first: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    values, refused = drop_invalid(profile.kind, report.known) if first else ({}, False)
    read, invalid = read_fields(profile, fields)
    words = report.quality if first else ()
    if "lat_deg" in read and doubts_fix(profile, fields):
        read, words = without_fix(read), (*words, QUALITY_NO_FIX)
    return {**values, **read}, (*words, QUALITY_INVALID) if refused or invalid else words


def _time_at(paths: Iterable[str], fields: dict[str, Any]) -> datetime | None:
    """The first readable time; a field that is called UTC is."""
    times = ((parse_utc if "utc" in path.lower() else parse_any_time)(get_path(fields, path)) for path in paths)
    return next((at for at in times if at), None)


def _events(
    adapter: Adapter, events: Iterable[AdapterEvent], profile: Profile, fields: dict[str, Any]
) -> list[tuple[AdapterEvent, bool]]:
    """Events of the format and of the profile, and whether each repeats a level."""
    return [
        *((event, event.state != "noted" and event.type in adapter.level_events) for event in events),
        *((event, event.state != "noted") for event in read_events(profile, fields)),
    ]


def _with_context(reading: Reading, report: DeviceReport) -> Reading:
    """The reading with what the stateful rules need of its report."""
    client_list = ClientList(report.client_list) if report.client_list else None
    if not report.counters and client_list is None:
        return reading
    return msgspec.structs.replace(reading, counters=report.counters, client_list=client_list)


def _status(device: Device, connectivity: ConnectivityReport, report: DeviceReport, arrival: Arrival) -> StatusRecord:
    return StatusRecord(device.KIND, device.id, connectivity.state, report.at, arrival.received_at, connectivity.reason)
