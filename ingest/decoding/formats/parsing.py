"""Parses what third-party messages contain: JSON, times, numbers, flags, positions; shared by the adapters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from broker.contract.codec import decode_json
from city.errors import PayloadError
from city.inventory.units import number_and_unit

_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_OFFSET: Final = re.compile(r"([+-]\d\d)(\d\d)$")
_COMPACT: Final = re.compile(r"\d{14}")
MILLISECONDS_FROM: Final = 1e11
"""Epoch times from here on are milliseconds: as seconds they would be in the year 5138."""

_ACCURACY_MAX_M: Final = 200.0

_decoder: Final = msgspec.json.Decoder(dict[str, Any])
_list_decoder: Final = msgspec.json.Decoder(list[Any])


def json_object(payload: bytes) -> dict[str, Any]:
    """Decode a JSON object.

    Raises:
        PayloadError: It is no JSON object.
    """
    return decode_json(_decoder, payload.removeprefix(b"\xef\xbb\xbf"))


def json_records(payload: bytes) -> list[dict[str, Any]]:
    """Decode a JSON object, or the objects of an array.

    Raises:
        PayloadError: It is neither.
    """
    if not payload.lstrip().startswith(b"["):
        return [json_object(payload)]
    records = decode_json(_list_decoder, payload)
    if not all(isinstance(element, dict) for element in records):
        raise PayloadError("an array that holds something that is no object")
    return records


def mapping_at(body: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The object at a path; empty when it is absent."""
    value: Any = body
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects_at(body: Mapping[str, Any], *path: str) -> Iterator[Mapping[str, Any]]:
    """The objects of the list at a path; none when it is absent."""
    elements = mapping_at(body, *path[:-1]).get(path[-1])
    return (element for element in elements if isinstance(element, dict)) if isinstance(elements, list) else iter(())


def text_at(body: Mapping[str, Any], key: str) -> str:
    """A text, or an integer as text; empty when it is absent or of another type."""
    value = body.get(key)
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def parse_time(text: object) -> datetime | None:
    """Parse an ISO 8601 time with any number of fraction digits, or `YYYYMMDDhhmmss`; None when it is neither.

    A time without a zone stays without.
    """
    if not isinstance(text, str):
        return None
    compact = text.strip()
    if _COMPACT.fullmatch(compact):
        compact = f"{compact[:8]}T{compact[8:]}"
    try:
        at = datetime.fromisoformat(_OFFSET.sub(r"\1:\2", _FRACTION.sub(r"\1", compact)))
    except ValueError:
        return None
    try:
        return at.astimezone(UTC) if at.tzinfo else at
    except OverflowError:
        return None


def parse_epoch(value: object) -> datetime | None:
    """Parse seconds or milliseconds since 1970, a number or a text; None when it is neither."""
    number = parse_number(value)
    if number is None:
        return None
    try:
        return datetime.fromtimestamp(number / 1000 if abs(number) >= MILLISECONDS_FROM else number, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def parse_any_time(value: object) -> datetime | None:
    """Parse a time by `parse_time`, else by `parse_epoch`."""
    return parse_time(value) or parse_epoch(value)


def parse_number(value: object) -> float | None:
    """A number, or the number at the start of a text ("2799 mm", "25 ℃"); None otherwise, also for booleans."""
    parsed = number_and_unit(value)
    return parsed[0] if parsed else None


def without_none(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the contract has
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def position(lat: object, lon: object) -> dict[str, float]:
    """A position as fields of the contract; empty where either is no number or lies outside the earth."""
    lat_deg, lon_deg = parse_number(lat), parse_number(lon)
    if lat_deg is None or lon_deg is None or abs(lat_deg) > 90 or abs(lon_deg) > 180:  # noqa: PLR2004 - degrees
        return {}
    return {"lat_deg": lat_deg, "lon_deg": lon_deg}


def is_coarse(accuracy_m: object) -> bool:
    """Whether a position may be hundreds of metres off, as a phone's from radio masts."""
    metres = parse_number(accuracy_m)
    return metres is not None and metres > _ACCURACY_MAX_M


def parse_flag(value: object) -> bool | None:
    """Parse a boolean in any usual spelling; None when it is none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value != 0
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _YES:
            return True
        return False if word in _NO else None
    return None


_YES: Final = frozenset({"true", "on", "yes", "1", "open", "active", "alarm", "tilt", "high", "raised", "1.0"})
_NO: Final = frozenset(
    {"false", "off", "no", "0", "closed", "inactive", "normal", "ok", "low", "cleared", "none", "0.0"}
)
