"""Alarms as people meet them: from a sensor's message to a page, by hand in a browser, and through kills."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from playwright.sync_api import Browser, Page, expect

from city.runtime.secrets import Secrets
from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.rules import load_rules
from tests.e2e.test_console import DESKTOP, TELEPHONE, Served, browser, looking, serving
from tests.support.cities import RunningCity
from tests.support.waiting import wait_for
from tests.unit.api.conftest import CITY, NOW, Stage

__all__ = ["browser"]

RULES = load_rules()


@pytest.fixture
def city(browser: Browser, tmp_path: Path) -> Iterator[Served]:
    del browser  # without one there is nothing to serve for
    with serving(tmp_path, demo=True) as served:
        yield served


def happen(stage: Stage, *subjects: str, kind: Any = "fire") -> None:
    """Raise alarms, as the watcher would."""
    devices = [CITY.devices[subject] for subject in subjects]
    conditions = [AlarmCondition(kind, device.id, device.KIND, device.site, device.kelurahan) for device in devices]
    stage.alarms.apply(RULES, AlarmChanges(tuple(conditions)))
    refresh(stage)


def refresh(stage: Stage) -> None:
    stage.alarm_board.listed = stage.alarms.current()


def row(page: Page, name: str) -> Any:
    return page.locator("tr", has_text=name)


@pytest.mark.parametrize("viewport", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_a_fire_appears_on_an_open_page_without_a_reload(
    browser: Browser, city: Served, viewport: dict[str, int]
) -> None:
    with looking(browser, city, viewport) as page:
        page.goto("/account?lang=en")
        expect(page.get_by_role("alert", name="bin-0001")).to_have_count(0)
        happen(city.stage, "bin-0001")
        expect(page.get_by_text(re.compile("FIRE: bin-0001"))).to_be_visible()
        expect(page).to_have_title(re.compile(r"^\(1\) "))
        page.get_by_text(re.compile("FIRE: bin-0001")).click()
        expect(row(page, "bin-0001")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_acknowledged_by_keyboard_and_taken_back(browser: Browser, city: Served) -> None:
    happen(city.stage, "bin-0001")
    with looking(browser, city, DESKTOP) as page:
        page.goto("/alarms?lang=en")
        button = row(page, "bin-0001").get_by_role("button", name="Acknowledge")
        button.focus()
        page.keyboard.press("Enter")
        undo = page.get_by_role("button", name="Undo")
        expect(undo).to_be_visible()
        refresh(city.stage)
        expect(row(page, "bin-0001")).to_contain_text("acknowledged by demo")
        undo.click()
        wait_for(lambda: city.stage.alarms.current()[0].state == "unacknowledged", "the alarm to wait again")
        refresh(city.stage)
        expect(row(page, "bin-0001")).to_contain_text("not acknowledged")


def test_shelved_with_a_reason_and_put_back(browser: Browser, city: Served) -> None:
    happen(city.stage, "bin-0001", kind="tilt")
    with looking(browser, city, TELEPHONE) as page:
        page.clock.set_fixed_time(NOW)
        page.goto("/alarms?lang=en")
        row(page, "bin-0001").get_by_role("button", name="Shelve").click()
        dialog = page.locator("dialog#shelve")
        dialog.get_by_role("button", name="8 hours").click()
        expect(dialog, "without a reason nothing is sent").to_be_visible()
        dialog.get_by_label("Reason").fill("under repair")
        dialog.get_by_role("button", name="8 hours").click()
        wait_for(lambda: any(alarm.state == "shelved" for alarm in city.stage.alarms.current()), "the shelved alarm")
        refresh(city.stage)
        expect(row(page, "bin-0001")).to_contain_text("under repair")
        row(page, "bin-0001").get_by_role("button", name="Put back").click()
        wait_for(lambda: all(alarm.state != "shelved" for alarm in city.stage.alarms.current()), "it to be back")


def test_what_is_refused_is_said(browser: Browser, city: Served) -> None:
    happen(city.stage, "bin-0001")
    with looking(browser, city, DESKTOP, refused="409") as page:
        page.clock.set_fixed_time(NOW)
        page.goto("/alarms?lang=en")
        fire = next(alarm for alarm in city.stage.alarms.current() if alarm.subject == "bin-0001")
        row(page, "bin-0001").get_by_role("button", name="Shelve").click()
        city.stage.alarms.apply(RULES, AlarmChanges(to_clear=(fire.id,)))
        dialog = page.locator("dialog#shelve")
        dialog.get_by_label("Reason").fill("x")
        dialog.get_by_role("button", name="1 hour").click()
        expect(page.locator("#alarm-message")).to_have_text("The alarm has ended already.")


def test_the_sound_can_be_muted_and_stays_so(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/alarms?lang=en")
        button = page.locator("[data-sound]")
        expect(button).to_have_text("Click for sound")
        page.get_by_role("heading", name="Alarms").click()
        expect(button).to_have_text("Sound: on")
        button.click()
        expect(button).to_have_text("Sound: off")
        page.goto("/account?lang=en")
        expect(page.locator("[data-sound]")).to_have_text("Sound: off")


def test_a_note_is_kept_in_the_history(browser: Browser, city: Served) -> None:
    happen(city.stage, "bin-0001")
    fire = next(alarm for alarm in city.stage.alarms.current() if alarm.subject == "bin-0001")
    with looking(browser, city, DESKTOP) as page:
        page.goto(f"/alarm/{fire.id}?lang=en")
        page.get_by_label("Note").fill("<b>a cigarette</b>")
        page.get_by_role("button", name="Save the note").click()
        expect(row(page, "<b>a cigarette</b>")).to_be_visible()


def publish(city: RunningCity, device: str, kind: str, type_: str, state: str, seq: int) -> None:
    """An event of a device, with its own account."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device)
    client.username_pw_set(device, Secrets(city.data).password(device))
    client.connect("127.0.0.1", city.mqtt_port)
    client.loop_start()
    message = {"ts": datetime.now(UTC).isoformat(), "boot": "a1", "seq": seq, "type": type_, "state": state}
    client.publish(f"kota/v1/kupang/{kind}/{device}/event", json.dumps(message), qos=1).wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


@pytest.mark.xdist_group("up")
def test_a_fire_by_mqtt_is_one_alarm_whatever_is_killed(tmp_path: Path) -> None:
    city = RunningCity(tmp_path / "data", "--no-vision", "--no-simulator")
    try:
        city.wait_ready()
        publish(city, "bin-0100", "bin", "fire", "raised", 1)

        def fires() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = city.get("/api/v1/alarms?kind=fire&limit=500")["alarms"]
            return found

        wait_for(fires, f"the alarm\n{city.log()}")
        for number in range(3):
            pid = city.pids()["server"]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: city.pids().get("server") not in (None, pid), "another server")  # type: ignore[misc]
            city.wait_ready()
            publish(city, "bin-0100", "bin", "fire", "raised", number + 2)
            wait_for(lambda: city.get("/api/v1/alarms/listed")["alarms"], "the list")
        (fire,) = fires()
        assert fire["state"] == "unacknowledged"
        publish(city, "bin-0100", "bin", "fire", "cleared", 9)
        wait_for(lambda: fires()[0]["cleared_at"], "its end", within_s=150)
        history = city.get(f"/api/v1/alarms/{fire['id']}")["history"]
        assert [entry["what"] for entry in history] == ["raised", "cleared"]
        assert city.get("/api/v1/alarms/listed")["alarms"][0]["state"] == "cleared_unacknowledged"
    finally:
        city.stop()
