"""The store's ports: an idempotent writer and a reader. Every store passes the same test suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal, Protocol

import msgspec

from broker.contract.payloads import fields_of
from broker.contract.topics import KINDS, Kind
from city.errors import PayloadError
from ingest.store.records import Connectivity, EventRecord, Record, StatusRecord, Value
from ingest.store.schema import Policy

Aggregate = Literal["mean", "min", "max", "last", "sum", "count"]

MAX_POINTS: Final = 5_000
"""Upper limit of points in a series; use wider buckets for more."""
MAX_EVENTS: Final = 1_000


Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges of integers in order, such as journal offsets."""


class WriteResult(msgspec.Struct, frozen=True):
    """How many records a write stored, and how many were duplicates."""

    stored: int
    duplicates: int


class FieldValue(msgspec.Struct, frozen=True, gc=False):
    """The newest value of a field and its time of measurement."""

    value: Value
    measured_at: datetime


class Latest(msgspec.Struct, frozen=True):
    """Last values of a device, field by field; a late reading never replaces a newer value.

    `state` is the device's last status, `state_at` its time of receipt, `state_said_at` the device's clock then.
    `received_at` is the last receipt of anything, `measured_at` the newest measurement, `quality` the flags of the
    newest reading. The outbox figures are the device's own, from its last birth message.
    """

    kind: Kind
    device: str
    values: dict[str, FieldValue]
    measured_at: datetime | None
    received_at: datetime
    quality: tuple[str, ...] = ()
    state: Connectivity = "unknown"
    state_at: datetime | None = None
    state_said_at: datetime | None = None
    state_reason: str = ""
    next_s: float | None = None
    outbox_waiting: int | None = None
    outbox_dropped: int | None = None


class SeriesQuery(msgspec.Struct, frozen=True):
    """One field of one device in `[start, end)`, in buckets of `every_s` seconds (None: as measured)."""

    device: str
    field: str
    start: datetime
    end: datetime
    every_s: float | None = None
    aggregate: Aggregate = "mean"


class SeriesPoint(msgspec.Struct, frozen=True):
    """A bucket's start, or a reading's own time, and its value."""

    at: datetime
    value: Value


class EventQuery(msgspec.Struct, frozen=True):
    """Events in `[start, end)`, newest first; None leaves a filter open."""

    start: datetime
    end: datetime
    device: str | None = None
    kind: Kind | None = None
    types: tuple[str, ...] = ()
    limit: int = 100


class RunsQuery(msgspec.Struct, frozen=True):
    """When devices of a kind measured in `[start, end)`; pauses longer than `pause_s` part the runs of a device."""

    kind: Kind
    start: datetime
    end: datetime
    pause_s: float
    device: str | None = None


class MeasuredRun(msgspec.Struct, frozen=True, gc=False):
    """Times of the first and the last measurement between which a device made no long pause."""

    device: str
    first_at: datetime
    last_at: datetime


def runs_between(ends: MeasuredRun, pauses: Iterable[MeasuredRun]) -> Iterator[MeasuredRun]:
    """The runs that pauses leave between the first and the last measurement of a device, all in order of time."""
    first_at = ends.first_at
    for pause in pauses:
        yield MeasuredRun(ends.device, first_at, pause.first_at)
        first_at = pause.last_at
    yield MeasuredRun(ends.device, first_at, ends.last_at)


class StatusQuery(msgspec.Struct, frozen=True):
    """Statuses that arrived in `[start, end)`, of one kind, and of one device or all of it."""

    kind: Kind
    start: datetime
    end: datetime
    device: str | None = None


class StoredSequences(msgspec.Struct, frozen=True):
    """Stored data of one device and epoch: ranges of sequence numbers, rows, and rows beyond one per number."""

    device: str
    epoch: str = msgspec.field(name="boot")
    seqs: tuple[tuple[int, int], ...]
    rows: int
    duplicates: int


class TelemetryWriter(Protocol):
    """The writing port; called by one thread of ingest."""

    def committed_offsets(self) -> Ranges:
        """The journal offsets that are stored, as committed with the rows."""

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        """Store a batch and the committed offsets, all or nothing; may block on disk or network.

        A reading or event that is stored already (same device, epoch and seq) is counted and not stored again.

        Raises:
            RetryLaterError: Nothing was stored; send the same batch again.
            RowsRejectedError: Nothing was stored; some rows can never be, send the batch without them.
        """

    def forget_before(self, *, readings: datetime, events: datetime) -> int:
        """Delete what was measured before a time (retention of each class); return how many rows.

        Does nothing in a store whose database applies retention itself.
        """


