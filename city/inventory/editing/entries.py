"""Entries of a city's files that are changed one at a time: devices, sites, hours and rules of alarms. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from city.inventory.devices import BINDING_FIELDS
from city.inventory.editing.csv_text import parse_csv
from city.inventory.editing.toml_text import table_line, with_table, without_table
from city.inventory.model import AccessPoint, Bin, Site, Truck
from city.inventory.tables import columns_of
from city.inventory.windows import DAY_NAMES

EntryTable = Literal["bin", "truck", "ap", "camera", "site", "hours", "alarm"]
ENTRY_TABLES: Final[tuple[EntryTable, ...]] = get_args(EntryTable)
FILE_OF: Final[Mapping[EntryTable, str]] = {
    "bin": "bins.csv",
    "truck": "trucks.csv",
    "ap": "access_points.csv",
    "camera": "cameras.toml",
    "site": "sites.csv",
    "hours": "city.toml",
    "alarm": "alarms.toml",
}
_HOURS: Final = "hours"
_DAYS: Final = ("every_day", *DAY_NAMES)
CAMERA_FIELDS: Final = ("source", "kelurahan", "site", "lat_deg", "lon_deg", "interval_s", *BINDING_FIELDS)
"""Fields of a camera that are changed here; its zones are drawn."""
_NUMBERS: Final = frozenset({"lat_deg", "lon_deg", "interval_s"})
FIELDS_OF: Final[Mapping[EntryTable, tuple[str, ...]]] = {
    "bin": tuple(name for names in columns_of(Bin, besides=("binding",)) for name in names) + BINDING_FIELDS,
    "truck": tuple(name for names in columns_of(Truck, besides=("binding",)) for name in names) + BINDING_FIELDS,
    "ap": tuple(name for names in columns_of(AccessPoint, besides=("binding",)) for name in names) + BINDING_FIELDS,
    "camera": ("id", *CAMERA_FIELDS),
    "site": tuple(name for names in columns_of(Site) for name in names),
}
"""Fields of an entry, the required ones first."""

Fields = Mapping[str, Any]
"""Of CSV every value is a text. None, or a field that is not given, has no value."""


class InventoryEntry(msgspec.Struct, frozen=True):
    """An entry of a file. `line` is where it begins, from 1."""

    id: str
    fields: dict[str, Any]
    line: int


def entries_of(table: EntryTable, text: str) -> list[InventoryEntry]:
    """The entries of a table in the text of its file, in order.

    Raises:
        ValueError: The text cannot be read.
    """
    if FILE_OF[table].endswith(".csv"):
        rows = parse_csv(text).entries() if text else ()
        return [InventoryEntry(fields["id"], fields, line) for fields, line in rows if "id" in fields]
    tables = tomllib.loads(text.removeprefix("\ufeff"))
    if table == _HOURS:
        tables = tables.get(_HOURS, {})
    return [
        InventoryEntry(id_, {"id": id_, **content}, table_line(text, _path(table, id_)))
        for id_, content in tables.items()
        if isinstance(content, dict)
    ]


def with_entry(table: EntryTable, text: str, id_: str, fields: Fields) -> str:
    """The text with an entry changed to these fields, or added.

    Args:
        table: What it is.
        text: The text of its file; empty for a file that does not exist.
        id_: Its id.
        fields: All its fields. What is not given loses its value. Zones of a camera stay.

    Raises:
        ValueError: The text cannot be changed, or a value has a line break.
    """
    if FILE_OF[table].endswith(".csv"):
        texts = {name: _one_line(name, value) for name, value in fields.items() if name != "id"}
        return parse_csv(text or _header(table)).with_row(id_, texts).text()
    return with_table(text, _path(table, id_), _toml_values(table, text, id_, fields))


def without_entry(table: EntryTable, text: str, id_: str) -> str:
    """The text without an entry.

    Raises:
        KeyError: There is none.
        ValueError: The text cannot be changed.
    """
    if FILE_OF[table].endswith(".csv"):
        return parse_csv(text).without_row(id_).text()
    return without_table(text, _path(table, id_))


def _toml_values(table: EntryTable, text: str, id_: str, fields: Fields) -> dict[str, Any]:
    given = {name: value for name, value in fields.items() if name != "id" and value not in (None, "")}
    if table == "camera":
        numbers = {name: _number(value) for name, value in given.items() if name in _NUMBERS}
        return {**dict.fromkeys(CAMERA_FIELDS), **given, **numbers}
    if table == _HOURS:
        return {"name": None, **dict.fromkeys(_DAYS), "exceptions": {}, **given}
    known = next((entry.fields for entry in entries_of(table, text) if entry.id == id_), {})
    return {**{name: None for name in known if name != "id"}, **given}


def _path(table: EntryTable, id_: str) -> tuple[str, ...]:
    return (_HOURS, id_) if table == _HOURS else (id_,)


def _header(table: EntryTable) -> str:
    return ",".join(FIELDS_OF[table]) + "\n"


def _one_line(name: str, value: object) -> str:
    text = "" if value is None else str(value).strip()
    if not text.isprintable():
        raise ValueError(f"{name}: has a line break or a character that nobody sees")
    return text


def _number(value: object) -> object:
    """A number in TOML's own form; anything else as it is, which the check refuses."""
    try:
        number = float(str(value))
    except ValueError:
        return value
    return int(number) if number.is_integer() and "." not in str(value) else number
