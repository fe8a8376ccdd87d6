"""Unit choices of a field: the units in which a device may send it, and those that its values make likely.

A choice is the name of a unit (`cm`), with a factor where a number counts tenths or smaller parts (`deg*1e-07`), with
`-empty` where a percentage counts what is free, or `not` where a state means the opposite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from broker.contract.topics import Kind
from city.inventory.units import UNITS, can_convert, convert, field_unit, parse_unit
from ingest.decoding.drafting.key_samples import KeySample
from ingest.decoding.field_mapping import is_valid
from ingest.store.schema import COLUMNS, ColumnType

OPPOSITE: Final = "not"
_EMPTY: Final = "-empty"
_COUNTS_EMPTY: Final = frozenset({"fill_pct"})
_SCALES: Final[Mapping[str, tuple[str, ...]]] = {
    "lat_deg": ("deg*1e-07", "deg*1e-06"),
    "lon_deg": ("deg*1e-07", "deg*1e-06"),
    "temperature_c": ("c*0.1", "c*0.01"),
    "engine_temp_c": ("c*0.1",),
    "battery_v": ("v*0.1", "v*0.01"),
    "power_v": ("v*0.1", "v*0.01"),
    "odometer_km": ("km*0.1",),
}
"""Parts of a unit that makers send as whole numbers."""


class UnitChoice(NamedTuple):
    """A unit with what else a number of a device needs."""

    unit: str
    scale: float = 1.0
    counts_empty: bool = False

    def to_field(self, number: float, field: str) -> float:
        """The number in the unit of a field."""
        value = convert(number * self.scale, self.unit, field_unit(field))
        return 100.0 - value if self.counts_empty else value


class UsualRange(NamedTuple):
    """Numbers that are usual in a unit: none below `low`, and the largest without its sign from `least` to `high`."""

    choice: str
    least: float
    high: float
    low: float = 0.0
    is_whole: bool | None = None


def column_type(kind: Kind, field: str) -> ColumnType:
    """The type of a field's values."""
    return COLUMNS[kind][field]


def fields_to_map(kind: Kind) -> tuple[str, ...]:
    """Fields of the contract that a key of a message can give: numbers and states."""
    return tuple(field for field, type_ in COLUMNS[kind].items() if type_ != "text")


def parse_choice(text: str) -> UnitChoice:
    """Parse a unit choice.

    Raises:
        ValueError: It is none.
    """
    written, star, factor = text.removesuffix(_EMPTY).partition("*")
    name = parse_unit(written)
    if written and not name:
        raise ValueError(f"{text!r} is no unit")
    try:
        scale = float(factor) if star else 1.0
    except ValueError:
        raise ValueError(f"{text!r}: {factor!r} is no factor") from None
    if not 0 < scale <= 1e9:  # noqa: PLR2004 - the bound of a profile's factor
        raise ValueError(f"{text!r}: {factor!r} is no factor")
    return UnitChoice(name, scale, text.endswith(_EMPTY))


def choices_of(kind: Kind, field: str) -> tuple[str, ...]:
    """The unit choices of a field, that of the contract first; empty for a number without a unit."""
    if column_type(kind, field) == "flag":
        return ("", OPPOSITE)
    own = field_unit(field)
    if not own:
        return ("",)
    units = (own, *(unit for unit in UNITS if unit != own and can_convert(unit, own)))
    empty = tuple(f"{unit}{_EMPTY}" for unit in units) if field in _COUNTS_EMPTY else ()
    return (*units, *_SCALES.get(field, ()), *empty)


def likely_choices(kind: Kind, field: str, sample: KeySample) -> list[str]:
    """The choices in which a key's numbers are usual for a field, the most likely first."""
    numbers = [number for number in sample.numbers if number]
    largest, smallest = max(map(abs, numbers), default=0.0), min(numbers, default=0.0)
    if not numbers and field in ("lat_deg", "lon_deg", "distance_mm", "battery_v"):
        return []
    usual = _USUAL.get(field, _BY_UNIT.get(field_unit(field), (UsualRange(field_unit(field), 0, 1e300, -1e300),)))
    likely = (
        choice
        for choice, least, high, low, is_whole in usual
        if least <= largest <= high
        and smallest >= low
        and is_whole in (None, sample.is_whole)
        and fits(kind, field, choice, sample)
    )
    return list(dict.fromkeys(likely))


