"""Types of the inventory's fields: how pydantic reads each value, and what a wrong one is told, in plain English.

A validator raises `ValueError` with the text for people; `city.inventory.tables` adds file, line and field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WrapValidator,
)
from pydantic_core import CoreSchema, core_schema

from broker.contract.topics import require_id
from city.errors import TopicError
from city.inventory.units import UNITS, can_convert, field_unit, parse_unit

T = TypeVar("T")
VALUE_SHOWN: Final = 80
Scalar = float | int | str | bool | None


def show(value: object) -> str:
    """A value for a message, shortened."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= VALUE_SHOWN else f"{text[:VALUE_SHOWN]}... ({len(text)} characters)"


def check_id(text: str) -> str:
    """Return `text` if it is an id of the contract.

    Raises:
        ValueError: It is none.
    """
    try:
        return require_id(text, "")
    except TopicError as exc:
        raise ValueError(str(exc).strip()) from exc


def reference(noun: str) -> AfterValidator:
    """The id of a thing that pydantic's context has under `noun`."""

    def check(id_: str, info: ValidationInfo) -> str:
        if id_ not in (info.context or {})[noun]:
            raise ValueError(f"there is no {noun} {show(id_)}")
        return id_

    return AfterValidator(check)


def replace_errors(text: str) -> WrapValidator:
    """One text, `is not TEXT`, for whatever is wrong within a value."""

    def read(value: object, handler: Callable[[object], object]) -> object:
        try:
            return handler(value)
        except ValidationError:
            raise ValueError(f"is not {text}") from None

    return WrapValidator(read)


def between(low: float, high: float) -> AfterValidator:
    """A number in `low`..`high`."""

    def check(number: float) -> float:
        if not low <= number <= high:
            raise ValueError(f"{number:g} is outside {low:g}..{high:g}")
        return number

    return AfterValidator(check)


def below(field: str, *parts: str) -> AfterValidator:
    """A number that, with other fields of its table, the `parts`, stays below `field`; all stand before it."""

    def check(number: float, info: ValidationInfo) -> float:
        if {field, *parts} <= info.data.keys():
            total = number + sum(info.data[part] for part in parts)
            if total >= info.data[field]:
                names = " + ".join((*parts, info.field_name or "")) + " = " if parts else ""
                raise ValueError(f"{names}{total:g} is not below {field} = {info.data[field]:g}")
        return number

    return AfterValidator(check)


def freeze(instance: object, *fields: str) -> None:
    """Make mappings of a frozen dataclass read-only; called at the end of its construction."""
    for field in fields:
        object.__setattr__(instance, field, MappingProxyType(dict(getattr(instance, field))))


def _refuse_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number")  # noqa: TRY004 - pydantic collects ValueError alone
    return value


def _check_text(text: str) -> str:
    if "\0" in text:
        raise ValueError(f"{show(text)} holds a NUL character")
    return text


def _read_texts(value: object) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise ValueError(f"{show(value)} is neither a text nor a list of texts")
    return tuple(texts)


def _read_scalar(value: object) -> Scalar:
    if isinstance(value, str | int | float):
        return value
    raise ValueError(f"{show(value)} is neither a text, a number nor true or false")


def _read_paths(value: object) -> tuple[str, ...]:
    paths = _read_texts(value)
    if not paths:
        raise ValueError("names no path")
    return paths


def _read_unit(text: str, info: ValidationInfo) -> str:
    unit, wanted = parse_unit(text), field_unit((info.context or {})["field"])
    if text and not unit:
        raise ValueError(f"{show(text)} is no unit; known: {', '.join(UNITS)}")
    if unit and not can_convert(unit, wanted):
        raise ValueError(f"{show(text)} cannot become {wanted or 'a field without a unit'!r}")
    return unit


def split_path(text: str) -> tuple[str, str]:
    """A path of a payload and the unit in brackets behind it, `proxx [cm]`; empty if it has none.

    A path that itself contains ` [` ends in ` []`, or in its unit.
    """
    path, opening, unit = text.rpartition(" [")
    return (path, unit.removesuffix("]")) if opening else (text, "")


def join_path(path: str, unit: str) -> str:
    """The text that `split_path` parts into this path and unit."""
    return f"{path} [{unit}]" if unit or " [" in path else path


def _check_units(paths: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    for path in paths:
        _read_unit(split_path(path)[1], info)
    return paths


def _read_zone(name: object) -> ZoneInfo:
    if not isinstance(name, str):
        raise ValueError(f"{show(name)} is not a text")  # noqa: TRY004 - pydantic collects ValueError alone
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"{show(name)} is not a zone of the time zone database") from None


def _split(value: object) -> object:
    return [part for text in value.split(";") if (part := text.strip())] if isinstance(value, str) else value


class _Unread:
    """Marks a field that the loader makes: pydantic takes it as it is, and builds no schema of its type."""

    def __get_pydantic_core_schema__(self, _type: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.any_schema()


Ready = Annotated[T, _Unread()]
"""A field that is not read from a file."""
Id = Annotated[str, AfterValidator(check_id)]
Text = Annotated[str, AfterValidator(_check_text)]
SplitTexts = Annotated[tuple[Text, ...], BeforeValidator(_split)]
"""Texts in one cell, separated by `;`."""
Texts = Annotated[tuple[str, ...], PlainValidator(_read_texts)]
"""A text or a list of texts."""
Paths = Annotated[tuple[str, ...], PlainValidator(_read_paths)]
"""One or several paths of a payload."""
PathsWithUnits = Annotated[Paths, AfterValidator(_check_units)]
UnitName = Annotated[str, AfterValidator(_read_unit)]
TimeZone = Annotated[ZoneInfo, PlainValidator(_read_zone)]
Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_refuse_flag)]
BitCount = Annotated[int, BeforeValidator(_refuse_flag), between(0, 64)]
ScalarValue = Annotated[Scalar, PlainValidator(_read_scalar)]
LatDeg = Annotated[Number, between(-90, 90)]
LonDeg = Annotated[Number, between(-180, 180)]
IntervalS = Annotated[Number, between(1, 604_800)]
LengthMm = Annotated[Number, between(0, 20_000)]
RangeMm = Annotated[Number, between(0, 100_000)]
_Share = Annotated[Number, between(0, 1)]
Points = Annotated[
    tuple[tuple[_Share, _Share], ...],
    replace_errors("a list of points [x, y] with x and y in 0..1"),
]
References = Mapping[str, Any]
"""What the fields of a table may refer to: noun to ids, or the contract's field that a rule is for."""
