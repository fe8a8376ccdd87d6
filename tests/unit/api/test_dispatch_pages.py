"""The dispatcher's pages: first pages by role, plan, tours, stops, orders; with a full city and with an empty one."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.rules import load_rules
from dispatch.shifts.records import PhoneEvent
from people.rights import Role
from tests.support.access import TESTER
from tests.support.dispatch_pages import (
    ANNA,
    BINS,
    CASE,
    STATES,
    accept_day,
    make_orders,
    propose_change,
)
from tests.support.dispatching import DAY, plan_by_hand
from tests.support.pages import read_page
from tests.support.pdf import pages_of_pdf, text_of_pdf
from tests.unit.api.conftest import CITY, NOW, Stage

PAGES = ("/", "/today", "/network", "/map", "/plan", "/tours", "/orders")


def signed_in(stage: Stage, role: Role) -> TestClient:
    client = stage.client(demo=False)
    client.cookies.set("kota_session", stage.session(role))
    return client


def text_of(client: TestClient, path: str, lang: str = "id") -> str:
    answer = client.get(path, params={"lang": lang} if "?" not in path else None)
    assert answer.status_code == 200, path
    return " ".join(read_page(answer.text).text.split())


@pytest.fixture
def full(stage: Stage) -> Stage:
    """A city in the middle of its day."""
    accept_day(stage)
    propose_change(stage)
    make_orders(stage)
    return stage


# First pages by role


@pytest.mark.parametrize(
    ("role", "heading"),
    [
        ("viewer", "Peta"),
        ("camera_verifier", "Peta"),
        ("network_admin", "Jaringan Wi-Fi"),
        ("dispatcher", "Hari ini"),
        ("supervisor", "Hari ini"),
        ("administrator", "Hari ini"),
    ],
)
def test_the_first_page_is_that_of_the_role(stage: Stage, role: Role, heading: str) -> None:
    page = signed_in(stage, role).get("/").text
    (shown,) = re.findall(r"<h1>(.*?)</h1>", page)
    assert shown == heading


@pytest.mark.parametrize("role", ["viewer", "network_admin", "dispatcher"])
def test_every_page_is_reached_by_all_who_may_read(stage: Stage, role: Role) -> None:
    client = signed_in(stage, role)
    assert {path: client.get(path).status_code for path in PAGES} == dict.fromkeys(PAGES, 200)


def test_old_addresses_of_the_map_lead_to_it(stage: Stage) -> None:
    client = signed_in(stage, "dispatcher")
    answer = client.get("/?to=tps-liliba&lang=en")
    assert (answer.status_code, answer.headers["location"]) == (303, "/map?to=tps-liliba&lang=en")
    assert client.get("/?wall").headers["location"] == "/map?wall"


@pytest.mark.parametrize("lang", ["id", "en"])
def test_an_empty_city_has_dashes_and_no_figures(stage: Stage, lang: str) -> None:
    client = signed_in(stage, "supervisor")
    for path in PAGES:
        text = text_of(client, path, lang)
        assert "None" not in text, path
        assert not re.search(r"\b0 dari 0\b|\b0 of 0\b", text), path


def test_an_empty_day_says_what_to_do(stage: Stage) -> None:
    client = signed_in(stage, "dispatcher")
    today = text_of(client, "/today")
    assert "Tidak ada yang menunggu keputusan." in today
    assert "Belum ada tur pada hari ini" in today
    assert "Belum ada rencana yang berlaku." in text_of(client, "/plan")
    assert "Semua perintah kerja sudah selesai." in text_of(client, "/orders")
    assert "Belum ada data dari titik akses." in text_of(client, "/network")


# Decisions


def decisions(stage: Stage) -> list[str]:
    """The rows of what is to be decided, in order."""
    page = signed_in(stage, "dispatcher").get("/today?part=decisions").text
    rows = re.findall(r"<tr data-key=\"([^\"]+)\"", page)
    return [re.sub(r"-?\d+$", "", row) for row in rows]


def raise_alarms(stage: Stage, *conditions: AlarmCondition) -> None:
    stage.alarms.apply(load_rules(stage.folder), AlarmChanges(conditions))
    stage.alarm_board.listed = stage.alarms.current()


def test_what_is_worst_is_first(full: Stage) -> None:
    raise_alarms(full, AlarmCondition("fire", "bin-0451", "bin"), AlarmCondition("tilt", "bin-0300", "bin"))
    kinds = decisions(full)
    assert kinds[0] == "alarm", "the fire"
    assert kinds[1:3] == ["plan", "order"], "a proposal, and the order that is overdue"
    assert sorted(kinds[3:]) == ["alarm", "order", "stop", "stop"]
    text = text_of(signed_in(full, "dispatcher"), "/today")
    assert "4 dari 19 terangkut, 1 dibantah sensor, 1 terlewat, 1 terhalang" in text
    assert text.index("Perlu diputuskan sekarang") < text.index("Yang ditampilkan") < text.index("Angka hari ini")


def test_an_acknowledged_alarm_is_decided(full: Stage) -> None:
    raise_alarms(full, AlarmCondition("fire", "bin-0451", "bin"))
    before = len(decisions(full))
    full.alarms.acknowledge(TESTER, [alarm.id for alarm in full.alarms.current()])
    full.alarm_board.listed = full.alarms.current()
    assert len(decisions(full)) == before - 1


def test_a_stop_and_its_alarm_are_one_decision(full: Stage) -> None:
    stop = next(stop for stop in full.dispatch.shifts.stops_of_day(DAY) if stop.state == "missed")
    before = decisions(full)
    detail = {"stop": stop.id, "shift": stop.shift_id, "truck": "truck-01", "name": stop.name}
    raise_alarms(full, AlarmCondition("stop_missed", stop.subject, "bin", detail=detail))
    assert sorted(decisions(full)) == sorted(before), "the stop stands for its alarm"
    assert "data-acknowledge" in signed_in(full, "dispatcher").get("/today?part=decisions").text
    full.alarms.acknowledge(TESTER, [alarm.id for alarm in full.alarms.current()])
    full.alarm_board.listed = full.alarms.current()
    assert len(decisions(full)) == len(before) - 1


def test_many_missed_stops_of_a_truck_are_one_decision(full: Stage) -> None:
    shift = full.dispatch.shifts.of_day(DAY)[0]
    raise_alarms(
        full, AlarmCondition("stop_missed", "truck-01", "truck", detail={"shift": shift.id, "missed": 7, "of": 9})
    )
    assert decisions(full).count("stop") == 1, "the contradicted one"


def test_a_stop_that_a_supervisor_has_decided_waits_no_more(full: Stage) -> None:
    before = len(decisions(full))
    stop = next(stop for stop in full.dispatch.shifts.stops_of_day(DAY) if stop.state == "contradicted")
    full.dispatch.shifts.rule(ANNA, stop.id, "verified", "seen by the foreman")
    assert len(decisions(full)) == before - 1


# Plan


def test_both_plans_stand_side_by_side_with_reasons(full: Stage) -> None:
    client = signed_in(full, "dispatcher")
    text = text_of(client, f"/plan?day={DAY}")
    for words in (
        "Rencana yang berlaku",
        "Usulan",
        f"{BINS[15]}: dari truck-05 ke truck-01",
        "truck-05 tidak beroperasi",
        f"{BINS[18]}: tidak diangkut truck-05; truk dan waktu tidak cukup",
        f"{BINS[0]}: organik 82 %, penuh",
        "belum perlu diangkut",
        "waktu tempuh dari soal",
        "4,0 jam",
        "0,50 dari 1",
    ):
        assert words in text, words
    one = text_of(client, f"/plan?day={DAY}&truck=truck-02")
    assert BINS[9] in one
    assert f"{BINS[0]}: organik" not in one


def test_a_viewer_sees_plans_and_no_buttons(full: Stage) -> None:
    forms = [
        attributes["action"]
        for path in (f"/plan?day={DAY}", "/tour/1", "/stop/4", "/order/1", "/today")
        for tag, attributes in read_page(signed_in(full, "viewer").get(path).text).tags
        if tag == "form" and attributes.get("method") == "post"
    ]
    assert set(forms) == {"/logout"}


def test_planning_that_runs_or_failed_is_said(stage: Stage) -> None:
    client = signed_in(stage, "dispatcher")
    assert "Tidak ada rencana yang sedang dibuat." in text_of(client, "/plan")
    stage.planner.start(ANNA, NOW.date() + timedelta(days=1))
    assert "sedang dibuat, dimulai" in text_of(client, "/plan")


def test_a_day_that_is_none_is_today(stage: Stage) -> None:
    assert "1 Mar 2026" in text_of(signed_in(stage, "viewer"), "/plan?day=x")
    assert "2 Mar 2026" in text_of(signed_in(stage, "viewer"), "/tours?day=2026-03-02")


# Tours and stops


def test_a_tour_has_its_stops_with_states_and_evidence_in_words(full: Stage) -> None:
    text = text_of(signed_in(full, "dispatcher"), "/tour/1")
    for words in (
        "4 dari 9 terangkut",
        "Dibantah sensor",
        "isi tidak turun menurut sensor, 06:57 (sesudah 81 %)",
        "truk berhenti di lokasi, 06:07 (truk truck-01; selama 4 menit; jarak dari lokasi 12 m)",
        "kru melaporkan tidak bisa, 06:57 (jalan terhalang)",
        "waktu layanan lewat, tidak ada yang datang",
        "bongkar muatan",
        "organik 82 %, penuh 14:00",
        "terlambat 12 jam",
    ):
        assert words in text, words


def test_a_figure_leads_to_its_stops(full: Stage) -> None:
    client, stops = signed_in(full, "dispatcher"), full.dispatch.shifts.stops_of_day(DAY)
    for state in ("missed", "contradicted", "not_possible", "claimed"):
        page = client.get(f"/tours?day={DAY}&state={state}").text
        shown = set(re.findall(r'href="/stop/(\d+)"', page))
        assert shown == {str(stop.id) for stop in stops if stop.state == state}


def test_a_message_is_shown_with_whether_it_was_read(full: Stage) -> None:
    shift = full.dispatch.shifts.of_day(DAY)[0]
    full.dispatch.shifts.send_message(ANNA, shift.id, "<b>Lewat</b> Jalan Sudirman")
    client = signed_in(full, "dispatcher")
    assert "<b>Lewat</b> Jalan Sudirman" in text_of(client, f"/tour/{shift.id}")
    assert "belum dibaca" in text_of(client, f"/tour/{shift.id}")
    code = full.dispatch.crews.make_code(ANNA, shift.id).code
    phone = full.dispatch.crews.enter(code, "10.0.0.9")
    message = full.dispatch.shifts.messages(shift.id)[0]
    read = PhoneEvent(phone=phone.phone, boot="b", seq=1, at=NOW, kind="message_read", detail={"message": message.id})
    full.dispatch.crews.record(phone, [read])
    assert "dibaca 20:00" in text_of(client, f"/tour/{shift.id}")


def test_what_there_is_not_is_missing(stage: Stage) -> None:
    client = signed_in(stage, "dispatcher")
    for path in ("/tour/999", "/stop/999", "/order/999", "/tour/999.pdf", "/order/999.pdf", "/tour/x"):
        assert client.get(path, headers={"Accept": "text/html"}).status_code == 404, path


def test_tours_are_on_the_map(full: Stage) -> None:
    answer = signed_in(full, "viewer").get("/api/v1/map/tours.geojson", params={"day": DAY.isoformat()})
    features = answer.json()["features"]
    lines = [feature for feature in features if feature["geometry"]["type"] == "LineString"]
    stops = [feature["properties"] for feature in features if feature["properties"]["kind"] == "stop"]
    assert [line["properties"]["truck"] for line in lines] == ["truck-01", "truck-02", "truck-05"]
    assert {stop["state"] for stop in stops} == {*STATES, "landfill"}
    empty = signed_in(full, "viewer").get("/api/v1/map/tours.geojson", params={"day": "2026-03-05"})
    assert empty.json()["features"] == []


# Work orders


def test_an_order_tells_its_way_from_camera_to_closure(full: Stage) -> None:
    full.happen("cam-01", "dumping", case=CASE, evidence={"after": "after.jpg"})
    full.keep(CASE, {"after.jpg": b"x"})
    (shift, *_), client = full.dispatch.shifts.of_day(DAY), signed_in(full, "supervisor")
    order = full.dispatch.orders.of_subject("dumping_case", CASE)
    assert order
    assert "belum, atau tidak diketahui" in text_of(client, f"/order/{order.id}")
    full.dispatch.orders.assign(ANNA, order.id, shift.id)
    full.dispatch.orders.close(ANNA, order.id, "sudah bersih")
    text = text_of(client, f"/order/{order.id}")
    for words in ("Terlihat", "cam-01", "Diperintahkan", "anna.tallo", "truck-01 · ", "sudah bersih", "ditutup"):
        assert words in text, words
    page = client.get(f"/order/{order.id}").text
    assert f"/api/v1/dumping/cases/{CASE}/evidence/after.jpg" in page


def test_orders_are_listed_by_when_they_are_due(full: Stage) -> None:
    client = signed_in(full, "dispatcher")
    page = client.get("/orders").text
    assert page.index("/order/2") < page.index("/order/1"), "the overdue one first"
    assert "lewat batas" in text_of(client, "/orders")
    assert text_of(client, "/orders?show=closed").count("Belum ada perintah kerja yang selesai.") == 1
    assert client.get("/orders?show=x&before=99999999999999999999").status_code == 200


# Papers and tables


def pdf(client: TestClient, path: str) -> bytes:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    return answer.content


def test_papers_of_a_day_a_tour_and_a_shift(full: Stage) -> None:
    client = signed_in(full, "viewer")
    report = text_of_pdf(pdf(client, f"/tours.pdf?day={DAY}&lang=id"))
    assert "4 dari 19 terangkut, 1 dibantah sensor, 1 terlewat, 1 terhalang" in report
    assert "Laporan hari: Min, 1 Mar 2026" in report
    listed = text_of_pdf(pdf(client, "/tour/1.pdf?lang=en"))
    assert "Tour list: truck-01" in listed
    assert BINS[0] in listed
    shift = text_of_pdf(pdf(client, "/tour/1/report.pdf?lang=id"))
    assert "Dibantah sensor" in shift
    assert "Pengawas" in shift


def test_thirty_stops_fit_on_a_page(stage: Stage) -> None:
    plan = plan_by_hand(CITY, {"truck-01": BINS[:29]}, NOW)
    stage.dispatch.shifts.accept(ANNA, stage.dispatch.plans.propose(plan), CITY)
    paper = pdf(signed_in(stage, "viewer"), "/tour/1.pdf")
    assert len(stage.dispatch.shifts.stops(1)) == 30
    assert pages_of_pdf(paper) == 1


def test_the_paper_of_an_order_has_its_pictures_and_notes_the_access(full: Stage) -> None:
    full.happen("cam-01", "dumping", case=CASE, evidence={"after": "after.jpg"})
    full.keep(CASE, {"after.jpg": b"no picture"})
    order = full.dispatch.orders.of_subject("dumping_case", CASE)
    assert order
    text = text_of_pdf(pdf(signed_in(full, "dispatcher"), f"/order/{order.id}.pdf?lang=id"))
    assert "Dari kamera sampai selesai" in text
    assert CASE in text
    assert "looked" in [entry.kind for entry in full.room.custody.entries(CASE)]


def test_a_person_of_another_area_gets_no_picture(full: Stage) -> None:
    full.happen("cam-01", "dumping", case=CASE, evidence={"after": "after.jpg"})
    full.keep(CASE, {"after.jpg": b"x"})
    account = full.account("dispatcher")
    full.people.change(TESTER, account.id, role="dispatcher", areas=("kelurahan:oesapa",))
    client = signed_in(full, "dispatcher")
    order = full.dispatch.orders.of_subject("dumping_case", CASE)
    assert order
    assert "evidence/after.jpg" not in client.get(f"/order/{order.id}").text
    pdf(client, f"/order/{order.id}.pdf")
    assert "looked" not in [entry.kind for entry in full.room.custody.entries(CASE)]


def test_papers_of_an_empty_day(stage: Stage) -> None:
    assert "Belum ada tur" in text_of_pdf(pdf(signed_in(stage, "viewer"), "/tours.pdf?day=2026-03-05&lang=id"))


def rows_of(client: TestClient, path: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(client.get(path).text.removeprefix("\ufeff"))))


def test_stops_and_orders_as_csv(full: Stage) -> None:
    client = signed_in(full, "viewer")
    rows = rows_of(client, f"/tours.csv?day={DAY}&lang=en")
    assert len(rows) == 19 + 3, "with the landfills"
    assert rows[0]["State"] == "Verified"
    assert rows[0]["Actual or expected"] == "2026-03-01T06:07:00+08:00"
    assert len(rows_of(client, f"/tours.csv?day={DAY}&shift=2&lang=en")) == 7
    assert {row["Place"] for row in rows_of(client, "/orders.csv?lang=en")} == {"TPS Liliba, Liliba"}


def test_formulas_in_csv_stay_texts(full: Stage) -> None:
    (order, *_) = full.dispatch.orders.find()
    full.dispatch.orders.close(ANNA, order.id, "=cmd|' /C calc'!A0")
    assert any(
        row["Reason"] == "'=cmd|' /C calc'!A0" for row in rows_of(signed_in(full, "viewer"), "/orders.csv?lang=en")
    )
