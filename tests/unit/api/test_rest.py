"""REST: what is found, how it is filtered and bounded, and how errors look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ingest.store.parked.dead_letters import DeadLetter
from ingest.store.parked.unknown_fields import UnknownField
from ingest.store.views.health import IngestHealth
from tests.unit.api.conftest import NOW, Stage

ISO = NOW.isoformat().replace("+00:00", "Z")


def test_devices_are_filtered_paged_and_counted(stage: Stage) -> None:
    stage.measure("truck-01", speed_kmh=20.0, lat_deg=-10.1, lon_deg=123.6)
    client = stage.client()
    everything = client.get("/api/v1/devices").json()
    assert (everything["total"], len(everything["devices"])) == (633, 100)
    trucks = client.get("/api/v1/devices", params={"kind": "truck", "limit": 2, "offset": 1}).json()
    assert (trucks["total"], [d["id"] for d in trucks["devices"]]) == (34, ["truck-02", "truck-03"])
    online = client.get("/api/v1/devices", params={"state": "online"}).json()
    assert [device["id"] for device in online["devices"]] == ["truck-01"]
    liliba = client.get("/api/v1/devices", params={"kelurahan": "liliba", "kind": "bin"}).json()
    assert liliba["total"] > 0
    assert {device["kelurahan"] for device in liliba["devices"]} == {"liliba"}


def test_a_bin_carries_the_names_of_the_smart_data_models(stage: Stage) -> None:
    stage.measure("bin-0451", fill_pct=41.0, battery_pct=87.0)
    device = stage.client().get("/api/v1/devices/bin-0451/latest").json()
    assert device["type"] == "WasteContainer"
    assert (device["fillingLevel"], device["batteryLevel"]) == (0.41, 0.87)
    assert (device["storedWasteKind"], device["binColor"]) == (["organic"], "yellow")
    assert device["values"]["fill_pct"] == {"value": 41.0, "unit": "%", "measured_at": ISO}
    assert device["location"]["type"] == "Point"
    assert device["simulated"] is True


def test_unknown_is_not_zero(stage: Stage) -> None:
    device = stage.client().get("/api/v1/devices/bin-0451").json()
    assert device["connectivity"] == "unknown"
    assert device["fillingLevel"] is None
    assert device["values"] == {}


def test_a_silent_device_is_offline_and_a_lost_one_at_once(stage: Stage) -> None:
    stage.measure("bin-0451", NOW - timedelta(hours=2), battery_pct=5.0)
    stage.measure("ap-liliba", clients=3)
    stage.say("ap-liliba", "offline")
    client = stage.client()
    assert client.get("/api/v1/devices/bin-0451").json()["connectivity"] == "offline"
    assert client.get("/api/v1/devices/ap-liliba").json()["connectivity"] == "offline"
    stage.measure("ap-liliba", NOW + timedelta(seconds=1), clients=3)
    assert client.get("/api/v1/devices/ap-liliba").json()["connectivity"] == "online"


def test_a_truck_with_fault_codes_is_broken(stage: Stage) -> None:
    stage.measure("truck-01", ignition=True, fault_codes='["P0217"]')
    stage.measure("truck-02", ignition=True, fault_codes="[]")
    client = stage.client()
    status = [client.get(f"/api/v1/devices/truck-0{n}").json()["serviceStatus"] for n in (1, 2, 3)]
    assert status == ["broken", "onRoute", "outOfService"]


def test_series_in_buckets(stage: Stage) -> None:
    for minute in range(10):
        stage.measure("bin-0451", NOW - timedelta(minutes=10 - minute), fill_pct=float(minute))
    answer = stage.client().get(
        "/api/v1/devices/bin-0451/series",
        params={"field": "fill_pct", "from": (NOW - timedelta(minutes=10)).isoformat(), "every": "5m", "agg": "max"},
    )
    body = answer.json()
    assert [point["value"] for point in body["points"]] == [4.0, 9.0]
    assert (body["unit"], body["every_s"]) == ("%", 300.0)


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ({}, "field"),
        ({"field": "password"}, "is not a field with a series"),
        ({"field": "fill_pct", "every": "5x"}, "`every` is seconds"),
        ({"field": "fill_pct", "every": "0"}, "at least one second"),
        ({"field": "fill_pct", "every": "1s"}, "wider bucket"),
        ({"field": "fill_pct", "from": "2026-03-01T08:00:00"}, "timezone"),
        ({"field": "fill_pct", "from": ISO, "to": ISO}, "before"),
        ({"field": "fill_pct", "from": "2020-01-01T00:00:00Z"}, "at most 400 days"),
        ({"field": "fill_pct", "agg": "median"}, "agg"),
    ],
)
def test_bad_questions_get_a_problem_that_says_what_is_wrong(stage: Stage, params: dict[str, str], detail: str) -> None:
    answer = stage.client().get("/api/v1/devices/bin-0451/series", params=params)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/v1/devices/bin-9999", "/api/v1/nothing", "/api/v1/dumping/cases/none"])
def test_what_is_not_there_is_a_problem_with_404(stage: Stage, path: str) -> None:
    answer = stage.client().get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


@pytest.mark.parametrize("path", ["/nothing", "/devices/planes", "/device/bin-9999", "/camera/bin-0001/zones"])
def test_a_page_that_is_not_there_says_so_to_people(stage: Stage, path: str) -> None:
    answer = stage.client().get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, "Halaman tidak ditemukan" in answer.text) == (404, True)


def test_a_wrong_method_is_a_problem(stage: Stage) -> None:
    answer = stage.client().delete("/api/v1/devices")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")


def test_a_bug_is_a_problem_that_tells_nothing_of_the_inside(stage: Stage) -> None:
    stage.store.latest = None  # type: ignore[method-assign,assignment]
    client = stage.client()
    client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    answer = client.get("/api/v1/devices")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "NoneType" not in answer.text


def test_limits_are_bounded(stage: Stage) -> None:
    client = stage.client()
    assert client.get("/api/v1/devices", params={"limit": 100_000}).status_code == 422
    assert client.get("/api/v1/events", params={"limit": 0}).status_code == 422


def test_events_newest_first_by_type(stage: Stage) -> None:
    stage.happen("bin-0451", "fire", at=NOW - timedelta(minutes=2))
    stage.happen("truck-01", "collected", "noted", bin="bin-0451")
    client = stage.client()
    assert [event["type"] for event in client.get("/api/v1/events").json()["events"]] == ["collected", "fire"]
    fires = client.get("/api/v1/events", params={"type": "fire", "kind": "bin"}).json()["events"]
    assert [event["device"] for event in fires] == ["bin-0451"]


CASE: dict[str, Any] = {
    "case": "cam-01-20260301t040000z",
    "box": [1, 2, 3, 4],
    "since": "2026-03-01T04:00:00Z",
    "evidence": {"before": "before.jpg", "clip": "clip.webm"},
    "sha256": {"before.jpg": "00"},
    "simulated": True,
}


def test_dumping_cases_fold_events_by_case(stage: Stage) -> None:
    stage.happen("cam-01", "dumping", at=NOW - timedelta(hours=8), **CASE)
    stage.happen("cam-01", "dumping", "cleared", case=CASE["case"])
    stage.happen("cam-02", "dumping", at=NOW - timedelta(hours=1), **{**CASE, "case": "cam-02-x"})
    cases = stage.client().get("/api/v1/dumping/cases").json()["cases"]
    assert [(case["id"], case["state"]) for case in cases] == [("cam-02-x", "open"), (CASE["case"], "cleared")]
    assert cases[1]["local_time"] == "2026-03-01T12:00:00+08:00"
    assert cases[1]["hours"] == "17:00-05:00"
    assert cases[0]["hours"] == "18:00-06:00"
    assert cases[1]["evidence"]["before"] == f"/api/v1/dumping/cases/{CASE['case']}/evidence/before.jpg"


@pytest.mark.parametrize("case", ["../../etc", "", "a/b", "UPPER", None, 7, "x" * 64])
def test_a_case_whose_name_is_no_id_is_no_case(stage: Stage, case: object) -> None:
    stage.happen("cam-01", "dumping", **{**CASE, "case": case})
    assert stage.client().get("/api/v1/dumping/cases").json() == {"cases": []}


def test_map_layers_hold_every_device_with_a_position(stage: Stage) -> None:
    stage.measure("truck-01", lat_deg=-10.1, lon_deg=123.6, speed_kmh=20.0)
    stage.measure("bin-0451", fill_pct=90.0)
    stage.happen("cam-01", "dumping", **CASE)
    client = stage.client()
    layers = {
        kind: client.get(f"/api/v1/map/{kind}.geojson").json()["features"] for kind in ("bin", "truck", "ap", "camera")
    }
    assert {kind: len(features) for kind, features in layers.items()} == {
        "bin": 528,
        "truck": 1,
        "ap": 59,
        "camera": 12,
    }
    (fill,) = [f["properties"]["fill_pct"] for f in layers["bin"] if f["properties"]["id"] == "bin-0451"]
    assert fill == 90.0
    assert {f["properties"]["id"]: f["properties"]["open_cases"] for f in layers["camera"]}["cam-01"] == 1
    places = client.get("/api/v1/map/places.geojson").json()["features"]
    assert sum(f["properties"]["kind"] == "kelurahan" for f in places) == 51
    assert sum(f["properties"]["kind"] == "site" for f in places) == 99


def test_unknown_fields_are_shown_with_the_one_that_may_be_meant(stage: Stage) -> None:
    stage.box.note_unknown_fields([UnknownField(1, "bin-0001", "bin", "distance", NOW)])
    (shown,) = stage.client().get("/api/v1/unknown-fields").json()["unknown_fields"]
    assert (shown["device"], shown["field"], shown["times"]) == ("bin-0001", "distance", 1)
    assert shown["similar"] == "distance_mm"


def test_dead_letters_are_shown_and_replayed(stage: Stage) -> None:
    stage.bury("not JSON")
    client = stage.client()
    headers = {"Origin": "http://127.0.0.1"}
    shown = client.get("/api/v1/dead-letters").json()
    assert (shown["total"], shown["dead_letters"][0]["reason"]) == (1, "not JSON")
    answer = client.post("/api/v1/dead-letters/replay", json={"ids": [shown["dead_letters"][0]["id"]]}, headers=headers)
    assert answer.json() == {"replayed": 1}
    assert stage.replayed == [shown["dead_letters"][0]["id"]]


def test_ready_says_why_not(stage: Stage) -> None:
    assert stage.client().get("/readyz").json() == {"ready": True, "detail": ""}
    late = stage.client(now=NOW + timedelta(minutes=1)).get("/readyz")
    assert late.status_code == 503
    assert "said nothing for a while" in late.json()["detail"]
    stage.board.publish(IngestHealth(NOW, connected=True, store="away", note="http://10.0.0.7:8086 refused"))
    assert stage.client().get("/readyz").json() == {"ready": False, "detail": "the store is away"}


def test_that_the_platform_is_behind_is_no_silence_of_its_devices(stage: Stage) -> None:
    stage.measure("truck-01", speed_kmh=20.0)
    later = NOW + timedelta(hours=2)
    assert stage.client(now=later).get("/api/v1/devices/truck-01").json()["connectivity"] == "offline"
    stage.board.publish(IngestHealth(later, connected=True, store="away", lag_s=7_200.0, live_lag_s=7_200.0))
    assert stage.client(now=later).get("/api/v1/devices/truck-01").json()["connectivity"] == "online"


def test_system_counts_devices_by_connectivity(stage: Stage) -> None:
    stage.measure("bin-0451", fill_pct=1.0)
    system = stage.client().get("/api/v1/system").json()
    assert system["devices"]["bin"] == {"online": 1, "unknown": 527}
    assert system["ingest"]["connected"] is True


def test_the_description_has_every_route_and_examples(stage: Stage) -> None:
    described = stage.client().get("/api/v1/openapi.json").json()
    assert {"/api/v1/devices", "/api/v1/stream", "/api/v1/dumping/cases"} <= set(described["paths"])
    assert described["components"]["schemas"]["DeviceResponse"]["examples"]


def test_the_ledger_counts_dead_letters_of_our_own_devices(stage: Stage) -> None:
    stage.measure("bin-0451", fill_pct=1.0)
    raw = b'{"ts":"2026-03-01T12:00:00Z","boot":"b","seq":77,"battery_pct":500}'
    stage.box.add([DeadLetter(99, "kota/v1/kupang/bin/bin-0451/telemetry", raw, NOW, "out of range")])
    (epoch,) = stage.client().get("/api/v1/ledger").json()["epochs"]
    assert (epoch["device"], epoch["seqs"], epoch["dead"]) == ("bin-0451", [[1, 1]], [[77, 77]])


def test_the_places_of_a_map_are_open_to_dashboards_of_any_origin(stage: Stage) -> None:
    """Shapes and sites alone: layers of devices need a viewer."""
    client = stage.client(demo=False)
    answer = client.get("/api/v1/map/places.geojson", headers={"Origin": "http://grafana.example:3000"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    refused = client.get("/api/v1/map/bin.geojson")
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (401, False)
