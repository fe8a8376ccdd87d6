"""State of the platform: health of ingest and broker, dead letters, and devices by connectivity."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import msgspec

from api.context import ApiContext
from api.schemas import device_connectivity
from broker.health import read_health
from city.errors import RetryLaterError
from city.i18n.catalogue import STATUS_TEXTS
from city.runtime.status import NotReadyReason, ingest_not_ready_reason

BEHIND_S: Final = 60.0
"""Above this lag the pages show a warning that their data is not current."""


def not_ready_reason(context: ApiContext) -> NotReadyReason:
    """Why the system is not ready; empty if it is."""
    return ingest_not_ready_reason(context.health.read(), context.clock())


def reason_text(reason: NotReadyReason) -> str:
    """A not-ready reason in English, for programs and logs; empty without one."""
    return STATUS_TEXTS.text(reason, "en") if reason else ""


def system(context: ApiContext) -> dict[str, Any]:
    """The platform's state as JSON: readiness, health of ingest and broker, dead letters, devices by connectivity."""
    now = context.clock()
    try:
        latest = {latest.device: latest for latest in context.reader.latest()}
    except RetryLaterError:
        latest = {}  # the store is away, which is said below
    devices: dict[str, Counter[str]] = {kind: Counter() for kind in ("bin", "truck", "ap", "camera")}
    for device in context.city.devices.values():
        devices[device.KIND][device_connectivity(context, device, latest.get(device.id), now)] += 1
    late = sorted(newest.device for newest in latest.values() if "late" in newest.quality)
    reason = not_ready_reason(context)
    health, broker = context.health.read(), read_health(context.data)
    return {
        "ready": not reason,
        "not_ready_reason": reason,
        "detail": reason_text(reason),
        "city": context.city.name,
        "simulated": context.demo,
        "broker": msgspec.to_builtins(broker) if broker else None,
        "ingest": msgspec.to_builtins(health) if health else None,
        "dead_letters": context.dead_letters.count(),
        "devices": {kind: dict(counted) for kind, counted in devices.items()},
        "late": late[:100],
    }
