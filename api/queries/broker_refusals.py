"""Failed sign-ins at the embedded broker, from its file into the audit; bounded, however often a device tries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Final

import structlog

from broker.refusals import Refusal, read_refusals
from city.errors import RetryLaterError
from people.audit import Action, AuditLog, Origin

log = structlog.get_logger("api")

ACTION: Final[Action] = "broker.refused"
EVERY_S: Final = 10.0
AGAIN_AFTER: Final = timedelta(hours=1)
"""Time between two entries about one account for one reason; the later one has the number in between."""
HOURLY_MAX: Final = 200
"""Entries an hour about all accounts."""


class BrokerRefusals:
    """Takes the refusals that the broker reports into the audit.

    Args:
        data: The data folder.
        audit: Takes the entries.
        clock: UTC.
    """

    def __init__(self, data: Path, audit: AuditLog, clock: Callable[[], datetime]) -> None:
        self._data = data
        self._audit = audit
        self._clock = clock
        self._counts: Counter[tuple[str, str]] = Counter()
        self._addresses: dict[tuple[str, str], str] = {}
        self._noted_at: dict[tuple[str, str], datetime] = {}
        self._seen_at: datetime | None = None

    def keep_taking(self, stop: Event) -> None:
        """Take refusals until `stop`."""
        while not stop.wait(EVERY_S):
            try:
                self.take()
            except RetryLaterError as exc:
                log.warning("audit.refusals_wait", reason=str(exc))

    def take(self) -> None:
        """Count what is new, and note what is due."""
        if self._seen_at is None:
            newest = self._audit.search(action=ACTION, limit=1)
            self._seen_at = newest[0].at if newest else datetime.min.replace(tzinfo=UTC)
        for refusal in read_refusals(self._data):
            if refusal.at > self._seen_at:
                self._count(refusal)
                self._seen_at = refusal.at
        now = self._clock()
        self._noted_at = {key: at for key, at in self._noted_at.items() if now - at < AGAIN_AFTER}
        for key, count in list(self._counts.items()):
            if key not in self._noted_at and len(self._noted_at) < HOURLY_MAX:
                user, reason = key
                origin = Origin("unknown", user, self._addresses.pop(key, ""))
                self._audit.record(origin, ACTION, user or "unknown", {"reason": reason, "count": count})
                self._noted_at[key] = now
                del self._counts[key]

    def _count(self, refusal: Refusal) -> None:
        key = (refusal.user, refusal.reason)
        self._counts[key] += refusal.count
        self._addresses[key] = refusal.address
