"""A store that is opened on demand, closed when it fails, and opened again with backoff.

Whatever the store raises, ingest goes on journaling: callers get `RetryLaterError`. After a reopening, the drain
resumes at the store's committed offsets.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, TypeVar

import structlog

from broker.contract.topics import Kind
from city.backoff import Backoff
from city.errors import ConfigError, KotaError, RetryLaterError
from ingest.store.dedup import SeenSequences
from ingest.store.port import (
    EventQuery,
    Latest,
    MeasuredRun,
    Ranges,
    RunsQuery,
    SeriesPoint,
    SeriesQuery,
    StatusQuery,
    Store,
    StoredSequences,
    WriteResult,
)
from ingest.store.records import EventRecord, Record, StatusRecord

log = structlog.get_logger("store")

T = TypeVar("T")

RETRY_MIN_S: Final = 0.3
RETRY_MAX_S: Final = 30.0
OPEN_TIMEOUT_S: Final = 2.0
"""How long a caller waits while another one opens the store; a repair takes minutes."""


class StoreBrokenError(RetryLaterError):
    """The store must be reopened; `damage` describes damage to its file, empty when none is known."""

    def __init__(self, message: str, damage: str = "") -> None:
        super().__init__(message)
        self.damage = damage


class StoreChangedError(KotaError):
    """The store was reopened; its committed offsets must be read again before a write."""


class FileStore(Store, Protocol):
    """A store in a file, which knows the sequence numbers it has."""

    def seen_sequences(self) -> SeenSequences:
        """Device and epoch to the sequence numbers that are stored."""

    def copying(self) -> AbstractContextManager[Callable[[Path], None]]:
        """Hold a snapshot; the function that is yielded writes it to a new file."""


class ReopeningStore:
    """Owns the connection to a store; any thread may call it.

    Args:
        opener: Opens the store; its argument is known damage that must be repaired first.
        clock_s: Monotonic clock.
    """

    def __init__(self, opener: Callable[[str], FileStore], clock_s: Callable[[], float] = time.monotonic) -> None:
        self._opener = opener
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S)
        self._store: FileStore | None = None
        self._damage = ""
        self._reason = "is not open yet"
        self._due_s = 0.0
        self._synced: FileStore | None = None

    def committed_offsets(self) -> Ranges:
        """The journal offsets that are stored; the next write builds on them."""
        store = self._open()
        offsets = self._do(lambda: store.committed_offsets(), store)  # noqa: PLW0108 - the store's own errors are translated
        self._synced = store
        return offsets

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        """Store a batch.

        Raises:
            StoreChangedError: The store was reopened since `committed_offsets` was called.
        """
        store = self._open()
        if store is not self._synced:
            raise StoreChangedError("the store was opened anew")
        return self._do(lambda: store.write(records, committed_offsets), store, any_error=True)

    def forget_before(self, *, readings: datetime, events: datetime) -> int:
        """Delete what was measured before a time."""
        store = self._open()
        return self._do(lambda: store.forget_before(readings=readings, events=events), store, any_error=True)

    def seen_sequences(self) -> SeenSequences:
        """Device and epoch to the sequence numbers that are stored."""
        store = self._open()
        return self._do(store.seen_sequences, store)

    def latest(
        self, *, kind: Kind | None = None, device: str | None = None, changed_since: datetime | None = None
    ) -> list[Latest]:
        """Last values of each device."""
        store = self._open()
        return self._do(lambda: store.latest(kind=kind, device=device, changed_since=changed_since), store)

    def series(self, query: SeriesQuery) -> list[SeriesPoint]:
        """Points of one field."""
        store = self._open()
        return self._do(lambda: store.series(query), store)

    def events(self, query: EventQuery) -> list[EventRecord]:
        """Events that match, newest first."""
        store = self._open()
        return self._do(lambda: store.events(query), store)

    def span(self) -> tuple[datetime, datetime] | None:
        """Time of measurement of the oldest and the newest record."""
        store = self._open()
        return self._do(store.span, store)

    def export(self, start: datetime, end: datetime, *, device: str | None = None) -> Iterator[Record]:
        """Every record of a range, in order of time."""
        store = self._open()
        records = self._do(lambda: store.export(start, end, device=device), store)
        while (record := self._do(lambda: next(records, None), store)) is not None:
            yield record

    def measured_runs(self, query: RunsQuery) -> list[MeasuredRun]:
        """The runs of each device."""
        store = self._open()
        return self._do(lambda: store.measured_runs(query), store)

    def measured_before(self, kind: Kind, before: datetime, *, device: str | None = None) -> list[MeasuredRun]:
        """The oldest and the newest measurement before a time of each device."""
        store = self._open()
        return self._do(lambda: store.measured_before(kind, before, device=device), store)

    def statuses(self, query: StatusQuery) -> list[StatusRecord]:
        """Statuses in the order of their arrival."""
        store = self._open()
        return self._do(lambda: store.statuses(query), store)

    def answered_at(self, kind: Kind, device: str, *, measured_after: datetime, after: datetime) -> datetime | None:
        """When the first reading arrived after a time."""
        store = self._open()
        return self._do(lambda: store.answered_at(kind, device, measured_after=measured_after, after=after), store)

    def stored_sequences(self) -> list[StoredSequences]:
        """Sequence numbers per device and epoch, counted from the rows."""
        store = self._open()
        return self._do(store.stored_sequences, store)

    def copying(self) -> AbstractContextManager[Callable[[Path], None]]:
        """Hold a snapshot; the function that is yielded writes it to a new file while writes go on."""
        return self._open().copying()

    def close(self) -> None:
        """Close it if it is open."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _open(self) -> FileStore:
        """The open store; opens it unless that has just failed.

        Raises:
            RetryLaterError: It cannot be opened.
        """
        if not self._lock.acquire(timeout=OPEN_TIMEOUT_S):
            raise RetryLaterError("the store is being opened, or repaired")
        try:
            if self._store is None:
                wait_s = self._due_s - self._clock_s()
                if wait_s > 0:
                    raise RetryLaterError(self._reason, retry_after_s=wait_s)
                try:
                    self._store = self._opener(self._damage)
                except Exception as exc:
                    self._put_off(exc)
                    raise RetryLaterError(self._reason, retry_after_s=self._due_s - self._clock_s()) from exc
                self._damage = ""
            return self._store
        finally:
            self._lock.release()

    def _put_off(self, exc: Exception) -> None:
        if isinstance(exc, StoreBrokenError):
            self._damage = exc.damage or self._damage
        elif not isinstance(exc, RetryLaterError | ConfigError):
            log.error("store.opening_failed", exc_info=exc)
        self._reason = str(exc) or type(exc).__name__
        self._due_s = self._clock_s() + self._backoff.next_s()

    def _do(self, work: Callable[[], T], store: FileStore, *, any_error: bool = False) -> T:
        """Call the store; a store that breaks is closed, to be reopened.

        Args:
            work: The call.
            store: The store it is made on.
            any_error: Whether any error breaks the store, not only `StoreBrokenError`.

        Raises:
            RetryLaterError: It broke, or is unavailable for the moment.
        """
        try:
            result = work()
        except StoreBrokenError as exc:
            self._break(store, exc)
            raise
        except KotaError:
            raise
        except Exception as exc:
            if not any_error:
                raise
            log.exception("store.failed")
            self._break(store, exc)
            raise RetryLaterError(f"the store failed: {type(exc).__name__}: {exc}") from exc
        if any_error:
            self._backoff.reset()
        return result

    def _break(self, store: FileStore, exc: Exception) -> None:
        with self._lock:
            if self._store is store:
                self._store = None
                with contextlib.suppress(Exception):  # it is broken: closing it may fail in any way
                    store.close()
                self._put_off(exc)
