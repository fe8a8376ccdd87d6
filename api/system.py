"""How the platform does: ingest's own words, dead letters, and how many devices are there."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, Final, Literal

import msgspec

from api.context import ApiContext
from api.shapes import device_connectivity
from broker.contract.errors import RetryLaterError

BEHIND_S: Final = 60.0
"""From this lag on, what the pages show is not the present, and they say so."""
STALE_AFTER: Final = timedelta(seconds=30)


Trouble = Literal["", "not_started", "silent", "no_broker", "journal_full", "store_away"]

WORDS: Final[dict[Trouble, str]] = {
    "": "",
    "not_started": "ingest has not started yet",
    "silent": "ingest has said nothing for a while",
    "no_broker": "ingest has no connection to the broker",
    "journal_full": "the journal does not take messages",
    "store_away": "the store is away",
}


def trouble(context: ApiContext) -> Trouble:
    """Why the system is not ready; empty when it is."""
    health = context.health.read()
    if health is None:
        return "not_started"
    if context.clock() - health.at > STALE_AFTER:
        return "silent"
    if not health.connected:
        return "no_broker"
    if health.journal == "full":
        return "journal_full"
    return "store_away" if health.store == "away" else ""


def system(context: ApiContext) -> dict[str, Any]:
    """How the platform does: ingest's own words, dead letters, and devices by connectivity."""
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
    health = context.health.read()
    return {
        "ready": not found,
        "trouble": found,
        "detail": WORDS[found],
        "city": context.city.name,
        "simulated": context.demo,
        "ingest": msgspec.to_builtins(health) if health else None,
        "dead_letters": context.dead_letters.count(),
        "devices": {kind: dict(counted) for kind, counted in devices.items()},
        "late": late[:100],
    }
