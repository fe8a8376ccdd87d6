"""The thread of dispatch: stops by what the store gets, alarms, work orders of cases, re-plans after breakdowns."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from api.queries.dispatch_board import DispatchBoard
from api.queries.dispatch_day import CLOSED_AFTER, DispatchDay
from api.queries.fill_forecasts import FillForecasts
from api.queries.overflows import expected_overflows
from city.errors import RetryLaterError
from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.rules import load_rules
from dispatch.orders.records import WorkOrder
from dispatch.shifts.records import PhoneEvent, Stop
from ingest.store.port import EventQuery
from ingest.store.records import EventRecord, Record
from people.audit import Origin
from tests.support.dispatching import DAWN, DAY, plan_by_hand
from tests.unit.api.conftest import CITY, Stage

RULES = load_rules()
MARIA = Origin("a1", "maria.seran")
SEVEN = DAWN + timedelta(hours=2)
"""Seven in the morning; shifts are from six to fourteen."""
BINS = list(CITY.bins)[:8]
MINUTE = timedelta(minutes=1)


class Watch:
    """The thread's looks at a stage, at times that a test chooses."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.board = DispatchBoard()
        self.now = SEVEN
        self._day = DispatchDay(dataclasses.replace(stage.context(), clock=lambda: self.now), self.board)

    def look(self, now: datetime = SEVEN) -> None:
        """Look at a time."""
        self.now = self.stage.planning_at = now
        self._day.look()
        if self.board.failure:
            raise RetryLaterError(self.board.failure)

    def stop(self, subject: str = BINS[0]) -> Stop:
        return next(stop for stop in self.stage.dispatch.shifts.stops_of_day(DAY) if stop.subject == subject)

    def first_stops(self) -> list[Stop]:
        return self.stage.dispatch.shifts.open_stops()

    def conditions(self, now: datetime = SEVEN) -> dict[tuple[str, str], AlarmCondition]:
        return {condition.key: condition for condition in self.board.conditions(RULES, now)}

    def order(self) -> WorkOrder:
        (order,) = self.stage.dispatch.orders.find()
        return order


@pytest.fixture
def watch(stage: Stage) -> Watch:
    plan = plan_by_hand(CITY, {"truck-01": BINS[:3], "truck-02": BINS[3:5]})
    stage.dispatch.shifts.accept(MARIA, stage.dispatch.plans.propose(plan), CITY)
    return Watch(stage)


def collect(stage: Stage, bin_: str, at: datetime, truck: str = "truck-01") -> None:
    stage.happen(truck, "collected", "noted", at, bin=bin_, from_pct=80.0, to_pct=2.0)


def fill(stage: Stage, bin_: str, *levels: tuple[datetime, float]) -> None:
    for at, level in levels:
        stage.measure(bin_, at, fill_pct=level)


def tap(stage: Stage, watch: Watch, kind: Any = "collected", at: datetime = SEVEN, **fields: Any) -> None:
    """The crew of truck-01 taps at its first stop."""
    shift = next(shift for shift in stage.dispatch.shifts.of_day(DAY) if shift.truck == "truck-01")
    session = stage.dispatch.crews.enter(stage.dispatch.crews.make_code(MARIA, shift.id).code, "10.0.0.9")
    stop = watch.stop().id if kind in ("collected", "not_possible", "photo") else None
    event = PhoneEvent(phone=session.phone, boot="b", seq=1, at=at, kind=kind, stop=stop, **fields)
    (receipt,) = stage.dispatch.crews.record(session, [event])
    assert receipt.outcome == "stored", receipt


# Stops


def test_a_lift_that_a_truck_counted_verifies_the_stop_of_its_container(watch: Watch, stage: Stage) -> None:
    collect(stage, BINS[0], SEVEN)
    watch.look(SEVEN + MINUTE)
    assert watch.stop().state == "verified"
    assert [piece.kind for piece in watch.stop().evidence] == ["lift"]
    assert [entry.state for entry in stage.dispatch.shifts.stop_history(watch.stop().id)] == ["verified"]
    assert Counter(stop.state for stop in watch.board.stops)["verified"] == 1


def test_a_truck_that_stands_there_and_works_claims_the_stop(watch: Watch, stage: Stage) -> None:
    bin_ = CITY.bins[BINS[0]]
    assert bin_.lat_deg is not None
    assert bin_.lon_deg is not None
    for second in range(0, 300, 10):
        at = SEVEN + timedelta(seconds=second)
        stage.measure("truck-01", at, lat_deg=bin_.lat_deg, lon_deg=bin_.lon_deg, speed_kmh=0.0, pto=True)
    watch.look(SEVEN + timedelta(minutes=10))
    assert watch.stop().state == "claimed"
    assert {"standing", "working"} <= {piece.kind for piece in watch.stop().evidence}


