"""ChirpStack v4 (LoRaWAN network server): uplinks, device status, joins and locations over its MQTT integration.

Topic `application/{application id}/device/{DevEUI}/event/{event}`. A device may have tags; `model` among them names it.
Version 3 (`.../rx`, and Milesight's gateways after it) has the same facts flat.
Source: ChirpStack documentation, "Integrations, Event types".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.lorawan import frame_of_base64, online_if_empty, strongest, uplink_key
from ingest.decoding.formats.parsing import (
    is_coarse,
    json_object,
    mapping_at,
    objects_at,
    parse_number,
    parse_time,
    position,
    text_at,
    without_none,
)
from ingest.decoding.formats.port import Adapter, ConnectivityReport, DeviceReport, Hint
from ingest.store.records import QUALITY_NO_FIX

_EVENT_SEGMENTS: Final = 6
_OLD_SEGMENTS: Final = 5
_EMPTY_UPLINK: Final = frozenset({"fCnt", "rxInfo"})
"""Keys that even an uplink without payload has."""
_SILENT: Final = frozenset({"ack", "txack", "log", "integration", "error", "tx"})


class ChirpStack:
    """Uplinks, battery states and locations become readings; joins become connectivity reports."""

    name = "chirpstack"
    filters = ("application/+/device/+/event/+", "application/+/device/+/rx", "application/+/device/+/status")
    precedence = 0
    personal_keys: tuple[str, ...] = ()
    lists_clients = False
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is a device's."""
        if len(levels) < _OLD_SEGMENTS or levels[0] != "application" or levels[2] != "device":
            return False
        return levels[4] == "event" if len(levels) == _EVENT_SEGMENTS else len(levels) == _OLD_SEGMENTS

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One report per message; acknowledgements and the server's log are ignored.

        Raises:
            PayloadError: Not ChirpStack's JSON, or an uplink without payload or time.
        """
        levels = topic.split("/")
        event = levels[-1]
        if event in _SILENT:
            return []
        body = json_object(payload)
        if event in ("up", "rx"):
            return [uplink_report((levels[3],), body, payload)]
        info = mapping_at(body, "deviceInfo") or body
        names = _names((levels[3],), info)
        at = _time(body)
        if event == "join":
            return [
                DeviceReport(
                    names=names, at=at, key=payload, connectivity=ConnectivityReport("online"), hint=_hint(info)
                )
            ]
        if event == "status":
            return [DeviceReport(names=names, at=at, key=payload, known=_battery(body), hint=_hint(info))]
        if event == "location":
            return [_location(names, at, body, payload)]
        raise PayloadError(f"event {event!r} is not one that ChirpStack sends")


def uplink_report(named: tuple[str, ...], body: Mapping[str, Any], payload: bytes) -> DeviceReport:
    """The report of an uplink of version 4 or 3.

    Raises:
        PayloadError: It has no payload; a log entry under the uplink topic is reported as such.
    """
    info = mapping_at(body, "deviceInfo") or body
    frame = frame_of_base64(body.get("fPort"), body.get("data"))
    fields = mapping_at(body, "object") or _of_version_3(body)
    if frame is None and not fields and not body.keys() & _EMPTY_UPLINK:
        if "level" in body and "code" in body:
            raise PayloadError(f"the server's log, no uplink: {text_at(body, 'code')}: {text_at(body, 'description')}")
        raise PayloadError("an uplink without `data` and `object`")
    names = _names(named, info)
    if not names:
        raise PayloadError("an uplink without `devEui`")
    return DeviceReport(
        names=names,
        at=parse_time(body.get("time")) or _gateway_time(body),
        key=uplink_key(body.get("fCnt", 0), frame, payload),
        known=strongest(objects_at(body, "rxInfo")),
        fields=fields,
        frame=frame,
        connectivity=online_if_empty(frame, fields),
        hint=_hint(info),
    )


def _of_version_3(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The decoded object of version 3, which is JSON inside a text."""
    text = text_at(body, "objectJSON")
    return json_object(text.encode()) if text.startswith("{") else {}


def _names(named: tuple[str, ...], info: Mapping[str, Any]) -> tuple[str, ...]:
    addresses = (*named, text_at(info, "devEui"), text_at(info, "devEUI"))
    return tuple(dict.fromkeys(name.lower() for name in addresses if name))


def _hint(info: Mapping[str, Any]) -> Hint:
    tags = mapping_at(info, "tags")
    return Hint(
        model=text_at(tags, "model") or text_at(info, "deviceProfileName"),
        label=text_at(info, "deviceName"),
        place=_tagged_place(tags),
    )


def _tagged_place(tags: Mapping[str, Any]) -> dict[str, float]:
    return position(tags.get("lat") or tags.get("latitude"), tags.get("lon") or tags.get("longitude"))


def _battery(body: Mapping[str, Any]) -> dict[str, Any]:
    """Battery level in percent; absent on mains power and while unknown."""
    if body.get("batteryLevelUnavailable") or body.get("externalPowerSource"):
        return {}
    level = body.get("batteryLevel", body.get("battery"))
    return without_none(battery_pct=parse_number(level))


def _location(names: tuple[str, ...], at: datetime, body: Mapping[str, Any], payload: bytes) -> DeviceReport:
    place = mapping_at(body, "location")
    coordinates = position(place.get("latitude"), place.get("longitude"))
    if not coordinates:
        raise PayloadError("a location without latitude and longitude")
    if is_coarse(place.get("accuracy")):
        return DeviceReport(names=names, at=at, key=payload, quality=(QUALITY_NO_FIX,))
    return DeviceReport(names=names, at=at, key=payload, known=coordinates, hint=Hint(place=coordinates))


def _time(body: Mapping[str, Any]) -> datetime:
    at = parse_time(body.get("time"))
    if at is None:
        raise PayloadError(f"a message without a readable `time`: {body.get('time')!r}")
    return at


def _gateway_time(body: Mapping[str, Any]) -> datetime | None:
    """Time of reception at the first gateway that has a clock."""
    times = (
        parse_time(reception.get(name))
        for reception in objects_at(body, "rxInfo")
        for name in ("time", "gwTime", "nsTime")
    )
    return next((at for at in times if at and at.tzinfo), None)


ADAPTER: Final[Adapter] = ChirpStack()
