"""The journal: what arrived, on this disk, before anybody is told that it arrived.

SQLite, WAL, synchronous=FULL, no index but the position: one `append` is one transaction and one fsync, however many
messages it holds. Positions only grow, also over restarts and after everything has been trimmed. Every message has a
checksum: one that the disk has changed is told apart from one that came so.

What the store has is kept for some more time, so that a store that is damaged or lost is filled again.
Messages of other makers' devices are sealed from their arrival on: names and addresses of people are never in clear.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.contract.errors import RetryLaterError
from broker.contract.topics import is_native
from city.secrets import Secrets
from city.settings import Settings
from city.sqlite import DurableConnection, guard, open_durable, reopen_if_replaced, truncate_wal, used_bytes, vacuum
from ingest.seal import Seal

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
"""Topic of a message that is sealed with its topic."""

READ_BYTES: Final = 4 << 20
"""Payload that one `read` gives out at most, so that catch-ups of large arrays stay small in memory."""
MEASURE_BYTES: Final = 1 << 20
"""After so much new payload the file's size is asked for again; near the bound every time."""
ROW_BYTES: Final = 64
"""What a message takes besides topic and payload, at the most."""
FORGET_ROWS: Final = 2_000
"""Messages that are deleted at once where what is kept gives way."""
_LAST: Final = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'arrivals'"
_HANDED_ON: Final = "SELECT coalesce(max(position), 0) FROM handed_on"


@dataclass(frozen=True)
class Keep:
    """How much the journal keeps of what the store has: the younger of it, up to either bound.

    It never makes the journal full: it gives way first.
    """

    max_bytes: int = 0
    max_age: timedelta = timedelta(0)


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

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        seal: Seal | None = None,
        keep: Keep = Keep(),
    ) -> None:
        """Open or make the file.

        Args:
            path: The SQLite file; its folder is made.
            max_bytes: Bound of what the file keeps; at the bound `append` refuses, what waits is never dropped.
            seal: Of messages of other makers' devices; without it they lie in clear.
            keep: How much stays of what the store has; without a seal, nothing.

        Raises:
            ConfigError: A newer version has written the file.
            RetryLaterError: The disk refuses.
        """
        self._max_bytes = max_bytes
        self._seal = seal
        self._keep = keep if seal else Keep()
        self._lock = threading.Lock()
        self._db = open_durable(path, _SCHEMA, version=VERSION)
        self._kept, self._unmeasured = used_bytes(self._db), 0
        self._owes_emptying = True
        if seal:
            self._seal_old()

    @property
    def file(self) -> DurableConnection:
        """The file, for who tells it from others; nothing else may be done with it."""
        return self._db

    def _seal_old(self) -> None:
        """Seal what an older version has kept in clear."""
        with self._guarded(), self._db:
            foreign = [
                row
                for row in self._db.execute("SELECT position, topic FROM arrivals WHERE topic != ''")
                if isinstance(row[1], str) and not is_native(row[1])
            ]
            for position, topic in foreign:
                (payload,) = self._db.execute("SELECT payload FROM arrivals WHERE position = ?", (position,)).fetchone()
                changed = self._closed(topic, _as_bytes(payload))
                self._db.execute("UPDATE arrivals SET topic = ?, payload = ? WHERE position = ?", (*changed, position))

    def _closed(self, topic: str, payload: bytes) -> tuple[str, bytes]:
        """Topic and payload as they lie on the disk."""
        if self._seal is None or is_native(topic):
            return topic, payload
        return SEALED, self._seal.sealed(topic, payload)

    def append(self, arrivals: Sequence[Arrival]) -> None:
        """Keep messages durably, in order, in one transaction.

        Raises:
            RetryLaterError: The bound is reached or the disk refused; nothing was kept.
        """
        rows = [
            (
                *self._closed(a.topic, a.payload),
                at := a.received_at.timestamp(),
                _checksum(a.topic, a.payload, at, retained=a.retained),
            )
            for a in arrivals
        ]
        added = sum(len(a.payload) + len(a.topic) + ROW_BYTES for a in arrivals)
        statement = "INSERT INTO arrivals (topic, payload, received_at, checksum) VALUES (?, ?, ?, ?)"
        with self._guarded():
            self._db = reopen_if_replaced(self._db)
            if self._unmeasured > MEASURE_BYTES or self._kept + self._unmeasured + added > self._max_bytes:
                self._measure()
            while self._kept + added > self._max_bytes and self._forget(self._ask(_HANDED_ON)):
                self._measure()
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
        return [self._journaled(row) for row in rows]

    def start_after(self, position: int) -> None:
        """Never give out a position the store has passed already: a journal lost with its disk starts behind it."""
        with self._guarded(), self._db:
            self._db.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'arrivals', 0 "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'arrivals')"
            )
            self._db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'arrivals'", (position,))

    def trim(self, position: int, now: datetime | None = None) -> None:
        """Note what the store has, up to a position; forget what is not kept behind it, and give its space back.

        Args:
            position: Everything up to it is stored.
            now: For the age of what is kept; None forgets by size alone.
        """
        oldest = self.last_before(now - self._keep.max_age) if now and self._keep.max_bytes else 0
        with self._guarded():
            self._db = reopen_if_replaced(self._db)
            aged = min(position, oldest) if self._keep.max_bytes else position
            with self._db:
                had = max(position, self._ask(_HANDED_ON))
                self._db.execute("DELETE FROM handed_on")
                self._db.execute("INSERT INTO handed_on VALUES (?)", (had,))
                gone = self._db.execute("DELETE FROM arrivals WHERE position <= ?", (aged,)).rowcount
            while self._behind_bytes(position) > self._keep.max_bytes and self._forget(position):
                gone += 1
            vacuum(self._db)
            self._owes_emptying |= gone > 0
        self.tidy()

    def tidy(self) -> None:
        """Empty the write-ahead log of what was deleted; where a reader forbids it, at the next call.

        A file that was deleted or replaced meanwhile is written anew.
        """
        with self._guarded():
            self._db = reopen_if_replaced(self._db)
            if self._owes_emptying:
                self._owes_emptying = not truncate_wal(self._db)

    def handed_on(self) -> int:
        """Up to which position the store had everything when it was asked last."""
        with self._guarded():
            return self._ask(_HANDED_ON)

    def _behind_bytes(self, position: int) -> int:
        """About how many bytes what is kept up to a position takes, by its share of all messages."""
        first = self._db.execute("SELECT min(position) FROM arrivals").fetchone()[0]
        if first is None or first > position:
            return 0
        return int(used_bytes(self._db) * (position - first + 1) / (self._ask(_LAST) - first + 1))

    def _forget(self, position: int) -> bool:
        """Let the oldest of what is kept give way; False when nothing is."""
        chosen = "SELECT position FROM arrivals WHERE position <= ? ORDER BY position LIMIT ?"
        with self._db:
            gone = self._db.execute(
                f"DELETE FROM arrivals WHERE position IN ({chosen})",  # noqa: S608 - our own text
                (position, FORGET_ROWS),
            ).rowcount
        self._owes_emptying |= gone > 0
        return gone > 0

    def _measure(self) -> None:
        self._kept, self._unmeasured = used_bytes(self._db), 0

    def first(self) -> int:
        """The lowest position kept; one more than `last` when nothing is."""
        with self._guarded():
            found = self._db.execute("SELECT min(position) FROM arrivals").fetchone()[0]
            return int(found) if found else self._ask(_LAST) + 1

    def next_after(self, position: int) -> int:
        """The lowest position kept behind another; one more than `last` when nothing is."""
        with self._guarded():
            found = self._db.execute("SELECT min(position) FROM arrivals WHERE position > ?", (position,)).fetchone()[0]
            return int(found) if found else max(position, self._ask(_LAST)) + 1

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
            return used_bytes(self._db)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _guarded(self) -> AbstractContextManager[None]:
        return guard(self._lock, "journal")

    def _ask(self, statement: str) -> int:
        return int(self._db.execute(statement).fetchone()[0])

    def _opened(self, topic: Any, payload: Any) -> tuple[Any, Any]:  # noqa: ANN401 - what a damaged disk holds
        if topic != SEALED or self._seal is None:
            return topic, payload
        return self._seal.opened(payload)

    def _journaled(self, row: tuple[int, Any, Any, Any, Any]) -> Journaled:
        position, topic, payload, received_at, checksum = row
        try:
            return _checked(position, *self._opened(topic, payload), received_at, checksum)
        except (TypeError, ValueError):
            return _damaged(position, topic, payload)


