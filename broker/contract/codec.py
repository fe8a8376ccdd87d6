"""Encodes and decodes the contract's JSON; the only place that does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

import msgspec

from broker.contract.payloads import (
    MAX_BATCH,
    MAX_EPOCHS,
    MAX_PAYLOAD_BYTES,
    PLATFORM_EVENT_TYPES,
    TELEMETRY,
    Event,
    Parsed,
    Receipt,
    Rejected,
    SequencedMessage,
    Status,
    Telemetry,
    device_event_types,
)
from broker.contract.topics import KINDS, Kind
from city.errors import PayloadError

S = TypeVar("S", bound=SequencedMessage)
T = TypeVar("T")

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Every error of msgspec on external input: no JSON, another structure, no UTF-8, nested too deep."""

_elements: Final = msgspec.json.Decoder(list[msgspec.Raw])
_objects: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_status: Final = msgspec.json.Decoder(Status)
_receipt: Final = msgspec.json.Decoder(Receipt)
_encoder: Final = msgspec.json.Encoder()


class _SequenceId(msgspec.Struct):
    """The fields of a reading that a receipt needs."""

    epoch: str = msgspec.field(name="boot")
    seq: int


_sequence_id: Final = msgspec.json.Decoder(_SequenceId)


class _StructReader:
    """Decodes one struct type: strictly first, and tolerantly (counting) only for unknown fields."""

    def __init__(self, type_: type[SequencedMessage]) -> None:
        strict = msgspec.defstruct(type_.__name__, [], bases=(type_,), forbid_unknown_fields=True, kw_only=True)
        self.strict = msgspec.json.Decoder(strict)
        self._tolerant = msgspec.json.Decoder(type_)
        self._fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}

    def read(self, raw: bytes | msgspec.Raw) -> tuple[Any, tuple[str, ...]]:
        """The struct, and the names of unknown fields, which were ignored; raises msgspec's errors."""
        try:
            return self.strict.decode(raw), ()
        except msgspec.ValidationError:
            pass  # an unknown field, or what the tolerant decoder refuses as well
        try:
            item = self._tolerant.decode(raw)
        except msgspec.ValidationError as exc:
            raise msgspec.ValidationError("; ".join(self._reasons(raw)) or str(exc)) from exc
        return item, tuple(_objects.decode(raw).keys() - self._fields.keys())

    def _reasons(self, raw: bytes | msgspec.Raw) -> list[str]:
        """Everything that is wrong with an object, field by field; empty for what is no object."""
        try:
            given = _objects.decode(raw)
        except UNREADABLE:
            return []
        reasons = []
        for name, field in self._fields.items():
            if name in given:
                reasons += _reason_of(name, given[name], field.type)
            elif field.required:
                reasons.append(f"Object missing required field `{name}`")
        return reasons


def _reason_of(name: str, value: msgspec.Raw, type_: Any) -> list[str]:  # noqa: ANN401 - as msgspec has it
    """Why a value is refused, in msgspec's words for the whole object; empty if it is not."""
    try:
        msgspec.json.decode(value, type=type_)
    except UNREADABLE as exc:
        words, _, place = str(exc).partition(" - at `$")
        return [f"{words} - at `$.{name}{place or '`'}"]
    return []


_telemetry: Final[dict[Kind, _StructReader]] = {kind: _StructReader(TELEMETRY[kind]) for kind in KINDS}
_event: Final = _StructReader(Event)
_platform_event: Final = msgspec.json.Decoder(Event)


def telemetry_decoder(kind: Kind) -> Callable[[bytes], Telemetry]:
    """A function that decodes one plain reading: an object without unknown fields.

    It raises msgspec's errors for everything else; `parse_telemetry` says then what the payload is.
    """
    return cast("Callable[[bytes], Telemetry]", _telemetry[kind].strict.decode)


def parse_telemetry(kind: Kind, raw: bytes) -> Parsed[Telemetry]:
    """Parse one reading or an array of them.

    Raises:
        PayloadError: Nothing in it can be decoded (not JSON, too large, not an object or an array).
    """
    return _parse(raw, _telemetry[kind].read)


def parse_events(kind: Kind, raw: bytes) -> Parsed[Event]:
    """Parse one event or an array of them; the type must be on the kind's closed list.

    Raises:
        PayloadError: Nothing in it can be decoded.
    """

    def read(element: bytes | msgspec.Raw) -> tuple[Event, tuple[str, ...]]:
        event, unknown = _event.read(element)
        if event.type in PLATFORM_EVENT_TYPES:
            raise msgspec.ValidationError(f"{event.type!r} is said by people at the API; no message may bring it")
        if event.type not in (known := device_event_types(kind)):
            raise msgspec.ValidationError(f"{event.type!r} is not an event of {kind}: {', '.join(known)}")
        return event, unknown

    return _parse(raw, read)


