"""How this project keeps things on disk that must survive a power cut: SQLite with every commit synced.

A torn tail of the write-ahead log is found by SQLite's checksums and cut off; every commit before it is whole. A
damaged main file (bad card, bad disk) is set aside, and what can still be read of it goes into a new one. A file that
is deleted or replaced under a running process is written anew from what the process still has open.
"""

from __future__ import annotations

import contextlib
import fcntl
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

from broker.contract.errors import ConfigError, RetryLaterError

log = structlog.get_logger("disk")

BUSY_TIMEOUT_S: Final = 10.0
SPARE_PAGES: Final = 2_000
"""Free pages a file may keep for what comes next (8 MB)."""
APPLICATION_ID: Final = 0x4B4F5441
"""`KOTA` in ASCII: in the header of every SQLite file of ours."""
_PARTS: Final = ("", "-wal", "-shm")
_IDENTITY: Final = "CREATE TABLE IF NOT EXISTS identity (life TEXT NOT NULL)"


class SetAside(msgspec.Struct, frozen=True):
    """A file that could not be used: why, where it is now (empty when it is gone), and how many rows were rescued."""

    file: str
    reason: str
    aside: str
    rows: int


class DurableFile(sqlite3.Connection):
    """A connection that knows its file: `life` tells it from any other, `set_aside` says what it was made from."""

    path: Path
    schema: str
    version: int
    inode: tuple[int, int]
    log_inode: tuple[int, int] | None
    life: str
    is_new: bool
    set_aside: SetAside | None = None

    def close(self) -> None:
        """Fold the write-ahead log into the file where nobody else needs it, and close."""
        is_empty = False
        with contextlib.suppress(sqlite3.Error):
            is_empty = empty_wal(self)
        super().close()
        if hasattr(self, "path") and (is_empty or not _log_of(self.path).exists()):
            with contextlib.suppress(OSError):
                _mark_of(self.path).unlink(missing_ok=True)


