"""Plain JSON of any device: what its keys mean, its time included, is said by the profile alone.

Topic `json/{device}`, or `json/{device}/{anything}` for devices that publish to several. An object is a record, an
array holds several. Without a time in it, and none named by the profile, a record counts as measured when it arrives;
one that the broker had kept is then left out, because nobody knows how old it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.adapters.port import Heard, json_records


class PlainJson:
    """Each object becomes a reading."""

    name = "json"
    filters = ("json/+", "json/+/+")

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is one of these."""
        return levels[0] == "json" and len(levels) in (2, 3)

    def decode(self, topic: str, payload: bytes) -> list[Heard]:
        """One reading per object.

        Raises:
            PayloadError: Not JSON, or neither an object nor objects.
        """
        device = topic.split("/")[1]
        records = json_records(payload)
        return [
            Heard(names=(device,), at=None, key=payload + f"/{number}".encode(), fields=record)
            for number, record in enumerate(records)
        ]
