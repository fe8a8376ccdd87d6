"""The checkpoint of a remote store, on this disk: seen sequence numbers, committed offsets, stale rollup windows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from broker.contract.topics import Kind
from city.storage.sqlite import open_durable
from city.storage.sqlite_file import SqliteFile
from ingest.store.dedup import SeenSequences
from ingest.store.intervals import IntervalSet
from ingest.store.port import Ranges

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS seen (
    device TEXT NOT NULL, boot TEXT NOT NULL, ranges TEXT NOT NULL, PRIMARY KEY (device, boot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drained (first_position INTEGER NOT NULL, last_position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS stale (
    mark INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, start_s INTEGER NOT NULL, UNIQUE (kind, start_s)
);
CREATE TABLE IF NOT EXISTS covered (since_s INTEGER NOT NULL);
"""


class StaleWindow(NamedTuple):
    """A window whose rollup is out of date; `mark` tells a window that became stale again from this one."""

    mark: int
    kind: Kind
    start_s: int


class Checkpoint(SqliteFile):
    """Owns the file, which is created with its folder where absent.

    It is written after the store: what a crash interrupts in between is stored again, over itself.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(open_durable(path, _SCHEMA), "checkpoint")
        rows = self._db.execute("SELECT device, boot, ranges FROM seen").fetchall()
        self.seen: SeenSequences = {
            (device, epoch): IntervalSet(msgspec.json.decode(ranges, type=list[tuple[int, int]]))
            for device, epoch, ranges in rows
        }
        committed_offsets = self._db.execute("SELECT first_position, last_position FROM drained ORDER BY 1").fetchall()
        self.committed_offsets: Ranges = tuple((first, last) for first, last in committed_offsets)

    def commit(
        self, touched: SeenSequences, committed_offsets: Ranges, windows: Collection[tuple[Kind, int]] = ()
    ) -> None:
        """Record durably what was just stored, and the windows (kind and start) it lies in.

        Raises:
            RetryLaterError: The disk refused; nothing is recorded, so the same will be stored again.
        """
        rows = [(*key, msgspec.json.encode(list(ranges)).decode()) for key, ranges in touched.items()]
        with self._writing() as db:
            db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)
            db.execute("DELETE FROM drained")
            db.executemany("INSERT INTO drained VALUES (?, ?)", committed_offsets)
            db.executemany("INSERT OR REPLACE INTO stale (kind, start_s) VALUES (?, ?)", windows)
        self.seen.update(touched)
        self.committed_offsets = committed_offsets

    def stale(self) -> list[StaleWindow]:
        """Windows whose rollups are out of date, oldest first; another process may have recorded them.

        Raises:
            RetryLaterError: The disk refused.
        """
        with self._guard():
            rows = self._db.execute("SELECT mark, kind, start_s FROM stale ORDER BY start_s, kind").fetchall()
        return [StaleWindow(*row) for row in rows]

    def clear_stale(self, windows: Iterable[StaleWindow]) -> None:
        """Record that these windows are rolled up; windows that became stale again meanwhile stay stale.

        Raises:
            RetryLaterError: The disk refused; they will be rolled up again.
        """
        with self._writing() as db:
            db.executemany("DELETE FROM stale WHERE mark = ?", [(window.mark,) for window in windows])

    def covered_since_s(self) -> int | None:
        """Seconds since 1970 from which on each window is stale or rolled up; None before that was recorded."""
        with self._guard():
            row = self._db.execute("SELECT min(since_s) FROM covered").fetchone()
        return row[0] if row else None

    def cover_since(self, since_s: int) -> None:
        """Record from when on rollups are complete; the earliest value counts."""
        with self._writing() as db:
            db.execute("INSERT INTO covered VALUES (?)", (since_s,))
