"""Reads the places of a city: its own table, dumping hours, kelurahan and sites."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final, get_args
from zoneinfo import ZoneInfo

from city.errors import ConfigError
from city.inventory.fields import FieldReader, Problems, TomlTable, index_by_id, read_csv
from city.inventory.model import Kelurahan, Site, SiteKind
from city.inventory.windows import DAY_NAMES, DumpingHours, Window, Windows, parse_window

LAT: Final = (-90.0, 90.0)
LON: Final = (-180.0, 180.0)
_EVERY_DAY: Final = "every_day"


def read_zone(table: TomlTable) -> ZoneInfo:
    """The city's time zone; UTC stands in for one that is unknown."""
    name = table.text("time_zone")
    try:
        return ZoneInfo(name or "UTC")
    except (LookupError, ValueError, OSError):
        table.note("time_zone", f"{name!r} is not a zone of the time zone database")
        return ZoneInfo("UTC")


def read_hours(table: TomlTable) -> dict[str, DumpingHours]:
    """Every `[hours.<id>]`; `[hours.default]` must be there."""
    hours = {name: _one_hours(name, inner) for name, inner in table.table("hours").tables()}
    if "default" not in hours:
        table.note("hours", "table `[hours.default]` is missing")
    return hours


def read_kelurahan(path: Path, problems: Problems) -> dict[str, Kelurahan]:
    """The rows of `kelurahan.csv`."""
    rows = read_csv(path, ("id", "name", "kecamatan", "lat_deg", "lon_deg"), (), problems)
    return index_by_id(((row, _kelurahan(row)) for row in rows), {})


def read_sites(
    path: Path, kelurahan: Mapping[str, Kelurahan], hours: Mapping[str, DumpingHours], problems: Problems
) -> dict[str, Site]:
    """The rows of `sites.csv`."""
    needed = ("id", "name", "kind", "kelurahan", "lat_deg", "lon_deg")
    rows = read_csv(path, needed, ("hours", "clear_copies"), problems)
    return index_by_id(((row, _site(row, kelurahan, hours)) for row in rows), {})


def _kelurahan(row: FieldReader) -> Kelurahan:
    return Kelurahan(
        id=row.identifier(),
        name=row.text("name"),
        kecamatan=row.text("kecamatan"),
        lat_deg=row.number("lat_deg", *LAT),
        lon_deg=row.number("lon_deg", *LON),
    )


def _site(row: FieldReader, kelurahan: Mapping[str, Kelurahan], hours: Mapping[str, DumpingHours]) -> Site:
    kinds: tuple[SiteKind, ...] = get_args(SiteKind)
    return Site(
        id=row.identifier(),
        name=row.text("name"),
        kind=row.choice("kind", kinds),
        kelurahan=row.reference("kelurahan", kelurahan, "kelurahan"),
        lat_deg=row.number("lat_deg", *LAT),
        lon_deg=row.number("lon_deg", *LON),
        hours=row.reference("hours", hours, "table of hours", "default"),
        clear_copies=row.flag("clear_copies"),
    )


def _one_hours(name: str, table: TomlTable) -> DumpingHours:
    missing = [day for day in DAY_NAMES if not table.has(day)]
    if missing and not table.has(_EVERY_DAY):
        table.note(_EVERY_DAY, f"is missing, and so are {', '.join(missing)}")
    every_day = _windows(table, _EVERY_DAY)
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = (
        _windows(table, day) if table.has(day) else every_day for day in DAY_NAMES
    )
    weekly = (monday, tuesday, wednesday, thursday, friday, saturday, sunday)
    found = DumpingHours(name, table.text("name"), weekly, _exceptions(table.table("exceptions", {})))
    table.close()
    return found


def _exceptions(table: TomlTable) -> dict[date, Windows]:
    found: dict[date, Windows] = {}
    for key in table.names():
        try:
            found[date.fromisoformat(key)] = _windows(table, key)
        except ValueError:
            table.note(key, "is not a date like 2026-12-25")
    return found


def _windows(table: TomlTable, field: str) -> Windows:
    """`all_day`, or a list of windows; an empty list allows nothing."""
    value = table.raw(field, [])
    listed = [value] if value == "all_day" else value
    if not isinstance(listed, list):
        table.note(field, f"{value!r} is neither a list of windows nor 'all_day'")
        return ()
    return tuple(window for text in listed if (window := _window(table, field, text)))


def _window(table: TomlTable, field: str, text: object) -> Window | None:
    try:
        return parse_window(str(text))
    except ConfigError as exc:
        table.note(field, str(exc))
        return None
