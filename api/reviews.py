"""Reviews on their way: kept in ingest's journal like any message, and known to pages before they are stored.

review -> journal (fsync), on a topic of the platform's own that no message from a broker can have -> ingest stores it
once, as an event of the case's camera; until then this desk remembers it
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from broker.contract.codec import encode, utc_ms
from broker.contract.payloads import Event
from broker.contract.topics import review_topic
from ingest.journal import Arrival
from ingest.store.records import EventRecord, RecordOrigin
from ingest.store.reviews import TYPE, Review

WAITING_MAX: Final = 1_000
"""Reviews that are remembered while the store is away; they are in the journal, pages just do not show more."""
_MILLISECOND: Final = timedelta(milliseconds=1)


class ReviewDesk:
    """Gives every review a seq of its own and hands it to the journal; any thread may call it.

    Args:
        city: The city's id.
        boot: Names this life of the desk; another life never has the same.
        append: Keeps messages durably, or raises `RetryLaterError`.
    """

    def __init__(self, city: str, boot: str, append: Callable[[Sequence[Arrival]], None]) -> None:
        """Nothing has been said yet."""
        self._city = city
        self._boot = boot
        self._append = append
        self._lock = threading.Lock()
        self._seq = 0
        self._waiting: dict[int, EventRecord] = {}

    def say(self, camera: str, review: Review, now: datetime, after: datetime | None = None) -> None:
        """Keep a review durably; when this returns it will be stored, exactly once.

        Args:
            camera: Whose case it is.
            review: What is said.
            now: The time.
            after: When the case was reviewed last; a clock that was set back does not undo what is said now.

        Raises:
            RetryLaterError: The journal refuses; nothing was said.
        """
        at = utc_ms(max(now, after + _MILLISECOND) if after else now)
        detail = msgspec.to_builtins(review)
        with self._lock:
            event = Event(ts=at, epoch=self._boot, seq=self._seq, type=TYPE, state="noted", detail=detail)
            # Received when it was said, or ingest would take what is said for the word of a clock that runs ahead.
            self._append([Arrival(review_topic(self._city, camera), encode(event), at)])
            origin = RecordOrigin("camera", camera, self._boot, self._seq, at, at)
            self._waiting[self._seq] = EventRecord(origin, TYPE, "noted", detail)
            self._seq += 1
            while len(self._waiting) > WAITING_MAX:
                del self._waiting[min(self._waiting)]

    def waiting(self, stored: Iterable[EventRecord]) -> list[EventRecord]:
        """Reviews that are not among what a store has answered; those that are will not be asked for again."""
        known = {event.origin.seq for event in stored if event.origin.epoch == self._boot}
        with self._lock:
            for seq in known & self._waiting.keys():
                del self._waiting[seq]
            return list(self._waiting.values())
