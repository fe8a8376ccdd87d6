"""Units: read from texts as people and devices write them, and converted without surprises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.payloads import fields_of
from broker.contract.topics import KINDS
from city.inventory.units import UNITS, can_convert, convert, field_unit, number_and_unit, parse_unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2799 mm", (2799.0, "mm")),
        ("3.387 V", (3.387, "v")),
        ("25 ℃", (25.0, "c")),
        ("0.00 °C", (0.0, "c")),
        ("-3", (-3.0, "")),
        (".5", (0.5, "")),
        (" +7.25", (7.25, "")),
        ("1e3", (1000.0, "")),
        ("12,5 kg", (12.5, "kg")),
        ("16 %", (16.0, "pct")),
        ("-74dBm@6Mbps", (-74.0, "")),
        (" 7 bananas", (7.0, "")),
        (7, (7.0, "")),
    ],
)
def test_a_number_and_its_unit(text: object, expected: tuple[float, str]) -> None:
    assert number_and_unit(text) == expected


@pytest.mark.parametrize("text", ["1,234", "51.4,5.4", "", "mm", "nan", "inf", "1e999", None, True, [], 10**400])
def test_what_could_be_two_numbers_or_none_is_not_read(text: object) -> None:
    assert number_and_unit(text) is None


@pytest.mark.parametrize(
    ("number", "unit", "wanted", "expected"),
    [
        (79.2, "cm", "mm", 792.0),
        (10, "kn", "kmh", 18.52),
        (98.6, "f", "c", 37.0),
        (300.15, "k", "c", 27.0),
        (11922, "mv", "v", 11.922),
        (0.79, "share", "pct", 79.0),
        (18.67, "m/s", "kmh", 67.212),
        (1523.2, "bytes/s", "kbps", 12.1856),
        (5, "kg", "mm", 5),
    ],
)
def test_conversion(number: float, unit: str, wanted: str, expected: float) -> None:
    assert convert(number, unit, wanted) == expected


@given(number=st.floats(-1e6, 1e6), unit=st.sampled_from(sorted(UNITS)), wanted=st.sampled_from(sorted(UNITS)))
def test_there_and_back_is_the_same(number: float, unit: str, wanted: str) -> None:
    if can_convert(unit, wanted):
        assert convert(convert(number, unit, wanted), wanted, unit) == pytest.approx(number, rel=1e-6, abs=1e-6)


def test_every_unit_of_the_contract_is_known_here() -> None:
    units = {field_unit(field) for kind in KINDS for field in fields_of(kind)} - {""}
    assert units <= set(UNITS)
    assert parse_unit(" Knots ") == "kn"
