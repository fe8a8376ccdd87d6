"""Quarantine of unknown devices: their first and newest messages wait until somebody adopts the device.

An unknown device is identified by its format and its name in that format. Its first and newest messages are kept; those
between are evicted and counted. Once the inventory has the device, its messages are released to ingest. An ignored
device keeps no messages.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from city.inventory.addresses import address_key, written_address
from city.inventory.device_topics import OWN_TOPICS
from city.storage.sqlite import (
    open_durable,
    used_bytes,
)
from city.storage.sqlite_file import SqliteFile
from ingest.messages import Arrival

UnknownDeviceState = Literal["waiting", "ignored"]

FIRST_KEPT: Final = 20
NEWEST_KEPT: Final = 80
"""Messages kept of an unknown device: its first ones, and its newest ones."""
DEVICES_MAX: Final = 10_000
"""Bound of unknown devices, because senders can invent names; evicts the one silent longest of the largest format."""
EVICT_SHARE: Final = 100
"""At the bounds, one device in so many is evicted at once: choosing one costs a look at all."""
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

_UPSERT: Final = """
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
) ORDER BY last_at LIMIT ?
"""
_LARGEST: Final = (
    "SELECT stranger, count(*) FROM messages GROUP BY stranger ORDER BY sum(length(payload)) DESC, min(id) LIMIT 1"
)
_COLUMNS: Final = (
    "id, adapter, address, names, model, label, lat_deg, lon_deg, port, state, first_at, last_at, messages, dropped"
)


class QuarantinedMessage(msgspec.Struct, frozen=True):
    """A message of an unknown device."""

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

    def arrival(self) -> Arrival:
        """The message as it arrived."""
        return Arrival(self.topic, self.payload, self.received_at)


class UnknownDevice(msgspec.Struct, frozen=True):
    """An unknown device. `address` is its best name, `port` the port of its frames; times are times of receipt.

    `messages` arrived, of which `dropped` were evicted.
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
    state: UnknownDeviceState
    first_at: datetime
    last_at: datetime
    messages: int
    dropped: int

    def inventory_address(self) -> str:
        """The address as the inventory is to have it: as spelled in the device's own topic, where it has one."""
        is_spelled = self.adapter in OWN_TOPICS and self.names
        return written_address(self.adapter, self.names[0]) if is_spelled else self.address


