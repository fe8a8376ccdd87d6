"""What could be an alarm now, from the states of devices, open cases and ingest's health. Pure.

The condition of a device comes from `ingest/store/views/device_condition.py`, as on the map and the boards. What
arrived late is no condition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from city.inventory.model import City, Device
from dispatch.alarms.rules import AlarmKind, Rules
from ingest.store.records import QUALITY_LATE, EventRecord
from ingest.store.views.cases import Case
from ingest.store.views.device_condition import ABSENT, TILTED_DEG, number
from ingest.store.views.device_state import DeviceState
from ingest.store.views.health import IngestHealth

PLATFORM: Final = "ingest"
"""Subject of the alarms of the platform itself."""
MISUSE_TYPES: Final = ("rogue_ap", "quota_exceeded", "tamper")
MISUSE_LASTS: Final = timedelta(hours=1)
"""How long a sign of misuse, which has no end of its own, is a condition."""
BEHIND_S: Final = 60.0
"""Age of the live readings from which on pages say that they are behind."""
SILENT_S: Final = 30.0
"""Age of ingest's own report from which on it says nothing about now."""
SITE_DEVICES_MIN: Final = 3
SITE_ABSENT_SHARE: Final = 0.8
"""Share of a site's devices that are gone at once when its link or power has failed."""
_BY_STATE: Final[Mapping[str, AlarmKind]] = {
    "fire": "fire",
    "full": "overflowing",
    "tilted": "tilt",
    "unmeasured": "blind_sensor",
    "broken": "breakdown",
    "silent": "device_silent",
    "down": "hotspot_down",
    "crowded": "hotspot_crowded",
    "slow": "hotspot_slow",
    "blind": "camera_blind",
}
"""State of a device's condition to the kind of its alarm."""
_EVENT_OF: Final = {"fire_event": "fire", "breakdown_event": "breakdown", "tilt": "tilt"}
"""Reason of a condition to the event that it may come from."""

Key = tuple[AlarmKind, str]
"""Kind and subject: there is one open alarm for each."""


class AlarmCondition(msgspec.Struct, frozen=True):
    """A condition of a subject: a device, a case, a site or the platform. It began at `since`, if that is known."""

    kind: AlarmKind
    subject: str
    subject_kind: str
    site: str = ""
    kelurahan: str = ""
    since: datetime | None = None
    detail: dict[str, Any] = {}

    @property
    def key(self) -> Key:
        """Kind and subject."""
        return self.kind, self.subject


def conditions_of(
    city: City,
    states: Iterable[DeviceState],
    misuse: Iterable[EventRecord],
    cases: Iterable[Case],
    health: IngestHealth | None,
    rules: Rules,
    raised: Collection[Key],
    now: datetime,
) -> list[AlarmCondition]:
    """All conditions of a moment.

    Args:
        city: The inventory.
        states: State of every device.
        misuse: Events of `MISUSE_TYPES` of the last hour.
        cases: Cases that count.
        health: Ingest's newest report.
        rules: Their `hold` keeps what is raised.
        raised: Kinds and subjects of open alarms.
        now: UTC.
    """
    known = list(states)
    conditions = [condition for state in known for condition in _of_device(state, rules, raised)]
    conditions += _of_sites(known)
    conditions += _of_misuse(city, misuse, now)
    conditions += [_of_case(case) for case in cases if case.is_open and case.verdict == "none"]
    conditions += _of_platform(health, now)
    return [condition for condition in conditions if rules[condition.kind].enabled]


def _of_device(state: DeviceState, rules: Rules, raised: Collection[Key]) -> Iterator[AlarmCondition]:
    device, condition = state.device, state.condition
    kinds: dict[AlarmKind, AlarmCondition] = {}
    kind = _BY_STATE.get(condition.state)
    event = state.raised.get(_EVENT_OF.get(condition.reason, ""))
    if kind and not (event is not None and _is_late(event) and not _is_measured(state, kind)):
        detail = {"reason": condition.reason, **({"detail": condition.detail} if condition.detail else {})}
        since = event.origin.measured_at if event else None
        kinds[kind] = _about(device, kind, since, {**detail, **_values(state, rules, kind)})
    panic = state.raised.get("panic")
    if panic is not None and not _is_late(panic):
        kinds["panic"] = _about(device, "panic", panic.origin.measured_at, {})
    for held in {key[0] for key in raised if key[1] == device.id} - kinds.keys():
        if _holds(state, rules, held):
            kinds[held] = _about(device, held, None, _values(state, rules, held))
    yield from kinds.values()


