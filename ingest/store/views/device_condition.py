"""The condition of a device: a state, its severity and the reason; shared by boards, console and alerts.

Pure: computed from the last values, the connectivity and the raised events of a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from broker.contract.payloads import Scene
from city.inventory.model import City, Device, Truck
from ingest.store.port import Latest
from ingest.store.records import QUALITY_CLOCK, QUALITY_GEOMETRY, Connectivity, EventRecord

FULL_PCT: Final = 85.0
"""Fill level above which a container is to be emptied; the console and the boards colour by it."""
FILLING_PCT: Final = 60.0
HOT_C: Final = 70.0
"""Waste that composts stays below 65 °C; a container in the sun of Kupang reaches 55 °C."""
TILTED_DEG: Final = 45.0
LOW_BATTERY_PCT: Final = 15.0
CROWDED_CLIENTS: Final = 45.0
"""Clients that one radio serves before all of them notice."""
BUSY_PCT: Final = 75.0
"""Airtime from which on users notice waiting for the channel."""
SLOW_MS: Final = 150.0
LOSSY_PCT: Final = 5.0
LATCHED_EVENTS: Final = ("fire", "tilt", "breakdown", "panic")
"""Event types that stay raised until cleared and determine a device's condition."""

ABSENT: Final = ("offline", "unknown")

_URGENCY: Final = {"fire": 9, "panic": 8, "broken": 7, "down": 6, "blind": 5, "full": 4, "filling": 1}
"""State or reason to its place in the order of what is to be acted on; see `urgency_of`."""

Severity = Literal[-1, 0, 1, 2]
"""-1 never heard of, 0 well, 1 to be checked, 2 to be acted on."""

Raised = Mapping[str, EventRecord]
"""Event type to the last raised event that was not cleared."""


class DeviceCondition(msgspec.Struct, frozen=True):
    """The condition of a device. `reason` is a code, empty when all is well; `detail` is the device's own text."""

    state: str
    severity: Severity = 0
    reason: str = ""
    detail: str = ""


def urgency_of(condition: DeviceCondition) -> int:
    """The place of a condition in the order of lists and maps, 0 (well, or never heard of) to 9 (a fire).

    Two conditions of the same severity differ in it: of a fire and a hotspot that is down, the fire comes first.
    """
    known = max(_URGENCY.get(condition.state, 0), _URGENCY.get(condition.reason, 0))
    return max(known, 2) if condition.severity > 0 else known


def condition_of(device: Device, latest: Latest | None, connectivity: Connectivity, raised: Raised) -> DeviceCondition:
    """The condition of a device."""
    condition = _CONDITIONS[device.KIND](latest, connectivity, raised)
    if condition.severity == 0 and latest is not None:
        return _minor_issues(latest, condition)
    return condition


def _minor_issues(latest: Latest, condition: DeviceCondition) -> DeviceCondition:
    battery = number(latest, "battery_pct")
    if battery is not None and battery < LOW_BATTERY_PCT:
        return msgspec.structs.replace(condition, severity=1, reason="low_battery")
    if QUALITY_CLOCK in latest.quality:
        return msgspec.structs.replace(condition, severity=1, reason="clock")
    return condition


def _bin(latest: Latest | None, connectivity: Connectivity, raised: Raised) -> DeviceCondition:
    temperature = number(latest, "temperature_c")
    if "fire" in raised or (temperature is not None and temperature >= HOT_C and connectivity != "offline"):
        return DeviceCondition("fire", 2, "fire_event" if "fire" in raised else "hot")
    if connectivity in ABSENT:
        return _absent(connectivity)
    fill = number(latest, "fill_pct")
    if fill is not None and fill > FULL_PCT:
        return DeviceCondition("full", 2, "fill_over_limit")
    tilt = number(latest, "tilt_deg")
    if "tilt" in raised or (tilt is not None and tilt > TILTED_DEG):
        return DeviceCondition("tilted", 1, "tilt")
    if fill is None:
        is_too_deep = latest is not None and QUALITY_GEOMETRY in latest.quality
        return DeviceCondition("unmeasured", 1, "geometry" if is_too_deep else "no_fill")
    return DeviceCondition("filling", 0, "fill_rising") if fill >= FILLING_PCT else DeviceCondition("ok")


