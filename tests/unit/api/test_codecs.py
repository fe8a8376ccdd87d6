"""Payload codecs over HTTP: from raw frames that nobody can read to a device with values, without a restart."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from city.inventory.additions import InventoryAdditions
from city.inventory.provider import LiveInventory
from ingest.decoding.decoder import Decoder
from ingest.store.parked.quarantine import QuarantinedMessage
from ingest.store.records import Reading
from tests.support.api_requests import ADOPTION
from tests.unit.api.conftest import CITY, NOW, Stage

SOURCE = """
export function decodeUplink(input) {
  if (input.bytes.length < 4) return { errors: ["too short"] };
  return { data: { jarak_mm: input.bytes[0] * 256 + input.bytes[1], vbat: input.bytes[2] / 50, suhu: input.bytes[3] } };
}
"""
CODEC = {"name": "acme-lora", "source": SOURCE}
MAPPING = [
    {"key": "jarak_mm", "field": "distance_mm", "unit": "mm"},
    {"key": "vbat", "field": "battery_v", "unit": "v"},
    {"key": "suhu", "field": "temperature_c", "unit": "c"},
]
SAVE = {"name": "acme", "title": "Acme", "kind": "bin", "unknown_device": 1, "mapping": MAPPING, "codec": "acme-lora"}
ADOPT = {**ADOPTION, "id": "bin-9001", "profile": "acme"}


def uplink(number: int, data: bytes) -> bytes:
    message = {"f_port": 2, "f_cnt": number, "frm_payload": base64.b64encode(data).decode()}
    message["received_at"] = f"2026-03-01T12:00:0{number}Z"
    ids = {"device_id": "acme-1", "application_ids": {"application_id": "bins"}}
    return json.dumps({"end_device_ids": ids, "uplink_message": message}).encode()


@pytest.fixture
def raw(stage: Stage) -> Stage:
    """An unknown device that has sent three frames."""
    for number in range(3):
        at = NOW + timedelta(seconds=number)
        body = uplink(number, bytes([2, 128 + number, 180, 29]))
        names = ("bins/acme-1", "acme-1")
        stage.quarantine.add([QuarantinedMessage("tts", names, "v3/bins/devices/acme-1/up", body, at)])
    return stage


def operator(stage: Stage) -> TestClient:
    return stage.client(demo=False, token=stage.token("supervisor"))


def test_a_model_of_raw_frames_is_connected_by_its_codec_without_a_restart(raw: Stage) -> None:
    client = operator(raw)
    blank = client.get("/api/v1/strangers/1/draft").json()
    assert (blank["raw_frames_only"], blank["has_frames"], blank["codecs"], blank["keys"]) == (True, True, [], [])
    assert client.post("/api/v1/codecs", json=CODEC).json() == {"id": "acme-lora"}
    draft = client.get("/api/v1/strangers/1/draft?codec=acme-lora").json()
    assert (draft["codec"], draft["codecs"], draft["kind"]) == ("acme-lora", ["acme-lora"], "bin")
    assert {key["key"] for key in draft["keys"]} == {"jarak_mm", "vbat", "suhu"}
    assert {"key": "jarak_mm", "field": "distance_mm", "unit": "mm"} in draft["mapping"]
    body = {"kind": "bin", "mapping": MAPPING, "codec": "acme-lora"}
    preview = client.post("/api/v1/strangers/1/draft", json=body).json()
    assert [result["records"][0]["values"]["distance_mm"] for result in preview["results"]] == [642.0, 641.0, 640.0]
    assert 'codec = "acme-lora"' in preview["toml"]
    assert client.post("/api/v1/profiles", json=SAVE).status_code == 200
    assert client.post("/api/v1/strangers/1/adopt", json=ADOPT).status_code == 200
    other = LiveInventory(CITY)
    InventoryAdditions(raw.folder, other)
    decoder = Decoder(other, late_after=timedelta(minutes=15), codecs=raw.codecs)
    records = [decoder.decode(message.arrival()).records for message in raw.quarantine.messages_of(1)]
    readings = [record for message_records in records for record in message_records if isinstance(record, Reading)]
    assert [reading.values["distance_mm"] for reading in readings] == [640.0, 641.0, 642.0]
    assert readings[0].values["battery_v"] == 3.6


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def decode(payload): pass", "SyntaxError"),
        ("for (;;) {}", "longer than 500 ms"),
        ("const x = 1;", "none of decodeUplink"),
        ("const fs = require('fs');", "require is not defined"),
        ("let a = []; for (;;) a.push(new Array(10000).fill(1));", "more than 16 MB"),
    ],
)
def test_a_codec_that_cannot_be_loaded_is_refused_with_its_reason(raw: Stage, source: str, reason: str) -> None:
    answer = operator(raw).post("/api/v1/codecs", json={"name": "bad", "source": source})
    assert answer.status_code == 422
    assert reason in answer.json()["errors"][0]["detail"]
    assert list(raw.folder.glob("codecs/*")) == []


def test_a_codec_is_never_replaced(raw: Stage) -> None:
    client = operator(raw)
    assert client.post("/api/v1/codecs", json=CODEC).status_code == 200
    assert client.post("/api/v1/codecs", json=CODEC).status_code == 200
    assert client.post("/api/v1/codecs", json={**CODEC, "source": SOURCE + " "}).status_code == 409
    assert (raw.folder / "codecs" / "acme-lora.js").read_text() == SOURCE


@pytest.mark.parametrize("wrong", [{"name": "../x"}, {"source": ""}, {"source": "x" * 800_001}])
def test_a_name_or_script_that_is_none_is_refused(raw: Stage, wrong: dict[str, str]) -> None:
    assert operator(raw).post("/api/v1/codecs", json={**CODEC, **wrong}).status_code == 422


def test_a_viewer_saves_no_codec(raw: Stage) -> None:
    viewer = raw.client(demo=False, token=raw.token("viewer"))
    assert viewer.post("/api/v1/codecs", json=CODEC).status_code == 403


def test_a_disk_that_refuses_changes_nothing(raw: Stage) -> None:
    (raw.folder / "codecs").write_text("no folder")
    assert operator(raw).post("/api/v1/codecs", json=CODEC).status_code == 503


@pytest.mark.parametrize("where", ["draft", "preview", "save"])
def test_a_codec_that_is_not_there_is_refused_by_name(raw: Stage, where: str) -> None:
    client = operator(raw)
    preview: dict[str, Any] = {"kind": "bin", "mapping": MAPPING, "codec": "none"}
    answer = {
        "draft": lambda: client.get("/api/v1/strangers/1/draft?codec=none"),
        "preview": lambda: client.post("/api/v1/strangers/1/draft", json=preview),
        "save": lambda: client.post("/api/v1/profiles", json={**SAVE, "codec": "none"}),
    }[where]()
    assert answer.status_code == 422
    assert "there is no codec 'none'" in answer.json()["detail"]


def test_frames_that_a_codec_refuses_are_told(raw: Stage) -> None:
    client = operator(raw)
    client.post("/api/v1/codecs", json={**CODEC, "source": SOURCE.replace("< 4", "< 40")})
    draft = client.get("/api/v1/strangers/1/draft?codec=acme-lora").json()
    assert draft["problems"] == ["codec acme-lora: too short"]
    assert draft["keys"] == []
