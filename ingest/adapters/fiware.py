"""FIWARE IoT Agent JSON: measures as a city's earlier pilot may already publish them.

Topic `/{API key}/{device}/attrs`, also below `/json`, and `.../attrs/{attribute}` for one value alone. What the keys
mean is only in the profile; `TimeInstant` is the time where it is given.
Source: FIWARE IoT Agent for JSON, "MQTT binding".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from broker.contract.errors import PayloadError
from ingest.adapters.port import Heard, json_records, parse_any_time

_ATTRS: Final = "attrs"


class Fiware:
    """Each group of measures becomes a reading."""

    name = "fiware"
    filters = ("/+/+/attrs", "/+/+/attrs/+", "/json/+/+/attrs", "/json/+/+/attrs/+")

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is a device's: it begins with a slash, and so with an empty level."""
        inner = _inner(levels)
        return levels[0] == "" and len(inner) in (3, 4) and inner[2] == _ATTRS

    def decode(self, topic: str, payload: bytes) -> list[Heard]:
        """One reading per object.

        Raises:
            PayloadError: Not JSON, or neither an object nor objects.
        """
        key, device, _, *attribute = _inner(topic.split("/"))
        records = [{attribute[0]: _value(payload)}] if attribute else json_records(payload)
        return [
            Heard(
                names=(f"{key}/{device}", device),
                at=parse_any_time(record.get("TimeInstant")),
                key=payload + f"/{number}".encode(),
                fields=record,
            )
            for number, record in enumerate(records)
        ]


def _inner(levels: Sequence[str]) -> Sequence[str]:
    return levels[2:] if levels[1:2] == ["json"] and len(levels) > 4 else levels[1:]  # noqa: PLR2004 - with key and id


def _value(payload: bytes) -> Any:  # noqa: ANN401 - JSON
    """A bare value: JSON, or a text without quotes."""
    try:
        return msgspec.json.decode(payload)
    except msgspec.DecodeError:
        pass
    try:
        return payload.decode()
    except UnicodeDecodeError as exc:
        raise PayloadError(f"not UTF-8 at byte {exc.start}") from exc
