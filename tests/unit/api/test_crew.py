"""The crew's app at the server: its files, sign-in, the tour, events with receipts, alerts of the truck."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from api.crew.protocol import EVENTS_MAX
from api.queries.crew_alerts import DELAYED_AFTER
from api.queries.crew_code import crew_address, qr_svg
from api.queries.device_states import device_states
from api.queries.dispatch_board import DispatchBoard
from api.queries.dispatch_day import DispatchDay
from city.errors import RetryLaterError
from dispatch.alarms.conditions import conditions_of
from dispatch.alarms.rules import load_rules
from dispatch.services import dispatch_services
from ingest.store.port import EventQuery
from people.attempts import FREE
from tests.support.crews import DISPATCHER, Phone, code_of, open_shifts, shift_of, stops_of
from tests.support.dispatching import DAWN
from tests.unit.api.conftest import CITY, NOW, Stage

BINS = list(CITY.bins)
TOURS = {"truck-01": BINS[:3], "truck-02": BINS[3:5]}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    open_shifts(stage.dispatch, CITY, TOURS, NOW)
    return stage


@pytest.fixture
def phone(stage: Stage) -> Phone:
    """The telephone of truck-01, signed in, outside of a demo."""
    phone = Phone(stage.client(demo=False))
    assert phone.sign_in(code_of(stage.dispatch, "truck-01")).status_code == 200
    return phone


def taps(stage: Stage, truck: str = "truck-01") -> list[tuple[str, int | None]]:
    return [(tap.kind, tap.stop_id) for tap in stage.dispatch.shifts.taps([shift_of(stage.dispatch, truck)])]


def outcomes(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(receipt["outcome"], receipt["reason"]) for receipt in answer.json()["receipts"]]


# Files


def test_the_app_is_for_everybody_and_loads_nothing_of_others(stage: Stage) -> None:
    client = stage.client(demo=False)
    worker = client.get("/crew/sw.js").text
    files = msgspec.json.decode(worker.split("const FILES = ")[1].split(";\n")[0])
    assert {"/crew/", "/crew/app.js", "/crew/app.css", "/crew/texts.json"} <= set(files)
    for path in (*files, "/crew/sw.js"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "set-cookie" not in answer.headers
        if path.endswith(".js"):
            assert answer.headers["content-type"].startswith("text/javascript")
    assert client.get("/crew").headers["location"].endswith("/crew/")


@pytest.mark.parametrize("name", ["none.js", "..%2Ffiles.py", "app.html", "%2e%2e%2fprotocol.py"])
def test_only_files_of_the_app_are_served(stage: Stage, name: str) -> None:
    assert stage.client(demo=False).get(f"/crew/{name}").status_code == 404


def test_the_texts_are_in_both_languages(stage: Stage) -> None:
    texts = stage.client(demo=False).get("/crew/texts.json").json()
    assert list(texts) == ["id", "en"]
    assert set(texts["id"]) == set(texts["en"])
    assert texts["id"]["collected"] == "Terangkut"


def test_a_qr_code_leads_to_the_app_with_the_key_behind_the_hash() -> None:
    address = crew_address("https://kota.example.go.id", "KEY-abc_123")
    assert address == "https://kota.example.go.id/crew/#k=KEY-abc_123"
    picture = qr_svg(address)
    assert picture.startswith("<svg ")
    assert "<script" not in picture
    assert "style=" not in picture
    assert qr_svg(address) != qr_svg(address + "x")


# Signing in


def test_a_code_opens_the_tour_of_its_truck(stage: Stage) -> None:
    phone = Phone(stage.client(demo=False))
    assert phone.tour().status_code == 401
    answer = phone.sign_in(code_of(stage.dispatch, "truck-01"))
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    tour = phone.tour()
    assert tour.headers["cache-control"] == "no-store"
    body = tour.json()
    assert body["shift"]["truck"] == "truck-01"
    assert [stop["name"] for stop in body["stops"] if stop["kind"] == "container"]
    assert len([stop for stop in body["stops"] if stop["kind"] == "container"]) == 3
    assert body["time_zone"] == "Asia/Makassar"
    assert body["raised"] == []


def test_the_key_of_a_qr_code_opens_it_too(stage: Stage) -> None:
    made = stage.dispatch.crews.make_code(DISPATCHER, shift_of(stage.dispatch, "truck-02"))
    phone = Phone(stage.client(demo=False))
    assert phone.sign_in(made.key).status_code == 200
    assert phone.tour().json()["shift"]["truck"] == "truck-02"


def test_a_wrong_code_opens_nothing_and_guessing_is_slowed_down(stage: Stage) -> None:
    right, phone = code_of(stage.dispatch, "truck-01"), Phone(stage.client(demo=False))
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    for _ in range(FREE["pair"]):
        assert phone.sign_in(wrong).status_code == 401
    refused = phone.sign_in(right)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert phone.tour().status_code == 401


def test_the_code_of_yesterday_is_refused(stage: Stage) -> None:
    code = code_of(stage.dispatch, "truck-01")
    tomorrow = NOW + timedelta(days=1)
    people = stage.people
    stage.dispatch = dispatch_services(people.database, people.audit, stage.secrets.crew_key(), lambda: tomorrow)
    phone = Phone(stage.client(demo=False, now=tomorrow))
    assert phone.sign_in(code).status_code == 401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_another_site_does_not_sign_in(stage: Stage, origin: str) -> None:
    body = {"code": code_of(stage.dispatch, "truck-01")}
    headers = {"Origin": origin} if origin else {}
    assert stage.client(demo=False).post("/crew/api/sign-in", json=body, headers=headers).status_code == 403


def test_a_phone_has_no_right_but_its_own(stage: Stage, phone: Phone) -> None:
    token = phone.token
    for path in ("/api/v1/devices", "/api/v1/me", "/metrics"):
        assert phone.client.get(path).status_code == 401
        assert phone.client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 401
        assert phone.client.get(path, headers={"Cookie": f"kota_session={token}"}).status_code == 401
    assert phone.client.get("/").headers["location"] == "/login"
    assert not stage.people.by_session(token)


def test_a_session_of_the_console_is_no_crew(stage: Stage) -> None:
    client = stage.client(demo=False)
    for headers in (
        {"Cookie": f"kota_session={stage.session('administrator')}"},
        {"Authorization": f"Bearer {stage.session('administrator')}"},
        {"Authorization": f"Bearer {stage.token('administrator')}"},
        {"Authorization": "Bearer \xe9"},
        {"Authorization": "Bearer"},
    ):
        encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        assert client.get("/crew/api/tour", headers=encoded).status_code == 401


def test_a_demo_lets_nobody_in_as_a_crew(stage: Stage) -> None:
    assert stage.client(demo=True).get("/crew/api/tour").status_code == 401


def test_who_signs_out_is_out_and_the_same_phone_when_it_comes_back(stage: Stage, phone: Phone) -> None:
    name = phone.name
    assert phone.client.post("/crew/api/sign-out", headers=phone.headers).status_code == 204
    assert phone.tour().status_code == 401
    phone.sign_in(code_of(stage.dispatch, "truck-02"))
    assert phone.name == name


def test_a_shift_that_is_over_shows_nothing_and_takes_what_was_tapped(stage: Stage, phone: Phone) -> None:
    first = stops_of(stage.dispatch, "truck-01")[0]
    stage.dispatch.shifts.close(DISPATCHER, shift_of(stage.dispatch, "truck-01"))
    assert phone.tour().status_code == 410
    assert outcomes(phone.send(phone.event("collected", NOW, stop=first.id))) == [("stored", "")]
    assert phone.sign_in(phone.token).status_code == 401


# Events


def test_a_tap_is_stored_before_its_receipt_and_once(stage: Stage, phone: Phone) -> None:
    first, second, _ = stops_of(stage.dispatch, "truck-01")
    events = [
        phone.event("collected", NOW, stop=first.id),
        phone.event("not_possible", NOW, stop=second.id, reason="blocked", photo=None),
    ]
    assert outcomes(phone.send(*events)) == [("stored", ""), ("stored", "")]
    assert outcomes(phone.send(*events)) == [("known", ""), ("known", "")], "a replayed event"
    assert taps(stage) == [("collected", first.id), ("not_possible", second.id)]


def test_without_a_database_there_is_no_receipt(stage: Stage, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    event = phone.event("collected", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)

    def refuse(*_args: object) -> None:
        raise RetryLaterError("database: away")

    monkeypatch.setattr(stage.dispatch.crews, "record", refuse)
    answer = phone.send(event)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    monkeypatch.undo()
    assert outcomes(phone.send(event)) == [("stored", "")]


def test_a_bad_event_is_refused_by_itself(stage: Stage, phone: Phone) -> None:
    mine, others = stops_of(stage.dispatch, "truck-01")[0], stops_of(stage.dispatch, "truck-02")[0]
    good = phone.event("collected", NOW, stop=mine.id)
    wrong = {
        "stop_of_others": phone.event("collected", NOW, stop=others.id),
        "stop_unknown": phone.event("collected", NOW, stop=999_999),
        "reason_missing": phone.event("not_possible", NOW, stop=mine.id),
        "phone_wrong": {**phone.event("collected", NOW, stop=mine.id), "phone": "phone-000000000000"},
        "detail_too_long": phone.event("collected", NOW, stop=mine.id, detail={"text": "x" * 3_000}),
    }
    unreadable = [
        phone.event("burned", NOW, stop=mine.id),
        phone.event("not_possible", NOW, stop=mine.id, reason="no mood"),
        {**phone.event("collected", NOW, stop=mine.id), "at": "yesterday"},
        {**phone.event("collected", NOW, stop=mine.id), "at": "2026-03-01T12:00:00"},
        {**phone.event("collected", NOW, stop=mine.id), "at": "0001-01-01T00:00:00+14:00"},
        phone.event("collected", NOW, stop="1; DROP TABLE tap"),
        phone.event("photo", NOW, stop=mine.id),
        {**phone.event("collected", NOW, stop=mine.id), "boot": "b 1"},
    ]
    receipts = phone.send(*unreadable, *wrong.values(), good).json()["receipts"]
    reasons = {receipt["seq"]: receipt["reason"] for receipt in receipts}
    assert reasons == {
        **{event["seq"]: "event_wrong" for event in unreadable},
        **{event["seq"]: reason for reason, event in wrong.items()},
        good["seq"]: "",
    }
    assert taps(stage) == [("collected", mine.id)]
    assert taps(stage, "truck-02") == []


def test_what_python_reads_and_json_has_not_breaks_nothing(stage: Stage, phone: Phone) -> None:
    half = phone.event("shift_begun", NOW, detail={"text": "HALF"})
    endless = phone.event("shift_begun", NOW, detail={"lat_deg": "ENDLESS", "lon_deg": 1})
    body = msgspec.json.encode({"events": [half, endless]}).replace(b"HALF", rb"\ud800").replace(b'"ENDLESS"', b"NaN")
    headers = {**phone.headers, "Content-Type": "application/json"}
    answer = phone.client.post("/crew/api/events", content=body, headers=headers)
    assert sorted(outcomes(answer)) == [("refused", "event_wrong"), ("stored", "")]
    (tap,) = stage.dispatch.shifts.taps([shift_of(stage.dispatch, "truck-01")])
    assert tap.detail == {"lat_deg": None, "lon_deg": 1}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"events": []}', b'{"events": [1]}', b'{"events": [{"kind": "collected"}]}', b"\xff"],
    ids=["empty", "list", "object", "none", "number", "nameless", "bytes"],
)
def test_what_are_no_events_is_refused(phone: Phone, body: bytes) -> None:
    headers = {**phone.headers, "Content-Type": "application/json"}
    assert phone.client.post("/crew/api/events", content=body, headers=headers).status_code in (400, 422)


def test_too_many_events_or_bytes_are_refused(phone: Phone) -> None:
    events = [phone.event("shift_begun", NOW) for _ in range(EVENTS_MAX + 1)]
    assert phone.send(*events).status_code == 422
    assert phone.send(phone.event("shift_begun", NOW, detail={"text": "x" * 300_000})).status_code == 413


def test_an_event_without_a_stop_names_none(stage: Stage, phone: Phone) -> None:
    assert outcomes(phone.send(phone.event("shift_begun", NOW, stop=999_999))) == [("stored", "")]
    assert taps(stage) == [("shift_begun", None)]


def test_the_tour_says_what_was_tapped_and_written(stage: Stage, phone: Phone) -> None:
    stage.dispatch.shifts.send_message(DISPATCHER, shift_of(stage.dispatch, "truck-01"), "Jalan Oesapa ditutup")
    (message,) = phone.tour().json()["messages"]
    assert (message["text"], message["read_at"]) == ("Jalan Oesapa ditutup", None)
    phone.send(phone.event("message_read", NOW, detail={"message": message["id"]}))
    (message,) = phone.tour().json()["messages"]
    assert message["read_at"]
    assert "maria" not in phone.tour().text, "no name of a person"


# Alerts


def raised(stage: Stage) -> list[str]:
    """Kinds of alarms that the truck's state gives."""
    context, rules = stage.context(), load_rules(stage.folder)
    found = conditions_of(CITY, device_states(context), [], [], None, rules, [], NOW)
    return [condition.kind for condition in found if condition.subject == "truck-01"]


