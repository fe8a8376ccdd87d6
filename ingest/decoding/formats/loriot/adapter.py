"""LORIOT (LoRaWAN network server): uplinks over its MQTT output.

Topic `loriot/{application}` or `loriot/{application}/{EUI}`; which topic it publishes to is set there. `cmd` is `rx`
for an uplink and `gw` for the same with every gateway that heard it.
Source: LORIOT documentation, "Application data format".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.lorawan import frame_of_hex, online_if_empty, strongest, uplink_key
from ingest.decoding.formats.parsing import json_object, mapping_at, objects_at, parse_epoch, parse_number, text_at
from ingest.decoding.formats.port import Adapter, DeviceReport

_UPLINKS: Final = ("rx", "gw", "rx-decoded")
_BATTERY_FULL: Final = 254
"""LoRaWAN's own battery level: 1 to 254; 0 is mains, 255 not known."""


class Loriot:
    """Uplinks become readings; downlink messages are ignored."""

    name = "loriot"
    filters = ("loriot/+", "loriot/+/+")
    precedence = 0
    personal_keys: tuple[str, ...] = ()
    lists_clients = False
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is LORIOT's."""
        return levels[0] == "loriot" and len(levels) in (2, 3)

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One reading per uplink.

        Raises:
            PayloadError: Not LORIOT's JSON, or an uplink without EUI or payload.
        """
        del topic
        body = json_object(payload)
        command = text_at(body, "cmd")
        if command in ("tx", "txd", "ack", "join", "status"):
            return []
        if command not in _UPLINKS:
            raise PayloadError(f"`cmd` is {command!r}, not one of {', '.join(_UPLINKS)}")
        eui = text_at(body, "EUI")
        if not eui:
            raise PayloadError("an uplink without `EUI`")
        frame = frame_of_hex(body.get("port"), body.get("data"))
        fields = mapping_at(body, "decoded", "data") or mapping_at(body, "decoded")
        if frame is None and not fields and (body.get("encdata") or "fcnt" not in body):
            kept_from_us = "only `encdata`: let LORIOT decrypt it" if "encdata" in body else "no `data`"
            raise PayloadError(f"an uplink without payload, {kept_from_us}")
        return [
            DeviceReport(
                names=(eui,),
                at=parse_epoch(body.get("ts")),
                key=uplink_key(body.get("fcnt", 0), frame, payload),
                known={**strongest((body, *objects_at(body, "gws"))), **_battery(body)},
                fields=fields,
                frame=frame,
                connectivity=online_if_empty(frame, fields),
            )
        ]


def _battery(body: Mapping[str, Any]) -> dict[str, float]:
    level = parse_number(body.get("bat"))
    return {"battery_pct": round(100 * level / _BATTERY_FULL, 1)} if level and 1 <= level <= _BATTERY_FULL else {}


ADAPTER: Final[Adapter] = Loriot()