class TelemetryReader(Protocol):
    """The reading port; may be called from any thread, never changes anything."""

    def latest(
        self, *, kind: Kind | None = None, device: str | None = None, changed_since: datetime | None = None
    ) -> list[Latest]:
        """Last values of each device, by device id; `changed_since` keeps those received after that time."""

    def series(self, query: SeriesQuery) -> list[SeriesPoint]:
        """Points in order of time, at most `MAX_POINTS`; empty buckets are absent.

        Raises:
            PayloadError: The field is not one of the contract's, or the query asks for more than `MAX_POINTS`.
        """

    def events(self, query: EventQuery) -> list[EventRecord]:
        """Events that match, newest first, at most `MAX_EVENTS`."""

    def span(self) -> tuple[datetime, datetime] | None:
        """Time of measurement of the oldest and the newest record (statuses: of arrival); None without records."""

    def export(self, start: datetime, end: datetime, *, device: str | None = None) -> Iterator[Record]:
        """Every record of `[start, end)` as it was written, in order of time; statuses by their arrival.

        `device` selects one device.
        """

    def measured_runs(self, query: RunsQuery) -> list[MeasuredRun]:
        """The runs of each device, by device, then by time. The caller asks for a day at once."""

    def measured_before(self, kind: Kind, before: datetime, *, device: str | None = None) -> list[MeasuredRun]:
        """The oldest and the newest measurement before a time of each device that has any, pauses or not."""

    def statuses(self, query: StatusQuery) -> list[StatusRecord]:
        """Statuses in the order of their arrival."""

    def answered_at(self, kind: Kind, device: str, *, measured_after: datetime, after: datetime) -> datetime | None:
        """When the first reading arrived after a time that was also measured after one; None without any."""

    def stored_sequences(self) -> list[StoredSequences]:
        """Stored data per device and epoch, counted from the rows themselves."""


class DerivedWriter(TelemetryReader, Protocol):
    """The port of derived points, of a store whose boards ask the database itself; called by one thread of ingest.

    A store that derives at each reading has none.
    """

    def write_derived(self, lines: Sequence[bytes], policy: Policy) -> None:
        """Store derived points, each a line of line protocol; the same point again changes nothing.

        Raises:
            RetryLaterError: The database is unavailable or busy.
            PayloadError: It rejects them, which is a bug of this program.
        """

    def last_states(self, now: datetime) -> list[dict[str, Any]]:
        """The newest `device_state` of each device within the last day, by column."""

    def events_since(self, types: Sequence[str], start: datetime) -> list[EventRecord]:
        """All events of some types since a time, oldest first, without a limit."""

    def roll_up(self, now: datetime) -> int:
        """Roll up stale windows that have ended; return how many.

        Raises:
            RetryLaterError: The database is unavailable or busy; what is left stays stale.
        """

    def rollups_waiting(self) -> int:
        """Number of stale windows, including those that have not ended."""


class Store(TelemetryWriter, TelemetryReader, Protocol):
    """Both ports, and the end of the store's life."""

    def close(self) -> None:
        """Flush, and close files and connections; nothing may be called afterwards."""


NUMERIC_FIELDS: Final = frozenset(field for kind in KINDS for field in fields_of(kind)) - {
    "fault_codes",
    "clients_by_radio",
    "clients_by_ssid",
    "scene",
}


def check_series(query: SeriesQuery) -> None:
    """Reject a series query that no store has to answer.

    Raises:
        PayloadError: The field is not a number or a flag of the contract, the range is empty, or there would be
            more than `MAX_POINTS` buckets.
    """
    if query.field not in NUMERIC_FIELDS:
        raise PayloadError(f"{query.field!r} is not a field with a series; one of {', '.join(sorted(NUMERIC_FIELDS))}")
    if query.start >= query.end:
        raise PayloadError("the range ends before it starts")
    if query.every_s is not None:
        if query.every_s < 1:
            raise PayloadError("a bucket is at least one second")
        buckets = (query.end - query.start).total_seconds() / query.every_s
        if buckets > MAX_POINTS:
            raise PayloadError(f"{buckets:.0f} buckets are more than {MAX_POINTS}; ask with a wider bucket")