def contradicts(field: str, sample: KeySample) -> bool:
    """Whether numbers speak against a field: a battery of 2.0 to 4.3 is in volts, whatever its name says."""
    return field == "battery_pct" and bool(sample.numbers) and all(2 <= n <= 4.3 for n in sample.numbers)  # noqa: PLR2004


def fits(kind: Kind, field: str, choice: str, sample: KeySample) -> bool:
    """Whether the contract allows all of a key's numbers in a field."""
    unit = parse_choice(choice)
    is_integer = column_type(kind, field) == "integer"
    values = (unit.to_field(number, field) for number in sample.numbers)
    return all(is_valid(kind, field, int(value) if is_integer and value.is_integer() else value) for value in values)


_SHARE: Final = (UsualRange("share", 0, 1, is_whole=False), UsualRange("pct", 0, 1, is_whole=True))
_SMALL_SHARE: Final = (UsualRange("pct", 0, 100), UsualRange("share", 0, 1, is_whole=False))
"""Of what may well be less than one per cent."""
_USUAL: Final[Mapping[str, tuple[UsualRange, ...]]] = {
    "distance_mm": (UsualRange("mm", 200, 8_000), UsualRange("cm", 20, 500), UsualRange("m", 0.2, 6, is_whole=False)),
    "battery_v": (
        UsualRange("v", 1.8, 4.3, 1.0),
        UsualRange("v", 4.3, 30, 1.0),
        UsualRange("mv", 1_800, 30_000, 1_000, is_whole=True),
    ),
    "battery_pct": (
        UsualRange("pct", 4.31, 100),
        UsualRange("share", 0, 1, is_whole=False),
        UsualRange("pct", 0, 1, is_whole=True),
    ),
    "power_v": (UsualRange("v", 5, 60), UsualRange("mv", 5_000, 60_000, 1_000)),
    "temperature_c": (
        UsualRange("c", 0, 85, -40),
        UsualRange("f", 86, 185, 0),
        UsualRange("c*0.1", 150, 850, -400, is_whole=True),
    ),
    "engine_temp_c": (UsualRange("c", 0, 150, -40), UsualRange("c*0.1", 151, 1_500, -400, is_whole=True)),
    "lat_deg": (UsualRange("deg", 0, 90, -90), UsualRange("deg*1e-07", 1e5, 9e8, -9e8, is_whole=True)),
    "lon_deg": (UsualRange("deg", 0, 180, -180), UsualRange("deg*1e-07", 1e5, 1.8e9, -1.8e9, is_whole=True)),
    "speed_kmh": (UsualRange("kmh", 0, 130), UsualRange("m/s", 0, 36), UsualRange("kn", 0, 70)),
    "odometer_km": (UsualRange("km", 0, 1e6), UsualRange("m", 10_000, 2e9)),
    "weight_kg": (UsualRange("kg", 0, 2_000), UsualRange("g", 2_000, 2e6)),
    "load_kg": (UsualRange("kg", 100, 60_000), UsualRange("t", 0, 60)),
    **dict.fromkeys(("cpu_pct", "loss_pct", "channel_busy_pct"), _SMALL_SHARE),
    "uptime_s": (UsualRange("s", 0, 1e9),),
    "rx_kbps": (UsualRange("kbps", 0, 1e6), UsualRange("bps", 0, 1e9), UsualRange("mbps", 0, 1e3)),
    "tx_kbps": (UsualRange("kbps", 0, 1e6), UsualRange("bps", 0, 1e9), UsualRange("mbps", 0, 1e3)),
    "bitrate_kbps": (UsualRange("kbps", 50, 50_000), UsualRange("bps", 50_000, 1e8), UsualRange("mbps", 0, 50)),
}
"""Field to what is usual, a bin is up to a few metres deep, a truck has 12 or 24 V."""
_BY_UNIT: Final[Mapping[str, tuple[UsualRange, ...]]] = {
    "pct": (UsualRange("pct", 1, 100), *_SHARE),
    "dbm": (UsualRange("dbm", 20, 150, -150),),
}
