"""Real answers of every operation, and its refusals, are as the OpenAPI description says."""

from __future__ import annotations

import base64
import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.auth.access import COOKIE
from api.context import ApiContext
from api.routes.stream import Stream
from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES
from city.errors import RetryLaterError
from city.inventory.zone_plans import still_path
from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.rules import load_rules
from ingest.store.parked.quarantine import QuarantinedMessage
from ingest.store.views.health import Damage, ErrorRateAlarm, IngestHealth, LostRange
from tests.support.access import add_passkey, passkey_body
from tests.support.api_requests import (
    ABSENT,
    ACCOUNT,
    AUTHORIZE,
    BASE,
    BIN,
    CASE,
    CODEC,
    ENDLESS,
    INVALID,
    PASSKEY,
    PHOTO,
    PLAN,
    SAVED,
    SUCCESSES,
    WHY,
)
from tests.support.dispatching import fill_dispatch
from tests.support.openapi import Contract
from tests.unit.api.conftest import NOW, Stage
from tests.unit.api.test_messages import gateway_password
from vision.evidence.encryption import encrypt, encrypted_name, key_file, new_private_key, public_of

OTHER_CODEC = "function Decoder(bytes) { return { n: 2 }; }"


def fill(stage: Stage) -> None:
    """Something of everything."""
    stage.public_url = "http://localhost"
    stage.session("administrator")
    add_passkey(stage.people, stage.cookie("viewer"))
    stage.measure("bin-0451", fill_pct=41.0, temperature_c=30.5, battery_pct=80.0)
    for minute in range(3):
        at = NOW - timedelta(minutes=10 - minute)
        stage.measure("truck-01", at, lat_deg=-10.1 - minute / 100, lon_deg=123.6, pto=True, odometer_km=7.0)
    stage.measure("ap-liliba", clients=3)
    conditions = [AlarmCondition(kind, "bin-0451", "bin", detail={"reason": "hot"}) for kind in ("fire", "tilt")]
    stage.alarms.apply(load_rules(), AlarmChanges(tuple(conditions)))
    stage.alarm_board.listed = stage.alarms.current()
    fill_dispatch(stage.dispatch, stage.inventory.current())
    stage.measure("cam-01", scene_ok=True)
    stage.happen("bin-0451", "collected", "noted", weight_kg=4.5)
    stage.happen("cam-01", "blind", at=NOW - timedelta(hours=1), reason="dark")
    stage.bury("nonsense")
    private = new_private_key()
    stage.clear_key = stage.folder / "clear.key"
    stage.clear_key.write_text(key_file(private))
    sealed = encrypt(b"face", public_of(private))
    stage.keep(PHOTO, {"photo.jpg": b"\xff\xd8\xff"}, site="tps-oesapa")
    stage.keep(CASE, {"before.jpg": b"\xff\xd8\xff", encrypted_name("before.jpg"): sealed})
    detail = {"box": [1, 2, 3, 4], "frame": [640, 480], "since": NOW.isoformat(), "evidence": {"before": "before.jpg"}}
    stage.happen("cam-01", "dumping", case=CASE, **detail)
    still = still_path(stage.folder, "cam-01")
    still.parent.mkdir(parents=True, exist_ok=True)
    still.write_bytes(b"\xff\xd8\xff")
    frame = {"f_port": 85, "frm_payload": "A3VkA2cZAQSCRAEFAAE=", "decoded_payload": {"distance": 324}}
    uplink = json.dumps({"uplink_message": {**frame, "received_at": NOW.isoformat()}}).encode()
    topic = "v3/a@t/devices/x/up"
    stage.quarantine.add([QuarantinedMessage("tts", ("a/x",), topic, uplink, NOW, model="em310-udl", port=85)])
    lost = (LostRange("bin-0001", "b", 1, 2),)
    damages, alarms = (Damage(NOW, "x", "damaged"),), (ErrorRateAlarm("*", 3, 9),)
    stage.board.publish(IngestHealth(NOW, connected=True, damages=damages, alarms=alarms, lost=lost, canary_age_s=1.0))


@pytest.fixture
def filled(stage: Stage) -> Stage:
    fill(stage)
    return stage


