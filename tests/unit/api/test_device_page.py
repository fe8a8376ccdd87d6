"""The page of a device: its place, the trucks nearby, what is used of a hotspot, states, and rejected messages."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from api.console.page_context import PageContext
from api.console.pages import device as device_page
from api.console.pages import outages as outages_page
from api.console.parts.place_panel import distance_words
from api.console.parts.screen import Screen
from api.console.parts.usage_charts import traffic_by_hour
from api.queries.nearby import nearest_site, nearest_trucks
from city.i18n.catalogue import LANGS, Lang
from ingest.store.parked.dead_letters import DeadLetter
from ingest.store.port import SeriesPoint
from tests.support.access import identity_with
from tests.unit.api.conftest import CITY, NOW, Stage

HOUR = timedelta(hours=1)
AP = next(device.id for device in CITY.devices.values() if device.KIND == "ap")
BIN = CITY.devices["bin-0006"]


def page_context(stage: Stage, lang: Lang = "en") -> PageContext:
    return PageContext(stage.context(), lang, identity_with("supervisor"))


def section(stage: Stage, device: str, id_: str, lang: Lang = "en") -> str:
    """The HTML of a live section of a device's page."""
    screen = Screen()
    device_page.build(page_context(stage, lang), screen, CITY.devices[device], 1)
    shown = screen.section(id_)
    assert shown is not None
    return str(shown.html())


def drive(stage: Stage, truck: str, north_km: float, age: timedelta = timedelta()) -> None:
    """Let a truck measure its position north of the container."""
    assert BIN.lat_deg is not None
    stage.measure(truck, NOW - age, lat_deg=BIN.lat_deg + north_km / 111.2, lon_deg=BIN.lon_deg or 0.0)


def test_the_nearest_trucks_are_those_with_a_known_position(stage: Stage) -> None:
    drive(stage, "truck-01", 3)
    drive(stage, "truck-02", 1, timedelta(minutes=5))
    drive(stage, "truck-03", 0.5, timedelta(days=2))
    stage.measure("truck-04", NOW, speed_kmh=3.0)
    assert BIN.lat_deg is not None
    assert BIN.lon_deg is not None
    trucks = nearest_trucks(stage.context(), (BIN.lat_deg, BIN.lon_deg), count=3)
    assert [nearby.truck.id for nearby in trucks] == ["truck-02", "truck-01"]
    assert trucks[0].distance_km == pytest.approx(1.0, abs=0.01)
    assert trucks[0].at == NOW - timedelta(minutes=5)


def test_a_container_says_where_it_is_and_which_truck_is_near(stage: Stage) -> None:
    drive(stage, "truck-02", 1, timedelta(minutes=5))
    html = section(stage, BIN.id, "place")
    assert f"geo:{BIN.lat_deg:.5f},{BIN.lon_deg:.5f}" in html
    assert "5 min ago" in html
    assert 'href="/device/truck-02"' in html
    assert "Kantor Kelurahan" in html


def test_a_truck_is_not_near_itself_and_without_a_position_there_is_no_map(stage: Stage) -> None:
    assert "Its place is not known" in section(stage, "truck-01", "place")
    drive(stage, "truck-01", 1)
    html = section(stage, "truck-01", "place")
    assert "No truck has a known position" in html
    assert "data-place=" in html


def test_distances_are_metres_below_a_kilometre(stage: Stage) -> None:
    page = page_context(stage, "id")
    words = [distance_words(page, far_km).replace("\N{NO-BREAK SPACE}", " ") for far_km in (0.004, 0.734, 1.25, 12.0)]
    assert words == ["10 m", "730 m", "1,2 km", "12 km"]


def test_the_nearest_site_is_known(stage: Stage) -> None:
    site = next(iter(CITY.sites.values()))
    assert nearest_site(stage.context(), (site.lat_deg, site.lon_deg)) == (site, 0.0)


def test_traffic_is_the_rate_over_an_hour() -> None:
    """Kilobits a second: a thousand for an hour are 450 MB. An hour of which nothing is known is absent."""
    down = [SeriesPoint(NOW, 1_000.0), SeriesPoint(NOW + HOUR, 8.0)]
    up = [SeriesPoint(NOW + HOUR, 80.0), SeriesPoint(NOW + 3 * HOUR, 0.0)]
    hours = traffic_by_hour(down, up)
    assert [(hour.at, hour.down, hour.up) for hour in hours] == [
        (NOW, 450e6, 0.0),
        (NOW + HOUR, 3.6e6, 36e6),
        (NOW + 3 * HOUR, 0.0, 0.0),
    ]


def test_a_hotspot_shows_traffic_and_users(stage: Stage) -> None:
    users = {"clients_by_ssid": '{"Kupang-WiFi-Gratis":7,"<b>":1}', "clients_by_radio": "no JSON"}
    stage.measure(AP, NOW - HOUR, tx_kbps=1_000.0, rx_kbps=100.0, clients=8, **users)
    charts = section(stage, AP, "charts").replace("\N{NO-BREAK SPACE}", " ")
    assert "450 MB to users, 45 MB from users" in charts
    shown = section(stage, AP, "users")
    assert re.search(r"Kupang-WiFi-Gratis.*7.*&lt;b&gt;", shown)
    assert "Radio" not in shown


def test_nothing_known_is_a_dash(stage: Stage) -> None:
    """Neither 100 % nor 0 % of nothing."""
    html = section(stage, AP, "outages")
    assert html.count('class="none"') == 3
    assert "Nothing was ever heard of this device" in html
    assert "%" not in re.sub(r'"[^"]*"', "", html)


@pytest.mark.parametrize("lang", LANGS)
def test_outages_are_on_the_page_of_the_device_and_of_all(stage: Stage, lang: Lang) -> None:
    for minute in range(121):
        if not 30 < minute < 90:
            stage.measure(AP, NOW - timedelta(minutes=minute), clients=1)
    lasting = {"id": "1 jam", "en": "1 h"}[lang]
    html = section(stage, AP, "outages", lang)
    assert f'<td data-label="{ {"id": "Lama", "en": "Length"}[lang] }">{lasting}</td>' in html
    assert 'class="offline"' in html
    page, screen = page_context(stage, lang), Screen()
    outages_page.build(page, screen, {"kind": "ap", "days": "1"})
    everything = "".join(map(str, screen.html()))
    assert f"/device/{AP}" in everything
    assert lasting in everything
    assert "50" in everything


def test_the_page_of_outages_ignores_what_it_cannot_mean(stage: Stage) -> None:
    wanted = dict.fromkeys(outages_page.FILTERS, "") | {"kind": "bin", "outage": "x", "days": "8"}
    filter_ = outages_page.filter_of(page_context(stage), wanted)
    assert (filter_.kind, filter_.outage, filter_.end - filter_.start) == (None, None, timedelta(days=7))


def test_rejected_messages_of_the_device_are_shown_with_their_reason(stage: Stage) -> None:
    assert section(stage, AP, "rejected").count("<table") == 0
    letters = [
        DeadLetter(n, f"kota/v1/kupang/ap/{device}/telemetry", b"<x>%d" % n, NOW, f"reason {n}", device=device)
        for n, device in enumerate((AP, AP, "ap-of-others"), start=1)
    ]
    stage.box.add(letters)
    html = section(stage, AP, "rejected")
    assert "reason 1" in html
    assert "&lt;x&gt;2" in html
    assert "reason 3" not in html
    assert 'href="/system#letters"' in html
