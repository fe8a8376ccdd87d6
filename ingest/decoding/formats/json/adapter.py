"""Plain JSON of any device; the profile alone says what its keys mean, including the time.

Topic `json/{device}`, or `json/{device}/{anything}` for devices that publish to several. An object is one record, an
array holds several. A record without a time counts as measured on arrival; a retained one without a time is left out,
because its age is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ingest.decoding.formats.parsing import json_records
from ingest.decoding.formats.port import Adapter, DeviceReport


class PlainJson:
    """Each object becomes a reading."""

    name = "json"
    filters = ("json/+", "json/+/+")
    precedence = 3
    personal_keys: tuple[str, ...] = ()
    lists_clients = False
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is one of these."""
        return levels[0] == "json" and len(levels) in (2, 3)

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One reading per object.

        Raises:
            PayloadError: Not JSON, or neither an object nor objects.
        """
        device = topic.split("/")[1]
        records = json_records(payload)
        return [
            DeviceReport(names=(device,), at=None, key=payload + f"/{number}".encode(), fields=record)
            for number, record in enumerate(records)
        ]


ADAPTER: Final[Adapter] = PlainJson()
