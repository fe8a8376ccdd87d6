"""Parses what third-party messages contain: JSON, times, numbers, flags, positions; shared by the adapters."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec

from broker.contract.codec import UNREADABLE, unreadable_reason
from broker.contract.payloads import Rejected
from city.errors import PayloadError
from city.inventory.units import is_finite, number_and_unit
from ingest.decoding.formats.port import DeviceReport
from ingest.store.records import QUALITY_CLOCK

T = TypeVar("T")

_FRACTION: Final = re.compile(r"([.,]\d{6})\d+")
_OFFSET: Final = re.compile(r"([+-]\d\d)(\d\d)$")
_COMPACT: Final = re.compile(r"\d{14}", re.ASCII)
_ZONE_SUFFIX: Final = re.compile(r"\[[^\]]*\]$")
"""Names and marks that RFC 9557 puts behind a time with an offset."""
_ZONE_NAMES: Final = {"UTC": "+00:00", "GMT": "+00:00", "WIB": "+07:00", "WITA": "+08:00", "WIT": "+09:00"}
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_EPOCH_UNITS: Final = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""Below the first number an epoch is in the unit of which the second makes a second: s, ms, us, ns.

As seconds the first bound would be in the year 5138, as milliseconds the second one, and so on.
"""
_BETWEEN_DATE_AND_TIME: Final = frozenset("T ")
_TIMES_REMEMBERED: Final = 64
_TIME_REMEMBERED_CHARS: Final = 64
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_BOM: Final = b"\xef\xbb\xbf"
_ACCURACY_MAX_M: Final = 200.0
ELEMENTS_MAX: Final = 20_000
"""Upper limit of a list's elements: twice the clients of a large site."""
CONTAINERS_MAX: Final = 200_000
"""Upper limit of objects and arrays in a message: each costs some 200 bytes of memory, whatever it has on the wire."""

_decoder: Final = msgspec.json.Decoder()


def json_value(payload: bytes) -> Any:  # noqa: ANN401 - JSON
    """Decode JSON as devices send it: one damaged text or number costs itself alone.

    A byte order mark and closing NULs are passed over. Bytes that are no UTF-8 and halves of surrogate pairs become
    U+FFFD. NaN, Infinity and numbers that no float holds become null.

    Raises:
        PayloadError: It is no JSON, or has too many objects.
    """
    body = payload.removeprefix(_BOM).rstrip(b"\0 \t\r\n")
    if len(body) > CONTAINERS_MAX and (containers := body.count(b"{") + body.count(b"[")) > CONTAINERS_MAX:
        raise PayloadError(f"{containers} objects and arrays, more than {CONTAINERS_MAX}")
    try:
        return _decoder.decode(body)
    except UNREADABLE as exc:
        reason = unreadable_reason(exc)
    try:
        value = json.loads(body.decode("utf-8", "replace"), parse_constant=lambda _: None)
        return _scrub(value)
    except (ValueError, RecursionError):
        raise PayloadError(reason) from None


