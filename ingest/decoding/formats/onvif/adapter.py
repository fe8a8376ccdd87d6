"""ONVIF cameras behind a bridge to MQTT: motion and other notifications.

Topics `onvif2mqtt/{camera}/{event}` (on or off), `onvif2mqtt/camera/{camera}/event/{event}`, and `onvif/{camera}` or
`onvif/{camera}/event` for notifications as JSON, flattened (`topic, utc, op, source, key, data`) or as the SOAP message
was parsed, by Python's or Node's libraries. `Initialized` repeats the present state at every subscription.
Source: onvif2mqtt's documentation; ONVIF Core specification, "Notification".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from city.errors import PayloadError
from ingest.decoding.formats.camera_topics import LEVEL_EVENTS, notification_event, without_texts
from ingest.decoding.formats.parsing import json_object, mapping_at, parse_any_time, parse_utc, text_at
from ingest.decoding.formats.port import Adapter, ConnectivityReport, DeviceReport

_BRIDGES: Final = ("onvif2mqtt", "onvif")
_SAID: Final = {b"online": "online", b"offline": "offline", b"on": "online", b"off": "offline"}
_CAMERA_LEVEL: Final = "camera"


class Onvif:
    """Notifications become events; the bridge's last will concerns all its cameras."""

    name = "onvif"
    filters = ("onvif2mqtt/#", "onvif/+", "onvif/+/event")
    precedence = 3
    personal_keys: tuple[str, ...] = ("LicensePlateInfo", "PlateNumber", "Plate", "FaceName", "UserName")
    lists_clients = False
    level_events: frozenset[str] = LEVEL_EVENTS

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is a bridge's."""
        return levels[0] in _BRIDGES and len(levels) > 1

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One event per notification.

        Raises:
            PayloadError: Neither on, off, nor a notification.
        """
        levels = [level for level in topic.split("/") if level]
        if levels[1:] == ["status"]:
            return [_bridge(payload)]
        inner = levels[2:] if levels[1] == _CAMERA_LEVEL and len(levels) > 2 else levels[1:]  # noqa: PLR2004 - a camera
        camera, *rest = inner
        if rest[:1] == ["info"]:
            return []
        if rest == ["status"]:
            return [_camera_status(camera, payload)]
        if payload.lstrip().startswith(b"{"):
            return _notification(camera, json_object(payload), payload)
        return _word(camera, rest[-1] if rest else "", payload)


def _bridge(payload: bytes) -> DeviceReport:
    state = _presence(payload)
    connectivity = ConnectivityReport(state, "" if state == "online" else "bridge", all_devices=True)  # type: ignore[arg-type]
    return DeviceReport(names=(), at=None, key=payload, connectivity=connectivity)


def _camera_status(camera: str, payload: bytes) -> DeviceReport:
    state = _presence(payload)
    connectivity = ConnectivityReport(state, "" if state == "online" else "lost")  # type: ignore[arg-type]
    return DeviceReport(names=(camera,), at=None, key=payload, connectivity=connectivity)


def _presence(payload: bytes) -> str:
    state = _SAID.get(payload.strip().lower())
    if state is None:
        raise PayloadError(f"the status is {payload[:20]!r}, neither online nor offline")
    return state


def _word(camera: str, event: str, payload: bytes) -> list[DeviceReport]:
    """A condition in one word; the topic names the event."""
    try:
        word = payload.decode().strip()
    except UnicodeDecodeError as exc:
        raise PayloadError(f"not UTF-8 at byte {exc.start}") from exc
    notification = notification_event(event, {"state": word}, initialized=False)
    if not event or notification is None or notification.state == "noted":
        raise PayloadError(f"event {event!r} is {word[:20]!r}, neither on nor off")
    return [DeviceReport(names=(camera,), at=None, key=payload, events=(notification,))]


def _notification(camera: str, body: Mapping[str, Any], payload: bytes) -> list[DeviceReport]:
    flat = _flat(body)
    topic = text_at(flat, "topic") or text_at(flat, "eventType") or text_at(flat, "type")
    if not topic:
        raise PayloadError(f"a notification without `topic`; it has {', '.join(sorted(body)[:8]) or 'nothing'}")
    data = mapping_at(flat, "data") or {name: flat[name] for name in ("state", "value") if name in flat}
    op = text_at(flat, "op")
    notification = notification_event(topic, data, initialized=op == "Initialized", deleted=op == "Deleted")
    at = parse_utc(flat.get("utc")) or parse_any_time(flat.get("timestamp"))
    names = tuple(dict.fromkeys((camera, text_at(flat, "device") or camera)))
    kept = {"topic": topic, "op": op, "utc": at, "device": names[-1], "data": without_texts(data)}
    return [
        DeviceReport(
            names=names,
            at=at,
            key=payload,
            events=(notification,) if notification else (),
            raw=msgspec.json.encode(kept),
        )
    ]


def _flat(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of a notification, from the parsed SOAP message if that is what was sent."""
    topic = mapping_at(body, "Topic") or mapping_at(body, "topic")
    if not topic:
        return body
    message = mapping_at(body, "Message", "_value_1") or mapping_at(body, "message", "message")
    attributes = {**message, **mapping_at(message, "$")}
    return {
        "topic": topic.get("_value_1") or topic.get("_"),
        "utc": attributes.get("UtcTime"),
        "op": attributes.get("PropertyOperation"),
        "data": _items(mapping_at(message, "Data") or mapping_at(message, "data")),
    }


def _items(part: Mapping[str, Any]) -> dict[str, Any]:
    """Names and values of one item or several; handles the attribute styles of the parsers in use."""
    content = part.get("SimpleItem", part.get("simpleItem"))
    items = [item for item in (content if isinstance(content, list) else [content]) if isinstance(item, dict)]
    plain = [mapping_at(item, "$") or {name.removeprefix("@"): value for name, value in item.items()} for item in items]
    return {text_at(item, "Name"): item.get("Value") for item in plain}


ADAPTER: Final[Adapter] = Onvif()
