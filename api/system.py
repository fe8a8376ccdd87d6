"""How the platform does: ingest's own words, dead letters, and how many devices are there."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import msgspec

from api.context import ApiContext
from api.shapes import device_connectivity
from broker.contract.errors import RetryLaterError
from broker.health import read_health
from city.status import NotReadyReason, not_ready_reason
from city.status_texts import text

BEHIND_S: Final = 60.0
"""From this lag on, what the pages show is not the present, and they say so."""


def trouble(context: ApiContext) -> NotReadyReason:
    """Why the system is not ready; empty when it is."""
    return not_ready_reason(context.health.read(), context.clock())


def words_of(found: NotReadyReason) -> str:
    """The same in English, for programs and logs."""
    return text("en", found) if found else ""


def system(context: ApiContext) -> dict[str, Any]:
    """How the platform does: ingest's and the embedded broker's own words, dead letters, devices by connectivity."""
    now = context.clock()
    try:
        latest = {one.device: one for one in context.reader.latest()}
    except RetryLaterError:
        latest = {}  # the store is away, which is said below
    devices: dict[str, Counter[str]] = {kind: Counter() for kind in ("bin", "truck", "ap", "camera")}
    for device in context.city.devices.values():
        devices[device.KIND][device_connectivity(context, device, latest.get(device.id), now)] += 1
    late = sorted(one.device for one in latest.values() if "late" in one.quality)
    found = trouble(context)
    health, broker = context.health.read(), read_health(context.data)
    return {
        "ready": not found,
        "trouble": found,
        "detail": words_of(found),
        "city": context.city.name,
        "simulated": context.demo,
        "broker": msgspec.to_builtins(broker) if broker else None,
        "ingest": msgspec.to_builtins(health) if health else None,
        "dead_letters": context.dead_letters.count(),
        "devices": {kind: dict(counted) for kind, counted in devices.items()},
        "late": late[:100],
    }
