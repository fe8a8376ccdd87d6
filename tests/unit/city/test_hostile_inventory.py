"""Inventory files of somebody who wants to break the reading: a clear problem each time, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city.inventory.loader import load_city
from city.inventory.problems import InventoryError, InventoryProblem
from tests.unit.city.conftest import FILES, HOURS_TOML, ZONE, Edit, Town, errors_of

SONAR = "profiles/sonar.toml"
ONE_LINE = 300
"""Characters that no line exceeds, whatever the file holds."""

VALUES: list[tuple[Edit, str]] = [
    (("trucks.csv", "DH 1 A", "DH\0"), "trucks.csv:2: plate: 'DH\\x00' holds a NUL character"),
    (("trucks.csv", "4000", "inf"), "trucks.csv:2: capacity_kg: 'inf' is not a number"),
    (("trucks.csv", "4000", "1e999"), "trucks.csv:2: capacity_kg: '1e999' is not a number"),
    (("trucks.csv", "4000", "9" * 5_000), "trucks.csv:2: capacity_kg: '9999"),
    (("trucks.csv", "4000", "0x10"), "trucks.csv:2: capacity_kg: '0x10' is not a number"),
    (("trucks.csv", "4000", "True"), "trucks.csv:2: capacity_kg: 'True' is not a number"),
    (("trucks.csv", "DH 1 A", "x" * 200_000), "trucks.csv:2: field larger than field limit"),
    (("models.toml", "120", "nan"), "models.toml:1 [small]: capacity_l: nan is not a number"),
    (("models.toml", "120", "true"), "models.toml:1 [small]: capacity_l: True is not a number"),
    (("models.toml", "120", "[1]"), "models.toml:1 [small]: capacity_l: [1] is not a number"),
    (("models.toml", "120", "2026-01-01"), "models.toml:1 [small]: capacity_l: datetime.date(2026, 1, 1) is not a"),
    (("models.toml", "120", "9" * 5_000), "models.toml: Exceeds the limit"),
    (("models.toml", "120", "0x" + "F" * 5_000), "models.toml:1 [small]: capacity_l: a number of thousands of"),
    (("models.toml", "120", "{ x = 1 }"), "models.toml:1 [small]: capacity_l: {'x': 1} is not a number"),
    (("models.toml", "[small]", "small = 3\n[other]"), "models.toml: small: is not a table"),
    (("models.toml", "120", "[" * 5_000), "models.toml: "),
    (("models.toml", '"plastic"', "[]"), "models.toml:1 [small]: material: [] is not one of plastic, steel"),
    (("models.toml", "120", "120\nid = 'x'"), "models.toml:1 [small]: id: unknown field; known: capacity_l, "),
    (("city.toml", '"Tiny Town"', "5"), "city.toml: name: 5 is not a text"),
    (("city.toml", '"Asia/Makassar"', "5"), "city.toml: time_zone: 5 is not a text"),
    (("city.toml", '"Asia/Makassar"', '"../../../etc/passwd"'), "city.toml: time_zone: '../../../etc/passwd' is not a"),
    (("city.toml", "lat_deg = -10.0", "lat_deg = -10.0\nversion = 7"), "city.toml: version: unknown field; known: "),
    (("city.toml", "lat_deg = -10.0", "lat_deg = -10.0\nbins = 7"), "city.toml: bins: unknown field; known: "),
    (("city.toml", HOURS_TOML, "hours = 3"), "city.toml: hours: is not a table"),
    (("city.toml", '["17:00-05:00"]', "[[]]"), "city.toml:8 [hours.default]: every_day: '[]' is not a window"),
    (("cameras.toml", ZONE, "zones = [3]"), "cameras.toml:1 [cam-1]: zones: is not a list of tables"),
    (
        ("cameras.toml", ZONE, "[[cam-1.zones]]\nkind = 3\nname = 'x'\npolygon = 3"),
        "cameras.toml:1 [cam-1.zones[1]]: polyg",
    ),
    (
        ("cameras.toml", ZONE, "zone = [[0, nan], [1, 0], [1, 1]]"),
        "cameras.toml:1 [cam-1]: zone: is not a list of points",
    ),
    (("cameras.toml", ZONE, "binding = { adapter = 'tts' }"), "cameras.toml:1 [cam-1]: binding: unknown field"),
    (("cameras.toml", ZONE, "profile = ['sonar']"), "cameras.toml:1 [cam-1]: profile: ['sonar'] is not a text"),
    (("cameras.toml", ZONE, "id = 'cam-2'"), "cameras.toml:1 [cam-1]: id: is the name of the table"),
    ((SONAR, "[fields]", "extends = 3\n[fields]"), f"{SONAR}: extends: 3 is not a text"),
    ((SONAR, "[fields]", "matches = [3]\n[fields]"), f"{SONAR}: matches: [3] is neither a text"),
    ((SONAR, "scale = 10", "signed_bits = true"), f"{SONAR}:3 [fields.distance_mm]: signed_bits: True is not a number"),
    ((SONAR, "scale = 10", "signed_bits = 65"), f"{SONAR}:3 [fields.distance_mm]: signed_bits: 65 is outside 0..64"),
    ((SONAR, "scale = 10", "signed_bits = 1.5"), f"{SONAR}:3 [fields.distance_mm]: signed_bits: 1.5"),
    ((SONAR, "scale = 10", "units = ['cm']"), f"{SONAR}:3 [fields.distance_mm]: units: unknown"),
    ((SONAR, "normal = false", "normal = []"), f"{SONAR}:3 [fields.lid_open]: choices.normal: []"),
    ((SONAR, "choices = {", "choices = 3, x = {"), f"{SONAR}:3 [fields.lid_open]: choices: is not"),
]


@pytest.mark.parametrize(("edit", "expected"), VALUES, ids=lambda v: str(v)[:60])
def test_a_hostile_value_is_named_in_a_short_line(town: Town, edit: Edit, expected: str) -> None:
    """Whatever stands in a field: its place, the value shortened, and what was expected."""
    found = errors_of(town(edit))
    assert any(line.startswith(expected) for line in found), found
    assert all(len(line) < ONE_LINE for line in found)


def test_a_csv_file_that_ends_with_a_nul_costs_that_line_alone(town: Town) -> None:
    """What a full disk leaves at the end of a file."""
    folder = town()
    with (folder / "bins.csv").open("ab") as file:
        file.write(b"\0")
    assert errors_of(folder) == ["bins.csv:4: 1 cells under 11 columns"]


def test_an_empty_csv_file_is_no_city_without_bins(town: Town) -> None:
    """What a full disk leaves of a file: its columns are missing."""
    folder = town()
    (folder / "bins.csv").write_bytes(b"")
    assert errors_of(folder) == [
        f"bins.csv:1: {name}: column is missing" for name in ("color", "id", "model", "waste_kind")
    ]


def test_no_control_character_of_a_file_reaches_the_terminal(town: Town) -> None:
    """Keys of TOML may hold line feeds and escape sequences; each problem stays one line all the same."""
    (line,) = errors_of(town(("models.toml", "120", '120\n"\\u001b[2J\\n" = 1')))
    assert line.startswith("models.toml:1 [small]: \\x1b[2J\\n: unknown field; known: ")


def test_a_file_in_latin_1_is_named_with_the_first_byte_that_is_none_of_utf_8(town: Town) -> None:
    """So that the place is found in a large file."""
    folder = town()
    content = (folder / "sites.csv").read_bytes().replace(b"TPS One", "TPS Perpétua".encode("latin-1"))
    (folder / "sites.csv").write_bytes(content)
    assert f"sites.csv: not UTF-8 at byte {content.index(0xE9)}" in errors_of(folder)


def test_a_column_that_stands_twice_hides_no_problem_of_a_row(town: Town) -> None:
    """The header's problem first, then those of the rows."""
    found = errors_of(town(("bins.csv", "lon_deg,", "lat_deg,"), ("bins.csv", "green", "red")))
    assert found[0] == "bins.csv:1: lat_deg: column twice"
    assert "bins.csv:3: color: 'red' is not one of yellow, green, grey" in found


