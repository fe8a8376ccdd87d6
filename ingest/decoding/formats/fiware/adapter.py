"""FIWARE IoT Agent JSON: measures as a city's earlier pilot may already publish them.

Topic `/{API key}/{device}/attrs`, also below `/json` or `json`, and `.../attrs/{attribute}` for one value alone or an
array of values with times. Values may be wrapped as in NGSI-v2. What the keys mean only the profile says. `TimeInstant`
is the time where it is given, UTC without a zone.
Source: FIWARE IoT Agent for JSON, "MQTT binding".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from broker.contract.payloads import Rejected
from city.errors import PayloadError
from ingest.decoding.formats.parsing import clock_flags, content_key, each_object, json_value, parse_utc
from ingest.decoding.formats.port import Adapter, DeviceReport

_ATTRS: Final = "attrs"


class Fiware:
    """Each group of measures becomes a reading."""

    name = "fiware"
    filters = (
        *("/+/+/attrs", "/+/+/attrs/+", "/json/+/+/attrs", "/json/+/+/attrs/+"),
        *("json/+/+/attrs", "json/+/+/attrs/+"),
    )
    precedence = 0
    personal_keys: tuple[str, ...] = ()
    lists_clients = False
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is a device's: it begins with a slash, and so with an empty level, or with `json`."""
        inner = _inner(levels)
        return levels[0] in ("", "json") and len(inner) in (3, 4) and inner[2] == _ATTRS

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport | Rejected]:
        """One reading per object.

        Raises:
            PayloadError: Not JSON, or neither an object nor objects.
        """
        key, device, _, *attribute = _inner(topic.split("/"))

        def report(record: dict[str, Any], number: int) -> Iterator[DeviceReport]:
            entity = _unwrap(record)
            at = parse_utc(entity.get("TimeInstant"))
            yield DeviceReport(
                names=(f"{key}/{device}", device),
                at=at,
                key=content_key(entity),
                number=number,
                fields=entity,
                quality=clock_flags(entity.get("TimeInstant")),
            )

        if not attribute:
            return each_object(payload, report)
        records = _attribute_records(attribute[0], _value(payload))
        return [made for number, record in enumerate(records) for made in report(record, number)]


def _inner(levels: Sequence[str]) -> Sequence[str]:
    return levels[2:] if levels[1:2] == ["json"] and len(levels) > 4 else levels[1:]  # noqa: PLR2004 - with key and id


def _attribute_records(attribute: str, value: object) -> list[dict[str, Any]]:
    """Records of one attribute: its value, or several values with their times."""
    if isinstance(value, list) and value and all(isinstance(element, dict) and "value" in element for element in value):
        return [{attribute: element["value"], "TimeInstant": element.get("timestamp")} for element in value]
    return [{attribute: value}]


def _unwrap(record: Mapping[str, Any]) -> dict[str, Any]:
    """Values without the type that NGSI-v2 adds to each."""
    return {
        name: value["value"] if isinstance(value, dict) and "value" in value else value
        for name, value in record.items()
    }


def _value(payload: bytes) -> Any:  # noqa: ANN401 - JSON
    """A bare value: JSON, or text without quotes."""
    try:
        return json_value(payload)
    except PayloadError:
        return payload.removeprefix(b"\xef\xbb\xbf").rstrip(b"\0").decode("utf-8", "replace")


ADAPTER: Final[Adapter] = Fiware()
