"""Panic and breakdown of a truck, as its crew reports them by telephone: the truck's own events, through the journal.

tap -> journal (fsync), on a topic that no message from a broker can have -> ingest stores it once, as an event of the
truck; its alarms follow as from the truck's own button
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from broker.contract.codec import encode, utc_ms
from broker.contract.payloads import CREW_EVENT_TYPES, Event
from broker.contract.topics import crew_topic
from dispatch.shifts.records import PhoneEvent
from ingest.messages import Arrival

DELAYED_AFTER: Final = timedelta(minutes=5)
"""Age from which on an event is dated when it arrives: what arrives late raises no alarm, and somebody still waits."""
_EPOCH_CHARS: Final = 15


class CrewAlerts:
    """Journals the alerts of crews. Thread-safe.

    Args:
        city: The city's id.
        append: Journals messages durably, or raises `RetryLaterError`.
    """

    def __init__(self, city: str, append: Callable[[Sequence[Arrival]], None]) -> None:
        self._city = city
        self._append = append

    def submit(self, truck: str, tap: PhoneEvent, now: datetime) -> None:
        """Journal an alert; the same tap may come again and is stored once.

        Raises:
            RetryLaterError: The journal refuses; the alert is not kept.
        """
        state: Literal["raised", "cleared"] = "cleared" if tap.detail.get("state") == "cleared" else "raised"
        at = tap.at if now - DELAYED_AFTER <= tap.at <= now else now
        detail = {"by": "crew", "tapped_at": tap.at.isoformat()}
        event = Event(ts=utc_ms(at), epoch=epoch_of(tap), seq=tap.seq, type=tap.kind, state=state, detail=detail)
        self._append([Arrival(crew_topic(self._city, truck), encode(event), utc_ms(now))])


def is_alert(tap: PhoneEvent) -> bool:
    """Whether a tap is an event of the truck."""
    return tap.kind in CREW_EVENT_TYPES


def epoch_of(tap: PhoneEvent) -> str:
    """The epoch of a phone's start among those of the truck: a hash, in the form of the contract."""
    return "c" + hashlib.sha256(f"{tap.phone} {tap.boot}".encode()).hexdigest()[:_EPOCH_CHARS]
