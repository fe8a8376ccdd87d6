"""Alarms in the database, on SQLite and PostgreSQL: what the engine changes, and what people do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.errors import AlarmError
from dispatch.alarms.rules import AlarmKind, load_rules
from dispatch.alarms.service import STATES, Alarm, AlarmFilter, Alarms
from dispatch.alarms.tables import alarms as table
from people.audit import Origin
from people.service import People
from tests.contract.conftest import NOW, Clock

RULES = load_rules()
MARIA = Origin("a1", "maria.seran", "10.0.0.1")
YOHANES = Origin("a2", "yohanes", "10.0.0.2")


@pytest.fixture
def alarms(people: People, clock: Clock) -> Alarms:
    return Alarms(people.database, people.audit, clock)


def condition(kind: AlarmKind = "fire", subject: str = "bin-1", **fields: Any) -> AlarmCondition:
    return AlarmCondition(kind, subject, "bin", "tps-oesapa", "Oesapa", **fields)


def raised(alarms: Alarms, *conditions: AlarmCondition) -> list[Alarm]:
    alarms.apply(RULES, AlarmChanges(conditions or (condition(),)))
    return alarms.current()


def whats(alarms: Alarms, id_: int) -> list[str]:
    return [entry.what for entry in alarms.history(id_)]


def test_a_raised_alarm_has_what_is_known_of_it(alarms: Alarms) -> None:
    since = NOW - timedelta(minutes=3)
    (alarm,) = raised(alarms, condition("overflowing", since=since, detail={"fill_pct": 93.0}))
    assert (alarm.kind, alarm.subject, alarm.site, alarm.kelurahan) == ("overflowing", "bin-1", "tps-oesapa", "Oesapa")
    assert (alarm.priority, alarm.state, alarm.detail) == ("high", "unacknowledged", {"fill_pct": 93.0})
    assert (alarm.since, alarm.raised_at, alarm.cleared_at) == (since, NOW, None)
    assert whats(alarms, alarm.id) == ["raised"]
    assert alarms.get(alarm.id) == alarm


def test_processes_that_raise_the_same_at_once_raise_it_once(alarms: Alarms) -> None:
    changes = AlarmChanges((condition(), condition(subject="bin-2")))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: alarms.apply(RULES, changes), range(8)))
    assert sum(made) == 2
    assert len(alarms.current()) == 2


def test_the_database_itself_refuses_a_second_open_alarm(alarms: Alarms, people: People) -> None:
    (alarm,) = raised(alarms)
    engine = people.database.open()
    with engine.connect() as connection:
        values = dict(connection.execute(table.select()).mappings().one()) | {"id": alarm.id + 1}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(table.insert().values(values))


def test_an_alarm_that_clears_and_comes_again_is_another_one(alarms: Alarms, clock: Clock) -> None:
    (first,) = raised(alarms, condition("overflowing"))
    clock.move(timedelta(minutes=5))
    assert alarms.apply(RULES, AlarmChanges(to_clear=(first.id,))) == 1
    assert alarms.apply(RULES, AlarmChanges(to_clear=(first.id,))) == 0, "it is cleared already"
    assert alarms.current() == []
    (second,) = raised(alarms, condition("overflowing"))
    assert second.id > first.id
    assert alarms.get(first.id).cleared_at == NOW + timedelta(minutes=5)
    assert alarms.get(first.id).state == "cleared"


def test_what_needs_an_acknowledgement_stays_listed_after_it_has_cleared(alarms: Alarms) -> None:
    (fire,) = raised(alarms)
    alarms.apply(RULES, AlarmChanges(to_clear=(fire.id,)))
    assert [alarm.state for alarm in alarms.current()] == ["cleared_unacknowledged"]
    alarms.acknowledge(MARIA, [fire.id])
    assert alarms.current() == []
    assert alarms.get(fire.id).state == "cleared"


def test_what_was_acknowledged_before_it_clears_leaves_the_list(alarms: Alarms) -> None:
    (fire,) = raised(alarms)
    alarms.acknowledge(MARIA, [fire.id], "petugas berangkat")
    assert alarms.current()[0].state == "acknowledged"
    alarms.apply(RULES, AlarmChanges(to_clear=(fire.id,)))
    assert alarms.current() == []
    assert [entry.text for entry in alarms.history(fire.id)] == ["", "petugas berangkat", ""]


def test_of_two_who_acknowledge_at_once_the_first_counts(alarms: Alarms) -> None:
    (fire,) = raised(alarms)
    with ThreadPoolExecutor(8) as pool:
        changed = list(pool.map(lambda who: alarms.acknowledge(who, [fire.id]), [MARIA, YOHANES] * 4))
    assert sum(changed) == 1
    (entry,) = [entry for entry in alarms.history(fire.id) if entry.what == "acknowledged"]
    assert alarms.get(fire.id).acknowledged_by == entry.name


def test_an_unknown_alarm_refuses_all(alarms: Alarms) -> None:
    (fire,) = raised(alarms)
    with pytest.raises(AlarmError, match="alarm unknown"):
        alarms.acknowledge(MARIA, [fire.id, 999])
    assert alarms.current()[0].state == "unacknowledged"


def test_an_acknowledgement_is_taken_back_within_ten_seconds_by_who_gave_it(alarms: Alarms, clock: Clock) -> None:
    (fire,) = raised(alarms)
    alarms.acknowledge(MARIA, [fire.id])
    with pytest.raises(AlarmError, match="undo too late"):
        alarms.undo(YOHANES, fire.id)
    clock.move(timedelta(seconds=10))
    alarms.undo(MARIA, fire.id)
    assert alarms.get(fire.id).state == "unacknowledged"
    with pytest.raises(AlarmError, match="undo too late"):
        alarms.undo(MARIA, fire.id)
    alarms.acknowledge(MARIA, [fire.id])
    clock.move(timedelta(seconds=10.5))
    with pytest.raises(AlarmError, match="undo too late"):
        alarms.undo(MARIA, fire.id)


def test_an_acknowledgement_after_the_end_can_be_taken_back_too(alarms: Alarms) -> None:
    (fire,) = raised(alarms)
    alarms.apply(RULES, AlarmChanges(to_clear=(fire.id,)))
    alarms.acknowledge(MARIA, [fire.id])
    alarms.undo(MARIA, fire.id)
    assert [alarm.state for alarm in alarms.current()] == ["cleared_unacknowledged"]


def test_a_shelved_alarm_comes_back_by_itself_or_by_hand(alarms: Alarms, clock: Clock) -> None:
    (tilt,) = raised(alarms, condition("tilt"))
    alarms.shelve(MARIA, tilt.id, NOW + timedelta(hours=2), "sedang diperbaiki")
    shelved = alarms.get(tilt.id)
    assert (shelved.state, shelved.shelved_by, shelved.shelved_reason) == (
        "shelved",
        "maria.seran",
        "sedang diperbaiki",
    )
    clock.move(timedelta(hours=2))
    assert alarms.get(tilt.id).state == "unacknowledged"
    alarms.shelve(MARIA, tilt.id, clock() + timedelta(hours=2), "lagi")
    alarms.unshelve(YOHANES, tilt.id)
    alarms.unshelve(YOHANES, tilt.id)
    assert alarms.get(tilt.id).state == "unacknowledged"
    assert whats(alarms, tilt.id) == ["raised", "shelved", "shelved", "unshelved"]


@pytest.mark.parametrize(
    ("ahead", "reason", "refusal"),
    [
        (timedelta(0), "x", "shelved_too_long"),
        (timedelta(days=-1), "x", "shelved_too_long"),
        (timedelta(days=7, seconds=1), "x", "shelved_too_long"),
        (timedelta(hours=1), "  ", "reason_missing"),
    ],
)
def test_shelving_needs_an_end_and_a_reason(alarms: Alarms, ahead: timedelta, reason: str, refusal: str) -> None:
    (alarm,) = raised(alarms)
    with pytest.raises(AlarmError) as refused:
        alarms.shelve(MARIA, alarm.id, NOW + ahead, reason)
    assert refused.value.reason == refusal
    assert alarms.get(alarm.id).state == "unacknowledged"


def test_a_cleared_alarm_is_not_shelved_and_takes_notes(alarms: Alarms) -> None:
    (fire,) = raised(alarms)
    alarms.apply(RULES, AlarmChanges(to_clear=(fire.id,)))
    with pytest.raises(AlarmError, match="alarm cleared"):
        alarms.shelve(MARIA, fire.id, NOW + timedelta(hours=1), "x")
    alarms.add_note(MARIA, fire.id, "puntung rokok")
    assert alarms.history(fire.id)[-1].text == "puntung rokok"
    with pytest.raises(AlarmError, match="reason missing"):
        alarms.add_note(MARIA, fire.id, "   ")


def test_suppressed_alarms_are_not_listed_and_come_back(alarms: Alarms) -> None:
    (alarm,) = raised(alarms, condition("hotspot_down", "ap-1"))
    alarms.apply(RULES, AlarmChanges(to_suppress=(alarm.id,)))
    assert alarms.current() == []
    assert alarms.open_alarms()[0].suppressed
    alarms.apply(RULES, AlarmChanges(to_show=(alarm.id,)))
    assert [shown.id for shown in alarms.current()] == [alarm.id]
    assert whats(alarms, alarm.id) == ["raised", "suppressed", "shown"]


def test_what_people_do_is_in_the_audit_and_in_one_transaction_with_it(alarms: Alarms, people: People) -> None:
    (fire,) = raised(alarms)
    alarms.acknowledge(MARIA, [fire.id], "berangkat")
    alarms.undo(MARIA, fire.id)
    alarms.shelve(YOHANES, fire.id, NOW + timedelta(hours=1), "uji coba")
    alarms.unshelve(YOHANES, fire.id)
    alarms.add_note(YOHANES, fire.id, "catatan")
    entries = people.audit.search(action="alarm.")
    assert [(entry.action, entry.actor_name, entry.object) for entry in reversed(entries)] == [
        ("alarm.acknowledge", "maria.seran", str(fire.id)),
        ("alarm.undo", "maria.seran", str(fire.id)),
        ("alarm.shelve", "yohanes", str(fire.id)),
        ("alarm.unshelve", "yohanes", str(fire.id)),
        ("alarm.note", "yohanes", str(fire.id)),
    ]
    assert people.audit.faults() == []


def test_the_list_begins_with_what_is_worst_and_nobody_has_seen(alarms: Alarms) -> None:
    kinds: list[AlarmKind] = ["tilt", "overflowing", "fire", "blind_sensor", "panic", "breakdown"]
    raised(alarms, *(condition(kind, f"x-{kind}") for kind in kinds))
    fire = next(alarm for alarm in alarms.current() if alarm.kind == "fire")
    alarms.acknowledge(MARIA, [fire.id])
    assert [alarm.kind for alarm in alarms.current()] == [
        *("panic", "breakdown", "overflowing", "tilt", "blind_sensor", "fire"),
    ]


SETUPS: dict[str, Callable[[Alarms, int], Any]] = {
    "unacknowledged": lambda _alarms, _id: None,
    "acknowledged": lambda alarms, id_: alarms.acknowledge(MARIA, [id_]),
    "shelved": lambda alarms, id_: alarms.shelve(MARIA, id_, NOW + timedelta(hours=1), "x"),
    "suppressed": lambda alarms, id_: alarms.apply(RULES, AlarmChanges(to_suppress=(id_,))),
    "cleared_unacknowledged": lambda alarms, id_: alarms.apply(RULES, AlarmChanges(to_clear=(id_,))),
    "cleared": lambda alarms, id_: (
        alarms.acknowledge(MARIA, [id_]),
        alarms.apply(RULES, AlarmChanges(to_clear=(id_,))),
    ),
}


def test_each_alarm_is_in_one_state_and_the_search_agrees(alarms: Alarms) -> None:
    assert tuple(SETUPS) == STATES
    for state, prepare in SETUPS.items():
        alarms.apply(RULES, AlarmChanges((condition(subject=state),)))
        prepare(alarms, alarms.find(AlarmFilter(subject=state))[0].id)
    for state in STATES:
        assert [alarm.subject for alarm in alarms.find(AlarmFilter(states=(state,)))] == [state]
    both = alarms.find(AlarmFilter(states=("shelved", "cleared")))
    assert {alarm.subject for alarm in both} == {"shelved", "cleared"}
    assert {alarm.subject: alarm.state for alarm in alarms.find(AlarmFilter())} == dict(
        zip(STATES, STATES, strict=True)
    )


def test_the_history_is_searched_and_paged(alarms: Alarms, clock: Clock) -> None:
    for number in range(7):
        alarms.apply(RULES, AlarmChanges((condition("tilt" if number % 2 else "fire", f"bin-{number}"),)))
        clock.move(timedelta(hours=1))
    page = alarms.find(AlarmFilter(limit=3))
    assert [alarm.subject for alarm in page] == ["bin-6", "bin-5", "bin-4"]
    assert [alarm.subject for alarm in alarms.find(AlarmFilter(before=page[-1].id, limit=2))] == ["bin-3", "bin-2"]
    assert [alarm.subject for alarm in alarms.find(AlarmFilter(kinds=("tilt",)))] == ["bin-5", "bin-3", "bin-1"]
    between = AlarmFilter(since=NOW + timedelta(hours=2), until=NOW + timedelta(hours=4))
    assert [alarm.subject for alarm in alarms.find(between)] == ["bin-3", "bin-2"]
    assert alarms.find(AlarmFilter(kelurahan="Alak")) == []
    assert len(alarms.find(AlarmFilter(site="tps-oesapa", kelurahan="Oesapa"))) == 7


def test_old_alarms_are_forgotten_and_open_ones_never(alarms: Alarms, clock: Clock) -> None:
    first, second = raised(alarms, condition("tilt", "bin-1"), condition("tilt", "bin-2"))
    alarms.apply(RULES, AlarmChanges(to_clear=(first.id,)))
    clock.move(timedelta(days=400))
    assert alarms.forget_before(clock() - timedelta(days=365)) == 1
    assert alarms.history(first.id) == []
    assert [alarm.id for alarm in alarms.find(AlarmFilter())] == [second.id]
