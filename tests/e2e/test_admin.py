"""Administration in a real browser: a form that is checked while it is filled in, saved, and reverted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from city.inventory.editing.history import Author
from tests.e2e.test_console import DESKTOP, TELEPHONE, Served, browser, looking, serving
from tests.support.access import PASSWORD
from tests.support.waiting import wait_for

__all__ = ["browser"]


@pytest.fixture
def city(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    del browser  # without one there is nothing to serve for
    with serving(tmp_path_factory.mktemp("city"), demo=True) as served:
        yield served


@pytest.mark.parametrize("viewport", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_a_bin_is_moved_by_keys_and_put_back(browser: Browser, city: Served, viewport: dict[str, int]) -> None:
    before = city.stage.inventory.current().bins["bin-0451"]
    with looking(browser, city, viewport, refused="422") as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto("/admin/entries/bin/bin-0451?lang=en")
        expect(page.locator("main")).to_contain_text("kupang/bins.csv:")
        latitude = page.get_by_label("Latitude (degrees)")
        latitude.fill("-100")
        expect(page.locator(".check")).to_contain_text("The check finds problems")
        expect(latitude).to_have_attribute("aria-invalid", "true")
        latitude.fill("-10.1650")
        expect(page.locator(".check pre")).to_contain_text("-10.1650")
        expect(latitude).to_have_attribute("aria-invalid", "false")
        assert city.stage.inventory.current().bins["bin-0451"] == before, "nothing is saved by a check"
        latitude.press("Enter")
        page.wait_for_url("**/admin/changes")
        assert city.stage.inventory.current().bins["bin-0451"].lat_deg == -10.165
        expect(page.locator(".diff ins")).to_contain_text("-10.1650")
        page.get_by_role("button", name="Revert").press("Enter")
        expect(page.locator("td", has_text="reverted")).to_be_visible()
        assert city.stage.inventory.current().bins["bin-0451"] == before
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_hours_get_an_exception_by_its_date(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto("/admin/entries/hours/default?lang=en")
        row = page.locator(".exception").first
        row.locator("input[type=date]").fill("2026-12-25")
        row.locator("[data-windows]").fill("all_day")
        page.get_by_label("Sunday").fill("-")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**/admin/changes")
        hours = city.stage.inventory.current().hours["default"]
        assert {str(day): [str(window) for window in windows] for day, windows in hours.exceptions.items()} == {
            "2026-12-25": ["all day"]
        }
        assert hours.weekly[6] == ()


def test_of_two_people_who_save_at_once_the_second_is_told(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP, refused="409") as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto("/admin/entries/bin/bin-0451?lang=en")
        state = city.stage.editor.state("bins.csv")
        proposal = city.stage.editor.propose(
            "bins.csv", state.version, "change", "bin-0001", lambda text: text.replace("yellow", "grey", 1)
        )
        city.stage.editor.commit(proposal, Author("x", "Maria"))
        page.get_by_label("Latitude (degrees)").fill("-10.2")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".check")).to_contain_text("Somebody else has changed it")


def test_a_rule_keeps_only_what_differs_from_the_shipped_one(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto("/admin/entries/alarm/tilt?lang=en")
        page.get_by_label("Priority").select_option("high")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**/admin/changes")
        assert city.stage.editor.state("alarms.toml").text == '[tilt]\npriority = "high"\n'


def test_a_new_password_is_shown_once_to_a_network_admin(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serving(tmp_path_factory.mktemp("closed"), demo=False) as served:
        served.stage.account("network_admin")
        with looking(browser, served, DESKTOP) as page:
            page.on("dialog", lambda dialog: dialog.accept())
            page.goto("/login")
            page.fill("input[name=name]", "network_admin")
            page.fill("input[name=password]", PASSWORD)
            page.press("input[name=password]", "Enter")
            page.wait_for_url(lambda url: not url.endswith("/login"))
            page.goto("/admin/accounts?lang=en&q=bin-0451")
            page.get_by_text("Change the password").click()
            page.get_by_role("button", name="Make a new password").click()
            output = page.locator("output").filter(has_text="bin-0451 /")
            expect(output).to_be_visible()
            password = output.locator("code").inner_text().partition(" / ")[2]
            wait_for(lambda: served.stage.context().passwords.is_valid("bin-0451", password), "the new password")
            page.reload()
            expect(page.locator("body")).not_to_contain_text(password)
