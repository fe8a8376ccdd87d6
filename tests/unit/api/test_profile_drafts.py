"""Profiles made from examples over HTTP: keys and proposals, the preview of a mapping, saving, and refusals."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from markupsafe import escape

from api.console.page_context import PageContext
from api.console.parts.profile_draft import profile_draft_section
from city.i18n.catalogue import LANGS, Lang
from city.inventory.additions import InventoryAdditions
from city.inventory.provider import LiveInventory
from city.inventory.saved_profiles import profile_path
from ingest.store.parked.quarantine import QuarantinedMessage
from tests.support.access import identity_with
from tests.unit.api.conftest import CITY, NOW, Stage

MAPPING = [{"key": "jarak", "field": "distance_mm", "unit": "mm"}, {"key": "vbat", "field": "battery_v"}]
SAVE = {"name": "acme-tank", "title": "Acme Tank", "kind": "bin", "unknown_device": 1, "mapping": MAPPING}


def operator(stage: Stage) -> TestClient:
    return stage.client(demo=False, token=stage.token("supervisor"))


def send(stage: Stage, *bodies: Any, device: str = "tong-1", model: str = "") -> None:
    for number, body in enumerate(bodies):
        at = NOW + timedelta(seconds=number)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        stage.quarantine.add([QuarantinedMessage("json", (device,), f"json/{device}", raw, at, model=model)])


@pytest.fixture
def met(stage: Stage) -> Stage:
    """One unknown device that has sent five messages."""
    send(stage, *({"jarak": 640 - number, "vbat": 3.6, "fw": "1.2"} for number in range(5)), model="Acme Tank v2")
    return stage


def test_a_draft_lists_keys_with_values_over_time_and_proposals(met: Stage) -> None:
    draft = operator(met).get("/api/v1/strangers/1/draft").json()
    assert (draft["kind"], draft["name"], draft["title"], draft["left_out"]) == (
        "bin",
        "acme-tank-v2",
        "Acme Tank v2",
        0,
    )
    assert draft["mapping"] == [
        {"key": "jarak", "field": "distance_mm", "unit": "mm"},
        {"key": "vbat", "field": "battery_v", "unit": "v"},
    ]
    distance, battery, version = draft["keys"]
    assert [value["value"] for value in distance["values"]] == ["636", "637", "638", "639", "640"]
    assert (distance["low"], distance["high"], distance["messages"], distance["type"]) == (636, 640, 5, "numeric")
    (proposal,) = battery["proposals"]
    assert (proposal["confidence"], proposal["reason"]) == ("likely", "range")
    assert proposal["text"] == "the name says 'vbat', and the values are usual for this unit"
    assert (version["key"], version["proposals"]) == ("fw", [])
    units = {choice["field"]: choice["units"] for choice in draft["fields"]}
    assert units["distance_mm"][:3] == ["mm", "cm", "dm"]
    assert units["time"] == [""]


def test_a_draft_for_another_kind_offers_the_fields_of_that_kind(met: Stage) -> None:
    draft = operator(met).get("/api/v1/strangers/1/draft?kind=truck").json()
    assert (draft["kind"], "speed_kmh" in {choice["field"] for choice in draft["fields"]}) == ("truck", True)
    assert operator(met).get("/api/v1/strangers/1/draft?kind=boat").status_code == 422
    assert operator(met).get("/api/v1/strangers/9/draft").status_code == 404


def test_an_edited_mapping_is_previewed_on_the_newest_messages(met: Stage) -> None:
    body = {"kind": "bin", "mapping": [{"key": "jarak", "field": "distance_mm", "unit": "cm"}], "container": ""}
    answer = operator(met).post("/api/v1/strangers/1/draft", json=body).json()
    distances = [result["records"][0]["values"]["distance_mm"] for result in answer["results"]]
    assert distances == [6360.0, 6370.0, 6380.0]
    assert 'distance_mm = { source = ["jarak"], unit = "cm" }' in answer["toml"]
    assert list(met.folder.glob("profiles/*")) == []


@pytest.mark.parametrize(
    ("entry", "field", "detail"),
    [
        ({"key": "jarak", "field": "pto"}, "mapping.0", "a bin has no field 'pto'"),
        ({"key": "jarak", "field": "distance_mm", "unit": "kg"}, "mapping.0", "'kg' is no unit of distance_mm"),
        ({"key": "none", "field": "distance_mm"}, "mapping.0", "the messages have no key 'none'"),
        ({"key": "", "field": "distance_mm"}, "body.mapping.0.key", "String should have at least 1 character"),
        ({"key": "x" * 201, "field": "distance_mm"}, "body.mapping.0.key", "String should have at most 200 characters"),
    ],
)
def test_a_wrong_mapping_is_refused_entry_by_entry(met: Stage, entry: dict[str, str], field: str, detail: str) -> None:
    preview = {"kind": "bin", "mapping": [entry]}
    for path, body in (("strangers/1/draft", preview), ("profiles", {**SAVE, "mapping": [entry]})):
        answer = operator(met).post(f"/api/v1/{path}", json=body)
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["field"] == field
        assert error["detail"].startswith(detail)
    assert list(met.folder.glob("profiles/*")) == []


def test_a_saved_profile_is_there_at_once_and_in_other_processes(met: Stage) -> None:
    other = LiveInventory(CITY)
    additions = InventoryAdditions(met.folder, other)
    answer = operator(met).post("/api/v1/profiles", json=SAVE)
    assert answer.json() == {"id": "acme-tank", "name": "Acme Tank", "kind": "bin"}
    (entry,) = met.people.audit.search(action="profile")
    assert (entry.actor_name, entry.object) == ("supervisor", "acme-tank")
    assert "acme-tank" in {profile["id"] for profile in operator(met).get("/api/v1/profiles?kind=bin").json()}
    assert additions.refresh()
    assert other.current().profiles["acme-tank"] == met.inventory.current().profiles["acme-tank"]
    (device,) = operator(met).get("/api/v1/strangers").json()["unknown_devices"]
    assert device["profiles"][0]["id"] == "acme-tank", "it is the first suggestion for this model"


def test_a_device_is_adopted_with_a_profile_that_was_just_saved(met: Stage) -> None:
    operator(met).post("/api/v1/profiles", json=SAVE)
    place = {"lat_deg": -10.2, "lon_deg": 123.5}
    order = {"id": "bin-9001", "profile": "acme-tank", "model": "plastic-240l", "waste_kind": "organic", **place}
    answer = operator(met).post("/api/v1/strangers/1/adopt", json={**order, "color": "yellow"})
    assert answer.json() == {"device": "bin-9001", "kind": "bin", "waiting": 5}


@pytest.mark.parametrize("name", ["acme-tank", "milesight-em310-udl"])
def test_a_name_that_is_taken_is_refused(met: Stage, name: str) -> None:
    operator(met).post("/api/v1/profiles", json=SAVE)
    before = profile_path(met.folder, "acme-tank").read_bytes()
    answer = operator(met).post("/api/v1/profiles", json={**SAVE, "name": name, "mapping": MAPPING[:1]})
    assert (answer.status_code, answer.json()["detail"]) == (409, f"there is a profile '{name}'; choose another name")
    assert profile_path(met.folder, "acme-tank").read_bytes() == before


@pytest.mark.parametrize("name", ["", "../x", "Acme Tank", "a" * 64, "a\n", "a\x00"])
def test_a_name_that_is_no_id_is_refused(met: Stage, name: str) -> None:
    assert operator(met).post("/api/v1/profiles", json={**SAVE, "name": name}).status_code == 422
    assert list(met.folder.glob("profiles/*")) == []


@pytest.mark.parametrize(
    "change", [{"mapping": []}, {"mapping": MAPPING * 150}, {"title": "x" * 101}, {"title": "\x00"}]
)
def test_a_profile_without_keys_or_of_too_many_is_refused(met: Stage, change: dict[str, Any]) -> None:
    assert operator(met).post("/api/v1/profiles", json={**SAVE, **change}).status_code == 422
    assert list(met.folder.glob("profiles/*")) == []


def test_a_disk_that_refuses_is_told_without_its_folders(met: Stage) -> None:
    (met.folder / "profiles").write_text("no folder")
    answer = operator(met).post("/api/v1/profiles", json=SAVE)
    assert (answer.status_code, str(met.folder) in answer.text) == (503, False)
    assert int(answer.headers["Retry-After"]) > 0


def test_only_operators_draft_and_save(met: Stage) -> None:
    preview = {"kind": "bin", "mapping": []}
    for role, status in (("", 401), ("viewer", 403)):
        client = met.client(demo=False, token=met.token(role) if role else "")  # type: ignore[arg-type]
        assert client.get("/api/v1/strangers/1/draft").status_code == status
        assert client.post("/api/v1/strangers/1/draft", json=preview).status_code == status
        assert client.post("/api/v1/profiles", json=SAVE).status_code == status
    assert list(met.folder.glob("profiles/*")) == []


HOSTILE: list[Any] = [
    {'<img src=x onerror="alert(1)">': 640, "__proto__": {"jarak": 1}, "constructor": "x"},
    {"a\nb": 1, 'q"uote': 2, "\x00": 3, "距离": 4, "[cm]": 5, "x [": 6},
    {f"k{number}": number for number in range(10_000)},
    b'{"a":' * 100 + b"1" + b"}" * 100,
    b'{"distance": NaN, "battery": 1e999, "big": 1' + b"0" * 400 + b"}",
    b"\xff\xfe",
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: str(body)[:30])
def test_hostile_messages_have_a_bounded_draft_that_can_be_saved(stage: Stage, body: Any) -> None:
    send(stage, body)
    draft = operator(stage).get("/api/v1/strangers/1/draft?kind=bin")
    assert draft.status_code == 200
    assert len(draft.content) < 200_000
    keys = [key["key"] for key in draft.json()["keys"]]
    mapping = [{"key": keys[0], "field": "fill_pct"}] if keys else MAPPING
    answer = operator(stage).post("/api/v1/profiles", json={**SAVE, "mapping": mapping})
    assert answer.status_code == (200 if keys else 422)
    if keys:
        assert stage.inventory.current().profiles["acme-tank"].fields["fill_pct"].source == (keys[0],)


@pytest.mark.parametrize("lang", LANGS)
def test_the_page_has_the_form_in_each_language_with_every_text(met: Stage, lang: Lang) -> None:
    page, device = PageContext(met.context(), lang, identity_with("supervisor")), met.quarantine.find()[0]
    section = profile_draft_section(page, device, is_open=True)
    assert page.t("draft_heading") in section
    assert '<details class="profile-draft" open>' in section
    for text in ("draft_saved", "unit_mm", "draft_reason_content_height"):
        assert str(escape(json.dumps(page.t(text), ensure_ascii=False).strip('"'))) in section
    assert "open" not in profile_draft_section(page, device, is_open=False)[:40]


def test_messages_of_raw_bytes_alone_say_so(stage: Stage) -> None:
    uplink = {"f_port": 7, "frm_payload": "AQID", "received_at": NOW.isoformat()}
    body = json.dumps({"end_device_ids": {"dev_eui": "24E1"}, "uplink_message": uplink}).encode()
    stage.quarantine.add([QuarantinedMessage("tts", ("24E1",), "v3/a@t/devices/x/up", body, NOW)])
    draft = operator(stage).get("/api/v1/strangers/1/draft").json()
    assert (draft["keys"], draft["raw_frames_only"]) == ([], True)


def test_messages_that_were_deleted_give_an_empty_draft(met: Stage) -> None:
    met.quarantine.mark(1, "ignored")
    draft = operator(met).get("/api/v1/strangers/1/draft").json()
    assert (draft["keys"], draft["mapping"], draft["raw_frames_only"]) == ([], [], False)
    assert operator(met).post("/api/v1/profiles", json=SAVE).status_code == 422
