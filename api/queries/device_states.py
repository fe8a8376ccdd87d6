"""Current states of many devices, for pages and exports."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from api.context import ApiContext
from api.queries.events import each_event
from api.schemas import live_lag
from broker.contract.topics import Kind
from city.inventory.model import Device
from ingest.store.port import EventQuery
from ingest.store.views.device_condition import LATCHED_EVENTS, DeviceCondition
from ingest.store.views.device_state import RAISED_LOOKBACK, DeviceState, evaluate, raised_by_device

EMPTIED_BACK: Final = timedelta(days=14)
"""Look-back of collections; the time of an older collection is unknown."""
_AHEAD: Final = timedelta(minutes=5)
_RAISED: Final = (*LATCHED_EVENTS, "lid_open", "moved")


def device_states(context: ApiContext, *, kind: Kind | None = None, device: Device | None = None) -> list[DeviceState]:
    """The current state of one device, of every device of a kind, or of all devices; sorted by id."""
    now = context.clock()
    device_id = device.id if device else None
    latest = {latest.device: latest for latest in context.reader.latest(kind=kind, device=device_id)}
    query = EventQuery(now - RAISED_LOOKBACK, now + _AHEAD, device_id, kind, _RAISED)
    oldest_first = reversed(list(each_event(context.reader, query)))
    devices = [
        listed
        for listed in sorted(context.city.devices.values(), key=lambda listed: listed.id)
        if kind in (None, listed.KIND) and device_id in (None, listed.id)
    ]
    return evaluate(devices, latest, raised_by_device(oldest_first), now, live_lag(context))


def state_word(condition: DeviceCondition) -> str:
    """The word for a condition on lists and maps: a truck whose driver calls for help is not just on the road."""
    return "panic" if condition.reason == "panic" else condition.state


def emptied_at(context: ApiContext, bins: Collection[str]) -> dict[str, datetime]:
    """The last collection of each container within `EMPTIED_BACK`, reported by a truck or by its own sensor."""
    now = context.clock()
    emptied_at_by_bin: dict[str, datetime] = {}
    for event in each_event(context.reader, EventQuery(now - EMPTIED_BACK, now + _AHEAD, types=("collected",))):
        place = str(event.detail.get("bin", event.origin.device))
        if place in bins and place not in emptied_at_by_bin:
            emptied_at_by_bin[place] = event.origin.measured_at
            if len(emptied_at_by_bin) == len(bins):
                break
    return emptied_at_by_bin
