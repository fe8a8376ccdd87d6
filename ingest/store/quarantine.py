"""Devices that nobody knows yet: their first and newest messages wait here until somebody says what they are.

A stranger is told by the format it speaks and the name it has there. Its first messages are kept, and the newest; those
between give way and are counted. When the inventory has it, what waits goes back to ingest; one that is ignored keeps
nothing more.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from city.sqlite import DurableConnection, guard, open_durable, reopen_if_replaced, truncate_wal, used_bytes, vacuum

StrangerState = Literal["waiting", "ignored"]

FIRST: Final = 20
NEWEST: Final = 80
"""Messages kept of a stranger: so many from its beginning, and so many from its end."""
STRANGERS_MAX: Final = 10_000
"""Names are made up by who sends; at the bound those silent longest, of the format that has most, give way."""
_SHOWN_NAMES: Final = 8

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS strangers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    adapter TEXT NOT NULL,
    address TEXT NOT NULL,
    names TEXT NOT NULL,
    model TEXT NOT NULL,
    label TEXT NOT NULL,
    lat_deg REAL,
    lon_deg REAL,
    port INTEGER,
    state TEXT NOT NULL DEFAULT 'waiting',
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    messages INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0,
    UNIQUE (adapter, address)
);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stranger INTEGER NOT NULL REFERENCES strangers (id),
    digest BLOB NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_at REAL NOT NULL,
    retained INTEGER NOT NULL,
    UNIQUE (stranger, digest)
);
"""

_MEET: Final = """
INSERT INTO strangers (adapter, address, names, model, label, lat_deg, lon_deg, port, first_at, last_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)
ON CONFLICT (adapter, address) DO UPDATE SET
    model = CASE excluded.model WHEN '' THEN model ELSE excluded.model END,
    label = CASE excluded.label WHEN '' THEN label ELSE excluded.label END,
    lat_deg = coalesce(excluded.lat_deg, lat_deg),
    lon_deg = coalesce(excluded.lon_deg, lon_deg),
    port = coalesce(excluded.port, port),
    last_at = max(last_at, excluded.last_at)
RETURNING id, state
"""
_SILENT_LONGEST: Final = """
SELECT id FROM strangers WHERE adapter = (
    SELECT adapter FROM strangers GROUP BY adapter ORDER BY count(*) DESC LIMIT 1
) ORDER BY last_at LIMIT 1
"""
_LARGEST: Final = (
    "SELECT stranger, count(*) FROM messages GROUP BY stranger ORDER BY sum(length(payload)) DESC, min(id) LIMIT 1"
)
_COLUMNS: Final = (
    "id, adapter, address, names, model, label, lat_deg, lon_deg, port, state, first_at, last_at, messages, dropped"
)


class Quarantined(msgspec.Struct, frozen=True):
    """A message of a device that nobody knows, to be kept."""

    adapter: str
    names: tuple[str, ...]
    topic: str
    payload: bytes
    received_at: datetime
    retained: bool = False
    model: str = ""
    label: str = ""
    lat_deg: float | None = None
    lon_deg: float | None = None
    port: int | None = None


class KnownStranger(msgspec.Struct, frozen=True):
    """A device that nobody knows. `address` is its best name, `port` that of its frames; times are those of receipt.

    `messages` came, of which `dropped` gave way.
    """

    id: int
    adapter: str
    address: str
    names: tuple[str, ...]
    model: str
    label: str
    lat_deg: float | None
    lon_deg: float | None
    port: int | None
    state: StrangerState
    first_at: datetime
    last_at: datetime
    messages: int
    dropped: int


