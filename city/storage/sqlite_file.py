"""What the owners of a SQLite file share: one connection under a lock, and a write-ahead log without deleted rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from city.storage.sqlite import DurableConnection, SetAside, guard, reopen_if_replaced, truncate_wal, vacuum


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

    @property
    def set_aside(self) -> SetAside | None:
        """The damaged file that this one replaces; None when there was none."""
        return self._db.set_aside

    def tidy(self) -> None:
        """Truncate the write-ahead log after deletions; retried at the next call while a reader forbids it.

        A file that was deleted or replaced meanwhile is written again.

        Raises:
            StorageError: The disk refused.
        """
        with self._guard():
            self._reopen()
            if self._wal_has_deletions:
                self._wal_has_deletions = not truncate_wal(self._db)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _guard(self) -> AbstractContextManager[None]:
        """Hold the lock, for reads.

        Raises:
            StorageError: The disk refused.
        """
        return guard(self._lock, self._name)

    @contextmanager
    def _writing(self) -> Iterator[DurableConnection]:
        """One transaction on the file, which is written again first if it was deleted or replaced meanwhile.

        Raises:
            StorageError: The disk refused; nothing has changed.
        """
        with self._guard():
            db = self._reopen()
            with db:
                yield db
            vacuum(db)

    def _reopen(self) -> DurableConnection:
        """The connection, with its file in place; the lock is held.

        Raises:
            StorageError: The disk refused.
        """
        self._db = reopen_if_replaced(self._db)
        return self._db
