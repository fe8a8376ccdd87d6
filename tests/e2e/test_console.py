"""The console in a real browser: every page in both languages and on a telephone, the map's layers, the way in."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from api.app import create_app
from ingest.store.parked.quarantine import QuarantinedMessage
from tests.support.access import PASSWORD
from tests.support.require import require_program
from tests.support.waiting import wait_for
from tests.unit.api.conftest import CITY, NOW, Stage

CASE = "cam-01-20260301t040000z"
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
PAGES = {
    "/": ("Hari ini", "Today"),
    "/map": ("Peta", "Map"),
    "/network": ("Jaringan Wi-Fi", "Wi-Fi network"),
    "/plan": ("Rencana", "Plan"),
    "/tours": ("Tur", "Tours"),
    "/orders": ("Perintah kerja", "Work orders"),
    "/devices/bin": ("Tempat sampah", "Bins"),
    "/devices/truck": ("Truk", "Trucks"),
    "/devices/ap": ("Wi-Fi", "Wi-Fi"),
    "/devices/camera": ("Kamera", "Cameras"),
    "/device/bin-0451": ("Tempat sampah", "Bins"),
    "/device/truck-01": ("Truk", "Trucks"),
    "/device/ap-liliba": ("Wi-Fi", "Wi-Fi"),
    "/device/cam-01": ("Kamera", "Cameras"),
    "/camera/cam-01/zones": ("Kamera", "Cameras"),
    "/dumping": ("Pembuangan liar", "Illegal dumping"),
    "/dumping?show=all": ("Pembuangan liar", "Illegal dumping"),
    "/cameras": ("Mutu kamera", "Camera quality"),
    "/system": ("Sistem", "System"),
    "/strangers": ("Alat baru", "New devices"),
    "/stranger/1": ("Alat baru", "New devices"),
    "/search?q=liliba": ("Cari", "Search"),
    "/alarms": ("Alarm", "Alarms"),
    "/events": ("Kejadian", "Events"),
}
DESKTOP = {"width": 1280, "height": 800}
TELEPHONE = {"width": 390, "height": 844}
COLOURS = """() => [...document.querySelectorAll('canvas')].map(
    (canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size
)"""
SIGN = "kotaMap.state.signs.truck.get('truck-01')"
STARTED = "() => window.kotaMap && Object.keys(kotaMap.state.loaded).length === 4 && kotaMap.state.layers.places"


def fill(stage: Stage) -> None:
    """A small moment in the life of Kupang."""
    for number, device in enumerate(CITY.bins):
        if number % 3:
            stage.measure(device, fill_pct=float(number % 101), battery_pct=80.0)
    stage.measure("truck-01", lat_deg=-10.16, lon_deg=123.60, speed_kmh=31.0, heading_deg=90.0, fault_codes="[]")
    stage.measure("truck-02", lat_deg=-10.17, lon_deg=123.61, speed_kmh=0.0, fault_codes='["P0217"]')
    for device in CITY.access_points:
        stage.measure(device, clients=12, latency_ms=20.0)
    stage.say("ap-liliba", "offline")
    for hour in range(20):
        stage.measure("bin-0451", NOW - timedelta(hours=hour), fill_pct=100.0 - 5 * hour, temperature_c=29.0)
    evidence = {"before": "before.jpg", "after": "after.jpg", "clip": "clip.webm"}
    stage.happen("cam-01", "dumping", case=CASE, evidence=evidence, simulated=True)
    stage.keep(CASE, dict.fromkeys(evidence.values(), PIXEL))
    uplink = {"f_port": 85, "f_cnt": 1, "frm_payload": "A3VkA2cZAQSCRAEFAAE=", "received_at": NOW.isoformat()}
    body = json.dumps({"uplink_message": uplink}).encode()
    topic = "v3/app@t/devices/em-9/up"
    stage.quarantine.add([QuarantinedMessage("tts", ("app/em-9",), topic, body, NOW, model="em310-udl", port=85)])
    stage.bury("<script>document.title = 'broken out'</script>")


@dataclass
class Served:
    """An app behind a port of its own."""

    stage: Stage
    url: str


@contextmanager
def serving(folder: Path, *, demo: bool, host: str = "127.0.0.1") -> Iterator[Served]:
    """Serve a filled city; browsers call this machine `host`."""
    stage = Stage(folder)
    fill(stage)
    app = create_app(stage.context(demo=demo))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, name="console")
    thread.start()
    try:
        wait_for(lambda: server.started, "the server")
        port = server.servers[0].sockets[0].getsockname()[1]
        stage.public_url = f"http://{host}:{port}"
        app.state.context = stage.context(demo=demo)
        yield Served(stage, stage.public_url)
    finally:
        stage.codecs.close()
        server.should_exit = True
        thread.join(20)
        stage.box.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = require_program("chromium")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def city(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    del browser  # without one there is nothing to serve for
    with serving(tmp_path_factory.mktemp("city"), demo=True) as served:
        yield served


@dataclass
class Witness:
    """Takes note of what no page may do: errors, and requests to anybody but us."""

    home: str
    seen: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("console", lambda m: self.seen.append(m.text) if m.type in ("error", "warning") else None)
        context.on("weberror", lambda error: self.seen.append(str(error.error)))
        context.on("request", lambda request: self._judge(request.url))

    def _judge(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != urlsplit(self.home).netloc:
            self.seen.append(f"asked {url}")


@contextmanager
def looking(browser: Browser, city: Served, viewport: dict[str, int], *, refused: str = "") -> Iterator[Page]:
    """A page of a fresh visitor; nothing untoward may have happened by the end, but answers of the status `refused`."""
    context = browser.new_context(viewport=viewport, base_url=city.url)  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    witness = Witness(city.url)
    witness.watch(context)
    try:
        yield context.new_page()
        assert [text for text in witness.seen if not (refused and f"status of {refused}" in text)] == []
    finally:
        context.close()


@pytest.mark.parametrize("viewport", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
@pytest.mark.parametrize("lang", ["id", "en"])
def test_every_page_in_its_language_fits_its_screen(
    browser: Browser, city: Served, lang: str, viewport: dict[str, int]
) -> None:
    with looking(browser, city, viewport) as page:
        for path, names in PAGES.items():
            page.goto(f"{path}{'&' if '?' in path else '?'}lang={lang}")
            expect(page.locator("h1")).to_contain_text(names[["id", "en"].index(lang)])
            expect(page.locator(".banner")).to_contain_text({"id": "SIMULASI", "en": "SIMULATED"}[lang])
            assert page.evaluate("document.documentElement.lang.slice(0, 2)") == lang
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path
            assert page.locator("*").count() < 1_500, path
            lines = page.evaluate("document.querySelector('header.top').offsetHeight / 45")
            assert lines <= (2.2 if viewport is DESKTOP else 4), "a header of two lines"


@pytest.mark.parametrize("viewport", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_the_api_is_described_and_tried_out_without_anything_from_elsewhere(
    browser: Browser, city: Served, viewport: dict[str, int]
) -> None:
    with looking(browser, city, viewport) as page:
        page.goto("/api-docs?lang=en")
        expect(page.locator("h1").first).to_contain_text("API documentation")
        page.wait_for_selector(".opblock")
        described = page.request.get("/api/v1/openapi.json").json()["paths"]
        assert page.locator(".opblock").count() >= sum(map(len, described.values()))
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        row = page.locator(".opblock", has=page.locator('[data-path="/healthz"]'))
        row.locator(".opblock-summary-control").click()
        row.get_by_role("button", name="Try it out").click()
        row.get_by_role("button", name="Execute").click()
        expect(row.locator(".live-responses-table td.response-col_status").last).to_contain_text("200")


def test_a_new_device_is_placed_on_the_map_and_adopted(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/strangers?lang=id")
        page.get_by_role("link", name="Daftarkan").click()
        form = page.locator("form.new-device-form")
        expect(form.locator("[name=profile]")).to_have_value("milesight-em310-udl")
        expect(form.locator(".preview")).to_contain_text("324 mm")
        form.locator("[name=id]").fill("bin-9876")
        expect(page.locator(".place-map path").first).to_be_attached()
        page.locator(".place-map").click()
        expect(form.locator("[name=lat_deg]")).not_to_have_value("")
        form.get_by_role("button", name="Daftarkan").click()
        expect(form.locator(".save-state")).to_contain_text("Terdaftar.")
        assert (city.stage.folder / "devices" / "bin-9876.json").is_file()


def test_the_map_holds_a_canvas_with_every_device_and_counts_them(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/")
        page.wait_for_function(STARTED)
        count = "kind => kotaMap.state.layers[kind].getLayers().length"
        found = {kind: page.evaluate(count, kind) for kind in ("bin", "truck", "ap", "camera", "places")}
        assert found == {"bin": 528, "truck": 2, "ap": 59, "camera": 12, "places": 151}
        assert page.locator("canvas").count() == 2
        assert all(colours > 10 for colours in page.evaluate(COLOURS))
        full = {device for n, device in enumerate(CITY.bins) if n % 3 and n % 101 > 85} | {"bin-0451"}
        expect(page.locator("#count-full_bins")).to_have_text(str(len(full)))
        for counter, number in {"moving_trucks": 1, "broken_trucks": 1, "down_aps": 1, "open_cases": 1}.items():
            expect(page.locator(f"#count-{counter}")).to_have_text(str(number))
        page.locator("input[data-layer=bin]").uncheck()
        assert page.evaluate("kotaMap.state.map.hasLayer(kotaMap.state.layers.bin)") is False


def test_the_map_follows_the_trucks_and_leads_to_their_pages(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/map?lang=en")
        page.wait_for_function(STARTED)
        where = f"() => {SIGN}.getLatLng().lat"
        before = page.evaluate(where)
        city.stage.measure("truck-01", NOW + timedelta(seconds=1), lat_deg=-10.2, lon_deg=123.6)
        page.wait_for_function(f"before => ({where})() !== before", arg=before)
        page.evaluate(f"() => void kotaMap.state.map.setView({SIGN}.getLatLng(), 16, {{ animate: false }})")
        box = page.locator(".city-map").bounding_box()
        assert box
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator(".popup")).to_contain_text(CITY.trucks["truck-01"].plate)
        page.locator(".popup a").click()
        expect(page.locator("h1")).to_contain_text("truck-01")


def test_the_place_of_the_map_is_in_its_address_and_outlives_a_reload(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/map?lang=en")
        page.wait_for_function(STARTED)
        page.locator("input[data-layer=ap]").uncheck()
        page.evaluate("() => void kotaMap.state.map.setView([-10.17, 123.6], 15, { animate: false })")
        page.wait_for_function("location.hash.startsWith('#15/-10.17')")
        page.reload()
        page.wait_for_function(STARTED)
        assert page.evaluate("kotaMap.state.map.getZoom()") == 15
        assert round(page.evaluate("kotaMap.state.map.getCenter().lng"), 2) == 123.6
        expect(page.locator("input[data-layer=ap]")).not_to_be_checked()
        assert page.evaluate("kotaMap.state.map.hasLayer(kotaMap.state.layers.ap)") is False
        page.get_by_role("link", name="ID", exact=True).click()
        page.wait_for_function(STARTED)
        assert page.evaluate("[document.documentElement.lang, kotaMap.state.map.getZoom()]") == ["id", 15]


def test_far_away_devices_are_one_sign_and_close_by_each_its_own(browser: Browser, city: Served) -> None:
    hidden = "() => [...kotaMap.state.signs.bin.values()].filter((sign) => sign.options.hidden).length"
    with looking(browser, city, DESKTOP) as page:
        page.goto("/map?lang=en")
        page.wait_for_function(STARTED)
        page.wait_for_function(f"({hidden})() > 300")
        page.evaluate("() => void kotaMap.state.map.setView([-10.17, 123.6], 16, { animate: false })")
        page.wait_for_function(f"({hidden})() === 0")


def test_what_lies_on_each_other_opens_a_list(browser: Browser, city: Served) -> None:
    site = CITY.sites["tps-oebobo"]
    with looking(browser, city, DESKTOP) as page:
        page.goto(f"/map?lang=en#18/{site.lat_deg}/{site.lon_deg}/bin,ap,camera,places")
        page.wait_for_function(STARTED)
        page.evaluate("() => void kotaMap.state.signs.camera.get('cam-01').openPopup()")
        popup = page.locator(".popup")
        expect(popup).to_contain_text("At this place: ")
        popup.get_by_role("button", name="cam-01").click()
        expect(page.locator(".popup a")).to_have_attribute("href", "/dumping")


def test_what_is_in_view_is_reached_by_keys_and_a_place_by_its_name(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/map?lang=en")
        page.wait_for_function(STARTED)
        expect(page.locator("#in-view-count")).to_have_text("(601)")
        place = page.get_by_label("Find a kelurahan or site")
        place.fill("nowhere")
        place.press("Enter")
        expect(page.locator("#no-place")).to_be_visible()
        place.fill("liliba")
        place.press("Enter")
        expect(page.locator("#no-place")).to_be_hidden()
        expect(page.locator("#in-view li").first).to_contain_text("ap-liliba")
        assert page.evaluate("kotaMap.state.map.getZoom()") > 13
        page.locator("#in-view button").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".popup strong").first).to_be_visible()
        expect(page.locator(".popup :is(a, button)").first).to_be_focused()
        page.goto("/map?lang=en&to=tps-oebobo")
        page.wait_for_function("() => kotaMap.state.map?.getZoom() === 16")


def test_a_map_for_a_wall_has_counters_and_no_menu(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/map?wall&lang=en")
        page.wait_for_function(STARTED)
        expect(page.locator("header.top")).to_be_hidden()
        expect(page.locator(".counters")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollHeight") <= DESKTOP["height"]
        page.get_by_role("link", name="Back to the usual page").click()
        expect(page.locator("header.top")).to_be_visible()


def test_street_tiles_are_asked_for_only_when_wanted(browser: Browser, city: Served) -> None:
    context = browser.new_context(base_url=city.url)
    tile = "https://tile.openstreetmap.org/**"
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    context.route(tile, lambda route: route.fulfill(body=PIXEL, content_type="image/gif"))
    page = context.new_page()
    page.goto("/")
    page.wait_for_function(STARTED)
    assert [url for url in asked if not url.startswith(city.url)] == []
    with page.expect_request(tile) as request:
        page.locator("input[data-layer=tiles]").check()
    # Its terms of use want to know where the question comes from.
    assert request.value.header_value("referer") == f"{city.url}/"
    context.close()


def test_a_list_is_searched_and_paged(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/devices/bin?lang=en")
        expect(page.locator(".found")).to_have_text("528 found")
        page.locator("a[rel=next]").click()
        expect(page.locator(".pager")).to_contain_text("Page 2 of 22")
        page.locator("select[name=kelurahan]").select_option("liliba")
        page.locator("form.filters button").click()
        expect(page.locator(".found")).not_to_have_text("528 found")
        page.locator("tbody a").first.click()
        expect(page.locator(".facts")).to_contain_text("Liliba")


def test_a_device_has_charts_and_its_values_stay_fresh(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/device/bin-0452?lang=en")
        expect(page.locator(".chart svg").first).to_be_visible()
        city.stage.measure("bin-0452", NOW + timedelta(seconds=1), weight_kg=77.0)
        expect(page.locator(".panel").first).to_contain_text("77\xa0kg")


def test_the_language_is_remembered(browser: Browser, city: Served) -> None:
    with looking(browser, city, TELEPHONE) as page:
        page.goto("/system")
        page.locator(".languages a", has_text="EN").click()
        expect(page.locator("h1")).to_have_text("System")
        page.locator(".narrow summary").click()
        page.locator(".narrow a", has_text="Trucks").click()
        expect(page.locator("h1")).to_have_text("Trucks")


def test_a_case_shows_its_pictures(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/dumping")
        card = page.locator("article.case")
        expect(card).to_contain_text("TPS Oebobo")
        expect(card).to_contain_text("1 Mar 2026 20:00 WITA")
        expect(card).to_contain_text("SIMULASI")
        page.wait_for_function("[...document.querySelectorAll('.case img')].filter(i => i.naturalWidth).length === 2")
        assert card.locator("video").get_attribute("src") == f"/api/v1/dumping/cases/{CASE}/evidence/clip.webm"


def test_an_operator_has_a_dead_letter_read_again(browser: Browser, city: Served) -> None:
    with looking(browser, city, DESKTOP) as page:
        page.goto("/system?lang=en")
        expect(page.locator("td", has_text="<script>")).to_be_visible()
        with page.expect_response("**/dead-letters/replay"):
            page.locator("button[data-replay]").first.click()
        assert city.stage.replayed == [1]
        assert "System" in page.title()


def test_outside_a_demo_an_account_opens_the_console(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, demo=False) as real, looking(browser, real, DESKTOP) as page:
        page.goto("/devices/truck")
        assert page.url.endswith("/login")
        page.fill("input[name=name]", real.stage.account("viewer").name)
        page.fill("input[name=password]", PASSWORD)
        page.locator("form button").click()
        page.wait_for_function(STARTED)
        assert page.locator(".banner").count() == 0
        page.goto("/system")
        expect(page.locator("h1")).to_have_text("Sistem")
        assert page.locator("button[data-replay]").count() == 0
        page.locator(".out button").click()
        expect(page.locator("input[name=name]")).to_be_visible()
