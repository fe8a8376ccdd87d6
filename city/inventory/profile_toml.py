"""Writes a profile as the TOML file that `city.inventory.profiles` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, Final

from city.inventory.field_types import join_path
from city.inventory.model import EventRule, FieldRule, Profile, SensorGeometry

_APART: Final = ("id", "fields", "events", "geometry")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def to_toml(profile: Profile) -> str:
    """The file of a profile. Values that are the default are left out; `kind` and `name` stand first.

    Raises:
        TypeError: A value has no form in TOML.
    """
    return "\n".join(_lines(profile)) + "\n"


def _lines(profile: Profile) -> Iterator[str]:
    own = _set_values(profile, without=_APART)
    for key in ("name", "kind", *(key for key in own if key not in ("name", "kind"))):
        if key in own:
            yield f"{key} = {_value(own[key])}"
    if profile.geometry != SensorGeometry():
        yield f"geometry = {_value(_set_values(profile.geometry))}"
    for section, rules in (("fields", profile.fields), ("events", profile.events)):
        if rules:
            yield from ("", f"[{section}]")
            yield from (f"{_key(name)} = {_value(_rule(rule))}" for name, rule in rules.items())


def _set_values(instance: Any, *, without: tuple[str, ...] = ()) -> dict[str, Any]:  # noqa: ANN401 - any of the dataclasses
    """The fields of a dataclass whose values are not the default."""
    values = {field.name: getattr(instance, field.name) for field in fields(instance) if field.name not in without}
    defaults = {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(instance)
    }
    return {name: value for name, value in values.items() if value != defaults[name]}


def _rule(rule: FieldRule | EventRule) -> dict[str, Any]:
    values = _set_values(rule, without=("source", "units"))
    units = rule.units if isinstance(rule, FieldRule) and rule.units else ("",) * len(rule.source)
    return {"source": [join_path(path, unit) for path, unit in zip(rule.source, units, strict=True)], **values}


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _text(value)
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case Mapping():
            return "{ " + ", ".join(f"{_key(key)} = {_value(member)}" for key, member in value.items()) + " }"
        case _:
            raise TypeError(f"{type(value).__name__} has no form in TOML")


def _key(key: str) -> str:
    is_bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if is_bare else _text(key)


def _text(text: str) -> str:
    """A basic string: quotes, backslashes and characters that are not printed are escaped."""
    return '"' + "".join(map(_character, text)) + '"'


def _character(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter.isprintable():
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) <= 0xFFFF else f"\\U{ord(letter):08x}"  # noqa: PLR2004 - of Unicode
