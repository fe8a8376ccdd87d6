"""Streets from an extract that the test draws, outlines from files of authorities, and what is refused."""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import osmium
import pytest

from city.cli.main import main
from city.errors import ConfigError
from city.inventory.loader import builtin_city, load_city
from dispatch.street_map.cli import bounds_of
from dispatch.street_map.files import (
    read_about,
    read_outlines,
    read_tile,
    streets_path,
    write_streets,
)
from dispatch.street_map.osm_streets import read_streets
from dispatch.street_map.outlines import convert_outlines
from dispatch.street_map.tiles import (
    EXTENT,
    Street,
    StreetTile,
    label_of,
    lines_of,
    to_world,
)

CITY = load_city(builtin_city("kupang"))
NOW = datetime(2026, 3, 1, tzinfo=UTC)
LAT, LON = CITY.lat_deg, CITY.lon_deg
STEP = 0.002
"""Degrees between two nodes of the extract, about 220 m."""


def extract(path: Path, ways: list[tuple[list[tuple[float, float]], Mapping[str, str]]]) -> Path:
    """An extract with ways whose corners are steps to the north and to the east of the city's centre."""
    with osmium.SimpleWriter(str(path)) as writer:
        number, nodes = 0, []
        for corners, _ in ways:
            nodes.append([])
            for north, east in corners:
                number += 1
                location = (LON + east * STEP, LAT + north * STEP)
                writer.add_node(osmium.osm.mutable.Node(id=number, location=location))
                nodes[-1].append(number)
        for id_, (refs, (_, tags)) in enumerate(zip(nodes, ways, strict=True), 1):
            writer.add_way(osmium.osm.mutable.Way(id=id_, nodes=refs, tags=dict(tags)))
    return path


