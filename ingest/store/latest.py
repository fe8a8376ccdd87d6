"""Last values of each device, field by field, independent of the order of arrival; kept by stores in memory."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from broker.contract.topics import Kind
from ingest.store.port import FieldValue, Latest
from ingest.store.record_batch import ReadingColumns, RecordBatch
from ingest.store.records import Connectivity, Reading, Record, StatusRecord, Value

MISSED_INTERVALS = 3
"""A device that reports periodically is offline after so many missed intervals."""


def connectivity_of(latest: Latest | None, *, interval_s: float, now: datetime) -> Connectivity:
    """Connectivity of a device: its own last status, unless it has been silent for too long.

    Devices without a last will are judged by silence alone. A device never heard of is `unknown`, not offline.
    """
    if latest is None:
        return "unknown"
    silent_for = now - latest.received_at
    if latest.state == "offline" and not _measured_since(latest):
        return "offline"
    if latest.state == "sleeping" and latest.next_s is not None:
        return "sleeping" if silent_for <= timedelta(seconds=latest.next_s * MISSED_INTERVALS) else "offline"
    return "online" if silent_for <= timedelta(seconds=interval_s * MISSED_INTERVALS) else "offline"


def _measured_since(latest: Latest) -> bool:
    """True if a measurement is newer than the offline report."""
    if latest.state_at is None:
        return True
    if latest.received_at <= latest.state_at:
        return False
    gone_at = min(latest.state_said_at or latest.state_at, latest.state_at)
    return latest.measured_at is None or latest.measured_at > gone_at


class LastValueCache:
    """Merges records into one `Latest` per device; stores fill it at start. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[str, Latest] = {}

    def update(self, records: Sequence[Record]) -> None:
        """Merge records that were just stored."""
        readings: defaultdict[str, list[Reading]] = defaultdict(list)
        statuses: list[StatusRecord] = []
        batch = RecordBatch.of(records)
        for block in batch.columns:
            for device, rows in newest_rows(block).items():
                readings[device] += [block.reading(row) for row in rows]
        for record in batch.records:
            if isinstance(record, Reading):
                readings[record.origin.device].append(record)
            elif isinstance(record, StatusRecord):
                statuses.append(record)
        with self._lock:
            for device, group in readings.items():
                self._latest[device] = merge_readings(self._latest.get(device), group)
            for status in statuses:
                self._latest[status.device] = merge_status(self._latest.get(status.device), status)

    def is_change(self, status: StatusRecord) -> bool:
        """Whether a status differs from the last one: brokers repeat retained statuses at every subscribe."""
        with self._lock:
            known = self._latest.get(status.device)
        if known is None or known.state_at is None or known.state != status.state:
            return True
        return known.state_said_at != status.at or known.state_reason != status.reason

    def restore(self, latest: Latest) -> None:
        """Set the last values of a device from storage."""
        with self._lock:
            self._latest[latest.device] = latest

    def find(self, *, kind: Kind | None, device: str | None, changed_since: datetime | None) -> list[Latest]:
        """Last values of the devices that match, by device id."""
        with self._lock:
            if device is not None:
                candidates = [self._latest[device]] if device in self._latest else []
            else:
                candidates = sorted(self._latest.values(), key=lambda latest: latest.device)
        return [
            latest
            for latest in candidates
            if (kind is None or latest.kind == kind) and (changed_since is None or latest.received_at > changed_since)
        ]


def newest_rows(columns: ReadingColumns) -> dict[str, list[int]]:
    """Rows of each device that its last values can come from.

    They are the newest, those measured at the same time, those with a field that these lack, and the last received.
    """
    by_device: defaultdict[str, list[int]] = defaultdict(list)
    for (device, _), rows in columns.groups.items():
        by_device[device] += rows
    absences = [column for column in columns.values.values() if None in column]
    chosen: dict[str, list[int]] = {}
    measured_at, received_at = columns.measured_at, columns.received_at
    for device, rows in by_device.items():
        if len(rows) == 1:
            chosen[device] = rows
            continue
        newest, last = max(rows, key=measured_at.__getitem__), max(rows, key=received_at.__getitem__)
        lacking = [column for column in absences if column[newest] is None]
        chosen[device] = [
            row
            for row in rows
            if measured_at[row] == measured_at[newest]
            or row == last
            or (lacking and any(column[row] is not None for column in lacking))
        ]
    return chosen


def merge_readings(known: Latest | None, readings: Sequence[Reading]) -> Latest:
    """Merge readings (at least one) into a device's last values; the order and grouping do not matter.

    A value is replaced only by one measured later. The newest readings are merged first, so that older ones cost
    little.
    """
    ordered = sorted(readings, key=lambda reading: reading.origin.measured_at, reverse=True)
    first = ordered[0].origin
    base = known or Latest(first.kind, first.device, {}, None, first.received_at)
    values = dict(base.values)
    measured_at, quality, received_at = base.measured_at, base.quality, base.received_at
    floor: datetime | None = None
    for reading in ordered:
        origin = reading.origin
        at = origin.measured_at
        # Older than everything that is known, and nothing in it that is not: most readings of a catch-up.
        if floor is None or at >= floor or not reading.values.keys() <= values.keys():
            for name, value in reading.values.items():
                old = values.get(name)
                if old is None or at > old.measured_at or (at == old.measured_at and _rank(value) > _rank(old.value)):
                    values[name] = FieldValue(value, at)
            if len(ordered) > 1:
                floor = min((field.measured_at for field in values.values()), default=None)
        if measured_at is None or (at, origin.quality) >= (measured_at, quality):
            measured_at, quality = at, origin.quality
        received_at = max(received_at, origin.received_at)
    return msgspec.structs.replace(
        base, values=values, measured_at=measured_at, quality=quality, received_at=received_at
    )


def _rank(value: Value) -> tuple[str, str]:
    # Two values at the same instant have no true order; any fixed one makes the result independent of arrival.
    return type(value).__name__, repr(value)


def merge_status(known: Latest | None, status: StatusRecord) -> Latest:
    """Merge a status of a device, or its last will, into its last values; the last one to arrive counts."""
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
        outbox_waiting=base.outbox_waiting if status.outbox_waiting is None else status.outbox_waiting,
        outbox_dropped=base.outbox_dropped if status.outbox_dropped is None else status.outbox_dropped,
        received_at=max(base.received_at, status.received_at),
    )