def test_a_panic_is_an_event_of_the_truck_and_an_alarm_until_it_is_over(stage: Stage, phone: Phone) -> None:
    panic = phone.event("panic", NOW, detail={"state": "raised"})
    assert outcomes(phone.send(panic)) == [("stored", "")]
    assert outcomes(phone.send(panic)) == [("known", "")], "journaled again, stored once"
    stage.drain()
    assert "panic" in raised(stage)
    assert phone.tour().json()["raised"] == ["panic"]
    phone.send(phone.event("panic", NOW, detail={"state": "cleared"}))
    stage.drain()
    assert "panic" not in raised(stage)
    assert phone.tour().json()["raised"] == []


def test_a_breakdown_is_one_of_the_truck_s_too(stage: Stage, phone: Phone) -> None:
    phone.send(phone.event("breakdown", NOW))
    stage.drain()
    assert "breakdown" in raised(stage)


def test_an_alert_that_was_offline_for_an_hour_is_an_alarm_all_the_same(stage: Stage, phone: Phone) -> None:
    tapped_at = NOW - max(DELAYED_AFTER, timedelta(hours=1))
    phone.send(phone.event("panic", tapped_at))
    stage.drain()
    assert "panic" in raised(stage)
    (event,) = stage.store.events(EventQuery(NOW - timedelta(days=1), NOW + timedelta(days=1), types=("panic",)))
    assert event.detail["tapped_at"] == tapped_at.isoformat()


