"""The journal: every message is on this disk before it is acknowledged.

SQLite, WAL, synchronous=FULL, no index except the offset: one `append` is one transaction and one fsync, for any number
of messages. Offsets only grow, across restarts and trims. Each message has a checksum, so that damage on the disk is
told from a message that arrived malformed.

Stored messages are retained for some time, so that a damaged or lost store is filled again. Third-party messages are
encrypted from arrival on: names and addresses of people are never on the disk in clear.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from broker.contract.topics import is_native
from city.errors import RetryLaterError
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings
from city.storage.sqlite import (
    open_durable,
    used_bytes,
    vacuum,
)
from city.storage.sqlite_file import SqliteFile
from ingest.messages import Arrival, JournalEntry
from ingest.pipeline.seal import Seal

VERSION: Final = 2
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS arrivals (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_at REAL NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS handed_on (position INTEGER NOT NULL);
"""
SEALED: Final = ""
"""Topic of a row whose topic and payload are encrypted together."""

READ_BYTES: Final = 4 << 20
"""Upper limit of the payload bytes of one `read`, so that a catch-up of large arrays stays small in memory."""
MEASURE_BYTES: Final = 1 << 20
"""The file's size is measured again after so many new bytes; near the bound, every time."""
ROW_BYTES: Final = 64
"""Upper limit of a row's size besides topic and payload."""
EVICT_ROWS: Final = 2_000
"""Rows that are evicted at once from what is retained."""
_LAST: Final = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'arrivals'"
_STORED_OFFSET: Final = "SELECT coalesce(max(position), 0) FROM handed_on"


@dataclass(frozen=True)
class JournalRetention:
    """Bounds of what the journal retains after it is stored: the newest part within both bounds.

    Retained messages never make the journal full: they are evicted first.
    """

    max_bytes: int = 0
    max_age: timedelta = timedelta(0)


class JournalBatch(NamedTuple):
    """Entries in order of arrival; `is_full`: more may be pending behind them."""

    entries: list[JournalEntry]
    is_full: bool


