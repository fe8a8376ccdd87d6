"""The embedded store: one DuckDB file, owned by one process; rows, seen seqs and journal position commit together."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from broker.contract.errors import RetryLaterError, RowsRejectedError
from broker.contract.topics import KINDS, Kind
from ingest.store import duck_reader
from ingest.store.intervals import IntervalSet
from ingest.store.latest import LatestBoard
from ingest.store.port import EventQuery, Latest, Ledger, Point, SeriesQuery, Written
from ingest.store.records import EventRecord, Origin, Reading, Record, StatusRecord
from ingest.store.schema import COLUMNS, ColumnType

SEEN_RANGES_MAX: Final = 1_024
"""Ranges of seqs remembered per outbox life; native devices need a handful, foreign ones one per message."""

_SQL_TYPES: Final[dict[ColumnType, str]] = {
    "number": "DOUBLE",
    "integer": "BIGINT",
    "flag": "BOOLEAN",
    "text": "VARCHAR",
}
_ORIGIN: Final[dict[str, str]] = {
    "device": "VARCHAR",
    "boot": "VARCHAR",
    "seq": "BIGINT",
    "measured_at": "TIMESTAMP",
    "received_at": "TIMESTAMP",
    "device_at": "TIMESTAMP",
    "quality": "VARCHAR",
}
_TABLES: Final[dict[str, dict[str, str]]] = {
    **{f"{kind}_telemetry": {**_ORIGIN, **{f: _SQL_TYPES[t] for f, t in COLUMNS[kind].items()}} for kind in KINDS},
    "events": {"kind": "VARCHAR", **_ORIGIN, "type": "VARCHAR", "state": "VARCHAR", "detail": "VARCHAR"},
    "statuses": {
        "kind": "VARCHAR",
        "device": "VARCHAR",
        "state": "VARCHAR",
        "said_at": "TIMESTAMP",
        "received_at": "TIMESTAMP",
        "reason": "VARCHAR",
        "next_s": "DOUBLE",
        "firmware": "VARCHAR",
        "model": "VARCHAR",
    },
    "seen": {"device": "VARCHAR", "boot": "VARCHAR", "ranges": "VARCHAR"},
    "progress": {"position": "BIGINT"},
}

_REFUSALS: Final = (duckdb.ConversionException, duckdb.ConstraintException, duckdb.InvalidInputException)

Seen = dict[tuple[str, str], IntervalSet]


class DuckStore:
    """Owns the file; writes from one thread, reads from any."""

    def __init__(self, path: Path, *, memory_mb: int = 128) -> None:
        """Open or make the file and take in what it knows.

        Raises:
            RetryLaterError: The file cannot be opened, for example because another process has it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = duckdb.connect(str(path), config={"memory_limit": f"{memory_mb}MB", "threads": 2})
        except duckdb.IOException as exc:
            raise RetryLaterError(f"{path}: {exc}") from exc
        self._write_lock = threading.Lock()
        for table, columns in _TABLES.items():
            body = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
            self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({body})")
        self._seen: Seen = {
            (device, boot): IntervalSet(msgspec.json.decode(ranges, type=list[tuple[int, int]]))
            for device, boot, ranges in self._db.execute("SELECT device, boot, ranges FROM seen").fetchall()
        }
        row = self._db.execute("SELECT max(position) FROM progress").fetchone()
        self._position: int = (row and row[0]) or 0
        self._latest = LatestBoard()
        for latest in duck_reader.read_latest(self._db):
            self._latest.restore(latest)

    def position(self) -> int:
        """The journal position that was committed with the rows."""
        return self._position

    def write(self, records: Sequence[Record], position: int) -> Written:
        """Store what is new of a batch, with the position, in one transaction.

        Raises:
            RetryLaterError: The disk or the memory does not suffice just now.
            RowsRejectedError: Some rows can never be stored.
        """
        with self._write_lock:
            fresh, seen = self._fresh(records)
            try:
                self._commit(fresh, seen, position)
            except _REFUSALS as exc:
                raise RowsRejectedError(self._refused(records, str(exc))) from exc
            except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException) as exc:
                raise RetryLaterError(f"duckdb: {exc}") from exc
            self._seen.update(seen)
            self._position = position
            self._latest.absorb(fresh)
        return Written(len(fresh), len(records) - len(fresh))

    def _fresh(self, records: Iterable[Record]) -> tuple[list[Record], Seen]:
        """Records not stored yet, and the seen seqs of the lives they touch as they will be afterwards."""
        fresh: list[Record] = []
        seen: Seen = {}
        for record in records:
            if isinstance(record, StatusRecord):
                if self._latest.is_news(record):
                    fresh.append(record)
                continue
            key = (record.origin.device, record.origin.boot)
            if key not in seen:
                seen[key] = IntervalSet(self._seen.get(key, ()))
            if seen[key].add(record.origin.seq):
                fresh.append(record)
        for ranges in seen.values():
            ranges.forget_below(SEEN_RANGES_MAX)
        return fresh, seen

    def _commit(self, fresh: Sequence[Record], seen: Seen, position: int) -> None:
        self._db.execute("BEGIN")
        try:
            for table, rows in _rows_by_table(fresh).items():
                self._insert(table, rows)
            self._db.execute(
                "DELETE FROM seen WHERE (device, boot) IN (SELECT (unnest(?::VARCHAR[]), unnest(?::VARCHAR[])))",
                [[device for device, _ in seen], [boot for _, boot in seen]],
            )
            self._insert("seen", [(*key, msgspec.json.encode(list(ranges)).decode()) for key, ranges in seen.items()])
            self._db.execute("DELETE FROM progress")
            self._insert("progress", [(position,)])
            self._db.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        types = _TABLES[table].values()
        columns = ", ".join(f"unnest(?::{type_}[])" for type_ in types)
        self._db.execute(f"INSERT INTO {table} SELECT {columns}", [list(c) for c in zip(*rows, strict=True)])

    def _rollback(self) -> None:
        try:
            self._db.execute("ROLLBACK")
        except duckdb.Error:
            return  # a failed COMMIT has ended the transaction already

    def _refused(self, records: Sequence[Record], reason: str) -> dict[int, str]:
        """Which records cannot be stored, tried one by one; all of them when each alone would do."""
        refused: dict[int, str] = {}
        for index, record in enumerate(records):
            self._db.execute("BEGIN")
            try:
                for table, rows in _rows_by_table([record]).items():
                    self._insert(table, rows)
            except _REFUSALS as exc:
                refused[index] = str(exc)
            finally:
                self._rollback()
        return refused or dict.fromkeys(range(len(records)), reason)

    def forget_before(self, time: datetime) -> int:
        """Delete rows measured before a time."""
        before = _naive(time)
        with self._write_lock:
            gone = 0
            for table, column in (*((f"{k}_telemetry", "measured_at") for k in KINDS), ("events", "measured_at")):
                row = self._db.execute(f"DELETE FROM {table} WHERE {column} < ?", [before]).fetchone()  # noqa: S608 - our own names
                gone += row[0] if row else 0
            return gone

    def latest(
        self, *, kind: Kind | None = None, device: str | None = None, changed_since: datetime | None = None
    ) -> list[Latest]:
        """The newest of each device, from memory."""
        return self._latest.find(kind=kind, device=device, changed_since=changed_since)

    def series(self, query: SeriesQuery) -> list[Point]:
        """Points of one field."""
        known = self._latest.find(kind=None, device=query.device, changed_since=None)
        return duck_reader.read_series(self._db.cursor(), query, known[0].kind if known else None)

    def events(self, query: EventQuery) -> list[EventRecord]:
        """Events that match, newest first."""
        return duck_reader.read_events(self._db.cursor(), query)

    def ledger(self) -> list[Ledger]:
        """Counted from the rows."""
        return duck_reader.read_ledger(self._db.cursor())

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        with self._write_lock:
            self._db.close()


def _rows_by_table(records: Iterable[Record]) -> dict[str, list[tuple[Any, ...]]]:
    tables: dict[str, list[tuple[Any, ...]]] = {}
    for record in records:
        if isinstance(record, Reading):
            table = f"{record.origin.kind}_telemetry"
            row = (*_origin(record.origin), *(record.values.get(field) for field in COLUMNS[record.origin.kind]))
        elif isinstance(record, EventRecord):
            table = "events"
            detail = msgspec.json.encode(record.detail).decode()
            row = (record.origin.kind, *_origin(record.origin), record.type, record.state, detail)
        else:
            table = "statuses"
            at = _naive(record.at) if record.at else None
            row = (record.kind, record.device, record.state, at, _naive(record.received_at), record.reason)
            row = (*row, record.next_s, record.firmware, record.model)
        tables.setdefault(table, []).append(row)
    return tables


def _origin(origin: Origin) -> tuple[Any, ...]:
    device_at = _naive(origin.device_at) if origin.device_at else None
    times = (_naive(origin.measured_at), _naive(origin.received_at), device_at)
    return (origin.device, origin.boot, origin.seq, *times, " ".join(origin.quality))


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
