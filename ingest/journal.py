"""The journal: what arrived, on this disk, before anybody is told that it arrived.

SQLite, WAL, synchronous=FULL, no index but the position: one `append` is one transaction and one fsync, however many
messages it holds. Positions only grow, also over restarts and after everything has been trimmed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from broker.contract.errors import RetryLaterError
from city.disk import open_durable

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS journal (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_at REAL NOT NULL
);
"""


class Arrival(msgspec.Struct, frozen=True):
    """One message as it came, and when."""

    topic: str
    payload: bytes
    received_at: datetime


class Journaled(msgspec.Struct, frozen=True):
    """A message in the journal."""

    position: int
    arrival: Arrival


class Journal:
    """Owns the file; any thread may call it, and other processes may append (replays do)."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        """Open or make the file.

        Args:
            path: The SQLite file; its folder is made.
            max_bytes: Bound of the payloads kept; at the bound `append` refuses, nothing is ever dropped.
        """
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._db = open_durable(path, _SCHEMA)
        self._bytes = self._measure()

    def append(self, arrivals: Sequence[Arrival]) -> None:
        """Keep messages durably, in order, in one transaction.

        Raises:
            RetryLaterError: The bound is reached or the disk refused; nothing was kept.
        """
        added = sum(len(a.payload) for a in arrivals)
        rows = [(a.topic, a.payload, a.received_at.timestamp()) for a in arrivals]
        with self._lock:
            if self._bytes + added > self._max_bytes:
                raise RetryLaterError(f"journal: {self._bytes} of {self._max_bytes} bytes are waiting for the store")
            try:
                with self._db:
                    self._db.executemany("INSERT INTO journal (topic, payload, received_at) VALUES (?, ?, ?)", rows)
            except sqlite3.OperationalError as exc:
                raise RetryLaterError(f"journal: {exc}") from exc
            self._bytes += added

    def read(self, *, after: int, limit: int) -> list[Journaled]:
        """Messages behind a position, in order of arrival."""
        statement = (
            "SELECT position, topic, payload, received_at FROM journal WHERE position > ? ORDER BY position LIMIT ?"
        )
        with self._lock:
            rows = self._db.execute(statement, (after, limit)).fetchall()
        return [Journaled(p, Arrival(topic, raw, datetime.fromtimestamp(at, UTC))) for p, topic, raw, at in rows]

    def start_after(self, position: int) -> None:
        """Never give out a position the store has passed already: a journal lost with its disk starts behind it."""
        with self._lock, self._db:
            self._db.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'journal', 0 "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'journal')"
            )
            self._db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'journal'", (position,))

    def trim(self, position: int) -> None:
        """Forget what the store has, up to a position."""
        with self._lock:
            with self._db:
                self._db.execute("DELETE FROM journal WHERE position <= ?", (position,))
            self._bytes = self._measure()

    def depth(self, *, after: int) -> int:
        """How many messages wait behind a position."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM journal WHERE position > ?", (after,)).fetchone()[0])

    def oldest(self, *, after: int) -> datetime | None:
        """When the first message behind a position arrived, None when none waits."""
        statement = "SELECT received_at FROM journal WHERE position > ? ORDER BY position LIMIT 1"
        with self._lock:
            row = self._db.execute(statement, (after,)).fetchone()
        return datetime.fromtimestamp(row[0], UTC) if row else None

    def bytes(self) -> int:
        """Bytes of payload kept."""
        with self._lock:
            return self._bytes

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _measure(self) -> int:
        return int(self._db.execute("SELECT coalesce(sum(length(payload)), 0) FROM journal").fetchone()[0])
