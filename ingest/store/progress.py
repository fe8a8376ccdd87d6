"""What a store that is somewhere else has, kept on this disk: seen seqs and drained journal positions together."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import msgspec

from city.disk import guarded, open_durable
from ingest.store.intervals import IntervalSet
from ingest.store.port import Ranges
from ingest.store.seen import Seen

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS seen (
    device TEXT NOT NULL, boot TEXT NOT NULL, ranges TEXT NOT NULL, PRIMARY KEY (device, boot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drained (first_position INTEGER NOT NULL, last_position INTEGER NOT NULL);
"""


class Progress:
    """Owns the file. It is written after the store: what a crash cuts off in between is stored again, over itself."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it and its folder where absent."""
        self._lock = threading.Lock()
        self._db = open_durable(path, _SCHEMA)
        rows = self._db.execute("SELECT device, boot, ranges FROM seen").fetchall()
        self.seen: Seen = {
            (device, boot): IntervalSet(msgspec.json.decode(ranges, type=list[tuple[int, int]]))
            for device, boot, ranges in rows
        }
        drained = self._db.execute("SELECT first_position, last_position FROM drained ORDER BY 1").fetchall()
        self.drained: Ranges = tuple((first, last) for first, last in drained)

    def commit(self, touched: Seen, drained: Ranges) -> None:
        """Note what has just been stored, durably.

        Raises:
            RetryLaterError: The disk refused; nothing is noted, so the same will be stored again.
        """
        rows = [(*key, msgspec.json.encode(list(ranges)).decode()) for key, ranges in touched.items()]
        with guarded(self._lock, "progress"), self._db:
            self._db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)
            self._db.execute("DELETE FROM drained")
            self._db.executemany("INSERT INTO drained VALUES (?, ?)", drained)
        self.seen.update(touched)
        self.drained = drained

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()
