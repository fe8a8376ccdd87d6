"""A store in memory, for tests: the simplest implementation of the port."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.contract.topics import Kind
from ingest.store.intervals import IntervalSet
from ingest.store.latest import LastValueCache
from ingest.store.port import (
    MAX_EVENTS,
    Aggregate,
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
    check_series,
)
from ingest.store.records import EventRecord, Reading, Record, StatusRecord, Value, device_of, time_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_AGGREGATES: Final[dict[Aggregate, Callable[[list[float]], float]]] = {
    "mean": statistics.fmean,
    "min": min,
    "max": max,
    "last": lambda values: values[-1],
    "sum": sum,
    "count": len,
}


class MemoryStore:
    """Keeps every record in a list, until the process ends."""

    def __init__(self) -> None:
        self._records: list[Reading | EventRecord] = []
        self._states: list[StatusRecord] = []
        self._seen: defaultdict[tuple[str, str], IntervalSet] = defaultdict(IntervalSet)
        self._committed_offsets: Ranges = ()
        self._latest = LastValueCache()

    def committed_offsets(self) -> Ranges:
        """The committed offsets of the last write."""
        return self._committed_offsets

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        """Store the records that are new."""
        fresh: list[Record] = []
        for record in records:
            if isinstance(record, StatusRecord):
                if self._latest.is_change(record):
                    fresh.append(record)
                    self._states.append(record)
                    self._latest.update([record])
            elif self._seen[record.origin.device, record.origin.epoch].add(record.origin.seq):
                fresh.append(record)
                self._records.append(record)
                self._latest.update([record])
        self._committed_offsets = committed_offsets
        return WriteResult(len(fresh), len(records) - len(fresh))

    def forget_before(self, *, readings: datetime, events: datetime) -> int:
        """Delete what was measured before a time."""
        kept = [
            record
            for record in self._records
            if record.origin.measured_at >= (readings if isinstance(record, Reading) else events)
        ]
        gone = len(self._records) - len(kept)
        self._records = kept
        return gone

    def latest(
        self, *, kind: Kind | None = None, device: str | None = None, changed_since: datetime | None = None
    ) -> list[Latest]:
        """Last values of each device."""
        return self._latest.find(kind=kind, device=device, changed_since=changed_since)

    def series(self, query: SeriesQuery) -> list[SeriesPoint]:
        """Points of one field, in buckets counted from the epoch."""
        check_series(query)
        samples = sorted(
            (r.origin.measured_at, r.values[query.field])
            for r in self._records
            if isinstance(r, Reading)
            and r.origin.device == query.device
            and query.field in r.values
            and query.start <= r.origin.measured_at < query.end
        )
        if query.every_s is None:
            return [SeriesPoint(at, value) for at, value in samples]
        return _to_buckets(samples, query.every_s, query.aggregate)

    def events(self, query: EventQuery) -> list[EventRecord]:
        """Events that match, newest first."""
        matching = [
            r
            for r in self._records
            if isinstance(r, EventRecord)
            and query.start <= r.origin.measured_at < query.end
            and query.device in (None, r.origin.device)
            and query.kind in (None, r.origin.kind)
            and (not query.types or r.type in query.types)
        ]
        matching.sort(key=lambda r: (r.origin.measured_at, r.origin.seq), reverse=True)
        return matching[: min(query.limit, MAX_EVENTS)]

    def span(self) -> tuple[datetime, datetime] | None:
        """Time of measurement of the oldest and the newest record."""
        times = [time_of(record) for record in (*self._records, *self._states)]
        return (min(times), max(times)) if times else None

    def export(self, start: datetime, end: datetime, *, device: str | None = None) -> Iterator[Record]:
        """Every record of a range, in order of time."""
        records = (
            record
            for record in (*self._records, *self._states)
            if start <= time_of(record) < end and device in (None, device_of(record))
        )
        return iter(sorted(records, key=time_of))

    def measured_runs(self, query: RunsQuery) -> list[MeasuredRun]:
        """The runs of each device."""
        runs: list[MeasuredRun] = []
        for device, times in self._times_of(query.kind, query.device, query.start, query.end).items():
            for at in times:
                if runs and runs[-1].device == device and (at - runs[-1].last_at).total_seconds() <= query.pause_s:
                    runs[-1] = MeasuredRun(device, runs[-1].first_at, at)
                else:
                    runs.append(MeasuredRun(device, at, at))
        return runs

    def measured_before(self, kind: Kind, before: datetime, *, device: str | None = None) -> list[MeasuredRun]:
        """The oldest and the newest measurement before a time of each device."""
        times_by_device = self._times_of(kind, device, _EPOCH, before)
        return [MeasuredRun(device, times[0], times[-1]) for device, times in times_by_device.items()]

    def _times_of(self, kind: Kind, device: str | None, start: datetime, end: datetime) -> dict[str, list[datetime]]:
        """Sorted times of measurement by device."""
        times: defaultdict[str, list[datetime]] = defaultdict(list)
        for record in self._records:
            origin = record.origin
            is_wanted = isinstance(record, Reading) and origin.kind == kind and device in (None, origin.device)
            if is_wanted and start <= origin.measured_at < end:
                times[origin.device].append(origin.measured_at)
        return {device: sorted(known) for device, known in sorted(times.items())}

    def statuses(self, query: StatusQuery) -> list[StatusRecord]:
        """Statuses in the order of their arrival."""
        wanted = (
            status
            for status in self._states
            if status.kind == query.kind
            and query.device in (None, status.device)
            and query.start <= status.received_at < query.end
        )
        return sorted(wanted, key=lambda status: status.received_at)

    def answered_at(self, kind: Kind, device: str, *, measured_after: datetime, after: datetime) -> datetime | None:
        """When the first reading arrived after a time."""
        times = (
            record.origin.received_at
            for record in self._records
            if isinstance(record, Reading)
            and (record.origin.kind, record.origin.device) == (kind, device)
            and record.origin.measured_at > measured_after
            and record.origin.received_at > after
        )
        return min(times, default=None)

    def stored_sequences(self) -> list[StoredSequences]:
        """Sequence numbers per device and epoch, counted from the records."""
        rows: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for record in self._records:
            rows[record.origin.device, record.origin.epoch].append(record.origin.seq)
        return [
            StoredSequences(
                device, epoch, tuple(IntervalSet((s, s) for s in seqs)), len(seqs), len(seqs) - len(set(seqs))
            )
            for (device, epoch), seqs in sorted(rows.items())
        ]

    def close(self) -> None:
        """Do nothing; there are no resources."""


def _to_buckets(samples: list[tuple[datetime, Value]], every_s: float, aggregate: Aggregate) -> list[SeriesPoint]:
    buckets: defaultdict[int, list[float]] = defaultdict(list)
    for at, value in samples:
        buckets[int((at - _EPOCH).total_seconds() // every_s)].append(float(value))
    return [
        SeriesPoint(_EPOCH + timedelta(seconds=index * every_s), _AGGREGATES[aggregate](values))
        for index, values in sorted(buckets.items())
    ]
