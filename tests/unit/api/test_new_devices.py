"""Unknown devices over the API and in the console: listed, previewed, adopted or ignored, by operators only."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.console.page_context import PageContext
from api.console.pages import device as device_page
from api.console.pages import new_devices as new_devices_page
from api.schemas import device_response
from city.inventory.additions import InventoryAdditions
from city.inventory.adoption import adoption_path
from ingest.store.parked.dead_letters import DeadLetter
from ingest.store.parked.quarantine import QuarantinedMessage
from tests.support.access import identity_with
from tests.unit.api.conftest import CITY, NOW, Stage

TOPIC = "v3/kota@t/devices/em-9/up"
ORDER = {
    "id": "bin-9001",
    "profile": "milesight-em400-mud",
    "lat_deg": -10.2030,
    "lon_deg": 123.5310,
    "model": "plastic-240l",
    "waste_kind": "organic",
    "color": "yellow",
}


def uplink(frame_hex: str = "01755C03670101048244010500 00") -> bytes:
    raw = base64.b64encode(bytes.fromhex(frame_hex)).decode()
    message = {"f_port": 85, "frm_payload": raw, "received_at": NOW.isoformat()}
    return json.dumps({"end_device_ids": {"dev_eui": "24E1"}, "uplink_message": message}).encode()


def operator(stage: Stage) -> TestClient:
    return stage.client(token=stage.token("supervisor"))


def page_context(stage: Stage) -> PageContext:
    return PageContext(stage.context(), "id", identity_with("supervisor"))


@pytest.fixture
def met(stage: Stage) -> Stage:
    """One unknown device that has sent two messages."""
    for second in range(2):
        at = NOW + timedelta(seconds=second)
        message = QuarantinedMessage(
            "tts", ("24E1", "kota/em-9"), TOPIC, uplink(), at, model="milesight-iot/em400-mud", port=85
        )
        stage.quarantine.add([message])
    return stage


def test_an_unknown_device_is_listed_with_the_profiles_it_may_have(met: Stage) -> None:
    found = met.client().get("/api/v1/strangers").json()
    (device,) = found["unknown_devices"]
    assert (found["waiting"], device["address"], device["messages"]) == (1, "24e1", 2)
    assert device["profiles"][0] == {"id": "milesight-em400-mud", "name": "Milesight EM400-MUD", "kind": "bin"}


def test_a_preview_shows_what_would_be_stored(met: Stage) -> None:
    asked = "/api/v1/strangers/1/preview?profile=milesight-em400-mud&container=plastic-240l"
    (record,) = met.client().get(asked).json()["records"]
    assert record["values"] == {
        "battery_pct": 92.0,
        "temperature_c": 25.7,
        "distance_mm": 324.0,
        "fill_pct": 67.69,
        "lid_open": False,
    }


def test_a_preview_says_why_nothing_would_be(met: Stage) -> None:
    client = met.client()
    wrong = client.get("/api/v1/strangers/1/preview?profile=dragino-ldds75").json()
    assert wrong["problems"] == ["undecoded: port 85, 14 bytes: Dragino's distance sensors measure on port 2, not 85"]
    assert client.get("/api/v1/strangers/1/preview?profile=none").status_code == 422
    assert client.get("/api/v1/strangers/77/preview?profile=none").status_code == 404


def test_taking_in_makes_a_device_in_its_kelurahan(met: Stage) -> None:
    answer = operator(met).post("/api/v1/strangers/1/adopt", json=ORDER)
    assert answer.json() == {"device": "bin-9001", "kind": "bin", "waiting": 2}
    InventoryAdditions(met.folder, met.inventory)
    assert met.inventory.current().bins["bin-9001"].kelurahan == "alak"
    assert met.client().get("/api/v1/devices/bin-9001").status_code == 200


def test_an_unknown_device_is_given_to_a_bin_that_is_there(met: Stage) -> None:
    order = {"id": "bin-0001", "profile": "milesight-em400-mud"}
    assert operator(met).post("/api/v1/strangers/1/adopt", json=order).status_code == 200
    InventoryAdditions(met.folder, met.inventory)
    binding = met.inventory.current().bins["bin-0001"].binding
    assert binding is not None
    assert (binding.adapter, binding.address) == ("tts", "24e1")


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"profile": "none"}, [{"field": "profile", "detail": "there is no profile 'none'"}]),
        ({"profile": "owntracks-truck"}, None),
        ({"model": "barrel"}, [{"field": "model", "detail": "there is no model 'barrel'"}]),
        ({"model": "a: b: c"}, [{"field": "model", "detail": "there is no model 'a: b: c'"}]),
        (
            {"model": "a\nid: b", "color": "red"},
            [
                {"field": "model", "detail": "there is no model 'a\\nid: b'"},
                {"field": "color", "detail": "'red' is not one of yellow, green, grey"},
            ],
        ),
        ({"lat_deg": 200}, [{"field": "lat_deg", "detail": "200 is outside -90..90"}]),
        ({"id": "truck-01"}, [{"field": "id", "detail": "there is no bin of that id to attach to"}]),
        ({"id": "../x"}, None),
    ],
)
def test_what_is_wrong_is_listed_by_field_and_nothing_changes(
    met: Stage, change: dict[str, Any], errors: list[dict[str, str]] | None
) -> None:
    answer = operator(met).post("/api/v1/strangers/1/adopt", json={**ORDER, **change})
    assert answer.status_code == 422
    if errors is not None:
        assert answer.json()["errors"] == errors
    assert not list(met.folder.glob("devices/*"))


def test_a_disk_that_refuses_an_adoption_is_told_without_its_folders(met: Stage) -> None:
    (met.folder / "devices").write_text("no folder")
    answer = operator(met).post("/api/v1/strangers/1/adopt", json=ORDER)
    assert (answer.status_code, str(met.folder) in answer.text) == (503, False)


def test_ignoring_deletes_what_is_kept(met: Stage) -> None:
    client = operator(met)
    assert client.post("/api/v1/strangers/1/ignore").json() == {"state": "ignored"}
    assert met.quarantine.messages_of(1) == []
    assert client.get("/api/v1/strangers").json()["waiting"] == 0
    assert client.post("/api/v1/strangers/1/notice").json() == {"state": "waiting"}


@pytest.mark.parametrize("path", ["strangers/1/adopt", "strangers/1/ignore", "strangers/1/notice"])
def test_only_operators_adopt_and_ignore(met: Stage, path: str) -> None:
    assert met.client(demo=False).post(f"/api/v1/{path}", json=ORDER).status_code == 401
    viewer = met.client(demo=False, token=met.token("viewer"))
    assert viewer.post(f"/api/v1/{path}", json=ORDER).status_code == 403
    assert viewer.get("/api/v1/strangers").status_code == 200
    assert viewer.get("/api/v1/strangers/1").status_code == 403, "messages may hold more than a viewer should see"
    assert not adoption_path(met.folder, "bin-9001").exists()


def test_the_console_lists_them_with_what_may_be_done(met: Stage) -> None:
    listed = new_devices_page._list(page_context(met))
    assert "24e1" in listed
    assert "milesight-iot/em400-mud" in listed
    assert 'data-unknown-device="1/ignore"' in listed
    shown = PageContext(met.context(), "id", identity_with("viewer"))
    assert "data-unknown-device" not in new_devices_page._list(shown)


def test_the_form_knows_the_model_and_the_next_id(met: Stage) -> None:
    device = met.quarantine.find()[0]
    form = new_devices_page._form(page_context(met), device)
    assert '<option value="milesight-em400-mud" selected>' in form
    assert new_devices_page.next_id(page_context(met), "bin") == "bin-0461"
    assert new_devices_page.next_id(page_context(met), "truck") == "truck-35"


def test_texts_of_an_unknown_device_stay_text(stage: Stage) -> None:
    evil = "<script>alert(1)</script>"
    stage.quarantine.add([QuarantinedMessage("tts", (evil,), TOPIC, evil.encode(), NOW, model=evil, label=evil)])
    device = stage.quarantine.find()[0]
    page = new_devices_page._list(page_context(stage)) + new_devices_page._facts(page_context(stage), device)
    page += new_devices_page._form(page_context(stage), device)
    page += new_devices_page._messages(page_context(stage), stage.quarantine.messages_of(device.id))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_what_could_not_be_read_of_a_device_is_said_on_its_page(stage: Stage) -> None:
    reason = "undecoded: port 7, 3 bytes: its profile names no frame decoder"
    stage.box.add([DeadLetter(1, TOPIC, b"x", NOW, reason, device="bin-0001")])
    stage.box.add([DeadLetter(2, TOPIC, b"x", NOW, reason, device="bin-0001")])
    found = stage.box.summary_of("bin-0001")
    assert found is not None
    assert (found.count, found.times, found.reason) == (1, 2, reason)
    shape = device_response(stage.context(), CITY.devices["bin-0001"], None, NOW)
    assert reason in device_page._values(page_context(stage), shape)
    assert stage.box.summary_of("bin-0002") is None


def test_profiles_are_listed_by_kind(stage: Stage) -> None:
    found = stage.client().get("/api/v1/profiles?kind=truck").json()
    assert {profile["kind"] for profile in found} == {"truck"}
    assert "teltonika-truck" in {profile["id"] for profile in found}