def test_an_alert_without_a_journal_has_no_receipt(stage: Stage, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    panic = phone.event("panic", NOW)

    def refuse(*_args: object) -> None:
        raise RetryLaterError("journal: full")

    with monkeypatch.context() as patched:
        patched.setattr(phone.client.app.state.context.crew_alerts, "_append", refuse)  # type: ignore[attr-defined]
        assert phone.send(panic).status_code == 503
    assert outcomes(phone.send(panic)) == [("known", "")]
    stage.drain()
    assert "panic" in raised(stage)


def test_a_refused_alert_is_no_event(stage: Stage, phone: Phone) -> None:
    event = {**phone.event("panic", NOW), "phone": "phone-ffffffffffff"}
    assert outcomes(phone.send(event)) == [("refused", "phone_wrong")]
    assert stage.journaled == []


# The stop


def test_what_is_tapped_changes_the_stop_and_the_tour(stage: Stage) -> None:
    seven = DAWN + timedelta(hours=2)
    people = stage.people
    stage.dispatch = dispatch_services(people.database, people.audit, stage.secrets.crew_key(), lambda: seven)
    phone = Phone(stage.client(demo=False, now=seven))
    phone.sign_in(code_of(stage.dispatch, "truck-01"))
    first, second, third = stops_of(stage.dispatch, "truck-01")
    collected = phone.event("collected", seven, stop=first.id)
    blocked = phone.event("not_possible", seven, stop=second.id, reason="blocked")
    assert outcomes(phone.send(collected, blocked)) == [("stored", ""), ("stored", "")]
    DispatchDay(dataclasses.replace(stage.context(), clock=lambda: seven), DispatchBoard()).look()
    states = {stop["id"]: (stop["state"], stop["reason"]) for stop in phone.tour().json()["stops"]}
    assert states[first.id] == ("claimed", "")
    assert states[second.id] == ("not_possible", "blocked")
    assert states[third.id][0] in ("planned", "under_way")
