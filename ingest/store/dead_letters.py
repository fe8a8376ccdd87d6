"""Messages that could not be understood: kept with topic, bytes, time and reason; shown, and replayed after a fix."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from broker.contract.codec import sequence_ids_of
from broker.contract.errors import TopicError
from broker.contract.topics import parse_topic
from city.disk import DurableFile, empty_wal, give_back, guarded, kept_bytes, open_durable, still_there
from ingest.store.intervals import IntervalSet

LetterState = Literal["dead", "replaying", "replayed"]

GIVE_WAY_SHARE: Final = 20
"""At the bound one letter in so many goes: the replayed first, then the oldest of the device that has most."""

LETTER_BYTES: Final = 300
"""What a letter takes besides its payload, about."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    position INTEGER NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_at REAL NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'dead',
    times INTEGER NOT NULL DEFAULT 1,
    last_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS letters_by_state ON letters (state, id);
CREATE TABLE IF NOT EXISTS owners (digest BLOB PRIMARY KEY, device TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS owners_by_device ON owners (device);
CREATE TABLE IF NOT EXISTS dropped (letters INTEGER NOT NULL);
"""

_ADD: Final = """
INSERT INTO letters (digest, position, topic, payload, received_at, last_at, reason)
VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)
ON CONFLICT (digest) DO UPDATE SET
    position = excluded.position, last_at = max(last_at, excluded.last_at), reason = excluded.reason,
    state = 'dead', times = times + 1
WHERE excluded.position > letters.position
"""

_OWNED: Final = "letters LEFT JOIN owners USING (digest)"
_OF_LARGEST: Final = f"""
SELECT id FROM {_OWNED} WHERE coalesce(device, topic) = (
    SELECT coalesce(device, topic) AS owner FROM {_OWNED}
    GROUP BY owner ORDER BY sum(length(payload) + {LETTER_BYTES}) DESC LIMIT 1
) ORDER BY id LIMIT ?
"""  # noqa: S608 - our own names

_COLUMNS: Final = "position, topic, payload, received_at, reason, id, state, times, last_at"


class DeadLetter(msgspec.Struct, frozen=True):
    """A message, or one element of it, with why it is dead. `position` is where it last lay in the journal.

    The same bytes on the same topic are one letter, however often they come: `times` counts, `received_at` is the
    first time and `last_at` the last. `device` is whose it is, where that is known.
    """

    offset: int
    topic: str
    payload: bytes
    received_at: datetime
    reason: str
    id: int = 0
    state: LetterState = "dead"
    times: int = 1
    last_at: datetime | None = None
    device: str = ""


class UnreadOf(msgspec.Struct, frozen=True):
    """What could not be read of one device: letters that wait, how often they came, the newest's reason and time."""

    letters: int
    times: int
    reason: str
    last_at: datetime