def open_durable(
    path: Path, schema: str, *, version: int = 1, migrations: Mapping[int, str] | None = None
) -> DurableFile:
    """Open or make a SQLite file whose commits are on disk when they return (WAL, synchronous=FULL).

    The caller guards the connection with a lock of its own; other processes may use the file too. Freed pages can be
    given back with `PRAGMA incremental_vacuum`.

    Args:
        path: The file; its folder is made.
        schema: `CREATE ... IF NOT EXISTS` statements of the newest version.
        version: Of the schema; a file that says none (0) is of version 1.
        migrations: Version to the statements that make the next one of it, run after the schema.

    Raises:
        ConfigError: A newer version of this program has written the file; nothing has changed.
        RetryLaterError: The disk is full, or the file cannot be opened just now.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _has_lost_its_file(path):
            return _open(path, schema, version, migrations or {})
        # SQLite would delete a log without its file.
        return _rescue(path, schema, version, "the file is gone or empty, its write-ahead log is there")
    except (OSError, sqlite3.OperationalError) as exc:
        raise RetryLaterError(f"{path}: {exc}") from exc
    except sqlite3.DatabaseError as exc:
        reason = str(exc)
    try:
        return _rescue(path, schema, version, reason)
    except (OSError, sqlite3.OperationalError) as exc:
        raise RetryLaterError(f"{path}: {exc}") from exc


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


def still_there(db: DurableFile) -> DurableFile:
    """The same connection, or another one with everything in it when its file or log was deleted or replaced meanwhile.

    Another process may have written the file anew already; anything else that stands in its place is set aside.

    Raises:
        RetryLaterError: The disk refuses; the connection still holds everything.
    """
    is_there = _inode(db.path) == db.inode
    if is_there and _inode(_log_of(db.path)) == db.log_inode:
        return db
    try:
        if is_there:
            return _with_a_new_log(db)
        with _one_at_a_time(db.path):
            found = _reopened(db)
            if found is not None:
                found.set_aside = db.set_aside
                db.close()
                return found
            # Its log is that of our connection, and is in the file that is written anew.
            aside = _move_aside(db.path, "foreign", parts=("",)) if db.path.exists() else ""
            return _written_anew(db, aside)
    except (OSError, sqlite3.Error) as exc:
        raise RetryLaterError(f"{db.path}: {exc}") from exc


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


def empty_wal(db: sqlite3.Connection) -> bool:
    """Cut the write-ahead log to nothing: what was deleted from the file still stands in it. Never waits.

    Returns:
        False while another reader or writer needs the log; ask again later.
    """
    db.execute("PRAGMA busy_timeout=0")
    try:
        busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    finally:
        db.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1_000)}")
    return not busy


def _open(path: Path, schema: str, version: int, migrations: Mapping[int, str]) -> DurableFile:
    is_new = _size(path) == 0
    log_is_gone = not is_new and _mark_of(path).exists() and not _log_of(path).exists()
    db = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_TIMEOUT_S, factory=DurableFile)
    try:
        _require_known(db, path, version)
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        # What is forgotten is overwritten: messages come with the addresses of people's phones.
        db.execute("PRAGMA secure_delete=ON")
        _bring_up(db, path, schema, version, migrations)
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)  # noqa: TRY301 - closed below like every other failure
        db.path, db.schema, db.version, db.is_new = path, schema, version, is_new
        db.inode, db.log_inode = _inode(path) or (0, 0), _inode(_log_of(path))
        db.life = str(db.execute("SELECT life FROM identity").fetchone()[0])
        _mark_of(path).touch()
        if log_is_gone:
            db.set_aside = SetAside(str(path), "its write-ahead log is gone, with what was written last", "", 0)
            log.error("disk.log_gone", file=str(path))
    except BaseException:
        db.close()
        raise
    return db


def _require_known(db: sqlite3.Connection, path: Path, version: int) -> None:
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    if found > version:
        raise ConfigError(
            f"{path}: has schema version {found}, this program knows {version}: install the version of Jaga Kota that "
            "wrote it, or a newer one; the file was not changed"
        )


def _bring_up(db: sqlite3.Connection, path: Path, schema: str, version: int, migrations: Mapping[int, str]) -> None:
    """Make what is missing, and of an older file the newest version, step by step."""
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    is_old = bool(_tables(db)) and found < version
    db.executescript(f"{schema};{_IDENTITY};")
    with db:
        db.execute("INSERT INTO identity SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)", (secrets.token_hex(8),))
    if is_old:
        for step in range(max(found, 1), version):
            db.executescript(f"BEGIN;{migrations.get(step, '')};PRAGMA user_version={step + 1};COMMIT")
        log.info("disk.migrated", file=str(path), from_version=found, to_version=version)
    if found != version:
        db.execute(f"PRAGMA user_version={version}")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _mark_of(path: Path) -> Path:
    """A file that is there from a first opening until nothing is in the write-ahead log any more.

    SQLite takes a file without its log for one that was closed well.
    """
    return path.with_name(f"{path.name}-open")


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _reopened(db: DurableFile) -> DurableFile | None:
    """What stands at the path, when another process has written our file anew."""
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


def _with_a_new_log(db: DurableFile) -> DurableFile:
    """Fold the log that only our connection still has into the file, and begin another one.

    Raises:
        OSError: Another reader or writer needs it just now.
    """
    if not empty_wal(db):
        raise OSError("its write-ahead log was deleted, and is still in use")
    db.close()
    fresh = _open(db.path, db.schema, db.version, {})
    fresh.is_new = False
    fresh.set_aside = SetAside(str(db.path), "its write-ahead log was deleted or replaced while it was in use", "", 0)
    log.error("disk.log_gone", file=str(db.path))
    return fresh


def _written_anew(db: DurableFile, aside: str) -> DurableFile:
    """Copy everything that an open connection holds to where its file was."""
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


def _rescue(path: Path, schema: str, version: int, reason: str) -> DurableFile:
    """Copy what can be read of a damaged file into a new one, which then takes its place; the old one is set aside."""
    with _one_at_a_time(path):
        if not _has_lost_its_file(path):
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
        found = _open(path, schema, version, {})
    found.is_new = rows == 0
    found.set_aside = SetAside(str(path), reason, aside, rows)
    log.error("disk.damaged", file=str(path), reason=reason, set_aside=aside, rows_rescued=rows)
    return found


def _has_lost_its_file(path: Path) -> bool:
    return _size(path) == 0 and _size(_log_of(path)) > 0


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Keep other threads and processes from repairing the same file meanwhile."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
                rows = old.execute(f"SELECT * FROM {table} {order}")  # noqa: S608 - our own tables
                # Of an older file, which lacks some of them.
                columns = ",".join(column[0] for column in rows.description)
                marks = ",".join("?" * len(rows.description))
                statement = f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - our own tables
                for row in rows:
                    count += fresh.execute(statement, row).rowcount
    return count
