"""The crew's app in a real browser: a shift without a network, a killed telephone, and nothing lost, nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page, Playwright, expect, sync_playwright

from api.app import create_app
from api.crew.files import app_files
from tests.e2e.test_accessibility import axe, faults_of
from tests.support.brokers import free_port
from tests.support.crews import DISPATCHER, code_of, open_shifts, shift_of, stops_of
from tests.support.require import require_program
from tests.support.telephone import LARGE, SMALL, Telephone, rows_of
from tests.support.waiting import wait_for
from tests.unit.api.conftest import CITY, NOW, Stage
from vision.evidence.pictures import to_jpeg

__all__ = ["axe"]

BINS = list(CITY.bins)
TOURS = {"truck-01": BINS[:5], "truck-02": BINS[5:8]}
PICTURE = to_jpeg(np.random.default_rng(7).integers(0, 255, (1200, 1600, 3), np.uint8))
"""Larger than the app sends."""


@dataclass
class Office:
    """The server, which can be away."""

    stage: Stage
    app: FastAPI
    port: int = field(default_factory=free_port)
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Serve."""
        server = uvicorn.Server(
            uvicorn.Config(self.app, port=self.port, log_level="error", timeout_graceful_shutdown=1)
        )
        self._server, self._thread = server, threading.Thread(target=server.run, name="office")
        self._thread.start()
        wait_for(lambda: server.started, "the server")

    def close(self) -> None:
        """Be away: no connection is accepted."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join(20)
        self._server = self._thread = None

    def taps(self, truck: str = "truck-01") -> list[tuple[str, int | None]]:
        """What is stored of a truck's crew."""
        return [
            (tap.kind, tap.stop_id) for tap in self.stage.dispatch.shifts.taps([shift_of(self.stage.dispatch, truck)])
        ]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    require_program("chromium")
    with sync_playwright() as started:
        yield started


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    stage = Stage(tmp_path / "city")
    open_shifts(stage.dispatch, CITY, TOURS, NOW)
    office = Office(stage, create_app(stage.context(demo=False)))
    office.open()
    yield office
    office.close()
    stage.codecs.close()
    stage.people.close()
    stage.box.close()


@contextmanager
def calling(playwright: Playwright, office: Office, profile: Path) -> Iterator[Telephone]:
    """A telephone; by the end no script has failed and nobody but us was asked."""
    telephone = Telephone(playwright, profile, office.url)
    try:
        yield telephone
        assert telephone.faults == []
    finally:
        telephone.switch_off()


@pytest.fixture
def telephone(playwright: Playwright, office: Office, tmp_path: Path) -> Iterator[Telephone]:
    with calling(playwright, office, tmp_path / "profile") as telephone:
        yield telephone


def sign_in(page: Page, office: Office, truck: str = "truck-01") -> None:
    sign_in_with(page, office.url, code_of(office.stage.dispatch, truck))


def sign_in_with(page: Page, home: str, code: str) -> None:
    """Open the app, sign in, and wait until the browser keeps the app."""
    page.goto(f"{home}/crew/")
    page.fill("#code", code)
    page.get_by_role("button", name="Masuk").click()
    expect(page.locator("h1")).to_have_text("Daftar")
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    wait_for(lambda: page.evaluate("caches.keys().then((names) => names.length)") == 1, "the app to be kept")


def go_to(page: Page, stop: Any) -> None:
    page.goto(f"{page.url.partition('#')[0]}#/stop/{stop.id}")
    expect(page.locator("h1")).to_have_text(stop.name)


def collect(page: Page) -> None:
    page.get_by_role("button", name="Terangkut").click()
    expect(page.locator("#state")).to_contain_text("Terangkut")


def take_photo(page: Page, content: bytes = PICTURE, name: str = "p.jpg") -> None:
    page.set_input_files("#photo", {"name": name, "mimeType": "image/jpeg", "buffer": content})


def wait_sent(page: Page) -> None:
    expect(page.locator("#sent")).to_contain_text("Semua terkirim", timeout=60_000)


