"""Downloads: GeoJSON for maps, tables for spreadsheets."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from api.queries.spreadsheet import escape_formula
from ingest.store.duckdb.store import DuckStore
from ingest.store.records import Reading
from tests.unit.api.conftest import NOW, Stage


@pytest.mark.parametrize(
    "path",
    [
        *("/ngsi-ld/v1/entities?type=Device", "/ngsi-ld/v1/types", "/api/v1/export/devices.geojson"),
        *("/api/v1/export/devices.csv", "/api/v1/export/events.csv"),
        "/api/v1/export/readings.csv?device=bin-0001&field=fill_pct",
    ],
)
def test_exports_need_a_viewer_and_change_nothing(stage: Stage, path: str) -> None:
    assert stage.client(demo=False).get(path).status_code == 401
    viewer = stage.client(demo=False, token=stage.token("viewer"))
    assert viewer.get(path).status_code == 200
    assert viewer.post(path).status_code == 405


def test_geojson_has_longitude_first_and_null_where_nobody_knows(stage: Stage) -> None:
    stage.measure("bin-0001", fill_pct=41.0)
    answer = stage.client().get("/api/v1/export/devices.geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    features = {feature["id"]: feature for feature in answer.json()["features"]}
    assert features["bin-0001"]["properties"]["fill_pct"] == 41.0
    assert features["bin-0001"]["geometry"]["coordinates"][0] > 100
    assert features["truck-01"]["geometry"] is None


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_tables_have_local_times_units_in_names_and_unknown_as_empty(stage: Stage) -> None:
    stage.measure("bin-0001", fill_pct=41.26)
    found = {row["device"]: row for row in rows_of(stage.client().get("/api/v1/export/devices.csv?kind=bin").text)}
    assert found["bin-0001"]["measured_at"] == "2026-03-01T20:00:00.000+08:00"
    assert (found["bin-0001"]["fill_pct"], found["bin-0002"]["fill_pct"]) == ("41.26", "")


def test_readings_in_long_form(stage: Stage) -> None:
    for minute in range(3):
        stage.measure("bin-0001", NOW - timedelta(minutes=minute), fill_pct=float(minute))
    asked = "/api/v1/export/readings.csv?device=bin-0001&device=bin-0002&field=fill_pct"
    found = rows_of(stage.client().get(asked).text)
    assert [(row["device"], row["unit"], row["value"]) for row in found] == [
        ("bin-0001", "%", value) for value in ("2.0", "1.0", "0.0")
    ]
    assert stage.client().get(asked + "&bom=1").content.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    "query",
    [
        "device=bin-9999&field=fill_pct",
        "device=bin-0001&field=colour",
        "device=bin-0001",
        "device=bin-0001&field=fill_pct&every_s=1&from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z",
        "device=bin-0001&field=fill_pct&from=2026-03-01T00:00:00",
    ],
)
def test_readings_that_cannot_be_given_out_are_refused_before_the_first_row(stage: Stage, query: str) -> None:
    assert stage.client().get(f"/api/v1/export/readings.csv?{query}").status_code in (404, 422)


def test_events_all_of_them_newest_first_and_no_formulas(stage: Stage) -> None:
    for second in range(2_500):
        stage.happen("truck-01", "harsh_braking", "noted", NOW - timedelta(hours=2) + timedelta(seconds=second))
    stage.happen("ap-alak", "rogue_ap", "raised", NOW, ssid='=HYPERLINK("http://x")')
    found = rows_of(stage.client().get("/api/v1/export/events.csv").text)
    assert len(found) == 2_501
    assert [row["time"] for row in found] == sorted((row["time"] for row in found), reverse=True)
    assert found[0]["detail"].startswith('{"ssid"')


def test_a_text_that_could_be_a_formula_is_only_a_text() -> None:
    assert [escape_formula(value) for value in ("=1+1", "@x", "-5", -5.0, "ok")] == ["'=1+1", "'@x", "'-5", -5.0, "ok"]


def test_a_day_of_a_truck_comes_whole(stage: Stage) -> None:
    """At a reading every 15 s it has more points than a chart may ask for."""
    store = DuckStore(stage.folder / "long.duckdb")
    try:
        at = [NOW - timedelta(seconds=15 * count) for count in range(5_500)]
        store.write(
            [Reading(stage.origin("truck-01", moment), {"speed_kmh": 1.0, "ignition": True}) for moment in at], ()
        )
        stage.store = store
        asked = "/api/v1/export/readings.csv?device=truck-01&field=speed_kmh&field=ignition"
        found = rows_of(stage.client().get(asked).text)
    finally:
        store.close()
    assert len(found) == 11_000
    assert {(row["field"], row["value"]) for row in found} == {("speed_kmh", "1.0"), ("ignition", "1")}
    assert [row["time"] for row in found] == sorted(row["time"] for row in found)


def test_a_simulated_city_says_so_in_every_download(stage: Stage) -> None:
    answer = stage.client().get("/api/v1/export/devices.csv")
    assert 'filename="kupang-devices-simulated.csv"' in answer.headers["content-disposition"]
    assert {row["simulated"] for row in rows_of(answer.text)} == {"1"}
    real = stage.client(demo=False, token=stage.token("viewer")).get("/api/v1/export/devices.csv")
    assert "simulated" not in real.text
    assert "no-store" in real.headers["cache-control"]
