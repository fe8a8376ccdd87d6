"""Durable SQLite files: every commit is synced, so that it survives a power cut.

SQLite finds a torn tail of the write-ahead log by its checksums and cuts it off; every commit before it is complete. A
damaged main file (bad card, bad disk) is set aside, and its readable rows are copied into a new one. A file that is
deleted or replaced under a running process is rewritten from the connection that is still open.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import structlog

from city.errors import ConfigError, StorageError
from city.storage.file_lock import file_lock

log = structlog.get_logger("disk")

BUSY_TIMEOUT_S: Final = 10.0
SPARE_PAGES: Final = 2_000
"""Free pages that a file may keep for later rows (8 MB)."""
APPLICATION_ID: Final = 0x4B4F5441
"""`KOTA` in ASCII: in the header of every SQLite file of this project."""
_PARTS: Final = ("", "-wal", "-shm")
_IDENTITY: Final = "CREATE TABLE IF NOT EXISTS identity (life TEXT NOT NULL)"


class SetAside(msgspec.Struct, frozen=True):
    """A file that could not be used: the reason, its new path (empty if it is gone), and the number of rescued rows."""

    file: str
    reason: str
    aside: str
    rows: int


class DurableConnection(sqlite3.Connection):
    """A connection that knows its file: `life` identifies it, `set_aside` is the file from which it was rescued."""

    path: Path
    schema: str
    version: int
    inode: tuple[int, int]
    wal_inode: tuple[int, int] | None
    life: str
    is_new: bool
    set_aside: SetAside | None = None

    def close(self) -> None:
        """Checkpoint the write-ahead log if no other connection needs it, and close."""
        is_empty = False
        with contextlib.suppress(sqlite3.Error):
            is_empty = truncate_wal(self)
        super().close()
        if hasattr(self, "path") and (is_empty or not _wal_path(self.path).exists()):
            with contextlib.suppress(OSError):
                _open_mark_path(self.path).unlink(missing_ok=True)


def open_durable(
    path: Path, schema: str, *, version: int = 1, migrations: Mapping[int, str] | None = None
) -> DurableConnection:
    """Open or make a SQLite file whose commits are on disk when they return (WAL, synchronous=FULL).

    The caller protects the connection with a lock; other processes may use the file too. Freed pages are returned with
    `PRAGMA incremental_vacuum`.

    Args:
        path: The file; its folder is made.
        schema: `CREATE ... IF NOT EXISTS` statements of the newest version.
        version: Of the schema; a file that says none (0) is of version 1.
        migrations: Version to the statements that make the next one of it, run after the schema.

    Raises:
        ConfigError: A newer version of this program has written the file; nothing has changed.
        StorageError: The disk is full, or the file cannot be opened just now.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _has_only_wal(path):
            return _open(path, schema, version, migrations or {})
        # SQLite would delete a log without its file.
        return _rescue(path, schema, version, "the file is gone or empty, its write-ahead log is there")
    except (OSError, sqlite3.OperationalError) as exc:
        raise StorageError(f"{path}: {exc}") from exc
    except sqlite3.DatabaseError as exc:
        reason = str(exc)
    try:
        return _rescue(path, schema, version, reason)
    except (OSError, sqlite3.OperationalError) as exc:
        raise StorageError(f"{path}: {exc}") from exc


@contextmanager
def guard(lock: threading.Lock, name: str) -> Iterator[None]:
    """Hold a file's lock; a refusal of the disk meanwhile is an error that may pass.

    Raises:
        StorageError: The disk refused.
    """
    try:
        with lock:
            yield
    except sqlite3.OperationalError as exc:
        raise StorageError(f"{name}: {exc}") from exc


def reopen_if_replaced(db: DurableConnection) -> DurableConnection:
    """Check that a connection's file and log are in place; returns it, or a new one with the same content.

    Another process may have rewritten the file already; any other file in its place is set aside.

    Raises:
        StorageError: The disk refuses; the connection still holds everything.
    """
    is_there = _inode(db.path) == db.inode
    if is_there and _inode(_wal_path(db.path)) == db.wal_inode:
        return db
    try:
        if is_there:
            return _renew_wal(db)
        with _repair_lock(db.path):
            reopened = _reopen(db)
            if reopened is not None:
                reopened.set_aside = db.set_aside
                db.close()
                return reopened
            # Its log is that of our connection, and is in the file that is written anew.
            aside = _move_aside(db.path, "foreign", parts=("",)) if db.path.exists() else ""
            return _rewrite(db, aside)
    except (OSError, sqlite3.Error) as exc:
        raise StorageError(f"{db.path}: {exc}") from exc


