"""Milesight: MQTT forwarding by its gateways, and NB-IoT sensors that publish raw frames.

Topic `milesight/{anything}`; a gateway sends ChirpStack 3 JSON, a sensor its bytes with serial number and IMEI.
Source: Milesight, gateway user guide "MQTT", and EM400 NB-IoT user guide "Communication protocol".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from city.errors import PayloadError
from ingest.decoding.formats.chirpstack.adapter import uplink_report
from ingest.decoding.formats.milesight.frames import identity
from ingest.decoding.formats.parsing import json_object
from ingest.decoding.formats.port import Adapter, DeviceReport, RawFrame


class Milesight:
    """Uplinks become readings."""

    name = "milesight"
    filters = ("milesight/+", "milesight/+/+")
    precedence = 0
    personal_keys: tuple[str, ...] = ()
    lists_clients = False
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is one of these."""
        return levels[0] == "milesight" and len(levels) in (2, 3)

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One reading per message.

        Raises:
            PayloadError: Neither JSON of a gateway nor a frame of a sensor.
        """
        del topic
        frame = _frame(payload)
        if frame:
            ids = identity(frame)
            if ids is None:
                raise PayloadError("an NB-IoT frame that is cut off, or none")
            serial, imei = ids
            return [DeviceReport(names=(imei, serial), at=None, key=payload, frame=RawFrame(0, frame))]
        return [uplink_report((), json_object(payload), payload)]


def _frame(payload: bytes) -> bytes:
    """A sensor's bytes, which some firmware sends as hexadecimal digits; empty for any other message."""
    if payload[:1] == b"\x02":
        return payload
    if payload[:2] != b"02":
        return b""
    try:
        return bytes.fromhex(payload.decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        return b""


ADAPTER: Final[Adapter] = Milesight()
