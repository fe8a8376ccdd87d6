"""The Things Stack v3 (LoRaWAN network server): uplinks, joins and locations over its MQTT server.

Topic `v3/{application id}@{tenant id}/devices/{device id}/up`, without `@{tenant id}` on a single-tenant server. Its
messages omit fields that are empty, zero or false.
Source: The Things Stack documentation, "MQTT server" and "Data formats".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.lorawan import frame_of_base64, online_if_empty, strongest, uplink_key
from ingest.decoding.formats.parsing import (
    is_coarse,
    json_object,
    mapping_at,
    objects_at,
    parse_flag,
    parse_time,
    position,
    text_at,
)
from ingest.decoding.formats.port import Adapter, ConnectivityReport, DeviceReport, Hint
from ingest.store.records import QUALITY_NO_FIX

_SEGMENTS: Final = 5
_SILENT: Final = ("down", "service")
_LIVE_DATA: Final = "as.up.data.forward"
_EMPTY_UPLINK: Final = frozenset({"f_cnt", "rx_metadata", "settings"})
"""Keys that even an uplink without payload has."""


class TheThingsStack:
    """Uplinks and solved locations become readings; joins become connectivity reports."""

    name = "tts"
    filters = ("v3/+/devices/+/up", "v3/+/devices/+/join", "v3/+/devices/+/location/solved")
    precedence = 0
    personal_keys: tuple[str, ...] = ()
    lists_clients = False
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is a device's."""
        return len(levels) >= _SEGMENTS and levels[0] == "v3" and levels[2] == "devices"

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One report per message; messages about downlinks, and what somebody simulates in the console, are ignored.

        Raises:
            PayloadError: Not The Things Stack's JSON, or without a time.
        """
        _, tenant, _, device_id, sort, *_ = topic.split("/")
        if sort in _SILENT:
            return []
        body = _unwrap(json_object(payload))
        if parse_flag(body.get("simulated")):
            return []
        names = _names(tenant.split("@")[0], device_id, mapping_at(body, "end_device_ids"))
        if sort == "join":
            return [_join(names, body, payload)]
        if sort == "location" or "location_solved" in body:
            return [_location(names, body, payload)]
        uplink = body.get("uplink_message")
        if not isinstance(uplink, dict):
            raise PayloadError(f"an uplink without `uplink_message`; it has {', '.join(sorted(body)) or 'nothing'}")
        return [_uplink(names, body, uplink, payload)]


def _unwrap(body: dict[str, Any]) -> Mapping[str, Any]:
    """The message inside the envelope of the console's live data or of the storage API."""
    if isinstance(body.get("result"), dict):
        return mapping_at(body, "result")
    return mapping_at(body, "data") if body.get("name") == _LIVE_DATA else body


def _names(application: str, device_id: str, ids: Mapping[str, Any]) -> tuple[str, ...]:
    eui = text_at(ids, "dev_eui")
    device_ids = [device_id, text_at(ids, "device_id"), eui]
    paths = [f"{application}/{name}" for name in device_ids if name]
    return tuple(dict.fromkeys(name for name in (eui, *paths) if name))


def _join(names: tuple[str, ...], body: Mapping[str, Any], payload: bytes) -> DeviceReport:
    at = parse_time(body.get("received_at"))
    return DeviceReport(names=names, at=at, key=payload, connectivity=ConnectivityReport("online"))


def _location(names: tuple[str, ...], body: Mapping[str, Any], payload: bytes) -> DeviceReport:
    place = mapping_at(body, "location_solved", "location")
    coordinates = position(place.get("latitude"), place.get("longitude"))
    if not coordinates:
        raise PayloadError("a solved location without latitude and longitude")
    if is_coarse(place.get("accuracy")):
        return DeviceReport(names=names, at=_time(body), key=payload, quality=(QUALITY_NO_FIX,))
    return DeviceReport(names=names, at=_time(body), key=payload, known=coordinates, hint=Hint(place=coordinates))


def _uplink(names: tuple[str, ...], body: Mapping[str, Any], uplink: Mapping[str, Any], payload: bytes) -> DeviceReport:
    at = parse_time(uplink.get("received_at")) or _time(body)
    frame = frame_of_base64(uplink.get("f_port"), uplink.get("frm_payload"))
    fields = mapping_at(uplink, "decoded_payload")
    versions = mapping_at(uplink, "version_ids")
    model = "/".join(part for part in (text_at(versions, "brand_id"), text_at(versions, "model_id")) if part)
    if frame is None and not fields and not uplink.keys() & _EMPTY_UPLINK:
        raise PayloadError("an uplink without a payload")
    return DeviceReport(
        names=names,
        at=at,
        key=uplink_key(uplink.get("f_cnt", 0), frame, payload),
        known=strongest(objects_at(uplink, "rx_metadata")),
        fields=fields,
        frame=frame,
        connectivity=online_if_empty(frame, fields),
        hint=_hint(model, uplink),
    )


def _hint(model: str, uplink: Mapping[str, Any]) -> Hint:
    places = mapping_at(uplink, "locations")
    for place in (mapping_at(places, name) for name in places):
        if coordinates := position(place.get("latitude"), place.get("longitude")):
            return Hint(model=model, place=coordinates)
    return Hint(model=model)


def _time(body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a time or an error
    at = parse_time(body.get("received_at"))
    if at is None:
        raise PayloadError("a message without a readable `received_at`")
    return at


ADAPTER: Final[Adapter] = TheThingsStack()
