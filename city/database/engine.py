"""Opens the relational database, makes its tables, and brings those of an earlier version up to date.

An empty database gets all tables at once. Alembic is loaded only where an earlier version has to be changed.
"""

from __future__ import annotations

import importlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from city.database.schema import metadata
from city.errors import ConfigError, RetryLaterError, StorageError
from city.storage.file_lock import file_lock

HEAD: Final = "0006"
"""Revision of the newest migration."""
FILE_NAME: Final = "city.sqlite"
BUSY_TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 5
AGAIN_S: Final = 5.0
"""Time between two attempts to open a database."""
MIGRATIONS: Final = Path(__file__).parent / "migrations"
_TABLES: Final = (
    "people.tables",
    "dispatch.alarms.tables",
    "dispatch.notifications.tables",
    "dispatch.orders.tables",
    "dispatch.shifts.tables",
)
"""Modules with tables; imported by name, because `city` must not depend on those who use the database."""
_REASON_MAX: Final = 200
_NO_TABLES: Final = "no such table"
_DAMAGED: Final = ("malformed", "not a database")
_DISK: Final = ("disk", "readonly", "unable to open")
"""Words of SQLite's errors."""
_LOCK_NUMBER: Final = 0x4B4F5441
"""Number of the lock in PostgreSQL under which tables are made."""
_VERSION_TABLE: Final = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"


def open_database(data: Path, url: str = "") -> Engine:
    """Open the database with all tables, up to date.

    Args:
        data: The data folder; the SQLite file and its lock lie there.
        url: `postgresql+psycopg://USER:PASSWORD@HOST/NAME`; empty takes the SQLite file.

    Raises:
        ConfigError: The address is wrong, the file is damaged, or a later version has made the tables.
        RetryLaterError: The server does not answer; StorageError: the disk refuses.
    """
    for name in _TABLES:
        importlib.import_module(name)
    engine = _engine(data, url)
    try:
        with _exclusive(data, engine) as connection:
            _bring_up_to_date(connection)
    except OSError as exc:
        engine.dispose()
        raise StorageError(f"{data / FILE_NAME}: {exc.strerror or exc}") from exc
    except SQLAlchemyError as exc:
        engine.dispose()
        raise translate(exc) from exc
    except ConfigError:
        engine.dispose()
        raise
    return engine


class Database:
    """The database, opened at its first use. Where that fails, it is tried again after `AGAIN_S`. Thread-safe.

    Args:
        data: The data folder.
        url: As for `open_database`.
    """

    def __init__(self, data: Path, url: str = "") -> None:
        self._data = data
        self._url = url
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._failure: ConfigError | RetryLaterError | None = None
        self._again_s = 0.0

    def open(self) -> Engine:
        """Open it, if it is not open.

        Raises:
            ConfigError, RetryLaterError: As `open_database`.
        """
        with self._lock:
            if self._engine is None:
                if self._failure is not None and time.monotonic() < self._again_s:
                    raise self._failure
                try:
                    self._engine = open_database(self._data, self._url)
                except (ConfigError, RetryLaterError) as exc:
                    self._failure, self._again_s = exc, time.monotonic() + AGAIN_S
                    raise
            return self._engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that reads.

        Raises:
            RetryLaterError: The database is away or damaged.
        """
        with self._translation(), self._usable().execution_options(read_only=True).connect() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction.

        Raises:
            RetryLaterError: The database is away or damaged, or the disk refuses; nothing has changed.
        """
        with self._translation(), self._usable().begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
            self._engine = None

    def _usable(self) -> Engine:
        try:
            return self.open()
        except ConfigError as exc:
            raise RetryLaterError(str(exc)) from exc

    @contextmanager
    def _translation(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as exc:
            failure = translate(exc)
            if isinstance(failure, ConfigError) or _NO_TABLES in str(failure):
                self.close()  # the file was damaged or deleted meanwhile
            raise RetryLaterError(str(failure)) if isinstance(failure, ConfigError) else failure from exc


def lock_until_end(connection: Connection, number: int) -> None:
    """Let no other transaction past the same number until this one ends. In SQLite there is one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def translate(exc: SQLAlchemyError) -> ConfigError | RetryLaterError:
    """The error of ours for an error of the database."""
    reason = str(getattr(exc, "orig", None) or exc).strip().splitlines()[0][:_REASON_MAX]
    if any(sign in reason for sign in _DAMAGED):
        return ConfigError(f"the database of accounts is damaged ({reason}): restore {FILE_NAME} from a backup")
    kind = StorageError if any(sign in reason for sign in _DISK) else RetryLaterError
    return kind(f"database: {reason}")


def _engine(data: Path, url: str) -> Engine:
    try:
        address = make_url(url or f"sqlite:///{data / FILE_NAME}")
    except ArgumentError as exc:
        raise ConfigError("KOTA_DATABASE_URL is no address of a database") from exc
    if address.get_backend_name() == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
        timeout = {"connect_timeout": CONNECT_TIMEOUT_S}
        return create_engine(address, pool_size=4, max_overflow=4, pool_pre_ping=True, connect_args=timeout)
    if address.get_backend_name() != "sqlite":
        raise ConfigError("KOTA_DATABASE_URL: PostgreSQL or SQLite, no other database")
    data.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transaction by itself: `_begin_sqlite` does
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later could not wait for another one's write.
    reads = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def _exclusive(data: Path, engine: Engine) -> Iterator[Connection]:
    """A transaction of which there is one at a time, also among the processes of several machines."""
    # PostgreSQL has its own lock; the data folder of a container may be read-only.
    lock = file_lock(data / f"{FILE_NAME}.lock") if engine.dialect.name == "sqlite" else nullcontext()
    with lock, engine.begin() as connection:
        lock_until_end(connection, _LOCK_NUMBER)
        yield connection


def _bring_up_to_date(connection: Connection) -> None:
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" not in tables:
        metadata.create_all(connection)
        connection.execute(text(_VERSION_TABLE))
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
        return
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision != HEAD:
        importlib.import_module("city.database.upgrade").upgrade(connection, str(revision))
