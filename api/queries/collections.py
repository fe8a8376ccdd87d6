"""When containers were last emptied, kept in memory: each call reads only the events since the one before."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from api.queries.events import each_event
from ingest.store.port import EventQuery, TelemetryReader

BACK: Final = timedelta(days=14)
"""The time of an older collection is unknown."""
_LATE: Final = timedelta(hours=2)
"""Events may arrive so late, at least; what is later is seen after a restart."""
_AHEAD: Final = timedelta(minutes=5)


class LastCollections:
    """The last collection of each container, reported by a truck or by its own sensor. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._emptied_at: dict[str, datetime] = {}
        self._read_until: datetime | None = None

    def emptied_at(self, reader: TelemetryReader, now: datetime) -> Mapping[str, datetime]:
        """The time of the last collection by container.

        Raises:
            RetryLaterError: The store does not answer.
        """
        with self._lock:
            since = now - BACK if self._read_until is None else max(self._read_until - _LATE, now - BACK)
            for event in each_event(reader, EventQuery(since, now + _AHEAD, types=("collected",))):
                place, at = str(event.detail.get("bin", event.origin.device)), event.origin.measured_at
                self._emptied_at[place] = max(at, self._emptied_at.get(place, at))
            self._read_until = now
            return dict(self._emptied_at)