class Quarantine:
    """Owns the quarantine's SQLite file; any thread, and several processes, may use it at once.

    Every method raises `RetryLaterError` when the disk refuses; nothing has changed then.
    """

    def __init__(self, path: Path, *, max_bytes: int = 1 << 26) -> None:
        """Open the file, making it and its folder where absent.

        Args:
            path: The SQLite file.
            max_bytes: Bound of what the file keeps; there the oldest messages of the stranger that has most give way.
        """
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._db = open_durable(path, _SCHEMA)
        self._owes_emptying = True

    @property
    def file(self) -> DurableConnection:
        """The file, for who tells it from others; nothing else may be done with it."""
        return self._db

    def add(self, messages: Sequence[Quarantined]) -> None:
        """Keep messages durably before returning; the same message again changes nothing."""
        if not messages:
            return
        with self._writing() as db:
            for one in messages:
                self._add(db, one)
            while self._is_over(db) and self._give_way(db):
                pass

    def _add(self, db: sqlite3.Connection, one: Quarantined) -> None:
        names = msgspec.json.encode(one.names[:_SHOWN_NAMES]).decode()
        at = one.received_at.timestamp()
        place = (one.lat_deg, one.lon_deg)
        address = one.names[0].lower() if one.names else ""
        row = (one.adapter, address, names, one.model, one.label, *place, one.port, at)
        stranger, state = db.execute(_MEET, row).fetchone()
        if state == "ignored":
            db.execute("UPDATE strangers SET messages = messages + 1, dropped = dropped + 1 WHERE id = ?", (stranger,))
            return
        kept = db.execute(
            "INSERT OR IGNORE INTO messages (stranger, digest, topic, payload, received_at, retained) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (stranger, _digest(one), one.topic, one.payload, at, one.retained),
        ).rowcount
        if kept:
            gone = db.execute(
                "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE stranger = ?1 "
                "AND id NOT IN (SELECT id FROM messages WHERE stranger = ?1 ORDER BY id LIMIT ?2) "
                "ORDER BY id DESC LIMIT -1 OFFSET ?3)",
                (stranger, FIRST, NEWEST),
            ).rowcount
            self._owes_emptying |= gone > 0
            db.execute(
                "UPDATE strangers SET messages = messages + 1, dropped = dropped + ? WHERE id = ?", (gone, stranger)
            )

    def find(self, *, state: StrangerState | None = "waiting") -> list[KnownStranger]:
        """Strangers, the newest first; `state` None takes all."""
        statement = f"SELECT {_COLUMNS} FROM strangers WHERE ?1 IS NULL OR state = ?1 ORDER BY last_at DESC"  # noqa: S608 - our own names
        with self._guarded():
            return [_stranger(row) for row in self._db.execute(statement, (state,)).fetchall()]

    def get(self, stranger: int) -> KnownStranger | None:
        """One stranger, None when there is none of that id."""
        statement = f"SELECT {_COLUMNS} FROM strangers WHERE id = ?"  # noqa: S608 - our own names
        with self._guarded():
            row = self._db.execute(statement, (stranger,)).fetchone()
        return _stranger(row) if row else None

    def messages_of(self, stranger: int, *, limit: int = FIRST + NEWEST) -> list[Quarantined]:
        """What is kept of a stranger, oldest first."""
        statement = (
            "SELECT adapter, names, topic, payload, received_at, retained FROM messages "
            "JOIN strangers ON strangers.id = stranger WHERE stranger = ? ORDER BY messages.id LIMIT ?"
        )
        with self._guarded():
            rows = self._db.execute(statement, (stranger, limit)).fetchall()
        return [
            Quarantined(
                adapter,
                msgspec.json.decode(names, type=tuple[str, ...]),
                topic,
                payload,
                datetime.fromtimestamp(at, UTC),
                bool(retained),
            )
            for adapter, names, topic, payload, at, retained in rows
        ]

    def count(self) -> int:
        """How many strangers wait for somebody to say what they are."""
        with self._guarded():
            return int(self._db.execute("SELECT count(*) FROM strangers WHERE state = 'waiting'").fetchone()[0])

    def mark(self, stranger: int, state: StrangerState) -> None:
        """Ignore a stranger and forget its messages, or take notice of it again."""
        with self._writing() as db:
            db.execute("UPDATE strangers SET state = ? WHERE id = ?", (state, stranger))
            if state == "ignored":
                db.execute("DELETE FROM messages WHERE stranger = ?", (stranger,))
                self._owes_emptying = True

    def forget(self, stranger: int) -> None:
        """Forget a stranger with its messages."""
        with self._writing() as db:
            self._forget(db, stranger)

    def forget_before(self, time: datetime) -> int:
        """Delete strangers that were last heard before a time (retention); how many went."""
        with self._writing() as db:
            old = db.execute("SELECT id FROM strangers WHERE last_at < ?", (time.timestamp(),)).fetchall()
            for (stranger,) in old:
                self._forget(db, stranger)
            return len(old)

    def tidy(self) -> None:
        """Empty the write-ahead log of what was deleted; where a reader forbids it, at the next call.

        A file that was deleted or replaced meanwhile is written anew.
        """
        with self._guarded():
            self._db = reopen_if_replaced(self._db)
            if self._owes_emptying:
                self._owes_emptying = not truncate_wal(self._db)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _is_over(self, db: sqlite3.Connection) -> bool:
        return self._has_too_many(db) or used_bytes(db) > self._max_bytes

    def _has_too_many(self, db: sqlite3.Connection) -> bool:
        return int(db.execute("SELECT count(*) FROM strangers").fetchone()[0]) > STRANGERS_MAX

    def _give_way(self, db: sqlite3.Connection) -> bool:
        """Let one give way: of the format with most strangers the one silent longest, or messages of who has most."""
        stranger, messages = db.execute(_LARGEST).fetchone() or (0, 0)
        if messages <= 1 or self._has_too_many(db):
            oldest = db.execute(_SILENT_LONGEST).fetchone()
            if oldest:
                self._forget(db, oldest[0])
            return oldest is not None
        oldest_half = "SELECT id FROM messages WHERE stranger = ? ORDER BY id LIMIT ?"
        gone = db.execute(
            f"DELETE FROM messages WHERE id IN ({oldest_half})",  # noqa: S608 - our own text
            (stranger, (messages + 1) // 2),
        ).rowcount
        db.execute("UPDATE strangers SET dropped = dropped + ? WHERE id = ?", (gone, stranger))
        self._owes_emptying = True
        return gone > 0

    def _forget(self, db: sqlite3.Connection, stranger: int) -> None:
        db.execute("DELETE FROM messages WHERE stranger = ?", (stranger,))
        db.execute("DELETE FROM strangers WHERE id = ?", (stranger,))
        self._owes_emptying = True

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with guard(self._lock, "quarantine"):
            self._db = reopen_if_replaced(self._db)
            with self._db:
                yield self._db
            vacuum(self._db)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with guard(self._lock, "quarantine"):
            yield


def _digest(one: Quarantined) -> bytes:
    """The same bytes at another time are another message: a value that does not change is measured again and again."""
    at = f"{one.topic}\0{one.received_at.timestamp()!r}\0".encode("utf-8", "replace")
    return hashlib.blake2b(at + one.payload, digest_size=16).digest()


def _stranger(
    row: tuple[int, str, str, str, str, str, float, float, int, StrangerState, float, float, int, int],
) -> KnownStranger:
    id_, adapter, address, names, model, label, lat, lon, port, state, first, last, messages, dropped = row
    return KnownStranger(
        id_,
        adapter,
        address,
        msgspec.json.decode(names, type=tuple[str, ...]),
        model,
        label,
        lat,
        lon,
        port,
        state,
        datetime.fromtimestamp(first, UTC),
        datetime.fromtimestamp(last, UTC),
        messages,
        dropped,
    )