def used_bytes(db: sqlite3.Connection) -> int:
    """Bytes of a file's used pages, determined without reading them."""
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def vacuum(db: sqlite3.Connection) -> None:
    """Return free pages to the disk once there are many: in a short step, so that commits do not wait long."""
    if int(db.execute("PRAGMA freelist_count").fetchone()[0]) > SPARE_PAGES:
        # As a script: `execute` takes one step of it, which is one page.
        db.executescript(f"PRAGMA incremental_vacuum({SPARE_PAGES})")


def truncate_wal(db: sqlite3.Connection) -> bool:
    """Truncate the write-ahead log: deleted rows still stand in it. Never waits.

    Returns:
        False while another reader or writer needs the log; try again later.
    """
    db.execute("PRAGMA busy_timeout=0")
    try:
        busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    finally:
        db.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1_000)}")
    return not busy


def _open(path: Path, schema: str, version: int, migrations: Mapping[int, str]) -> DurableConnection:
    is_new = _size(path) == 0
    log_is_gone = not is_new and _open_mark_path(path).exists() and not _wal_path(path).exists()
    db = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_TIMEOUT_S, factory=DurableConnection)
    try:
        _require_known(db, path, version)
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        # What is forgotten is overwritten: messages come with the addresses of people's phones.
        db.execute("PRAGMA secure_delete=ON")
        _migrate(db, path, schema, version, migrations)
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)  # noqa: TRY301 - closed below like every other failure
        db.path, db.schema, db.version, db.is_new = path, schema, version, is_new
        db.inode, db.wal_inode = _inode(path) or (0, 0), _inode(_wal_path(path))
        db.life = str(db.execute("SELECT life FROM identity").fetchone()[0])
        _open_mark_path(path).touch()
        if log_is_gone:
            db.set_aside = SetAside(str(path), "its write-ahead log is gone, with what was written last", "", 0)
            log.error("disk.log_gone", file=str(path))
    except BaseException:
        db.close()
        raise
    return db


def _require_known(db: sqlite3.Connection, path: Path, version: int) -> None:
    file_version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if file_version > version:
        raise ConfigError(
            f"{path}: has schema version {file_version}, this program knows {version}: install the version of "
            "Jaga Kota that wrote it, or a newer one; the file was not changed"
        )