class Quarantine(SqliteFile):
    """Owns the quarantine's SQLite file; any thread, and several processes, may use it at once.

    Every method raises `RetryLaterError` when the disk refuses; nothing has changed then.
    """

    def __init__(self, path: Path, *, max_bytes: int = 1 << 26) -> None:
        """Open the file; it is created with its folder where absent.

        Args:
            path: The SQLite file.
            max_bytes: Bound of the file; at the bound the oldest messages of the device that has most are evicted.
        """
        self._max_bytes = max_bytes
        super().__init__(open_durable(path, _SCHEMA), "quarantine")

    def add(self, messages: Sequence[QuarantinedMessage]) -> None:
        """Add messages durably; the same message again changes nothing."""
        if not messages:
            return
        with self._writing() as db:
            for message in messages:
                self._add(db, message)
            while self._is_over(db) and self._evict(db):
                pass

    def _add(self, db: sqlite3.Connection, message: QuarantinedMessage) -> None:
        names = msgspec.json.encode(message.names[:_SHOWN_NAMES]).decode()
        at = message.received_at.timestamp()
        place = (message.lat_deg, message.lon_deg)
        address = address_key(message.adapter, message.names[0]) if message.names else ""
        row = (message.adapter, address, names, message.model, message.label, *place, message.port, at)
        device_id, state = db.execute(_UPSERT, row).fetchone()
        if state == "ignored":
            db.execute("UPDATE strangers SET messages = messages + 1, dropped = dropped + 1 WHERE id = ?", (device_id,))
            return
        kept = db.execute(
            "INSERT OR IGNORE INTO messages (stranger, digest, topic, payload, received_at, retained) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (device_id, _digest(message), message.topic, message.payload, at, message.retained),
        ).rowcount
        if kept:
            deleted = db.execute(
                "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE stranger = ?1 "
                "AND id NOT IN (SELECT id FROM messages WHERE stranger = ?1 ORDER BY id LIMIT ?2) "
                "ORDER BY id DESC LIMIT -1 OFFSET ?3)",
                (device_id, FIRST_KEPT, NEWEST_KEPT),
            ).rowcount
            self._wal_has_deletions |= deleted > 0
            db.execute(
                "UPDATE strangers SET messages = messages + 1, dropped = dropped + ? WHERE id = ?", (deleted, device_id)
            )

    def find(self, *, state: UnknownDeviceState | None = "waiting") -> list[UnknownDevice]:
        """Unknown devices, newest first; `state` None takes all."""
        statement = f"SELECT {_COLUMNS} FROM strangers WHERE ?1 IS NULL OR state = ?1 ORDER BY last_at DESC"  # noqa: S608 - our own names
        with self._guard():
            return [_unknown_device(row) for row in self._db.execute(statement, (state,)).fetchall()]

    def get(self, device_id: int) -> UnknownDevice | None:
        """One unknown device; None for an unknown id."""
        statement = f"SELECT {_COLUMNS} FROM strangers WHERE id = ?"  # noqa: S608 - our own names
        with self._guard():
            row = self._db.execute(statement, (device_id,)).fetchone()
        return _unknown_device(row) if row else None

    def messages_of(self, device_id: int, *, limit: int = FIRST_KEPT + NEWEST_KEPT) -> list[QuarantinedMessage]:
        """Messages kept of an unknown device, oldest first."""
        statement = (
            "SELECT adapter, names, topic, payload, received_at, retained FROM messages "
            "JOIN strangers ON strangers.id = stranger WHERE stranger = ? ORDER BY messages.id LIMIT ?"
        )
        with self._guard():
            rows = self._db.execute(statement, (device_id, limit)).fetchall()
        return [
            QuarantinedMessage(
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
        """Number of unknown devices that are neither adopted nor ignored."""
        with self._guard():
            return int(self._db.execute("SELECT count(*) FROM strangers WHERE state = 'waiting'").fetchone()[0])

    def mark(self, device_id: int, state: UnknownDeviceState) -> None:
        """Ignore an unknown device and delete its messages, or stop ignoring it."""
        with self._writing() as db:
            db.execute("UPDATE strangers SET state = ? WHERE id = ?", (state, device_id))
            if state == "ignored":
                db.execute("DELETE FROM messages WHERE stranger = ?", (device_id,))
                self._wal_has_deletions = True

    def forget(self, device_id: int) -> None:
        """Delete an unknown device with its messages."""
        with self._writing() as db:
            self._forget(db, device_id)

    def forget_before(self, time: datetime) -> int:
        """Delete unknown devices last heard before a time (retention); return how many."""
        with self._writing() as db:
            old = db.execute("SELECT id FROM strangers WHERE last_at < ?", (time.timestamp(),)).fetchall()
            for (device_id,) in old:
                self._forget(db, device_id)
            return len(old)

    def _is_over(self, db: sqlite3.Connection) -> bool:
        return self._has_too_many(db) or used_bytes(db) > self._max_bytes

    def _has_too_many(self, db: sqlite3.Connection) -> bool:
        return int(db.execute("SELECT count(*) FROM strangers").fetchone()[0]) > DEVICES_MAX

    def _evict(self, db: sqlite3.Connection) -> bool:
        """Evict devices (of the format with most, those silent longest) or messages of the device with most."""
        device_id, messages = db.execute(_LARGEST).fetchone() or (0, 0)
        if messages <= 1 or self._has_too_many(db):
            count = int(db.execute("SELECT count(*) FROM strangers").fetchone()[0])
            oldest = db.execute(_SILENT_LONGEST, (max(count - DEVICES_MAX, count // EVICT_SHARE, 1),)).fetchall()
            for (silent_id,) in oldest:
                self._forget(db, silent_id)
            return bool(oldest)
        oldest_half = "SELECT id FROM messages WHERE stranger = ? ORDER BY id LIMIT ?"
        deleted = db.execute(
            f"DELETE FROM messages WHERE id IN ({oldest_half})",  # noqa: S608 - our own text
            (device_id, (messages + 1) // 2),
        ).rowcount
        db.execute("UPDATE strangers SET dropped = dropped + ? WHERE id = ?", (deleted, device_id))
        self._wal_has_deletions = True
        return deleted > 0

    def _forget(self, db: sqlite3.Connection, device_id: int) -> None:
        db.execute("DELETE FROM messages WHERE stranger = ?", (device_id,))
        db.execute("DELETE FROM strangers WHERE id = ?", (device_id,))
        self._wal_has_deletions = True


def _digest(message: QuarantinedMessage) -> bytes:
    """The digest includes the time of receipt: a value that does not change is measured again and again."""
    at = f"{message.topic}\0{message.received_at.timestamp()!r}\0".encode("utf-8", "replace")
    return hashlib.blake2b(at + message.payload, digest_size=16).digest()


def _unknown_device(
    row: tuple[int, str, str, str, str, str, float, float, int, UnknownDeviceState, float, float, int, int],
) -> UnknownDevice:
    id_, adapter, address, names, model, label, lat, lon, port, state, first, last, messages, dropped = row
    return UnknownDevice(
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
