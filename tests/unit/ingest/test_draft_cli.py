"""`kota device draft`: from an unknown device or from files to a saved profile, and to the readings that waited."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from city.errors import ConfigError
from city.inventory.additions import InventoryAdditions
from city.inventory.adoption import Adoption, adopt
from city.inventory.loader import builtin_city, load_city
from city.inventory.problems import NameTakenError
from city.inventory.provider import LiveInventory
from city.inventory.saved_profiles import profile_path
from ingest.cli.device import run
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.store.parked.quarantine import Quarantine, QuarantinedMessage

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RECEIVED = {"received_at": "2026-03-01T12:00:00Z"}
BODY = {"jarak": 640, "vbat": 3.61, "suhu": "29.4 °C", "lid": "closed", "ts": "2026-03-01T12:00:00Z", "fw": "1.2"}


def message_file(folder: Path, body: dict[str, Any], name: str = "message.json") -> str:
    path = folder / name
    path.write_text(json.dumps(body))
    return str(path)


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    run(["draft", *arguments, "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_draft_of_files_shows_keys_readings_and_the_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(tmp_path / "data"))
    assert run(["draft", "--topic", "json/tong-1", message_file(tmp_path, BODY), *data]) == 0
    printed = capsys.readouterr().out
    assert "adapter json, address tong-1, kind bin" in printed
    assert (
        "jarak: 640\n    numeric in 1 messages, 640 to 640\n    -> distance_mm mm\n    likely: distance_mm" in printed
    )
    assert "fw: 1.2" in printed
    assert "distance_mm        640.0" in printed
    assert 'battery_v = { source = ["vbat"] }' in printed
    assert not (tmp_path / "data").exists(), "nothing is saved unless it is asked for"


def test_a_mapping_is_edited_key_by_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = message_file(tmp_path, {"a=b": 64, "dist": 320, "temp": 30})
    arguments = ("--topic", "json/x", file, "--data", str(tmp_path), "--map", "dist=distance_mm:mm", "--drop", "temp")
    document = report(capsys, *arguments, "--map", "a=b=fill_pct", "--kind", "bin")
    assert document["mapping"] == [
        {"key": "dist", "field": "distance_mm", "unit": "mm"},
        {"key": "a=b", "field": "fill_pct", "unit": ""},
    ]
    assert document["results"][0]["records"][0]["values"]["distance_mm"] == 320.0
    for wrong in (["--map", "dist"], ["--map", "none=fill_pct"], ["--drop", "none"], ["--map", "dist=pto"]):
        with pytest.raises(ConfigError):
            run(["draft", *arguments, "--kind", "bin", *wrong])
    with pytest.raises(ConfigError, match="No such file"):
        run(["draft", "--topic", "json/x", str(tmp_path / "none"), "--data", str(tmp_path)])


def test_a_profile_is_saved_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--topic", "json/x", message_file(tmp_path, BODY), "--data", str(tmp_path), "--profile", "acme-1")
    arguments = (*arguments, "--save")
    assert report(capsys, *arguments)["saved"] == str(profile_path(tmp_path, "acme-1"))
    with pytest.raises(NameTakenError):
        run(["draft", *arguments])
    with pytest.raises(ConfigError, match="not an id"):
        run(["draft", *arguments, "--profile", "../x"])


def test_what_waited_is_stored_by_a_profile_that_was_drafted_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown device, draft, save, adopt: the messages that waited are decoded, each with its right values."""
    inventory = LiveInventory(load_city(builtin_city("kupang")))
    additions = InventoryAdditions(tmp_path, inventory)
    decoder = Decoder(inventory, late_after=timedelta(minutes=15))
    with closing(Quarantine(tmp_path / "store" / "quarantine.sqlite")) as quarantine:
        for number in range(3):
            at = NOW + timedelta(minutes=number)
            body = {**BODY, "jarak": 640 - 100 * number, "ts": at.isoformat()}
            _quarantine(quarantine, decoder, json.dumps(body).encode(), at)
        document = report(capsys, "1", "--data", str(tmp_path), "--profile", "acme-1", "--save")
        assert document["kind"] == "bin"
        additions.refresh()
        fields = {"adapter": "json", "address": "Tong-1", "profile": "acme-1", "kelurahan": "alak"}
        container = {"model": "plastic-240l", "waste_kind": "organic", "color": "yellow"}
        adopt(tmp_path, inventory.current(), Adoption("bin-9001", "bin", {**fields, **container}))
        additions.refresh()
        records = [
            record for message in quarantine.messages_of(1) for record in decoder.decode(message.arrival()).records
        ]
    values = [(record.origin.measured_at, record.values["distance_mm"]) for record in records]
    assert values == [(NOW + timedelta(minutes=number), 640.0 - 100 * number) for number in range(3)]
    assert {record.origin.device for record in records} == {"bin-9001"}
    assert records[0].values == {
        "distance_mm": 640.0,
        "battery_v": 3.61,
        "temperature_c": 29.4,
        "lid_open": False,
        "fill_pct": records[0].values["fill_pct"],
    }


def _quarantine(quarantine: Quarantine, decoder: Decoder, body: bytes, at: datetime) -> None:
    arrival = Arrival("json/Tong-1", body, at)
    (unknown,) = decoder.decode(arrival).unknown_devices
    quarantine.add([QuarantinedMessage(unknown.adapter, unknown.names, arrival.topic, unknown.raw, at)])


def test_a_codec_in_a_file_decodes_the_frames_and_is_saved_with_the_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "acme-lora.js"
    script.write_text("function Decoder(bytes, port) { return { jarak_mm: bytes[0] * 256 + bytes[1] }; }")
    body = {"end_device_ids": {"device_id": "t-1"}, "uplink_message": {**RECEIVED, "f_port": 1, "frm_payload": "AoA="}}
    file, data = message_file(tmp_path, body), tmp_path / "data"
    arguments = ("--topic", "v3/bins/devices/t-1/up", file, "--data", str(data))
    assert report(capsys, *arguments)["keys"] == []
    drafted = report(capsys, *arguments, "--codec", str(script), "--profile", "acme", "--save")
    assert drafted["mapping"][0] == {"key": "jarak_mm", "field": "distance_mm", "unit": "mm"}
    assert drafted["results"][0]["records"][0]["values"]["distance_mm"] == 640.0
    inventory = LiveInventory(load_city(builtin_city("kupang")))
    InventoryAdditions(data, inventory)
    assert inventory.current().profiles["acme"].codec == "acme-lora"
    assert inventory.current().codecs["acme-lora"].source == script.read_text()
    with pytest.raises(ConfigError, match="there is no codec 'none'"):
        run(["draft", *arguments, "--codec", "none"])
