"""Plans, shifts, stops and phones of crews in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from dispatch.services import dispatch_services
from dispatch.shifts.crew_visits import COMPLETE_AFTER, CrewVisit
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.plans import DayCircumstances
from dispatch.shifts.records import CrewSession, CrewShift, PhoneEvent, Stop, StopRuling
from dispatch.shifts.retention import forget_before
from dispatch.shifts.tables import plans as plan_table
from dispatch.shifts.tables import taps as tap_table
from dispatch.verification.states import StopEvidence, StopVerdict
from people.audit import Origin
from people.errors import TooManyAttemptsError
from people.service import People
from tests.contract.conftest import NOW, Clock
from tests.support.dispatching import DAY, plan_by_hand, small_city

MARIA = Origin("a1", "maria.seran", "10.0.0.1")
YOHANES = Origin("a2", "yohanes", "10.0.0.2")
CITY = small_city()
BINS = list(CITY.bins)
TOURS = {"truck-01": BINS[:3], "truck-02": BINS[3:5]}


class Desk:
    """What a dispatcher and a phone have."""

    def __init__(self, people: People, clock: Clock) -> None:
        services = dispatch_services(people.database, people.audit, b"key", clock)
        self.plans, self.shifts, self.crews = services.plans, services.shifts, services.crews
        self.visits = services.visits
        self.clock = clock
        self.people = people

    def propose(self, tours: dict[str, list[str]], **options: Any) -> int:
        return self.plans.propose(plan_by_hand(CITY, tours, self.clock(), **options))

    def accept(self, tours: dict[str, list[str]], **options: Any) -> int:
        return self.shifts.accept(MARIA, self.propose(tours, **options), CITY)

    def shift(self, truck: str = "truck-01") -> CrewShift:
        return next(shift for shift in self.shifts.of_day(DAY) if shift.truck == truck)

    def stops(self, truck: str = "truck-01") -> list[Stop]:
        return [stop for stop in self.shifts.stops(self.shift(truck).id) if stop.kind != "landfill"]

    def phone(self, truck: str = "truck-01") -> CrewSession:
        return self.crews.enter(self.crews.make_code(MARIA, self.shift(truck).id).code, "10.1.1.1")

    def actions(self) -> list[str]:
        return [entry.action for entry in self.people.audit.search()][::-1]


@pytest.fixture
def desk(people: People, clock: Clock) -> Desk:
    return Desk(people, clock)


def subjects(stops: list[Stop]) -> list[str]:
    return [stop.subject for stop in stops]


def tap(session: CrewSession, seq: int, stop: int | None = None, kind: Any = "collected", **fields: Any) -> PhoneEvent:
    at: datetime = fields.pop("at", NOW)
    return PhoneEvent(phone=session.phone, boot="b1", seq=seq, at=at, kind=kind, stop=stop, **fields)


def rows(desk: Desk) -> int:
    with desk.people.database.read() as connection:
        return len(connection.execute(select(tap_table.c.id)).all())


# Plans


def test_a_proposal_comes_into_force_when_it_is_accepted(desk: Desk) -> None:
    assert desk.plans.in_force(DAY) is None
    id_ = desk.propose(TOURS)
    assert desk.plans.in_force(DAY) is None
    desk.shifts.accept(MARIA, id_, CITY)
    record = desk.plans.in_force(DAY)
    assert record is not None
    assert (record.id, record.plan, record.decided_by) == (id_, plan_by_hand(CITY, TOURS, NOW), "maria.seran")
    assert desk.plans.proposal(DAY) is None


def test_a_rejected_proposal_leaves_the_plan_in_force(desk: Desk) -> None:
    desk.accept(TOURS)
    later = desk.propose({"truck-05": BINS[:2]})
    desk.plans.reject(MARIA, later)
    assert desk.plans.proposal(DAY) is None
    assert [shift.truck for shift in desk.shifts.of_day(DAY)] == ["truck-01", "truck-02"]
    with pytest.raises(DispatchError, match="proposal unknown"):
        desk.shifts.accept(MARIA, later, CITY)


def test_a_proposal_that_was_replaced_meanwhile_is_refused(desk: Desk) -> None:
    first = desk.propose(TOURS)
    second = desk.propose({"truck-05": BINS[:2]})
    for refused in (desk.plans.reject, lambda origin, id_: desk.shifts.accept(origin, id_, CITY)):
        with pytest.raises(DispatchError, match="proposal unknown"):
            refused(MARIA, first)
    assert desk.shifts.of_day(DAY) == []
    record = desk.plans.proposal(DAY)
    assert record is not None
    assert record.id == second


def test_a_proposal_for_a_plan_that_is_in_force_no_more_is_refused(desk: Desk) -> None:
    desk.accept(TOURS)
    current = desk.plans.in_force(DAY)
    assert current is not None
    stale = desk.plans.propose(plan_by_hand(CITY, {"truck-01": BINS[:1]}, NOW), DayCircumstances(), current.id)
    with desk.people.database.begin() as connection:
        connection.execute(plan_table.update().where(plan_table.c.id == stale).values(open_key="another"))
    desk.accept({"truck-05": BINS[:2]})
    with pytest.raises(DispatchError, match="plan not current"):
        desk.shifts.accept(MARIA, stale, CITY)


def test_a_damaged_plan_is_none(desk: Desk) -> None:
    id_ = desk.propose(TOURS)
    for payload in (b"", b"\xc1", msgspec.msgpack.encode({"version": 99})):
        with desk.people.database.begin() as connection:
            connection.execute(plan_table.update().where(plan_table.c.id == id_).values(payload=payload))
        assert desk.plans.proposal(DAY) is None
        with pytest.raises(DispatchError, match="proposal unknown"):
            desk.shifts.accept(MARIA, id_, CITY)


def test_of_two_who_accept_at_once_one_does(desk: Desk) -> None:
    id_ = desk.propose(TOURS)

    def accept(origin: Origin) -> bool:
        try:
            desk.shifts.accept(origin, id_, CITY)
        except DispatchError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(accept, [MARIA, YOHANES] * 2)) == 1
    assert [shift.counts.total for shift in desk.shifts.of_day(DAY)] == [3, 2]


# Shifts and stops


def test_an_accepted_plan_makes_shifts_with_stops(desk: Desk) -> None:
    desk.accept(TOURS)
    first, second = desk.shifts.of_day(DAY)
    assert (first.truck, first.state, first.counts.total, second.counts.total) == ("truck-01", "planned", 3, 2)
    assert first.departs_at == datetime.fromisoformat("2026-03-01T06:00:00+08:00")
    assert (first.metres, desk.shifts.open()) == (9_000.0, [first, second])
    *stops, landfill = desk.shifts.stops(first.id)
    assert (subjects(stops), [stop.number for stop in stops]) == (BINS[:3], [1, 2, 3])
    assert (landfill.kind, landfill.number) == ("landfill", 4)
    stop = stops[0]
    assert (stop.state, stop.evidence, stop.why["cause"], stop.stream) == (
        "planned",
        (),
        "overflow",
        CITY.bins[BINS[0]].waste_kind,
    )
    assert (stop.window_from, stop.window_to) == (first.starts_at, first.ends_at)
    assert stop.lat_deg == pytest.approx(CITY.bins[BINS[0]].lat_deg or 0)
    assert desk.actions()[-1] == "plan.accept"


def test_a_new_plan_moves_what_is_open_and_keeps_what_is_done(desk: Desk, clock: Clock) -> None:
    desk.accept(TOURS)
    done, moved, gone = desk.stops()
    verdict = StopVerdict("verified", (StopEvidence("lift", NOW, {"lifts": 1}),))
    assert desk.shifts.apply({done.id: verdict}) == 1
    assert (desk.shift().state, desk.shift("truck-02").state) == ("under_way", "planned")
    clock.move(timedelta(hours=3))
    desk.accept({"truck-02": [moved.subject, BINS[3]]}, dropped=[gone.subject])
    assert [(stop.id, stop.state) for stop in desk.stops()] == [(done.id, "verified")]
    stops = desk.stops("truck-02")
    assert subjects(stops) == [moved.subject, BINS[3]]
    assert stops[0].id == moved.id, "a stop that stays keeps its row"
    (removed,) = [stop for stop in desk.shifts.stops(desk.shift().id, removed=True) if stop.subject == gone.subject]
    assert (removed.removed_at, removed.removed_reason) == (clock(), "not_worth")


def test_an_acceptance_is_taken_back_within_ten_seconds(desk: Desk, clock: Clock) -> None:
    desk.accept(TOURS)
    before = {shift.truck: desk.shifts.stops(shift.id) for shift in desk.shifts.of_day(DAY)}
    plan = desk.plans.in_force(DAY)
    clock.move(timedelta(hours=1))
    change = desk.accept({"truck-02": [BINS[0], BINS[3]], "truck-05": [BINS[7]]}, dropped=BINS[1:3])
    with pytest.raises(DispatchError, match="undo too late"):
        desk.shifts.undo(YOHANES, change)
    assert [undoable.id for undoable in desk.shifts.undoable(MARIA)] == [change]
    clock.move(timedelta(seconds=10))
    assert desk.shifts.undo(MARIA, change).action == "plan.accept"
    assert {shift.truck: desk.shifts.stops(shift.id) for shift in desk.shifts.of_day(DAY)} == before
    assert desk.plans.in_force(DAY) == plan
    proposal = desk.plans.proposal(DAY)
    assert proposal is not None, "what was accepted is a proposal again"
    assert desk.actions()[-1] == "dispatch.undo"
    with pytest.raises(DispatchError, match="undo too late"):
        desk.shifts.undo(MARIA, change)
    with pytest.raises(DispatchError, match="change unknown"):
        desk.shifts.undo(MARIA, 999)


def test_an_acceptance_is_taken_back_though_there_is_a_newer_proposal(desk: Desk) -> None:
    change = desk.accept(TOURS)
    newer = desk.propose({"truck-05": BINS[:2]})
    desk.shifts.undo(MARIA, change)
    proposal = desk.plans.proposal(DAY)
    assert proposal is not None
    assert proposal.id != newer, "what was taken back is proposed again"
    assert desk.plans.in_force(DAY) is None


def test_a_shift_that_was_closed_is_not_opened_again_beside_a_newer_one(desk: Desk) -> None:
    desk.accept(TOURS)
    change = desk.shifts.close(MARIA, desk.shift().id)
    desk.accept(TOURS)
    with pytest.raises(DispatchError, match="undo too late"):
        desk.shifts.undo(MARIA, change)
    assert [shift.state for shift in desk.shifts.of_day(DAY) if shift.truck == "truck-01"] == ["closed", "planned"]


def test_what_is_longer_ago_stays(desk: Desk, clock: Clock) -> None:
    change = desk.accept(TOURS)
    clock.move(timedelta(seconds=10.5))
    with pytest.raises(DispatchError, match="undo too late"):
        desk.shifts.undo(MARIA, change)
    assert desk.shifts.undoable(MARIA) == []
    assert len(desk.shifts.of_day(DAY)) == 2


def test_a_stop_goes_to_another_truck_and_back(desk: Desk) -> None:
    desk.accept(TOURS)
    stop, target = desk.stops()[0], desk.shift("truck-02")
    change = desk.shifts.assign(MARIA, stop.id, target.id)
    assert subjects(desk.stops("truck-02")) == [*BINS[3:5], stop.subject]
    assert subjects(desk.stops()) == BINS[1:3]
    desk.shifts.undo(MARIA, change)
    assert desk.stops()[0] == stop


def test_what_cannot_be_given_to_a_truck_is_refused(desk: Desk) -> None:
    desk.accept(TOURS)
    stop, shift = desk.stops()[0], desk.shift("truck-02")
    desk.shifts.apply({stop.id: StopVerdict("verified", ())})
    with pytest.raises(DispatchError, match="stop done"):
        desk.shifts.assign(MARIA, stop.id, shift.id)
    with pytest.raises(DispatchError, match="stop unknown"):
        desk.shifts.assign(MARIA, 999, shift.id)
    with pytest.raises(DispatchError, match="shift unknown"):
        desk.shifts.assign(MARIA, desk.stops()[1].id, 999)
    desk.shifts.close(MARIA, shift.id)
    with pytest.raises(DispatchError, match="shift closed"):
        desk.shifts.assign(MARIA, desk.stops()[1].id, shift.id)


def test_a_supervisor_decides_with_a_reason(desk: Desk) -> None:
    desk.accept(TOURS)
    stop = desk.stops()[0]
    for state, reason, refusal in (("verified", " ", "reason missing"), ("planned", "seen", "reason unknown")):
        with pytest.raises(DispatchError, match=refusal):
            desk.shifts.rule(MARIA, stop.id, state, reason)
    change = desk.shifts.rule(MARIA, stop.id, "verified", "seen on the spot")
    assert desk.shifts.stop(stop.id).ruling == StopRuling("verified", NOW, "maria.seran", "seen on the spot")
    desk.shifts.undo(MARIA, change)
    assert desk.shifts.stop(stop.id).ruling is None


def test_each_state_of_a_stop_is_kept_with_its_evidence(desk: Desk, clock: Clock) -> None:
    desk.accept(TOURS)
    stop = desk.stops()[0]
    claimed = StopVerdict("claimed", (StopEvidence("tap", NOW),))
    assert desk.shifts.apply({stop.id: claimed}) == 1
    clock.move(timedelta(minutes=1))
    assert desk.shifts.apply({stop.id: claimed}) == 0, "the same again changes nothing"
    more = StopVerdict("claimed", (*claimed.evidence, StopEvidence("standing", NOW)))
    assert desk.shifts.apply({stop.id: more}) == 1
    assert desk.shifts.stop(stop.id).state_at == NOW, "more evidence is no new state"
    blocked = StopVerdict("not_possible", (StopEvidence("reason", clock(), {"reason": "blocked"}),))
    desk.shifts.apply({stop.id: blocked})
    assert [entry.state for entry in desk.shifts.stop_history(stop.id)] == ["claimed", "not_possible"]
    assert (desk.shifts.stop(stop.id).reason, desk.shifts.stop(stop.id).evidence) == ("blocked", blocked.evidence)
    assert desk.shift().counts.not_possible == 1


# Phones


def test_a_phone_signs_in_by_code_or_key_and_is_known_by_its_token(desk: Desk) -> None:
    desk.accept(TOURS)
    shift = desk.shift()
    code = desk.crews.make_code(MARIA, shift.id)
    assert (len(code.code), code.code.isdecimal()) == (6, True)
    first = desk.crews.enter(f" {code.code} ", "10.1.1.1")
    second = desk.crews.enter(code.key, "10.1.1.2")
    assert first.phone != second.phone
    known = desk.crews.by_token(first.token)
    assert known is not None
    assert (known.shift_id, known.phone, known.token) == (shift.id, first.phone, "")
    assert desk.shift().state == "under_way"
    desk.crews.leave(known)
    assert desk.crews.by_token(first.token) is None
    assert [session.phone for session in desk.crews.sessions(shift.id)] == [second.phone]
    assert desk.crews.enter(code.code, "10.1.1.1", first.token).phone == first.phone, "it stays the same phone"


def test_a_wrong_or_ended_code_is_refused_and_guessing_is_slowed_down(desk: Desk, clock: Clock) -> None:
    desk.accept(TOURS)
    shift = desk.shift()
    old = desk.crews.make_code(MARIA, shift.id)
    new = desk.crews.make_code(MARIA, shift.id)
    for wrong in (old.code, old.key, "", "000000x"):
        with pytest.raises(DispatchError, match="code wrong"):
            desk.crews.enter(wrong, "10.1.1.1")
    for _ in range(20):
        with pytest.raises((DispatchError, TooManyAttemptsError)):
            desk.crews.enter("x", "10.6.6.6")
    with pytest.raises(TooManyAttemptsError):
        desk.crews.enter(new.code, "10.6.6.6")
    assert desk.crews.enter(new.code, "10.1.1.1").shift_id == shift.id
    clock.now = new.expires_at
    with pytest.raises(DispatchError, match="code wrong"):
        desk.crews.enter(new.code, "10.1.1.1")


def test_a_closed_shift_takes_no_phone_and_no_code(desk: Desk) -> None:
    desk.accept(TOURS)
    shift = desk.shift()
    code = desk.crews.make_code(MARIA, shift.id)
    desk.shifts.close(MARIA, shift.id)
    with pytest.raises(DispatchError, match="code wrong"):
        desk.crews.enter(code.code, "10.1.1.1")
    with pytest.raises(DispatchError, match="shift closed"):
        desk.crews.make_code(MARIA, shift.id)


def test_a_code_is_kept_nowhere(desk: Desk) -> None:
    desk.accept(TOURS)
    code = desk.crews.make_code(MARIA, desk.shift().id)
    session = desk.crews.enter(code.code, "10.1.1.1")
    with desk.people.database.read() as connection:
        tables = ("crew_code", "crew_session", "audit", "dispatch_change")
        kept = str([connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in tables])  # noqa: S608 - ours
    assert code.code not in kept
    assert code.key not in kept
    assert session.token not in kept


def test_events_of_a_phone_are_stored_once_for_ever(desk: Desk) -> None:
    desk.accept(TOURS)
    session, stops = desk.phone(), desk.stops()
    events = [tap(session, number, stop.id) for number, stop in enumerate(stops)]
    assert [receipt.outcome for receipt in desk.crews.record(session, events)] == ["stored"] * 3
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda _: desk.crews.record(session, events), range(8)))
    assert {receipt.outcome for receipts in again for receipt in receipts} == {"known"}
    assert rows(desk) == 3
    taps = desk.shifts.taps([desk.shift().id])
    assert [(tapped.stop_id, tapped.kind, tapped.at) for tapped in taps] == [(s.id, "collected", NOW) for s in stops]


def test_what_crews_collected_is_a_visit_with_the_level_that_they_found(desk: Desk, clock: Clock) -> None:
    """Not yet within two minutes, never while the sensor contradicts it, and once however often it is tapped."""
    desk.accept(TOURS)
    session, stops = desk.phone(), desk.stops()
    containers = [stop for stop in stops if stop.kind == "container"]
    first, second = containers[:2]
    soon = NOW + timedelta(seconds=20)
    clock.now = soon
    desk.crews.record(
        session,
        [
            tap(session, 1, first.id),
            tap(session, 2, first.id, at=soon, detail={"fill_pct": 75}),
            tap(session, 3, second.id, detail={"fill_pct": "half"}),
            tap(session, 4, second.id, detail={"fill_pct": 1e9}),
        ],
    )
    long_ago, read = NOW - timedelta(days=1), desk.visits.received_between
    later = soon + COMPLETE_AFTER
    assert read(long_ago, later) == [], "no verdict yet"
    desk.shifts.apply({first.id: StopVerdict("claimed", ()), second.id: StopVerdict("verified", ())})
    assert read(long_ago, soon) == [], "the crew may say more"
    found = [CrewVisit(first.subject, NOW, 75.0), CrewVisit(second.subject, NOW, None)]
    assert sorted(read(long_ago, later), key=lambda visit: visit.found_pct is None) == found
    assert read(later, later) == [], "it came in before"
    desk.shifts.apply({first.id: StopVerdict("contradicted", ())})
    assert [visit.container for visit in read(long_ago, later)] == [second.subject]


def test_phones_that_send_the_same_at_once_store_it_once(desk: Desk) -> None:
    desk.accept(TOURS)
    session, stop = desk.phone(), desk.stops()[0]
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda _: desk.crews.record(session, [tap(session, 7, stop.id)])[0], range(8)))
    assert sorted(receipt.outcome for receipt in receipts) == ["known"] * 7 + ["stored"]
    assert rows(desk) == 1


def test_what_can_never_be_stored_is_refused_and_the_rest_is_stored(desk: Desk) -> None:
    desk.accept(TOURS)
    session, stop, others = desk.phone(), desk.stops()[0], desk.stops("truck-02")[0]
    landfill = desk.shifts.stops(desk.shift().id)[-1]
    events = [
        tap(session, 1, 999),
        tap(session, 2, others.id),
        tap(session, 3, stop.id, "not_possible"),
        tap(session, 4, stop.id, detail={"text": "x" * 3_000}),
        msgspec.structs.replace(tap(session, 5, stop.id), phone="another"),
        tap(session, 6, landfill.id),
        tap(session, 7, stop.id),
    ]
    receipts = desk.crews.record(session, events)
    assert [receipt.reason for receipt in receipts] == [
        "stop_unknown",
        "stop_of_others",
        "reason_missing",
        "detail_too_long",
        "phone_wrong",
        "stop_unknown",
        "",
    ]
    assert receipts[-1].outcome == "stored"
    assert rows(desk) == 1


def test_what_a_phone_tapped_offline_counts_though_the_stop_has_gone_to_another_truck(desk: Desk, clock: Clock) -> None:
    desk.accept(TOURS)
    session, stop = desk.phone(), desk.stops()[0]
    clock.move(timedelta(hours=1))
    desk.accept({"truck-02": [stop.subject]}, dropped=[*BINS[1:5]])
    (receipt,) = desk.crews.record(session, [tap(session, 1, stop.id)])
    assert receipt.outcome == "stored"


def test_a_clock_that_is_ahead_tells_no_time(desk: Desk) -> None:
    desk.accept(TOURS)
    session, stop = desk.phone(), desk.stops()[0]
    desk.crews.record(session, [tap(session, 1, stop.id, at=NOW + timedelta(days=400))])
    (stored,) = desk.shifts.taps([desk.shift().id])
    assert stored.at == NOW


# Retention


def test_what_was_closed_long_ago_is_forgotten_with_all_that_belongs_to_it(desk: Desk, clock: Clock) -> None:
    desk.accept(TOURS)
    desk.accept({"truck-01": BINS[:3], "truck-02": BINS[3:5]})
    session, stop, kept = desk.phone(), desk.stops()[0], desk.shift("truck-02")
    desk.crews.record(session, [tap(session, 1, stop.id)])
    desk.shifts.send_message(MARIA, desk.shift().id, "come back")
    desk.shifts.apply({stop.id: StopVerdict("claimed", ())})
    desk.shifts.close(MARIA, desk.shift().id)
    clock.move(timedelta(days=3))
    database = desk.people.database
    assert forget_before(database, NOW, clock()) == 0
    assert forget_before(database, NOW + timedelta(days=2), clock()) == 1
    assert [shift.id for shift in desk.shifts.of_day(DAY)] == [kept.id], "what is open stays"
    assert (rows(desk), desk.shifts.stop_history(stop.id)) == (0, [])
    assert desk.plans.in_force(DAY) is not None, "a shift has it"
    desk.shifts.close(MARIA, kept.id)
    clock.move(timedelta(days=3))
    assert forget_before(database, clock() - timedelta(days=1), clock()) == 1
    assert desk.plans.in_force(DAY) is None
    assert desk.actions()[-1] == "shift.close", "the audit stays"


# Messages


def test_a_message_reaches_its_crew_and_says_when_it_was_read(desk: Desk) -> None:
    desk.accept(TOURS)
    session, shift = desk.phone(), desk.shift()
    with pytest.raises(DispatchError, match="message empty"):
        desk.shifts.send_message(MARIA, shift.id, "  ")
    change = desk.shifts.send_message(MARIA, shift.id, "jalan ditutup")
    (message,) = desk.shifts.messages(shift.id)
    assert (message.text, message.sent_by, message.read_at) == ("jalan ditutup", "maria.seran", None)
    assert desk.shifts.messages(desk.shift("truck-02").id) == []
    desk.crews.record(session, [tap(session, 1, None, "message_read", detail={"message": message.id})])
    assert desk.shifts.messages(shift.id)[0].read_at == NOW
    desk.shifts.undo(MARIA, change)
    assert desk.shifts.messages(shift.id) == []


def test_the_number_of_a_crew_is_noted(desk: Desk) -> None:
    desk.accept(TOURS)
    desk.shifts.name_crew(MARIA, desk.shift().id, "Regu 3")
    assert desk.shift().crew == "Regu 3"
