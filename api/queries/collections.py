"""When containers were last emptied and by whom, in memory: each call reads only the events since the one before."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from api.queries.events import each_event
from ingest.store.port import EventQuery, TelemetryReader

BACK: Final = timedelta(days=14)
"""The time of an older collection is unknown."""
_LATE: Final = timedelta(hours=2)
"""Events may arrive so late, at least; what is later is seen after a restart."""
_AHEAD: Final = timedelta(minutes=5)


class LastCollection(NamedTuple):
    """When a container was emptied, and the device that has reported it: a truck, or the container's own sensor."""

    at: datetime
    by: str


class LastCollections:
    """The last collection of each container, reported by a truck or by its own sensor. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, LastCollection] = {}
        self._read_until: datetime | None = None

    def by_container(self, reader: TelemetryReader, now: datetime) -> Mapping[str, LastCollection]:
        """The last collection by container.

        Raises:
            RetryLaterError: The store does not answer.
        """
        with self._lock:
            since = now - BACK if self._read_until is None else max(self._read_until - _LATE, now - BACK)
            for event in each_event(reader, EventQuery(since, now + _AHEAD, types=("collected",))):
                place = str(event.detail.get("bin", event.origin.device))
                collection = LastCollection(event.origin.measured_at, event.origin.device)
                self._last[place] = max(collection, self._last.get(place, collection), key=lambda last: last.at)
            self._read_until = now
            return dict(self._last)
