"""Submission of reviews: journaled like any message, and visible on pages before they are stored.

review -> journal (fsync), on a topic that no message from a broker can have -> ingest stores it once, as an event of
the case's camera; until then `ReviewService` keeps it
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
from ingest.messages import Arrival
from ingest.store.records import EventRecord, RecordOrigin
from ingest.store.views.reviews import TYPE, Review

PENDING_MAX: Final = 1_000
"""Maximum number of pending reviews in memory. The journal keeps all; pages do not show the dropped ones."""
_MILLISECOND: Final = timedelta(milliseconds=1)


class ReviewService:
    """Numbers reviews and appends them to the journal. Thread-safe.

    Args:
        city: The city's id.
        epoch: Unique id of this instance, as of an outbox.
        append: Journals messages durably, or raises `RetryLaterError`.
    """

    def __init__(self, city: str, epoch: str, append: Callable[[Sequence[Arrival]], None]) -> None:
        self._city = city
        self._epoch = epoch
        self._append = append
        self._lock = threading.Lock()
        self._seq = 0
        self._pending: dict[int, EventRecord] = {}

    def submit(self, camera: str, review: Review, now: datetime, after: datetime | None = None) -> None:
        """Journal a review; after the return it will be stored exactly once.

        Args:
            camera: The camera of the case.
            review: The review.
            now: The time.
            after: Time of the case's latest review; the new one is dated later, even if the clock was set back.

        Raises:
            RetryLaterError: The journal refuses; the review is not kept.
        """
        at = utc_ms(max(now, after + _MILLISECOND) if after else now)
        detail = msgspec.to_builtins(review)
        with self._lock:
            event = Event(ts=at, epoch=self._epoch, seq=self._seq, type=TYPE, state="noted", detail=detail)
            # received_at = measured_at, or ingest flags the clock as ahead.
            self._append([Arrival(review_topic(self._city, camera), encode(event), at)])
            origin = RecordOrigin("camera", camera, self._epoch, self._seq, at, at)
            self._pending[self._seq] = EventRecord(origin, TYPE, "noted", detail)
            self._seq += 1
            while len(self._pending) > PENDING_MAX:
                del self._pending[min(self._pending)]

    def pending(self, stored: Iterable[EventRecord]) -> list[EventRecord]:
        """The reviews that are not among `stored` events; those that are stored are forgotten."""
        known = {event.origin.seq for event in stored if event.origin.epoch == self._epoch}
        with self._lock:
            for seq in known & self._pending.keys():
                del self._pending[seq]
            return list(self._pending.values())
