"""The journal: what arrived, on this disk, before anybody is told that it arrived.

SQLite, WAL, synchronous=FULL, no index but the position: one `append` is one transaction and one fsync, however many
messages it holds. Positions only grow, also over restarts and after everything has been trimmed. Every message has a
checksum: one that the disk has changed is told apart from one that came so.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.contract.errors import RetryLaterError
from city.disk import give_back, guarded, kept_bytes, open_durable

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS arrivals (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_at REAL NOT NULL,
    checksum INTEGER NOT NULL
);
"""

READ_BYTES: Final = 4 << 20
"""Payload that one `read` gives out at most, so that catch-ups of large arrays stay small in memory."""
MEASURE_BYTES: Final = 1 << 20
"""After so much new payload the file's size is asked for again; near the bound every time."""
ROW_BYTES: Final = 64
"""What a message takes besides topic and payload, at the most."""
_LAST: Final = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'arrivals'"


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One message as it came, and when."""

    topic: str
    payload: bytes
    received_at: datetime
    retained: bool = False
    """The broker had kept it: it is as old as nobody knows."""


class Journaled(msgspec.Struct, frozen=True, gc=False):
    """A message in the journal; `damaged` when it is no longer what was written."""

    position: int
    arrival: Arrival
    damaged: bool = False


class Journal:
    """Owns the file; any thread may call it, and other processes may append (replays do).

    Every method raises `RetryLaterError` when the disk refuses; nothing has changed then.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        """Open or make the file.

        Args:
            path: The SQLite file; its folder is made.
            max_bytes: Bound of what the file keeps; at the bound `append` refuses, nothing is ever dropped.
        """
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._db = open_durable(path, _SCHEMA)
        self._kept, self._unmeasured = kept_bytes(self._db), 0

    def append(self, arrivals: Sequence[Arrival]) -> None:
        """Keep messages durably, in order, in one transaction.

        Raises:
            RetryLaterError: The bound is reached or the disk refused; nothing was kept.
        """
        rows = [
            (
                a.topic,
                a.payload,
                at := a.received_at.timestamp(),
                _checksum(a.topic, a.payload, at, retained=a.retained),
            )
            for a in arrivals
        ]
        added = sum(len(a.payload) + len(a.topic) + ROW_BYTES for a in arrivals)
        statement = "INSERT INTO arrivals (topic, payload, received_at, checksum) VALUES (?, ?, ?, ?)"
        with self._guarded():
            if self._unmeasured > MEASURE_BYTES or self._kept + self._unmeasured + added > self._max_bytes:
                self._kept, self._unmeasured = kept_bytes(self._db), 0
            if self._kept + added > self._max_bytes:
                raise RetryLaterError(f"journal: {self._kept} of {self._max_bytes} bytes are waiting for the store")
            with self._db:
                self._db.executemany(statement, rows)
            self._unmeasured += added

    def read(self, *, after: int, limit: int, before: int = 1 << 62) -> list[Journaled]:
        """Messages between two positions, in order of arrival; fewer than `limit` when they are large."""
        statement = (
            "SELECT position, topic, payload, received_at, checksum FROM arrivals "
            "WHERE position > ? AND position < ? ORDER BY position LIMIT ?"
        )
        with self._guarded():
            rows = []
            size = 0
            for row in self._db.execute(statement, (after, before, limit)):
                rows.append(row)
                size += len(row[2])
                if size > READ_BYTES:
                    break
        return [_journaled(row) for row in rows]

    def start_after(self, position: int) -> None:
        """Never give out a position the store has passed already: a journal lost with its disk starts behind it."""
        with self._guarded(), self._db:
            self._db.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'arrivals', 0 "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'arrivals')"
            )
            self._db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'arrivals'", (position,))

    def trim(self, position: int) -> None:
        """Forget what the store has, up to a position, and give space back to the disk."""
        with self._guarded():
            with self._db:
                self._db.execute("DELETE FROM arrivals WHERE position <= ?", (position,))
            give_back(self._db)

    def first(self) -> int:
        """The lowest position kept; one more than `last` when nothing is."""
        with self._guarded():
            found = self._db.execute("SELECT min(position) FROM arrivals").fetchone()[0]
            return int(found) if found else self._ask(_LAST) + 1

    def last(self) -> int:
        """The highest position ever given out."""
        with self._guarded():
            return self._ask(_LAST)

    def last_before(self, time: datetime) -> int:
        """The highest position received before a time, as long as the clock has not jumped; found by halving."""
        low, high = self.first() - 1, self.last()
        while low < high:
            middle = (low + high + 1) // 2
            found = self.read(after=middle - 1, limit=1)
            if found and found[0].arrival.received_at < time:
                low = middle
            else:
                high = middle - 1
        return low

    def oldest(self, *, after: int) -> datetime | None:
        """When the first message behind a position arrived, None when none waits."""
        found = self.read(after=after, limit=1)
        return found[0].arrival.received_at if found else None

    def bytes(self) -> int:
        """Bytes that the file's used pages take."""
        with self._guarded():
            return kept_bytes(self._db)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _guarded(self) -> AbstractContextManager[None]:
        return guarded(self._lock, "journal")

    def _ask(self, statement: str) -> int:
        return int(self._db.execute(statement).fetchone()[0])


def _checksum(topic: str, payload: bytes, received_at: float, *, retained: bool) -> int:
    """Over everything that is kept; whether a message was retained is kept nowhere else."""
    return zlib.crc32(payload, zlib.crc32(f"{topic} {received_at!r}{' retained' * retained}".encode()))


def _journaled(row: tuple[int, Any, Any, Any, Any]) -> Journaled:
    position, topic, payload, received_at, checksum = row
    try:
        arrival = Arrival(topic, payload, datetime.fromtimestamp(received_at, UTC))
        if _checksum(topic, payload, received_at, retained=False) == checksum:
            return Journaled(position, arrival)
        if _checksum(topic, payload, received_at, retained=True) == checksum:
            return Journaled(position, msgspec.structs.replace(arrival, retained=True))
    except (TypeError, ValueError, OverflowError, OSError):
        pass  # not even of the right types any more
    return Journaled(position, Arrival(str(topic), _as_bytes(payload), datetime.now(UTC)), damaged=True)


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