def ask(stage: Stage, client: TestClient, method: str, path: str, body: Any, **headers: str) -> int:
    """The status; the answer is held against the description by the client."""
    session = {"Cookie": f"{COOKIE}={stage.session('administrator')}", "Origin": "http://127.0.0.1"}
    headers = {**session, **headers}
    path = path.replace(ACCOUNT, stage.account("viewer").id)
    body = passkey_body(stage.people, stage.session("administrator")) if body == PASSKEY else body
    if path.startswith("/api/v1/messages/"):
        account = base64.b64encode(f"controllers:{gateway_password(stage)}".encode()).decode()
        headers["Authorization"] = f"Basic {account}"
    if path.startswith("/api/v1/monitoring/"):
        path += f"{'&' if '?' in path else '?'}key={stage.secrets.password('bin-0451')}"
    return client.request(method, path, json=body, headers=headers).status_code


def declared(contract: Contract, status: str) -> set[tuple[str, str]]:
    """The operations that describe a status."""
    return {(method, path) for method, path, operation in contract.operations() if status in operation["responses"]}


def reached(contract: Contract, status: str, requests: tuple[tuple[str, str, Any], ...]) -> set[tuple[str, str]]:
    """Which operations some requests were for."""
    return {(method, contract.operation_of(method, path.partition("?")[0])[0]) for method, path, _ in requests} & {
        (method, path) for method, path, checked_status in contract.checked if checked_status == status
    }


def test_every_operation_answers_as_described(filled: Stage, contract: Contract) -> None:
    client = filled.client(demo=False)
    for method, path, body in SUCCESSES:
        assert ask(filled, client, method, path, body) == (204 if path == AUTHORIZE else 200), path
    assert declared(contract, "204") == reached(contract, "204", SUCCESSES) == {("GET", AUTHORIZE)}
    endless = {("GET", path) for path in ENDLESS}
    assert declared(contract, "200") - reached(contract, "200", SUCCESSES) == endless


def test_events_of_the_stream_are_as_described(filled: Stage, contract: Contract) -> None:
    media = contract.document["paths"][ENDLESS[0]]["get"]["responses"]["200"]["content"]["text/event-stream"]
    block = Stream(filled.context(), None, NOW - timedelta(hours=1), lambda: True).changes()
    devices = json.loads(block.partition(b"\ndata: ")[2])
    assert {device["kind"] for device in devices} == {"bin", "truck", "ap", "camera"}
    assert contract.faults(media["schema"]["contentSchema"], devices) == []
    assert contract.faults(media["schema"]["contentSchema"], [{**devices[0], "kind": "plane"}]) != []


def test_what_is_absent_is_a_problem_as_described(filled: Stage, contract: Contract) -> None:
    client = filled.client(demo=False)
    for method, path, body in ABSENT:
        assert ask(filled, client, method, path, body) == 404, path
    assert declared(contract, "404") == reached(contract, "404", ABSENT)


def test_who_has_no_right_gets_a_problem_as_described(filled: Stage, contract: Contract) -> None:
    client = filled.client(demo=False)
    keyless = {"/api/v1/monitoring/device/{device}/"}
    for method, path, body in (*SUCCESSES, *(("GET", endless, None) for endless in ENDLESS)):
        client.request(method, path, json=body)
        client.request(method, path, json=body, headers={"Origin": "http://evil.example"})
    found = {
        status: {(method, path) for method, path, got in contract.checked if got == status} for status in ("401", "403")
    }
    assert {path for _, path in declared(contract, "401") - found["401"]} == keyless
    assert declared(contract, "403") - found["403"] == {("GET", "/api/v1/map/places.geojson")}, "in a demo alone"


def test_malformed_requests_get_a_problem_as_described(filled: Stage, contract: Contract) -> None:
    client = filled.client(demo=False)
    for method, path, body in (*SUCCESSES, *(("GET", endless, None) for endless in ENDLESS)):
        assert ask(filled, client, method, path, body, Host="a b") == 400, path
    assert declared(contract, "400") == {(method, path) for method, path, _ in contract.operations()}


def test_invalid_parameters_and_bodies_get_a_problem_as_described(filled: Stage, contract: Contract) -> None:
    client = filled.client(demo=False)
    for method, path, body in INVALID:
        assert ask(filled, client, method, path, body) == 422, path
    assert declared(contract, "422") == reached(contract, "422", INVALID)


def test_large_bodies_get_a_problem_as_described(filled: Stage, contract: Contract) -> None:
    client = filled.client(demo=False)
    for method, path, _ in SUCCESSES:
        if method != "GET":
            assert ask(filled, client, method, path, "x" * (GATEWAY_PAYLOAD_BYTES + 1)) == 413, path
    assert declared(contract, "413") == {(method, path) for method, path, _ in contract.operations() if method != "GET"}