def _scrub(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The value without what JSON cannot say: halves of surrogate pairs, and numbers that are none."""
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_scrub(element) for element in value]
    if isinstance(value, dict):
        return {_scrub(key): _scrub(element) for key, element in value.items()}
    return value


def json_object(payload: bytes) -> dict[str, Any]:
    """Decode a JSON object; see `json_value`.

    Raises:
        PayloadError: It is no JSON object.
    """
    value = json_value(payload)
    if not isinstance(value, dict):
        raise PayloadError(f"Expected `object`, got `{_type_name(value)}`")
    return value


def each_object(
    payload: bytes, decode: Callable[[dict[str, Any], int], Iterable[DeviceReport]]
) -> list[DeviceReport | Rejected]:
    """Decode a JSON object, or each element of an array by itself; a bad element is rejected, its neighbours are not.

    Args:
        payload: The message.
        decode: Makes reports of one object; its number counts from 0.

    Raises:
        PayloadError: It is no JSON, neither an object nor an array, or too long.
    """
    value = json_value(payload)
    if isinstance(value, dict):
        return list(decode(value, 0))
    if not isinstance(value, list):
        raise PayloadError(f"Expected `object` or `array`, got `{_type_name(value)}`")
    reports: list[DeviceReport | Rejected] = []
    for number, element in enumerate(check_elements(value)):
        reports += element_reports(element, number, decode)
    return reports


def check_elements(elements: Sequence[T]) -> Sequence[T]:
    """The elements of a message.

    Raises:
        PayloadError: There are more than `ELEMENTS_MAX`.
    """
    if len(elements) > ELEMENTS_MAX:
        raise PayloadError(f"{len(elements)} elements, more than {ELEMENTS_MAX}")
    return elements


def element_reports(
    element: object, number: int, decode: Callable[[dict[str, Any], int], Iterable[DeviceReport]]
) -> list[DeviceReport | Rejected]:
    """Reports of one element of a list, or its rejection."""
    try:
        if not isinstance(element, dict):
            raise PayloadError(f"element {number}: Expected `object`, got `{_type_name(element)}`")  # noqa: TRY301
        return list(decode(element, number))
    except PayloadError as exc:
        return [Rejected(msgspec.json.encode(element), str(exc))]


def content_key(record: Mapping[str, Any]) -> bytes:
    """Idempotency key of a record by its content, whatever the order of its keys."""
    return msgspec.json.encode(record, order="deterministic")


def _type_name(value: object) -> str:
    names = {str: "str", bool: "bool", int: "int", float: "float", list: "array", dict: "object", type(None): "null"}
    return names[type(value)]


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
    """Parse a time in ISO 8601, `YYYYMMDDhhmmss` or the form of e-mail; None when it is none.

    A name of UTC or of an Indonesian zone may stand behind it, a zone in brackets (RFC 9557) behind an offset. A time
    without a zone stays without.
    """
    if not isinstance(text, str):
        return None
    # A cache of longer texts would hold megabytes, and no time is as long.
    return _parse_time_text(text) if len(text) <= _TIME_REMEMBERED_CHARS else _parse_time_text.__wrapped__(text)


@lru_cache(maxsize=_TIMES_REMEMBERED)
def _parse_time_text(text: str) -> datetime | None:
    """Parse a text; adapters ask for the same one several times in a row."""
    try:
        at = datetime.fromisoformat(text) if text[10:11] in _BETWEEN_DATE_AND_TIME else _parse_other_time(text)
    except ValueError:
        at = _parse_other_time(text)
    try:
        return at.astimezone(UTC) if at and at.tzinfo else at
    except OverflowError:
        return None


def _parse_other_time(text: str) -> datetime | None:
    """Parse the spellings that Python's own parser of ISO 8601 does not know."""
    plain = _ZONE_SUFFIX.sub("", text.strip())
    if _COMPACT.fullmatch(plain):
        plain = f"{plain[:8]}T{plain[8:]}"
    start, _, word = plain.rpartition(" ")
    if word.upper() in _ZONE_NAMES and start[:4].isdigit():
        plain = start + _ZONE_NAMES[word.upper()]
    if plain[:4].isdigit() and plain[4:5] == "/":
        plain = plain.replace("/", "-")
    try:
        return datetime.fromisoformat(_OFFSET.sub(r"\1:\2", _FRACTION.sub(r"\1", plain)))
    except ValueError:
        return _parse_mail_time(plain)


def _parse_mail_time(text: str) -> datetime | None:
    """Parse `Sun, 01 Mar 2026 11:59:00 GMT` (RFC 5322)."""
    if not text[:1].isalpha():
        return None
    try:
        return parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None


def parse_utc(value: object) -> datetime | None:
    """Parse a time of a field that is UTC by its definition, with or without a zone."""
    at = parse_any_time(value)
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def parse_epoch(value: object) -> datetime | None:
    """Parse seconds, milli-, micro- or nanoseconds since 1970, a number or a text of one; None when it is none."""
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value.strip()) else None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else _parse_epoch_number(value)


@lru_cache(maxsize=_TIMES_REMEMBERED)
def _parse_epoch_number(value: float) -> datetime | None:
    try:
        unit = next((unit for below, unit in _EPOCH_UNITS if abs(value) < below), None)
        return datetime.fromtimestamp(value / unit, UTC) if unit else None
    except (OverflowError, ValueError, OSError):
        return None


def parse_any_time(value: object) -> datetime | None:
    """Parse a time by `parse_time`, else by `parse_epoch`."""
    return parse_time(value) or parse_epoch(value)


def clock_flags(*values: object) -> tuple[str, ...]:
    """The quality flag `clock` when there is a time among the values and none of them can be read."""
    given = [value for value in values if value not in (None, "")]
    return (QUALITY_CLOCK,) if given and not any(parse_any_time(value) for value in given) else ()


def parse_number(value: object) -> float | None:
    """A number, or the number at the start of a text ("2799 mm", "25 ℃"); None otherwise, also for booleans."""
    if value is None:
        return None
    if type(value) is float or type(value) is int:
        return float(value) if is_finite(value) else None
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