def test_a_claim_is_contradicted_by_the_level_and_verified_when_it_falls_later(watch: Watch, stage: Stage) -> None:
    fill(stage, BINS[0], (SEVEN - timedelta(minutes=20), 81.0), (SEVEN - timedelta(minutes=10), 81.0))
    tap(stage, watch)
    watch.look(SEVEN + MINUTE)
    assert watch.stop().state == "claimed"
    fill(stage, BINS[0], *((SEVEN + timedelta(minutes=10 * n), 82.0) for n in range(2, 6)))
    watch.look(SEVEN + timedelta(hours=1))
    assert watch.stop().state == "contradicted"
    condition = watch.conditions(SEVEN + timedelta(hours=1))["stop_contradicted", BINS[0]]
    assert (condition.subject_kind, condition.detail["truck"]) == ("bin", "truck-01")
    collect(stage, BINS[0], SEVEN + timedelta(minutes=70))
    fill(stage, BINS[0], *((SEVEN + timedelta(minutes=80 + 10 * n), 3.0) for n in range(3)))
    watch.look(SEVEN + timedelta(minutes=110))
    assert watch.stop().state == "verified"
    assert ("stop_contradicted", BINS[0]) not in watch.conditions(SEVEN + timedelta(minutes=110))


def test_a_reason_makes_a_stop_not_possible(watch: Watch, stage: Stage) -> None:
    tap(stage, watch, "not_possible", reason="blocked")
    watch.look(SEVEN + MINUTE)
    assert (watch.stop().state, watch.stop().reason) == ("not_possible", "blocked")


def test_a_supervisor_outweighs_signals(watch: Watch, stage: Stage) -> None:
    stage.dispatch.shifts.rule(MARIA, watch.stop().id, "verified", "seen on the spot")
    watch.look(SEVEN + timedelta(days=1))
    assert watch.stop().state == "verified"
    assert [piece.kind for piece in watch.stop().evidence] == ["supervisor"]


def test_a_missed_stop_is_an_alarm_within_15_minutes_and_recovers_when_it_is_emptied(
    watch: Watch, stage: Stage
) -> None:
    for bin_ in BINS[1:5]:
        collect(stage, bin_, SEVEN)
    end = watch.stop().window_to
    watch.look(end)
    assert watch.stop().state in ("planned", "under_way")
    late = end + timedelta(minutes=14)
    watch.look(late)
    assert watch.stop().state == "missed"
    condition = watch.conditions(late)["stop_missed", BINS[0]]
    assert (condition.since, condition.detail["shift"]) == (end, watch.stop().shift_id)
    collect(stage, BINS[0], end + timedelta(hours=3), "truck-05")
    watch.look(end + timedelta(hours=4))
    assert watch.stop().state == "recovered"
    assert not [key for key in watch.conditions(end + timedelta(hours=4)) if key[0] == "stop_missed"]


def test_many_missed_stops_of_a_shift_are_one_alarm_of_its_truck(stage: Stage) -> None:
    plan = plan_by_hand(CITY, {"truck-01": BINS[:7]})
    stage.dispatch.shifts.accept(MARIA, stage.dispatch.plans.propose(plan), CITY)
    watch = Watch(stage)
    late = watch.stop().window_to + timedelta(minutes=20)
    watch.look(late)
    missed = [condition for key, condition in watch.conditions(late).items() if key[0] == "stop_missed"]
    assert [(condition.subject, condition.detail["missed"]) for condition in missed] == [("truck-01", 7)]


def test_a_truck_that_is_not_heard_of_and_a_tour_that_is_late_are_alarms(watch: Watch, stage: Stage) -> None:
    stage.measure("truck-01", SEVEN - MINUTE, lat_deg=-10.0, lon_deg=123.5)
    watch.look(SEVEN)
    keys = set(watch.conditions())
    assert ("truck_silent_on_tour", "truck-02") in keys
    assert ("truck_silent_on_tour", "truck-01") not in keys
    assert ("tour_late", "truck-01") in keys, "its first stop was planned an hour ago"
    early = DAWN + timedelta(minutes=70)
    watch.look(early)
    assert ("tour_late", "truck-01") not in watch.conditions(early)