def _checksum(topic: str, payload: bytes, received_at: float, *, retained: bool) -> int:
    """Over everything that is kept; whether a message was retained is kept nowhere else."""
    return zlib.crc32(payload, zlib.crc32(f"{topic} {received_at!r}{' retained' * retained}".encode()))


def open_journal(settings: Settings, secrets: Secrets | None = None) -> Journal:
    """The journal of a city's data folder.

    Raises:
        ConfigError: The city's key is absent or another, or a newer version has written the file.
        RetryLaterError: The disk refuses.
    """
    bound = settings.journal_max_mb << 20
    return Journal(
        settings.data / "ingest" / "journal.sqlite",
        max_bytes=bound,
        seal=Seal((secrets or Secrets(settings.data)).journal_key()),
        keep=Keep(min(settings.journal_keep_mb << 20, bound // 2), timedelta(hours=settings.journal_keep_h)),
    )


def _checked(position: int, topic: Any, payload: Any, received_at: Any, checksum: Any) -> Journaled:  # noqa: ANN401 - what a damaged disk holds
    try:
        arrival = Arrival(topic, payload, datetime.fromtimestamp(received_at, UTC))
        if _checksum(topic, payload, received_at, retained=False) == checksum:
            return Journaled(position, arrival)
        if _checksum(topic, payload, received_at, retained=True) == checksum:
            return Journaled(position, msgspec.structs.replace(arrival, retained=True))
    except (TypeError, ValueError, OverflowError, OSError):
        pass  # not even of the right types any more
    return _damaged(position, topic, payload)


def _damaged(position: int, topic: object, payload: object) -> Journaled:
    return Journaled(position, Arrival(str(topic), _as_bytes(payload), datetime.now(UTC)), damaged=True)


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
