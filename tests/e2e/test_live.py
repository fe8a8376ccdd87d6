"""Pages that stay open: they follow what changes without a reload, through a restart, in two tabs, without scripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from api.app import create_app
from tests.e2e.test_console import DESKTOP, PAGES, Served, browser, fill, looking, serving
from tests.integration.test_hostile_pages import MARK, VALUES, hostile_city
from tests.integration.test_hostile_pages import fill as fill_hostile
from tests.support.access import PASSWORD, TESTER
from tests.support.brokers import free_port
from tests.support.waiting import wait_for
from tests.unit.api.conftest import NOW, Stage

__all__ = ["browser"]

LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def city(browser: Browser, tmp_path: Path) -> Iterator[Served]:
    del browser  # without one there is nothing to serve for
    with serving(tmp_path, demo=True) as served:
        yield served


def mark(page: Page) -> None:
    """Leave something in the page that a reload would take away."""
    page.evaluate("window.kotaMarked = true")


def is_marked(page: Page) -> bool:
    return bool(page.evaluate("window.kotaMarked === true"))


def test_a_list_follows_and_leaves_what_a_person_does(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/devices/bin?lang=en&q=bin-045")
        mark(page)
        box = page.locator("form.filters input[name=q]")
        box.fill("tps oe")
        link = page.locator("tr[data-key=bin-0452] a").first
        link.focus()
        for number, fill_pct in enumerate((61.0, 99.0)):
            city.stage.measure("bin-0452", LATER + timedelta(seconds=number), fill_pct=fill_pct)
            expect(page.locator("tr[data-key=bin-0452]")).to_contain_text(f"{fill_pct:.0f}\xa0%")
        expect(page.locator("tbody tr").nth(1)).to_have_attribute("data-key", "bin-0452")
        expect(link).to_be_focused()
        expect(box).to_have_value("tps oe")
        assert is_marked(page)


def test_charts_alarms_and_events_follow(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/device/bin-0452?lang=en")
        mark(page)
        city.stage.measure("bin-0452", NOW + timedelta(milliseconds=500), fill_pct=12.0)
        city.stage.happen("bin-0452", "lid_open", "noted", at=LATER)
        expect(page.locator(".chart .read").first).to_contain_text("29.5", timeout=40_000)
        expect(page.locator("#events")).to_contain_text("1 Mar 2026 20:00")
        assert is_marked(page)


def test_a_chart_is_read_by_keys(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/device/bin-0451?lang=id")
        page.locator("svg[data-chart]").first.focus()
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
        expect(page.locator(".chart .read").first).to_have_text("1 Mar 18:00: 90\xa0%")
        page.keyboard.press("Tab")
        expect(page.locator(".chart .read").first).to_have_text("1 Mar 20:00: 100\xa0%")


def test_a_new_case_comes_and_a_judged_one_stays_until_it_is_taken_back(browser: Browser, city: Served) -> None:
    for number in range(2):
        at = NOW - timedelta(minutes=10 * number + 5)
        city.stage.happen("cam-01", "dumping", at=at, case=f"c-{number}", box=[9, 9, 20, 20], frame=[100, 100])
    with looking(browser, city, DESKTOP) as page:
        page.goto("/dumping?lang=en")
        mark(page)
        expect(page.locator("article.case")).to_have_count(3)
        note = page.locator("article#c-1 .note")
        note.fill("near the fence")
        page.locator("article#c-0").get_by_role("button", name="dumping").first.click()
        expect(page.locator("article#c-0 .verdict-line")).to_contain_text("Confirmed")
        city.stage.happen("cam-02", "dumping", at=LATER, case="c-9", box=[9, 9, 20, 20], frame=[100, 100])
        expect(page.locator("article#c-9")).to_be_visible()
        expect(page.locator("article#c-0 .verdict-line")).to_contain_text("Confirmed")
        expect(page.locator(".queue-count")).to_have_text("3 cases to review")
        expect(note).to_have_value("near the fence")
        page.locator("article#c-0 [data-submit=reopened]").click()
        expect(page.locator("article#c-0 .judge")).to_be_visible()
        expect(page.locator(".queue-count")).to_have_text("4 cases to review")
        assert page.locator("article.case").count() == 4
        assert is_marked(page)


@contextmanager
def running(stage: Stage, port: int) -> Iterator[uvicorn.Server]:
    """The city on a port, as after a restart."""
    app = create_app(stage.context())
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, name="console")
    thread.start()
    try:
        wait_for(lambda: server.started, "the server")
        yield server
    finally:
        server.should_exit = True
        thread.join(20)


def test_a_page_that_is_left_open_outlives_a_restart(browser: Browser, tmp_path: Path) -> None:
    stage, port = Stage(tmp_path), free_port()
    fill(stage)
    context = browser.new_context(base_url=f"http://127.0.0.1:{port}")
    page = context.new_page()
    with running(stage, port):
        page.goto("/devices/bin?lang=en&q=bin-045")
        mark(page)
        expect(page.locator("tr[data-key=bin-0452]")).to_be_visible()
    expect(page.locator("#connection-lost")).to_contain_text("Connection lost. What you see here is from ")
    stage.measure("bin-0452", LATER, fill_pct=99.0)
    with running(stage, port):
        expect(page.locator("tr[data-key=bin-0452]")).to_contain_text("99\xa0%", timeout=30_000)
        expect(page.locator("#connection-lost")).to_have_count(0)
        stage.measure("bin-0452", LATER + timedelta(seconds=1), fill_pct=12.0)
        expect(page.locator("tr[data-key=bin-0452]")).to_contain_text("12\xa0%", timeout=30_000)
        assert is_marked(page)
        context.close()
    stage.codecs.close()


def test_two_tabs_share_one_stream(browser: Browser, tmp_path: Path) -> None:
    stage, port = Stage(tmp_path), free_port()
    fill(stage)
    with running(stage, port) as server:
        context = browser.new_context(base_url=f"http://127.0.0.1:{port}")
        tabs = [context.new_page() for _ in range(3)]
        for tab in tabs:
            tab.goto("/devices/bin?lang=en&q=bin-045")
        limiter = server.config.app.state.listener_limiter  # type: ignore[union-attr]
        wait_for(lambda: limiter.in_use == 1, "one stream of all tabs")
        stage.measure("bin-0452", LATER, fill_pct=99.0)
        for tab in tabs:
            tab.bring_to_front()
            expect(tab.locator("tr[data-key=bin-0452]")).to_contain_text("99\xa0%")
        assert limiter.in_use == 1
        context.close()
        wait_for(lambda: limiter.in_use == 0, "no stream of nobody")
    stage.codecs.close()


def test_an_open_page_ends_with_its_session(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, demo=False) as real, looking(browser, real, DESKTOP, refused="401") as page:
        page.goto("/login")
        page.fill("input[name=name]", real.stage.account("viewer").name)
        page.fill("input[name=password]", PASSWORD)
        page.locator("form button").click()
        page.wait_for_url("**/")
        page.goto("/devices/bin")
        expect(page.locator("tr[data-key]").first).to_be_visible()
        real.stage.people.end_sessions(TESTER, real.stage.account("viewer").id)
        page.wait_for_url("**/login", timeout=60_000)


def test_every_page_is_read_without_scripts(browser: Browser, city: Served) -> None:
    context = browser.new_context(base_url=city.url, java_script_enabled=False)
    page = context.new_page()
    for path, (_, name) in PAGES.items():
        page.goto(f"{path}{'&' if '?' in path else '?'}lang=en")
        expect(page.locator("h1")).to_contain_text(name)
    page.goto("/devices/bin?lang=en&q=bin-045")
    expect(page.locator("tr[data-key=bin-0451]")).to_contain_text("100\xa0%")
    page.goto("/device/bin-0451?lang=en")
    expect(page.locator("svg[data-chart]").first).to_be_visible()
    context.close()


@pytest.mark.parametrize("kind", ["element", "attribute", "end of script"])
def test_a_hostile_name_runs_nothing_in_a_browser(browser: Browser, tmp_path: Path, kind: str) -> None:
    value = VALUES[kind]
    stage, port = Stage(tmp_path), free_port()
    fill_hostile(stage, value)
    app = create_app(replace(stage.context(), inventory=hostile_city(value)))  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, name="console")
    thread.start()
    wait_for(lambda: server.started, "the server")
    with looking(browser, Served(stage, f"http://127.0.0.1:{port}"), DESKTOP, refused="404") as page:
        page.add_init_script(f"window.{MARK} = () => {{ throw new Error('run'); }}")
        for path in ("/", "/devices/ap", "/devices/truck", "/device/ap-liliba", "/system", "/dumping", "/stranger/1"):
            page.goto(path)
            expect(page.locator("h1")).to_be_visible()
            assert page.locator("marquee").count() == 0
        page.goto("/")
        page.wait_for_function("() => window.kotaMap && Object.keys(kotaMap.state.loaded).length === 4")
        page.evaluate("() => void kotaMap.state.signs.ap.values().next().value.openPopup()")
        expect(page.locator(".popup")).to_be_visible()
        assert page.locator(".popup marquee, .popup script").count() == 0
    server.should_exit = True
    thread.join(20)
    stage.codecs.close()