def test_while_the_store_is_away_nothing_changes(watch: Watch, stage: Stage) -> None:
    collect(stage, BINS[0], SEVEN)
    watch.look(SEVEN + MINUTE)

    class Away:
        def __getattr__(self, _name: str) -> Any:
            raise RetryLaterError("the store is away")

    away: Any = Away()
    board = DispatchBoard()
    context = dataclasses.replace(stage.context(now=SEVEN + timedelta(days=1)), reader=away)
    DispatchDay(context, board).look()
    assert board.failure == "the store is away"
    assert watch.stop().state == "verified"
    assert Counter(stop.state for stop in stage.dispatch.shifts.open_stops())["missed"] == 0


def test_without_an_open_shift_only_cases_are_read(stage: Stage) -> None:
    asked: list[str] = []

    class Counting:
        def events(self, query: EventQuery) -> list[EventRecord]:
            asked.append(str(query.kind))
            return stage.store.events(query)

        def export(self, *_args: Any, **_named: Any) -> Iterator[Record]:
            raise AssertionError("positions are read")

        def latest(self, **_named: Any) -> list[Any]:
            raise AssertionError("devices are read")

    reader: Any = Counting()
    board = DispatchBoard()
    DispatchDay(dataclasses.replace(stage.context(), reader=reader), board).look()
    assert (board.failure, set(asked)) == ("", {"camera"})


def test_a_shift_is_closed_long_after_its_end(watch: Watch, stage: Stage) -> None:
    end = max(shift.ends_at for shift in stage.dispatch.shifts.open())
    watch.look(end + CLOSED_AFTER - MINUTE)
    assert len(stage.dispatch.shifts.open()) == 2
    watch.look(end + CLOSED_AFTER)
    assert stage.dispatch.shifts.open() == []
    assert {shift.state for shift in stage.dispatch.shifts.of_day(DAY)} == {"closed"}


def test_a_container_that_fills_up_before_anybody_comes_is_expected_to_overflow(watch: Watch, stage: Stage) -> None:
    soon, on_tour, slow = BINS[6], BINS[1], BINS[7]
    for hour in range(24 * 10):
        at = SEVEN - timedelta(hours=hour)
        for bin_, rate in ((soon, 4.0), (on_tour, 4.0), (slow, 0.1)):
            # Emptied twenty hours ago, and each day before.
            stage.measure(bin_, at, fill_pct=max(rate * ((20 - hour) % 24), 1.0))
    for day in range(10):
        for bin_ in (soon, on_tour, slow):
            collect(stage, bin_, SEVEN - timedelta(hours=20 + 24 * day))
    forecasts = FillForecasts(stage.store, stage.inventory, lambda: SEVEN)
    forecasts.look()
    context = dataclasses.replace(stage.context(), clock=lambda: SEVEN, forecasts=forecasts)
    expected = {overflow.container for overflow in expected_overflows(context, watch.first_stops(), SEVEN)}
    assert soon in expected
    assert not expected & {on_tour, slow}, "the tour comes in time; the other has time"


# Work orders


def dump(stage: Stage, case: str = "c-1", at: datetime = SEVEN, verdict: str = "confirmed", box: Any = None) -> None:
    """A case at a camera, judged by a person."""
    detail = {"box": box or [10, 10, 50, 50], "frame": [640, 480], "since": at.isoformat()}
    stage.happen("cam-01", "dumping", at=at, case=case, **detail)
    judge(stage, case, at + MINUTE, verdict)


def judge(stage: Stage, case: str, at: datetime, verdict: str) -> None:
    stage.happen("cam-01", "review", "noted", at, case=case, verdict=verdict, by="maria.seran", reason="")


def test_a_confirmed_case_is_one_order_and_is_closed_when_the_camera_sees_it_go(watch: Watch, stage: Stage) -> None:
    dump(stage)
    for minute in range(2, 5):
        watch.look(SEVEN + minute * MINUTE)
    order = watch.order()
    site = CITY.sites[CITY.cameras["cam-01"].site]
    assert (order.subject, order.state, order.place, order.created_by) == ("c-1", "open", site.name, "maria.seran")
    gone = SEVEN + timedelta(hours=1)
    stage.happen("cam-01", "dumping", "cleared", gone, case="c-1")
    watch.look(gone + MINUTE)
    order = watch.order()
    assert (order.state, order.closed_by, order.removed_at) == ("closed", "removed", gone)
    assert [entry.what for entry in stage.dispatch.orders.history(order.id)] == ["made", "closed"]


@pytest.mark.parametrize("verdict", ["rejected", "reopened"])
def test_a_case_that_nobody_confirms_is_no_order(watch: Watch, stage: Stage, verdict: str) -> None:
    dump(stage, verdict=verdict)
    watch.look(SEVEN + 5 * MINUTE)
    assert stage.dispatch.orders.find() == []


