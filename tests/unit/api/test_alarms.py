"""Alarms of a city: what becomes one, what its people may do with it, and what pages show of it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import msgspec
import pytest
from starlette.testclient import TestClient

from api.auth.access import COOKIE
from api.queries.alarm_conditions import observe
from dispatch.alarms.conditions import AlarmCondition, Key
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.rules import KINDS, AlarmKind, load_rules
from dispatch.alarms.watcher import AlarmWatcher
from ingest.store.records import QUALITY_LATE, EventRecord
from ingest.store.views.health import ErrorRateAlarm, IngestHealth
from people.rights import Role
from tests.support.access import TESTER, account_with
from tests.support.pages import read_page
from tests.unit.api.conftest import CITY, NOW, Stage

RULES = load_rules()
SAME_SITE = {"Origin": "http://127.0.0.1"}


def signed_in(stage: Stage, role: Role) -> TestClient:
    """A browser with a session."""
    client = stage.client(demo=False)
    client.cookies[COOKIE] = stage.session(role)
    return client


def keys(stage: Stage, *raised: Key) -> set[Key]:
    return {condition.key for condition in observe(stage.context(), RULES, raised, NOW)}


def about(stage: Stage, subject: str, *raised: Key) -> set[str]:
    return {kind for kind, name in keys(stage, *raised) if name == subject}


def watcher(stage: Stage) -> AlarmWatcher:
    return AlarmWatcher(stage.alarms, stage.alarm_board, lambda: RULES, partial(observe, stage.context()), lambda: NOW)


def raise_alarm(stage: Stage, kind: AlarmKind = "fire", subject: str = "bin-0451") -> int:
    device = CITY.devices[subject]
    condition = AlarmCondition(kind, subject, device.KIND, device.site, device.kelurahan)
    stage.alarms.apply(RULES, AlarmChanges((condition,)))
    stage.alarm_board.listed = stage.alarms.current()
    return stage.alarm_board.listed[0].id


def test_a_city_of_which_nothing_is_known_has_no_alarm(stage: Stage) -> None:
    assert keys(stage) == set()


@pytest.mark.parametrize(
    ("kind", "device", "values"),
    [
        ("overflowing", "bin-0451", {"fill_pct": 93.0}),
        ("fire", "bin-0451", {"temperature_c": 85.0, "fill_pct": 10.0}),
        ("tilt", "bin-0451", {"tilt_deg": 80.0, "fill_pct": 10.0}),
        ("blind_sensor", "bin-0451", {"battery_pct": 80.0}),
        ("breakdown", "truck-01", {"fault_codes": '["P0217"]'}),
        ("hotspot_crowded", "ap-liliba", {"clients": 60}),
        ("hotspot_slow", "ap-liliba", {"latency_ms": 900.0}),
        ("camera_blind", "cam-01", {"scene_ok": False}),
    ],
)
def test_a_reading_is_a_condition(stage: Stage, kind: AlarmKind, device: str, values: dict[str, float]) -> None:
    stage.measure(device, **values)
    assert about(stage, device) == {kind}


@pytest.mark.parametrize(
    ("kind", "device", "type_", "state"),
    [
        ("fire", "bin-0451", "fire", "raised"),
        ("breakdown", "truck-01", "breakdown", "raised"),
        ("panic", "truck-01", "panic", "raised"),
        ("hotspot_misuse", "ap-liliba", "rogue_ap", "noted"),
    ],
)
def test_an_event_is_a_condition_unless_it_is_late_or_cleared(
    stage: Stage, kind: AlarmKind, device: str, type_: str, state: str
) -> None:
    began = NOW - timedelta(minutes=2)
    stage.measure(device, **{"bin": {"fill_pct": 5.0}, "truck": {"ignition": True}}.get(CITY.devices[device].KIND, {}))
    stage.happen(device, type_, state, at=began)
    (condition,) = [here for here in observe(stage.context(), RULES, (), NOW) if here.subject == device]
    assert (condition.kind, condition.since) == (kind, began)
    stage.happen(device, type_, "cleared", at=NOW)
    assert kind == "hotspot_misuse" or about(stage, device) == set()


@pytest.mark.parametrize(
    ("device", "type_"),
    [
        ("bin-0451", "fire"),
        ("bin-0451", "tilt"),
        ("truck-01", "panic"),
        ("truck-01", "breakdown"),
        ("ap-liliba", "tamper"),
    ],
)
def test_what_arrived_late_raises_nothing(stage: Stage, device: str, type_: str) -> None:
    stage.measure(device, **({"fill_pct": 5.0} if device.startswith("bin") else {}))
    origin = msgspec.structs.replace(stage.origin(device, NOW - timedelta(minutes=5)), quality=(QUALITY_LATE,))
    stage.store.write([EventRecord(origin, type_, "raised", {})], ())
    assert about(stage, device) == set()


def test_a_broken_truck_whose_driver_calls_for_help_has_both(stage: Stage) -> None:
    stage.happen("truck-01", "breakdown")
    stage.happen("truck-01", "panic")
    assert about(stage, "truck-01") == {"breakdown", "panic"}


def test_a_full_container_stays_an_alarm_until_it_is_well_below_the_limit(stage: Stage) -> None:
    raised: Key = ("overflowing", "bin-0451")
    stage.measure("bin-0451", fill_pct=83.0)
    assert about(stage, "bin-0451") == set()
    assert about(stage, "bin-0451", raised) == {"overflowing"}
    stage.measure("bin-0451", NOW + timedelta(seconds=1), fill_pct=79.0)
    assert about(stage, "bin-0451", raised) == set()


def test_an_open_case_is_an_alarm_until_somebody_judges_it_or_it_is_removed(stage: Stage) -> None:
    detail = {"box": [1, 2, 3, 4], "frame": [640, 480], "since": NOW.isoformat(), "evidence": {}}
    stage.happen("cam-01", "dumping", case="c-1", **detail)
    assert ("dumping_case", "c-1") in keys(stage)
    stage.happen("cam-01", "dumping", "cleared", at=NOW + timedelta(seconds=1), case="c-1")
    assert ("dumping_case", "c-1") not in keys(stage)


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (None, "silent"),
        (IngestHealth(NOW - timedelta(minutes=5), connected=True), "silent"),
        (IngestHealth(NOW, connected=False), "no_broker"),
        (IngestHealth(NOW, connected=True, store="away"), "store_away"),
        (IngestHealth(NOW, connected=True, journal="full"), "journal_full"),
        (IngestHealth(NOW, connected=True, live_lag_s=90.0), "lag"),
    ],
)
def test_a_city_whose_data_do_not_arrive_says_so(stage: Stage, health: IngestHealth | None, reason: str) -> None:
    stage.board._health = health
    (condition,) = observe(stage.context(), RULES, (), NOW)
    assert (condition.key, condition.detail) == (("ingest_behind", "ingest"), {"reason": reason})


def test_many_bad_messages_of_a_device_are_an_alarm(stage: Stage) -> None:
    stage.board.publish(IngestHealth(NOW, connected=True, alarms=(ErrorRateAlarm("bin-0451", 30, 50),)))
    assert keys(stage) == {("bad_messages", "bin-0451")}


def test_rules_of_a_city_can_switch_a_kind_off(stage: Stage) -> None:
    stage.measure("bin-0451", fill_pct=99.0)
    quiet = {**RULES, "overflowing": msgspec.structs.replace(RULES["overflowing"], enabled=False)}
    assert observe(stage.context(), quiet, (), NOW) == []


def test_the_watcher_raises_and_lists_and_goes_on_without_a_database(stage: Stage) -> None:
    stage.happen("bin-0451", "fire")
    watching = watcher(stage)
    watching.look()
    watching.look()
    assert [(alarm.kind, alarm.subject) for alarm in stage.alarm_board.listed] == [("fire", "bin-0451")]
    stage.people.close()
    path = stage.folder / "city.sqlite"
    path.rename(stage.folder / "away")
    path.mkdir()
    watching.look()
    assert stage.alarm_board.failure
    assert len(stage.alarm_board.listed) == 1, "the last list stands"
    path.rmdir()
    (stage.folder / "away").rename(path)


def test_a_viewer_sees_alarms_and_cannot_act(stage: Stage) -> None:
    id_ = raise_alarm(stage)
    viewer = stage.client(demo=False, token=stage.token("viewer"))
    assert viewer.get(f"/api/v1/alarms/{id_}").status_code == 200
    answer = viewer.post("/api/v1/alarms/acknowledge", json={"ids": [id_]})
    assert (answer.status_code, "alarms.handle" in answer.text) == (403, True)
    assert "data-acknowledge" not in signed_in(stage, "viewer").get("/alarms").text


def test_a_dispatcher_acknowledges_and_the_page_says_who(stage: Stage) -> None:
    id_ = raise_alarm(stage)
    client = signed_in(stage, "dispatcher")
    page = read_page(client.get("/alarms").text)
    assert [attributes["data-acknowledge"] for _, attributes in page.tags if "data-acknowledge" in attributes] == [
        f"[{id_}]"
    ]
    answer = client.post("/api/v1/alarms/acknowledge", json={"ids": [id_]}, headers=SAME_SITE)
    assert answer.json() == {"acknowledged": 1}
    again = client.post("/api/v1/alarms/acknowledge", json={"ids": [id_]}, headers=SAME_SITE)
    assert again.json() == {"acknowledged": 0}
    detail = client.get(f"/api/v1/alarms/{id_}").json()
    assert (detail["alarm"]["state"], detail["alarm"]["acknowledged_by"]) == ("acknowledged", "dispatcher")
    assert [entry["what"] for entry in detail["history"]] == ["raised", "acknowledged"]
    stage.alarm_board.listed = stage.alarms.current()
    assert "diterima oleh dispatcher" in read_page(client.get("/alarms").text).text


def test_another_site_s_form_acknowledges_nothing(stage: Stage) -> None:
    id_ = raise_alarm(stage)
    client = signed_in(stage, "dispatcher")
    answer = client.post(
        "/api/v1/alarms/acknowledge", json={"ids": [id_]}, headers={"Origin": "https://elsewhere.example"}
    )
    assert answer.status_code == 403
    assert stage.alarms.get(id_).state == "unacknowledged"


def test_areas_bound_who_acts_and_one_foreign_alarm_refuses_all(stage: Stage) -> None:
    own, foreign = raise_alarm(stage, "tilt", "bin-0451"), raise_alarm(stage, "fire", "bin-0001")
    account = account_with(stage.people, "dispatcher")
    stage.people.change(
        TESTER, account.id, role="dispatcher", areas=(f"kelurahan:{CITY.devices['bin-0451'].kelurahan}",)
    )
    assert CITY.devices["bin-0001"].kelurahan != CITY.devices["bin-0451"].kelurahan
    client = signed_in(stage, "dispatcher")
    ids = sorted({own, foreign, *(alarm.id for alarm in stage.alarm_board.listed)})
    assert client.post("/api/v1/alarms/acknowledge", json={"ids": ids}, headers=SAME_SITE).status_code == 403
    assert {alarm.state for alarm in stage.alarms.current()} == {"unacknowledged"}
    mine = next(alarm.id for alarm in stage.alarm_board.listed if alarm.subject == "bin-0451")
    assert client.post("/api/v1/alarms/acknowledge", json={"ids": [mine]}, headers=SAME_SITE).status_code == 200


@pytest.mark.parametrize("path", ["/", "/alarms", "/account", "/audit", "/people"])
def test_fire_and_panic_are_on_every_page(stage: Stage, path: str) -> None:
    raise_alarm(stage, "fire", "bin-0451")
    raise_alarm(stage, "panic", "truck-01")
    raise_alarm(stage, "tilt", "bin-0001")
    page = read_page(signed_in(stage, "viewer").get(path).text)
    assert "KEBAKARAN: bin-0451" in page.text
    assert f"TOMBOL DARURAT: {CITY.trucks['truck-01'].plate}" in page.text
    banners = [attributes for _, attributes in page.tags if attributes.get("class") == "banner behind"]
    assert len(banners) == 2, "a tilted container has none"
    (signal,) = [attributes for _, attributes in page.tags if "data-alarms" in attributes]
    assert (signal["data-alarms"], "data-loud" in signal) == ("3", True)


def test_names_of_others_are_escaped(stage: Stage) -> None:
    condition = AlarmCondition("bad_messages", "<script>alert(1)</script>", "platform", detail={"bad": 1, "of": 2})
    stage.alarms.apply(RULES, AlarmChanges((condition,)))
    stage.alarm_board.listed = stage.alarms.current()
    client = signed_in(stage, "supervisor")
    for path in ("/alarms", "/alarms?past", f"/alarm/{stage.alarm_board.listed[0].id}"):
        page = read_page(client.get(path).text)
        assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize("path", ["/alarms?past&kind=none&before=99999999999999999999", "/alarms?past&before=x"])
def test_nonsense_in_the_address_is_no_error(stage: Stage, path: str) -> None:
    assert signed_in(stage, "viewer").get(path).status_code == 200


def test_the_history_is_filtered_by_kind_and_an_unknown_alarm_is_404(stage: Stage) -> None:
    raise_alarm(stage, "fire", "bin-0451")
    client = signed_in(stage, "viewer")
    links = [("a", "/device/bin-0451")]
    for kind, expected in (("fire", links), ("tilt", [])):
        page = read_page(client.get(f"/alarms?past&kind={kind}&lang=en").text)
        found = [(name, attributes.get("href")) for name, attributes in page.tags]
        assert [shown for shown in found if shown in links] == expected
    assert client.get("/alarm/999").status_code == 404
    assert client.get("/alarm/x").status_code == 422


def test_every_kind_has_a_page_row(stage: Stage) -> None:
    for kind in KINDS:
        raise_alarm(stage, kind, "bin-0451")
    page = read_page(signed_in(stage, "supervisor").get("/alarms?lang=en").text).text
    for words in ("Fire", "Panic button", "Container full", "Whole site not connected"):
        assert words in page