def test_each_wrong_field_of_a_row_is_named(town: Town) -> None:
    """None of them hides another one, not even those that two fields make together."""
    row = "bin-1,big,organik,red,nowhere,tps-9,,181,tts,,radar"
    folder = town(("bins.csv", "bin-1,small,organic,yellow,liliba,,-10.1,123.1,tts,app/one,sonar", row))
    assert sorted(errors_of(folder)) == [
        "bins.csv:2: address: is missing: adapter, address, profile go together",
        "bins.csv:2: color: 'red' is not one of yellow, green, grey",
        "bins.csv:2: kelurahan: there is no kelurahan 'nowhere'",
        "bins.csv:2: lat_deg: is missing beside lon_deg",
        "bins.csv:2: lon_deg: 181 is outside -180..180",
        "bins.csv:2: model: there is no model 'big'",
        "bins.csv:2: profile: there is no profile 'radar'",
        "bins.csv:2: site: there is no site 'tps-9'",
        "bins.csv:2: waste_kind: 'organik' is not one of organic, non_organic",
    ]


def test_ten_thousand_problems_are_all_named_in_order(town: Town) -> None:
    """Those of the file behind them as well."""
    folder = town(("cameras.toml", "source", "sauce"))
    rows = "".join(f"bin-{n},small,organik,yellow\n" for n in range(10_000))
    (folder / "bins.csv").write_text("id,model,waste_kind,color\n" + rows)
    with pytest.raises(InventoryError) as caught:
        load_city(folder)
    *of_bins, of_camera = caught.value.problems
    assert [problem.where for problem in of_bins] == [f"bins.csv:{n}" for n in range(2, 10_002)]
    assert {(problem.field, problem.message) for problem in of_bins} == {
        ("waste_kind", "'organik' is not one of organic, non_organic")
    }
    assert (of_camera.where, of_camera.field) == ("cameras.toml:1 [cam-1]", "sauce")
    assert len(str(caught.value).splitlines()) == 10_001


def test_a_problem_is_one_line_for_people_made_of_its_parts() -> None:
    """A colon in a part is no matter: nobody takes the line apart again."""
    assert str(InventoryProblem("bins.csv:2", "model", "there is no model 'a: b'")) == (
        "bins.csv:2: model: there is no model 'a: b'"
    )
    assert str(InventoryProblem("bins.csv", "", "not UTF-8 at byte 0")) == "bins.csv: not UTF-8 at byte 0"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(FILES)), at=st.floats(0, 1), cut=st.integers(0, 40), put=st.binary(max_size=40))
def test_whatever_bytes_a_file_has_the_city_loads_or_its_problems_are_named(
    town: Town, name: str, at: float, cut: int, put: bytes
) -> None:
    """No other error ever comes out of it."""
    folder: Path = town()
    content = (folder / name).read_bytes()
    place = int(at * len(content))
    (folder / name).write_bytes(content[:place] + put + content[place + cut :])
    problems = (InventoryProblem("none", "", "was named"),)
    try:
        load_city(folder)
    except InventoryError as exc:
        problems = exc.problems
    assert problems
    assert all(problem.where and problem.message for problem in problems)
