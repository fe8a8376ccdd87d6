"""Maps the keys of a third-party message to fields and events of the contract, by the device's profile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from broker.contract.payloads import TELEMETRY, fields_of
from broker.contract.topics import Kind
from city.inventory.field_types import Scalar
from city.inventory.model import EventRule, FieldRule, Profile
from city.inventory.units import convert, field_unit, number_and_unit
from ingest.decoding.formats.parsing import is_coarse, parse_flag, parse_number
from ingest.decoding.formats.port import AdapterEvent
from ingest.store.schema import COLUMNS, ColumnType

_MISSING: Final = object()
_FIELD_TYPES: Final[dict[Kind, dict[str, Any]]] = {
    kind: {f.name: f.type for f in msgspec.structs.fields(type_) if f.name in fields_of(kind)}
    for kind, type_ in TELEMETRY.items()
}
_ALL_FIELDS: Final[dict[Kind, type]] = {
    kind: msgspec.defstruct(f"{kind}_values", [(name, type_, None) for name, type_ in types.items()])
    for kind, types in _FIELD_TYPES.items()
}
_DETAIL_TEXT_MAX: Final = 120
_NO_TEMPERATURE_C: Final = frozenset({-127.0, 127.94, 127.9, 255.0, 255.9, 327.66, 327.67, 327.68, 409.5})
"""What no sensor measures: 1-Wire without an answer, and the ends of 8, 12 and 16 bits in tenths and hundredths.

Codes that another sensor can measure (85 °C of a DS18B20) are the profile's.
"""


def read_fields(profile: Profile, decoded: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Contract fields out of a decoded payload, by the profile's rules.

    Returns:
        The fields that hold a reading, and whether one was present but a sentinel, unreadable or out of range.
    """
    values: dict[str, Any] = {}
    invalid = []
    columns = COLUMNS[profile.kind]
    for field, rule in profile.fields.items():
        raw, unit = _first_present(decoded, rule)
        if raw is _MISSING or raw is None or raw == "" or (rule.absent and _is_listed(raw, rule.absent)):
            continue
        value = _apply(columns[field], field, rule, raw, unit)
        if value is None or (rule.valid and _is_declared_invalid(decoded, rule)):
            invalid.append(field)
        else:
            values[field] = value
    fitting, refused = drop_invalid(profile.kind, values)
    if "distance_mm" in invalid or "distance_mm" in values.keys() - fitting.keys():
        fitting.pop("fill_pct", None)  # what the device made of a distance that is none
    return fitting, bool(invalid) or refused


def _is_declared_invalid(decoded: Mapping[str, Any], rule: FieldRule) -> bool:
    return any(parse_flag(get_path(decoded, path)) is False for path in rule.valid)


def read_events(profile: Profile, decoded: Mapping[str, Any]) -> list[AdapterEvent]:
    """Events of the contract out of a decoded payload: level events, and momentary ones."""
    events = []
    for type_, rule in profile.events.items():
        value = _first_value(decoded, rule.source)
        if value is _MISSING or value is None:
            continue
        raised = _holds(rule, value)
        if raised is None or (rule.noted and not raised):
            continue
        detail = {"value": value[:_DETAIL_TEXT_MAX] if isinstance(value, str) else value} if raised else {}
        if rule.noted:
            events.append(AdapterEvent(type_, "noted", detail))
        else:
            events.append(AdapterEvent(type_, "raised" if raised else "cleared", detail))
    return events


def doubts_fix(profile: Profile, decoded: Mapping[str, Any]) -> bool:
    """Whether a message itself says that its position is none, made up, or hundreds of metres wide."""
    return (
        any(is_coarse(get_path(decoded, path)) for path in profile.accuracy)
        or any(parse_flag(get_path(decoded, path)) is False for path in profile.fix_valid)
        or any(parse_flag(get_path(decoded, path)) is True for path in profile.fix_invalid)
    )


