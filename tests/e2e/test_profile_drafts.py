"""A profile made on a new device's page in a real browser: from decoded messages, and from raw frames with a codec."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ingest.store.parked.quarantine import QuarantinedMessage
from tests.e2e.test_console import DESKTOP, TELEPHONE, browser, looking, serving
from tests.unit.api.conftest import NOW

__all__ = ["browser"]

CODEC = """
function decodeUplink(input) {
  return { data: { jarak_mm: input.bytes[0] * 256 + input.bytes[1], vbat: input.bytes[2] / 50 } };
}
"""


@pytest.mark.parametrize("viewport", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_a_device_of_an_unknown_model_is_connected_on_its_page_alone(
    browser: Browser, tmp_path: Path, viewport: dict[str, int]
) -> None:
    """Keys are recognised or chosen, the profile is saved and selected without a reload, the device is adopted."""
    evil = "<img src=x onerror=alert(1)>"
    with serving(tmp_path, demo=True) as served, looking(browser, served, viewport) as page:
        for number in range(3):
            at = NOW + timedelta(seconds=number)
            body = json.dumps({"jarak": 640 - number, "dist2": 320, "vbat": 3.6, evil: evil, "__proto__": {"x": 1}})
            message = QuarantinedMessage("json", ("tong-1",), "json/tong-1", body.encode(), at)
            served.stage.quarantine.add([message])
        page.goto("/stranger/2?lang=id")
        draft, form = page.locator("form.draft-form"), page.locator("form.new-device-form")
        expect(draft.locator(".draft-readings")).to_contain_text("638 mm")
        expect(draft.locator(".draft-readings")).to_contain_text("3,6 V")
        draft.get_by_role("button", name="Jarak sensor ke sampah: sentimeter").click()
        expect(draft.locator(".draft-readings")).to_contain_text("3.200 mm")
        draft.get_by_label("Arti dan satuan: jarak").select_option("distance_mm")
        expect(draft.locator(".draft-readings")).to_contain_text("638 mm")
        draft.locator("summary").click()
        expect(draft.locator("code").filter(has_text=evil)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        draft.locator("[name=title]").fill("Tong Pasar V1")
        draft.get_by_role("button", name="Simpan profil").click()
        expect(form.locator("[name=profile]")).to_have_value("tong-pasar-v1")
        expect(form.locator(".preview")).to_contain_text("638 mm")
        form.locator("[name=lat_deg]").fill("-10.17")
        form.locator("[name=lon_deg]").fill("123.6")
        form.get_by_role("button", name="Daftarkan").click()
        expect(form.locator(".save-state")).to_contain_text("Terdaftar.")
        assert (served.stage.folder / "profiles" / "tong-pasar-v1.toml").is_file()


@pytest.mark.parametrize("viewport", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_a_device_of_raw_frames_is_connected_with_a_file_of_its_maker(
    browser: Browser, tmp_path: Path, viewport: dict[str, int]
) -> None:
    """A broken codec says why; the right one gives values, which are saved and adopted as others are."""
    broken, codec = tmp_path / "broken.js", tmp_path / "Acme LoRa.js"
    broken.write_text("def decode(payload): pass")
    codec.write_text(CODEC)
    with serving(tmp_path / "city", demo=True) as served, looking(browser, served, viewport, refused="422") as page:
        for number in range(3):
            at = NOW + timedelta(seconds=number)
            frame = b64encode(bytes([2, 128, 180])).decode()
            uplink = {"f_port": 2, "received_at": at.isoformat(), "frm_payload": frame}
            body = json.dumps({"end_device_ids": {"device_id": "t-1"}, "uplink_message": uplink}).encode()
            topic = "v3/bins/devices/t-1/up"
            served.stage.quarantine.add([QuarantinedMessage("tts", ("bins/t-1",), topic, body, at)])
        page.goto("/stranger/2?lang=id")
        draft, form = page.locator("form.draft-form"), page.locator("form.new-device-form")
        expect(draft.locator(".draft-keys")).to_contain_text("Mohon pilih atau tambahkan codec")
        draft.locator("[name=codec_file]").set_input_files(broken)
        expect(draft.locator(".codec-state")).to_contain_text("SyntaxError")
        draft.locator("[name=codec_file]").set_input_files(codec)
        expect(draft.locator("[name=codec]")).to_have_value("acme-lora")
        expect(draft.locator(".codec-state")).to_be_empty()
        expect(draft.locator(".draft-readings")).to_contain_text("640 mm")
        expect(draft.locator(".draft-readings")).to_contain_text("3,6 V")
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        draft.locator("[name=title]").fill("Acme LoRa V1")
        draft.get_by_role("button", name="Simpan profil").click()
        expect(form.locator("[name=profile]")).to_have_value("acme-lora-v1")
        expect(form.locator(".preview")).to_contain_text("640 mm")
        assert 'codec = "acme-lora"' in (served.stage.folder / "profiles" / "acme-lora-v1.toml").read_text()
