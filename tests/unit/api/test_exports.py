"""What other programs get: entities that the published schemas accept, GeoJSON, and tables for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from api.exports.entities import Seen, entity_of, key_values, normalized, types_of
from broker.contract.payloads import fields_of
from ingest.fields import fits
from ingest.store.condition import condition_of
from ingest.store.port import FieldValue, Latest
from tests.unit.api.conftest import CITY, NOW, Stage

MODELS = Path(__file__).parents[4] / "shared" / "samples" / "conventions" / "smart-data-models"
COMMON = "https://smart-data-models.github.io/data-models/common-schema.json"
DEVICE_COMMON = "https://smart-data-models.github.io/dataModel.Device/device-schema.json"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason="the published schemas are not here")

IDENTIFIER = {"type": "string", "format": "uri", "minLength": 1, "maxLength": 256}
TIME = {"type": "string", "format": "date-time"}
POINT = {
    "type": "object",
    "required": ["type", "coordinates"],
    "properties": {
        "type": {"enum": ["Point"]},
        "coordinates": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3},
    },
}
ADDRESS = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("addressLocality", "addressRegion", "district")},
    "additionalProperties": False,
}
# The parts that the schemas take from elsewhere, to the extent that our entities have them.
SHARED = {
    COMMON: {
        "definitions": {
            "GSMA-Commons": {"properties": {"id": IDENTIFIER, "name": {"type": "string"}}},
            "Location-Commons": {"properties": {"location": POINT, "address": ADDRESS}},
            "PhysicalObject-Commons": {"properties": {"color": {"type": "string"}}},
            "EntityIdentifierType": IDENTIFIER,
            "timeInstant": TIME,
            "dateObserved": TIME,
        }
    },
    DEVICE_COMMON: {
        "definitions": {
            "Device-Commons": {
                "properties": {
                    "deviceCategory": {"type": "array", "items": {"enum": ["sensor", "actuator", "beacon", "meter"]}},
                    "controlledProperty": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                }
            }
        }
    },
}


def validator(type_: str) -> Draft202012Validator:
    schema = json.loads((MODELS / f"{type_}.schema.json").read_text(encoding="utf-8"))
    made = [(uri, Resource.from_contents({"$schema": schema["$schema"], **body})) for uri, body in SHARED.items()]
    registry: Registry[Any] = Registry().with_resources(made)
    return Draft202012Validator(schema, registry=registry, format_checker=FormatChecker())


def faults(type_: str, entity: dict[str, Any]) -> list[str]:
    return [f"{'.'.join(map(str, one.path))}: {one.message}" for one in validator(type_).iter_errors(entity)]


@needs_models
@pytest.mark.parametrize("device", ["bin-0001", "truck-01", "ap-alak", "cam-01"])
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_any_known_values_make_entities_that_the_schemas_accept(device: str, data: st.DataObject) -> None:
    one = CITY.devices[device]
    numbers = [name for name in fields_of(one.KIND) if fits(one.KIND, name, 1) or fits(one.KIND, name, 1.5)]
    wanted = data.draw(st.lists(st.sampled_from(numbers), unique=True)) if numbers else []
    values = {name: data.draw(st.floats(0, 360, allow_nan=False)) for name in wanted}
    kept = {name: FieldValue(value, NOW) for name, value in values.items() if fits(one.KIND, name, value)}
    latest = Latest(one.KIND, device, kept, NOW, NOW) if data.draw(st.booleans()) else None
    connected = data.draw(st.sampled_from(["online", "offline", "unknown", "sleeping"]))
    seen = Seen(one, latest, connected, condition_of(one, latest, connected, {}), {})
    for type_ in types_of(one):
        entity = entity_of(type_, CITY, seen)
        if entity is not None:
            assert faults(type_, key_values(entity)) == []
            assert set(normalized(entity)) == set(key_values(entity))


def test_a_container_in_the_words_of_its_model(stage: Stage) -> None:
    stage.measure("bin-0001", fill_pct=41.0, temperature_c=31.5, lid_open=True, battery_pct=80.0)
    stage.happen("bin-0001", "collected", "noted", NOW - timedelta(hours=3))
    asked = "/ngsi-ld/v1/entities/urn:ngsi-ld:WasteContainer:kupang:bin-0001"
    found = stage.client().get(asked + "?options=keyValues").json()
    assert found["location"]["coordinates"] == [CITY.bins["bin-0001"].lon_deg, CITY.bins["bin-0001"].lat_deg]
    assert {name: found[name] for name in ("fillingLevel", "temperature", "status", "binColor")} == {
        "fillingLevel": 0.41,
        "temperature": 31.5,
        "status": "lidOpen",
        "binColor": "yellow",
    }
    assert found["dateLastEmptying"] == "2026-03-01T09:00:00.000Z"
    assert found["refDevice"] == ["urn:ngsi-ld:Device:kupang:bin-0001"]
    whole = stage.client().get(asked).json()
    assert whole["fillingLevel"] == {
        "type": "Property",
        "value": 0.41,
        "observedAt": "2026-03-01T12:00:00.000Z",
        "unitCode": "C62",
    }
    assert whole["refDevice"]["type"] == "Relationship"
    assert whole["location"]["type"] == "GeoProperty"


def test_unknown_is_absent_and_a_fire_is_told(stage: Stage) -> None:
    asked = "/ngsi-ld/v1/entities/urn:ngsi-ld:WasteContainer:kupang:bin-0001?options=keyValues"
    found = stage.client().get(asked).json()
    assert "fillingLevel" not in found
    assert found["status"] == "unknown"
    stage.measure("bin-0001", fill_pct=10.0)
    stage.happen("bin-0001", "fire")
    assert stage.client().get(asked).json()["status"] == "burning"


def test_a_truck_is_a_vehicle_once_it_has_a_position(stage: Stage) -> None:
    asked = "/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:kupang:truck-01?options=keyValues"
    assert stage.client().get(asked).status_code == 404
    stage.measure("truck-01", lat_deg=-10.17, lon_deg=123.6, speed_kmh=0.0, heading_deg=360.0, ignition=True)
    found = stage.client().get(asked).json()
    assert (found["heading"], found["vehicleRunningStatus"], found["serviceStatus"]) == (0.0, "waiting", "onRoute")
    assert found["vehiclePlateIdentifier"] == CITY.trucks["truck-01"].plate


def test_pages_counts_types_and_some_attributes(stage: Stage) -> None:
    client = stage.client()
    page = client.get("/ngsi-ld/v1/entities?type=WasteContainer&limit=3&offset=1&count=true&attrs=binColor")
    assert page.headers["NGSILD-Results-Count"] == str(len(CITY.bins))
    assert [one["id"].rpartition(":")[2] for one in page.json()] == ["bin-0002", "bin-0003", "bin-0004"]
    assert all(set(one) == {"id", "type", "binColor"} for one in page.json())
    assert 'rel="http://www.w3.org/ns/json-ld#context"' in page.headers["link"]
    every = client.get("/ngsi-ld/v1/entities?type=Device&limit=1000&count=true")
    assert every.headers["NGSILD-Results-Count"] == str(len(CITY.devices))
    ids = "urn:ngsi-ld:Device:kupang:ap-alak,urn:ngsi-ld:WasteContainer:kupang:bin-0002"
    assert len(client.get(f"/ngsi-ld/v1/entities?id={ids}").json()) == 2
    assert client.get("/ngsi-ld/v1/types").json()["typeList"] == ["WasteContainer", "Vehicle", "Device"]


def test_json_ld_where_it_is_asked_for(stage: Stage) -> None:
    asked = "/ngsi-ld/v1/entities?type=WasteContainer&limit=1"
    answer = stage.client().get(asked, headers={"Accept": "application/ld+json"})
    assert answer.headers["content-type"] == "application/ld+json"
    assert answer.json()[0]["@context"][0].endswith("dataModel.WasteManagement/context.jsonld")


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("entities", 400, "BadRequestData"),
        ("entities?type=Streetlight", 200, ""),
        ("entities/nothing", 400, "BadRequestData"),
        ("entities/urn:ngsi-ld:WasteContainer:kupang:bin-9999", 404, "ResourceNotFound"),
        ("entities/urn:ngsi-ld:Vehicle:kupang:bin-0001", 404, "ResourceNotFound"),
        ("entities/urn:ngsi-ld:WasteContainer:elsewhere:bin-0001", 404, "ResourceNotFound"),
        ("entities?type=Device&limit=5000", 422, ""),
    ],
)
def test_what_cannot_be_answered_is_said_as_the_standard_has_it(
    stage: Stage, path: str, status: int, error: str
) -> None:
    answer = stage.client().get(f"/ngsi-ld/v1/{path}")
    assert answer.status_code == status
    if error:
        assert answer.json()["type"] == f"https://uri.etsi.org/ngsi-ld/errors/{error}"


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
    viewer = stage.client(demo=False, token=stage.secrets.token("viewer"))
    assert viewer.get(path).status_code == 200
    assert viewer.post(path).status_code == 405


def test_geojson_has_longitude_first_and_null_where_nobody_knows(stage: Stage) -> None:
    stage.measure("bin-0001", fill_pct=41.0)
    answer = stage.client().get("/api/v1/export/devices.geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    features = {one["id"]: one for one in answer.json()["features"]}
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


def test_events_all_of_them_oldest_first_and_no_formulas(stage: Stage) -> None:
    for second in range(2_500):
        stage.happen("truck-01", "harsh_braking", "noted", NOW - timedelta(hours=2) + timedelta(seconds=second))
    stage.happen("ap-alak", "rogue_ap", "raised", NOW, ssid='=HYPERLINK("http://x")')
    found = rows_of(stage.client().get("/api/v1/export/events.csv").text)
    assert len(found) == 2_501
    assert [row["time"] for row in found] == sorted(row["time"] for row in found)
    assert found[-1]["detail"].startswith('{"ssid"')


def test_a_text_that_could_be_a_formula_is_only_a_text() -> None:
    from api.exports.table_routes import _cell  # noqa: PLC0415 - the one thing it is about

    assert [_cell(value) for value in ("=1+1", "@x", "-5", -5.0, "ok")] == ["'=1+1", "'@x", "'-5", -5.0, "ok"]
