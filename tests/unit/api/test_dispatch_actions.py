"""What dispatchers do on their pages by plain forms: what happens, what is refused, and how it is taken back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from api.auth.access import COOKIE
from dispatch.shifts.errors import DispatchError
from people.rights import Role
from tests.support.access import TESTER
from tests.support.dispatch_pages import accept_day, make_orders, propose_change, stops_of
from tests.support.dispatching import DAY
from tests.support.pages import read_page
from tests.unit.api.conftest import CITY, NOW, Stage

SAME_SITE = {"Origin": "http://127.0.0.1"}
ACTIONS: dict[str, dict[str, str]] = {
    "/plan/make": {"day": "2026-03-02"},
    "/plan/replan": {"day": "2026-03-01"},
    "/plan/2/accept": {},
    "/plan/2/reject": {},
    "/tour/1/message": {"text": "halo"},
    "/tour/1/crew": {"crew": "3"},
    "/tour/1/code": {},
    "/tour/1/close": {},
    "/stop/9/assign": {"shift": "2"},
    "/stop/9/rule": {"state": "missed", "reason": "kunci hilang"},
    "/order/1/assign": {"shift": "1"},
    "/order/1/close": {"reason": "sudah bersih"},
    "/undo/1": {},
}


def signed_in(stage: Stage, role: Role, *, later: timedelta = timedelta()) -> TestClient:
    client = stage.client(demo=False, now=NOW + later)
    client.cookies[COOKIE] = stage.session(role)
    return client


def post(client: TestClient, path: str, fields: Mapping[str, object] | None = None) -> httpx.Response:
    return client.post(path, data=dict(fields or {}), headers=SAME_SITE)


@pytest.fixture
def full(stage: Stage) -> Stage:
    """A plan in force, a proposal with the number 2, three shifts, two orders."""
    accept_day(stage)
    assert propose_change(stage) == 2
    make_orders(stage)
    return stage


def audited(stage: Stage) -> list[str]:
    return [entry.action for entry in stage.people.audit.search()]


# Refusals


@pytest.mark.parametrize("role", ["viewer", "network_admin", "camera_verifier"])
def test_who_may_not_dispatch_is_refused(full: Stage, role: Role) -> None:
    client = signed_in(full, role)
    before = audited(full)
    assert {path: post(client, path, fields).status_code for path, fields in ACTIONS.items()} == dict.fromkeys(
        ACTIONS, 403
    )
    assert audited(full) == before


def test_nobody_and_other_sites_are_refused(full: Stage) -> None:
    nobody, supervisor = full.client(demo=False), signed_in(full, "supervisor")
    before = audited(full)
    for path, fields in ACTIONS.items():
        assert nobody.post(path, data=fields, headers=SAME_SITE).status_code == 401, path
        assert supervisor.post(path, data=fields, headers={"Origin": "http://evil.test"}).status_code == 403, path
        assert supervisor.post(path, data=fields).status_code in (401, 403), path
    assert audited(full) == before


def test_a_person_of_another_area_is_refused(full: Stage) -> None:
    account = full.account("dispatcher")
    full.people.change(TESTER, account.id, role="dispatcher", areas=("kelurahan:nunhila",))
    client = signed_in(full, "dispatcher")
    before = audited(full)
    paths = [path for path in ACTIONS if path != "/undo/1"]
    assert {path: post(client, path, ACTIONS[path]).status_code for path in paths} == dict.fromkeys(paths, 403)
    assert audited(full) == before


@pytest.mark.parametrize(
    ("path", "fields", "reason"),
    [
        ("/plan/1/accept", {}, "proposal_unknown"),
        ("/plan/make", {"day": "2026-02-01"}, "day_past"),
        ("/plan/replan", {"day": "2026-03-09"}, "no_plan"),
        ("/plan/replan", {"day": "2026-03-01", "trucks_out": "truck-99"}, "truck_unknown"),
        ("/tour/1/message", {"text": "   "}, "message_empty"),
        ("/stop/1/assign", {"shift": "2"}, "stop_done"),
        ("/stop/9/assign", {"shift": "99"}, "shift_unknown"),
        ("/stop/9/rule", {"state": "missed", "reason": " "}, "reason_missing"),
        ("/stop/9/rule", {"state": "planned", "reason": "x"}, "reason_unknown"),
        ("/order/1/assign", {"shift": "99"}, "shift_unknown"),
        ("/order/1/close", {"reason": ""}, "reason_missing"),
        ("/order/1/reopen", {"reason": "x"}, "order_open"),
    ],
)
def test_what_is_refused_is_said_on_the_page(full: Stage, path: str, fields: dict[str, str], reason: str) -> None:
    client = signed_in(full, "supervisor")
    answer = post(client, path, fields)
    assert answer.status_code == 303
    assert answer.headers["location"].endswith(f"refused={reason}")
    page = read_page(client.get(answer.headers["location"]).text)
    (alert,) = [attributes for _, attributes in page.tags if attributes.get("class") == "panel warn"]
    assert alert["role"] == "alert"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/plan/make", {"day": "tomorrow"}),
        ("/stop/9/assign", {"shift": "-1"}),
        ("/order/1/assign", {}),
        ("/plan/replan", {"day": "2026-03-01", "radius_m": "9e9"}),
        ("/plan/replan", {"day": "2026-03-01", "blocked_site": "nowhere"}),
    ],
)
def test_what_no_form_of_ours_sends_is_refused(full: Stage, path: str, fields: dict[str, str]) -> None:
    assert post(signed_in(full, "supervisor"), path, fields).status_code == 422


# What happens


def test_a_proposal_is_accepted_and_taken_back(full: Stage) -> None:
    client = signed_in(full, "dispatcher")
    answer = post(client, "/plan/2/accept")
    assert answer.headers["location"] == f"/plan?day={DAY}"
    current = full.dispatch.plans.in_force(DAY)
    assert current is not None
    assert current.id == 2
    page = client.get(answer.headers["location"]).text
    (change,) = re.findall(r'action="/undo/(\d+)"', page)
    assert f'href="/undo/{change}"' in page, "a link for browsers without scripts"
    assert "menerima rencana" in page
    assert post(client, f"/undo/{change}").headers["location"] == f"/plan?day={DAY}"
    current = full.dispatch.plans.in_force(DAY)
    assert current is not None
    assert current.id == 1
    proposal = full.dispatch.plans.proposal(DAY)
    assert proposal is not None
    assert audited(full)[0] == "dispatch.undo"


@pytest.mark.parametrize("path", [path for path in ACTIONS if path not in ("/plan/make", "/plan/replan", "/undo/1")])
def test_every_action_can_be_taken_back(full: Stage, path: str) -> None:
    client = signed_in(full, "supervisor")
    assert post(client, path, ACTIONS[path]).status_code in (200, 303)
    shown = client.get("/alarms").text
    (change,) = re.findall(r'action="/undo/(\d+)"', shown)
    alone = client.get(f"/undo/{change}")
    assert f'action="/undo/{change}"' in alone.text
    assert post(client, f"/undo/{change}").status_code == 303
    assert "undo-row" not in client.get("/alarms").text
    assert post(client, f"/undo/{change}").headers["location"] == f"/undo/{change}?refused=undo_too_late"


def test_the_bar_is_its_owner_s_alone(full: Stage) -> None:
    post(signed_in(full, "dispatcher"), "/tour/1/crew", {"crew": "3"})
    assert "undo-row" in signed_in(full, "dispatcher").get("/map").text
    assert "undo-row" not in signed_in(full, "supervisor").get("/map").text
    assert "undo-row" not in signed_in(full, "viewer").get("/map").text


def test_somebody_else_s_action_is_not_taken_back(full: Stage) -> None:
    post(signed_in(full, "dispatcher"), "/tour/1/crew", {"crew": "3"})
    (change,) = re.findall(r'action="/undo/(\d+)"', signed_in(full, "dispatcher").get("/map").text)
    other = signed_in(full, "supervisor")
    assert post(other, f"/undo/{change}").headers["location"].endswith("refused=undo_too_late")
    assert full.dispatch.shifts.get(1).crew == "3"
    assert "sudah lewat" in other.get(f"/undo/{change}").text


def test_planning_begins_in_the_background(full: Stage) -> None:
    client = signed_in(full, "dispatcher")
    assert post(client, "/plan/make", {"day": "2026-03-02"}).headers["location"] == "/plan?day=2026-03-02"
    running = full.planner.status("day").running
    assert running is not None
    assert running.day.isoformat() == "2026-03-02"
    assert post(client, "/plan/make", {"day": "2026-03-02"}).headers["location"].endswith("refused=planning_busy")


def test_a_replan_is_told_what_has_happened(full: Stage) -> None:
    site = CITY.sites["tps-liliba"]
    fields = {"day": "2026-03-01", "trucks_out": ["truck-01", "truck-02"], "blocked_site": site.id, "radius_m": "500"}
    assert post(signed_in(full, "dispatcher"), "/plan/replan", fields).status_code == 303
    running = full.planner.status("replan").running
    assert running is not None
    assert running.circumstances.trucks_out == ("truck-01", "truck-02")
    (area,) = running.circumstances.blocked
    assert (area.lat_deg, area.lon_deg, area.radius_m) == (site.lat_deg, site.lon_deg, 500.0)


def test_a_code_is_shown_once_with_its_qr(full: Stage) -> None:
    client = signed_in(full, "dispatcher")
    answer = post(client, "/tour/1/code")
    assert answer.headers["cache-control"] == "no-store"
    page = read_page(answer.text)
    (digits,) = re.findall(r"\b\d{3} \d{3}\b", page.text)
    assert "svg" in [tag for tag, _ in page.tags]
    phone = full.dispatch.crews.enter(digits.replace(" ", ""), "10.0.0.9")
    assert phone.shift_id == 1
    assert client.get("/tour/1/code").headers["location"] == "/tour/1", "nothing keeps it"
    assert client.get("/tour/1/code?part=warnings").status_code == 200, "its banners stay live"
    assert digits not in client.get("/tour/1").text


def test_a_stop_moves_to_another_truck(full: Stage) -> None:
    post(signed_in(full, "dispatcher"), "/stop/9/assign", {"shift": "2"})
    assert full.dispatch.shifts.stop(9).shift_id == 2
    page = signed_in(full, "dispatcher").get("/stop/9").text
    assert "truck-02" in page


def test_a_supervisor_s_verdict_is_shown_with_its_reason(full: Stage) -> None:
    post(signed_in(full, "supervisor"), "/stop/4/rule", {"state": "verified", "reason": "<i>sensor rusak</i>"})
    text = read_page(signed_in(full, "viewer").get("/stop/4").text).text
    assert "<i>sensor rusak</i>" in text


def test_an_order_is_assigned_closed_and_opened_again(full: Stage) -> None:
    client = signed_in(full, "supervisor")
    post(client, "/order/1/assign", {"shift": "1"})
    assert full.dispatch.orders.get(1).state == "assigned"
    post(client, "/order/1/close", {"reason": "sudah bersih"})
    assert full.dispatch.orders.get(1).state == "closed"
    post(client, "/order/1/reopen", {"reason": "ada lagi"})
    assert full.dispatch.orders.get(1).state == "reopened"
    assert [entry for entry in audited(full) if entry.startswith("order.")] == [
        "order.reopen",
        "order.close",
        "order.assign",
    ]


def test_a_shift_that_is_over_has_no_actions(full: Stage) -> None:
    client = signed_in(full, "dispatcher")
    post(client, "/tour/1/close")
    page = client.get("/tour/1").text
    assert 'action="/tour/1/message"' not in page
    assert post(client, "/tour/1/message", {"text": "x"}).headers["location"].endswith("refused=shift_closed")
    with pytest.raises(DispatchError):
        full.dispatch.crews.make_code(TESTER, 1)
    assert post(client, "/tour/1/code").headers["location"] == "/tour/1?refused=shift_closed"
    assert len(stops_of(full, full.dispatch.shifts.get(1))) == 9
