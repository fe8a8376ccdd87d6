"""How devices stand now, for what shows or hands out many of them at once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from api.context import ApiContext
from api.events import each_event
from api.shapes import behind
from broker.contract.topics import Kind
from city.model import Device
from ingest.store.device_condition import LATCHED_EVENTS
from ingest.store.device_state import RAISED_BACK, DeviceState, evaluate, raised_by_device
from ingest.store.port import EventQuery

EMPTIED_BACK: Final = timedelta(days=14)
"""A container that nobody emptied for longer than this counts as never emptied: it is not known when."""
_AHEAD: Final = timedelta(minutes=5)
_RAISED: Final = (*LATCHED_EVENTS, "lid_open", "moved")


def standings(context: ApiContext, *, kind: Kind | None = None, device: Device | None = None) -> list[DeviceState]:
    """How every device of a kind, one device, or the whole city stands, by id."""
    now = context.clock()
    one = device.id if device else None
    latest = {each.device: each for each in context.reader.latest(kind=kind, device=one)}
    query = EventQuery(now - RAISED_BACK, now + _AHEAD, one, kind, _RAISED)
    oldest_first = reversed(list(each_event(context.reader, query)))
    devices = [
        each
        for each in sorted(context.city.devices.values(), key=lambda each: each.id)
        if kind in (None, each.KIND) and one in (None, each.id)
    ]
    return evaluate(devices, latest, raised_by_device(oldest_first), now, behind(context))


def emptied_at(context: ApiContext, bins: Collection[str]) -> dict[str, datetime]:
    """When containers were emptied last, as far as `EMPTIED_BACK`, as a truck says it of one, or its own sensor."""
    now = context.clock()
    found: dict[str, datetime] = {}
    for event in each_event(context.reader, EventQuery(now - EMPTIED_BACK, now + _AHEAD, types=("collected",))):
        place = str(event.detail.get("bin", event.origin.device))
        if place in bins and place not in found:
            found[place] = event.origin.measured_at
            if len(found) == len(bins):
                break
    return found
