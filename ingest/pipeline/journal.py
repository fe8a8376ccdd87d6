"""The journal: every message is on this disk before it is acknowledged.

SQLite, WAL, synchronous=FULL. A row is a segment of messages (`segments.py`): one `append` is one transaction and one
fsync, for any number of messages. Offsets only grow, across restarts and trims.

Stored messages are retained for some time, so that a damaged or lost store is filled again. Third-party messages are
encrypted from arrival on: names and addresses of people are never on the disk in clear.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from broker.contract.topics import is_native
from city.errors import RetryLaterError
from city.storage.sqlite import (
    open_durable,
    used_bytes,
    vacuum,
)
from city.storage.sqlite_file import SqliteFile
from ingest.messages import Arrival, JournalEntry
from ingest.pipeline.seal import Seal
from ingest.pipeline.segments import Segment, to_entries, to_frames, to_segments

VERSION: Final = 3
"""Schema version; up to 2, every message was a row of the table `arrivals`."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS segments (last INTEGER PRIMARY KEY, first INTEGER NOT NULL, frames BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS offsets (
    id INTEGER PRIMARY KEY CHECK (id = 1), last INTEGER NOT NULL, trimmed INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS handed_on (position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS arrivals (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_at REAL NOT NULL,
    checksum INTEGER NOT NULL
);
"""
SEALED: Final = ""
"""Topic of a message whose topic and payload are encrypted together."""

READ_BYTES: Final = 4 << 20
"""Upper limit of the payload bytes of one `read`, so that a catch-up of large arrays stays small in memory."""
MEASURE_BYTES: Final = 1 << 20
"""The file's size is measured again after so many new bytes; near the bound, every time."""
ROW_BYTES: Final = 64
"""Upper limit of a segment's size besides its frames."""
EVICT_ROWS: Final = 20
"""Segments that are evicted at once from what is retained."""
CONVERT_ROWS: Final = 2_000
"""Rows of an older file that are converted in one transaction."""
_LAST: Final = "SELECT last FROM offsets"
_TRIMMED: Final = "SELECT trimmed FROM offsets"
_STORED_OFFSET: Final = "SELECT coalesce(max(position), 0) FROM handed_on"
_INSERT: Final = "INSERT INTO segments (first, last, frames) VALUES (?, ?, ?)"
_SEGMENTS: Final = "SELECT first, last, frames FROM segments WHERE last > ? AND first < ? ORDER BY last"
_OldRow = tuple[int, Any, Any, Any, Any]
"""Position, topic, payload, time of receipt and checksum; on a damaged disk, of any type."""


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
        self._convert_old()

    def _convert_old(self) -> None:
        """Bring the counters up to the segments, and turn the rows of an older version into segments."""
        with self._guard(), self._db:
            highest = self._ask(
                "SELECT max((SELECT coalesce(max(last), 0) FROM segments), coalesce((SELECT max(seq) "
                "FROM sqlite_sequence WHERE name = 'arrivals'), 0))"
            )
            self._db.execute("INSERT OR IGNORE INTO offsets VALUES (1, 0, 0)")
            self._db.execute("UPDATE offsets SET last = max(last, ?)", (highest,))
        statement = "SELECT * FROM arrivals ORDER BY position LIMIT ?"
        while True:
            with self._guard(), self._db:
                self._db.execute("BEGIN IMMEDIATE")  # another process may open the file at the same time
                rows = self._db.execute(statement, (CONVERT_ROWS,)).fetchall()
                for run in _runs(rows):
                    frames = [self._to_frame_of_old(row) for row in run]
                    self._db.executemany(_INSERT, to_segments(frames, run[-1][0]))
                self._db.execute("DELETE FROM arrivals WHERE position <= ?", (rows[-1][0] if rows else 0,))
            if not rows:
                return

    def _to_frame_of_old(self, row: _OldRow) -> bytes:
        """The frame of a row of an older version; that of a damaged row is damaged as well."""
        _, topic, payload, received_at, checksum = row
        try:
            arrival = Arrival(topic, payload, datetime.fromtimestamp(received_at, UTC))
            name, body = (topic, payload) if topic != SEALED or not self._seal else self._seal.decrypt(payload)
            for retained in (False, True):
                if _old_checksum(name, body, received_at, retained=retained) == checksum:
                    return to_frames([self._to_kept(msgspec.structs.replace(arrival, retained=retained))])[0]
        except (TypeError, ValueError, OverflowError, OSError, AttributeError):
            pass  # not even of the right types any more
        (frame,) = to_frames([Arrival(str(topic), _as_bytes(payload), datetime.now(UTC))])
        return bytes((frame[0] ^ 1,)) + frame[1:]

    def _to_kept(self, arrival: Arrival) -> Arrival:
        """A message as it is written to the disk."""
        if self._seal is None or arrival.topic == SEALED or is_native(arrival.topic):
            return arrival
        sealed = self._seal.seal(arrival.topic, arrival.payload)
        return Arrival(SEALED, sealed, arrival.received_at, arrival.retained)

    def append(self, arrivals: Sequence[Arrival]) -> None:
        """Append messages durably, in order, in one transaction.

        Raises:
            RetryLaterError: The bound is reached or the disk refused; nothing was kept.
        """
        frames = to_frames(map(self._to_kept, arrivals))
        added = sum(map(len, frames)) + ROW_BYTES
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
                # The update takes the lock first: another process may append as well.
                (last,) = self._db.execute(
                    "UPDATE offsets SET last = last + ? RETURNING last", (len(frames),)
                ).fetchone()
                self._db.executemany(_INSERT, to_segments(frames, last))
            self._bytes_since_measure += added

    def read(self, *, after: int, limit: int, before: int = 1 << 62) -> list[JournalEntry]:
        """Entries between two offsets, in order of arrival; fewer than `limit` when they are large."""
        return self.read_batch(after=after, limit=limit, before=before).entries

    def read_batch(self, *, after: int, limit: int, before: int = 1 << 62) -> JournalBatch:
        """The same, and whether the bound of entries or of bytes ended the batch."""
        segments: list[Segment] = []
        size = count = 0
        with self._guard():
            after = max(after, self._ask(_TRIMMED))
            for first, last, frames in self._db.execute(_SEGMENTS, (after, before)):
                segments.append(Segment(first, last, _as_bytes(frames)))
                size += len(frames)
                count += last - max(first, after + 1) + 1
                if count >= limit or size > READ_BYTES:
                    break
        entries = [
            self._to_clear(entry)
            for segment in segments
            for entry in to_entries(segment)
            if after < entry.offset < before
        ]
        return JournalBatch(entries[:limit], count >= limit or size > READ_BYTES)

    def start_after(self, offset: int) -> None:
        """Assign only offsets above `offset` from now on: a new journal must not reuse offsets that the store has."""
        with self._guard(), self._db:
            self._db.execute("UPDATE offsets SET last = max(last, ?)", (offset,))

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
                self._db.execute("UPDATE offsets SET trimmed = max(trimmed, ?)", (aged,))
                deleted = self._db.execute("DELETE FROM segments WHERE last <= ?", (aged,)).rowcount
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
        first = self._first()
        if first > offset:
            return 0
        return int(used_bytes(self._db) * (offset - first + 1) / (self._ask(_LAST) - first + 1))

    def _evict(self, offset: int) -> bool:
        """Delete the oldest retained entries; False when there are none."""
        chosen = "SELECT last FROM segments WHERE last <= ? ORDER BY last LIMIT ?"
        with self._db:
            deleted = self._db.execute(
                f"DELETE FROM segments WHERE last IN ({chosen})",  # noqa: S608 - our own text
                (offset, EVICT_ROWS),
            ).rowcount
        self._wal_has_deletions |= deleted > 0
        return deleted > 0

    def _measure(self) -> None:
        self._used_bytes, self._bytes_since_measure = used_bytes(self._db), 0

    def first(self) -> int:
        """The lowest offset kept; `last` + 1 when the journal is empty."""
        with self._guard():
            return self._first()

    def _first(self) -> int:
        return self._next_after(self._ask(_TRIMMED))

    def next_after(self, offset: int) -> int:
        """The lowest offset kept above another; `last` + 1 when there is none."""
        with self._guard():
            return self._next_after(max(offset, self._ask(_TRIMMED)))

    def _next_after(self, offset: int) -> int:
        statement = "SELECT first FROM segments WHERE last > ? ORDER BY last LIMIT 1"
        row = self._db.execute(statement, (offset,)).fetchone()
        return max(int(row[0]), offset + 1) if row else max(offset, self._ask(_LAST)) + 1

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
        entries = self.read(after=after, limit=1)
        return entries[0].arrival.received_at if entries else None

    def bytes(self) -> int:
        """Bytes of the file's used pages."""
        with self._guard():
            return used_bytes(self._db)

    def _ask(self, statement: str) -> int:
        return int(self._db.execute(statement).fetchone()[0])

    def _to_clear(self, entry: JournalEntry) -> JournalEntry:
        """An entry with its topic and payload decrypted; damaged if that fails."""
        if entry.arrival.topic != SEALED or entry.damaged or self._seal is None:
            return entry
        try:
            topic, payload = self._seal.decrypt(entry.arrival.payload)
        except ValueError:
            return msgspec.structs.replace(entry, damaged=True)
        return JournalEntry(entry.offset, msgspec.structs.replace(entry.arrival, topic=topic, payload=payload))


def _runs(rows: Sequence[_OldRow]) -> Iterator[list[_OldRow]]:
    """Rows in order of position, in runs without gaps."""
    run: list[_OldRow] = []
    for row in rows:
        if run and row[0] != run[-1][0] + 1:
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _old_checksum(topic: str, payload: bytes, received_at: float, *, retained: bool) -> int:
    """Checksum of a row of an older version, over all stored fields; the `retained` flag is stored nowhere else."""
    return zlib.crc32(payload, zlib.crc32(f"{topic} {received_at!r}{' retained' * retained}".encode()))


class JournalParams(msgspec.Struct, frozen=True):
    """What a process needs to open the journal.

    Attributes:
        path: The SQLite file.
        max_bytes: Bound of the file.
        key: Of the encryption of third-party messages, 32 bytes.
        keep_bytes: Bound of what stays after it is stored.
        keep_s: Bound of its age.
    """

    path: Path
    max_bytes: int
    key: bytes
    keep_bytes: int
    keep_s: float

    def open(self) -> Journal:
        """Open the journal; raises what `Journal` does."""
        retention = JournalRetention(self.keep_bytes, timedelta(seconds=self.keep_s))
        return Journal(self.path, max_bytes=self.max_bytes, seal=Seal(self.key), retention=retention)


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