class Journal(SqliteFile):
    """Owns the file. Any thread may call it, and other processes may append (replays do).

    Every method raises `RetryLaterError` when the disk refuses; nothing has changed then.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        seal: Seal | None = None,
        retention: JournalRetention = JournalRetention(),
    ) -> None:
        """Open or create the file.

        Args:
            path: The SQLite file; its folder is created.
            max_bytes: Bound of the file. At the bound `append` refuses; pending messages are never dropped.
            seal: Encryption of third-party messages; None leaves them in clear.
            retention: Bounds of what stays after it is stored; without a seal, nothing stays.

        Raises:
            ConfigError: A newer version has written the file.
            RetryLaterError: The disk refuses.
        """
        self._max_bytes = max_bytes
        self._seal = seal
        self._retention = retention if seal else JournalRetention()
        super().__init__(open_durable(path, _SCHEMA, version=VERSION), "journal")
        self._used_bytes, self._bytes_since_measure = used_bytes(self._db), 0
        if seal:
            self._seal_old()

    def _seal_old(self) -> None:
        """Encrypt third-party messages that an older version kept in clear."""
        with self._guard(), self._db:
            foreign = [
                row
                for row in self._db.execute("SELECT position, topic FROM arrivals WHERE topic != ''")
                if isinstance(row[1], str) and not is_native(row[1])
            ]
            for offset, topic in foreign:
                (payload,) = self._db.execute("SELECT payload FROM arrivals WHERE position = ?", (offset,)).fetchone()
                changed = self._to_stored(topic, _as_bytes(payload))
                self._db.execute("UPDATE arrivals SET topic = ?, payload = ? WHERE position = ?", (*changed, offset))

    def _to_stored(self, topic: str, payload: bytes) -> tuple[str, bytes]:
        """Topic and payload as they are written to the disk."""
        if self._seal is None or is_native(topic):
            return topic, payload
        return SEALED, self._seal.seal(topic, payload)

    def append(self, arrivals: Sequence[Arrival]) -> None:
        """Append messages durably, in order, in one transaction.

        Raises:
            RetryLaterError: The bound is reached or the disk refused; nothing was kept.
        """
        rows = [
            (
                *self._to_stored(a.topic, a.payload),
                at := a.received_at.timestamp(),
                _checksum(a.topic, a.payload, at, retained=a.retained),
            )
            for a in arrivals
        ]
        added = sum(len(a.payload) + len(a.topic) + ROW_BYTES for a in arrivals)
        statement = "INSERT INTO arrivals (topic, payload, received_at, checksum) VALUES (?, ?, ?, ?)"
        with self._guard():
            self._reopen()
            if (
                self._bytes_since_measure > MEASURE_BYTES
                or self._used_bytes + self._bytes_since_measure + added > self._max_bytes
            ):
                self._measure()
            while self._used_bytes + added > self._max_bytes and self._evict(self._ask(_STORED_OFFSET)):
                self._measure()
            if self._used_bytes + added > self._max_bytes:
                raise RetryLaterError(
                    f"journal: {self._used_bytes} of {self._max_bytes} bytes are waiting for the store"
                )
            with self._db:
                self._db.executemany(statement, rows)
            self._bytes_since_measure += added

    def read(self, *, after: int, limit: int, before: int = 1 << 62) -> list[JournalEntry]:
        """Entries between two offsets, in order of arrival; fewer than `limit` when they are large."""
        return self.read_batch(after=after, limit=limit, before=before).entries

    def read_batch(self, *, after: int, limit: int, before: int = 1 << 62) -> JournalBatch:
        """The same, and whether the bound of entries or of bytes ended the batch."""
        statement = (
            "SELECT position, topic, payload, received_at, checksum FROM arrivals "
            "WHERE position > ? AND position < ? ORDER BY position LIMIT ?"
        )
        with self._guard():
            rows = []
            size = 0
            for row in self._db.execute(statement, (after, before, limit)):
                rows.append(row)
                size += len(row[2])
                if size > READ_BYTES:
                    break
        return JournalBatch([self._to_entry(row) for row in rows], len(rows) == limit or size > READ_BYTES)

    def start_after(self, offset: int) -> None:
        """Assign only offsets above `offset` from now on: a new journal must not reuse offsets that the store has."""
        with self._guard(), self._db:
            self._db.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'arrivals', 0 "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'arrivals')"
            )
            self._db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'arrivals'", (offset,))

    def trim(self, offset: int, now: datetime | None = None) -> None:
        """Note that everything up to an offset is stored; delete what is not retained, and free its space.

        Args:
            offset: Everything up to it is stored.
            now: For the age of retained messages; None evicts by size alone.
        """
        oldest = self.last_before(now - self._retention.max_age) if now and self._retention.max_bytes else 0
        with self._guard():
            self._reopen()
            aged = min(offset, oldest) if self._retention.max_bytes else offset
            with self._db:
                had = max(offset, self._ask(_STORED_OFFSET))
                self._db.execute("DELETE FROM handed_on")
                self._db.execute("INSERT INTO handed_on VALUES (?)", (had,))
                deleted = self._db.execute("DELETE FROM arrivals WHERE position <= ?", (aged,)).rowcount
            while self._retained_bytes(offset) > self._retention.max_bytes and self._evict(offset):
                deleted += 1
            vacuum(self._db)
            self._wal_has_deletions |= deleted > 0
        self.tidy()

    def stored_offset(self) -> int:
        """The offset up to which everything was stored, as of the last trim."""
        with self._guard():
            return self._ask(_STORED_OFFSET)

    def _retained_bytes(self, offset: int) -> int:
        """Estimate of the bytes of retained entries up to an offset, by their share of all entries."""
        first = self._db.execute("SELECT min(position) FROM arrivals").fetchone()[0]
        if first is None or first > offset:
            return 0
        return int(used_bytes(self._db) * (offset - first + 1) / (self._ask(_LAST) - first + 1))

    def _evict(self, offset: int) -> bool:
        """Delete the oldest retained entries; False when there are none."""
        chosen = "SELECT position FROM arrivals WHERE position <= ? ORDER BY position LIMIT ?"
        with self._db:
            deleted = self._db.execute(
                f"DELETE FROM arrivals WHERE position IN ({chosen})",  # noqa: S608 - our own text
                (offset, EVICT_ROWS),
            ).rowcount
        self._wal_has_deletions |= deleted > 0
        return deleted > 0

    def _measure(self) -> None:
        self._used_bytes, self._bytes_since_measure = used_bytes(self._db), 0

    def first(self) -> int:
        """The lowest offset kept; `last` + 1 when the journal is empty."""
        with self._guard():
            lowest = self._db.execute("SELECT min(position) FROM arrivals").fetchone()[0]
            return int(lowest) if lowest else self._ask(_LAST) + 1

    def next_after(self, offset: int) -> int:
        """The lowest offset kept above another; `last` + 1 when there is none."""
        with self._guard():
            lowest = self._db.execute("SELECT min(position) FROM arrivals WHERE position > ?", (offset,)).fetchone()[0]
            return int(lowest) if lowest else max(offset, self._ask(_LAST)) + 1

    def last(self) -> int:
        """The highest offset ever assigned."""
        with self._guard():
            return self._ask(_LAST)

    def last_before(self, time: datetime) -> int:
        """The highest offset received before a time, by bisection; assumes that the clock has not jumped."""
        low, high = self.first() - 1, self.last()
        while low < high:
            middle = (low + high + 1) // 2
            entries = self.read(after=middle - 1, limit=1)
            if entries and entries[0].arrival.received_at < time:
                low = middle
            else:
                high = middle - 1
        return low

    def oldest(self, *, after: int) -> datetime | None:
        """Time of receipt of the first entry after an offset; None when there is none."""
        statement = "SELECT received_at FROM arrivals WHERE position > ? ORDER BY position LIMIT 1"
        with self._guard():
            row = self._db.execute(statement, (after,)).fetchone()
        try:
            return datetime.fromtimestamp(row[0], UTC) if row else None
        except (TypeError, ValueError, OverflowError, OSError):
            return datetime.now(UTC)  # the disk has changed it

    def bytes(self) -> int:
        """Bytes of the file's used pages."""
        with self._guard():
            return used_bytes(self._db)

    def _ask(self, statement: str) -> int:
        return int(self._db.execute(statement).fetchone()[0])

    def _unseal(self, topic: Any, payload: Any) -> tuple[Any, Any]:  # noqa: ANN401 - what a damaged disk holds
        if topic != SEALED or self._seal is None:
            return topic, payload
        return self._seal.decrypt(payload)

    def _to_entry(self, row: tuple[int, Any, Any, Any, Any]) -> JournalEntry:
        offset, topic, payload, received_at, checksum = row
        try:
            return _verify(offset, *self._unseal(topic, payload), received_at, checksum)
        except (TypeError, ValueError):
            return _damaged_entry(offset, topic, payload)