def tile_of(data: Path, zoom: int, north: float = 0, east: float = 0) -> StreetTile:
    """The tile in which a place lies."""
    x, y = to_world((LAT + north * STEP, LON + east * STEP), zoom)
    content = read_tile(data, (zoom, int(x // EXTENT), int(y // EXTENT)))
    return msgspec.json.decode(gzip.decompress(content), type=StreetTile) if content else StreetTile([], [])


EL_TARI = ([(0, 0), (0, 4), (1, 8)], {"highway": "primary", "name": "Jalan El Tari"})
GANG = ([(0, 1), (0.5, 1)], {"highway": "footway"})
CLINIC = ([(2, 2), (2, 3)], {"highway": "residential"})


def test_streets_are_drawn_by_their_class_and_zoom(tmp_path: Path) -> None:
    """Main roads are there from far away, foot paths only near; what is no street is never there."""
    river = ([(1, 0), (1, 4)], {"waterway": "river"})
    building_site = ([(3, 0), (3, 4)], {"highway": "construction"})
    square = ([(4, 0), (4, 1), (5, 1), (4, 0)], {"highway": "pedestrian", "area": "yes"})
    file = extract(tmp_path / "city.osm.pbf", [EL_TARI, GANG, CLINIC, river, building_site, square])
    about = write_streets(tmp_path, read_streets(file, bounds_of(CITY)), "city.osm.pbf", NOW)
    assert (about.streets, about.named, about.zooms) == (3, 1, (11, 16))
    assert [line.class_ for line in tile_of(tmp_path, 11).streets] == [0]
    near = {line.class_ for line in tile_of(tmp_path, 16, 0.2, 1).streets}
    assert near == {0, 5}
    assert {line.class_ for line in tile_of(tmp_path, 14, 2, 2.5).streets} >= {3}


def test_the_least_important_is_drawn_first(tmp_path: Path) -> None:
    write_streets(
        tmp_path,
        [Street(0, "", [(LAT, LON), (LAT, LON + 0.01)]), Street(3, "", [(LAT, LON), (LAT + 0.01, LON)])],
        "x",
        NOW,
    )
    classes = [line.class_ for line in tile_of(tmp_path, 15).streets]
    assert classes == sorted(classes, reverse=True)
    assert set(classes) == {0, 3}


def test_the_corners_of_a_street_are_where_it_is() -> None:
    """Steps from the upper left corner of the tile."""
    street = Street(0, "", [(LAT, LON), (LAT, LON + 0.0003)])
    x, y = to_world((LAT, LON), 16)
    line = dict(lines_of(street, 16))[16, int(x // EXTENT), int(y // EXTENT)]
    assert line.steps[:2] == [round(x % EXTENT), round(y % EXTENT)]
    assert line.steps[2] == pytest.approx(0.0003 / 360 * EXTENT * 2**16, abs=1)
    assert line.steps[3] == 0


def test_a_street_over_tiles_is_whole_in_each() -> None:
    """Pieces overlap by the margin, so that no gap is seen between tiles; the last tile may have the margin alone."""
    street = Street(2, "", [(LAT, LON + n * 0.001) for n in range(30)])
    pieces = dict(lines_of(street, 16))
    columns = sorted({x for _, x, _ in pieces})
    assert columns == list(range(columns[0], columns[-1] + 1))
    assert len(columns) > 4
    for line in (line for (_, x, _), line in pieces.items() if columns[1] <= x < columns[-2]):
        end_x = sum(line.steps[::2])
        assert line.steps[0] <= 0
        assert end_x >= EXTENT


def test_a_street_that_leaves_a_tile_and_returns_is_two_pieces() -> None:
    """Nothing joins the place where it leaves with the one where it returns."""
    size = 360 / 2**16
    west = math.floor(LON / size) * size
    inside, far = (LAT, west + size / 2), (LAT, west + 2.5 * size)
    street = Street(2, "", [inside, far, (LAT + 0.0005, west + 2.5 * size), (LAT + 0.0005, west + size / 2)])
    keys = [key for key, _ in lines_of(street, 16)]
    assert len(keys) > len(set(keys))


def test_names_stand_upright_in_the_middle_and_only_near() -> None:
    west = Street(3, "Jalan Timor", [(LAT, LON + 0.01), (LAT, LON)])
    placed = label_of(west, 16)
    assert placed is not None
    assert placed[1] == 0
    assert placed[0] == pytest.approx(to_world((LAT, LON + 0.005), 16))
    assert label_of(west, 15) is None
    assert label_of(west._replace(class_=2), 15) is not None
    assert label_of(Street(3, "", west.corners), 16) is None
    short = Street(3, "Jalan Jenderal Soeharto", [(LAT, LON), (LAT, LON + 0.0001)])
    assert label_of(short, 16) is None


def test_the_same_name_does_not_stand_beside_itself(tmp_path: Path) -> None:
    """A street is many ways, and each has its name."""
    parts = [Street(2, "Jalan Timor", [(LAT, LON + n * 0.002), (LAT, LON + n * 0.002 + 0.002)]) for n in range(3)]
    write_streets(tmp_path, parts, "x", NOW)
    assert len(tile_of(tmp_path, 15).labels) == 1


def test_a_new_import_replaces_the_old_one_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    street = Street(0, "", [(LAT, LON), (LAT, LON + 0.01)])
    write_streets(tmp_path, [street], "first", NOW)
    with pytest.raises(ConfigError, match="no street"):
        write_streets(tmp_path, [], "second", NOW)
    about = read_about(tmp_path)
    assert about is not None
    assert about.source == "first"
    write_streets(tmp_path, [street, street], "third", NOW)
    about = read_about(tmp_path)
    assert about is not None
    assert (about.source, about.streets) == ("third", 2)
    assert not list(streets_path(tmp_path).parent.glob(".*"))


def test_nothing_imported_and_a_broken_file_are_no_streets(tmp_path: Path) -> None:
    assert read_about(tmp_path) is None
    assert read_tile(tmp_path, (11, 0, 0)) is None
    streets_path(tmp_path).parent.mkdir()
    streets_path(tmp_path).write_bytes(b"no database at all, only some text" * 100)
    assert read_about(tmp_path) is None
    assert read_tile(tmp_path, (11, 0, 0)) is None


def test_streets_far_from_the_city_are_left_out(tmp_path: Path) -> None:
    """An extract is of a whole province."""
    file = extract(tmp_path / "far.osm.pbf", [([(400, 400), (401, 400)], {"highway": "primary"}), CLINIC])
    assert [street.class_ for street in read_streets(file, bounds_of(CITY))] == [3]


def test_the_verb_imports_and_says_how_much(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = extract(tmp_path / "city.osm.pbf", [EL_TARI, CLINIC])
    assert main(["map", "import", str(file), "--data", str(tmp_path / "data")]) == 0
    assert "2 streets, 1 of them with a name" in capsys.readouterr().out
    assert [label.name for label in tile_of(tmp_path / "data", 16, 0.5, 6).labels] == ["Jalan El Tari"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"nonsense", ""), (b"", ""), ("empty", "no street")],
)
def test_an_extract_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | str | None, words: str
) -> None:
    file = tmp_path / "city.osm.pbf"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        extract(file, [([(0, 0), (0, 1)], {"waterway": "river"})])
    assert main(["map", "import", str(file), "--data", str(tmp_path / "data")]) == 2
    error = capsys.readouterr().err
    assert "city.osm.pbf" in error
    assert words in error
    assert read_about(tmp_path / "data") is None


def square(name: str, key: str = "name", **more: Any) -> dict[str, Any]:
    ring = [[LON, LAT, 3.0], [LON + 0.01, LAT, 3.0], [LON, LAT + 0.0123456, 3.0], [LON, LAT, 3.0]]
    return {
        "type": "Feature",
        "properties": {key: name},
        "geometry": {"type": "Polygon", "coordinates": [ring], **more},
    }


def collection(*features: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"type": "FeatureCollection", "features": features})


def of_all(*, skip: str = "") -> list[dict[str, Any]]:
    return [square(place.name.upper(), "NAMOBJ") for place in CITY.kelurahan.values() if place.name != skip]


def test_outlines_are_matched_by_name_in_any_spelling() -> None:
    features = of_all(skip="Naikoten I")
    features.append(square("Kelurahan naikoten 1", "WADMKD"))
    shapes = msgspec.json.decode(convert_outlines(collection(*features), CITY))
    assert {feature["properties"]["id"] for feature in shapes["features"]} == set(CITY.kelurahan)
    assert shapes["features"][0]["geometry"]["coordinates"][0][2] == [round(LON, 5), round(LAT + 0.0123456, 5)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "no FeatureCollection"),
        (b"[" * 100_000, "no FeatureCollection"),
        (collection(*of_all(), square("Atlantis")), "there is no kelurahan 'Atlantis'"),
        (collection(*of_all(), {"type": "Feature"}), "there is no kelurahan ''"),
        (collection(*of_all(skip="Alak")), "Alak is missing"),
        (collection(*of_all(), square("Alak")), "Alak is there twice"),
        (collection(*of_all(skip="Alak"), square("Alak", type="Point")), "a Point is no outline"),
        (collection(*of_all(skip="Alak"), square("Alak", coordinates=[[[571_000, 8_875_000], [1, 2]]])), "EPSG:4326"),
        (collection(*of_all(skip="Alak"), square("Alak", coordinates=7)), "not those of GeoJSON"),
        (collection(*of_all(skip="Alak"), square("Alak", coordinates=[])), "no corners"),
    ],
)
def test_outlines_that_are_wrong_are_refused_with_the_reason(text: bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        convert_outlines(text, CITY)


def test_the_verb_keeps_old_outlines_when_new_ones_are_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.geojson", tmp_path / "bad.geojson"
    good.write_bytes(collection(*of_all()))
    bad.write_bytes(collection(square("Atlantis")))
    assert main(["map", "outlines", str(good), "--data", str(tmp_path / "data")]) == 0
    kept = read_outlines(tmp_path / "data")
    assert kept is not None
    assert main(["map", "outlines", str(bad), "--data", str(tmp_path / "data")]) == 2
    assert "bad.geojson: features[0]: there is no kelurahan 'Atlantis'" in capsys.readouterr().err
    assert read_outlines(tmp_path / "data") == kept
    assert main(["map", "outlines", str(tmp_path / "none"), "--data", str(tmp_path / "data")]) == 2


def test_what_a_disk_refuses_is_said(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match="map"):
        write_streets(tmp_path, [Street(0, "", [(LAT, LON), (LAT, LON + 0.01)])], "x", NOW)
    assert read_about(tmp_path) is None
