"""The embedded store: one DuckDB file, owned by one process; rows, seen seqs and journal position commit together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import msgspec

from broker.contract.errors import RetryLaterError, RowsRejectedError
from broker.contract.topics import KINDS, Kind
from ingest.store import duck_reader
from ingest.store.duck_columns import TABLES, Row, to_arrays, to_rows
from ingest.store.intervals import IntervalSet
from ingest.store.latest import LatestBoard
from ingest.store.port import EventQuery, Latest, Ledger, Point, Ranges, SeriesQuery, Written
from ingest.store.records import EventRecord, Record
from ingest.store.seen import Seen, fresh_of

_REFUSALS: Final = (duckdb.ConversionException, duckdb.ConstraintException, duckdb.InvalidInputException)
_PASSING: Final = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException)
"""No space, no memory: nothing was stored, and later it may be."""


class DuckStore:
    """Owns the file; writes from one thread, reads from any."""

    def __init__(self, path: Path, *, memory_mb: int = 128) -> None:
        """Open or make the file and take in what it knows.

        Raises:
            RetryLaterError: The file cannot be opened, for example because another process has it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": f"{memory_mb}MB", "threads": 2}
        self._write_lock = threading.Lock()
        self._latest = LatestBoard()
        self._seen: Seen = {}
        self._drained: Ranges = ()
        self._db = self._open()

    def _connect(self, path: Path) -> duckdb.DuckDBPyConnection:
        db = duckdb.connect(str(path), config=self._config)
        # Objects of text columns are text, whatever the first of them look like.
        db.execute("SET pandas_analyze_sample = 0")
        for table, columns in TABLES.items():
            body = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
            db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({body})")
            for name, type_ in columns.items():
                db.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} {type_}")
        return db

    def _open(self) -> duckdb.DuckDBPyConnection:
        try:
            if not self._path.exists():
                # DuckDB does not open a file whose first write was cut off: made elsewhere, it appears whole.
                made = self._path.with_name(f"{self._path.name}.new")
                for part in (made, made.with_name(f"{made.name}.wal")):
                    part.unlink(missing_ok=True)
                self._connect(made).close()
                made.replace(self._path)
            db = self._connect(self._path)
        except _PASSING as exc:
            raise RetryLaterError(f"{self._path}: {exc}") from exc
        self._seen = {
            (device, boot): IntervalSet(msgspec.json.decode(ranges, type=list[tuple[int, int]]))
            for device, boot, ranges in db.execute("SELECT device, boot, ranges FROM seen").fetchall()
        }
        self._drained = tuple(db.execute("SELECT * FROM drained ORDER BY first_position").fetchall())
        for latest in duck_reader.read_latest(db):
            self._latest.restore(latest)
        return db

    def drained(self) -> Ranges:
        """The journal positions that were committed with their rows."""
        return self._drained

    def write(self, records: Sequence[Record], drained: Ranges) -> Written:
        """Store what is new of a batch, with the positions, in one transaction.

        Raises:
            RetryLaterError: The disk or the memory does not suffice just now.
            RowsRejectedError: Some rows can never be stored.
        """
        with self._write_lock, self._passing_translated():
            fresh, seen = fresh_of(records, self._seen, self._latest)
            try:
                self._commit(fresh, seen, drained)
            except _REFUSALS as exc:
                raise RowsRejectedError(self._refused(records, str(exc))) from exc
            self._seen.update(seen)
            self._drained = drained
            self._latest.absorb(fresh)
        return Written(len(fresh), len(records) - len(fresh))

    @contextmanager
    def _passing_translated(self) -> Iterator[None]:
        try:
            yield
        except _PASSING as exc:
            raise RetryLaterError(f"duckdb: {exc}") from exc
        except duckdb.FatalException as exc:
            # After a failed checkpoint it refuses everything until the file is opened anew.
            self._db.close()
            self._db = self._open()
            raise RetryLaterError(f"duckdb: {exc}") from exc

    def _commit(self, fresh: Sequence[Record], seen: Seen, drained: Ranges) -> None:
        touched = [(*key, msgspec.json.encode(list(ranges)).decode()) for key, ranges in seen.items()]
        self._db.execute("BEGIN")
        try:
            for table, rows in to_rows(fresh).items():
                self._insert(table, rows)
            if touched:
                replaced = to_arrays("seen", touched)
                self._db.register("replaced", replaced)
                self._db.execute("DELETE FROM seen WHERE (device, boot) IN (SELECT (device, boot) FROM replaced)")
                self._db.execute("INSERT INTO seen BY NAME SELECT * FROM replaced")
            self._db.execute("DELETE FROM drained")
            self._insert("drained", drained)
            self._db.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise

    def _insert(self, table: str, rows: Sequence[Row]) -> None:
        if rows:
            self._db.register("arrays", to_arrays(table, rows))
            self._db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM arrays")  # noqa: S608 - our own names

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
                for table, rows in to_rows([record]).items():
                    self._insert(table, rows)
            except _REFUSALS as exc:
                refused[index] = str(exc)
            finally:
                self._rollback()
        return refused or dict.fromkeys(range(len(records)), reason)

    def forget_before(self, *, readings: datetime, events: datetime) -> int:
        """Delete rows measured before a time; how many went.

        Raises:
            RetryLaterError: The disk or the memory does not suffice just now.
        """
        with self._write_lock, self._passing_translated():
            gone = 0
            for table, before in (*((f"{kind}_telemetry", readings) for kind in KINDS), ("events", events)):
                row = self._db.execute(f"DELETE FROM {table} WHERE measured_at < ?", [_naive(before)]).fetchone()  # noqa: S608 - our own names
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

    def span(self) -> tuple[datetime, datetime] | None:
        """When the oldest and the newest record were measured."""
        return duck_reader.read_span(self._db.cursor())

    def export(self, start: datetime, end: datetime, *, device: str | None = None) -> Iterator[Record]:
        """Every record of a range, in order of time."""
        return duck_reader.read_all(self._db, start, end, device)

    def ledger(self) -> list[Ledger]:
        """Counted from the rows."""
        return duck_reader.read_ledger(self._db.cursor())

    @contextmanager
    def copying(self) -> Iterator[Callable[[Path], None]]:
        """Keep the store as it is now in sight; what is given writes that into a new file, while writes go on.

        Raises:
            RetryLaterError: The disk or the memory does not suffice just now.
        """
        with self._passing_translated(), closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN TRANSACTION")
            cursor.execute("SELECT count(*) FROM drained").fetchone()  # the first look, from which on it sees no other
            yield lambda path: copy_into(cursor, path)

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        with self._write_lock:
            self._db.close()


def copy_into(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write all that a transaction sees into a new file, table by table; memory stays within the store's limit."""
    name = f"copy_{path.parent.parent.name}_{path.stem}"
    (source,) = cursor.execute("SELECT current_database()").fetchone() or ("",)
    cursor.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS \"{name}\"")
    try:
        cursor.execute(f'COPY FROM DATABASE "{source}" TO "{name}"')
        cursor.execute("COMMIT")
    finally:
        for statement in ("ROLLBACK", f'DETACH "{name}"'):
            with suppress(duckdb.Error):  # a failed COMMIT has ended the transaction and let go of the file
                cursor.execute(statement)


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
