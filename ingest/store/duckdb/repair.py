"""Repairs a damaged DuckDB file: recognises damage, and copies readable rows into a new file."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import duckdb
import msgspec
import structlog

from city.storage.sqlite import SetAside
from ingest.store.duckdb import reader as duck_reader
from ingest.store.duckdb.columns import TABLES, to_arrays

log = structlog.get_logger("store")

Connect = Callable[[Path], duckdb.DuckDBPyConnection]
"""Opens or creates a file with all its tables."""
Fault = Literal["damaged", "newer", "passing"]

ROW_GROUP: Final = 122_880
"""Rows of a DuckDB row group; a damaged block costs the rows of its group only."""
_DAMAGE: Final = (
    "corrupt",
    "not a valid duckdb",
    "could not read enough bytes",
    "checksum",
    "failure while replaying wal",
    "serialization error",
    "failed to deserialize",
    "unable to read",
)
_NEWER: Final = ("version number", "newer version", "newer duckdb", "storage version")
_COPIED: Final = tuple(table for table in TABLES if table not in ("seen", "drained", "meta"))


def fault_of(exc: BaseException) -> Fault:
    """Classify an error of DuckDB: a damaged file, a file of a newer version, or an error that may pass."""
    text = str(exc).lower()
    if any(words in text for words in _NEWER):
        return "newer"
    if isinstance(exc, duckdb.InternalException | duckdb.SerializationException):
        return "damaged"
    return "damaged" if any(words in text for words in _DAMAGE) else "passing"


def move_aside(path: Path, why: str) -> str:
    """Rename a file with its write-ahead log; return the new path."""
    aside = path.with_name(f"{path.name}.{why}-{time.time_ns()}")
    for source, target in ((path, aside), (_wal(path), _wal(aside))):
        with contextlib.suppress(FileNotFoundError):
            source.rename(target)
    return str(aside)


def rescue(path: Path, connect: Connect, reason: str) -> SetAside:
    """Copy the readable rows of a damaged file into a new one, then swap both.

    The new file has no committed offsets; its seen sequences are those of its rows.

    Raises:
        OSError: The disk refuses; the damaged file is unchanged.
        duckdb.Error: The same.
    """
    made = path.with_name(f"{path.name}.new")
    for part in (made, _wal(made)):
        part.unlink(missing_ok=True)
    fresh = connect(made)
    try:
        rows = _copy_readable(path, fresh)
        _note_seen(fresh)
    finally:
        fresh.close()
    aside = move_aside(path, "damaged")
    made.replace(path)
    log.error("store.damaged", file=str(path), reason=reason, set_aside=aside, rows_rescued=rows)
    return SetAside(str(path), reason, aside, rows)


def save_open(path: Path, db: duckdb.DuckDBPyConnection, connect: Connect) -> SetAside:
    """Write a deleted or replaced file again from the connection that still has it open.

    Raises:
        OSError: The disk refuses; the connection still holds everything.
        duckdb.Error: The same.
    """
    made = path.with_name(f"{path.name}.new")
    for part in (made, _wal(made)):
        part.unlink(missing_ok=True)
    connect(made).close()
    db.execute(f"ATTACH '{_quote(made)}' AS made")
    try:
        for table in TABLES:
            db.execute(f"DELETE FROM made.{table}")  # noqa: S608 - our own names
            db.execute(f"INSERT INTO made.{table} BY NAME SELECT * FROM {table}")  # noqa: S608 - our own names
    finally:
        db.execute("DETACH made")
    rows = sum(_count(db, table) for table in _COPIED)
    db.close()
    aside = move_aside(path, "foreign") if path.exists() or _wal(path).exists() else ""
    made.replace(path)
    log.error("store.file_gone", file=str(path), set_aside=aside, rows_kept=rows)
    return SetAside(str(path), "was deleted or replaced while it was in use", aside, rows)


def inode_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file at a path; None when there is none."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - as it is, without following anything of ours
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def _copy_readable(path: Path, fresh: duckdb.DuckDBPyConnection) -> int:
    """Copy every table, one row group at a time, skipping groups that cannot be read; return the row count."""
    count = 0
    for attempt in ("with its log", "without"):
        if attempt == "without":
            with contextlib.suppress(FileNotFoundError):
                _wal(path).rename(path.with_name(f"{path.name}.wal.damaged-{time.time_ns()}"))
        if not _attached(path, fresh):
            continue
        try:
            for table in _COPIED:
                count += _copy_table(fresh, table)
        finally:
            with contextlib.suppress(duckdb.Error):
                fresh.execute("DETACH damaged")
        break
    return count


def _attached(path: Path, fresh: duckdb.DuckDBPyConnection) -> bool:
    try:
        fresh.execute(f"ATTACH '{_quote(path)}' AS damaged (READ_ONLY)")
    except duckdb.Error as exc:
        if fault_of(exc) != "damaged":
            raise
        log.warning("store.unreadable", file=str(path), reason=str(exc))
        return False
    return True


def _copy_table(fresh: duckdb.DuckDBPyConnection, table: str) -> int:
    count, first = 0, 0
    try:
        columns = {row[0] for row in fresh.execute(f"DESCRIBE damaged.{table}").fetchall()}
        total = fresh.execute(f"SELECT max(rowid) FROM damaged.{table}").fetchone()  # noqa: S608 - our own names
    except duckdb.Error:
        return 0
    last = total[0] if total and total[0] is not None else -1
    names = ", ".join(name for name in TABLES[table] if name in columns)
    while first <= last:
        where = f"rowid >= {first} AND rowid < {first + ROW_GROUP}"
        with contextlib.suppress(duckdb.Error):
            fresh.execute(f"INSERT INTO {table} BY NAME SELECT {names} FROM damaged.{table} WHERE {where}")  # noqa: S608 - our own names
        first += ROW_GROUP
    return count + _count(fresh, table)


def _count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    row = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own names
    return int(row[0]) if row else 0


def _note_seen(fresh: duckdb.DuckDBPyConnection) -> None:
    rows = [
        (sequences.device, sequences.epoch, msgspec.json.encode(sequences.seqs).decode())
        for sequences in duck_reader.read_stored_sequences(fresh)
    ]
    if rows:
        fresh.register("lives", to_arrays("seen", rows))
        fresh.execute("INSERT INTO seen BY NAME SELECT * FROM lives")


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _quote(path: Path) -> str:
    return str(path).replace("'", "''")
