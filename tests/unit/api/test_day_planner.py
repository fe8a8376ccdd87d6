"""Plans in the background: proposals from forecasts and inventory, failures that change no plan, one job of a kind."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from api.queries.collections import LastCollections
from api.queries.day_inputs import DayInputs, DaySources
from api.queries.day_planner import DayPlanner
from city.errors import RetryLaterError
from city.inventory.loader import builtin_city
from city.inventory.provider import LiveInventory
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.policy import load_policy
from dispatch.planning.process import PlanFailedError
from dispatch.planning.service import Planner
from dispatch.planning.travel import BlockedArea
from dispatch.planning.worker import PlanRequest
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.plans import PlanRecord
from dispatch.shifts.service import Shifts
from dispatch.verification.states import StopVerdict
from people.audit import Origin
from tests.support.dispatching import DAWN, DAY, an_order, plan_by_hand, small_city
from tests.unit.api.conftest import Stage, plan_here

MARIA = Origin("a1", "maria.seran")
CITY = small_city()
BINS = list(CITY.bins)
NINE = DAWN + timedelta(hours=4)


class PlanningDesk:
    """A planner of a small city over a stage."""

    def __init__(self, stage: Stage, planner: Planner = plan_here, now: datetime = DAWN) -> None:
        self.stage, self.now = stage, now
        self.sources = DaySources(stage.store, stage.forecasts, LastCollections(), stage.dispatch, set)
        self.planner = DayPlanner(
            LiveInventory(CITY),
            builtin_city("kupang"),
            stage.folder,
            self.sources,
            stage.people.audit,
            lambda: self.now,
            planner,
        )

    def plan(self, day: date = DAY) -> PlanRecord | None:
        self.planner.start(MARIA, day)
        self.planner.carry_out("day")
        return self.stage.dispatch.plans.proposal(day)

    def accept(self) -> PlanRecord:
        record = self.plan()
        assert record is not None
        self.shifts.accept(MARIA, record.id, CITY)
        return record

    def replan(self, **happened: Any) -> PlanRecord:
        self.planner.start_replan(MARIA, DAY, **happened)
        self.planner.carry_out("replan")
        assert self.planner.status("replan").failure == "", self.planner.status("replan")
        record = self.stage.dispatch.plans.proposal(DAY)
        assert record is not None
        return record

    @property
    def shifts(self) -> Shifts:
        return self.stage.dispatch.shifts


@pytest.fixture
def desk(stage: Stage) -> PlanningDesk:
    return PlanningDesk(stage)


def failing(exc: Exception) -> Planner:
    def fail(_request: PlanRequest, _deadline_s: float) -> CollectionPlan:
        raise exc

    return fail


def test_a_day_is_planned_from_inventory_and_forecasts_and_waits_as_a_proposal(desk: PlanningDesk) -> None:
    record = desk.plan()
    assert record is not None
    assert {visit.id for route in record.plan.plan.routes for visit in route.visits} >= set(BINS)
    assert {stop.id for stop in record.plan.problem.stops} == set(BINS), "unknown is not zero"
    assert desk.stage.dispatch.plans.in_force(DAY) is None
    assert desk.shifts.of_day(DAY) == []
    assert desk.planner.status("day").running is None


def test_an_open_order_is_on_the_plan_and_becomes_a_stop_of_its_own(desk: PlanningDesk) -> None:
    desk.stage.dispatch.orders.make([an_order("c-9")])
    desk.accept()
    (stop,) = [stop for stop in desk.shifts.open_stops() if stop.kind == "order"]
    (order,) = desk.stage.dispatch.orders.find()
    assert (stop.subject, stop.order_id, stop.name) == ("c-9", order.id, "TPS Oesapa")
    assert (order.state, order.stop_id, order.shift_id) == ("assigned", stop.id, stop.shift_id)


def test_a_re_plan_takes_a_truck_out_leaves_what_is_done_and_names_the_changes(desk: PlanningDesk) -> None:
    old = desk.accept()
    stops = desk.shifts.open_stops()
    desk.shifts.apply({stops[0].id: StopVerdict("verified", ())})
    busiest = max(old.plan.plan.routes, key=lambda route: len(route.visits)).truck
    desk.now = DAWN + timedelta(hours=1, minutes=10)
    new = desk.replan(trucks_out=[busiest])
    assert new.based_on == old.id
    assert busiest not in {route.truck for route in new.plan.plan.routes}
    assert stops[0].subject not in new.plan.candidates
    assert {change.reason for change in new.plan.changes} & {"truck_out", "no_capacity", "not_worth", "closed"}
    desk.shifts.accept(MARIA, new.id, CITY)
    assert stops[0].id in {stop.id for stop in desk.shifts.open_stops()}


def test_what_was_told_of_a_day_stays_for_the_next_re_plan(desk: PlanningDesk) -> None:
    desk.accept()
    desk.now = DAWN + timedelta(hours=1, minutes=10)
    circle = BlockedArea(-10.2, 123.5, 50.0)
    first = desk.replan(trucks_out=["truck-01"], blocked=[circle])
    desk.shifts.accept(MARIA, first.id, CITY)
    desk.now += timedelta(minutes=1)
    second = desk.replan()
    assert (second.circumstances.trucks_out, second.circumstances.blocked) == (("truck-01",), (circle,))


def test_a_truck_that_reports_a_breakdown_is_left_out_by_itself(desk: PlanningDesk) -> None:
    desk.accept()
    desk.stage.happen("truck-02", "breakdown", "raised", DAWN)
    desk.now = DAWN + timedelta(hours=1, minutes=10)
    assert desk.replan().circumstances.trucks_out == ("truck-02",)
    desk.stage.happen("truck-02", "breakdown", "cleared", DAWN + timedelta(hours=1, minutes=20))
    desk.now += timedelta(hours=1)
    assert "truck-02" not in desk.replan().circumstances.trucks_out


def test_trucks_are_planned_from_where_they_are_and_with_what_they_carry(desk: PlanningDesk) -> None:
    old = desk.accept()
    route = max(old.plan.plan.routes, key=lambda route: len(route.visits))
    done = [stop for stop in desk.shifts.open_stops() if stop.subject == route.visits[0].id]
    desk.shifts.apply({stop.id: StopVerdict("verified", ()) for stop in done})
    desk.now = NINE
    desk.stage.measure(route.truck, NINE - timedelta(minutes=1), lat_deg=-10.3, lon_deg=123.4)
    truck = next(truck for truck in desk.replan().plan.problem.trucks if truck.id == route.truck)
    assert sum(truck.on_board.values()) > 0
    assert truck.collected_stops == 1
    landfill = next(site for site in CITY.sites.values() if site.kind == "landfill")
    at = desk.stage.dispatch.shifts.stop(done[0].id).state_at + timedelta(minutes=10)
    desk.stage.measure(route.truck, at, lat_deg=landfill.lat_deg, lon_deg=landfill.lon_deg)
    desk.now = at + timedelta(minutes=10)
    inputs = DayInputs(desk.sources, CITY, load_policy(), DAY, desk.now)
    state = inputs.state(old.circumstances, old)
    assert state.trucks[route.truck].on_board_kg == {}, "it has been at the landfill since"


@pytest.mark.parametrize(
    ("exc", "failure"),
    [
        (PlanFailedError("deadline", "not done"), "deadline"),
        (PlanFailedError("crash", "exit 1"), "crash"),
        (PlanFailedError("faulty", "a rule is broken"), "faulty"),
        (RetryLaterError("it is away"), "away"),
    ],
)
def test_a_failure_leaves_every_plan_as_it_is_and_says_why(stage: Stage, exc: Exception, failure: str) -> None:
    PlanningDesk(stage).accept()
    current = stage.dispatch.plans.in_force(DAY)
    proposal = PlanningDesk(stage).plan()
    desk = PlanningDesk(stage, failing(exc))
    assert desk.plan() == proposal
    status = desk.planner.status("day")
    assert (status.running, status.failure) == (None, failure)
    assert str(exc) in status.detail
    desk.planner.start_replan(MARIA, DAY)
    desk.planner.carry_out("replan")
    assert desk.planner.status("replan").failure == failure
    assert (stage.dispatch.plans.in_force(DAY), stage.dispatch.plans.proposal(DAY)) == (current, proposal)


def test_after_all_shifts_there_is_nothing_to_plan_and_that_is_said(stage: Stage) -> None:
    desk = PlanningDesk(stage, now=DAWN + timedelta(hours=15))
    assert desk.plan() is None
    assert desk.planner.status("day").failure == "city"
    assert "no truck is in service" in desk.planner.status("day").detail


def test_one_job_of_a_kind_runs_and_another_waits_for_none(desk: PlanningDesk) -> None:
    desk.accept()
    desk.planner.start(MARIA, DAY + timedelta(days=1))
    with pytest.raises(DispatchError, match="planning busy"):
        desk.planner.start(MARIA, DAY)
    desk.planner.start_replan(MARIA, DAY)
    with pytest.raises(DispatchError, match="planning busy"):
        desk.planner.start_replan(MARIA, DAY)


def test_what_cannot_be_planned_is_refused_at_once(desk: PlanningDesk) -> None:
    with pytest.raises(DispatchError, match="day past"):
        desk.planner.start(MARIA, DAY - timedelta(days=1))
    with pytest.raises(DispatchError, match="no plan"):
        desk.planner.start_replan(MARIA, DAY)
    plan = plan_by_hand(CITY, {"truck-01": BINS[:2]})
    desk.shifts.accept(MARIA, desk.stage.dispatch.plans.propose(plan), CITY)
    with pytest.raises(DispatchError, match="truck unknown"):
        desk.planner.start_replan(MARIA, DAY, ["truck-99"])
    assert [entry.action for entry in desk.stage.people.audit.search()].count("plan.make") == 0


def test_who_asks_for_a_plan_is_in_the_audit(desk: PlanningDesk) -> None:
    desk.plan()
    (entry,) = desk.stage.people.audit.search(action="plan.make")
    assert (entry.actor, entry.object, entry.detail["kind"]) == ("a1", f"day:{DAY}", "day")


def test_the_thread_plans_what_is_asked_and_ends(desk: PlanningDesk) -> None:
    stop, planned = threading.Event(), threading.Event()
    beats: list[str] = []

    def beat(doing: str = "", *, patience_s: float = 60.0) -> None:
        del patience_s
        beats.append(doing)
        if beats[-2:] == ["planning", ""]:
            planned.set()

    thread = threading.Thread(target=desk.planner.keep_planning, args=("day", stop, beat))
    thread.start()
    desk.planner.start(MARIA, DAY)
    assert planned.wait(60)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert desk.stage.dispatch.plans.proposal(DAY) is not None
