"""Records as InfluxDB line protocol; the same record always gives the same bytes.

Source: InfluxDB documentation, "Line protocol reference"; checked against `influxdb_client.Point`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from broker.contract.topics import Kind
from ingest.store.record_batch import ReadingColumns
from ingest.store.records import Reading, Record, RecordOrigin, StatusRecord, Value
from ingest.store.schema import COLUMNS, DERIVED, ColumnType

NANOSECONDS: Final = 1_000_000
"""Nanoseconds per millisecond, the contract's resolution; the rest of a timestamp distinguishes readings."""

_KEY: Final = re.compile(r"([,= ])")
_TEXT: Final = re.compile(r'(["\\])')

Tags = Mapping[str, str]


def to_line(record: Record, tags_of: Callable[[str], bytes]) -> bytes:
    """One record as one line.

    Args:
        record: The record.
        tags_of: Device id to its encoded tags, see `encode_tags`.
    """
    if isinstance(record, StatusRecord):
        return _status_line(record, tags_of(record.device))
    origin = record.origin
    tags = tags_of(origin.device)
    if isinstance(record, Reading):
        return b"%s%s %s %d" % (origin.kind.encode(), tags, _fields(origin, record.values), time_ns(origin))
    detail = msgspec.json.encode(record.detail).decode()
    fields = _fields(origin, {"state": record.state, "detail": detail})
    tags += b",kind=%s,type=%s" % (origin.kind.encode(), escape_key(record.type).encode())
    return b"event%s %s %d" % (tags, fields, time_ns(origin))


def to_lines(columns: ReadingColumns, tags_of: Callable[[str], bytes]) -> list[bytes]:
    """Readings in columns as lines, with the fields that `to_line` gives them."""
    kind = columns.kind
    fields = [
        [None if value is None else f"{name}={_format_value(type_, value)}" for value in values]
        for name, values in columns.values.items()
        for type_ in (COLUMNS[kind][name],)
    ]
    heads = {device: f"{kind}{tags_of(device).decode()} " for device in set(columns.devices)}
    shifts = {epoch: zlib.crc32(epoch.encode()) for epoch in set(columns.epochs)}
    received = [_microseconds(at) for at in columns.received_at]
    qualities = [" ".join(flags) for flags in columns.qualities]
    own = [
        f'seq={seq}i,boot="{epoch}",received_at={at}i,quality="{quality}" '
        for seq, epoch, at, quality in zip(columns.seqs, columns.epochs, received, qualities, strict=True)
    ]
    times = [
        int(at.timestamp() * 1000 + 0.5) * NANOSECONDS + (seq + shifts[epoch]) % NANOSECONDS
        for at, seq, epoch in zip(columns.measured_at, columns.seqs, columns.epochs, strict=True)
    ]
    rows = zip(*fields, strict=True) if fields else (() for _ in times)
    return [
        f"{heads[device]}{','.join([*filter(None, row), rest])}{time}".encode()
        for device, row, rest, time in zip(columns.devices, rows, own, times, strict=True)
    ]


def to_point(measurement: str, tags: Tags, fields: Mapping[str, Value | None], at_ns: int) -> bytes:
    """One derived point as one line, in the schema's types, without None; empty when no field is left."""
    columns = DERIVED[measurement][2]
    parts = [f"{name}={_format_value(columns[name], value)}" for name, value in fields.items() if value is not None]
    if not parts:
        return b""
    return b"%s%s %s %d" % (measurement.encode(), encode_tags(tags), ",".join(parts).encode(), at_ns)


def time_ns(origin: RecordOrigin) -> int:
    """A timestamp that is unique per reading of a device and repeatable at a redelivery.

    Milliseconds of the measurement; below them the sequence number, shifted by a checksum of the epoch.
    """
    milliseconds = int(origin.measured_at.timestamp() * 1000 + 0.5)
    return milliseconds * NANOSECONDS + (origin.seq + zlib.crc32(origin.epoch.encode())) % NANOSECONDS


def encode_tags(tags: Tags) -> bytes:
    """Tags in line protocol, without empty ones."""
    return "".join(f",{escape_key(name)}={escape_key(value)}" for name, value in tags.items() if value).encode()


def escape_key(text: str) -> str:
    """Escape a measurement, tag or field key; line feeds cannot be escaped and become spaces."""
    return _KEY.sub(r"\\\1", text.replace("\n", " ").replace("\r", " ")).rstrip("\\")


def quote_text(text: str) -> str:
    """Quote a string field; line feeds stay, as the protocol allows."""
    return '"' + _TEXT.sub(r"\\\1", text) + '"'


def _fields(origin: RecordOrigin, values: Mapping[str, Value]) -> bytes:
    kind = origin.kind
    parts = [f"{name}={_value(kind, name, value)}" for name, value in values.items()]
    parts.append(f'seq={origin.seq}i,boot="{origin.epoch}",received_at={_microseconds(origin.received_at)}i')
    if origin.device_at is not None:
        parts.append(f"device_at={_microseconds(origin.device_at)}i")
    parts.append(f'quality="{" ".join(origin.quality)}"')
    return ",".join(parts).encode()


def _value(kind: Kind, name: str, value: Value) -> str:
    return _format_value(COLUMNS[kind].get(name, "integer"), value)


def _format_value(type_: ColumnType, value: Value) -> str:
    if isinstance(value, str):
        return quote_text(value)
    # Flags are numbers, so that they can be averaged to a share.
    return repr(float(value)) if type_ == "number" else f"{int(value)}i"


def _status_line(record: StatusRecord, tags: bytes) -> bytes:
    parts = [f'state="{record.state}"', f"reason={quote_text(record.reason)}"]
    parts += [f"firmware={quote_text(record.firmware)}", f"model={quote_text(record.model)}"]
    if record.at is not None:
        parts.append(f"said_at={_microseconds(record.at)}i")
    if record.next_s is not None:
        parts.append(f"next_s={float(record.next_s)!r}")
    if record.outbox_waiting is not None:
        parts.append(f"outbox_waiting={record.outbox_waiting}i,outbox_dropped={record.outbox_dropped or 0}i")
    time = _microseconds(record.received_at) * 1_000
    return b"status%s,kind=%s %s %d" % (tags, record.kind.encode(), ",".join(parts).encode(), time)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _microseconds(at: datetime) -> int:
    passed = at - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