def test_a_shift_without_a_network_through_a_kill_loses_nothing_and_doubles_nothing(
    office: Office, telephone: Telephone
) -> None:
    page = telephone.switch_on()
    sign_in(page, office)
    wait_sent(page)
    stops = stops_of(office.stage.dispatch, "truck-01")
    office.close()
    go_to(page, stops[0])
    collect(page)
    expect(page.locator("#state")).to_contain_text("belum terkirim")
    page.locator("#next").click()
    expect(page.locator("h1")).to_have_text(stops[1].name)
    take_photo(page)
    expect(page.locator("label[for=photo]")).to_contain_text("(1)")
    collect(page)
    expect(page.locator("#next")).to_be_visible()
    go_to(page, stops[2])
    page.locator("#not-possible").click()
    page.locator("[data-reason=blocked]").click()
    expect(page.locator("#state")).to_contain_text("Jalan terhalang")
    expect(page.locator("#sent")).to_contain_text("4 belum terkirim")
    wanted = [(row["phone"], row["boot"], row["seq"]) for row in rows_of(page, "events")]
    telephone.kill()

    page = telephone.switch_on()
    page.goto(f"{office.url}/crew/")
    expect(page.locator("h1")).to_have_text("Daftar")
    expect(page.locator("#sent")).to_contain_text("4 belum terkirim")
    expect(page.locator("li", has_text=stops[0].name).first).to_contain_text("Terangkut")
    go_to(page, stops[3])
    collect(page)
    expect(page.locator("#sent")).to_contain_text("5 belum terkirim")
    telephone.kill()

    office.open()
    page = telephone.switch_on()
    page.goto(f"{office.url}/crew/")
    wait_sent(page)
    assert rows_of(page, "events") == []
    assert rows_of(page, "refused") == []
    expected = [("collected", 0), ("photo", 1), ("collected", 1), ("not_possible", 2), ("collected", 3)]
    assert office.taps() == [("shift_begun", None), *((kind, stops[number].id) for kind, number in expected)]
    assert len(set(wanted)) == 4
    (photo,) = [folder.name for folder in office.stage.room.folder.iterdir() if folder.name.startswith("photo-")]
    assert office.stage.context().crew_photos.about(photo)["hidden"] == "everything"


