"""The embedded store: one DuckDB file, owned by one process; rows, seen sequences and offsets commit together."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import structlog

from broker.contract.topics import KINDS, Kind
from city.errors import ConfigError, RetryLaterError, RowsRejectedError
from city.storage.sqlite import SetAside
from ingest.store.dedup import SeenSequences, deduplicate_batch
from ingest.store.duckdb import presence as duck_presence
from ingest.store.duckdb import reader as duck_reader
from ingest.store.duckdb.columns import TABLES, Row, arrays_of, to_arrays, to_naive_utc, to_rows
from ingest.store.duckdb.repair import fault_of, inode_of, move_aside, rescue, save_open
from ingest.store.intervals import IntervalSet
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
from ingest.store.records import EventRecord, Record, StatusRecord
from ingest.store.reopening import StoreBrokenError

log = structlog.get_logger("store")

VERSION: Final = 3
"""Schema version; 1 had no table `meta`, up to 2 a row of `seen` was replaced, and offsets were in `drained`."""
OFFSETS_KEY: Final = ("", "")
"""Device and epoch of the rows of `seen` that hold committed offsets."""
SEEN_ROWS_MAX: Final = 20_000
"""Rows of `seen` that may be outdated: the newest of a key counts. Adding one costs a tenth of replacing it."""
_REFUSALS: Final = (duckdb.ConversionException, duckdb.ConstraintException, duckdb.InvalidInputException)
_PASSING: Final = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException)
"""Errors of a full disk or lack of memory: nothing was stored, and a retry may succeed."""


class DuckStore:
    """Owns the file; writes from one thread, reads from any."""

    def __init__(
        self,
        path: Path,
        *,
        memory_mb: int = 128,
        city: str = "",
        damage: str = "",
        on_set_aside: Callable[[SetAside], None] = lambda _: None,
    ) -> None:
        """Open or create the file and load its state; a damaged file is set aside, and what is readable is rescued.

        Args:
            path: The file; its folder is created.
            memory_mb: DuckDB's memory limit.
            city: City id of a new file.
            damage: Known damage of the file; it is repaired first.
            on_set_aside: Called whenever the file had to be written again.

        Raises:
            ConfigError: A newer version has written the file; nothing has changed.
            RetryLaterError: The file cannot be opened, for example because another process has it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._city = city
        self._on_set_aside = on_set_aside
        self._config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": f"{memory_mb}MB", "threads": 2}
        self._write_lock = threading.Lock()
        self._latest = LastValueCache()
        self._seen: SeenSequences = {}
        self._outdated = 0
        self._committed_offsets: Ranges = ()
        self._inode: tuple[int, int] | None = None
        self.is_new = False
        self.had_no_meta = False
        self.set_aside: SetAside | None = None
        self._db = self._open(damage)
        facts = dict(self._db.execute("SELECT name, value FROM meta").fetchall())
        self.life, self.city = str(facts["life"]), str(facts["city"])

    def _connect(self, path: Path) -> duckdb.DuckDBPyConnection:
        db = duckdb.connect(str(path), config=self._config)
        try:
            self._require_known(db)
            # Objects of text columns are text, whatever the first of them look like.
            db.execute("SET pandas_analyze_sample = 0")
            for table, columns in TABLES.items():
                body = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
                db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({body})")
                for name, type_ in columns.items():
                    db.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} {type_}")
            self._name(db)
        except BaseException:
            db.close()
            raise
        return db

    def _require_known(self, db: duckdb.DuckDBPyConnection) -> None:
        tables = {name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if "meta" not in tables:
            if tables:
                self.had_no_meta = True
                log.info("store.migrated", file=str(self._path), from_version=1, to_version=VERSION)
            return
        row = db.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
        if row and int(row[0]) > VERSION:
            raise ConfigError(
                f"{self._path}: has schema version {row[0]}, this program knows {VERSION}: install the version of Jaga "
                "Kota that wrote it, or a newer one; the file was not changed"
            )

    def _name(self, db: duckdb.DuckDBPyConnection) -> None:
        """Record the city and a random id in the file, by which a replaced file is recognised."""
        known = {name for (name,) in db.execute("SELECT name FROM meta").fetchall()}
        facts = {"life": secrets.token_hex(8), "city": self._city, "schema_version": str(VERSION)}
        for name, value in facts.items():
            if name not in known:
                db.execute("INSERT INTO meta VALUES (?, ?)", [name, value])
        db.execute("UPDATE meta SET value = ? WHERE name = 'schema_version' AND value <> ?", [str(VERSION)] * 2)

    def _open(self, damage: str = "") -> duckdb.DuckDBPyConnection:
        try:
            self._inode = None
            if damage:
                self._set_aside(rescue(self._path, self._connect, damage))
            if not self._path.exists():
                self._make()
            try:
                db = self._load()
            except duckdb.Error as exc:
                if fault_of(exc) != "damaged":
                    raise
                self._set_aside(rescue(self._path, self._connect, str(exc)))
                db = self._load()
        except (OSError, duckdb.Error) as exc:
            if fault_of(exc) == "newer":
                raise ConfigError(
                    f"{self._path}: a newer DuckDB has written it; the file was not changed: {exc}"
                ) from exc
            raise RetryLaterError(f"{self._path}: {exc}") from exc
        self._inode = inode_of(self._path)
        return db

    def _set_aside(self, set_aside: SetAside) -> None:
        self.set_aside = set_aside
        self._on_set_aside(set_aside)

    def _make(self) -> None:
        # DuckDB does not open a file whose first write was cut off: made elsewhere, it appears whole.
        made = self._path.with_name(f"{self._path.name}.new")
        wal = self._path.with_name(f"{self._path.name}.wal")
        for part in (made, made.with_name(f"{made.name}.wal")):
            part.unlink(missing_ok=True)
        if wal.exists():
            move_aside(self._path, "damaged")  # the log of a file that is gone
        self._connect(made).close()
        made.replace(self._path)
        self.is_new = True

    def _load(self) -> duckdb.DuckDBPyConnection:
        """Connect to the file and load seen sequences, committed offsets and last values into memory."""
        db = self._connect(self._path)
        try:
            rows = db.execute("SELECT device, boot, ranges FROM seen ORDER BY rowid").fetchall()
            newest = {(device, epoch): ranges for device, epoch, ranges in rows}
            self._outdated = len(rows) - len(newest)
            offsets = newest.pop(OFFSETS_KEY, None)
            self._seen = {key: IntervalSet(_ranges_of(ranges)) for key, ranges in newest.items()}
            self._committed_offsets = (
                tuple(db.execute("SELECT * FROM drained ORDER BY first_position").fetchall())
                if offsets is None
                else tuple(_ranges_of(offsets))
            )
            self._latest = LastValueCache()
            for latest in duck_reader.read_latest(db):
                self._latest.restore(latest)
        except BaseException:
            db.close()
            raise
        return db

    def committed_offsets(self) -> Ranges:
        """The journal offsets that were committed with their rows.

        Raises:
            StoreBrokenError: The file was deleted or replaced, and cannot be written again.
        """
        with self._write_lock:
            self._keep_file()
        return self._committed_offsets

    def seen_sequences(self) -> SeenSequences:
        """Device and epoch to the sequence numbers that are stored."""
        return self._seen

    def _keep_file(self) -> None:
        """Write the file again if it was deleted or replaced: the open connection still has its content."""
        if self._inode is None or inode_of(self._path) == self._inode:
            return
        try:
            self._set_aside(save_open(self._path, self._db, self._connect))
        except (OSError, duckdb.Error) as exc:
            raise RetryLaterError(f"{self._path} was deleted or replaced: {exc}") from exc
        self._db = self._open()

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        """Store the new records of a batch and the committed offsets in one transaction.

        Raises:
            RetryLaterError: Disk or memory does not suffice at the moment.
            RowsRejectedError: Some rows can never be stored.
        """
        with self._write_lock, self._translate_errors():
            self._keep_file()
            fresh, seen = deduplicate_batch(records, self._seen, self._latest)
            fresh = RecordBatch(self._without_known_states(fresh.records), fresh.columns)
            try:
                self._commit(fresh, seen, committed_offsets)
            except _REFUSALS as exc:
                if fault_of(exc) == "damaged":
                    raise
                if RecordBatch.of(records).columns:
                    # The caller writes it again without columns, and only then asks which rows.
                    raise RowsRejectedError(dict.fromkeys(range(len(records)), str(exc))) from exc
                raise RowsRejectedError(self._find_rejected(records, str(exc))) from exc
            self._seen.update(seen)
            self._committed_offsets = committed_offsets
            self._latest.update(fresh)
        return WriteResult(len(fresh), len(records) - len(fresh))

    def _without_known_states(self, fresh: Sequence[Record]) -> list[Record]:
        """Leave out statuses that are older than the newest and already stored: the journal may be drained again."""
        return [record for record in fresh if not (isinstance(record, StatusRecord) and self._has_state(record))]

    def _has_state(self, status: StatusRecord) -> bool:
        known = self._latest.find(kind=None, device=status.device, changed_since=None)
        if not known or known[0].state_at is None or status.received_at > known[0].state_at:
            return False
        statement = "SELECT 1 FROM statuses WHERE device = ? AND state = ? AND received_at = ? LIMIT 1"
        return (
            self._db.execute(statement, [status.device, status.state, to_naive_utc(status.received_at)]).fetchone()
            is not None
        )

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate DuckDB's errors: which may pass, and which require reopening or repairing the file."""
        try:
            yield
        except duckdb.ConnectionException as exc:
            raise RetryLaterError(f"duckdb: {exc}") from exc
        except duckdb.Error as exc:
            if fault_of(exc) == "damaged":
                raise StoreBrokenError(f"{self._path} is damaged: {exc}", damage=str(exc)) from exc
            if isinstance(exc, _PASSING):
                raise RetryLaterError(f"duckdb: {exc}") from exc
            if isinstance(exc, duckdb.FatalException):
                # After a failed checkpoint it refuses everything until the file is opened anew.
                raise StoreBrokenError(f"duckdb: {exc}") from exc
            raise

    def _commit(self, fresh: RecordBatch, seen: SeenSequences, committed_offsets: Ranges) -> None:
        is_compacted = self._outdated + len(seen) > SEEN_ROWS_MAX
        noted = {**self._seen, **seen} if is_compacted else seen
        rows = [(*key, _text_of(ranges)) for key, ranges in noted.items()]
        rows.append((*OFFSETS_KEY, _text_of(committed_offsets)))
        self._db.execute("BEGIN")
        try:
            for block in fresh.columns:
                self._insert_arrays(f"{block.kind}_telemetry", arrays_of(block))
            for table, records in to_rows(fresh.records).items():
                self._insert(table, records)
            if is_compacted:
                self._db.execute("DELETE FROM seen")
            self._insert("seen", rows)
            self._db.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise
        self._outdated = 0 if is_compacted else self._outdated + len(rows)

    def _insert(self, table: str, rows: Sequence[Row]) -> None:
        if rows:
            self._insert_arrays(table, to_arrays(table, rows))

    def _insert_arrays(self, table: str, arrays: dict[str, Any]) -> None:  # noqa: ARG002 - the query reads it
        # DuckDB finds `arrays` among our local variables: a view of it would cost as much as the rest of a small batch.
        self._db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM arrays")  # noqa: S608 - our own names

    def _rollback(self) -> None:
        try:
            self._db.execute("ROLLBACK")
        except duckdb.Error:
            return  # a failed COMMIT has ended the transaction already

    def _find_rejected(self, records: Sequence[Record], reason: str) -> dict[int, str]:
        """Index of each record that cannot be stored, by inserting one by one; all when each alone succeeds."""
        rejected: dict[int, str] = {}
        for index, record in enumerate(records):
            self._db.execute("BEGIN")
            try:
                for table, rows in to_rows([record]).items():
                    self._insert(table, rows)
            except _REFUSALS as exc:
                rejected[index] = str(exc)
            finally:
                self._rollback()
        return rejected or dict.fromkeys(range(len(records)), reason)

    def forget_before(self, *, readings: datetime, events: datetime) -> int:
        """Delete rows measured before a time; return how many.

        Raises:
            RetryLaterError: Disk or memory does not suffice at the moment.
        """
        with self._write_lock, self._translate_errors():
            gone = 0
            for table, before in (*((f"{kind}_telemetry", readings) for kind in KINDS), ("events", events)):
                row = self._db.execute(f"DELETE FROM {table} WHERE measured_at < ?", [to_naive_utc(before)]).fetchone()  # noqa: S608 - our own names
                gone += row[0] if row else 0
            return gone

    def latest(
        self, *, kind: Kind | None = None, device: str | None = None, changed_since: datetime | None = None
    ) -> list[Latest]:
        """Last values of each device, from memory."""
        return self._latest.find(kind=kind, device=device, changed_since=changed_since)

    def series(self, query: SeriesQuery) -> list[SeriesPoint]:
        """Points of one field."""
        known = self._latest.find(kind=None, device=query.device, changed_since=None)
        with self._translate_errors():
            return duck_reader.read_series(self._db.cursor(), query, known[0].kind if known else None)

    def events(self, query: EventQuery) -> list[EventRecord]:
        """Events that match, newest first."""
        with self._translate_errors():
            return duck_reader.read_events(self._db.cursor(), query)

    def span(self) -> tuple[datetime, datetime] | None:
        """Time of measurement of the oldest and the newest record."""
        with self._translate_errors():
            return duck_reader.read_span(self._db.cursor())

    def export(self, start: datetime, end: datetime, *, device: str | None = None) -> Iterator[Record]:
        """Every record of a range, in order of time."""
        with self._translate_errors():
            yield from duck_reader.read_all(self._db, start, end, device)

    def measured_runs(self, query: RunsQuery) -> list[MeasuredRun]:
        """The runs of each device."""
        with self._translate_errors():
            return duck_presence.read_runs(self._db.cursor(), query)

    def measured_before(self, kind: Kind, before: datetime, *, device: str | None = None) -> list[MeasuredRun]:
        """The oldest and the newest measurement before a time of each device."""
        with self._translate_errors():
            return duck_presence.read_before(self._db.cursor(), kind, before, device)

    def statuses(self, query: StatusQuery) -> list[StatusRecord]:
        """Statuses in the order of their arrival."""
        with self._translate_errors():
            return duck_presence.read_statuses(self._db.cursor(), query)

    def answered_at(self, kind: Kind, device: str, *, measured_after: datetime, after: datetime) -> datetime | None:
        """When the first reading arrived after a time."""
        with self._translate_errors():
            return duck_presence.read_answer(self._db.cursor(), kind, device, measured_after, after)

    def stored_sequences(self) -> list[StoredSequences]:
        """Sequence numbers per device and epoch, counted from the rows."""
        with self._translate_errors():
            return duck_reader.read_stored_sequences(self._db.cursor())

    @contextmanager
    def copying(self) -> Iterator[Callable[[Path], None]]:
        """Hold a snapshot; the function that is yielded writes it to a new file while writes go on.

        Raises:
            RetryLaterError: Disk or memory does not suffice at the moment.
        """
        with self._translate_errors(), closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN TRANSACTION")
            cursor.execute("SELECT count(*) FROM drained").fetchone()  # the first look, from which on it sees no other
            yield lambda path: copy_into(cursor, path)

    def close(self) -> None:
        """Checkpoint the write-ahead log and close the file."""
        with self._write_lock:
            self._db.close()


def _ranges_of(text: str) -> list[tuple[int, int]]:
    return msgspec.json.decode(text, type=list[tuple[int, int]])


def _text_of(ranges: Iterable[tuple[int, int]]) -> str:
    return msgspec.json.encode(list(ranges)).decode()


def copy_into(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Copy the snapshot of a transaction into a new file, table by table, within the store's memory limit."""
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
