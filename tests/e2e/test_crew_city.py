"""A crew's telephone at a real city: its server is killed while it delivers, and each tap is stored once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from city.inventory.loader import builtin_city, load_city
from city.runtime.secrets import Secrets
from dispatch.services import DispatchServices, dispatch_services
from people.service import People, open_people
from tests.e2e.test_crew import collect, go_to, sign_in_with, take_photo, wait_sent
from tests.support.cities import RunningCity
from tests.support.crews import code_of, open_shifts, shift_of, stops_of
from tests.support.require import require_program
from tests.support.telephone import Telephone, rows_of
from tests.support.waiting import wait_for

KUPANG = load_city(builtin_city("kupang"))
TRUCK = "truck-01"
TOMORROW = (datetime.now(UTC).astimezone(KUPANG.time_zone) + timedelta(days=1)).date()
"""Its shift is not over whenever the test runs."""


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    data = tmp_path / "data"
    opened = open_people(data, "", Secrets.make(data))
    yield opened
    opened.close()


@pytest.fixture
def dispatch(people: People, tmp_path: Path) -> DispatchServices:
    services = dispatch_services(people.database, people.audit, Secrets(tmp_path / "data").crew_key())
    open_shifts(services, KUPANG, {TRUCK: list(KUPANG.bins)[:6]}, datetime.now(UTC), TOMORROW)
    return services


def taps_of(dispatch: DispatchServices) -> list[tuple[str, int | None]]:
    taps = dispatch.shifts.taps([shift_of(dispatch, TRUCK, TOMORROW)])
    return [(tap.kind, tap.stop_id) for tap in taps]


def raise_panic(page: Page) -> None:
    page.get_by_role("link", name="Darurat").click()
    page.locator("#panic").click()
    page.locator("#panic").click()
    expect(page.locator("#panic")).to_have_text("Sudah aman")


@pytest.mark.xdist_group("up")
def test_a_server_that_is_killed_while_a_telephone_delivers_stores_each_tap_once(
    tmp_path: Path, dispatch: DispatchServices
) -> None:
    require_program("chromium")
    city = RunningCity(tmp_path / "data", "--no-vision", "--no-simulator")
    with sync_playwright() as playwright:
        telephone = Telephone(playwright, tmp_path / "profile", f"http://127.0.0.1:{city.port}")
        try:
            city.wait_ready()
            page = telephone.switch_on()
            sign_in_with(page, f"http://127.0.0.1:{city.port}", code_of(dispatch, TRUCK, TOMORROW))
            wait_sent(page)
            stops = stops_of(dispatch, TRUCK, TOMORROW)
            page.context.set_offline(True)
            for stop in stops[:3]:
                go_to(page, stop)
                collect(page)
            take_photo(page)
            expect(page.locator("label[for=photo]")).to_contain_text("(1)")
            raise_panic(page)
            assert len(rows_of(page, "events")) == 5
            city.kill("server")
            page.context.set_offline(False)
            for _ in range(2):
                city.wait_ready()
                wait_for(lambda: len(taps_of(dispatch)) > 1, "something to arrive")
                city.kill("server")
            telephone.kill()
            city.wait_ready()
            page = telephone.switch_on()
            page.goto(f"http://127.0.0.1:{city.port}/crew/")
            wait_sent(page)
            expected = [("shift_begun", None), *(("collected", stop.id) for stop in stops[:3])]
            expected += [("photo", stops[2].id), ("panic", None)]
            assert sorted(taps_of(dispatch), key=json.dumps) == sorted(expected, key=json.dumps)
            wait_for(lambda: city.get("/api/v1/alarms?kind=panic")["alarms"], f"the alarm\n{city.log()}")
            assert len(city.get("/api/v1/alarms?kind=panic")["alarms"]) == 1
            events = [
                event for event in city.get(f"/api/v1/events?device={TRUCK}")["events"] if event["type"] == "panic"
            ]
            assert [event["state"] for event in events] == ["raised"]
            assert telephone.faults == []
        finally:
            telephone.switch_off()
            city.stop()
