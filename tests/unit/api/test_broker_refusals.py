"""Failed sign-ins at the broker come into the audit, and a flood of them does not fill it."""

from __future__ import annotations

from datetime import timedelta

from api.queries.broker_refusals import HOURLY_MAX, BrokerRefusals
from broker.refusals import FOLDER, Refusal, append_refusals
from tests.unit.api.conftest import NOW, Stage


def refuse(stage: Stage, minute: int, user: str = "bin-0001", reason: str = "password", count: int = 3) -> None:
    folder = stage.folder / FOLDER
    folder.mkdir(exist_ok=True)
    append_refusals(folder, [Refusal(NOW + timedelta(minutes=minute), user, "10.6.6.6", reason, count)])


def test_a_refusal_is_noted_once_with_who_from_where_and_how_often(stage: Stage) -> None:
    now = [NOW]
    refusals = BrokerRefusals(stage.folder, stage.people.audit, lambda: now[0])
    refuse(stage, 1)
    refusals.take()
    refusals.take()
    (entry,) = stage.people.audit.search(action="broker.refused")
    assert (entry.object, entry.actor_name, entry.address) == ("bin-0001", "bin-0001", "10.6.6.6")
    assert entry.detail == {"reason": "password", "count": 3}


def test_a_device_that_tries_all_day_has_an_entry_an_hour(stage: Stage) -> None:
    now = [NOW]
    refusals = BrokerRefusals(stage.folder, stage.people.audit, lambda: now[0])
    for minute in range(0, 180, 10):
        refuse(stage, minute + 1)
        now[0] = NOW + timedelta(minutes=minute + 1)
        refusals.take()
    entries = stage.people.audit.search(action="broker.refused")
    assert [entry.detail["count"] for entry in entries] == [18, 18, 3]


def test_thousands_of_names_do_not_fill_the_audit(stage: Stage) -> None:
    refusals = BrokerRefusals(stage.folder, stage.people.audit, lambda: NOW)
    for number in range(2 * HOURLY_MAX):
        refuse(stage, 1 + number, user=f"name-{number}")
    refusals.take()
    assert len(stage.people.audit.search(action="broker.refused", limit=500)) == HOURLY_MAX


def test_a_start_does_not_note_again_what_was_noted(stage: Stage) -> None:
    refuse(stage, -1)
    BrokerRefusals(stage.folder, stage.people.audit, lambda: NOW).take()
    BrokerRefusals(stage.folder, stage.people.audit, lambda: NOW).take()
    assert len(stage.people.audit.search(action="broker.refused")) == 1