@pytest.mark.parametrize("viewport", [SMALL, LARGE], ids=["360", "390"])
def test_a_crew_says_how_full_a_container_was(
    office: Office, telephone: Telephone, axe: str, viewport: dict[str, int]
) -> None:
    page = telephone.switch_on(viewport)
    sign_in(page, office)
    stop = stops_of(office.stage.dispatch, "truck-01")[0]
    go_to(page, stop)
    expect(page.locator("[data-level]")).to_have_count(0)
    collect(page)
    tapped_at = page.locator("#state").inner_text()
    page.get_by_role("button", name="¾").click()
    expect(page.locator("[data-level='75']")).to_have_attribute("aria-pressed", "true")
    assert page.locator("#state").inner_text()[:15] == tapped_at[:15], "the time is that of the collection"
    wait_sent(page)
    expect(page.locator("[data-level='75']")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(SIZES) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert faults_of(page, axe) == []
    taps = [tap for tap in office.stage.dispatch.shifts.taps_of_stop(stop.id) if tap.kind == "collected"]
    assert [tap.detail for tap in taps] == [{}, {"fill_pct": 75}]


def test_a_receipt_that_never_arrives_stores_nothing_twice(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    sign_in(page, office)
    wait_sent(page)
    stop = stops_of(office.stage.dispatch, "truck-01")[0]
    lost: list[int] = []

    def lose(route: Any) -> None:
        answer = route.fetch()
        lost.append(answer.status)
        route.abort() if len(lost) < 3 else route.fulfill(response=answer)

    page.route("**/crew/api/events", lose)
    go_to(page, stop)
    collect(page)
    wait_sent(page)
    page.unroute_all(behavior="wait")
    assert lost[:2] == [200, 200]
    assert office.taps().count(("collected", stop.id)) == 1


def test_an_offline_browser_keeps_and_sends_when_it_is_online(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on(LARGE)
    sign_in(page, office)
    wait_sent(page)
    stop = stops_of(office.stage.dispatch, "truck-01")[0]
    page.context.set_offline(True)
    go_to(page, stop)
    collect(page)
    expect(page.locator("#sent")).to_have_text("Tanpa jaringan · 1 belum terkirim")
    page.context.set_offline(False)
    wait_sent(page)
    assert office.taps().count(("collected", stop.id)) == 1


def test_a_wrong_code_says_so_and_a_qr_code_signs_in_at_once(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    page.goto(f"{office.url}/crew/")
    code = code_of(office.stage.dispatch, "truck-01")
    page.fill("#code", f"{(int(code) + 1) % 1_000_000:06}")
    page.get_by_role("button", name="Masuk").click()
    expect(page.get_by_role("alert")).to_contain_text("Kode salah")
    made = office.stage.dispatch.crews.make_code(DISPATCHER, shift_of(office.stage.dispatch, "truck-02"))
    page.goto("about:blank")
    page.goto(f"{office.url}/crew/#k={made.key}")
    expect(page.locator("h1")).to_have_text("Daftar")
    assert made.key not in page.url
    page.goto(f"{office.url}/crew/#/more")
    expect(page.locator("dd").first).to_contain_text("truck-02")


def test_an_event_that_is_refused_is_shown_and_stops_no_other(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    sign_in(page, office)
    wait_sent(page)
    mine, others = stops_of(office.stage.dispatch, "truck-01")[0], stops_of(office.stage.dispatch, "truck-02")[0]
    office.close()
    add_event(page, others.id)
    go_to(page, mine)
    collect(page)
    office.open()
    page.reload()
    wait_sent(page)
    page.goto(f"{office.url}/crew/#/more")
    expect(page.locator(".refused")).to_contain_text("titik milik truk lain")
    page.get_by_role("button", name="Sembunyikan").click()
    expect(page.locator(".refused")).to_have_count(0)
    assert ("collected", mine.id) in office.taps()
    assert office.taps("truck-02") == []


def add_event(page: Page, stop: int) -> None:
    """Put an event among those that wait, as no button of the app does."""
    page.evaluate(
        """(stop) => new Promise((resolve) => {
            const opening = indexedDB.open("kota-crew");
            opening.onsuccess = () => {
                const work = opening.result.transaction(["events", "kept"], "readwrite");
                const session = work.objectStore("kept").get("session");
                session.onsuccess = () => work.objectStore("events").add({
                    phone: session.result.phone, boot: "forged", seq: 1, at: new Date().toISOString(),
                    kind: "collected", stop, reason: "", detail: {}, photo: null,
                });
                work.oncomplete = () => { opening.result.close(); resolve(); };
            };
        })""",
        stop,
    )


def test_a_picture_that_is_none_is_refused_before_it_is_kept(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    sign_in(page, office)
    wait_sent(page)
    go_to(page, stops_of(office.stage.dispatch, "truck-01")[0])
    take_photo(page, b"<svg onload=alert(1)>")
    expect(page.locator("#note")).to_contain_text("Foto tidak bisa dibaca")
    assert rows_of(page, "events") == []


def test_what_was_tapped_in_a_shift_that_is_over_is_delivered(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    sign_in(page, office)
    wait_sent(page)
    stop = stops_of(office.stage.dispatch, "truck-01")[0]
    office.close()
    go_to(page, stop)
    collect(page)
    office.stage.dispatch.shifts.close(DISPATCHER, shift := shift_of(office.stage.dispatch, "truck-01"))
    office.open()
    page.reload()
    wait_sent(page)
    assert [tap.stop_id for tap in office.stage.dispatch.shifts.taps([shift]) if tap.kind == "collected"] == [stop.id]
    page.goto(f"{office.url}/crew/#/list")
    expect(page.locator(".state.missed")).to_contain_text("Tugas ini sudah selesai")


def test_a_telephone_of_another_truck_delivers_what_it_has_kept(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    sign_in(page, office)
    wait_sent(page)
    stop = stops_of(office.stage.dispatch, "truck-01")[0]
    page.route("**/crew/api/events", lambda route: route.abort())
    go_to(page, stop)
    collect(page)
    page.goto(f"{office.url}/crew/#/sign-in")
    page.fill("#code", code_of(office.stage.dispatch, "truck-02"))
    page.get_by_role("button", name="Masuk", exact=True).click()
    expect(page.locator("h1")).to_have_text("Daftar")
    page.unroute_all(behavior="wait")
    page.reload()
    wait_sent(page)
    assert rows_of(page, "refused") == []
    assert office.taps().count(("collected", stop.id)) == 1


def test_a_full_telephone_says_that_nothing_was_kept(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    sign_in(page, office)
    wait_sent(page)
    page.evaluate(
        "() => { IDBObjectStore.prototype.add = () => { throw new DOMException('', 'QuotaExceededError'); }; }"
    )
    go_to(page, stops_of(office.stage.dispatch, "truck-01")[0])
    page.get_by_role("button", name="Terangkut").click()
    expect(page.locator("#note")).to_contain_text("Ponsel penuh")
    expect(page.locator("#state")).to_contain_text("Belum diangkut")


def test_panic_takes_two_taps_and_is_an_alarm_of_the_truck(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    sign_in(page, office)
    wait_sent(page)
    page.get_by_role("link", name="Darurat").click()
    page.locator("#panic").click()
    expect(page.locator("#panic")).to_have_text("Tekan sekali lagi")
    assert office.stage.journaled == []
    page.evaluate("() => dispatchEvent(new Event('offline'))")
    page.get_by_role("link", name="Pesan").click()
    page.get_by_role("link", name="Darurat").click()
    expect(page.locator("#panic")).to_have_text("Tekan sekali lagi")
    page.locator("#panic").click()
    expect(page.locator("#panic")).to_have_text("Sudah aman")
    wait_sent(page)
    page.locator("#panic").click()
    page.locator("#panic").click()
    expect(page.locator("#panic")).to_have_text("Panik: minta bantuan")
    wait_sent(page)
    assert [arrival.topic for arrival in office.stage.journaled] == ["$kota/v1/kupang/truck/truck-01/crew"] * 2


def test_one_tap_on_panic_asks_and_forgets(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    page.clock.install()
    sign_in(page, office)
    wait_sent(page)
    page.get_by_role("link", name="Darurat").click()
    page.locator("#panic").click()
    expect(page.locator("#panic")).to_have_text("Tekan sekali lagi")
    page.clock.fast_forward(7_000)
    expect(page.locator("#panic")).to_have_text("Panik: minta bantuan")
    page.locator("#panic").click()
    expect(page.locator("#panic")).to_have_text("Tekan sekali lagi")
    assert office.stage.journaled == []


def test_a_message_is_shown_and_says_that_it_was_read(office: Office, telephone: Telephone) -> None:
    shift = shift_of(office.stage.dispatch, "truck-01")
    office.stage.dispatch.shifts.send_message(DISPATCHER, shift, "Jalan <b>Oesapa</b> ditutup")
    page = telephone.switch_on()
    sign_in(page, office)
    expect(page.locator("#tabs b")).to_have_text("1")
    page.get_by_role("link", name="Pesan").click()
    expect(page.locator(".messages")).to_contain_text("Jalan <b>Oesapa</b> ditutup")
    wait_for(lambda: office.stage.dispatch.shifts.messages(shift)[0].read_at, "the word that it was read")
    expect(page.locator("#tabs b")).to_have_count(0)


def test_a_new_version_replaces_the_old_one_as_a_whole(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    sign_in(page, office)
    (before,) = page.evaluate("caches.keys()")
    files = app_files()
    kept = {name: files[name] for name in ("app.css", "sw.js")}
    try:
        files["app.css"] += b"h1 { letter-spacing: 3px; }"
        files["sw.js"] = kept["sw.js"].replace(before.removeprefix("kota-crew-").encode(), b"another")
        page.reload()
        wait_for(lambda: page.evaluate("caches.keys()") == ["kota-crew-another"], "the new version")
        office.close()
        page.reload()
        expect(page.locator("h1")).to_have_css("letter-spacing", "3px")
    finally:
        files.update(kept)


def test_the_app_can_be_installed(office: Office, telephone: Telephone) -> None:
    page = telephone.switch_on()
    sign_in(page, office)
    session = page.context.new_cdp_session(page)
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [error["errorId"] for error in errors if error["errorId"] != "in-incognito"] == []
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []


SCREENS = ("#/list", "#/stop/{stop}", "#/reasons/{stop}", "#/messages", "#/alarm", "#/more", "#/sign-in")
SIZES = """() => {
    const seen = [...document.querySelectorAll('body *')].filter((element) => element.offsetParent);
    const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const small = seen.filter((element) => hasText(element)
        && parseFloat(getComputedStyle(element).fontSize) < 18);
    const low = seen.filter((element) => element.matches('a, button, input, label.button')
        && (element.getBoundingClientRect().height < 48 || element.getBoundingClientRect().width < 48));
    return [...small, ...low].map((element) => element.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("viewport", [SMALL, LARGE], ids=["360", "390"])
def test_every_screen_is_large_enough_and_axe_finds_nothing(
    office: Office, telephone: Telephone, axe: str, viewport: dict[str, int]
) -> None:
    shift = shift_of(office.stage.dispatch, "truck-01")
    office.stage.dispatch.shifts.send_message(DISPATCHER, shift, "Jalan Oesapa ditutup sampai pukul 10")
    page = telephone.switch_on(viewport)
    page.goto(f"{office.url}/crew/")
    expect(page.locator("#code")).to_be_visible()
    found: dict[str, Any] = {"start": faults_of(page, axe)}
    sign_in(page, office)
    stops = stops_of(office.stage.dispatch, "truck-01")
    for lang in ("Bahasa Indonesia", "English"):
        page.goto(f"{office.url}/crew/#/more")
        page.get_by_role("button", name=lang).click()
        for number, screen in enumerate(SCREENS):
            page.goto(f"{office.url}/crew/{screen.format(stop=stops[number % 2].id)}")
            expect(page.locator("h1")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], screen
            assert page.evaluate(SIZES) == [], screen
            found[f"{lang} {screen}"] = faults_of(page, axe)
    assert {screen: faults for screen, faults in found.items() if faults} == {}
