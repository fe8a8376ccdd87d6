"""The production store: InfluxDB 1.x, 2.x and compatible databases; writing a record again overwrites it.

One measurement per kind, `event` and `status`; tags are the device and its attributes in the inventory. After each
write the checkpoint on this disk (`checkpoint.py`) is updated; a crash in between repeats the same points at the same
times.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import Any, Final

from broker.contract.topics import Kind
from city.errors import PayloadError, RowsRejectedError
from city.inventory.provider import InventoryProvider
from ingest.store.dedup import deduplicate_batch
from ingest.store.influx import presence as influx_presence
from ingest.store.influx import reader as influx_reader
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.influx.http import LINES_MAX, InfluxHttp, RefusedError, TooLargeError
from ingest.store.influx.line_protocol import encode_tags, to_line, to_lines
from ingest.store.influx.rollup import roll_up
from ingest.store.latest import LastValueCache
from ingest.store.port import (
    EventQuery,
    Latest,
    MeasuredRun,
    Ranges,
    RunsQuery,
    SeriesPoint,
    SeriesQuery,
    StatusQuery,
    StoredSequences,
    WriteResult,
)
from ingest.store.record_batch import RecordBatch
from ingest.store.records import EventRecord, Reading, Record, StatusRecord
from ingest.store.schema import EVENTS, RAW, WINDOW_S, Policy
from ingest.store.tags import tags_of_device

FOLLOW_EVERY_S: Final = 2.0
FOLLOW_BACK: Final = timedelta(minutes=5)
"""How far back a read-only process looks for new readings each time; later ones are found at start."""
SETTLED_AFTER_S: Final = 20.0
"""Grace period for late points before a window is rolled up."""


class InfluxStore:
    """Owns the connection and the checkpoint; writes from one thread, reads from any."""

    def __init__(self, http: InfluxHttp, inventory: InventoryProvider, checkpoint: Checkpoint) -> None:
        self._http = http
        self._checkpoint = checkpoint
        self._write_lock = threading.Lock()
        self._tags_of = _DeviceTags(inventory)
        self._latest = LastValueCache()
        self._latest_lock = threading.Lock()
        self._restored = False
        self._writes = False
        self._follow_due_s = 0.0

    def committed_offsets(self) -> Ranges:
        """The committed offsets of the checkpoint."""
        return self._checkpoint.committed_offsets

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        """Store the new records of a batch, then update the checkpoint.

        Raises:
            RetryLaterError: The database is unavailable or busy, or the disk refused the checkpoint.
            RowsRejectedError: Some rows can never be stored.
        """
        self._restore()
        self._writes = True
        with self._write_lock:
            fresh, touched = deduplicate_batch(records, self._checkpoint.seen, self._latest)
            for block in fresh.columns:
                if reasons := self._send_lines(to_lines(block, self._tags_of), RAW):
                    raise RowsRejectedError(dict.fromkeys(range(len(records)), next(iter(reasons.values()))))
            rejected = self._send_all(fresh.records)
            if rejected:
                places = {id(record): index for index, record in enumerate(records)}
                raise RowsRejectedError(
                    {places[id(fresh.records[index])]: reason for index, reason in rejected.items()}
                )
            self._checkpoint.commit(touched, committed_offsets, _windows_of(fresh))
            self._latest.update(fresh)
        return WriteResult(len(fresh), len(records) - len(fresh))

    def _send_all(self, fresh: Sequence[Record]) -> dict[int, str]:
        """Write each record to its retention class; return rejected ones by index."""
        classes: dict[Policy, list[int]] = {RAW: [], EVENTS: []}
        for index, record in enumerate(fresh):
            classes[EVENTS if isinstance(record, EventRecord) else RAW].append(index)
        rejected: dict[int, str] = {}
        for policy, places in classes.items():
            reasons = self._send_lines([to_line(fresh[place], self._tags_of) for place in places], policy)
            rejected |= {places[index]: reason for index, reason in reasons.items()}
        return rejected

    def _send_lines(self, lines: Sequence[bytes], policy: Policy) -> dict[int, str]:
        """Write lines; return rejected ones by index."""
        rejected: dict[int, str] = {}
        for first in range(0, len(lines), LINES_MAX):
            rejected |= self._send(lines[first : first + LINES_MAX], policy, first)
        return rejected

    def _send(self, lines: Sequence[bytes], policy: Policy, first: int = 0) -> dict[int, str]:
        """Write lines, bisecting where the database rejects them; return rejected ones by index from `first`."""
        try:
            self._http.write(b"\n".join(lines), policy)
        except (RefusedError, TooLargeError) as exc:
            if len(lines) == 1:
                return {first: str(exc)}
            middle = len(lines) // 2
            return self._send(lines[:middle], policy, first) | self._send(lines[middle:], policy, first + middle)
        return {}

    def write_derived(self, lines: Sequence[bytes], policy: Policy) -> None:
        """Store derived points. A rejection is a bug of this program.

        Raises:
            RetryLaterError: The database is unavailable or busy.
            PayloadError: It rejects them.
        """
        try:
            self._http.write_all(lines, policy)
        except (RefusedError, TooLargeError) as exc:
            raise PayloadError(f"derived points: {exc}") from exc

    def roll_up(self, now: datetime) -> int:
        """Roll up stale windows that have ended; return how many.

        Raises:
            RetryLaterError: The database is unavailable or busy.
        """
        self._restore()
        return roll_up(self._http, self._checkpoint, until_s=now.timestamp() - SETTLED_AFTER_S)

    def rollups_waiting(self) -> int:
        """Number of stale windows, including those that have not ended."""
        return len(self._checkpoint.stale())

    def last_states(self, now: datetime) -> list[dict[str, Any]]:
        """The newest `device_state` of each device within the last day."""
        return influx_reader.read_states(self._http, now - timedelta(days=1))

    def events_since(self, types: Sequence[str], start: datetime) -> list[EventRecord]:
        """All events of some types since a time, oldest first, without a limit."""
        return influx_reader.read_events_since(self._http, types, start)

    def forget_before(self, *, readings: datetime, events: datetime) -> int:  # noqa: ARG002 - as the port says
        """Do nothing: the database's retention policies delete, as `kota influx setup` has set them."""
        return 0

    def latest(
        self, *, kind: Kind | None = None, device: str | None = None, changed_since: datetime | None = None
    ) -> list[Latest]:
        """Last values of each device, from memory.

        Raises:
            RetryLaterError: The database is unavailable and has not been read yet.
        """
        self._restore()
        self._follow()
        return self._latest.find(kind=kind, device=device, changed_since=changed_since)

    def _restore(self) -> None:
        """Load the last values from the database, once."""
        with self._latest_lock:
            if not self._restored:
                last_values = influx_reader.read_latest(self._http)
                for latest in last_values:
                    self._latest.restore(latest)
                if self._checkpoint.covered_since_s() is None:
                    # What was stored before anybody noted windows has no rollups; `kota influx rollup` makes them.
                    self._checkpoint.cover_since(int(time()) if last_values else 0)
                self._restored = True

    def _follow(self) -> None:
        """In a read-only process, load what another process wrote since the last call."""
        with self._latest_lock:
            now_s = monotonic()
            if not self._writes and now_s >= self._follow_due_s:
                self._follow_due_s = now_s + FOLLOW_EVERY_S
                self._latest.update(influx_reader.read_since(self._http, datetime.now(UTC) - FOLLOW_BACK))

    def series(self, query: SeriesQuery) -> list[SeriesPoint]:
        """Points of one field."""
        self._restore()
        known = self._latest.find(kind=None, device=query.device, changed_since=None)
        return influx_reader.read_series(self._http, query, known[0].kind if known else None, self._checkpoint)

    def events(self, query: EventQuery) -> list[EventRecord]:
        """Events that match, newest first."""
        return influx_reader.read_events(self._http, query)

    def span(self) -> tuple[datetime, datetime] | None:
        """Time of measurement of the oldest and the newest record."""
        return influx_reader.read_span(self._http)

    def export(self, start: datetime, end: datetime, *, device: str | None = None) -> Iterator[Record]:
        """Every record of a range, in order of time."""
        return influx_reader.read_all(self._http, start, end, device)

    def measured_runs(self, query: RunsQuery) -> list[MeasuredRun]:
        """The runs of each device."""
        return influx_presence.read_runs(self._http, query)

    def measured_before(self, kind: Kind, before: datetime, *, device: str | None = None) -> list[MeasuredRun]:
        """The oldest and the newest measurement before a time of each device."""
        return influx_presence.read_before(self._http, kind, before, device)

    def statuses(self, query: StatusQuery) -> list[StatusRecord]:
        """Statuses in the order of their arrival."""
        return influx_presence.read_statuses(self._http, query)

    def answered_at(self, kind: Kind, device: str, *, measured_after: datetime, after: datetime) -> datetime | None:
        """When the first reading arrived after a time."""
        return influx_presence.read_answer(self._http, kind, device, measured_after, after)

    def stored_sequences(self) -> list[StoredSequences]:
        """Sequence numbers per device and epoch, counted from the points."""
        return influx_reader.read_stored_sequences(self._http)

    def close(self) -> None:
        """Close the connection and the checkpoint."""
        with self._write_lock:
            self._http.close()
            self._checkpoint.close()


def _windows_of(fresh: RecordBatch) -> set[tuple[Kind, int]]:
    """The rollup windows of readings, by kind and start in seconds since 1970."""
    times = [(record.origin.kind, record.origin.measured_at) for record in fresh.records if isinstance(record, Reading)]
    times += [(block.kind, at) for block in fresh.columns for at in block.measured_at]
    return {(kind, int(at.timestamp()) // WINDOW_S * WINDOW_S) for kind, at in times}


class _DeviceTags:
    """Encoded tags of each device, made once for each version of the inventory."""

    def __init__(self, inventory: InventoryProvider) -> None:
        self._inventory = inventory
        self._version = 0
        self._encoded: dict[str, bytes] = {}

    def __call__(self, device_id: str) -> bytes:
        city = self._inventory.current()
        if city.version != self._version:
            self._version, self._encoded = city.version, {}
        if device_id not in self._encoded:
            self._encoded[device_id] = encode_tags(tags_of_device(city, device_id))
        return self._encoded[device_id]
