"""Notifications as the API and the console show them, and what `kota status` says of them."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from api.auth.access import COOKIE
from api.queries.alarm_conditions import observe
from city.runtime.recipient_problems import RecipientProblems, read_recipient_problems, write_recipient_problems
from city.runtime.status import CityStatus, Process, Ready, problems_of
from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.rules import load_rules
from dispatch.notifications.deliveries import RecipientState
from dispatch.notifications.tables import notifications
from dispatch.notifications.wire import SendResult
from people.rights import Role
from tests.support.brokers import ROOT
from tests.support.pages import read_page
from tests.unit.api.conftest import CITY, NOW, Stage

RULES = load_rules()
SINCE = NOW - timedelta(minutes=11)


def told(stage: Stage, *states: str) -> int:
    """An alarm of which recipients were told, or were not; its number."""
    device = CITY.devices["bin-0451"]
    stage.alarms.apply(RULES, AlarmChanges((AlarmCondition("fire", device.id, device.KIND, "", "Oesapa"),)))
    (alarm,) = stage.alarms.current()
    with stage.people.database.begin() as connection:
        for number, state in enumerate(states):
            values = {"alarm_id": alarm.id, "recipient": f"dinas-{number}", "kind": "raised", "number": 1}
            values |= {"state": state, "created_at": NOW, "attempts": 1, "message": "", "reason": "server 500"}
            values |= {"sent_at": NOW} if state == "sent" else {"failed_at": NOW}
            connection.execute(insert(notifications).values(**values))
    return alarm.id


def asked(stage: Stage, path: str, role: Role = "dispatcher") -> Any:
    answer = stage.client(demo=False).get(path, headers={"Authorization": f"Bearer {stage.token(role)}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_failed_ones_are_found_and_paged(stage: Stage) -> None:
    alarm = told(stage, "sent", "failed", "given_up", "failed")
    answer = asked(stage, "/api/v1/notifications?state=failed&state=given_up&limit=2")
    assert [entry["recipient"] for entry in answer["notifications"]] == ["dinas-3", "dinas-2"]
    assert answer["notifications"][0] | {"id": 0} == {
        "id": 0,
        "alarm_id": alarm,
        "recipient": "dinas-3",
        "kind": "raised",
        "state": "failed",
        "created_at": "2026-03-01T12:00:00Z",
        "attempts": 1,
        "next_at": None,
        "failed_at": "2026-03-01T12:00:00Z",
        "sent_at": None,
        "reason": "server 500",
    }
    older = asked(stage, f"/api/v1/notifications?state=failed&state=given_up&before={answer['next']}")
    assert [entry["recipient"] for entry in older["notifications"]] == ["dinas-1"]
    assert older["next"] is None


def test_who_may_not_handle_alarms_sees_no_recipients(stage: Stage) -> None:
    told(stage, "sent")
    client = stage.client(demo=False)
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {stage.token('viewer')}"}, 403)):
        assert client.get("/api/v1/notifications", headers=headers).status_code == status


def test_who_fails_is_said(stage: Stage) -> None:
    stage.notification_board.failing = {"dinas": RecipientState("dinas", SINCE, NOW, None, "connection")}
    stage.notification_board.problem = "notifications.toml:1 [dinas]: url: is missing"
    answer = asked(stage, "/api/v1/notifications")
    assert answer["failing"] == [{"name": "dinas", "since": "2026-03-01T11:49:00Z", "reason": "connection"}]
    assert answer["problem"] == stage.notification_board.problem
    keys = {condition.key for condition in observe(stage.context(), RULES, (), NOW)}
    assert keys == {("notification_failing", "dinas"), ("notification_failing", "notifications.toml")}


def test_an_alarm_says_who_was_told_and_who_was_not(stage: Stage) -> None:
    alarm = told(stage, "sent", "failed")
    deliveries = asked(stage, f"/api/v1/alarms/{alarm}", "viewer")["deliveries"]
    assert [(entry["recipient"], entry["state"]) for entry in deliveries] == [
        ("dinas-0", "sent"),
        ("dinas-1", "failed"),
    ]


@pytest.mark.parametrize(("lang", "words"), [("en", "failed, is tried again"), ("id", "gagal, dicoba lagi")])
def test_the_page_of_an_alarm_shows_it(stage: Stage, lang: str, words: str) -> None:
    alarm = told(stage, "sent", "failed")
    client = stage.client(demo=False)
    client.cookies[COOKIE] = stage.session("dispatcher")
    text = read_page(client.get(f"/alarm/{alarm}?lang={lang}").text).text
    assert f"{words} (server 500)" in text
    assert "dinas-0" in text


def test_the_state_of_recipients_is_noted_for_other_programs(stage: Stage) -> None:
    assert read_recipient_problems(stage.folder) is None
    written = RecipientProblems({"dinas": SINCE}, "x")
    write_recipient_problems(stage.folder, written)
    assert read_recipient_problems(stage.folder) == written


def test_status_names_who_fails_for_more_than_ten_minutes_and_a_wrong_file() -> None:
    def problems(state: RecipientProblems | None) -> list[str]:
        status = CityStatus(
            supervised=True,
            processes=(Process("server", 1),),
            ingest=None,
            ready=Ready(),
            disk_free_bytes=None,
            disk_bytes=None,
            recipients=state,
        )
        return [problem.text("en") for problem in problems_of(status, NOW) if "notif" in problem.key]

    assert problems(None) == problems(RecipientProblems()) == []
    assert problems(RecipientProblems({"lain": NOW - timedelta(minutes=10), "dinas": SINCE})) == [
        "1 recipient gets no notifications: dinas"
    ]
    assert problems(RecipientProblems(problem="x"))[0].endswith(": x")


@pytest.mark.parametrize(
    ("modules", "libraries"),
    [
        ("api.service, dispatch.notifications.cli", "'apprise',"),
        ("city.cli.check, dispatch.notifications.check", "'apprise', 'sqlalchemy'"),
    ],
    ids=["server", "kota check, also of an edge device"],
)
def test_libraries_are_loaded_only_where_they_are_needed(modules: str, libraries: str) -> None:
    code = f"import sys, {modules}; print([name for name in ({libraries}) if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"


def test_a_tested_recipient_that_works_again_is_no_problem_any_more(stage: Stage) -> None:
    stage.deliveries.note_attempt("dinas", SendResult("connection"))
    assert stage.deliveries.states()["dinas"].failing_since == NOW
    stage.deliveries.note_attempt("dinas", SendResult("timeout"))
    assert stage.deliveries.states()["dinas"].reason == "timeout"
    stage.deliveries.note_attempt("dinas", SendResult())
    assert stage.deliveries.states()["dinas"].failing_since is None
