"""Traccar, a gateway for some two thousand tracker protocols: forwarded positions and events.

One topic for all vehicles: `positions` and `events` (`forward.topic`, `event.forward.topic`), also below `traccar/`;
the device is named by its `uniqueId`. Speed is in knots, hours in milliseconds. Inputs, distances and fuel, which have
no one meaning, are the profile's.
Source: Traccar, `PositionData`, `EventData`, `Position` and its attribute keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.parsing import (
    content_key,
    is_coarse,
    json_object,
    mapping_at,
    parse_any_time,
    parse_flag,
    parse_number,
    position,
    text_at,
    without_none,
)
from ingest.decoding.formats.port import Adapter, AdapterEvent, ConnectivityReport, DeviceReport, Hint
from ingest.store.records import QUALITY_NO_FIX, QUALITY_OUTDATED

KMH_PER_KNOT: Final = 1.852
_ALARMS: Final = {
    "sos": ("panic", "noted"),
    "powerCut": ("power_cut", "raised"),
    "powerOff": ("power_cut", "raised"),
    "powerRestored": ("power_cut", "cleared"),
    "powerOn": ("power_cut", "cleared"),
    "tow": ("tow", "noted"),
    "overspeed": ("overspeed", "noted"),
    "hardBraking": ("harsh_braking", "noted"),
    "hardAcceleration": ("harsh_acceleration", "noted"),
    "hardCornering": ("harsh_cornering", "noted"),
    "geofenceEnter": ("geofence_enter", "noted"),
    "geofenceExit": ("geofence_exit", "noted"),
    "jamming": ("jamming", "noted"),
    "tampering": ("tamper", "noted"),
    "removing": ("tamper", "noted"),
    "lowBattery": ("low_battery", "noted"),
    "lowPower": ("low_battery", "noted"),
    "fuelLeak": ("fuel_leak", "noted"),
    "door": ("door", "noted"),
    "accident": ("accident", "noted"),
    "fallDown": ("accident", "noted"),
    "fault": ("breakdown", "noted"),
}
_EVENTS: Final = {
    "deviceOverspeed": ("overspeed", "noted"),
    "deviceFuelDrop": ("fuel_leak", "noted"),
    "geofenceEnter": ("geofence_enter", "noted"),
    "geofenceExit": ("geofence_exit", "noted"),
}
_PRESENCE: Final = {"deviceOnline": "online", "deviceOffline": "offline", "deviceUnknown": "offline"}


_NUMBERED: Final = frozenset({"id", "positionId", "serverTime"})
_COMPUTED: Final = frozenset({"distance", "totalDistance"})
"""Attributes that the server computes from the positions that it has."""


class Traccar:
    """Positions become readings and alarms, events become events."""

    name = "traccar"
    filters = ("positions", "events", "traccar/positions", "traccar/events")
    precedence = 0
    personal_keys: tuple[str, ...] = ("driverUniqueId", "driverName", "phone", "contact")
    lists_clients = False
    level_events: frozenset[str] = frozenset({"power_cut"})

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is Traccar's."""
        return "/".join(levels) in self.filters

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One record per message.

        Raises:
            PayloadError: Not what Traccar forwards, or without the device's `uniqueId`.
        """
        body = json_object(payload)
        device = mapping_at(body, "device")
        names = tuple(name for name in (text_at(device, "uniqueId"), text_at(device, "name")) if name)
        if not names:
            raise PayloadError("no `device.uniqueId`: set `forward.type = mqtt`, which forwards it beside the position")
        if topic.endswith("events"):
            return [_event(names, device, body)]
        return [_position(names, device, mapping_at(body, "position"))]


def _own_content(body: Mapping[str, Any]) -> bytes:
    """What the tracker itself sent of a position or event: the server numbers it anew each time it comes."""
    attributes = {name: value for name, value in mapping_at(body, "attributes").items() if name not in _COMPUTED}
    own = {name: value for name, value in body.items() if name not in _NUMBERED}
    return content_key({**own, "attributes": attributes})


def _position(names: tuple[str, ...], device: Mapping[str, Any], body: Mapping[str, Any]) -> DeviceReport:
    at = (
        parse_any_time(body.get("deviceTime"))
        or parse_any_time(body.get("fixTime"))
        or parse_any_time(body.get("serverTime"))
    )
    if at is None:
        raise PayloadError("a position without a readable `deviceTime`, `fixTime` or `serverTime`")
    attributes = mapping_at(body, "attributes")
    place = position(body.get("latitude"), body.get("longitude"))
    words = _doubts(body, attributes)
    return DeviceReport(
        names=names,
        at=at,
        key=_own_content(body),
        known={**({} if words else {**place, **_movement(body)}), **_vehicle(attributes)},
        fields=attributes,
        fix_at=parse_any_time(body.get("fixTime")),
        quality=words,
        events=tuple(_alarms(attributes)),
        hint=_hint(device, place),
    )


def _doubts(body: Mapping[str, Any], attributes: Mapping[str, Any]) -> tuple[str, ...]:
    made_up = any(parse_flag(attributes.get(name)) for name in ("approximate", "mock"))
    if made_up or parse_flag(body.get("valid")) is False or is_coarse(body.get("accuracy")):
        return (QUALITY_NO_FIX,)
    return (QUALITY_OUTDATED,) if parse_flag(body.get("outdated")) else ()


def _hint(device: Mapping[str, Any], place: dict[str, float]) -> Hint:
    return Hint(model=text_at(device, "model"), label=text_at(device, "name"), place=place)


def _movement(body: Mapping[str, Any]) -> dict[str, Any]:
    knots = parse_number(body.get("speed"))
    return without_none(
        speed_kmh=None if knots is None or knots < 0 else round(knots * KMH_PER_KNOT, 3),
        heading_deg=parse_number(body.get("course")),
    )


def _vehicle(attributes: Mapping[str, Any]) -> dict[str, Any]:
    hours_ms = parse_number(attributes.get("hours"))
    faults = text_at(attributes, "dtcs").replace(",", " ").split()
    seen = parse_number(attributes.get("sat"))
    return without_none(
        ignition=parse_flag(attributes.get("ignition")),
        engine_h=None if hours_ms is None else round(hours_ms / 3_600_000, 4),
        power_v=parse_number(attributes.get("power")),
        battery_v=parse_number(attributes.get("battery")),
        battery_pct=parse_number(attributes.get("batteryLevel")),
        satellites=None if seen is None else int(seen),
        hdop=parse_number(attributes.get("hdop")),
        engine_rpm=parse_number(attributes.get("rpm")),
        fuel_used_l=parse_number(attributes.get("fuelUsed")),
        engine_temp_c=parse_number(attributes.get("coolantTemp")),
        fault_codes=faults or None,
    )


def _alarms(attributes: Mapping[str, Any]) -> Iterator[AdapterEvent]:
    """Alarms of a position; their key makes the same alarm forwarded as an event a duplicate."""
    for alarm in text_at(attributes, "alarm").split(","):
        if alarm in _ALARMS:
            yield _alarm_event(_ALARMS[alarm], {"alarm": alarm})


def _alarm_event(type_and_state: tuple[str, str], detail: dict[str, Any]) -> AdapterEvent:
    type_, state = type_and_state
    return AdapterEvent(type_, state, detail, key=type_.encode())  # type: ignore[arg-type]


def _event(names: tuple[str, ...], device: Mapping[str, Any], body: Mapping[str, Any]) -> DeviceReport:
    event = mapping_at(body, "event")
    type_ = text_at(event, "type")
    where = mapping_at(body, "position")
    at = (
        parse_any_time(where.get("deviceTime"))
        or parse_any_time(event.get("eventTime"))
        or parse_any_time(event.get("serverTime"))
    )
    if not type_ or at is None:
        raise PayloadError("an event without `type` or time")
    place = position(where.get("latitude"), where.get("longitude"))
    hint = _hint(device, place)
    if type_ in _PRESENCE:
        said_at = parse_any_time(event.get("eventTime")) or at
        state = ConnectivityReport(_PRESENCE[type_], type_)  # type: ignore[arg-type]
        return DeviceReport(names=names, at=said_at, key=_own_content(event), connectivity=state, hint=hint)
    happenings: tuple[AdapterEvent, ...] = ()
    if type_ == "alarm":
        happenings = tuple(_alarms(mapping_at(event, "attributes")))
    elif type_ in _EVENTS:
        detail = without_none(geofence=text_at(mapping_at(body, "geofence"), "name") or None)
        happenings = (_alarm_event(_EVENTS[type_], detail),)
    ignition = {"ignitionOn": True, "ignitionOff": False}.get(type_)
    return DeviceReport(
        names=names,
        at=at,
        key=_own_content(event),
        known=without_none(ignition=ignition),
        events=happenings,
        hint=hint,
    )


ADAPTER: Final[Adapter] = Traccar()
