"""The state of devices at one moment: last values, connectivity, raised events and the condition that follows.

Boards, exports and pages use the same evaluation, so that they agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from city.inventory.model import Device
from ingest.store.latest import connectivity
from ingest.store.port import Latest
from ingest.store.records import Connectivity, EventRecord
from ingest.store.views.device_condition import DeviceCondition, Raised, condition_of

RAISED_BACK: Final = timedelta(days=7)
"""An event raised longer ago and never cleared counts as cleared."""


@dataclass(frozen=True)
class DeviceState:
    """The state of one device at one moment."""

    device: Device
    latest: Latest | None
    connected: Connectivity
    raised: Raised
    condition: DeviceCondition


def raised_by_device(events: Iterable[EventRecord]) -> dict[str, dict[str, EventRecord]]:
    """Raised events of each device that were not cleared; takes events oldest first."""
    newest = {(event.origin.device, event.type): event for event in events}
    raised: dict[str, dict[str, EventRecord]] = {}
    for (device, type_), event in newest.items():
        if event.state == "raised":
            raised.setdefault(device, {})[type_] = event
    return raised


def evaluate(
    devices: Iterable[Device],
    latest: Mapping[str, Latest],
    raised: Mapping[str, Raised],
    now: datetime,
    behind: timedelta,
) -> list[DeviceState]:
    """Evaluate every device; `behind` is ingest's own delay, which does not count as a device's silence."""
    states = []
    for device in devices:
        known = latest.get(device.id)
        connected = connectivity(known, interval_s=device.interval_s, now=now - behind)
        device_raised = raised.get(device.id, {})
        condition = condition_of(device, known, connected, device_raised)
        states.append(DeviceState(device, known, connected, device_raised, condition))
    return states
