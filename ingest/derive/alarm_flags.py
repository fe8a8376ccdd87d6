"""What is wrong with devices, as points of `alarm_flag` for alert rules: few series, and one that is always there.

A rule about all devices would keep thousands of instances. A rule about the troubled ones alone could not tell that all
is well from no answer; so each flag has a series without a device, whose value is 0 as long as states are derived.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from city.inventory.model import City
from city.inventory.provider import InventoryProvider
from ingest.derive.states import REPEAT_AFTER, is_overflowing, to_ms
from ingest.store.influx.line_protocol import to_point
from ingest.store.tags import tags_of_device
from ingest.store.views.device_condition import label_of
from ingest.store.views.device_state import DeviceState

FLAGS: Final = ("fire", "overflow", "breakdown", "hotspot", "silent")
ZERO_FOR: Final = timedelta(minutes=20)
"""How long a device that has recovered has a 0; longer than the window of a rule, whose alarm it ends."""

_STATES: Final = {"fire": "fire", "broken": "breakdown", "down": "hotspot"}
"""State of a device to its flag."""

_Key = tuple[str, str]
"""Device id, or an empty text, and flag."""


class AlarmFlags:
    """Remembers which device had which flag, and what was written."""

    def __init__(self, inventory: InventoryProvider) -> None:
        self._inventory = inventory
        self._raised_at: dict[_Key, datetime] = {}
        self._written: dict[_Key, tuple[bool, datetime]] = {}

    def forget_written(self) -> None:
        """Write every flag again next time: the last lines were not stored."""
        self._written = {}

    def points(self, device_states: Iterable[DeviceState], now: datetime) -> list[bytes]:
        """Lines that changed or are due: 1 for a flag of a device, 0 for one that it had until lately."""
        raised = {(state.device.id, flag) for state in device_states for flag in flags_of(state)}
        self._raised_at = {key: at for key, at in self._raised_at.items() if now - at < ZERO_FOR}
        self._raised_at |= dict.fromkeys(raised, now)
        city = self._inventory.current()
        keys = [*(("", flag) for flag in FLAGS), *(key for key in self._raised_at if key[0] in city.devices)]
        return [
            self._line(city, key, now, value=key in raised) for key in keys if self._is_due(key, key in raised, now)
        ]

    def _is_due(self, key: _Key, value: bool, now: datetime) -> bool:  # noqa: FBT001 - a value that is written
        written = self._written.get(key)
        return written is None or written[0] != value or now - written[1] >= REPEAT_AFTER

    def _line(self, city: City, key: _Key, now: datetime, *, value: bool) -> bytes:
        device, flag = key
        self._written[key] = (value, now)
        tags = {**tags_of_device(city, device), "label": label_of(city, city.devices[device])} if device else {}
        fields = {"value": value}
        return to_point("alarm_flag", {**tags, "city": city.id, "flag": flag}, fields, to_ms(now) * 1_000_000)


def flags_of(device_state: DeviceState) -> tuple[str, ...]:
    """The flags of a device. A hotspot that is silent is down; a device that was never heard of is not silent."""
    state, is_hotspot = device_state.condition.state, device_state.device.KIND == "ap"
    flags = [_STATES[state]] if state in _STATES else []
    flags += ["overflow"] if is_overflowing(device_state) else []
    flags += ["silent"] if device_state.connectivity == "offline" and not is_hotspot else []
    return tuple(flags)
