"""A store that may be away or break at any time: opened when it is needed, closed when it fails, opened again later.

Whatever it raises, ingest goes on journaling: callers see `RetryLaterError`, and readers of a store that was opened
anew start from what it says that it has.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, TypeVar

import structlog

from broker.contract.errors import ConfigError, KotaError, RetryLaterError
from broker.contract.topics import Kind
from ingest.store.port import EventQuery, Latest, Ledger, Point, Ranges, SeriesQuery, Store, Written
from ingest.store.records import EventRecord, Record
from ingest.store.seen import Seen

log = structlog.get_logger("store")

T = TypeVar("T")

RETRY_MAX_S: Final = 30.0
OPENING_S: Final = 2.0
"""So long a caller waits for somebody else's opening; a repair takes minutes."""


class StoreBrokenError(RetryLaterError):
    """The store must be opened anew; `damage` says what is wrong with its file, empty when nothing is known to be."""

    def __init__(self, message: str, damage: str = "") -> None:
        super().__init__(message)
        self.damage = damage


class StoreChangedError(KotaError):
    """The store is another one than when it was last asked what it has; it must be asked again before a write."""


class LocalStore(Store, Protocol):
    """A store in a file, which knows what it has seen."""

    def seen(self) -> Seen:
        """Device and boot to the seqs that are stored."""

    def copying(self) -> AbstractContextManager[Callable[[Path], None]]:
        """Keep it as it is now in sight; what is given writes that into a new file."""


class PatientStore:
    """Owns the way to a store; any thread may call it.

    Args:
        opener: Opens the store; told what is wrong with its file, when that has to be repaired first.
        clock_s: Monotonic.
    """

    def __init__(self, opener: Callable[[str], LocalStore], clock_s: Callable[[], float] = time.monotonic) -> None:
        self._opener = opener
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._random = random.Random()  # noqa: S311 - spreads retries, hides nothing
        self._store: LocalStore | None = None
        self._damage = ""
        self._reason = "is not open yet"
        self._failures = 0
        self._due_s = 0.0
        self._asked: LocalStore | None = None

    def committed_offsets(self) -> Ranges:
        """The journal positions that it has; what is written next builds on them."""
        store = self._opened()
        found = self._do(lambda: store.committed_offsets(), store)  # noqa: PLW0108 - the store's own errors are translated
        self._asked = store
        return found

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> Written:
        """Store a batch.

        Raises:
            StoreChangedError: It was opened anew since `drained` was asked.
        """
        store = self._opened()
        if store is not self._asked:
            raise StoreChangedError("the store was opened anew")
        return self._do(lambda: store.write(records, committed_offsets), store, any_error=True)

    def forget_before(self, *, readings: datetime, events: datetime) -> int:
        """Retention."""
        store = self._opened()
        return self._do(lambda: store.forget_before(readings=readings, events=events), store, any_error=True)

    def seen(self) -> Seen:
        """Device and boot to the seqs that are stored."""
        store = self._opened()
        return self._do(store.seen, store)

    def latest(
        self, *, kind: Kind | None = None, device: str | None = None, changed_since: datetime | None = None
    ) -> list[Latest]:
        """The newest of each device."""
        store = self._opened()
        return self._do(lambda: store.latest(kind=kind, device=device, changed_since=changed_since), store)

    def series(self, query: SeriesQuery) -> list[Point]:
        """Points of one field."""
        store = self._opened()
        return self._do(lambda: store.series(query), store)

    def events(self, query: EventQuery) -> list[EventRecord]:
        """Events that match, newest first."""
        store = self._opened()
        return self._do(lambda: store.events(query), store)

    def span(self) -> tuple[datetime, datetime] | None:
        """When the oldest and the newest record were measured."""
        store = self._opened()
        return self._do(store.span, store)

    def export(self, start: datetime, end: datetime, *, device: str | None = None) -> Iterator[Record]:
        """Every record of a range, in order of time."""
        store = self._opened()
        records = self._do(lambda: store.export(start, end, device=device), store)
        while (record := self._do(lambda: next(records, None), store)) is not None:
            yield record

    def ledger(self) -> list[Ledger]:
        """Counted from the rows."""
        store = self._opened()
        return self._do(store.ledger, store)

    def copying(self) -> AbstractContextManager[Callable[[Path], None]]:
        """Keep it as it is now in sight; what is given writes that into a new file, while writes go on."""
        return self._opened().copying()

    def close(self) -> None:
        """Close it if it is open."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _opened(self) -> LocalStore:
        """The open store; opens it unless that has failed just now.

        Raises:
            RetryLaterError: It cannot be opened.
        """
        if not self._lock.acquire(timeout=OPENING_S):
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
        self._failures += 1
        self._due_s = self._clock_s() + self._random.uniform(0.1, min(RETRY_MAX_S, 0.25 * 2 ** min(self._failures, 8)))

    def _do(self, work: Callable[[], T], store: LocalStore, *, any_error: bool = False) -> T:
        """Ask the store; one that breaks is closed, to be opened anew.

        Args:
            work: What to ask.
            store: Of whom.
            any_error: Whether any error breaks it, not only its own word that it is broken.

        Raises:
            RetryLaterError: It broke, or asks for patience.
        """
        try:
            found = work()
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
            self._failures = 0
        return found

    def _break(self, store: LocalStore, exc: Exception) -> None:
        with self._lock:
            if self._store is store:
                self._store = None
                with contextlib.suppress(Exception):  # it is broken: closing it may fail in any way
                    store.close()
                self._put_off(exc)
