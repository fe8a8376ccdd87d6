"""What the pages are to people who do not see or point well: axe finds nothing serious, keys reach everything."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.rules import load_rules
from tests.e2e.test_console import CASE, DESKTOP, PAGES, TELEPHONE, Served, browser, looking, serving
from tests.support.dispatch_pages import accept_day, make_orders, propose_change
from tests.support.dispatching import DAY
from tests.support.require import skip_without
from tests.unit.api.conftest import NOW

__all__ = ["browser"]

AXE: Final = "axe-core@4.14.1"
ALL: Final = (
    *PAGES,
    *("/alarms?past", "/alarm/1", "/device/bin-0451?days=7", f"/dumping?case={CASE}", "/account", "/people"),
    *("/audit", "/map?wall", "/api-docs", "/login", "/nothing"),
    *(f"/plan?day={DAY}", "/tour/1", "/stop/4", f"/tours?day={DAY}&state=missed", "/order/1", "/undo/1"),
)
RUN: Final = """async () => (await axe.run({ exclude: ['#swagger'] }, { resultTypes: ['violations'] })).violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => [id, nodes.slice(0, 3).map((node) => node.html.slice(0, 160))])"""
"""Swagger UI is left out: axe finds contrast and nested controls in it, which are not ours to mend."""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("axe")
    skip_without("" if npm else "npm is not installed, from which axe-core comes")
    assert npm
    packed = subprocess.run([npm, "pack", AXE], cwd=folder, capture_output=True, text=True, check=False)
    skip_without("" if packed.returncode == 0 else f"npm does not give {AXE}: {packed.stderr[-200:]}")
    with tarfile.open(next(folder.glob("axe-core-*.tgz"))) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source
        return source.read().decode()


@pytest.fixture(scope="module")
def city(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    del browser  # without one there is nothing to serve for
    with serving(tmp_path_factory.mktemp("city"), demo=True) as served:
        stage = served.stage
        conditions = tuple(
            AlarmCondition(kind, "bin-0451", "bin", "", "", NOW)  # type: ignore[arg-type]
            for kind in ("fire", "tilt")
        )
        stage.alarms.apply(load_rules(stage.folder), AlarmChanges(conditions))
        stage.alarm_board.listed = stage.alarms.current()
        accept_day(stage)
        propose_change(stage)
        make_orders(stage)
        yield served


def faults_of(page: Page, axe: str) -> list[Any]:
    """What axe finds serious or critical in a page."""
    page.evaluate(axe)
    faults: list[Any] = page.evaluate(RUN)
    return faults


@pytest.mark.parametrize("viewport", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
@pytest.mark.parametrize("lang", ["id", "en"])
def test_axe_finds_nothing_serious(
    browser: Browser, city: Served, axe: str, lang: str, viewport: dict[str, int]
) -> None:
    with looking(browser, city, viewport, refused="404") as page:
        faults = {}
        for path in ALL:
            page.goto(f"{path}{'&' if '?' in path else '?'}lang={lang}")
            if path.startswith("/map") or path in ("/", "/today"):
                page.wait_for_function("() => document.querySelectorAll('#in-view li').length > 0")
            if path == "/api-docs":
                page.wait_for_selector(".opblock")
            if found := faults_of(page, axe):
                faults[path] = found
        assert faults == {}


def test_axe_would_find_a_fault(browser: Browser, city: Served, axe: str) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/system")
        page.evaluate(
            "() => { document.querySelector('main').innerHTML += '<img src=/favicon.ico><button></button>'; }"
        )
        assert {fault for fault, _ in faults_of(page, axe)} >= {"image-alt", "button-name"}


def test_the_first_key_skips_the_menu(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/devices/bin?lang=en")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.locator("select[name=kelurahan]")).to_be_focused()


def test_everything_of_a_list_is_reached_by_keys(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/devices/bin?lang=en&q=bin-0451")
        wanted = page.locator(":is(a, button, input, select, summary):visible").count()
        reached = set()
        for _ in range(wanted + 5):
            page.keyboard.press("Tab")
            place = "() => [...document.querySelectorAll('*')].indexOf(document.activeElement)"
            reached.add(page.evaluate(place))
        assert len(reached) >= wanted


def test_at_twice_the_size_nothing_is_lost(browser: Browser, city: Served) -> None:
    """A screen of 1280 px at 200 % has 640 px."""
    with looking(browser, city, {"width": 640, "height": 400}) as page:
        for path in PAGES:
            page.goto(f"{path}{'&' if '?' in path else '?'}lang=id")
            assert page.evaluate("document.documentElement.scrollWidth") <= 640, path
            assert page.locator(".narrow summary").is_visible(), path


def test_who_wants_no_motion_gets_none(browser: Browser, city: Served) -> None:
    context = browser.new_context(base_url=city.url, reduced_motion="reduce")
    page = context.new_page()
    page.goto("/")
    page.wait_for_function("() => window.kotaMap?.state.map")
    assert page.evaluate("kotaMap.state.map.options.zoomAnimation") is False
    context.close()
