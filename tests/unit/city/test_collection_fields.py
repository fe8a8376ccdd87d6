"""Columns that planning reads from the inventory: optional, with defaults, and wrong ones refused with their line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from city.inventory.loader import builtin_city, load_city
from city.inventory.problems import InventoryError
from city.inventory.windows import parse_window


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the built-in city."""
    return shutil.copytree(builtin_city("kupang"), tmp_path / "city")


def set_column(path: Path, column: str, value: str, row: int = 1) -> None:
    """Add a column with a value in one row, or replace it there."""
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    header = lines[0]
    if column not in header:
        header.append(column)
        for line in lines[1:]:
            line.append("")
    lines[row][header.index(column)] = value
    path.write_text("\n".join(",".join(line) for line in lines), encoding="utf-8")


def test_a_city_without_these_columns_has_defaults() -> None:
    city = load_city(builtin_city("kupang"))
    truck, bin_ = city.trucks["truck-01"], city.bins["bin-0001"]
    assert (truck.vehicle_class, truck.split_kg, truck.streams, truck.day_kg, truck.shift, truck.end_depot) == (
        "large", (), (), None, None, "",
    )  # fmt: skip
    assert (bin_.every_days, bin_.access) == (None, "large")
    assert city.sites["tpa-alak"].service_hours is None
    assert city.kelurahan["alak"].detour_factor == 1.4


def test_columns_are_read(folder: Path) -> None:
    trucks, bins = folder / "trucks.csv", folder / "bins.csv"
    set_column(trucks, "vehicle_class", "small")
    set_column(trucks, "split_kg", "organic:3000; non_organic:2000.5")
    set_column(trucks, "streams", "organic", row=2)
    set_column(trucks, "day_kg", "12000")
    set_column(trucks, "shift", "22:00-06:00")
    set_column(trucks, "end_depot", "depot-alak")
    set_column(bins, "every_days", "3")
    set_column(bins, "access", "small")
    set_column(folder / "sites.csv", "service_hours", "06:00-14:00")
    set_column(folder / "kelurahan.csv", "detour_factor", "1.8")
    city = load_city(folder)
    truck, bin_ = city.trucks["truck-01"], city.bins["bin-0001"]
    assert truck.vehicle_class == "small"
    assert truck.split_kg == (("organic", 3000.0), ("non_organic", 2000.5))
    assert city.trucks["truck-02"].streams == ("organic",)
    assert truck.day_kg == 12000
    assert truck.shift == parse_window("22:00-06:00")
    assert truck.end_depot == "depot-alak"
    assert (bin_.every_days, bin_.access) == (3, "small")
    assert city.sites["office-alak"].service_hours == parse_window("06:00-14:00")
    assert city.kelurahan["alak"].detour_factor == 1.8


@pytest.mark.parametrize(
    ("file", "column", "value", "reason"),
    [
        ("trucks.csv", "vehicle_class", "huge", "'huge' is not one of large, small"),
        ("trucks.csv", "split_kg", "organic", "is not a stream with 1..60000 kg"),
        ("trucks.csv", "split_kg", "organic:nan;non_organic:5", "is not a stream with 1..60000 kg"),
        ("trucks.csv", "split_kg", "organic:3000", "does not name each of several streams once"),
        ("trucks.csv", "split_kg", "organic:3000;organic:2000", "does not name each of several streams once"),
        ("trucks.csv", "split_kg", "organic:3000;glass:2000", "'glass' is not one of organic, non_organic"),
        ("trucks.csv", "streams", "organic;glass", "'glass' is not one of organic, non_organic"),
        ("trucks.csv", "day_kg", "0", "outside 1..600000"),
        ("trucks.csv", "shift", "6-14", "is not a window like"),
        ("trucks.csv", "shift", "06:00-06:00", "it ends when it starts"),
        ("trucks.csv", "end_depot", "depot-nowhere", "there is no site 'depot-nowhere'"),
        ("bins.csv", "every_days", "0", "outside 1..31"),
        ("bins.csv", "every_days", "weekly", "is not a whole number"),
        ("bins.csv", "access", "none", "'none' is not one of large, small"),
        ("sites.csv", "service_hours", "always", "is not a window like"),
        ("kelurahan.csv", "detour_factor", "0.5", "outside 1..10"),
    ],
)
def test_a_wrong_value_is_refused_with_file_line_and_field(
    folder: Path, file: str, column: str, value: str, reason: str
) -> None:
    set_column(folder / file, column, value)
    with pytest.raises(InventoryError) as caught:
        load_city(folder)
    problem = caught.value.problems[0]
    assert (problem.where, problem.field) == (f"{file}:2", column)
    assert reason in problem.message
