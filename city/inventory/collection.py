"""Types of the inventory's fields that only collection needs: windows of a day, loads and lists by stream."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import PlainValidator

from city.inventory.field_types import show
from city.inventory.windows import Window, parse_window

VehicleClass = Literal["large", "small"]
"""`small` fits into narrow streets."""
LOAD_MAX_KG = 60_000


def _read_window(value: object) -> Window | None:
    if value is None or value == "":
        return None
    window = parse_window(value if isinstance(value, str) else show(value))
    if window.start == window.end and value != "all_day":
        raise ValueError(f"{show(value)} is not a window: it ends when it starts")
    return window


DayWindow = Annotated[Window | None, PlainValidator(_read_window)]
"""A window of local time, such as `06:00-14:00`; None without one."""


def stream_loads(streams: tuple[str, ...]) -> PlainValidator:
    """Kilograms by stream, `organic:3000;non_organic:2000`, at least two."""

    def read(value: object) -> tuple[tuple[str, float], ...]:
        loads = tuple(_read_load(part) for part in _parts(value))
        names = [stream for stream, _ in loads]
        if unknown := [name for name in names if name not in streams]:
            raise ValueError(f"{show(unknown[0])} is not one of {', '.join(streams)}")
        if len(loads) == 1 or len(names) != len(set(names)):
            raise ValueError(f"{show(value)} does not name each of several streams once")
        return loads

    return PlainValidator(read)


def stream_names(streams: tuple[str, ...]) -> PlainValidator:
    """Streams separated by `;`."""

    def read(value: object) -> tuple[str, ...]:
        names = tuple(_parts(value))
        if unknown := [name for name in names if name not in streams]:
            raise ValueError(f"{show(unknown[0])} is not one of {', '.join(streams)}")
        return names

    return PlainValidator(read)


def _parts(value: object) -> list[str]:
    if not isinstance(value, str):
        raise ValueError(f"{show(value)} is not a text")  # noqa: TRY004 - pydantic collects ValueError alone
    return [text for part in value.split(";") if (text := part.strip())]


def _read_load(part: str) -> tuple[str, float]:
    name, _, number = part.partition(":")
    try:
        load_kg = float(number)
    except ValueError:
        load_kg = 0.0
    if not 1 <= load_kg <= LOAD_MAX_KG:
        raise ValueError(f"{show(part)} is not a stream with 1..{LOAD_MAX_KG} kg, such as organic:3000")
    return name.strip(), load_kg