class DeadLetterBox:
    """Owns the dead letters' SQLite file; any thread, and several processes, may use it at once.

    Every method raises `RetryLaterError` when the disk refuses; nothing has changed then.
    """

    def __init__(self, path: Path, *, max_bytes: int = 1 << 28) -> None:
        """Open the file, making it and its folder where absent.

        Args:
            path: The SQLite file.
            max_bytes: Bound of what the file keeps; there the oldest letters of the device (or foreign topic) that
                has most give way and are counted: nobody pushes out another's.
        """
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._db = open_durable(path, _SCHEMA)
        self._owes_emptying = True

    @property
    def file(self) -> DurableFile:
        """The file, for who tells it from others; nothing else may be done with it."""
        return self._db

    def add(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters durably before returning; the same of the same journal positions again changes nothing."""
        if not letters:
            return
        rows = [
            (
                _digest(one.topic, one.payload),
                one.offset,
                one.topic,
                one.payload,
                one.received_at.timestamp(),
                one.reason,
            )
            for one in letters
        ]
        with self._writing() as db:
            db.executemany(_ADD, rows)
            owned = [(row[0], one.device) for row, one in zip(rows, letters, strict=True) if one.device]
            db.executemany("INSERT OR IGNORE INTO owners VALUES (?, ?)", owned)
            while kept_bytes(db) > self._max_bytes and self._give_way(db):
                pass

    def find(
        self, *, state: LetterState | None = "dead", limit: int = 100, before_id: int | None = None
    ) -> list[DeadLetter]:
        """Letters, newest first; `before_id` pages on, `state` None takes all."""
        statement = (
            f"SELECT {_COLUMNS} FROM letters "  # noqa: S608 - our own names
            "WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3"
        )
        with self._guarded():
            rows = self._db.execute(statement, (state, before_id, limit)).fetchall()
        return [_letter(row) for row in rows]

    def get(self, ids: Sequence[int]) -> list[DeadLetter]:
        """The letters with these ids that exist, in their order of arrival."""
        marks = ",".join("?" * len(ids))
        statement = f"SELECT {_COLUMNS} FROM letters WHERE id IN ({marks}) ORDER BY id"  # noqa: S608 - only marks are joined
        with self._guarded():
            return [_letter(row) for row in self._db.execute(statement, tuple(ids))]

    def count(self) -> int:
        """How many letters wait to be looked at."""
        with self._guarded():
            return int(self._db.execute("SELECT count(*) FROM letters WHERE state = 'dead'").fetchone()[0])

    def unread_of(self, device: str) -> UnreadOf | None:
        """What waits of one device; None when nothing does."""
        statement = (
            "SELECT count(*) OVER (), sum(times) OVER (), reason, last_at FROM owners JOIN letters USING (digest) "
            "WHERE device = ? AND state = 'dead' ORDER BY last_at DESC LIMIT 1"
        )
        with self._guarded():
            row = self._db.execute(statement, (device,)).fetchone()
        return UnreadOf(row[0], row[1], row[2], datetime.fromtimestamp(row[3], UTC)) if row else None

    def dropped(self) -> int:
        """How many letters gave way at the bound, ever."""
        with self._guarded():
            return int(self._db.execute("SELECT coalesce(sum(letters), 0) FROM dropped").fetchone()[0])

    def seqs(self) -> dict[tuple[str, str], IntervalSet]:
        """Device and boot to the seqs that letters carry which were not replayed: durable, but not stored."""
        found: defaultdict[tuple[str, str], IntervalSet] = defaultdict(IntervalSet)
        with self._guarded():
            rows = self._db.execute("SELECT topic, payload FROM letters WHERE state != 'replayed'").fetchall()
        for topic, payload in rows:
            with contextlib.suppress(TopicError):
                device = parse_topic(topic).device
                for boot, seq in sequence_ids_of(payload):
                    found[device, boot].add(seq)
        return dict(found)

    def last_offset(self) -> int:
        """The highest journal position a letter came from; 0 without letters."""
        with self._guarded():
            return int(self._db.execute("SELECT coalesce(max(position), 0) FROM letters").fetchone()[0])

    def mark(self, ids: Sequence[int], was: LetterState, state: LetterState) -> None:
        """Say how far those of these that were in one state are on their way back to ingest."""
        with self._writing() as db:
            marks = [(state, id_, was) for id_ in ids]
            db.executemany("UPDATE letters SET state = ? WHERE id = ? AND state = ?", marks)

    def forget_before(self, time: datetime) -> int:
        """Delete letters that last came before a time (retention); how many went."""
        with self._writing() as db:
            gone = db.execute("DELETE FROM letters WHERE last_at < ?", (time.timestamp(),)).rowcount
            db.execute("DELETE FROM owners WHERE digest NOT IN (SELECT digest FROM letters)")
            self._owes_emptying = True
            return gone

    def tidy(self) -> None:
        """Empty the write-ahead log of what was deleted; where a reader forbids it, at the next call.

        A file that was deleted or replaced meanwhile is written anew.
        """
        with self._guarded():
            self._db = still_there(self._db)
            if self._owes_emptying:
                self._owes_emptying = not empty_wal(self._db)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._guarded():
            self._db = still_there(self._db)
            with self._db:
                yield self._db
            give_back(self._db)

    def _guarded(self) -> AbstractContextManager[None]:
        return guarded(self._lock, "dead letters")

    def _give_way(self, db: sqlite3.Connection) -> int:
        share = int(db.execute("SELECT count(*) FROM letters").fetchone()[0]) // GIVE_WAY_SHARE + 1
        statement = "SELECT id FROM letters WHERE state = 'replayed' ORDER BY id LIMIT ?"
        chosen = db.execute(statement, (share,)).fetchall() or db.execute(_OF_LARGEST, (share,)).fetchall()
        db.executemany("DELETE FROM owners WHERE digest = (SELECT digest FROM letters WHERE id = ?)", chosen)
        gone = db.executemany("DELETE FROM letters WHERE id = ?", chosen).rowcount
        db.execute("INSERT INTO dropped VALUES (?)", (gone,))
        self._owes_emptying = True
        return gone


def _digest(topic: str, payload: bytes) -> bytes:
    return hashlib.blake2b(topic.encode("utf-8", "replace") + b"\0" + payload, digest_size=16).digest()


def _letter(row: tuple[int, str, bytes, float, str, int, LetterState, int, float]) -> DeadLetter:
    offset, topic, payload, received_at, reason, id_, state, times, last_at = row
    first, last = (datetime.fromtimestamp(at, UTC) for at in (received_at, last_at))
    return DeadLetter(offset, topic, payload, first, reason, id_, state, times, last)
