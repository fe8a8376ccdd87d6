"""The condition of a device: a state, its severity and the reason; shared by boards, console and alerts.

Pure: computed from the last values, the connectivity and the raised events of a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from broker.contract.payloads import Scene
from city.inventory.model import Device, Truck
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
    if is_broken(latest) or "breakdown" in raised:
        codes = latest.values.get("fault_codes") if latest else None
        return DeviceCondition(
            "broken", 2, "fault_codes" if codes else "breakdown_event", str(codes.value) if codes else ""
        )
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


def is_broken(latest: Latest | None) -> bool:
    """Whether a truck reports fault codes."""
    codes = latest.values.get("fault_codes") if latest else None
    return codes is not None and codes.value not in ("", "[]")


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
