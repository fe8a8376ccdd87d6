"""Re-planning: what differs between two plans and why, in both languages; failures that change nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from city.i18n.catalogue import LANGS
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from dispatch.planning.checker import check_plan
from dispatch.planning.day import DayBuilder, DayState, StopCandidate, TruckState, WasteCase
from dispatch.planning.differences import Circumstances, StopChange, StopSlot, compare_plans
from dispatch.planning.explain import describe_change, describe_failure, describe_source, describe_stop
from dispatch.planning.outlook import ContainerOutlook
from dispatch.planning.plan import CollectionPlan, DroppedStop, TruckRoute, Visit
from dispatch.planning.planner import make_plan
from dispatch.planning.plans import StoredPlan
from dispatch.planning.policy import load_policy
from dispatch.planning.present import present_states
from dispatch.planning.process import PlanFailedError
from dispatch.planning.service import PlanningService
from dispatch.planning.travel import BlockedArea, StraightLineTravel
from dispatch.planning.worker import PlanRequest

replace = msgspec.structs.replace
ZONE = ZoneInfo("Asia/Makassar")
TODAY = date(2026, 12, 1)
DAWN = datetime(2026, 11, 30, 21, 0, tzinfo=UTC)
HOUR_S = 3600.0
OUTLOOK = ContainerOutlook(60.0, 0.6)


@pytest.fixture(scope="module")
def city() -> City:
    """Twenty-four containers in four kelurahan, and three trucks."""
    kupang = load_city(builtin_city("kupang"))
    trucks = {name: kupang.devices[name] for name in ("truck-01", "truck-02", "truck-05")}
    bins = {bin_.id: bin_ for bin_ in list(kupang.bins.values())[:24]}
    return kupang.with_devices({**trucks, **bins})


def plan_here(request: PlanRequest, deadline_s: float) -> CollectionPlan:
    del deadline_s
    return make_plan(request.problem, 0.5, seed=request.seed, start=request.start)


def service_of(city: City) -> PlanningService:
    policy = load_policy()
    builder = DayBuilder(city, policy, StraightLineTravel(city, policy.speed_kmh))
    return PlanningService(builder, plan_here)


def plan_in_force(service: PlanningService, city: City) -> StoredPlan:
    return service.plan_day(TODAY, dict.fromkeys(city.bins, OUTLOOK), {}, DAWN)


def at_nine(plan: StoredPlan) -> tuple[dict[str, TruckState], frozenset[str]]:
    """Where trucks are at nine: each has collected what its plan says, and stands in the middle of the city."""
    stops = {stop.id for stop in plan.problem.stops}
    visits = [visit for route in plan.plan.routes for visit in route.visits if visit.leaves_s <= 9 * HOUR_S]
    done = frozenset(visit.id for visit in visits if visit.id in stops)
    positions = {route.truck: (-10.18, 123.58) for route in plan.plan.routes}
    return present_states(plan, positions, done, 9 * HOUR_S), done


def test_a_breakdown_moves_what_is_left_to_other_trucks_and_says_why(city: City) -> None:
    service = service_of(city)
    old = plan_in_force(service, city)
    states, _ = at_nine(old)
    broken = max(old.plan.routes, key=lambda route: len(route.visits)).truck
    states.pop(broken)
    state = DayState(now_s=6.2 * HOUR_S, trucks_out=frozenset({broken}))
    new = service.replan(old, dict.fromkeys(city.bins, OUTLOOK), {}, state, DAWN + timedelta(hours=1))
    assert check_plan(new.problem, new.plan) == []
    assert broken not in {route.truck for route in new.plan.routes}
    moved = [change for change in new.changes if change.kind == "truck"]
    assert moved
    assert {change.reason for change in moved if change.before and change.before.truck == broken} == {"truck_out"}


def test_what_is_done_stays_done_and_loads_are_unloaded(city: City) -> None:
    service = service_of(city)
    old = plan_in_force(service, city)
    states, done = at_nine(old)
    assert any(state.on_board_kg for state in states.values())
    state = DayState(now_s=9 * HOUR_S, trucks=states, done=done)
    new = service.replan(old, dict.fromkeys(city.bins, OUTLOOK), {}, state, DAWN + timedelta(hours=4))
    assert check_plan(new.problem, new.plan) == []
    assert not done & {visit.id for route in new.plan.routes for visit in route.visits}
    assert not done & {change.id for change in new.changes}
    loaded = {truck for truck, state in states.items() if any(state.on_board_kg.values())}
    assert loaded <= {route.truck for route in new.plan.routes} | set(new.plan.still_loaded)


def test_a_new_case_and_a_blocked_street_are_told(city: City) -> None:
    service = service_of(city)
    old = plan_in_force(service, city)
    served = next(visit.id for route in old.plan.routes for visit in route.visits if visit.kind == "stop")
    bin_ = city.bins[served]
    assert bin_.lat_deg is not None
    assert bin_.lon_deg is not None
    state = DayState(
        now_s=6 * HOUR_S,
        cases=(WasteCase("case-7", -10.2, 123.57, "alak", 100.0),),
        blocked=(BlockedArea(bin_.lat_deg, bin_.lon_deg, 50.0),),
    )
    new = service.replan(old, dict.fromkeys(city.bins, OUTLOOK), {}, state, DAWN + timedelta(hours=1))
    changes = {change.id: change for change in new.changes}
    assert (changes["case-7"].kind, changes["case-7"].reason) == ("added", "new_case")
    assert (changes[served].kind, changes[served].reason) == ("dropped", "street_blocked")
    texts = [describe_change(change, old, new, ZONE, lang) for change in new.changes for lang in LANGS]
    assert all(text and "{" not in text for text in texts)


def test_without_a_change_nothing_moves(city: City) -> None:
    service = service_of(city)
    old = plan_in_force(service, city)
    state = DayState(now_s=6 * HOUR_S)
    new = service.replan(old, dict.fromkeys(city.bins, OUTLOOK), {}, state, DAWN + timedelta(hours=1))
    assert new.plan.metres <= old.plan.metres * 1.001
    assert [change for change in new.changes if change.kind in ("added", "dropped")] == []


def test_a_failure_gives_no_plan(city: City) -> None:
    old = plan_in_force(service_of(city), city)

    def fail(_request: PlanRequest, _deadline_s: float) -> CollectionPlan:
        raise PlanFailedError("deadline", "not done")

    policy = load_policy()
    builder = DayBuilder(city, policy, StraightLineTravel(city, policy.speed_kmh))
    failing = PlanningService(builder, fail)
    with pytest.raises(PlanFailedError):
        failing.plan_day(TODAY, {}, {}, DAWN + timedelta(hours=1))
    with pytest.raises(PlanFailedError):
        failing.replan(old, {}, {}, DayState(now_s=7 * HOUR_S), DAWN + timedelta(hours=1))


@pytest.mark.parametrize(("build_s", "search_s", "deadline_s"), [(0.0, 5.0, 10.0), (4.0, 3.0, 6.0), (60.0, 0.0, 3.0)])
def test_what_building_the_problem_takes_is_taken_from_the_search(
    city: City, build_s: float, search_s: float, deadline_s: float
) -> None:
    service = service_of(city)
    plan = plan_in_force(service, city)
    asked: list[tuple[float, float]] = []
    times = iter((0.0, build_s))

    def note(request: PlanRequest, limit_s: float) -> CollectionPlan:
        asked.append((request.seconds, limit_s))
        return plan.plan

    policy = load_policy()
    builder = DayBuilder(city, policy, StraightLineTravel(city, policy.speed_kmh))
    PlanningService(builder, note, lambda: next(times)).replan(plan, {}, {}, DayState(), DAWN)
    assert asked == [(search_s, deadline_s)]


def test_what_a_truck_has_on_board_is_what_it_collected_since_its_last_unloading(city: City) -> None:
    service = service_of(city)
    plan = plan_in_force(service, city)
    route = max(plan.plan.routes, key=lambda route: len(route.visits))
    ids = [visit.id for visit in route.visits if visit.kind == "stop"]
    loads = {stop.id: stop.load for stop in plan.problem.stops}
    landfill = Visit("landfill", "tpa-alak", 3e4, 3e4, 3e4)
    first = [visit for visit in route.visits if visit.id == ids[0]]
    others = [visit for visit in route.visits if visit.id in ids[1:3]]
    changed = replace(route, visits=(*first, landfill, *others, landfill), break_s=11 * HOUR_S)
    plan = replace(plan, plan=replace(plan.plan, routes=(changed,)))
    at = {route.truck: (-10.2, 123.6)}

    early = present_states(plan, at, ids[:1], 11.5 * HOUR_S)[route.truck]
    assert sum(early.on_board_kg.values()) == pytest.approx(loads[ids[0]])
    assert not early.had_break
    later = present_states(plan, at, ids[:2], 12 * HOUR_S)[route.truck]
    assert sum(later.on_board_kg.values()) == pytest.approx(loads[ids[1]])
    assert later.collected_kg == pytest.approx(loads[ids[0]] + loads[ids[1]])
    assert later.collected_stops == 2
    assert later.had_break
    empty = present_states(plan, at, ids[:2], 12 * HOUR_S, unloaded=[route.truck])[route.truck]
    assert empty.on_board_kg == {}
    other = present_states(plan, {"truck-99": (0.0, 0.0)}, ids, 12 * HOUR_S)["truck-99"]
    assert (other.on_board_kg, other.collected_stops, other.had_break) == ({}, 0, False)


def test_what_the_week_brings_stays_due_when_the_day_is_planned_again(city: City) -> None:
    service = service_of(city)
    due = next(iter(city.bins))
    plan = service.plan_day(TODAY, dict.fromkeys(city.bins, ContainerOutlook(1.0, 0.0)), {}, DAWN, due=[due])
    assert list(plan.candidates) == [due]
    outlooks = dict.fromkeys(city.bins, ContainerOutlook(1.0, 0.0))
    new = service.replan(plan, outlooks, {}, DayState(now_s=7 * HOUR_S), DAWN + timedelta(hours=2))
    assert new.candidates[due].cause == "due"
    assert [visit.id for route in new.plan.routes for visit in route.visits] == [due, "tpa-alak"]


def route(truck: str, *stops: str, hour: float = 7.0) -> TruckRoute:
    visits = [
        Visit("stop", id_, hour * HOUR_S + 600 * n, hour * HOUR_S + 600 * n, hour * HOUR_S + 600 * n + 300)
        for n, id_ in enumerate(stops)
    ]
    return TruckRoute(truck, 6 * HOUR_S, (*visits, Visit("landfill", "tpa", 4e4, 4e4, 4e4)), 5e4, 1e4)


def plan_of(*routes: TruckRoute, dropped: tuple[DroppedStop, ...] = ()) -> CollectionPlan:
    return CollectionPlan(routes, dropped, "given")


def changes_of(old: CollectionPlan, new: CollectionPlan, happened: Circumstances) -> dict[str, tuple[str, str]]:
    return {change.id: (change.kind, change.reason) for change in compare_plans(old, new, happened)}


def test_each_kind_of_change_has_its_reason() -> None:
    old = plan_of(route("t1", "a", "b", "c"), route("t2", "d", "e"), route("t3", "f", "g"))
    new = plan_of(
        route("t1", "b", "a", "c", "d"),
        route("t2", "x", "y"),
        route("t4", "f", "e", hour=9.0),
        dropped=(DroppedStop("g", "no_capacity"),),
    )
    happened = Circumstances(trucks_out=("t3",), new_stops=("x",), fits=lambda truck, _stop: truck != "t2")
    assert changes_of(old, new, happened) == {
        "a": ("order", "saves_distance"),
        "b": ("order", "saves_distance"),
        "d": ("truck", "truck_full"),
        "e": ("truck", "truck_full"),
        "f": ("truck", "truck_out"),
        "g": ("dropped", "no_capacity"),
        "x": ("added", "new_case"),
        "y": ("added", "now_served"),
    }


def test_a_stop_that_its_truck_could_keep_moves_to_save_distance() -> None:
    assert changes_of(plan_of(route("t1", "a")), plan_of(route("t2", "a")), Circumstances()) == {
        "a": ("truck", "saves_distance")
    }


def test_a_quarter_of_an_hour_is_no_change_and_more_is_one() -> None:
    old = plan_of(route("t1", "a", "b"))
    assert changes_of(old, plan_of(route("t1", "a", "b", hour=7.25)), Circumstances()) == {}
    assert changes_of(old, plan_of(route("t1", "a", "b", hour=7.26)), Circumstances())["a"] == ("time", "follows")


def test_stops_collected_meanwhile_change_no_order() -> None:
    old, new = plan_of(route("t1", "a", "b")), plan_of(route("t1", "b", hour=7.1))
    assert compare_plans(old, new, Circumstances(), done=("a",)) == []


def test_a_stop_is_explained_in_both_languages() -> None:
    full_at = datetime(2026, 12, 1, 6, 10, tzinfo=UTC)
    outlook = ContainerOutlook(81.6, 0.9, full_at, 2 * HOUR_S)
    oesapa = StopCandidate("bin-1", "TPS Oesapa", "organic", "overflow", outlook)
    assert describe_stop(oesapa, ZONE, "id") == "TPS Oesapa: organik 82 %, penuh 14:10 ± 2 jam"
    assert describe_stop(oesapa, ZONE, "en") == "TPS Oesapa: organic 82 %, full 14:10 ± 2 h"
    likely = StopCandidate("bin-1", "TPS Oesapa", "organic", "overflow", ContainerOutlook(70.0, 0.4))
    assert describe_stop(likely, ZONE, "id") == "TPS Oesapa: organik 70 %, kemungkinan meluap 40 %"
    unknown = StopCandidate("bin-1", "TPS Oesapa", "non_organic", "unknown")
    assert describe_stop(unknown, ZONE, "id") == "TPS Oesapa: non-organik, isi tidak diketahui"


def test_a_change_is_explained_in_both_languages(city: City) -> None:
    service = service_of(city)
    plan = plan_in_force(service, city)
    id_ = next(iter(plan.candidates))
    change = StopChange(
        id_, "truck", "truck_out", StopSlot("truck-03", 1, 7 * HOUR_S), StopSlot("truck-07", 4, 9.5 * HOUR_S)
    )
    name = plan.candidates[id_].name
    assert describe_change(change, plan, plan, ZONE, "id") == (
        f"{name}: dari truck-03 ke truck-07, 09:30; truck-03 tidak beroperasi"
    )
    assert describe_change(change, plan, plan, ZONE, "en") == (
        f"{name}: from truck-03 to truck-07, 09:30; truck-03 is out of service"
    )


def test_the_source_of_travel_times_and_a_failure_have_words() -> None:
    assert "GPS" in describe_source("gps", "id")
    assert "batas waktu" in describe_failure("deadline", "id")
