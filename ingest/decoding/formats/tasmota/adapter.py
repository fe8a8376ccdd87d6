"""Tasmota: home-made devices on ESP boards; periodic sensor and state messages, last will, answers to `Status`.

Topic `tele/{topic}/SENSOR`, `.../STATE`, `.../LWT`, `stat/{topic}/STATUS8` and its like, also with the first two levels
exchanged. Times are local and without a zone; without NTP they are of 1970. Temperatures follow `TempUnit`.
Source: Tasmota documentation, "MQTT" and "JSON Status Responses".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.parsing import (
    clock_flags,
    json_object,
    mapping_at,
    parse_any_time,
    parse_number,
    without_none,
)
from ingest.decoding.formats.port import Adapter, ConnectivityReport, DeviceReport, Hint

_LEVELS: Final = 3
_PREFIXES: Final = ("tele", "stat")
_SAID: Final = {b"online": ConnectivityReport("online"), b"offline": ConnectivityReport("offline", "lost")}
_WRAPPERS: Final = ("StatusSNS", "StatusSTS")
_MEASURING: Final = frozenset({"SENSOR", "STATE", "STATUS8", "STATUS10", "STATUS11"})


_OWN: Final = ("STATE", "STATUS11")
"""Messages about the device itself; its sensors report elsewhere."""


class Tasmota:
    """Sensors become readings; the last will becomes a connectivity report."""

    name = "tasmota"
    filters = ("tele/+/+", "stat/+/+", "+/tele/+", "+/stat/+")
    precedence = 2
    personal_keys: tuple[str, ...] = ()
    lists_clients = False
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is Tasmota's."""
        return len(levels) == _LEVELS and (levels[0] in _PREFIXES or levels[1] in _PREFIXES)

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One reading per message; results of commands are ignored.

        Raises:
            PayloadError: Not Tasmota's JSON, or an unknown last will.
        """
        levels = topic.split("/")
        names = (levels[1] if levels[0] in _PREFIXES else levels[0],)
        if levels[2] == "LWT":
            connectivity = _SAID.get(payload.strip().lower())
            if connectivity is None:
                raise PayloadError(f"LWT says {payload[:20]!r}, neither Online nor Offline")
            return [DeviceReport(names=names, at=None, key=payload, connectivity=connectivity)]
        if levels[2] not in _MEASURING:
            return []
        body: Mapping[str, Any] = json_object(payload)
        for wrapper in _WRAPPERS:
            body = mapping_at(body, wrapper) or body
        return [
            DeviceReport(
                names=names,
                at=parse_any_time(body.get("Time")),
                key=payload,
                quality=clock_flags(body.get("Time")),
                known=without_none(rssi_dbm=parse_number(mapping_at(body, "Wifi").get("Signal"))),
                fields={} if levels[2] in _OWN else _with_units(body),
                hint=Hint(model="tasmota"),
            )
        ]


def _with_units(body: Mapping[str, Any]) -> dict[str, Any]:
    """The sensors' values; temperatures that are not Celsius get their unit appended."""
    if body.get("TempUnit") != "F":
        return dict(body)
    return {
        name: {**part, "Temperature": f"{part['Temperature']} °F"}
        if isinstance(part, dict) and parse_number(part.get("Temperature")) is not None
        else part
        for name, part in body.items()
    }


ADAPTER: Final[Adapter] = Tasmota()
