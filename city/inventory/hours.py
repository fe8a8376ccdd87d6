"""Reads the dumping hours of a city."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainValidator

from city.inventory.field_types import Text, show
from city.inventory.tables import TomlTable
from city.inventory.windows import DAY_NAMES, DumpingHours, Window, parse_window

_EVERY_DAY: Final = "every_day"


def _read_window(value: object) -> Window:
    return parse_window(value if isinstance(value, str) else show(value))


def _read_windows(value: object) -> object:
    if value != "all_day" and not isinstance(value, list):
        raise ValueError(f"{show(value)} is neither a list of windows nor 'all_day'")
    return value if isinstance(value, list) else [value]


def _read_date(value: object) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError("is not a date like 2026-12-25") from None


_Windows = Annotated[tuple[Annotated[Window, PlainValidator(_read_window)], ...], BeforeValidator(_read_windows)]
"""`all_day`, or a list of windows; an empty list allows nothing."""
_Days = dict[str, _Windows]
_Exceptions = dict[Annotated[date, PlainValidator(_read_date)], _Windows]


@dataclass(frozen=True)
class _HoursTable:
    name: Text


def read_hours(top: TomlTable) -> dict[str, DumpingHours | None]:
    """Every `[hours.<id>]`, None for one with a problem; `[hours.default]` must be there."""
    hours = {name: _one_hours(name, table) for name, table in top.table("hours").tables()}
    if "default" not in hours:
        top.note("hours", "table `[hours.default]` is missing")
    return hours


def _one_hours(name: str, table: TomlTable) -> DumpingHours | None:
    missing = [day for day in DAY_NAMES if day not in table.values]
    if missing and _EVERY_DAY not in table.values:
        table.note(_EVERY_DAY, f"is missing, and so are {', '.join(missing)}")
    days = (_EVERY_DAY, *DAY_NAMES)
    windows = table.with_values({day: table.values[day] for day in days if day in table.values}).read(_Days)
    exceptions = table.table("exceptions").read(_Exceptions)
    hours = table.read(_HoursTable, also=(*days, "exceptions"))
    if hours is None or windows is None or exceptions is None:
        return None
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = (
        windows.get(day, windows.get(_EVERY_DAY, ())) for day in DAY_NAMES
    )
    return DumpingHours(name, hours.name, (monday, tuesday, wednesday, thursday, friday, saturday, sunday), exceptions)