def _checksum(topic: str, payload: bytes, received_at: float, *, retained: bool) -> int:
    """Checksum over all stored fields; the `retained` flag is stored nowhere else."""
    return zlib.crc32(payload, zlib.crc32(f"{topic} {received_at!r}{' retained' * retained}".encode()))


def open_journal(settings: Settings, secrets: Secrets | None = None) -> Journal:
    """Open the journal of a city's data folder.

    Raises:
        ConfigError: The city's key is absent or another, or a newer version has written the file.
        RetryLaterError: The disk refuses.
    """
    bound = settings.journal_max_mb << 20
    return Journal(
        settings.data / "ingest" / "journal.sqlite",
        max_bytes=bound,
        seal=Seal((secrets or Secrets(settings.data)).journal_key()),
        retention=JournalRetention(
            min(settings.journal_keep_mb << 20, bound // 2), timedelta(hours=settings.journal_keep_h)
        ),
    )


def _verify(offset: int, topic: Any, payload: Any, received_at: Any, checksum: Any) -> JournalEntry:  # noqa: ANN401 - what a damaged disk holds
    try:
        arrival = Arrival(topic, payload, datetime.fromtimestamp(received_at, UTC))
        if _checksum(topic, payload, received_at, retained=False) == checksum:
            return JournalEntry(offset, arrival)
        if _checksum(topic, payload, received_at, retained=True) == checksum:
            return JournalEntry(offset, msgspec.structs.replace(arrival, retained=True))
    except (TypeError, ValueError, OverflowError, OSError):
        pass  # not even of the right types any more
    return _damaged_entry(offset, topic, payload)


def _damaged_entry(offset: int, topic: object, payload: object) -> JournalEntry:
    return JournalEntry(offset, Arrival(str(topic), _as_bytes(payload), datetime.now(UTC)), damaged=True)


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
