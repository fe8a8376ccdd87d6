"""The state of devices at one moment: last values, connectivity, raised events and the condition that follows.

Boards, exports and pages use the same evaluation, so that they agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from city.inventory.model import Device
from ingest.store.latest import MISSED_INTERVALS, connectivity_of
from ingest.store.port import Latest
from ingest.store.records import Connectivity, EventRecord
from ingest.store.schema import COLUMNS
from ingest.store.views.device_condition import LATCHED_EVENTS, DeviceCondition, Raised, condition_of

RAISED_BACK: Final = timedelta(days=7)
"""An event that was raised, and not told again or cleared since, counts as ended after this time.

A device that repeats a condition has its event stored anew more often (`ingest.pipeline.stateful_rules.RENEW_AFTER`).
"""
RAISED_LOOKBACK: Final = timedelta(days=28)
"""How far back raised events are read: the reason why a condition ended stays visible for so long."""
VALUE_INTERVALS: Final = 6
"""A measurement older than so many intervals is no longer the device's state: a blind sensor's board talks on."""
VALUE_AGE_MIN: Final = timedelta(hours=6)
TOLD_AGE_MIN: Final = timedelta(days=7)
"""The same for what devices tell at a change or rarely: flags, texts and the battery."""
_LASTING: Final = frozenset(
    {"lat_deg", "lon_deg", "odometer_km", "engine_h", "fuel_used_l", "rx_bytes", "tx_bytes", "uptime_s"}
)
"""Places and counts: the last one holds until there is another."""
_RARE: Final = frozenset({"battery_pct", "battery_v"})


@dataclass(frozen=True)
class DeviceState:
    """The state of one device at one moment."""

    device: Device
    latest: Latest | None
    connectivity: Connectivity
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
    """Evaluate every device; `behind` is ingest's own delay, which does not count as a device's silence.

    Values and conditions that have outlived their time are left out of the states.
    """
    states = []
    for device in devices:
        known = latest.get(device.id)
        connectivity = connectivity_of(known, interval_s=device.interval_s, now=now - behind)
        current = without_expired(device, known, now - behind)
        since = now - behind - max(RAISED_BACK, _intervals(device, known, MISSED_INTERVALS))
        device_raised = raised.get(device.id, {})
        standing = {type_: event for type_, event in device_raised.items() if event.origin.measured_at >= since}
        condition = condition_of(device, current, connectivity, standing)
        if condition.severity == 0 and any(type_ in LATCHED_EVENTS for type_ in device_raised.keys() - standing.keys()):
            condition = msgspec.structs.replace(condition, severity=1, reason="not_repeated")
        states.append(DeviceState(device, current, connectivity, standing, condition))
    return states


def without_expired(device: Device, latest: Latest | None, now: datetime) -> Latest | None:
    """The last values that still say how the device is; each has its time to live, from the device's interval."""
    if latest is None:
        return None
    measured_since = now - max(VALUE_AGE_MIN, _intervals(device, latest, VALUE_INTERVALS))
    told_since = min(now - TOLD_AGE_MIN, measured_since)
    columns = COLUMNS[device.KIND]
    values = {
        name: value
        for name, value in latest.values.items()
        if name in _LASTING
        or value.measured_at >= measured_since
        or (value.measured_at >= told_since and (name in _RARE or columns.get(name) in ("flag", "text")))
    }
    return latest if len(values) == len(latest.values) else msgspec.structs.replace(latest, values=values)


def _intervals(device: Device, latest: Latest | None, count: int) -> timedelta:
    """So many intervals of a device; one that sleeps says itself how long."""
    asleep_s = latest.next_s if latest is not None and latest.state == "sleeping" else None
    return timedelta(seconds=max(device.interval_s, asleep_s or 0) * count)
