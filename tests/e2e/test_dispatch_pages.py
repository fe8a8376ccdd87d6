"""A dispatcher's work in the browser: a plan is made and accepted, a tour is followed, actions are taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dispatch.verification.states import StopVerdict
from tests.e2e.test_console import DESKTOP, TELEPHONE, Served, browser, looking, serving
from tests.support.dispatch_pages import accept_day, evidence_of, make_orders, propose_change, stops_of
from tests.support.dispatching import DAY
from tests.support.waiting import wait_for
from tests.unit.api.conftest import NOW

__all__ = ["browser"]

WIDE = {"width": 1920, "height": 1080}
PAGES = ("/", f"/plan?day={DAY}", f"/tours?day={DAY}", "/tour/1", "/stop/4", "/orders", "/order/1", "/network")


@pytest.fixture
def city(browser: Browser, tmp_path: Path) -> Iterator[Served]:
    del browser  # without one there is nothing to serve for
    with serving(tmp_path, demo=True) as served:
        yield served


@pytest.fixture
def full(city: Served) -> Served:
    """A city in the middle of its day."""
    accept_day(city.stage)
    propose_change(city.stage)
    make_orders(city.stage)
    return city


def undo_rows(page: Page) -> int:
    return page.locator(".undo-row").count()


@pytest.mark.parametrize("viewport", [TELEPHONE, DESKTOP, WIDE], ids=["telephone", "desktop", "wide"])
def test_pages_of_a_full_day_fit_their_screen(browser: Browser, full: Served, viewport: dict[str, int]) -> None:
    with looking(browser, full, viewport) as page:
        for path in PAGES:
            page.goto(f"{path}{'&' if '?' in path else '?'}lang=id")
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path
            assert page.locator("*").count() < 1_500, path
            sizes = page.evaluate("() => parseFloat(getComputedStyle(document.body).fontSize)")
            assert sizes >= 18, path


def test_a_day_is_planned_accepted_followed_and_taken_back(browser: Browser, city: Served) -> None:
    stage, tomorrow = city.stage, NOW.date() + timedelta(days=1)
    with looking(browser, city, DESKTOP) as page:
        page.goto("/?lang=en")
        page.get_by_role("link", name="Plan", exact=True).first.click()
        page.get_by_role("button", name="Plan tomorrow").click()
        expect(page.locator("#planning")).to_contain_text("is being made")
        stage.planner.carry_out("day")
        expect(page.locator("#planning"), "without a reload").to_contain_text("No plan is being made")
        page.goto(f"/plan?day={tomorrow}&lang=en")
        expect(page.locator("#plans")).to_contain_text("straight lines")
        page.get_by_role("button", name="Accept").click()
        expect(page.locator(".undo-row")).to_contain_text(re.compile("accepted a plan.*may be taken back for \\d+ s"))
        page.goto(f"/tours?day={tomorrow}&lang=en")
        tours = stage.dispatch.shifts.of_day(tomorrow)
        assert tours
        page.get_by_role("link", name=tours[0].truck).click()
        stop = stops_of(stage, tours[0])[0]
        expect(page.locator("#tour")).to_contain_text(stop.name)
        stage.dispatch.shifts.apply({stop.id: StopVerdict("verified", evidence_of("verified", NOW))})
        expect(page.locator("#tour"), "without a reload").to_contain_text("the level fell")
        page.get_by_label("New message").fill("Lewat Jalan Sudirman")
        page.get_by_role("button", name="Send the message").click()
        expect(page.locator("#messages")).to_contain_text("Lewat Jalan Sudirman")
        page.locator(".undo-row", has_text="message").get_by_role("button", name="Undo").click()
        expect(page.locator("#messages")).to_contain_text("No messages yet")
    assert stage.dispatch.shifts.messages(tours[0].id) == []


def test_the_bar_counts_down_and_goes(browser: Browser, full: Served) -> None:
    with looking(browser, full, DESKTOP) as page:
        page.goto("/tour/1?lang=en")
        page.get_by_label("Number of the crew").fill("7")
        page.get_by_role("button", name="Save the number").click()
        bar = page.locator(".undo-row")
        expect(bar).to_contain_text("may be taken back for")
        first = bar.text_content()
        wait_for(lambda: undo_rows(page) == 0 or bar.text_content() != first, "the count to fall")
        expect(bar).to_have_count(0, timeout=20_000)


def test_everything_works_without_scripts(browser: Browser, full: Served) -> None:
    context = browser.new_context(base_url=full.url, java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto("/stop/9?lang=en")
        page.get_by_label("Move to the truck").select_option("2")
        page.get_by_role("button", name="Move", exact=True).click()
        expect(page.locator("main")).to_contain_text("truck-02")
        page.get_by_role("link", name="Take an action back").click()
        page.locator("section").get_by_role("button", name="Undo").click()
        expect(page.locator("h1")).to_contain_text(full.stage.dispatch.shifts.stop(9).name)
    finally:
        context.close()
    assert full.stage.dispatch.shifts.stop(9).shift_id == 1


def test_a_contradicted_stop_appears_among_the_decisions_of_an_open_page(browser: Browser, full: Served) -> None:
    shift = full.stage.dispatch.shifts.of_day(DAY)[1]
    stop = stops_of(full.stage, shift)[0]
    with looking(browser, full, TELEPHONE) as page:
        page.goto("/?lang=en")
        row = page.locator(f'#decisions tr[data-key="stop-{stop.id}"]')
        expect(row).to_have_count(0)
        full.stage.dispatch.shifts.apply({stop.id: StopVerdict("contradicted", evidence_of("contradicted", NOW))})
        expect(row).to_contain_text("the level did not fall")
        row.get_by_role("link", name="Look").click()
        page.get_by_label("Reason").fill("the sensor is dirty")
        page.get_by_role("button", name="Save the verdict").click()
        expect(page.locator("#stop")).to_contain_text("the sensor is dirty")


def test_the_map_shows_tours_and_leads_to_a_stop(browser: Browser, full: Served) -> None:
    with looking(browser, full, DESKTOP) as page:
        page.goto("/map?lang=en")
        page.wait_for_function("() => window.kotaMap?.state.layers.tours?.getLayers().length > 20")
        page.evaluate(
            """() => {
                const signs = kotaMap.state.layers.tours.getLayers();
                signs.find((sign) => sign.getPopup?.()).openPopup();
            }"""
        )
        popup = page.locator(".popup")
        expect(popup).to_contain_text("Verified")
        popup.get_by_role("link", name="Details").click()
        expect(page.locator("h1")).to_contain_text("Tours")


def test_keys_open_the_menus_and_close_them(browser: Browser, full: Served) -> None:
    with looking(browser, full, DESKTOP) as page:
        page.goto("/plan?lang=en")
        summary = page.locator("nav.wide summary", has_text="Devices")
        summary.focus()
        page.keyboard.press("Enter")
        entry = page.locator("nav.wide .group a", has_text="Bins")
        expect(entry).to_be_visible()
        page.keyboard.press("Escape")
        expect(entry).to_be_hidden()
        expect(summary).to_be_focused()