def _migrate(db: sqlite3.Connection, path: Path, schema: str, version: int, migrations: Mapping[int, str]) -> None:
    """Create what is missing, and bring an older file to the newest version step by step."""
    file_version = int(db.execute("PRAGMA user_version").fetchone()[0])
    is_old = bool(_tables(db)) and file_version < version
    db.executescript(f"{schema};{_IDENTITY};")
    with db:
        db.execute("INSERT INTO identity SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)", (secrets.token_hex(8),))
    if is_old:
        for step in range(max(file_version, 1), version):
            db.executescript(f"BEGIN;{migrations.get(step, '')};PRAGMA user_version={step + 1};COMMIT")
        log.info("disk.migrated", file=str(path), from_version=file_version, to_version=version)
    if file_version != version:
        db.execute(f"PRAGMA user_version={version}")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _wal_path(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _open_mark_path(path: Path) -> Path:
    """A file that exists from the first opening until the write-ahead log is empty.

    SQLite takes a file without its log for one that was closed properly.
    """
    return path.with_name(f"{path.name}-open")


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def _reopen(db: DurableConnection) -> DurableConnection | None:
    """Open the file at the path if another process has rewritten it; None if it is another file."""
    if not db.path.exists():
        return None
    try:
        # Immutable leaves the log out: it may be ours, and would make another's file look like ours.
        with contextlib.closing(sqlite3.connect(f"file:{db.path}?immutable=1", uri=True)) as other:
            if other.execute("SELECT life FROM identity").fetchone() != (db.life,):
                return None
    except sqlite3.Error:
        return None
    return _open(db.path, db.schema, db.version, {})


def _renew_wal(db: DurableConnection) -> DurableConnection:
    """Fold the log that only our connection still has into the file, and begin a new one.

    Raises:
        OSError: Another reader or writer needs it just now.
    """
    if not truncate_wal(db):
        raise OSError("its write-ahead log was deleted, and is still in use")
    db.close()
    fresh = _open(db.path, db.schema, db.version, {})
    fresh.is_new = False
    fresh.set_aside = SetAside(str(db.path), "its write-ahead log was deleted or replaced while it was in use", "", 0)
    log.error("disk.log_gone", file=str(db.path))
    return fresh


def _rewrite(db: DurableConnection, aside: str) -> DurableConnection:
    """Copy everything that an open connection holds to the path of its file."""
    part = db.path.with_name(f".{db.path.name}.part")
    for name in _PARTS:
        part.with_name(part.name + name).unlink(missing_ok=True)
        db.path.with_name(db.path.name + name).unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(part)) as copy:
        db.backup(copy)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(db.path)
    fresh = _open(db.path, db.schema, db.version, {})
    rows = sum(int(fresh.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in _tables(fresh))  # noqa: S608 - our own tables
    fresh.is_new = False
    fresh.set_aside = SetAside(str(db.path), "was deleted or replaced while it was in use", aside, rows)
    log.error("disk.file_gone", file=str(db.path), set_aside=aside, rows_kept=rows)
    db.close()
    return fresh


def _move_aside(path: Path, why: str, parts: Sequence[str] = _PARTS) -> str:
    aside = path.with_name(f"{path.name}.{why}-{time.time_ns()}")
    for part in parts:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + part).rename(aside.with_name(aside.name + part))
    return str(aside)


def _rescue(path: Path, schema: str, version: int, reason: str) -> DurableConnection:
    """Copy the readable rows of a damaged file into a new one that takes its place; the damaged one is set aside."""
    with _repair_lock(path):
        if not _has_only_wal(path):
            with contextlib.suppress(sqlite3.DatabaseError):
                return _open(path, schema, version, {})  # another process has rescued it
        part = path.with_name(f".{path.name}.part")
        for name in _PARTS:
            part.with_name(part.name + name).unlink(missing_ok=True)
        with contextlib.closing(_open(part, schema, version, {})) as fresh:
            tables = [table for table in _tables(fresh) if table != "identity"]
            rows = sum(_copy(path, fresh, table) for table in tables) if _size(path) else 0
        aside = _move_aside(path, "damaged")
        part.replace(path)
        db = _open(path, schema, version, {})
    db.is_new = rows == 0
    db.set_aside = SetAside(str(path), reason, aside, rows)
    log.error("disk.damaged", file=str(path), reason=reason, set_aside=aside, rows_rescued=rows)
    return db


def _has_only_wal(path: Path) -> bool:
    return _size(path) == 0 and _size(_wal_path(path)) > 0


@contextmanager
def _repair_lock(path: Path) -> Iterator[None]:
    """Lock a file's repair against other threads and processes."""
    with file_lock(path.with_name(f".{path.name}.lock")):
        yield


def _tables(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def _copy(damaged: Path, fresh: sqlite3.Connection, table: str) -> int:
    """Copy a table's rows, from the front up to the damage, then from the back down to it; returns their number."""
    count = 0
    with contextlib.closing(sqlite3.connect(damaged)) as old, fresh:
        for direction in ("ASC", "DESC"):
            with contextlib.suppress(sqlite3.DatabaseError):
                # Without this, SQLite refuses a file that is shorter than its header says.
                old.execute("PRAGMA writable_schema=ON")
                order = "" if table == "sqlite_sequence" else f"ORDER BY rowid {direction}"
                rows = old.execute(f"SELECT * FROM {table} {order}")  # noqa: S608 - our own tables
                # Of an older file, which lacks some of them.
                columns = ",".join(column[0] for column in rows.description)
                marks = ",".join("?" * len(rows.description))
                statement = f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - our own tables
                for row in rows:
                    count += fresh.execute(statement, row).rowcount
    return count
