"""Streets and outlines over HTTP and on the map: tiles, what is missing, and who may see them."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from api.console.page_context import PageContext
from api.console.pages import map as map_page
from api.console.parts.screen import Screen
from city.i18n.catalogue import LANGS, Lang
from dispatch.street_map.files import write_outlines, write_streets
from dispatch.street_map.tiles import EXTENT, Street, to_world
from tests.support.access import identity_with
from tests.unit.api.conftest import CITY, Stage

STREET = Street(0, "Jalan El Tari", [(CITY.lat_deg, CITY.lon_deg), (CITY.lat_deg, CITY.lon_deg + 0.01)])
AT = datetime(2026, 3, 1, tzinfo=UTC)
X, Y = (int(value // EXTENT) for value in to_world((CITY.lat_deg, CITY.lon_deg), 14))


def side(stage: Stage, lang: Lang) -> str:
    screen = Screen()
    map_page.build(PageContext(stage.context(), lang, identity_with("viewer")), screen, {})
    return "".join(map(str, screen.html()))


def test_a_tile_has_the_streets_in_it(stage: Stage) -> None:
    write_streets(stage.folder, [STREET], "city.osm.pbf", AT)
    client = stage.client()
    about = client.get("/api/v1/map/streets.json").json()
    assert about["streets"]["source"] == "city.osm.pbf"
    for encoding in ("gzip", "identity"):
        answer = client.get(f"/api/v1/map/streets/14/{X}/{Y}.json", headers={"Accept-Encoding": encoding})
        assert answer.json()["streets"][0]["class"] == 0
        assert "max-age" in answer.headers["cache-control"]
    assert client.get(f"/api/v1/map/streets/14/{X + 9}/{Y}.json").json() == {"streets": [], "labels": []}


def test_without_streets_tiles_are_empty_and_other_zooms_have_none(stage: Stage) -> None:
    client = stage.client()
    assert client.get("/api/v1/map/streets.json").json() == {"streets": None, "version": ""}
    assert client.get(f"/api/v1/map/streets/14/{X}/{Y}.json").json() == {"streets": [], "labels": []}
    for zoom in (0, 10, 17):
        assert client.get(f"/api/v1/map/streets/{zoom}/{X}/{Y}.json").status_code == 404


@pytest.mark.parametrize("path", ["14/x/1", "14/1/-1", "99999999/1/1"])
def test_what_is_no_tile_is_refused(stage: Stage, path: str) -> None:
    write_streets(stage.folder, [STREET], "city.osm.pbf", AT)
    assert stage.client().get(f"/api/v1/map/streets/{path}.json").status_code == 422


def test_streets_need_a_right(stage: Stage) -> None:
    write_streets(stage.folder, [STREET], "city.osm.pbf", AT)
    client = stage.client(demo=False)
    for path in ("streets.json", f"streets/14/{X}/{Y}.json"):
        assert client.get(f"/api/v1/map/{path}").status_code == 401


def test_imported_outlines_replace_those_of_the_inventory(stage: Stage) -> None:
    """The city's outline, which is drawn from centres as well, goes with them."""
    polygon = {"type": "Polygon", "coordinates": [[[123.6, -10.1], [123.7, -10.1], [123.6, -10.2], [123.6, -10.1]]]}
    properties = {"kind": "kelurahan", "id": "alak", "name": "Alak"}
    feature = {"type": "Feature", "properties": properties, "geometry": polygon}
    write_outlines(stage.folder, msgspec.json.encode({"type": "FeatureCollection", "features": [feature]}))
    features = stage.client().get("/api/v1/map/places.geojson").json()["features"]
    assert [shown["properties"]["id"] for shown in features if shown["geometry"]["type"] != "Point"] == ["alak"]


@pytest.mark.parametrize("lang", LANGS)
def test_the_map_says_what_it_lacks(stage: Stage, lang: Lang) -> None:
    html = side(stage, lang)
    assert "kota map import" in html
    assert "kota map outlines" in html
    write_streets(stage.folder, [STREET], "city.osm.pbf", AT)
    write_outlines(stage.folder, b'{"type":"FeatureCollection","features":[]}')
    html = side(stage, lang)
    assert "kota map" not in html
    assert '<input type="checkbox" data-layer="streets" checked>' in html
