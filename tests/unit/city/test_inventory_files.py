"""Reading a city's files: what may be left out, and how every kind of mistake is named with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.inventory.loader import load_city
from city.inventory.model import Binding
from city.inventory.zones import Zone
from tests.unit.city.conftest import FILES, HOURS_TOML, ZONE, ZONES, Edit, Town, errors_of


def test_a_small_city_loads(town: Town) -> None:
    """What the files leave out comes from the site or from the defaults."""
    city = load_city(town())
    assert (city.bins["bin-2"].lat_deg, city.bins["bin-2"].kelurahan) == (-10.1, "liliba")
    assert city.bins["bin-1"].binding == Binding("tts", "app/one", "sonar")
    assert city.access_points["ap-1"].ssids == ("Free", "Staff")
    assert city.cameras["cam-1"].zones == (Zone("watch", "zone", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))),)
    assert city.trucks["truck-1"].lat_deg is None
    assert city.profiles["sonar"].fields["lid_open"].choices == {"normal": False, "tilt": True}
    assert city.hours["default"].describe() == "Mon-Sat 17:00-05:00, Sun all day"
    assert len(city.hours["default"].exceptions) == 2


def test_a_site_asks_for_clear_copies_with_a_yes(town: Town) -> None:
    """And for none without a word: evidence shows nobody unless the city has said so."""
    assert not load_city(town()).sites["tps-1"].clear_copies
    header, said = ("sites.csv", ",hours\n", ",hours,clear_copies\n"), ("sites.csv", "123.2,\n", "123.2,,yes\n")
    rest = ("sites.csv", ",default\n", ",default,\n")
    sites = load_city(town(header, said, rest)).sites
    assert (sites["tps-1"].clear_copies, sites["depot-1"].clear_copies) == (True, False)
    unclear = ("sites.csv", "123.2,\n", "123.2,,perhaps\n")
    assert errors_of(town(header, unclear, rest)) == ["sites.csv:2: clear_copies: 'perhaps' is neither yes nor no"]


def test_a_camera_has_zones_and_the_size_of_people(town: Town) -> None:
    """Each zone with its kind, and a pair for a person far away and one for a person close by."""
    camera = load_city(town(("cameras.toml", ZONE, "person_height = [[0.4, 0.1], [0.9, 0.3]]\n" + ZONES))).cameras[
        "cam-1"
    ]
    assert [(zone.kind, zone.name, len(zone.polygon)) for zone in camera.zones] == [("beside", "Bak", 3)]
    assert camera.person_height == ((0.4, 0.1), (0.9, 0.3))


def test_spreadsheets_may_write_a_mark_line_ends_and_empty_rows(town: Town) -> None:
    """A byte order mark, CR LF, spaces around cells and empty rows are what spreadsheets leave behind."""
    folder = town()
    text = (folder / "bins.csv").read_text(encoding="utf-8").replace("small", " small ")
    (folder / "bins.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b",,,,,,,,,,\r\n\r\n")
    assert len(load_city(folder).bins) == 2


MISTAKES: list[tuple[Edit, str]] = [
    (("bins.csv", "organic", "organik"), "bins.csv:2: waste_kind: 'organik' is not one of organic, non_organic"),
    (("bins.csv", ",green", ",red"), "bins.csv:3: color: 'red' is not one of yellow, green, grey"),
    (("bins.csv", "bin-2", "Bin 2"), "bins.csv:3: id: 'Bin 2' is not an id: [a-z0-9][a-z0-9-]{0,62}"),
    (("bins.csv", "bin-2,", ","), "bins.csv:3: id: is missing"),
    (("bins.csv", "bin-2", "bin-1"), "bins.csv:3: id: 'bin-1' is already in bins.csv:2"),
    (("trucks.csv", "truck-1", "bin-1"), "trucks.csv:2: id: 'bin-1' is already in bins.csv:2"),
    (("cameras.toml", "cam-1", "ap-1"), "cameras.toml:1 [ap-1]: id: 'ap-1' is already in access_points.csv:2"),
    (
        ("trucks.csv", "truck-1", "ingest"),
        "trucks.csv:2: id: 'ingest' is already in use as a service's user at the broker",
    ),
    (("bins.csv", "small", "big"), "bins.csv:2: model: there is no model 'big'"),
    (("bins.csv", "liliba", "nowhere"), "bins.csv:2: kelurahan: there is no kelurahan 'nowhere'"),
    (("bins.csv", "tps-1", "tps-9"), "bins.csv:3: site: there is no site 'tps-9'"),
    (("bins.csv", "-10.1", "-91"), "bins.csv:2: lat_deg: -91 is outside -90..90"),
    (("bins.csv", "123.1", "east"), "bins.csv:2: lon_deg: 'east' is not a number"),
    (("bins.csv", "123.1", "nan"), "bins.csv:2: lon_deg: 'nan' is not a number"),
    (("bins.csv", "123.1", ""), "bins.csv:2: lon_deg: is missing beside lat_deg"),
    (("bins.csv", ",sonar", ","), "bins.csv:2: profile: is missing: adapter, address, profile go together"),
    (("bins.csv", ",sonar", ",radar"), "bins.csv:2: profile: there is no profile 'radar'"),
    (("bins.csv", "1,,,,,", "1,,,tts,APP/One,sonar"), "bins.csv:3: address: 'app/one' is already in bins.csv:2"),
    (("bins.csv", ",sonar\n", ",sonar,extra\n"), "bins.csv:2: 12 cells under 11 columns"),
    (("bins.csv", "id,", '"id'), "bins.csv:3: unexpected end of data"),
    (("models.toml", "120", "9" * 400), "models.toml:1 [small]: capacity_l: "),
    (("trucks.csv", "capacity_kg", "capacity"), "trucks.csv:1: capacity: unknown column; known: id, plate, depot,"),
    (("trucks.csv", "capacity_kg", "capacity"), "trucks.csv:1: capacity_kg: column is missing"),
    (("trucks.csv", "plate", "id"), "trucks.csv:1: id: column twice"),
    (("trucks.csv", "depot-1", "tps-1"), "trucks.csv:2: depot: site 'tps-1' is a tps, not a depot"),
    (
        (
            "trucks.csv",
            "kg\ntruck-1,DH 1 A,depot-1,4000",
            "kg,adapter,address,profile\ntruck-1,D,depot-1,9,tts,t/t,sonar",
        ),
        "trucks.csv:2: profile: 'sonar' reads a bin, not a truck",
    ),
    (("sites.csv", ",tps,", ",dump,"), "sites.csv:2: kind: 'dump' is not one of tps, office, park, depot, landfill"),
    (("sites.csv", ",default", ",liliba"), "sites.csv:3: hours: there is no table of hours 'liliba'"),
    (("sites.csv", "tps-1,", "depot-1,"), "sites.csv:3: id: 'depot-1' is already in sites.csv:2"),
    (("kelurahan.csv", "123.1", "181"), "kelurahan.csv:2: lon_deg: 181 is outside -180..180"),
    (
        ("models.toml", "900", "50"),
        "models.toml:1 [small]: dead_zone_mm: offset_mm + dead_zone_mm = 50 is not below height_mm = 50",
    ),
    (("models.toml", "height_mm", "hight_mm"), "models.toml:1 [small]: hight_mm: unknown field; known: "),
    (("models.toml", "height_mm", "hight_mm"), "models.toml:1 [small]: height_mm: is missing"),
    (
        ("models.toml", "capacity_l = 120", 'invalid_mm = ["x"]'),
        "models.toml:1 [small]: invalid_mm: 'x' is not a number",
    ),
    (("models.toml", "120", "= 120"), "models.toml: Invalid value (at line 3, column 14)"),
    (
        ("profiles/sonar.toml", '"bin"', '"boat"'),
        "profiles/sonar.toml: kind: 'boat' is not one of bin, truck, ap, camera",
    ),
    (
        ("profiles/sonar.toml", "distance_mm", "fill"),
        "profiles/sonar.toml:3 [fields]: fill: a bin has no such field; known: ",
    ),
    (
        ("profiles/sonar.toml", '["level", "a.b"]', "[]"),
        "profiles/sonar.toml:3 [fields.distance_mm]: source: names no path",
    ),
    (
        ("profiles/sonar.toml", "scale", "scales"),
        "profiles/sonar.toml:3 [fields.distance_mm]: scales: unknown field; known: ",
    ),
    (
        ("profiles/sonar.toml", "[0, ", "[[0], "),
        "profiles/sonar.toml:3 [fields.distance_mm]: invalid: [0] is neither a text, a",
    ),
    (("cameras.toml", "source", "sauce"), "cameras.toml:1 [cam-1]: sauce: unknown field; known: "),
    (("cameras.toml", '"tps-1"', "1"), "cameras.toml:1 [cam-1]: site: 1 is not a text"),
    (
        ("cameras.toml", "[1, 1]", "[1, 1.5]"),
        "cameras.toml:1 [cam-1]: zone: is not a list of points [x, y] with x and y",
    ),
    (("cameras.toml", ", [1, 1]", ""), "cameras.toml:1 [cam-1]: zone: has 2 points; a polygon has 3 to 60"),
    (
        ("cameras.toml", "[0, 0], [1, 0], [1, 1]", "[0, 0], [1, 1], [1, 0], [0, 1]"),
        "cameras.toml:1 [cam-1]: zone: its lines cross or lie on each other",
    ),
    (("cameras.toml", ZONE, ZONES.replace("beside", "near")), "cameras.toml:1 [cam-1.zones[1]]: kind: 'near' is not"),
    (("cameras.toml", ZONE, ZONES.replace("Bak", "")), "cameras.toml:1 [cam-1]: zones: '': a name has 1 to 60"),
    (("cameras.toml", ZONE, ZONES.replace("0.6, 0.9", "0.6, 1.9")), "cameras.toml:1 [cam-1.zones[1]]: polygon: is not"),
    (("cameras.toml", ZONE, ZONES + ZONES), "cameras.toml:1 [cam-1]: zones: 'Bak': another zone is called 'Bak' as"),
    (("cameras.toml", ZONE, ZONE + "zones = []\n"), "cameras.toml:1 [cam-1]: zones: stands beside 'zone'"),
    (("cameras.toml", ZONE, "zones = 3\n"), "cameras.toml:1 [cam-1]: zones: is not a list of tables"),
    (
        ("cameras.toml", ZONE, "person_height = [[0.9, 0.1], [0.4, 0.3]]\n"),
        "cameras.toml:1 [cam-1]: person_height: the person who stands lower in the picture is the smaller one",
    ),
    (("cameras.toml", "[cam-1]", "[Cam]"), "cameras.toml: Cam: 'Cam' is not an id: "),
    (
        ("city.toml", "Makassar", "Kupang"),
        "city.toml: time_zone: 'Asia/Kupang' is not a zone of the time zone database",
    ),
    (("city.toml", "tinytown", "Tiny"), "city.toml: id: 'Tiny' is not an id"),
    (("city.toml", "lat_deg", "lat"), "city.toml: lat: unknown field; known: "),
    (("city.toml", HOURS_TOML, ""), "city.toml: hours: table `[hours.default]` is missing"),
    (("city.toml", "17:00", "5pm"), "city.toml:8 [hours.default]: every_day: '5pm-05:00' is not a window like"),
    (
        ("city.toml", "every_day", "every_night"),
        "city.toml:8 [hours.default]: every_day: is missing, and so are monday, ",
    ),
    (
        ("city.toml", "2026-08-17", "2026-8-17"),
        "city.toml:13 [hours.default.exceptions]: 2026-8-17: is not a date like",
    ),
    (
        ("city.toml", "= []", "= 5"),
        "city.toml:13 [hours.default.exceptions]: 2026-08-17: 5 is neither a list of windows",
    ),
    (("shapes.geojson", "liliba", "other"), "shapes.geojson: features[0].properties.id: there is no kelurahan 'other'"),
    (
        ("shapes.geojson", '"name":"Liliba"', '"x":1'),
        "shapes.geojson: Object missing required field `name` - at `$.features",
    ),
]


@pytest.mark.parametrize(("edit", "expected"), MISTAKES, ids=lambda v: str(v)[:60])
def test_a_mistake_is_named_with_file_line_and_field(town: Town, edit: Edit, expected: str) -> None:
    """One wrong text in an otherwise right city."""
    found = errors_of(town(edit))
    assert any(line.startswith(expected) for line in found), found


@pytest.mark.parametrize("name", sorted(name for name in FILES if "/" not in name))
def test_a_missing_file_is_named(town: Town, name: str) -> None:
    """Every file of a city is needed, but those of its own profiles."""
    folder = town()
    (folder / name).unlink()
    assert f"{name}: No such file or directory" in errors_of(folder)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_in_another_encoding_is_named(town: Town, name: str) -> None:
    """UTF-8 is the only encoding."""
    folder = town()
    (folder / name).write_bytes(b"\xff" + (folder / name).read_bytes())
    assert f"{name}: not UTF-8 at byte 0" in errors_of(folder)


def test_all_mistakes_are_reported_at_once(town: Town) -> None:
    """One run names every mistake, in the order of reading, and nothing that only follows from one."""
    folder = town(
        ("sites.csv", "-10.1,", "99,"),
        ("bins.csv", "organic", "organik"),
        ("bins.csv", "tps-1", "tps-9"),
        ("models.toml", "120", "0"),
        ("cameras.toml", "zone", "sone"),
    )
    assert [line.split(": known")[0].split("; known")[0] for line in errors_of(folder)] == [
        "sites.csv:2: lat_deg: 99 is outside -90..90",
        "models.toml:1 [small]: capacity_l: 0 is outside 1..100000",
        "bins.csv:2: waste_kind: 'organik' is not one of organic, non_organic",
        "bins.csv:3: site: there is no site 'tps-9'",
        "cameras.toml:1 [cam-1]: sone: unknown field",
    ]


def test_a_missing_column_is_named_once(town: Town) -> None:
    """Not again for every row."""
    assert len(errors_of(town(("bins.csv", "waste_kind", "color2")))) == 2


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    """So that a mistyped path is seen at once."""
    assert errors_of(tmp_path / "none") == [f"{tmp_path / 'none'}: not a folder"]
