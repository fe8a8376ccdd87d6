"""Dead letters: messages that could not be decoded or stored, with topic, bytes, time and reason; replayable."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from broker.contract.codec import sequence_ids_of
from broker.contract.topics import parse_topic
from city.errors import TopicError
from city.storage.sqlite import (
    open_durable,
    used_bytes,
)
from city.storage.sqlite_file import SqliteFile
from ingest.store.intervals import IntervalSet
from ingest.store.parked.unknown_fields import (
    SCHEMA,
    UnknownField,
    add_unknown_fields,
    forget_unknown_fields,
    read_unknown_fields,
)

DeadLetterState = Literal["dead", "replaying", "replayed"]

EVICT_SHARE: Final = 20
"""At the bound, one in so many is evicted: replayed ones first, then the oldest of the largest source."""

OVERHEAD_BYTES: Final = 300
"""Approximate size of a dead letter besides its payload."""

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
# Fields that the contract does not know are parked in the same file.

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
    GROUP BY owner ORDER BY sum(length(payload) + {OVERHEAD_BYTES}) DESC LIMIT 1
) ORDER BY id LIMIT ?
"""  # noqa: S608 - our own names

_COLUMNS: Final = "position, topic, payload, received_at, reason, id, state, times, last_at"


class DeadLetter(msgspec.Struct, frozen=True):
    """A message, or one element of it, with the reason why it was rejected. `offset` is its last journal offset.

    The same bytes on the same topic are one dead letter: `times` counts them, `received_at` is the first time of
    receipt and `last_at` the last. `device` is the sender, where known.
    """

    offset: int
    topic: str
    payload: bytes
    received_at: datetime
    reason: str
    id: int = 0
    state: DeadLetterState = "dead"
    times: int = 1
    last_at: datetime | None = None
    device: str = ""


class DeadLetterSummary(msgspec.Struct, frozen=True):
    """Pending dead letters of one device: their number, total occurrences, and the newest reason and time."""

    count: int
    times: int
    reason: str
    last_at: datetime


def dead_letters_path(data: Path) -> Path:
    """Path of the dead letters in a data folder."""
    return data / "store" / "dead_letters.sqlite"


