"""What the owners of a SQLite file share: one connection under a lock, and a write-ahead log without deleted rows."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from city.storage.sqlite import DurableConnection, guard, reopen_if_replaced, truncate_wal


class SqliteFile:
    """Owns a connection; any thread may call it.

    Args:
        db: The open file.
        name: Names the file in errors.
    """

    def __init__(self, db: DurableConnection, name: str) -> None:
        self._db = db
        self._name = name
        self._lock = threading.Lock()
        self._wal_has_deletions = True

    @property
    def file(self) -> DurableConnection:
        """The file, for comparing it with others; for nothing else."""
        return self._db

    def tidy(self) -> None:
        """Truncate the write-ahead log after deletions; retried at the next call while a reader forbids it.

        A file that was deleted or replaced meanwhile is written again.

        Raises:
            StorageError: The disk refused.
        """
        with self._guard():
            self._db = reopen_if_replaced(self._db)
            if self._wal_has_deletions:
                self._wal_has_deletions = not truncate_wal(self._db)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _guard(self) -> AbstractContextManager[None]:
        return guard(self._lock, self._name)
