"""The console's parts: texts in both languages, escaping, times and numbers as people read them, lists and cards."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote_plus

import msgspec
import pytest
from fastapi import Request

from api.console.page_context import PageContext, page_context_of
from api.console.pages import device as device_page
from api.console.pages import events as events_page
from api.console.pages import listing
from api.console.pages import system as system_page
from api.console.pages.listing import DeviceFilter
from api.console.parts import layout
from api.console.parts.chart import CHART_RANGES, bounds_of, chart, runs_of
from api.console.parts.device_columns import FIELDS, STATES, columns_of
from api.console.parts.event_words import bytes_words
from api.console.parts.layout import STATIC
from api.console.parts.markup import join, tag
from api.schemas import device_response
from broker.contract.payloads import EVENT_TYPES, Scene, fields_of
from broker.contract.topics import KINDS, Kind
from broker.health import BrokerHealth, health_path
from city.i18n.catalogue import CONSOLE_TEXTS, LANGS, Lang
from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.rules import load_rules
from ingest.store.port import SeriesPoint
from ingest.store.records import Reading, RecordOrigin, StatusRecord, Value
from ingest.store.views import device_condition
from ingest.store.views.health import ErrorRateAlarm, IngestHealth
from tests.support.access import identity_with
from tests.unit.api.conftest import CITY, NOW, Stage

SOURCES = [path for path in STATIC.parent.rglob("*") if path.suffix in (".py", ".js")]


def page_context(stage: Stage, lang: Lang = "id", *, demo: bool = True, **more: Any) -> PageContext:
    return PageContext(stage.context(demo=demo), lang, more.get("role", identity_with("supervisor")))


def asked(**params: str) -> Request:
    query = "&".join(f"{name}={value}" for name, value in params.items())
    headers = [(b"host", b"127.0.0.1")]
    return Request(
        {"type": "http", "query_string": query.encode(), "headers": headers, "path": "/", "client": ("127.0.0.1", 1)}
    )


def test_everything_of_the_contract_has_a_name_for_people() -> None:
    fields = {field for kind in KINDS for field in fields_of(kind)}
    events = {f"event_{name}" for kind in KINDS for name in EVENT_TYPES[kind]}
    scenes = {f"scene_{word}" for word in get_args(Scene)}
    assert (fields | events | scenes | set(KINDS)) - set(CONSOLE_TEXTS) == set()


def test_texts_from_outside_stay_text() -> None:
    assert tag("p", "<b>&", title='"<') == '<p title="&#34;&lt;">&lt;b&gt;&amp;</p>'
    assert join([tag("b", "x"), "<i>", None], ", ") == "<b>x</b>, &lt;i&gt;, "
    assert tag("input", checked=True, disabled=False, value=None) == "<input checked>"


def test_times_are_the_city_s(stage: Stage) -> None:
    at = datetime(2026, 8, 16, 23, 5, tzinfo=UTC)
    assert page_context(stage).time(at) == "17 Agu 2026 07:05 WITA"
    assert page_context(stage, "en").time(at) == "17 Aug 2026 07:05 WITA"


@pytest.mark.parametrize(
    ("field", "value", "indonesian", "english"),
    [
        ("fill_pct", 41.26, "41,3\xa0%", "41.3\xa0%"),
        ("odometer_km", 80123.4, "80.123\xa0km", "80,123\xa0km"),
        ("clients", 0, "0", "0"),
        ("lid_open", True, "ya", "yes"),
        ("uptime_s", 7300, "2 jam", "2 h"),
        ("fault_codes", '["P0217","P0300"]', "P0217, P0300", "P0217, P0300"),
        ("fault_codes", "[]", "-", "-"),
        ("fill_pct", None, "tidak ada data", "no data"),
        ("lat_deg", -10.17, "-10.17000°", "-10.17000°"),
    ],
)
def test_values_read_as_the_language_writes_them(
    stage: Stage, field: str, value: Value | None, indonesian: str, english: str
) -> None:
    assert page_context(stage).value(field, value) == indonesian
    assert page_context(stage, "en").value(field, value) == english


def test_ages_in_their_largest_unit(stage: Stage) -> None:
    seen = page_context(stage, "en")
    ages = [seen.age(NOW - timedelta(seconds=s), NOW) for s in (-5, 0, 59, 61, 7200, 90_000, 200_000)]
    assert ages == ["0 s ago", "0 s ago", "59 s ago", "1 min ago", "2 h ago", "1 day ago", "2 days ago"]
    assert seen.age(None, NOW) == "never"


def test_a_page_writes_the_count_as_its_language_does(stage: Stage) -> None:
    shown = {
        lang: PageContext(stage.context(), lang, identity_with("viewer")).plural("messages", 1234) for lang in LANGS
    }
    assert shown == {"id": "1.234 pesan", "en": "1,234 messages"}


def test_the_address_names_the_language_and_the_cookie_keeps_it(stage: Stage) -> None:
    context = stage.context()
    assert page_context_of(asked(), context).lang == "id"
    assert page_context_of(asked(lang="en"), context).lang == "en"
    assert page_context_of(asked(lang="xx"), context).lang == "id"
    kept = asked()
    kept.scope["headers"].append((b"cookie", b"kota_lang=en"))
    assert page_context_of(kept, context).lang == "en"
    assert not page_context_of(kept, context).lang_chosen


def listed(stage: Stage, kind: str, **params: str) -> list[str]:
    html = listing._list(page_context(stage), kind, DeviceFilter.of(asked(**params).query_params))  # type: ignore[arg-type]
    return re.findall(r'href="/device/([a-z0-9-]+)"', html)


def test_lists_are_filtered_searched_ordered_and_cut_to_pages(stage: Stage) -> None:
    stage.measure("bin-0300", fill_pct=99.0)
    stage.measure("bin-0200", fill_pct=50.0)
    assert listed(stage, "bin")[:3] == ["bin-0300", "bin-0200", "bin-0001"]
    assert listed(stage, "bin", sort="device")[:2] == ["bin-0001", "bin-0002"]
    assert len(listed(stage, "bin")) == listing.ROWS
    assert listed(stage, "bin", sort="-fill_pct")[:3] == ["bin-0300", "bin-0200", "bin-0001"]
    assert listed(stage, "bin", state="full") == ["bin-0300"]
    assert listed(stage, "bin", state="ok") == ["bin-0200"]
    assert listed(stage, "bin", page="22")[-1] == "con-068"
    assert listed(stage, "bin", page="9999") == listed(stage, "bin", page="22")
    assert {CITY.devices[device].kelurahan for device in listed(stage, "bin", kelurahan="liliba")} == {"liliba"}
    plate = CITY.trucks["truck-03"].plate
    assert listed(stage, "truck", q=plate.lower().replace(" ", "%20")) == ["truck-03"]
    assert listed(stage, "bin", q="%3Cscript%3E") == []
    assert {CITY.devices[device].kelurahan for device in listed(stage, "bin", q="penkase")} == {"penkase-oeleta"}
    ssid = CITY.access_points["ap-liliba"].ssids[0]
    assert "ap-liliba" in listed(stage, "ap", q=ssid.replace(" ", "%20"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("falling", ["", "-"])
def test_a_list_is_sorted_by_every_column_and_devices_without_a_value_are_last(
    stage: Stage, kind: Kind, falling: str
) -> None:
    for number, device in enumerate(sorted(CITY.devices.values(), key=lambda device: device.id)[::50]):
        values: dict[str, Value] = {field: float(number) for field in FIELDS[device.KIND] if field != "scene"}
        stage.measure(device.id, NOW - timedelta(minutes=number), **values)
    seen = page_context(stage)
    for column in columns_of(kind):
        rows = listing.find(seen, kind, DeviceFilter(sort=falling + column.key))
        assert len(rows) == sum(kind == device.KIND for device in CITY.devices.values())
        values_ = [column.value(seen, row) for row in rows]
        known = [value.casefold() if isinstance(value, str) else value for value in values_ if value not in (None, "")]
        assert known == sorted(known, reverse=bool(falling)), column.key  # type: ignore[type-var]
        assert all(value in (None, "") for value in values_[len(known) :])
        html = str(listing._list(seen, kind, DeviceFilter(sort=falling + column.key)))
        assert html.count("aria-sort") == 1
        assert f'aria-sort="{"descending" if falling else "ascending"}"' in html
        assert f"sort={'' if falling else '-'}{column.key}&amp;" in html, "the heading turns the order round"


def test_a_list_is_filtered_by_site_stream_and_network(stage: Stage) -> None:
    organic = {device.id for device in CITY.devices.values() if getattr(device, "waste_kind", "") == "organic"}
    assert {row.id for row in listing.find(page_context(stage), "bin", DeviceFilter(waste="organic"))} == organic
    point = CITY.access_points["ap-liliba"]
    assert {
        row.state.device.site for row in listing.find(page_context(stage), "ap", DeviceFilter(site=point.site))
    } == {point.site}
    found = listing.find(page_context(stage), "ap", DeviceFilter(ssid=point.ssids[0]))
    assert "ap-liliba" in {row.id for row in found}
    assert listing.find(page_context(stage), "ap", DeviceFilter(ssid="<b>")) == []
    assert listing.find(page_context(stage), "bin", DeviceFilter(sort="<b>"))[0].id == "bin-0001"


def test_containers_say_since_when_they_are_full_and_when_they_were_emptied(stage: Stage) -> None:
    stage.measure("bin-0300", fill_pct=99.0)
    stage.happen("truck-01", "collected", "noted", at=NOW - timedelta(days=2), bin="bin-0300")
    stage.happen("bin-0301", "collected", "noted", at=NOW - timedelta(hours=3))
    condition = AlarmCondition("overflowing", "bin-0300", "bin", "", "", NOW - timedelta(hours=5))
    stage.alarms.apply(load_rules(stage.folder), AlarmChanges((condition,)))
    stage.alarm_board.listed = stage.alarms.current()
    seen = page_context(stage, "en")
    html = str(listing._list(seen, "bin", DeviceFilter(q="bin-030")))
    assert "5 h ago" in html
    assert "2 days ago" in html
    assert "3 h ago" in html
    assert 'href="geo:-10.' in html
    stage.happen("truck-01", "collected", "noted", at=NOW, bin="bin-0300")
    assert listing.find(seen, "bin", DeviceFilter(q="bin-0300"))[0].emptied_at == NOW


def test_a_file_has_exactly_what_the_list_shows(stage: Stage) -> None:
    stage.measure("bin-0300", fill_pct=99.5)
    stage.measure("bin-0200", fill_pct=97.0)
    address = "/devices/bin.csv?state=full&sort=fill_pct&lang=en"
    answer = stage.client().get(address)
    assert answer.headers["content-disposition"] == 'attachment; filename="kupang-bin.csv"'
    head, *rows = csv.reader(answer.text.removeprefix("\ufeff").splitlines())
    assert [row[0] for row in rows] == ["bin-0200", "bin-0300"]
    assert dict(zip(head, rows[1], strict=True))["Fill"] == "99.5"
    assert rows[0][-1] == "2026-03-01T20:00:00+08:00"
    assert len(stage.client().get("/devices/truck.csv").text.splitlines()) == 1 + len(CITY.trucks)
    assert stage.client().get("/devices/plane.csv").status_code == 422
    assert stage.client(demo=False).get("/devices/bin.csv").status_code == 303


def test_the_search_finds_devices_and_places_from_every_page(stage: Stage) -> None:
    client, plate = stage.client(), CITY.trucks["truck-03"].plate
    assert 'action="/search"' in client.get("/system").text
    assert client.get("/search", params={"q": plate.lower()}).headers["location"] == "/device/truck-03"
    assert client.get("/search", params={"q": " BIN-0451"}).headers["location"] == "/device/bin-0451"
    page = client.get("/search", params={"q": "liliba", "lang": "en"}).text
    assert 'href="/devices/bin?kelurahan=liliba"' in page
    assert 'href="/map?to=tps-liliba"' in page
    assert 'href="/device/ap-liliba"' in page
    ssid = CITY.access_points["ap-liliba"].ssids[0]
    assert f"/devices/ap?ssid={quote_plus(ssid)}" in client.get("/search", params={"q": ssid}).text
    nothing = client.get("/search", params={"q": "<script>", "lang": "en"}).text
    assert "&lt;script&gt;" in nothing
    assert "<script>" not in nothing
    assert client.get("/search").status_code == 200


def test_what_calls_for_action_is_first_in_lists_and_named_by_its_condition(stage: Stage) -> None:
    stage.measure("bin-0300", fill_pct=99.0)
    stage.measure("bin-0400", fill_pct=24.0)
    stage.happen("bin-0400", "fire")
    stage.measure("truck-07", ignition=True)
    stage.measure("truck-08", ignition=True)
    stage.measure("truck-09", fault_codes='["P0217"]')
    stage.happen("truck-07", "panic")
    assert listed(stage, "bin")[:2] == ["bin-0400", "bin-0300"]
    assert listed(stage, "bin", state="fire") == ["bin-0400"]
    assert listed(stage, "truck")[:2] == ["truck-07", "truck-09"]
    assert listed(stage, "truck", state="panic") == ["truck-07"]
    assert listed(stage, "truck", state="broken") == ["truck-09"]
    assert listed(stage, "truck", state="on_route") == ["truck-08"]


def test_every_state_of_a_device_can_be_filtered_and_has_words() -> None:
    source = Path(str(device_condition.__file__)).read_text()
    states = set(re.findall(r'DeviceCondition\(\s*"(\w+)"', source)) | {
        "panic",
        "working",
        "on_route",
        "parked",
        "slow",
    }
    assert states == {state for per_kind in STATES.values() for state in per_kind} - {"crowded"}
    assert all(f"is_{state}" in CONSOLE_TEXTS for state in states)


def test_the_map_has_the_condition_of_each_device(stage: Stage) -> None:
    stage.measure("bin-0400", fill_pct=24.0)
    stage.happen("bin-0400", "fire")
    stage.measure("truck-07", lat_deg=-10.1, lon_deg=123.6, ignition=True)
    stage.happen("truck-07", "panic")
    found = {}
    for kind in ("bin", "truck"):
        for feature in stage.client().get(f"/api/v1/map/{kind}.geojson").json()["features"]:
            properties = feature["properties"]
            found[properties["id"]] = (properties["state"], properties["severity"])
    assert found["bin-0400"] == ("fire", 2)
    assert found["truck-07"] == ("panic", 2)
    assert found["bin-0001"] == ("unknown", -1)


@pytest.mark.parametrize("page", ["0", "-1", "x", "²", "1e9", "9" * 50])
def test_nonsense_in_an_address_is_left_open(page: str) -> None:
    assert DeviceFilter.of(asked(page=page.replace("²", "%C2%B2")).query_params).page == 1


def test_a_chart_has_gaps_the_city_s_clock_and_the_language_s_numbers(stage: Stage) -> None:
    points = [SeriesPoint(NOW + timedelta(minutes=m), 1_000.0 + m) for m in (0, 10, 20, 60, 120, 130)]
    assert [len(run) for run in runs_of(points, 600.0)] == [3, 1, 2]
    shown = str(chart(page_context(stage), "odometer_km", points, CHART_RANGES[1], NOW + timedelta(hours=3)))
    assert (shown.count("<polyline"), shown.count("<circle")) == (2, 1)
    assert "1.050</text>" in shown
    assert "1 Mar 20:00: 1.000\N{NO-BREAK SPACE}km" in shown
    assert [hour for hour in ("00:00", "06:00", "12:00", "18:00") if f">{hour}</text>" in shown] == [
        "00:00",
        "06:00",
        "12:00",
        "18:00",
    ]
    week = str(chart(page_context(stage, "en"), "odometer_km", points, CHART_RANGES[7], NOW))
    assert "1,050</text>" in week
    assert week.count(" Feb</text>") == 6
    assert "tidak ada data" in chart(page_context(stage), "fill_pct", [], CHART_RANGES[1], NOW)


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.0), (5.0, 5.0), (-3.0, 2.0), (0.001, 0.002), (1e6, 3e9), (99.9, 100.1)]
)
def test_the_bounds_of_a_chart_are_round_and_contain_its_values(low: float, high: float) -> None:
    least, most, step = bounds_of(low, high)
    assert least <= low <= high <= most
    assert 3 <= round((most - least) / step) <= 7
    assert round(least / step) == pytest.approx(least / step)


def test_dead_letters_are_escaped_and_only_operators_get_a_button(stage: Stage) -> None:
    stage.bury("<script>alert(1)</script>")
    for_operator = system_page._letters(page_context(stage))
    assert "<script>" not in for_operator
    assert 'data-replay="1"' in for_operator
    assert "data-replay" not in system_page._letters(page_context(stage, role=identity_with("viewer")))


def test_a_fault_is_said_in_words(stage: Stage) -> None:
    seen = PageContext(stage.context(now=NOW + timedelta(minutes=5)), "id", identity_with("viewer"))
    assert "verdict bad" in system_page._health(seen)
    assert "verdict good" in system_page._health(page_context(stage))
    stage.board.publish(IngestHealth(NOW, connected=True, store="away", note="<refused>"))
    for lang in LANGS:
        page = system_page._health(PageContext(stage.context(), lang, identity_with("viewer")))
        assert CONSOLE_TEXTS.text("not_ready_store_away", lang) in page
        assert "&lt;refused&gt;" in page


def test_nothing_of_the_console_names_a_foreign_host_but_the_map_s_street_tiles() -> None:
    hosts = {
        host
        for path in SOURCES
        for host in re.findall(r"https?://([\w.{}-]+)", Path(path).read_text())
        if host != "www.w3.org"
    }
    assert hosts == {"tile.openstreetmap.org"}


def test_irregular_hours_are_told_in_both_languages(stage: Stage) -> None:
    described = "Mon-Fri 17:00-05:00 and 12:00-13:00, Sat all day, Sun closed"
    views = {lang: PageContext(stage.context(), lang, identity_with("viewer")) for lang in LANGS}
    assert views["en"].hours(described) == described
    assert views["id"].hours(described) == "Sen-Jum 17:00-05:00 dan 12:00-13:00, Sab sepanjang hari, Min tutup"


@pytest.mark.parametrize("lang", list(LANGS))
def test_every_page_says_when_what_it_shows_is_old(stage: Stage, lang: Lang) -> None:
    seen = PageContext(stage.context(), lang, identity_with("viewer"))
    assert "<p" not in layout._warnings(seen)
    stage.board.publish(IngestHealth(NOW, connected=True, lag_s=7_200.0, live_lag_s=1.0))
    assert CONSOLE_TEXTS.text("catching_up", lang).split("{")[0] in layout._warnings(seen)
    stage.board.publish(IngestHealth(NOW, connected=True, lag_s=7_200.0, live_lag_s=7_200.0, journal="full"))
    assert CONSOLE_TEXTS.text("data_behind", lang).split("{")[0] in layout._warnings(seen)
    assert CONSOLE_TEXTS.text("queue_full", lang) in layout._warnings(seen)


def test_bad_messages_raise_an_alarm_with_the_topic_escaped(stage: Stage) -> None:
    alarms = (ErrorRateAlarm("*", 300, 1_000), ErrorRateAlarm("kota/v1/kupang/bin/<b>", 40, 50))
    stage.board.publish(IngestHealth(NOW, connected=True, alarms=alarms))
    page = system_page._health(PageContext(stage.context(), "en", identity_with("viewer")))
    assert "300 of the last 1000 messages could not be read: all devices together" in page
    assert "kota/v1/kupang/bin/&lt;b&gt;" in page


@pytest.mark.parametrize("lang", list(LANGS))
def test_what_is_not_well_with_the_broker_is_said(stage: Stage, lang: Lang) -> None:
    seen = PageContext(stage.context(), lang, identity_with("viewer"))
    path = health_path(seen.context.data / "broker")
    path.parent.mkdir(parents=True)
    path.write_bytes(msgspec.json.encode(BrokerHealth(NOW.timestamp(), waiting_bytes=5, waiting_max_bytes=1 << 30)))
    assert "panel bad" not in system_page._health(seen)
    full = BrokerHealth(NOW.timestamp(), waiting_bytes=1 << 30, waiting_max_bytes=1 << 30, refused_topics_total=7)
    full.refused_topic_at = NOW.timestamp() - 60
    path.write_bytes(msgspec.json.encode(full))
    page = system_page._health(seen)
    assert page.count("1024") == 2
    assert "verdict good" not in page
    said = {
        "id": "memutus 7 sambungan karena topiknya memuat spasi",
        "en": "cut off 7 connections for a topic with white space",
    }
    assert said[lang] in page


def test_readings_lost_in_a_full_device_are_told(stage: Stage) -> None:
    status = StatusRecord("bin", "bin-0451", "online", NOW, NOW, outbox_waiting=3, outbox_dropped=12)
    stage.store.write([status], ())
    context = stage.context()
    shape = device_response(context, CITY.devices["bin-0451"], stage.store.latest(device="bin-0451")[0], NOW)
    assert (shape.outbox_waiting, shape.outbox_dropped) == (3, 12)
    assert "12 readings were lost" in device_page._values(PageContext(context, "en", identity_with("viewer")), shape)


@pytest.mark.parametrize("lang", list(LANGS))
def test_the_system_page_names_containers_that_are_less_deep_than_their_sensor_measures(
    stage: Stage, lang: Lang
) -> None:
    seen = PageContext(stage.context(), lang, identity_with("viewer"))
    assert seen.t("geometry_devices") not in system_page._health(seen)
    at = NOW - timedelta(seconds=30)
    for number, quality in enumerate(((), ("geometry",)), 1):
        origin = RecordOrigin("bin", f"bin-045{number}", "e", number, at, at, quality=quality)
        stage.store.write([Reading(origin, {"distance_mm": 2900.0})], ())
    part = str(system_page._health(seen)).partition(seen.t("geometry_devices"))[2]
    assert "/device/bin-0452" in part
    assert "/device/bin-0451" not in part


def test_lists_leave_out_what_a_sensor_has_not_measured_for_a_week(stage: Stage) -> None:
    at = NOW - timedelta(days=7)
    old = RecordOrigin("bin", "bin-0451", "e", 1, at, at)
    new = RecordOrigin("bin", "bin-0451", "e", 2, NOW, NOW)
    stage.store.write([Reading(old, {"fill_pct": 97.0}), Reading(new, {"battery_pct": 60.0})], ())
    shape = device_response(stage.context(), CITY.devices["bin-0451"], stage.store.latest(device="bin-0451")[0], NOW)
    assert shape.values["fill_pct"].value == 97.0, "the last value stays readable, with its time"
    assert shape.fillingLevel is None
    rows = str(listing._list(page_context(stage), "bin", DeviceFilter.of({"q": "bin-0451"})))
    assert "/device/bin-0451" in rows
    assert "97" not in rows


def events_page_of(stage: Stage, **params: str) -> str:
    wanted = {name: params.get(name, "") for name in events_page.FILTERS}
    return str(events_page._list(page_context(stage, "en"), wanted))


def test_events_are_said_in_words_with_their_details_and_linked(stage: Stage) -> None:
    plate = CITY.trucks["truck-01"].plate
    stage.happen("truck-01", "collected", "noted", bin="bin-0451", from_pct=92.0, to_pct=5.0, weight_kg=41.5)
    stage.happen("ap-liliba", "quota_exceeded", "noted", client="p-0123456789ab", bytes=5_300_000_000)
    stage.happen("cam-01", "dumping", case="c-1", box=[1, 2, 3, 4], by="vehicle", in_passing=True)
    shown = events_page_of(stage)
    assert plate in shown
    assert "92\N{NO-BREAK SPACE}% → 5\N{NO-BREAK SPACE}%" in shown
    assert 'href="/device/bin-0451"' in shown
    assert "weight (kg): 41.5" in shown
    assert "p-0123456789ab" in shown
    assert "5.3\N{NO-BREAK SPACE}GB" in shown
    assert "by: a vehicle; in passing: yes" in shown
    assert "[1, 2" not in shown


def test_events_are_filtered_and_nonsense_is_left_open(stage: Stage) -> None:
    stage.happen("bin-0451", "fire")
    stage.happen("truck-01", "breakdown")
    assert "bin-0451" not in events_page_of(stage, kind="truck")
    assert "bin-0451" in events_page_of(stage, type="fire")
    assert "bin-0451" in events_page_of(stage, kelurahan=CITY.devices["bin-0451"].kelurahan)
    assert "bin-0451" not in events_page_of(stage, kelurahan="nowhere")
    assert "bin-0451" in events_page_of(stage, q="0451")
    for name in ("kind", "type", "before"):
        assert "bin-0451" in events_page_of(stage, **{name: "nonsense"})
    assert "bin-0451" not in events_page_of(stage, before="0001-01-01T00:00:00+00:00")


def test_what_a_device_writes_into_an_event_stays_text(stage: Stage) -> None:
    stage.happen("bin-0451", "tamper", reason="<script>alert(1)</script>", note={"a": 1}, list=["<b>", 2, None])
    shown = events_page_of(stage)
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<b>" not in shown


def test_pages_of_events_lose_none(stage: Stage) -> None:
    for minute in range(250):
        stage.happen("bin-0451", "lid_open", "noted", at=NOW - timedelta(minutes=minute))
    seen: set[datetime] = set()
    wanted = dict.fromkeys(events_page.FILTERS, "")
    for _ in range(3):
        events = events_page.find(page_context(stage), wanted)
        seen |= {event.origin.measured_at for event in events}
        wanted["before"] = (events[-1].origin.measured_at + timedelta(milliseconds=1)).isoformat()
    assert len(seen) == 250


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0"), (999, "999"), (1_000, "1"), (206_707_009_292, "207"), (10**18, "1,000,000")]
)
def test_bytes_have_a_unit_that_people_read(stage: Stage, count: int, words: str) -> None:
    assert bytes_words(page_context(stage, "en"), count).split("\N{NO-BREAK SPACE}")[0] == words
