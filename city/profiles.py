"""Reads bin models (geometry) and decoder profiles (how a sensor's decoded payload maps to the contract's fields)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

from broker.contract.payloads import fields_of
from broker.contract.topics import KINDS
from city.model import BinMaterial, BinModel, FieldRule, Profile, Scalar
from city.tables import Problems, Table, read_toml, to_number

_MAX_MM: Final = 20_000.0
_MAX_L: Final = 100_000.0
_LARGE: Final = 1e9


def read_models(path: Path, problems: Problems) -> dict[str, BinModel]:
    """Every table of `models.toml`."""
    return {name: _model(name, table) for name, table in read_toml(path, problems).tables()}


def read_profiles(path: Path, problems: Problems) -> dict[str, Profile]:
    """Every table of `profiles.toml`."""
    return {name: _profile(name, table) for name, table in read_toml(path, problems).tables()}


def _model(name: str, table: Table) -> BinModel:
    materials: tuple[BinMaterial, ...] = get_args(BinMaterial)
    model = BinModel(
        id=name,
        material=table.choice("material", materials),
        capacity_l=table.number("capacity_l", 1, _MAX_L),
        height_mm=table.number("height_mm", 1, _MAX_MM),
        offset_mm=table.number("offset_mm", 0, _MAX_MM, 0.0),
        dead_zone_mm=table.number("dead_zone_mm", 0, _MAX_MM, 0.0),
        invalid_mm=_numbers(table, "invalid_mm"),
    )
    taken_mm = model.offset_mm + model.dead_zone_mm
    if 0 < model.height_mm <= taken_mm:
        table.note("height_mm", f"{model.height_mm:g} is not above offset_mm + dead_zone_mm = {taken_mm:g}")
    table.close()
    return model


def _profile(name: str, table: Table) -> Profile:
    kind = table.choice("kind", KINDS)
    known = fields_of(kind)
    rules = table.table("fields")
    for field in rules.names():
        if field not in known:
            rules.note(field, f"a {kind} has no such field; known: {', '.join(known)}")
    fields = {field: _rule(rules.table(field)) for field in rules.names()}
    table.close()
    return Profile(name, kind, fields)


def _rule(table: Table) -> FieldRule:
    rule = FieldRule(
        source=_paths(table),
        scale=table.number("scale", -_LARGE, _LARGE, 1.0),
        shift=table.number("shift", -_LARGE, _LARGE, 0.0),
        invalid=tuple(_scalar(table, "invalid", value) for value in _list(table, "invalid")),
        absent=tuple(_scalar(table, "absent", value) for value in _list(table, "absent")),
        choices=_choices(table.table("choices", {})),
    )
    table.close()
    return rule


def _paths(table: Table) -> tuple[str, ...]:
    value = table.raw("source")
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) and path for path in paths):
        if value is not None:
            table.note("source", f"{value!r} is neither a dotted path nor a list of such")
        return ()
    return tuple(paths)


def _choices(table: Table) -> dict[str, Scalar]:
    return {text: _scalar(table, text, table.raw(text)) for text in table.names()}


def _numbers(table: Table, field: str) -> tuple[float, ...]:
    numbers = [to_number(value) for value in _list(table, field)]
    if None in numbers:
        table.note(field, "holds something that is not a number")
    return tuple(number for number in numbers if number is not None)


def _list(table: Table, field: str) -> list[Any]:
    value = table.raw(field, [])
    if isinstance(value, list):
        return value
    table.note(field, f"{value!r} is not a list")
    return []


def _scalar(table: Table, field: str, value: object) -> Scalar:
    if isinstance(value, str | int | float):
        return value
    table.note(field, f"{value!r} is neither a text, a number nor true or false")
    return None