def test_an_order_that_a_photo_closed_is_opened_again_while_the_camera_sees_the_pile(
    watch: Watch, stage: Stage
) -> None:
    dump(stage)
    watch.look(SEVEN + 2 * MINUTE)
    order = watch.order()
    photo = SEVEN + timedelta(hours=1)
    stage.dispatch.orders.close_with_proof(order.id, "photo", photo, {})
    watch.look(SEVEN + timedelta(hours=2))
    assert watch.order().state == "closed", "by the clock of the database it is closed just now"
    later = (watch.order().closed_at or SEVEN) + timedelta(minutes=31)
    watch.look(later)
    assert watch.order().state == "reopened"
    assert stage.dispatch.orders.history(order.id)[-1].detail == {"still_seen": True}


def test_what_a_supervisor_closed_stays_closed(watch: Watch, stage: Stage) -> None:
    dump(stage)
    watch.look(SEVEN + 2 * MINUTE)
    stage.dispatch.orders.close(MARIA, watch.order().id, "a contractor fetches it")
    watch.look((watch.order().closed_at or SEVEN) + timedelta(days=1))
    assert watch.order().state == "closed"


def test_a_pile_that_is_back_opens_its_order_again_instead_of_another(watch: Watch, stage: Stage) -> None:
    dump(stage)
    watch.look(SEVEN + 2 * MINUTE)
    gone = SEVEN + timedelta(hours=1)
    stage.happen("cam-01", "dumping", "cleared", gone, case="c-1")
    watch.look(gone + MINUTE)
    dump(stage, "c-2", gone + timedelta(hours=2), box=[12, 12, 50, 50])
    watch.look(gone + timedelta(hours=3))
    assert (watch.order().state, watch.order().seen_as) == ("reopened", "c-2")
    stage.happen("cam-01", "dumping", "cleared", gone + timedelta(hours=4), case="c-2")
    watch.look(gone + timedelta(hours=5))
    assert (watch.order().state, watch.order().closed_by) == ("closed", "removed")


def test_a_pile_on_another_place_is_another_order(watch: Watch, stage: Stage) -> None:
    dump(stage)
    watch.look(SEVEN + 2 * MINUTE)
    gone = SEVEN + timedelta(hours=1)
    stage.happen("cam-01", "dumping", "cleared", gone, case="c-1")
    dump(stage, "c-2", gone + timedelta(hours=2), box=[300, 300, 50, 50])
    watch.look(gone + timedelta(hours=3))
    assert {order.subject: order.state for order in stage.dispatch.orders.find()} == {"c-1": "closed", "c-2": "open"}


def test_a_photo_at_the_stop_of_an_order_closes_it(watch: Watch, stage: Stage) -> None:
    dump(stage)
    watch.look(SEVEN + 2 * MINUTE)
    shift = next(shift for shift in stage.dispatch.shifts.open() if shift.truck == "truck-01")
    stage.dispatch.orders.assign(MARIA, watch.order().id, shift.id)
    stop = watch.stop("c-1")
    session = stage.dispatch.crews.enter(stage.dispatch.crews.make_code(MARIA, shift.id).code, "10.0.0.9")
    at = stop.window_from + 5 * MINUTE
    event = PhoneEvent(phone=session.phone, boot="b", seq=1, at=at, kind="photo", stop=stop.id)
    stage.dispatch.crews.record(session, [event])
    watch.look(at + MINUTE)
    watch.look(at + 2 * MINUTE)
    assert (watch.stop("c-1").state, watch.order().state, watch.order().closed_by) == ("verified", "closed", "photo")


# Re-plans


def test_a_breakdown_on_tour_asks_for_a_re_plan_once(watch: Watch, stage: Stage) -> None:
    stage.happen("truck-02", "breakdown", "raised", SEVEN)
    watch.look(SEVEN + MINUTE)
    running = stage.planner.status("replan").running
    assert running is not None
    assert running.circumstances.trucks_out == ("truck-02",)
    assert stage.planner.status("day").running is None
    watch.look(SEVEN + 2 * MINUTE)
    assert [entry.action for entry in stage.people.audit.search()].count("plan.make") == 1


def test_the_crew_s_breakdown_button_asks_for_one_too(watch: Watch, stage: Stage) -> None:
    tap(stage, watch, "breakdown")
    watch.look(SEVEN + MINUTE)
    running = stage.planner.status("replan").running
    assert running is not None
    assert running.circumstances.trucks_out == ("truck-01",)
