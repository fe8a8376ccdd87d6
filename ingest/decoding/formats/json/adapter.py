"""Plain JSON of any device; the profile alone says what its keys mean, including the time.

Topic `json/{device}`, or `json/{device}/{anything}` for devices that publish to several. An object is one record, an
array holds several. A record without a time counts as measured on arrival; a retained one without a time is left out,
because its age is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from broker.contract.payloads import Rejected
from ingest.decoding.formats.parsing import content_key, each_object
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

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport | Rejected]:
        """One reading per object.

        Raises:
            PayloadError: Not JSON, or neither an object nor an array.
        """
        device = topic.split("/")[1]

        def report(record: dict[str, Any], number: int) -> Iterator[DeviceReport]:
            yield DeviceReport(names=(device,), at=None, key=content_key(record), number=number, fields=record)

        return each_object(payload, report)


ADAPTER: Final[Adapter] = PlainJson()
