"""How devices stand at one moment: what is known of each, whether it is there, what is raised, and what follows.

Boards, exports and pages look through this, so that they agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from city.model import Device
from ingest.store.condition import Condition, Raised, condition_of
from ingest.store.latest import Connectivity, connectivity
from ingest.store.port import Latest
from ingest.store.records import EventRecord

RAISED_BACK: Final = timedelta(days=7)
"""An event that was raised longer ago and never cleared is no longer believed."""


@dataclass(frozen=True)
class Standing:
    """One device at one look."""

    device: Device
    latest: Latest | None
    connected: Connectivity
    raised: Raised
    condition: Condition


def raised_by_device(events: Iterable[EventRecord]) -> dict[str, dict[str, EventRecord]]:
    """Which events of each device are raised and not cleared, from events oldest first."""
    newest = {(event.origin.device, event.type): event for event in events}
    raised: dict[str, dict[str, EventRecord]] = {}
    for (device, type_), event in newest.items():
        if event.state == "raised":
            raised.setdefault(device, {})[type_] = event
    return raised


def look(
    devices: Iterable[Device],
    latest: Mapping[str, Latest],
    raised: Mapping[str, Raised],
    now: datetime,
    behind: timedelta,
) -> list[Standing]:
    """How every device stands; `behind` is our own delay, which is no silence of a device."""
    found = []
    for device in devices:
        known = latest.get(device.id)
        connected = connectivity(known, interval_s=device.interval_s, now=now - behind)
        its_raised = raised.get(device.id, {})
        condition = condition_of(device, known, connected, its_raised)
        found.append(Standing(device, known, connected, its_raised, condition))
    return found