def _truck(latest: Latest | None, connectivity: Connectivity, raised: Raised) -> DeviceCondition:
    if codes := fault_codes_of(latest):
        return DeviceCondition("broken", 2, "fault_codes", ", ".join(codes))
    breakdown = raised.get("breakdown")
    if breakdown is not None and not _is_repaired(latest, breakdown):
        return DeviceCondition("broken", 2, "breakdown_event", ", ".join(codes_of(breakdown.detail.get("fault_codes"))))
    if connectivity in ABSENT:
        return _absent(connectivity)
    driving = "working" if number(latest, "pto") else "on_route"
    state = driving if number(latest, "ignition") or number(latest, "pto") else "parked"
    return DeviceCondition(state, 2, "panic") if "panic" in raised else DeviceCondition(state)


def _ap(latest: Latest | None, connectivity: Connectivity, _raised: Raised) -> DeviceCondition:
    if connectivity == "unknown":
        return _absent(connectivity)
    if connectivity == "offline":
        return DeviceCondition("down", 2, "link_lost")
    for field, limit, state, reason in (
        ("loss_pct", LOSSY_PCT, "slow", "high_loss"),
        ("latency_ms", SLOW_MS, "slow", "high_latency"),
        ("clients", CROWDED_CLIENTS, "crowded", "crowded"),
        ("channel_busy_pct", BUSY_PCT, "crowded", "channel_busy"),
    ):
        value = number(latest, field)
        if value is not None and value >= limit:
            return DeviceCondition(state, 1, reason)
    return DeviceCondition("up")


def _camera(latest: Latest | None, connectivity: Connectivity, _raised: Raised) -> DeviceCondition:
    if connectivity in ABSENT:
        return _absent(connectivity)
    if number(latest, "scene_ok") != 0:
        return DeviceCondition("watching")
    return DeviceCondition("blind", 1, scene_of(latest) or "scene_not_ok")


_CONDITIONS: Final = {"bin": _bin, "truck": _truck, "ap": _ap, "camera": _camera}


def _absent(connectivity: Connectivity) -> DeviceCondition:
    return (
        DeviceCondition("unknown", -1, "never_heard")
        if connectivity == "unknown"
        else DeviceCondition("silent", 1, "silent")
    )


def fault_codes_of(latest: Latest | None) -> tuple[str, ...]:
    """The fault codes that a truck reports; empty when it reports none, or says nothing of them."""
    codes = latest.values.get("fault_codes") if latest else None
    return codes_of(codes.value) if codes else ()


def is_broken(latest: Latest | None) -> bool:
    """Whether a truck reports fault codes."""
    return bool(fault_codes_of(latest))


def codes_of(value: object) -> tuple[str, ...]:
    """Fault codes of a list, of its JSON text, or of another text, which is taken as one code."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value) if value else ()
        except msgspec.DecodeError:
            return (str(value),)
    return tuple(str(code) for code in value) if isinstance(value, list | tuple) else (str(value),) if value else ()


def _is_repaired(latest: Latest | None, breakdown: EventRecord) -> bool:
    """Whether a later reading reports none of the fault codes with which a breakdown began.

    A tracker that restarts meanwhile never says that the breakdown is over. A breakdown without codes, such as a flat
    tyre, stays until it is cleared.
    """
    codes = latest.values.get("fault_codes") if latest else None
    has_ended = codes is not None and codes.measured_at > breakdown.origin.measured_at and not fault_codes_of(latest)
    return has_ended and bool(codes_of(breakdown.detail.get("fault_codes")))


def scene_of(latest: Latest | None) -> str:
    """The camera's reason for not being armed; empty when it is armed or says nothing."""
    scene = latest.values.get("scene") if latest else None
    return str(scene.value) if scene and scene.value in get_args(Scene) and scene.value != "armed" else ""


def number(latest: Latest | None, field: str) -> float | None:
    """A field's newest value as a number; None when there is none."""
    field_value = latest.values.get(field) if latest else None
    return float(field_value.value) if field_value and isinstance(field_value.value, int | float) else None


def position_of(device: Device, latest: Latest | None) -> tuple[float, float] | None:
    """Latitude and longitude: the device's own, else the inventory's; None for a truck that has reported none."""
    if latest and "lat_deg" in latest.values and "lon_deg" in latest.values:
        return float(latest.values["lat_deg"].value), float(latest.values["lon_deg"].value)
    if device.lat_deg is None or device.lon_deg is None:
        return None
    return device.lat_deg, device.lon_deg


def name_of(device: Device) -> str:
    """The name people use: a truck's plate, else the device's id."""
    return device.plate if isinstance(device, Truck) else device.id


def label_of(city: City, device: Device) -> str:
    """A device's name with its site or kelurahan, such as `bin-0100, Penkase Oeleta`; a truck's plate alone."""
    place = city.sites.get(device.site) or city.kelurahan.get(device.kelurahan)
    return name_of(device) if place is None or isinstance(device, Truck) else f"{name_of(device)}, {place.name}"
