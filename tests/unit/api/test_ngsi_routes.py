"""NGSI-LD over HTTP: what is found and how it is written, and every refusal in the words of that standard."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api.exports.negotiation import best_match
from api.exports.ngsi import ENTITY_TYPES
from api.exports.ngsi_routes import CORE_CONTEXT
from ingest.store.duckdb.store import DuckStore
from tests.support.smart_data_models import faults_of
from tests.unit.api.conftest import NOW, Stage

ENTITIES = "/ngsi-ld/v1/entities"
BIN = "urn:ngsi-ld:WasteContainer:kupang:bin-0451"
TRUCK = "urn:ngsi-ld:Vehicle:kupang:truck-01"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


def ask(stage: Stage, path: str = ENTITIES, *, accept: str = "", **params: Any) -> Any:
    return stage.client().get(path, params=params, headers={"Accept": accept} if accept else {})


def test_entities_of_a_type_are_paged_and_counted(stage: Stage) -> None:
    first = ask(stage, type="WasteContainer", count="true", limit=3, offset=2)
    assert [entity["id"].rpartition(":")[2] for entity in first.json()] == ["bin-0003", "bin-0004", "bin-0005"]
    assert first.headers["NGSILD-Results-Count"] == "528"
    assert f'<{ENTITIES}?type=WasteContainer&count=true&limit=3&offset=0>; rel="prev"' in first.headers["link"]
    assert f'<{ENTITIES}?type=WasteContainer&count=true&limit=3&offset=5>; rel="next"' in first.headers["link"]
    assert len(ask(stage, type="WasteContainer").json()) == 20
    last = ask(stage, type="WasteContainer", limit=10, offset=520)
    assert (len(last.json()), 'rel="next"' in last.headers["link"]) == (8, False)
    only_the_count = ask(stage, type="Device", count="true", limit=0)
    assert (only_the_count.json(), only_the_count.headers["NGSILD-Results-Count"]) == ([], "633")
    assert "NGSILD-Results-Count" not in last.headers


def test_json_has_its_context_in_a_header_and_json_ld_in_each_entity(stage: Stage) -> None:
    context = ENTITY_TYPES["WasteContainer"].context
    plain = ask(stage, type="WasteContainer", limit=1)
    assert plain.headers["content-type"] == "application/json"
    assert plain.headers["link"].startswith(f'<{context}>; rel="http://www.w3.org/ns/json-ld#context"')
    assert "@context" not in plain.json()[0]
    linked = ask(stage, accept="application/ld+json", type="WasteContainer", limit=1)
    assert (linked.headers["content-type"], "json-ld#context" in linked.headers["link"]) == (
        "application/ld+json",
        False,
    )
    assert linked.json()[0]["@context"] == [context, CORE_CONTEXT]
    assert ask(stage, f"{ENTITIES}/{BIN}", accept="application/ld+json").json()["@context"] == [context, CORE_CONTEXT]


def test_key_values_of_all_three_types_are_valid(stage: Stage) -> None:
    stage.measure("bin-0451", fill_pct=41.0, temperature_c=31.0, battery_pct=87.0, rssi_dbm=-97.0)
    stage.measure("truck-01", lat_deg=-10.1, lon_deg=123.6, speed_kmh=20.0, heading_deg=12.0)
    stage.happen("truck-01", "collected", "noted", bin="bin-0451")
    for type_, total in (("WasteContainer", 528), ("Vehicle", 1), ("Device", 633)):
        found = ask(stage, type=type_, limit=1000, options="keyValues").json()
        assert len(found) == total
        assert [faults_of(entity) for entity in found if faults_of(entity)] == []


def test_one_entity_by_its_urn(stage: Stage) -> None:
    stage.measure("bin-0451", fill_pct=41.0)
    stage.happen("bin-0451", "lid_open")
    found = ask(stage, f"{ENTITIES}/{BIN}").json()
    assert found["fillingLevel"] == {
        "type": "Property",
        "value": 0.41,
        "unitCode": "C62",
        "observedAt": "2026-03-01T12:00:00.000Z",
    }
    assert found["status"]["value"] == "lidOpen"
    assert ask(stage, f"{ENTITIES}/{BIN}", format="concise", attrs="status").json() == {
        "id": BIN,
        "type": "WasteContainer",
        "status": "lidOpen",
    }
    assert ask(stage, f"{ENTITIES}/{BIN}", type=ENTITY_TYPES["WasteContainer"].iri).status_code == 200


def test_the_last_emptying_is_the_newest_that_a_truck_or_the_container_told(stage: Stage) -> None:
    def emptied(device: str) -> Any:
        found = ask(stage, f"{ENTITIES}/urn:ngsi-ld:WasteContainer:kupang:{device}", options="keyValues").json()
        return found.get("dateLastEmptying")

    stage.happen("truck-01", "collected", "noted", NOW - timedelta(days=2), bin="bin-0451")
    stage.happen("truck-02", "collected", "noted", NOW - timedelta(days=1), bin="bin-0451")
    stage.happen("bin-0452", "collected", "noted", NOW - timedelta(hours=1))
    stage.happen("truck-02", "collected", "noted", NOW - timedelta(days=20), bin="bin-0453")
    assert emptied("bin-0451") == "2026-02-28T12:00:00.000Z"
    assert emptied("bin-0452") == "2026-03-01T11:00:00.000Z"
    assert emptied("bin-0453") is None


def test_attributes_choose_entities_too(stage: Stage) -> None:
    stage.measure("bin-0451", fill_pct=41.0)
    stage.measure("bin-0452", battery_pct=10.0)
    found = ask(stage, type="WasteContainer", attrs="fillingLevel, temperature", options="keyValues", count="true")
    assert found.json() == [{"id": BIN, "type": "WasteContainer", "fillingLevel": 0.41}]
    assert found.headers["NGSILD-Results-Count"] == "1"
    assert ask(stage, f"{ENTITIES}/{BIN}", attrs="temperature").status_code == 404


def test_entities_by_urn(stage: Stage) -> None:
    other = BIN.replace("0451", "0452")
    found = ask(stage, type="WasteContainer", id=f"{BIN},{other},{TRUCK},urn:x:none", options="keyValues").json()
    assert [entity["id"] for entity in found] == [BIN, other]


@pytest.mark.parametrize("type_", ["Building", "wastecontainer", "https://example.org/Vehicle"])
def test_a_type_that_nobody_has_is_an_empty_list(stage: Stage, type_: str) -> None:
    answer = ask(stage, type=type_, count="true")
    assert (answer.status_code, answer.json(), answer.headers["NGSILD-Results-Count"]) == (200, [], "0")


def test_types(stage: Stage) -> None:
    answer = ask(stage, "/ngsi-ld/v1/types", accept="application/ld+json").json()
    assert (answer["type"], answer["@context"]) == ("EntityTypeList", [CORE_CONTEXT])
    names = [iri.rpartition("/")[2] for iri in answer["typeList"]]
    assert names == ["Device", "Vehicle", "WasteContainer"]
    assert len(ask(stage, type=answer["typeList"][2], limit=2).json()) == 2


@pytest.mark.parametrize(
    ("path", "params", "detail"),
    [
        (ENTITIES, {}, "type"),
        (ENTITIES, {"type": "Device", "limit": "1001"}, "limit"),
        (ENTITIES, {"type": "Device", "limit": "-1"}, "limit"),
        (ENTITIES, {"type": "Device", "offset": "x"}, "offset"),
        (ENTITIES, {"type": "Device", "options": "sysAttrs"}, "is no representation"),
        (ENTITIES, {"type": "Device", "format": "xml"}, "is no representation"),
        (ENTITIES, {"type": "Device", "id": "bin-0451"}, "is not a URI"),
        (ENTITIES, {"type": "Device,Vehicle"}, "one type at a time"),
        (ENTITIES, {"type": "Device", "q": "batteryLevel>0.5"}, "q: not supported here"),
        (ENTITIES, {"type": "Device", "georel": "near", "pick": "x"}, "georel, pick: not supported here"),
        (f"{ENTITIES}/bin-0451", {}, "is not a URI"),
        (f"{ENTITIES}/urn:ngsi-ld:x y", {}, "is not a URI"),
        ("/ngsi-ld/v1/types", {"details": "true"}, "details: not supported here"),
    ],
)
def test_bad_questions_are_400_in_the_standard_s_words(
    stage: Stage, path: str, params: dict[str, str], detail: str
) -> None:
    answer = stage.client().get(path, params=params, headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    body = answer.json()
    assert (body["type"], body["status"]) == (ERRORS + "BadRequestData", 400)
    assert detail in body["detail"]


@pytest.mark.parametrize(
    "path",
    [
        f"{ENTITIES}/urn:ngsi-ld:WasteContainer:kupang:bin-9999",
        f"{ENTITIES}/urn:ngsi-ld:WasteContainer:surabaya:bin-0451",
        f"{ENTITIES}/urn:ngsi-ld:Vehicle:kupang:bin-0451",
        f"{ENTITIES}/urn:ngsi-ld:Building:kupang:bin-0451",
        f"{ENTITIES}/urn:ngsi-ld:Vehicle:kupang:truck-01",
        f"{ENTITIES}/{BIN}/attrs/fillingLevel",
        f"{ENTITIES}/{BIN}?type=Vehicle",
        "/ngsi-ld/v1/subscriptions",
    ],
)
def test_what_is_not_there_is_404(stage: Stage, path: str) -> None:
    answer = stage.client().get(path, headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json()["type"] == ERRORS + "ResourceNotFound"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [ENTITIES, f"{ENTITIES}/{BIN}", "/ngsi-ld/v1/types"])
def test_nothing_can_be_written(stage: Stage, method: str, path: str) -> None:
    answer = stage.client(token=stage.token("administrator")).request(method, path, json={"id": BIN})
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/json")


def test_a_media_type_that_there_is_not_is_406(stage: Stage) -> None:
    answer = ask(stage, accept="application/geo+json", type="Device")
    assert (answer.status_code, answer.json()["type"]) == (406, ERRORS + "NotAcceptable")


@pytest.mark.parametrize("path", [f"{ENTITIES}?type=Device", f"{ENTITIES}/{BIN}", "/ngsi-ld/v1/types"])
def test_nobody_is_anonymous(stage: Stage, path: str) -> None:
    answer = stage.client(demo=False).get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["cache-control"] == "no-store"
    assert stage.client(demo=False, token=f"viewer-{0:040}").get(path).status_code == 401
    assert stage.client(demo=False, token=stage.token("viewer")).get(path).status_code == 200


def test_a_bug_tells_nothing_of_the_inside(stage: Stage) -> None:
    stage.store.latest = None  # type: ignore[method-assign,assignment]
    client = stage.client()
    client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    answer = client.get(ENTITIES, params={"type": "Device"})
    assert (answer.status_code, answer.json()["type"]) == (500, ERRORS + "InternalError")
    assert "NoneType" not in answer.text


def test_the_embedded_store_answers_the_same(stage: Stage) -> None:
    with_memory, duck = stage.store, DuckStore(stage.folder / "city.duckdb")
    answers = []
    for store in (with_memory, duck):
        stage.store, stage.seq = store, 0  # type: ignore[assignment]
        stage.measure("bin-0451", fill_pct=41.0, lid_open=True)
        stage.happen("bin-0452", "fire")
        stage.happen("bin-0453", "fire", at=NOW - timedelta(hours=1))
        stage.happen("bin-0453", "fire", "cleared")
        for number in range(1_200):
            stage.happen(
                "truck-01", "collected", "noted", NOW - timedelta(seconds=number), bin=f"bin-{number % 528:04}"
            )
        answers.append(ask(stage, type="WasteContainer", limit=1000, options="keyValues").json())
    duck.close()
    assert answers[0] == answers[1]
    status = {container["binId"]: container["status"] for container in answers[0]}
    assert [status[f"bin-045{n}"] for n in (1, 2, 3)] == ["lidOpen", "burning", "unknown"]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/ld+json", "application/ld+json"),
        ("application/ld+json, application/json", "application/json"),
        ("application/json;q=0.5, application/ld+json", "application/ld+json"),
        ("application/json;q=0, */*;q=0.1", "application/ld+json"),
        ("text/html, application/xhtml+xml", None),
        ("application/json;q=nonsense", None),
        ("APPLICATION/LD+JSON; Q=0.3", "application/ld+json"),
    ],
)
def test_what_an_accept_header_likes_best(accept: str, wanted: str | None) -> None:
    assert best_match(accept, ("application/json", "application/ld+json")) == wanted