def _is_late(event: EventRecord) -> bool:
    return QUALITY_LATE in event.origin.quality


def _is_measured(state: DeviceState, kind: AlarmKind) -> bool:
    """Whether a reading says the same as an event."""
    tilt = number(state.latest, "tilt_deg")
    return kind == "tilt" and tilt is not None and tilt > TILTED_DEG


def _holds(state: DeviceState, rules: Rules, kind: AlarmKind) -> bool:
    """Whether a raised alarm stays: one of its values is at least the limit of `hold`, and the device is there."""
    values = _values(state, rules, kind)
    return state.connectivity not in ABSENT and any(
        value >= rules[kind].hold[field] for field, value in values.items() if field in rules[kind].hold
    )


def _values(state: DeviceState, rules: Rules, kind: AlarmKind) -> dict[str, float]:
    """The device's values that a rule is about."""
    values = {field: number(state.latest, field) for field in rules[kind].hold}
    return {field: value for field, value in values.items() if value is not None}


def _about(device: Device, kind: AlarmKind, since: datetime | None, detail: dict[str, Any]) -> AlarmCondition:
    return AlarmCondition(kind, device.id, device.KIND, device.site, device.kelurahan, since, detail)


def _of_sites(states: Iterable[DeviceState]) -> Iterator[AlarmCondition]:
    """Sites whose devices, several, are nearly all gone: one alarm for all of them."""
    by_site: dict[str, list[DeviceState]] = defaultdict(list)
    for state in states:
        if state.device.site and state.connectivity != "unknown":
            by_site[state.device.site].append(state)
    for site, here in by_site.items():
        absent = [state for state in here if state.connectivity == "offline"]
        if len(absent) >= SITE_DEVICES_MIN and len(absent) >= SITE_ABSENT_SHARE * len(here):
            detail = {"absent": len(absent), "devices": len(here)}
            yield AlarmCondition("site_down", site, "site", site, absent[0].device.kelurahan, None, detail)


def _of_misuse(city: City, events: Iterable[EventRecord], now: datetime) -> Iterator[AlarmCondition]:
    newest: dict[str, EventRecord] = {}
    for event in events:
        is_news = not _is_late(event) and now - event.origin.measured_at < MISUSE_LASTS
        known = newest.get(event.origin.device)
        if is_news and (known is None or event.origin.measured_at > known.origin.measured_at):
            newest[event.origin.device] = event
    for name, event in newest.items():
        if device := city.devices.get(name):
            detail = {"reason": event.type, **event.detail}
            yield _about(device, "hotspot_misuse", event.origin.measured_at, detail)


def _of_case(case: Case) -> AlarmCondition:
    detail = {"camera": case.camera, "zone": case.zone}
    return AlarmCondition("dumping_case", case.id, "case", case.site, case.kelurahan, case.raised_at, detail)


def _of_platform(health: IngestHealth | None, now: datetime) -> Iterator[AlarmCondition]:
    if reason := _behind(health, now):
        yield AlarmCondition("ingest_behind", PLATFORM, "platform", detail={"reason": reason})
    for alarm in health.alarms if health else ():
        detail = {"bad": alarm.bad, "of": alarm.of}
        yield AlarmCondition("bad_messages", alarm.subject, "platform", detail=detail)


def _behind(health: IngestHealth | None, now: datetime) -> str:
    """Why new readings do not reach the store; empty if they do."""
    if health is None or abs((now - health.at).total_seconds()) > SILENT_S:
        return "silent"
    if not health.connected:
        return "no_broker"
    if health.store == "away":
        return "store_away"
    if health.journal == "full":
        return "journal_full"
    return "lag" if health.live_lag_s > BEHIND_S else ""
