"""Units of measurement of devices, and their conversion to those of the contract.

A unit is given by the name of a contract's field (`distance_mm`), by a profile, or behind a number in a text.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from broker.contract.units import SYMBOLS, UNITLESS


class Unit(NamedTuple):
    """A unit: its quantity, and `number * factor + shift`, the conversion to that quantity's base unit."""

    quantity: str
    factor: float
    shift: float = 0.0


UNITS: Final[dict[str, Unit]] = {
    "mm": Unit("length", 0.001),
    "cm": Unit("length", 0.01),
    "dm": Unit("length", 0.1),
    "m": Unit("length", 1.0),
    "km": Unit("length", 1000.0),
    "in": Unit("length", 0.0254),
    "ft": Unit("length", 0.3048),
    "mi": Unit("length", 1609.344),
    "g": Unit("mass", 0.001),
    "kg": Unit("mass", 1.0),
    "t": Unit("mass", 1000.0),
    "kmh": Unit("speed", 1 / 3.6),
    "ms": Unit("time", 0.001),
    "s": Unit("time", 1.0),
    "min": Unit("time", 60.0),
    "h": Unit("time", 3600.0),
    "d": Unit("time", 86_400.0),
    "m/s": Unit("speed", 1.0),
    "cm/s": Unit("speed", 0.01),
    "kn": Unit("speed", 1852 / 3600),
    "mph": Unit("speed", 0.44704),
    "c": Unit("temperature", 1.0),
    "k": Unit("temperature", 1.0, -273.15),
    "f": Unit("temperature", 5 / 9, -160 / 9),
    "mv": Unit("voltage", 0.001),
    "v": Unit("voltage", 1.0),
    "ml": Unit("volume", 0.001),
    "l": Unit("volume", 1.0),
    "pct": Unit("share", 0.01),
    "permille": Unit("share", 0.001),
    "share": Unit("share", 1.0),
    "deg": Unit("angle", 1.0),
    "rad": Unit("angle", 57.29577951308232),
    "dbm": Unit("power", 1.0),
    "bytes": Unit("data", 1.0),
    "kb": Unit("data", 1000.0),
    "mb": Unit("data", 1_000_000.0),
    "kib": Unit("data", 1024.0),
    "mib": Unit("data", 1_048_576.0),
    "bps": Unit("rate", 0.001),
    "kbps": Unit("rate", 1.0),
    "mbps": Unit("rate", 1000.0),
    "bytes/s": Unit("rate", 0.008),
    "kib/s": Unit("rate", 8.192),
    "rpm": Unit("rotation", 1.0),
}

_SPELLINGS: Final[dict[str, str]] = {
    "km/h": "kmh",
    "kph": "kmh",
    "kmph": "kmh",
    "knots": "kn",
    "knot": "kn",
    "kt": "kn",
    "kts": "kn",
    "mps": "m/s",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "meters": "m",
    "metre": "m",
    "inch": "in",
    '"': "in",
    "°c": "c",
    "℃": "c",
    "degc": "c",
    "celsius": "c",
    "°f": "f",
    "℉": "f",
    "fahrenheit": "f",
    "°": "deg",
    "%": "pct",
    "percent": "pct",
    "volt": "v",
    "volts": "v",
    "ton": "t",
    "litre": "l",
    "liter": "l",
    "sec": "s",
    "seconds": "s",
    "minutes": "min",
    "hours": "h",
    "hour": "h",
    "days": "d",
    "b": "bytes",
    "byte": "bytes",
    "kbit/s": "kbps",
    "mbit/s": "mbps",
}

_NUMBER: Final = re.compile(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\d\s.,].*)?$", re.DOTALL)
_DECIMAL_COMMA: Final = re.compile(r"\s*([-+]?\d+),(\d{1,2})\s*([^\d\s.,].*)?$", re.DOTALL)
"""With more digits behind it a comma may also part thousands: such a text is not read at all."""


def parse_unit(text: str) -> str:
    """Parse the name of a unit in any usual spelling; empty if it is none."""
    name = text.strip().lower()
    name = _SPELLINGS.get(name, name)
    return name if name in UNITS else ""


def is_finite(number: float) -> bool:
    """Whether sums and products of a number stay finite."""
    return abs(number) < _LARGEST


def number_and_unit(value: object) -> tuple[float, str] | None:
    """Parse a number, or a text of a number and a unit ("2799 mm", "25 ℃", "12,5 kg").

    None for anything else: for booleans, for what is not finite, and for `1,234`, which could be two numbers.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return (float(value), "") if is_finite(value) else None
    if not isinstance(value, str):
        return None
    if (plain := _plain_number(value)) is not None:
        number, behind = plain, ""
    elif match := _NUMBER.match(value):
        number, behind = float(match[1]), match[2] or ""
    elif match := _DECIMAL_COMMA.match(value):
        number, behind = float(f"{match[1]}.{match[2]}"), match[3] or ""
    else:
        return None
    return (number, parse_unit(behind)) if is_finite(number) else None


def _plain_number(text: str) -> float | None:
    """The number of a text that is a number alone, as most are: faster than by the pattern, with the same result."""
    if not text[-1:].isdigit() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


_LARGEST: Final = 1e300


def field_unit(field: str) -> str:
    """The unit of a contract's field, from its name; empty if it has none."""
    ending = field.rsplit("_", 1)[-1]
    return "" if field in UNITLESS or ending not in SYMBOLS else ending


def can_convert(unit: str, wanted: str) -> bool:
    """Whether two units measure the same quantity."""
    return unit in UNITS and wanted in UNITS and UNITS[unit].quantity == UNITS[wanted].quantity


def convert(number: float, unit: str, wanted: str) -> float:
    """Convert a number to another unit; unchanged if the units measure different quantities."""
    if unit == wanted or not can_convert(unit, wanted):
        return number
    source, target = UNITS[unit], UNITS[wanted]
    # Ten digits: more than any sensor has, fewer than binary fractions need to show themselves.
    return float(f"{(number * source.factor + source.shift - target.shift) / target.factor:.10g}")
