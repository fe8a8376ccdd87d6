"""Judging cases and drawing zones in a real browser: by mouse, by keys, by finger, and what stays afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from city.inventory.zone_plans import plan_path, read_plan
from city.inventory.zones import Zone, ZonePlan
from tests.e2e.test_console import DESKTOP, TELEPHONE, Served, browser, looking, serving
from tests.support.access import PASSWORD
from tests.support.waiting import wait_for
from tests.unit.api.conftest import NOW

__all__ = ["browser"]

EDITOR = "/camera/cam-01/zones?lang=en"


@pytest.fixture
def city(browser: Browser, tmp_path: Path) -> Iterator[Served]:
    del browser  # without one there is nothing to serve for
    with serving(tmp_path, demo=True) as served:
        for number in range(3):
            at = NOW - timedelta(minutes=10 * number + 5)
            served.stage.happen("cam-01", "dumping", at=at, case=f"c-{number}", box=[9, 9, 20, 20], frame=[100, 100])
        yield served


def verdicts(city: Served) -> dict[str, str]:
    """Case to what was said of it last."""
    said = [event.detail for event in city.stage.reviews.pending([])]
    return {detail["case"]: detail["verdict"] for detail in said}


def card(page: Page, case: str) -> Locator:
    return page.locator(f"article#{case}")


def test_cases_are_judged_with_the_keyboard_alone(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/dumping?lang=en")
        expect(page.locator("article.case")).to_have_count(4)
        page.keyboard.press("j")
        page.keyboard.press("ArrowDown")
        expect(card(page, "c-0")).to_have_class("case current")
        page.keyboard.press("c")
        expect(card(page, "c-0")).to_contain_text("Confirmed: illegal dumping")
        expect(card(page, "c-1")).to_have_class("case current")
        page.keyboard.press("r")
        expect(card(page, "c-1").locator("[data-panel=reasons]")).to_be_visible()
        page.keyboard.press("2")
        expect(card(page, "c-1")).to_contain_text("Rejected: no illegal dumping (Shadow or light)")
        page.keyboard.press("m")
        page.keyboard.press("1")
        expect(card(page, "c-2")).to_contain_text("Merged with another case")
        expect(page.locator(".queue-count")).to_have_text("1 case to review")
        assert verdicts(city) == {"c-0": "confirmed", "c-1": "rejected", "c-2": "merged"}
        page.keyboard.press("k")
        page.keyboard.press("k")
        page.keyboard.press("u")
        expect(card(page, "c-0").locator(".judge")).to_be_visible()
        assert verdicts(city)["c-0"] == "reopened"
        page.keyboard.press("?")
        expect(page.locator("details.keys dl")).to_be_visible()
        page.reload()
        expect(page.locator("article.case")).to_have_count(2)


def test_undo_takes_back_the_last_verdict_after_the_cursor_has_moved_on(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/dumping?lang=en")
        page.keyboard.press("j")
        first = page.locator("article.case.current").get_attribute("id") or ""
        page.keyboard.press("c")
        expect(card(page, first)).not_to_have_class("case current")
        page.keyboard.press("u")
        expect(card(page, first).locator(".judge")).to_be_visible()
        assert verdicts(city)[first] == "reopened"
        expect(page.locator(".queue-count")).to_have_text("4 cases to review")


def test_cases_are_judged_with_a_finger_on_a_telephone(browser: Browser, city: Served) -> None:
    with looking(browser, city, TELEPHONE) as page:
        page.goto("/dumping")
        case_card = card(page, "c-0")
        case_card.locator(".note").fill("ada di depan pagar")
        case_card.get_by_role("button", name="Bukan").click()
        reason = case_card.get_by_role("button", name="Hewan")
        box = reason.bounding_box()
        assert box
        assert box["height"] >= 44, "a finger is no mouse"
        reason.click()
        expect(case_card).to_contain_text("Bukan pembuangan liar (Hewan)")
        expect(case_card.get_by_role("button", name="Batalkan")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE["width"]
        (event,) = city.stage.reviews.pending([])
        assert (event.detail["reason"], event.detail["note"]) == ("animal", "ada di depan pagar")


def test_an_undone_review_takes_its_note_from_the_card(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/dumping")
        judged = card(page, "c-0")
        judged.locator(".note").fill("ada di depan pagar")
        judged.get_by_role("button", name="Bukan").click()
        judged.get_by_role("button", name="Hewan").click()
        expect(judged).to_contain_text("Bukan pembuangan liar (Hewan)")
        page.goto("/dumping?show=rejected")
        expect(judged.locator("q")).to_have_text("ada di depan pagar")
        judged.get_by_role("button", name="Batalkan").click()
        expect(judged.locator("q")).to_have_count(0)


def test_what_could_not_be_kept_is_not_shown_as_done(browser: Browser, city: Served) -> None:
    context = browser.new_context(base_url=city.url)
    page = context.new_page()
    page.goto("/dumping?lang=en")
    page.route("**/review", lambda route: route.fulfill(status=503, body="{}"))
    card(page, "c-0").get_by_role("button", name="Yes, illegal dumping").click()
    expect(card(page, "c-0").locator(".failure")).to_have_text("Could not be kept. Try again.")
    expect(card(page, "c-0").locator(".judge")).to_be_visible()
    context.close()


def test_what_is_typed_as_a_note_judges_nothing(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/dumping")
        card(page, "c-0").locator(".note").press_sequentially("crum?1j")
        expect(card(page, "c-0").locator(".note")).to_have_value("crum?1j")
        assert verdicts(city) == {}


@pytest.mark.parametrize("viewport", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_a_zone_is_drawn_moved_and_saved(browser: Browser, city: Served, viewport: dict[str, int]) -> None:
    with looking(browser, city, viewport) as page:
        svg = opened(page)
        page.get_by_role("button", name="Draw a new zone").click()
        for x, y in ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)):
            svg.click(position=place(svg, x, y))
        page.get_by_role("button", name="Finish").click()
        page.locator(".zone-list input").fill("Halaman")
        page.locator(".zone-list select").select_option("beside")
        drag(page, svg, (0.8, 0.8), (0.9, 0.9))
        expect(page.locator(".save-state")).to_have_text("Not saved yet")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".save-state")).to_have_text("Saved and in force.")
        (zone,) = read_plan(plan_path(city.stage.folder, "cam-01")).zones
        assert (zone.kind, zone.name, len(zone.polygon)) == ("beside", "Halaman", 4)
        assert zone.polygon[2] == pytest.approx((0.9, 0.9), abs=0.01)
        assert zone.polygon[0] == pytest.approx((0.2, 0.2), abs=0.01)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_a_zone_is_drawn_with_the_keyboard_alone(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        opened(page)
        page.get_by_role("button", name="Add a box").press("Enter")
        corner = page.locator("circle[data-corner='2']")
        corner.focus()
        for _ in range(4):
            page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("ArrowDown")
        page.locator("circle[data-corner='0']").focus()
        page.keyboard.press("Delete")
        expect(page.locator("circle[data-corner]")).to_have_count(3)
        page.keyboard.press("Control+z")
        page.get_by_role("button", name="Save").press("Enter")
        expect(page.locator(".save-state")).to_have_text("Saved and in force.")
        (zone,) = read_plan(plan_path(city.stage.folder, "cam-01")).zones
        assert zone.polygon == ((0.4, 0.4), (0.6, 0.4), (0.68, 0.605), (0.4, 0.6))


def test_persons_are_drawn_as_two_lines(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        svg = opened(page)
        page.locator(".persons").check()
        drag(page, svg, (0.72, 0.95), (0.72, 0.9))
        drag(page, svg, (0.28, 0.3), (0.28, 0.35))
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".save-state")).to_have_text("Saved and in force.")
        (far, near) = read_plan(plan_path(city.stage.folder, "cam-01")).person_height
        assert far == pytest.approx((0.5, 0.15), abs=0.01)
        assert near == pytest.approx((0.9, 0.45), abs=0.01)


def test_faults_are_told_in_words_and_nothing_is_saved(browser: Browser, city: Served) -> None:
    context = browser.new_context(base_url=city.url)
    page = context.new_page()
    svg = opened(page)
    page.get_by_role("button", name="Draw a new zone").click()
    for x, y in ((0.2, 0.2), (0.8, 0.8), (0.8, 0.2), (0.2, 0.8)):
        svg.click(position=place(svg, x, y))
    page.get_by_role("button", name="Finish").click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".faults")).to_have_text("Zone 1: Its lines cross each other.")
    assert not plan_path(city.stage.folder, "cam-01").exists()
    context.close()


def test_a_suggestion_is_accepted_with_one_click_and_applied_by_nobody_else(
    browser: Browser,
    city: Served,
) -> None:
    for number in range(3):
        detail = {"case": f"c-{number}", "verdict": "rejected", "reason": "shadow"}
        city.stage.happen("cam-01", "review", "noted", at=NOW - timedelta(minutes=1), **detail)
    with looking(browser, city, DESKTOP) as page:
        opened(page)
        expect(page.locator(".suggestions li")).to_contain_text("Wrong 3 times at this place: Shadow or light (3)")
        assert not plan_path(city.stage.folder, "cam-01").exists()
        page.get_by_role("button", name="Ignore this place").click()
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".save-state")).to_have_text("Saved and in force.")
        square = ((0.08, 0.08), (0.3, 0.08), (0.3, 0.3), (0.08, 0.3))
        assert read_plan(plan_path(city.stage.folder, "cam-01")) == ZonePlan((Zone("ignore", "Zone 1", square),))


def opened(page: Page) -> Locator:
    """The picture of the editor, once it can be drawn on."""
    page.goto(EDITOR)
    expect(page.locator(".zone-editor[data-ready]")).to_be_visible()
    svg = page.locator(".stage svg")
    svg.scroll_into_view_if_needed()
    return svg


def place(svg: Locator, x: float, y: float) -> dict[str, float]:
    """A normalised place in pixels of the picture."""
    box = svg.bounding_box()
    assert box
    return {"x": x * box["width"], "y": y * box["height"]}


def drag(page: Page, svg: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    assert box
    (x0, y0), (x1, y1) = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move(x1, y1, steps=5)
    page.mouse.up()
    wait_for(lambda: page.evaluate("zoneDraw.grabbed === null"), "the drag's end")


def test_evidence_is_downloaded_by_operators_and_deleted_by_admins_with_a_reason(
    browser: Browser, city: Served
) -> None:
    folder = city.stage.keep("c-9", {"clip.webm": b"clip"}, camera="cam-01", site="tps-oebobo")
    city.stage.happen("cam-01", "dumping", at=NOW - timedelta(minutes=2), case="c-9", evidence={"clip": "clip.webm"})
    with looking(browser, city, TELEPHONE) as page:
        page.goto("/dumping?case=c-9&lang=id")
        with page.expect_download() as download:
            page.get_by_role("button", name="Unduh bukti").click()
        assert download.value.suggested_filename == "c-9.zip"
        expect(page.get_by_role("button", name="Hapus bukti")).to_have_count(0)
        page.goto("/login")
        page.fill("input[name=name]", city.stage.account("administrator").name)
        page.fill("input[type=password]", PASSWORD)
        page.press("input[type=password]", "Enter")
        page.goto("/dumping?case=c-9&lang=id")
        expect(page.locator(".custody")).to_contain_text("diekspor")
        page.on("dialog", lambda asked: asked.accept())
        page.get_by_role("button", name="Hapus bukti").click()
        assert folder.is_dir(), "not without a reason"
        page.fill("textarea[name=reason]", "Diminta warga, surat 12/2026")
        page.get_by_role("button", name="Hapus bukti").click()
        wait_for(lambda: not folder.exists(), "the files to go")
        expect(page.locator(".custody")).to_contain_text("alasan Diminta warga, surat 12/2026")