def is_valid(kind: Kind, field: str, value: object) -> bool:
    """Whether a field of the contract may have this value."""
    try:
        msgspec.convert(value, _FIELD_TYPES[kind][field])
    except (msgspec.ValidationError, KeyError):
        return False
    return True


def drop_invalid(kind: Kind, known: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The fields that this kind of device has and whose values are valid, and whether any value was dropped."""
    if not known:
        return {}, False
    types = _FIELD_TYPES[kind]
    values = {name: value for name, value in known.items() if name in types}
    try:
        # All at once, which nearly always does; one by one only to find what does not fit.
        msgspec.convert(values, _ALL_FIELDS[kind])
    except msgspec.ValidationError:
        fitting = {name: value for name, value in values.items() if is_valid(kind, name, value)}
        return fitting, len(fitting) < len(values)
    return values, False


def _holds(rule: EventRule, value: object) -> bool | None:
    return value in rule.when or _is_listed(value, rule.when) if rule.when else parse_flag(value)


def _first_present(decoded: Mapping[str, Any], rule: FieldRule) -> tuple[Any, str]:
    """The first value that is present, and the unit of its path."""
    for place, path in enumerate(rule.source):
        value = _get_path(decoded, path)
        if value is not _MISSING:
            return value, (rule.units[place] if rule.units else "") or rule.unit
    return _MISSING, ""


def get_path(decoded: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - JSON
    """The value at a dotted path; None when it is absent."""
    value = _get_path(decoded, path)
    return None if value is _MISSING else value


def _first_value(decoded: Mapping[str, Any], paths: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    return next((value for path in paths if (value := _get_path(decoded, path)) is not _MISSING), _MISSING)


def _get_path(value: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """The value at a dotted path. Keys may contain dots; numbers index lists."""
    if isinstance(value, dict):
        member = value.get(path, _MISSING)
        if member is not _MISSING or "." not in path:
            return member
        end = path.find(".")
        while end >= 0:
            inner = value.get(path[:end], _MISSING)
            if inner is not _MISSING:
                return _get_path(inner, path[end + 1 :])
            end = path.find(".", end + 1)
    elif isinstance(value, list):
        head, _, rest = path.partition(".")
        if head.isdigit() and int(head) < len(value):
            return _get_path(value[int(head)], rest) if rest else value[int(head)]
    return _MISSING


def _apply(type_: ColumnType, field: str, rule: FieldRule, raw: object, unit: str) -> Any:  # noqa: ANN401 - what the contract has
    if rule.invalid and _is_listed(raw, rule.invalid):
        return None
    if rule.choices:
        choice = rule.choices.get(str(raw).lower(), rule.choices.get(str(raw)))
        return parse_number(choice) if type_ != "flag" and isinstance(choice, int | float) else choice
    if type_ == "flag":
        return parse_flag(raw)
    if isinstance(raw, list | dict):
        return raw
    number = _number(field, rule, raw, unit)
    if number is None:
        return None
    return round(number) if type_ == "integer" and float(number).is_integer() else number


def _number(field: str, rule: FieldRule, raw: object, unit: str) -> float | None:
    read = number_and_unit(raw)
    if read is None:
        return None
    number, written = read
    if rule.signed_bits and number >= 1 << (rule.signed_bits - 1):
        number -= 1 << rule.signed_bits
    number = convert(number * rule.scale + rule.shift, written or unit, field_unit(field))
    if field == "temperature_c" and round(number, 2) in _NO_TEMPERATURE_C:
        return None
    number = 100.0 - number if rule.percent_of == "empty" else number
    return number if math.isfinite(number) else None


def _is_listed(raw: object, choices: tuple[Scalar, ...]) -> bool:
    """Whether a value equals a listed one; a text such as "0.00 °C" is compared by its leading number."""
    if not choices or isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return raw in choices if isinstance(raw, bool) else False
    return raw in choices or parse_number(raw) in [choice for choice in choices if not isinstance(choice, str)]