class DeadLetterQueue(SqliteFile):
    """Owns the dead letters' SQLite file; any thread, and several processes, may use it at once.

    Every method raises `RetryLaterError` when the disk refuses; nothing has changed then.
    """

    def __init__(self, path: Path, *, max_bytes: int = 1 << 28) -> None:
        """Open the file; it is created with its folder where absent.

        Args:
            path: The SQLite file.
            max_bytes: Bound of the file; at the bound the oldest dead letters of the device (or third-party topic) that
                has most are evicted and counted, so that no sender evicts another's.
        """
        self._max_bytes = max_bytes
        super().__init__(open_durable(path, _SCHEMA + SCHEMA), "dead letters")

    def add(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Add dead letters durably; idempotent for the same journal offsets."""
        if not dead_letters:
            return
        rows = [
            (
                _digest(dead_letter.topic, dead_letter.payload),
                dead_letter.offset,
                dead_letter.topic,
                dead_letter.payload,
                dead_letter.received_at.timestamp(),
                dead_letter.reason,
            )
            for dead_letter in dead_letters
        ]
        with self._writing() as db:
            db.executemany(_ADD, rows)
            owned = [
                (row[0], dead_letter.device)
                for row, dead_letter in zip(rows, dead_letters, strict=True)
                if dead_letter.device
            ]
            db.executemany("INSERT OR IGNORE INTO owners VALUES (?, ?)", owned)
            while used_bytes(db) > self._max_bytes and self._evict(db):
                pass

    def note_unknown_fields(self, fields: Sequence[UnknownField]) -> None:
        """Count messages with unknown fields; idempotent for the same journal offsets."""
        if fields:
            with self._writing() as db:
                add_unknown_fields(db, fields)

    def unknown_fields(self, *, limit: int = 100) -> list[UnknownField]:
        """Fields that the contract does not know, the last received first."""
        with self._guard():
            return read_unknown_fields(self._db, limit)

    def find(
        self, *, state: DeadLetterState | None = "dead", limit: int = 100, before_id: int | None = None
    ) -> list[DeadLetter]:
        """Dead letters, newest first; `before_id` continues a page, `state` None takes all."""
        statement = (
            f"SELECT {_COLUMNS} FROM letters "  # noqa: S608 - our own names
            "WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3"
        )
        with self._guard():
            rows = self._db.execute(statement, (state, before_id, limit)).fetchall()
        return [_dead_letter(row) for row in rows]

    def get(self, ids: Sequence[int]) -> list[DeadLetter]:
        """Dead letters by id, in order of arrival; unknown ids are skipped."""
        marks = ",".join("?" * len(ids))
        statement = f"SELECT {_COLUMNS} FROM letters WHERE id IN ({marks}) ORDER BY id"  # noqa: S608 - only marks are joined
        with self._guard():
            return [_dead_letter(row) for row in self._db.execute(statement, tuple(ids))]

    def count(self) -> int:
        """Number of dead letters that are not replayed."""
        with self._guard():
            return int(self._db.execute("SELECT count(*) FROM letters WHERE state = 'dead'").fetchone()[0])

    def summary_of(self, device: str) -> DeadLetterSummary | None:
        """Summary of one device's pending dead letters; None without any."""
        statement = (
            "SELECT count(*) OVER (), sum(times) OVER (), reason, last_at FROM owners JOIN letters USING (digest) "
            "WHERE device = ? AND state = 'dead' ORDER BY last_at DESC LIMIT 1"
        )
        with self._guard():
            row = self._db.execute(statement, (device,)).fetchone()
        return DeadLetterSummary(row[0], row[1], row[2], datetime.fromtimestamp(row[3], UTC)) if row else None

    def of_device(self, device: str, *, limit: int) -> list[DeadLetter]:
        """One device's pending dead letters, the last received first."""
        names = ", ".join(f"letters.{name.strip()}" for name in _COLUMNS.split(","))
        statement = (
            f"SELECT {names} FROM owners JOIN letters USING (digest) "  # noqa: S608 - our own names
            "WHERE device = ? AND state = 'dead' ORDER BY last_at DESC, id DESC LIMIT ?"
        )
        with self._guard():
            return [_dead_letter(row) for row in self._db.execute(statement, (device, limit))]

    def dropped_count(self) -> int:
        """Number of dead letters ever evicted at the bound."""
        with self._guard():
            return int(self._db.execute("SELECT coalesce(sum(letters), 0) FROM dropped").fetchone()[0])

    def seqs(self) -> dict[tuple[str, str], IntervalSet]:
        """Device and epoch to the sequence numbers in dead letters that were not replayed."""
        seqs_by_epoch: defaultdict[tuple[str, str], IntervalSet] = defaultdict(IntervalSet)
        with self._guard():
            rows = self._db.execute("SELECT topic, payload FROM letters WHERE state != 'replayed'").fetchall()
        for topic, payload in rows:
            with contextlib.suppress(TopicError):
                device = parse_topic(topic).device
                for epoch, seq in sequence_ids_of(payload):
                    seqs_by_epoch[device, epoch].add(seq)
        return dict(seqs_by_epoch)

    def last_offset(self) -> int:
        """The highest journal offset of a dead letter; 0 without any."""
        with self._guard():
            return int(self._db.execute("SELECT coalesce(max(position), 0) FROM letters").fetchone()[0])

    def mark(self, ids: Sequence[int], was: DeadLetterState, state: DeadLetterState) -> None:
        """Change the state of those of `ids` that are in state `was`."""
        with self._writing() as db:
            marks = [(state, id_, was) for id_ in ids]
            db.executemany("UPDATE letters SET state = ? WHERE id = ? AND state = ?", marks)

    def forget_before(self, time: datetime) -> int:
        """Delete dead letters last received before a time (retention); return how many."""
        with self._writing() as db:
            deleted = db.execute("DELETE FROM letters WHERE last_at < ?", (time.timestamp(),)).rowcount
            db.execute("DELETE FROM owners WHERE digest NOT IN (SELECT digest FROM letters)")
            forget_unknown_fields(db, time)
            self._wal_has_deletions = True
            return deleted

    def _evict(self, db: sqlite3.Connection) -> int:
        share = int(db.execute("SELECT count(*) FROM letters").fetchone()[0]) // EVICT_SHARE + 1
        statement = "SELECT id FROM letters WHERE state = 'replayed' ORDER BY id LIMIT ?"
        chosen = db.execute(statement, (share,)).fetchall() or db.execute(_OF_LARGEST, (share,)).fetchall()
        db.executemany("DELETE FROM owners WHERE digest = (SELECT digest FROM letters WHERE id = ?)", chosen)
        deleted = db.executemany("DELETE FROM letters WHERE id = ?", chosen).rowcount
        db.execute("INSERT INTO dropped VALUES (?)", (deleted,))
        self._wal_has_deletions = True
        return deleted


def _digest(topic: str, payload: bytes) -> bytes:
    return hashlib.blake2b(topic.encode("utf-8", "replace") + b"\0" + payload, digest_size=16).digest()


def _dead_letter(row: tuple[int, str, bytes, float, str, int, DeadLetterState, int, float]) -> DeadLetter:
    offset, topic, payload, received_at, reason, id_, state, times, last_at = row
    first, last = (datetime.fromtimestamp(at, UTC) for at in (received_at, last_at))
    return DeadLetter(offset, topic, payload, first, reason, id_, state, times, last)
