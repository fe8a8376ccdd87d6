"""What exports show of devices: each with its newest values, how it stands, and the newest events that matter to it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from api.context import ApiContext
from api.exports.entities import Seen
from api.shapes import device_connectivity
from city.model import Device
from ingest.store.condition import RAISABLE, condition_of
from ingest.store.port import MAX_EVENTS, EventQuery
from ingest.store.records import EventRecord

LOOK_BACK: Final = timedelta(days=60)
SHOWN: Final = (*RAISABLE, "collected", "moved")


def look(context: ApiContext, devices: Iterable[Device]) -> list[Seen]:
    """Each of these devices as it is now."""
    now = context.clock()
    wanted = list(devices)
    only = wanted[0].id if len(wanted) == 1 else None
    latest = {one.device: one for one in context.reader.latest(device=only)}
    events = _newest(context, only)
    found = []
    for device in wanted:
        known = latest.get(device.id)
        connected = device_connectivity(context, device, known, now)
        happened = events.get(device.id, {})
        raised = {type_: event for type_, event in happened.items() if event.state == "raised"}
        condition = condition_of(device, known, connected, raised)
        found.append(Seen(device, known, connected, condition, happened))
    return found


def _newest(context: ApiContext, device: str | None) -> dict[str, dict[str, EventRecord]]:
    """The newest event of each type that is shown, by device."""
    now = context.clock()
    found: dict[str, dict[str, EventRecord]] = {}
    for type_ in SHOWN:
        query = EventQuery(now - LOOK_BACK, now + timedelta(minutes=5), device=device, types=(type_,), limit=MAX_EVENTS)
        for event in context.reader.events(query):
            found.setdefault(event.origin.device, {}).setdefault(type_, event)
    return found
