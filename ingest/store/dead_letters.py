"""Messages that could not be understood: kept with topic, bytes, time and reason; shown, and replayed after a fix."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from broker.contract.codec import stamps_of
from broker.contract.errors import RetryLaterError, TopicError
from broker.contract.topics import parse_topic
from city.disk import open_durable
from ingest.store.intervals import IntervalSet

LetterState = Literal["dead", "replayed"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    position INTEGER NOT NULL,
    part INTEGER NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_at REAL NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'dead',
    UNIQUE (position, part)
);
CREATE INDEX IF NOT EXISTS dead_letters_state ON dead_letters (state, id);
"""


class DeadLetter(msgspec.Struct, frozen=True):
    """A message, or one element of it, with why it is dead. `position` and `part` say where it lay in the journal."""

    position: int
    part: int
    topic: str
    payload: bytes
    received_at: datetime
    reason: str
    id: int = 0
    state: LetterState = "dead"


class DeadLetterBox:
    """Owns the dead letters' SQLite file; any thread, and several processes, may use it at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it and its folder where absent."""
        self._lock = threading.Lock()
        self._db = open_durable(path, _SCHEMA)

    def add(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters durably before returning; one that is kept already (same position and part) stays one.

        Raises:
            RetryLaterError: The disk refused; nothing was kept.
        """
        rows = [(d.position, d.part, d.topic, d.payload, d.received_at.timestamp(), d.reason) for d in letters]
        statement = (
            "INSERT OR IGNORE INTO dead_letters (position, part, topic, payload, received_at, reason) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        try:
            with self._lock, self._db:
                self._db.executemany(statement, rows)
        except sqlite3.OperationalError as exc:
            raise RetryLaterError(f"dead letters: {exc}") from exc

    def find(
        self, *, state: LetterState | None = "dead", limit: int = 100, before_id: int | None = None
    ) -> list[DeadLetter]:
        """Letters, newest first; `before_id` pages on, `state` None takes all."""
        statement = (
            "SELECT position, part, topic, payload, received_at, reason, id, state FROM dead_letters "
            "WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3"
        )
        with self._lock:
            rows = self._db.execute(statement, (state, before_id, limit)).fetchall()
        return [_letter(row) for row in rows]

    def get(self, ids: Sequence[int]) -> list[DeadLetter]:
        """The letters with these ids that exist, in their order of arrival."""
        marks = ",".join("?" * len(ids))
        statement = (
            "SELECT position, part, topic, payload, received_at, reason, id, state FROM dead_letters "  # noqa: S608 - only marks are joined
            f"WHERE id IN ({marks}) ORDER BY id"
        )
        with self._lock:
            return [_letter(row) for row in self._db.execute(statement, tuple(ids))]

    def count(self) -> int:
        """How many letters wait to be looked at."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM dead_letters WHERE state = 'dead'").fetchone()[0])

    def seqs(self) -> dict[tuple[str, str], IntervalSet]:
        """Device and boot to the seqs that letters carry, waiting or replayed: durable, but perhaps not stored."""
        found: defaultdict[tuple[str, str], IntervalSet] = defaultdict(IntervalSet)
        with self._lock:
            rows = self._db.execute("SELECT topic, payload FROM dead_letters").fetchall()
        for topic, payload in rows:
            with contextlib.suppress(TopicError):
                device = parse_topic(topic).device
                for boot, seq in stamps_of(payload):
                    found[device, boot].add(seq)
        return dict(found)

    def last_position(self) -> int:
        """The highest journal position a letter came from; 0 without letters."""
        with self._lock:
            return int(self._db.execute("SELECT coalesce(max(position), 0) FROM dead_letters").fetchone()[0])

    def mark_replayed(self, ids: Sequence[int]) -> None:
        """Say that these were given back to ingest."""
        with self._lock, self._db:
            self._db.executemany("UPDATE dead_letters SET state = 'replayed' WHERE id = ?", [(i,) for i in ids])

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()


def _letter(row: tuple[int, int, str, bytes, float, str, int, LetterState]) -> DeadLetter:
    position, part, topic, payload, received_at, reason, id_, state = row
    return DeadLetter(position, part, topic, payload, datetime.fromtimestamp(received_at, UTC), reason, id_, state)
