"""State of the platform: health of ingest and broker, dead letters, and devices by connectivity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from api.context import ApiContext
from api.schemas import device_connectivity
from broker.contract.topics import KINDS, Kind
from broker.health import BrokerHealth, read_health
from city.errors import RetryLaterError
from city.i18n.catalogue import STATUS_TEXTS
from city.runtime.status import NotReadyReason, ingest_not_ready_reason
from ingest.store.port import Latest
from ingest.store.records import QUALITY_GEOMETRY, QUALITY_LATE, Connectivity
from ingest.store.views.health import IngestHealth

LATE_MAX: Final = 100
BEHIND_S: Final = 60.0
"""Above this lag the pages show a warning that their data is not current."""


def not_ready_reason(context: ApiContext) -> NotReadyReason:
    """Why the system is not ready; empty if it is."""
    return ingest_not_ready_reason(context.health.read(), context.clock())


def reason_text(reason: NotReadyReason) -> str:
    """A not-ready reason in English, for programs and logs; empty without one."""
    return STATUS_TEXTS.text(reason, "en") if reason else ""


class SystemState(msgspec.Struct, frozen=True):
    """The platform's state: readiness, health of ingest and broker, dead letters, devices by connectivity.

    `broker` is None without the embedded broker, `ingest` before its first snapshot. `devices` counts by kind and
    connectivity. `late` are devices whose newest reading came late, at most `LATE_MAX`; `too_deep` are containers whose
    sensor measured deeper than the inventory says that they are.
    """

    ready: bool
    not_ready_reason: NotReadyReason
    detail: str
    city: str
    simulated: bool
    broker: BrokerHealth | None
    ingest: IngestHealth | None
    dead_letters: int
    devices: dict[Kind, dict[Connectivity, int]]
    late: list[str]
    too_deep: list[str]


def system_state(context: ApiContext) -> SystemState:
    """The state of the platform now."""
    now = context.clock()
    try:
        latest = {latest.device: latest for latest in context.reader.latest()}
    except RetryLaterError:
        latest = {}  # the store is away, which is said below
    devices: dict[Kind, Counter[Connectivity]] = {kind: Counter() for kind in KINDS}
    for device in context.city.devices.values():
        devices[device.KIND][device_connectivity(context, device, latest.get(device.id), now)] += 1
    reason = not_ready_reason(context)
    return SystemState(
        ready=not reason,
        not_ready_reason=reason,
        detail=reason_text(reason),
        city=context.city.name,
        simulated=context.demo,
        broker=read_health(context.data),
        ingest=context.health.read(),
        dead_letters=context.dead_letters.count(),
        devices={kind: dict(counted) for kind, counted in devices.items()},
        late=_devices_with(latest.values(), QUALITY_LATE)[:LATE_MAX],
        too_deep=_devices_with(latest.values(), QUALITY_GEOMETRY),
    )


def _devices_with(latest: Iterable[Latest], flag: str) -> list[str]:
    """Devices whose newest reading has a quality flag."""
    return sorted(newest.device for newest in latest if flag in newest.quality)