@pytest.mark.parametrize(
    ("status", "requests"),
    [
        ("409", [("POST", f"{BASE}/review", {"verdict": "merged", "into": CASE})]),
        ("409", [("POST", "/api/v1/profiles", {**SAVED, "name": "milesight-em310-udl"})]),
        ("409", [("POST", "/api/v1/codecs", CODEC), ("POST", "/api/v1/codecs", {**CODEC, "source": OTHER_CODEC})]),
        ("409", [("PUT", "/api/v1/cameras/cam-01/zones", {**PLAN, "version": "other"})]),
        ("409", [("POST", "/api/v1/accounts", {"name": "viewer", "role": "viewer"})]),
        *(("409", [("POST", f"/api/v1/plans/999/{verb}", None)]) for verb in ("accept", "reject")),
        ("409", [("POST", "/api/v1/plans", {"day": "2026-03-02"})] * 2),
        ("409", [("POST", "/api/v1/plans/replan", {"day": "2026-03-05"})]),
        ("409", [("POST", "/api/v1/dispatch/changes/1/undo", None)]),
        ("409", [("POST", "/api/v1/shifts/1/close", None)] * 2),
        ("409", [("POST", "/api/v1/orders/1/reopen", {"reason": "x"})]),
        ("409", [("POST", "/api/v1/orders/1/close", {"reason": "x"})] * 2),
        ("410", [("POST", f"{BASE}/erase", WHY), ("GET", f"{BASE}/evidence/before.jpg", None)]),
        ("410", [("POST", f"{BASE}/erase", WHY), ("POST", f"{BASE}/export", None)]),
        ("410", [("POST", f"{BASE}/erase", WHY), ("POST", f"{BASE}/erase", WHY)]),
    ],
)
def test_conflicts_get_a_problem_as_described(filled: Stage, status: str, requests: list[tuple[str, str, Any]]) -> None:
    client = filled.client(demo=False)
    got = [ask(filled, client, method, path, body) for method, path, body in requests]
    assert str(got[-1]) == status


@pytest.mark.parametrize(
    "path", ["/ngsi-ld/v1/types", "/ngsi-ld/v1/entities?type=Device", f"/ngsi-ld/v1/entities/{BIN}"]
)
def test_entities_in_both_media_types_and_in_no_other(filled: Stage, path: str) -> None:
    client = filled.client(demo=False)
    assert ask(filled, client, "GET", path, None, Accept="application/ld+json") == 200
    assert ask(filled, client, "GET", path, None, Accept="image/png") == 406


@pytest.mark.parametrize(
    ("range_", "status"), [("bytes=0-1", 206), ("bytes=0-0,2-2", 206), ("bytes=9-", 416), ("x", 400)]
)
@pytest.mark.parametrize("path", [f"{BASE}/evidence/before.jpg", "/api/v1/cameras/cam-01/still"])
def test_parts_of_files_are_as_described(filled: Stage, path: str, range_: str, status: int) -> None:
    assert ask(filled, filled.client(demo=False), "GET", path, None, Range=range_) == status


class Away:
    """A store, a journal or a quarantine that is away."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_args: Any, **_named: Any) -> Any:
            raise RetryLaterError("it is away")

        return fail


WITHOUT_A_STORE = {("GET", "/readyz"), ("POST", "/api/v1/codecs"), ("GET", "/api/v1/crew-photos/{photo}")}
"""What answers without one: 503 has another reason here."""


def away_from(context: ApiContext) -> ApiContext:
    away: Any = Away()
    services = {"reader": away, "dead_letters": away, "quarantine": away, "replay": away.x, "receive": away.x}
    return dataclasses.replace(context, **services)


def test_without_a_store_there_is_a_problem_as_described(filled: Stage, contract: Contract) -> None:
    client = filled.client(demo=False)
    client.app.state.context = away_from(client.app.state.context)  # type: ignore[attr-defined]
    got = {}
    for method, path, body in SUCCESSES:
        got[method, contract.operation_of(method, path.partition("?")[0])[0]] = ask(filled, client, method, path, body)
    unavailable = {operation for operation, status in got.items() if status == 503}
    assert unavailable == declared(contract, "503") - WITHOUT_A_STORE
    assert {status for operation, status in got.items() if operation not in unavailable} == {200, 204}


def test_not_ready_has_a_model_too(stage: Stage) -> None:
    late = stage.client(now=NOW + timedelta(minutes=1))
    assert late.get("/readyz").status_code == 503
