"""How this project keeps things on disk that must survive a power cut: SQLite with every commit synced.

A torn tail of the write-ahead log is found by SQLite's checksums and cut off; every commit before it is whole. A
damaged main file (bad card, bad disk) is set aside, and what can still be read of it goes into a new one.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from broker.contract.errors import RetryLaterError

log = structlog.get_logger("disk")

BUSY_TIMEOUT_S: Final = 10.0
SPARE_PAGES: Final = 2_000
"""Free pages a file may keep for what comes next (8 MB)."""
_PARTS: Final = ("", "-wal", "-shm")


def open_durable(path: Path, schema: str) -> sqlite3.Connection:
    """Open or make a SQLite file whose commits are on disk when they return (WAL, synchronous=FULL).

    The caller guards the connection with a lock of its own; other processes may use the file too. Freed pages can be
    given back with `PRAGMA incremental_vacuum`.

    Args:
        path: The file; its folder is made.
        schema: `CREATE ... IF NOT EXISTS` statements.

    Raises:
        RetryLaterError: The disk is full, or the file cannot be opened just now.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open(path, schema)
    except (OSError, sqlite3.OperationalError) as exc:
        raise RetryLaterError(f"{path}: {exc}") from exc
    except sqlite3.DatabaseError as exc:
        return _rescue(path, schema, str(exc))


@contextmanager
def guarded(lock: threading.Lock, name: str) -> Iterator[None]:
    """Hold a file's lock; what the disk refuses meanwhile, to writers and on a full disk to readers, may pass.

    Raises:
        RetryLaterError: The disk refused.
    """
    try:
        with lock:
            yield
    except sqlite3.OperationalError as exc:
        raise RetryLaterError(f"{name}: {exc}") from exc


def kept_bytes(db: sqlite3.Connection) -> int:
    """Bytes that a file's used pages take; found without reading them."""
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def give_back(db: sqlite3.Connection) -> None:
    """Give free pages back to the disk once there are many: in a short step, so that commits need not wait for it."""
    if int(db.execute("PRAGMA freelist_count").fetchone()[0]) > SPARE_PAGES:
        # As a script: `execute` takes one step of it, which is one page.
        db.executescript(f"PRAGMA incremental_vacuum({SPARE_PAGES})")


def _open(path: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_TIMEOUT_S)
    try:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        # What is forgotten is overwritten: messages come with the addresses of people's phones.
        connection.execute("PRAGMA secure_delete=ON")
        connection.executescript(schema)
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except BaseException:
        connection.close()
        raise
    if verdict != "ok":
        connection.close()
        raise sqlite3.DatabaseError(verdict)
    return connection


def _rescue(path: Path, schema: str, reason: str) -> sqlite3.Connection:
    """Set a damaged file aside and copy what can be read of each table into a new one."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for part in _PARTS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + part).rename(aside.with_name(aside.name + part))
    fresh = _open(path, schema)
    rows = sum(_copy(aside, fresh, table) for table in _tables(fresh))
    log.error("disk.damaged", file=str(path), reason=reason, set_aside=str(aside), rows_rescued=rows)
    return fresh


def _tables(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def _copy(damaged: Path, fresh: sqlite3.Connection, table: str) -> int:
    """Rows of one table, first from the front up to the damage, then from the back down to it."""
    count = 0
    with contextlib.closing(sqlite3.connect(damaged)) as old, fresh:
        for direction in ("ASC", "DESC"):
            with contextlib.suppress(sqlite3.DatabaseError):
                # Without this, SQLite refuses a file that is shorter than its header says.
                old.execute("PRAGMA writable_schema=ON")
                order = "" if table == "sqlite_sequence" else f"ORDER BY rowid {direction}"
                for row in old.execute(f"SELECT * FROM {table} {order}"):  # noqa: S608 - our own tables
                    marks = ",".join("?" * len(row))
                    count += fresh.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row).rowcount  # noqa: S608
    return count