def parse_platform_event(raw: bytes, types: frozenset[str] = PLATFORM_EVENT_TYPES) -> Event:
    """Parse an event that the platform has journaled itself.

    Raises:
        PayloadError: It is not one of these types.
    """
    event = decode_json(_platform_event, _check_size(raw))
    if event.type not in types:
        raise PayloadError(f"{event.type!r} is not an event of the platform: {', '.join(sorted(types))}")
    return event


def parse_status(raw: bytes) -> Status:
    """Parse a birth, a clean stop, a last will or a sleep notice.

    Raises:
        PayloadError: It is none of these.
    """
    status: Status = decode_json(_status, _check_size(raw))
    return status


def parse_receipt(raw: bytes) -> Receipt:
    """Parse a receipt.

    Raises:
        PayloadError: It is not one, or a range is reversed.
    """
    receipt = decode_json(_receipt, _check_size(raw))
    if any(first > last for first, last in receipt.seqs):
        raise PayloadError("a range of seqs runs backwards")
    return receipt


def decode_json(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    """Decode external input.

    Raises:
        PayloadError: It is not what the decoder expects.
    """
    try:
        return decoder.decode(raw)
    except UNREADABLE as exc:
        raise PayloadError(unreadable_reason(exc)) from exc


def elements_of(raw: bytes) -> list[bytes]:
    """The elements of an array, or the whole payload when it is no array or unreadable; never raises."""
    try:
        return [bytes(part) for part in _elements.decode(raw)] if _is_array(raw) else [raw]
    except UNREADABLE:
        return [raw]


def sequence_ids_of(raw: bytes) -> list[tuple[str, int]]:
    """Sequence ids `(epoch, seq)` of the readings in a payload, for receipts; never raises.

    Empty for a message that is rejected as a whole for its size: its device keeps the readings.
    """
    if len(raw) > MAX_PAYLOAD_BYTES:
        return []
    if raw.startswith(b"{"):
        try:
            sequence_id = _sequence_id.decode(raw)
        except UNREADABLE:
            return []
        return [(sequence_id.epoch, sequence_id.seq)]
    try:
        parts: list[msgspec.Raw] | list[bytes] = _elements.decode(raw) if _is_array(raw) else [raw]
    except UNREADABLE:
        return []
    ids = _sequence_ids(parts) if len(parts) <= MAX_BATCH else []
    return ids if len(ids) <= MAX_EPOCHS or len({epoch for epoch, _ in ids}) <= MAX_EPOCHS else []


def _sequence_ids(parts: Sequence[bytes | msgspec.Raw]) -> list[tuple[str, int]]:
    ids: list[tuple[str, int]] = []
    for part in parts:
        try:
            sequence_id = _sequence_id.decode(part)
        except UNREADABLE:
            continue
        ids.append((sequence_id.epoch, sequence_id.seq))
    return ids


def encode(item: SequencedMessage | Status | Receipt) -> bytes:
    """Encode one struct as JSON for the wire."""
    return _encoder.encode(item)


def join_encoded(parts: Sequence[bytes]) -> bytes:
    """Join encoded readings into one payload: a single one as it is, several as an array."""
    return parts[0] if len(parts) == 1 else b"[" + b",".join(parts) + b"]"


def utc_ms(at: datetime) -> datetime:
    """A time in UTC truncated to milliseconds, the resolution of wire and stores."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _parse(raw: bytes, read: Callable[[bytes | msgspec.Raw], tuple[S, tuple[str, ...]]]) -> Parsed[Any]:
    payload = _check_size(raw)
    parts = decode_json(_elements, payload) if _is_array(payload) else [cast("msgspec.Raw", payload)]
    if len(parts) > MAX_BATCH:
        raise PayloadError(f"an array of {len(parts)} readings is longer than {MAX_BATCH}")
    if len(parts) > MAX_EPOCHS and (epochs := len({epoch for epoch, _ in _sequence_ids(parts)})) > MAX_EPOCHS:
        raise PayloadError(f"readings of {epochs} epochs (`boot`) are in it, more than {MAX_EPOCHS}")
    items: list[S] = []
    rejected: list[Rejected] = []
    unknown_fields: list[str] = []
    for part in parts:
        try:
            item, unknown = read(part)
        except UNREADABLE as exc:
            rejected.append(Rejected(bytes(part), unreadable_reason(exc)))
        else:
            items.append(item)
            unknown_fields += unknown
    return Parsed(items, rejected, tuple(unknown_fields))


def _is_array(raw: bytes) -> bool:
    return raw.lstrip(b" \t\r\n")[:1] == b"["


def _check_size(raw: bytes) -> bytes:
    if len(raw) > MAX_PAYLOAD_BYTES:
        raise PayloadError(f"{len(raw)} bytes are more than {MAX_PAYLOAD_BYTES}")
    return raw


def unreadable_reason(exc: Exception) -> str:
    """Why msgspec refused external input: what it expected, or that it is no JSON."""
    text = str(exc)
    return text if isinstance(exc, msgspec.ValidationError) else f"not JSON: {text}"
