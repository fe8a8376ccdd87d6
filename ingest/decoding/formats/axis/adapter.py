"""Axis cameras, which publish their events themselves.

Topic `axis/{anything}/event/{event}`; the camera is named by `serial` in the message, else by the level behind `axis`.
All values are texts.
Source: Axis, "MQTT event bridge".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from city.errors import PayloadError
from ingest.decoding.formats.camera_topics import LEVEL_EVENTS, notification_event, without_texts
from ingest.decoding.formats.parsing import clock_flags, json_object, mapping_at, parse_any_time, text_at
from ingest.decoding.formats.port import Adapter, ConnectivityReport, DeviceReport, Hint

_CONNECTION: Final = ("serial", "timestamp", "connected", "connectionStatus")


class Axis:
    """Notifications become events; connection messages become connectivity reports."""

    name = "axis"
    filters = ("axis/#",)
    precedence = 3
    personal_keys: tuple[str, ...] = ("text", "plate", "plateText", "plateASCII", "userName")
    lists_clients = False
    level_events: frozenset[str] = LEVEL_EVENTS

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is an Axis camera's."""
        return levels[0] == "axis" and len(levels) > 1

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One event per notification.

        Raises:
            PayloadError: Not Axis' JSON, or it names neither camera nor event.
        """
        body = json_object(payload)
        levels = topic.split("/")
        names = tuple(dict.fromkeys(name for name in (text_at(body, "serial"), levels[1]) if name))
        at = parse_any_time(body.get("timestamp"))
        if "connected" in body or "connectionStatus" in body:
            is_there = body.get("connected") in (True, "true", "1") or body.get("connectionStatus") == "connected"
            connectivity = ConnectivityReport("online" if is_there else "offline", "" if is_there else "lost")
            told = {name: body[name] for name in _CONNECTION if name in body}
            return [
                DeviceReport(names=names, at=at, key=payload, connectivity=connectivity, raw=msgspec.json.encode(told))
            ]
        event = text_at(body, "topic") or topic.partition("/event/")[2]
        if not event:
            raise PayloadError("a notification without `topic`")
        data = mapping_at(body, "message", "data")
        notification = notification_event(event, data, initialized=text_at(body, "op") == "Initialized")
        head: dict[str, Any] = {name: body[name] for name in ("timestamp", "serial", "op") if name in body}
        kept = {**head, "topic": event, "message": {"data": without_texts(data)}}
        return [
            DeviceReport(
                names=names,
                at=at,
                key=payload,
                events=(notification,) if notification else (),
                quality=() if at else clock_flags(body.get("timestamp")),
                hint=Hint(model="axis"),
                raw=msgspec.json.encode(kept),
            )
        ]


ADAPTER: Final[Adapter] = Axis()
