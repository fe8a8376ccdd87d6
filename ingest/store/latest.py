"""The newest that is known of each device, field by field, under any order of arrival; kept by stores in memory."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from broker.contract.topics import Kind
from ingest.store.port import FieldValue, Latest
from ingest.store.records import EventRecord, Reading, Record, StatusRecord, Value

Connectivity = Literal["online", "offline", "sleeping", "unknown"]

MISSED_INTERVALS = 3
"""A device that reports on its own is offline after this many missed intervals."""


def connectivity(latest: Latest | None, *, interval_s: float, now: datetime) -> Connectivity:
    """Whether a device is there: what it said of itself last, unless it has been silent for too long.

    Silence decides for devices without a last will; a device never heard of is `unknown`, not offline.
    """
    if latest is None:
        return "unknown"
    silent_for = now - latest.received_at
    if latest.state == "offline" and latest.state_at is not None and latest.received_at <= latest.state_at:
        return "offline"
    if latest.state == "sleeping" and latest.next_s is not None:
        return "sleeping" if silent_for <= timedelta(seconds=latest.next_s * MISSED_INTERVALS) else "offline"
    return "online" if silent_for <= timedelta(seconds=interval_s * MISSED_INTERVALS) else "offline"


class LatestBoard:
    """Merges records into one `Latest` per device; safe between threads."""

    def __init__(self) -> None:
        """Start empty; stores fill it from what they have kept."""
        self._lock = threading.Lock()
        self._latest: dict[str, Latest] = {}

    def absorb(self, records: list[Record]) -> None:
        """Merge records that have just been stored."""
        with self._lock:
            for record in records:
                device = record.device if isinstance(record, StatusRecord) else record.origin.device
                merged = merge(self._latest.get(device), record)
                if merged is not None:
                    self._latest[device] = merged

    def is_news(self, status: StatusRecord) -> bool:
        """Whether a state differs from the one known: brokers repeat retained states at every subscribe."""
        with self._lock:
            known = self._latest.get(status.device)
        if known is None or known.state_at is None or known.state != status.state:
            return True
        return known.state_said_at != status.at or known.state_reason != status.reason

    def restore(self, latest: Latest) -> None:
        """Put in what was kept from an earlier life."""
        with self._lock:
            self._latest[latest.device] = latest

    def find(self, *, kind: Kind | None, device: str | None, changed_since: datetime | None) -> list[Latest]:
        """Those that match, by device id."""
        with self._lock:
            if device is not None:
                found = [self._latest[device]] if device in self._latest else []
            else:
                found = sorted(self._latest.values(), key=lambda latest: latest.device)
        return [
            latest
            for latest in found
            if (kind is None or latest.kind == kind) and (changed_since is None or latest.received_at > changed_since)
        ]


def merge(known: Latest | None, record: Record) -> Latest | None:
    """What is known of a device after one more record; None when the record says nothing of its latest.

    Commutative over readings: a value is replaced only by one measured later (or at the same time and arriving later).
    """
    if isinstance(record, EventRecord):
        return known
    if isinstance(record, StatusRecord):
        return _merge_status(known, record)
    return _merge_reading(known, record)


def _merge_reading(known: Latest | None, reading: Reading) -> Latest:
    origin = reading.origin
    new = {name: FieldValue(value, origin.measured_at) for name, value in reading.values.items()}
    if known is None:
        return Latest(origin.kind, origin.device, new, origin.measured_at, origin.received_at, origin.quality)
    values = dict(known.values)
    for name, field in new.items():
        if name not in values or _beats(field, values[name]):
            values[name] = field
    newest = known.measured_at is None or (origin.measured_at, origin.quality) >= (known.measured_at, known.quality)
    return msgspec.structs.replace(
        known,
        values=values,
        measured_at=origin.measured_at if newest else known.measured_at,
        quality=origin.quality if newest else known.quality,
        received_at=max(known.received_at, origin.received_at),
    )


def _beats(new: FieldValue, old: FieldValue) -> bool:
    if new.measured_at != old.measured_at:
        return new.measured_at > old.measured_at
    return _rank(new.value) > _rank(old.value)


def _rank(value: Value) -> tuple[str, str]:
    # Two values at the same instant have no true order; any fixed one makes the result independent of arrival.
    return type(value).__name__, repr(value)


def _merge_status(known: Latest | None, status: StatusRecord) -> Latest:
    base = known or Latest(status.kind, status.device, {}, None, status.received_at)
    if base.state_at is not None and status.received_at < base.state_at:
        return base
    return msgspec.structs.replace(
        base,
        state=status.state,
        state_at=status.received_at,
        state_said_at=status.at,
        state_reason=status.reason,
        next_s=status.next_s,
        received_at=max(base.received_at, status.received_at),
    )
