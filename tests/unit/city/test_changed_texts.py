"""Texts of which one entry is changed: all that was not changed stays as it is, to the byte."""

from __future__ import annotations

import pytest

from city.inventory.editing.csv_text import parse_csv
from city.inventory.editing.entries import EntryTable, entries_of, with_entry, without_entry
from city.inventory.editing.history import changed_lines
from city.inventory.editing.toml_text import with_table, without_table
from city.inventory.loader import builtin_city

KUPANG = builtin_city("kupang")
ODD = '\ufeffx,id,"name"\r\n"c,d", a1 ,"b ""b"" "\r\n\r\n,z,"q"\r\n2,last,1'
"""A byte order mark, CRLF, quotes, blanks, an empty line, columns in another order, and no line end at the end."""


@pytest.mark.parametrize("name", ["bins.csv", "trucks.csv", "access_points.csv", "sites.csv"])
def test_a_parsed_text_is_written_as_it_was(name: str) -> None:
    text = (KUPANG / name).read_text(encoding="utf-8")
    assert parse_csv(text).text() == text
    assert parse_csv(ODD).text() == ODD


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": 'b "b"', "x": "c,d"}, ODD),
        ({"name": "new, with comma", "x": "c,d"}, ODD.replace('"b ""b"" "', '"new, with comma"')),
        ({"name": 'b "b"'}, ODD.replace('"c,d", a1', ", a1")),
        (
            {"name": 'b "b"', "x": "c,d", "y": "5"},
            '\ufeffx,id,"name",y\r\n"c,d", a1 ,"b ""b"" ",5\r\n\r\n,z,"q",\r\n2,last,1,',
        ),
    ],
    ids=["nothing", "one cell", "emptied", "new column"],
)
def test_a_row_is_changed_cell_by_cell(fields: dict[str, str], expected: str) -> None:
    assert parse_csv(ODD).with_row("a1", fields).text() == expected


def test_a_row_is_added_at_the_end_and_removed_again() -> None:
    added = parse_csv(ODD).with_row("n1", {"name": 'say "x"', "x": ""}).text()
    assert added == ODD + '\r\n,n1,"say ""x"""\r\n'
    assert parse_csv(added).without_row("n1").text() == ODD + "\r\n"
    with pytest.raises(KeyError):
        parse_csv(ODD).without_row("n1")


@pytest.mark.parametrize("text", ["", 'id,name\na,"open', 'id\n"a"b\n', 'id,name\na,"two\r\nlines"\n'])
def test_a_text_that_cannot_be_kept_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"header|quote|expected|text editor"):
        parse_csv(text)


def test_a_table_of_toml_is_changed_with_all_comments_kept() -> None:
    text = (KUPANG / "city.toml").read_text(encoding="utf-8")
    changed = with_table(text, ("hours", "default"), {"every_day": ["18:00-05:00"], "exceptions": {"2026-12-25": []}})
    lines = changed_lines(text, changed)
    kept = [line for line in text.splitlines() if line not in lines.before]
    assert [line for line in changed.splitlines() if line in kept] == kept
    assert 'every_day = ["18:00-05:00"]' in changed
    assert changed.splitlines()[text.splitlines().index("[hours.default.exceptions]") + 1] == "2026-12-25 = []"
    assert with_table(changed, ("hours", "default"), {"every_day": ["17:00-05:00"], "exceptions": {}}) == text


def test_crlf_and_a_byte_order_mark_of_toml_stay() -> None:
    text = "\ufeff# why\r\n[a]\r\nx = 1 # one\r\n"
    assert with_table(text, ("a",), {"y": "z"}) == '\ufeff# why\r\n[a]\r\nx = 1 # one\r\ny = "z"\r\n'
    added = with_table(text, ("b",), {"y": 2})
    assert added.startswith(text)
    assert "\n" not in added.replace("\r\n", "")
    assert without_table(added, ("a",)) != added


def test_a_table_that_is_absent_cannot_be_removed_and_broken_toml_is_refused() -> None:
    with pytest.raises(KeyError):
        without_table("[a]\nx = 1\n", ("b",))
    with pytest.raises(ValueError, match="line 1"):
        with_table("[a\n", ("a",), {})


def test_a_table_that_is_written_inline_is_changed_or_refused_and_never_damaged() -> None:
    text = 'hours = { default = { name = "K", every_day = ["17:00-05:00"] } }\n'
    changed = with_table(text, ("hours", "default"), {"name": "L"})
    assert changed == text.replace('"K"', '"L"')


ROWS: list[tuple[EntryTable, str, str]] = [
    ("bin", "bins.csv", "bin-0001"),
    ("truck", "trucks.csv", "truck-01"),
    ("ap", "access_points.csv", "ap-alak"),
    ("site", "sites.csv", "office-alak"),
    ("camera", "cameras.toml", "cam-01"),
    ("hours", "city.toml", "liliba"),
]


@pytest.mark.parametrize(("table", "name", "id_"), ROWS, ids=[row[0] for row in ROWS])
def test_an_entry_that_is_written_as_it_was_changes_nothing(table: EntryTable, name: str, id_: str) -> None:
    text = (KUPANG / name).read_text(encoding="utf-8")
    entry = next(entry for entry in entries_of(table, text) if entry.id == id_)
    assert id_ in text.splitlines()[entry.line - 1]
    assert with_entry(table, text, id_, entry.fields) == text
    assert id_ not in {entry.id for entry in entries_of(table, without_entry(table, text, id_))}


def test_zones_of_a_camera_stay_when_its_source_changes() -> None:
    text = (KUPANG / "cameras.toml").read_text(encoding="utf-8")
    entry = next(entry for entry in entries_of("camera", text) if "zone" in entry.fields)
    given = {name: value for name, value in entry.fields.items() if name != "zone"}
    changed = with_entry("camera", text, entry.id, {**given, "source": "rtsp://10.0.0.9/sub", "lat_deg": "-10.5"})
    after = next(after for after in entries_of("camera", changed) if after.id == entry.id)
    assert after.fields == {**entry.fields, "source": "rtsp://10.0.0.9/sub", "lat_deg": -10.5}


def test_a_value_with_a_line_break_is_refused() -> None:
    text = (KUPANG / "bins.csv").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="color: has a line break"):
        with_entry("bin", text, "bin-0001", {"color": "yel\nlow"})


def test_a_file_that_does_not_exist_begins_with_its_first_entry() -> None:
    text = with_entry("ap", "", "ap-1", {"model": "m", "ssids": "a;b"})
    assert text.splitlines()[0].startswith("id,model,ssids,kelurahan,site,")
    assert [entry.fields for entry in entries_of("ap", text)] == [{"id": "ap-1", "model": "m", "ssids": "a;b"}]
    assert with_entry("alarm", "", "fire", {"priority": "high"}) == '[fire]\npriority = "high"\n'
