"""Plans of small cities keep every rule; what a truck may not do, no plan has it do."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.planning.checker import check_plan
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.planner import PlanningError, make_plan
from dispatch.planning.problem import ProblemError, RouteProblem
from tests.support.route_problems import (
    BODY,
    HOUR_S,
    PAUSE,
    SPLIT,
    line_table,
    make_landfill,
    make_stop,
    make_truck,
    plane_table,
    random_problem,
)

replace = msgspec.structs.replace
SECONDS = 0.15


def problem_of(*stops: Any, **changes: Any) -> RouteProblem:
    """Stops every kilometre, a landfill behind them."""
    count = len(stops) + 2
    table = line_table([number * 1000.0 for number in range(count)])
    problem = RouteProblem(
        stops=stops,
        landfills=(make_landfill(count - 1),),
        trucks=(make_truck(),),
        travel={"large": table, "small": table},
    )
    return replace(problem, **changes)


def ids(plan: CollectionPlan, truck: str = "t1") -> list[str]:
    return [visit.id for route in plan.routes if route.truck == truck for visit in route.visits]


def drops(plan: CollectionPlan) -> dict[str, str]:
    return {drop.id: drop.reason for drop in plan.dropped}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1_000_000))
def test_every_plan_of_a_random_city_passes_the_checker(seed: int) -> None:
    problem = random_problem(seed)
    assert check_plan(problem, make_plan(problem, SECONDS)) == []


def test_a_load_beyond_one_trip_makes_a_second_one() -> None:
    plan = make_plan(problem_of(*(make_stop(n, load=60.0) for n in (1, 2, 3))), SECONDS)
    assert ids(plan).count("tpa") == 3


def test_the_load_of_a_day_is_kept_over_all_trips() -> None:
    stops = [make_stop(n, load=60.0, prize=50_000.0) for n in (1, 2, 3)]
    problem = problem_of(*stops, trucks=(make_truck(day_load=130.0),))
    plan = make_plan(problem, SECONDS)
    assert check_plan(problem, plan) == []
    assert len([id_ for id_ in ids(plan) if id_ != "tpa"]) == 2
    assert set(drops(plan).values()) == {"no_capacity"}


def test_the_number_of_stops_of_a_day_is_kept() -> None:
    stops = [make_stop(n, load=1.0, prize=50_000.0 + n) for n in (1, 2, 3)]
    plan = make_plan(problem_of(*stops, trucks=(make_truck(day_stops=2),)), SECONDS)
    assert drops(plan) == {"s1": "no_capacity"}


def test_an_undivided_body_carries_one_stream_a_trip() -> None:
    stops = (make_stop(1), make_stop(2, stream="non_organic"), make_stop(3), make_stop(4, stream="non_organic"))
    problem = problem_of(*stops)
    plan = make_plan(problem, SECONDS)
    assert check_plan(problem, plan) == []
    assert ids(plan).count("tpa") == 2
    trip = set(ids(plan)[: ids(plan).index("tpa")])
    assert trip in ({"s1", "s3"}, {"s2", "s4"})


def test_a_divided_body_carries_both_in_one_trip() -> None:
    stops = (make_stop(1), make_stop(2, stream="non_organic"))
    plan = make_plan(problem_of(*stops, trucks=(make_truck(compartments=SPLIT),)), SECONDS)
    assert ids(plan).count("tpa") == 1


def test_a_truck_goes_out_only_for_streams_that_it_may_carry() -> None:
    stop = make_stop(1, stream="glass", prize=90_000.0)
    assert drops(make_plan(problem_of(stop), SECONDS)) == {"s1": "no_truck"}


def test_only_small_trucks_enter_narrow_streets() -> None:
    trucks = (make_truck(), make_truck(id="t2", vehicle_class="small", start_place=0))
    plan = make_plan(problem_of(make_stop(1, access="small"), trucks=trucks), SECONDS)
    assert ids(plan, "t2")[:1] == ["s1"]
    alone = make_plan(problem_of(make_stop(1, access="small", prize=90_000.0)), SECONDS)
    assert drops(alone) == {"s1": "no_truck"}


def test_a_truck_waits_for_a_landfill_that_opens_late() -> None:
    problem = problem_of(make_stop(1), landfills=(make_landfill(2, opens_s=9 * HOUR_S),))
    plan = make_plan(problem, SECONDS)
    assert check_plan(problem, plan) == []
    assert plan.routes[0].visits[-1].starts_s >= 9 * HOUR_S


def test_nothing_is_collected_that_cannot_be_unloaded_today() -> None:
    stop = make_stop(1, opens_s=9 * HOUR_S, prize=90_000.0)
    plan = make_plan(problem_of(stop, landfills=(make_landfill(2, closes_s=8 * HOUR_S),)), SECONDS)
    assert drops(plan) == {"s1": "no_capacity"}


def test_the_nearest_landfill_that_is_still_open_is_taken() -> None:
    stop = make_stop(1, opens_s=9 * HOUR_S)
    landfills = (make_landfill(2, closes_s=8 * HOUR_S), make_landfill(0, id="far"))
    assert ids(make_plan(problem_of(stop, landfills=landfills), SECONDS)) == ["s1", "far"]


def test_a_truck_with_a_load_on_board_unloads_it_before_it_mixes_and_before_it_comes_home() -> None:
    truck = make_truck(on_board={"non_organic": 80.0}, starts_s=8 * HOUR_S)
    problem = problem_of(make_stop(1), trucks=(truck,))
    plan = make_plan(problem, SECONDS)
    assert ids(plan) == ["tpa", "s1", "tpa"]
    empty = make_plan(replace(problem, stops=()), SECONDS)
    assert ids(empty) == ["tpa"]


def test_a_load_on_board_counts_towards_the_capacity() -> None:
    problem = problem_of(make_stop(1, load=30.0), trucks=(make_truck(on_board={"organic": 80.0}),))
    assert ids(make_plan(problem, SECONDS)) == ["tpa", "s1", "tpa"]


def test_a_break_is_taken_and_a_stop_that_closes_meanwhile_is_served_before() -> None:
    stops = [make_stop(n, service_s=3000.0, load=1.0) for n in (1, 2, 3)]
    stops.append(make_stop(4, load=1.0, closes_s=11.5 * HOUR_S))
    problem = problem_of(*stops, trucks=(make_truck(starts_s=9 * HOUR_S),))
    plan = make_plan(problem, SECONDS)
    assert check_plan(problem, plan) == []
    assert plan.routes[0].break_s is not None


def test_a_stop_that_is_worth_less_than_its_detour_is_left() -> None:
    near, far = make_stop(1, prize=5_000.0), make_stop(2, prize=500.0)
    problem = replace(problem_of(near, far), travel={"large": line_table([0, 100, 60_000, 200])})
    assert drops(make_plan(problem, SECONDS)) == {"s2": "not_worth"}


def test_a_load_that_fits_in_no_truck_is_told() -> None:
    assert drops(make_plan(problem_of(make_stop(1, load=101.0, prize=1e6)), SECONDS)) == {"s1": "too_large"}


def test_a_stop_outside_all_shifts_is_told() -> None:
    stop = make_stop(1, opens_s=20 * HOUR_S, prize=1e6)
    assert drops(make_plan(problem_of(stop), SECONDS)) == {"s1": "closed"}


def test_a_required_stop_that_cannot_be_served_is_an_error_that_names_it() -> None:
    with pytest.raises(PlanningError, match="no route for 1 stops: s1"):
        make_plan(problem_of(make_stop(1, load=101.0)), SECONDS)


def test_a_truck_that_cannot_bring_its_load_to_a_landfill_is_told() -> None:
    problem = problem_of(
        trucks=(make_truck(on_board={"organic": 1.0}),), landfills=(make_landfill(1, closes_s=HOUR_S),)
    )
    plan = make_plan(problem, SECONDS)
    assert plan.still_loaded == ("t1",)
    assert check_plan(problem, plan) == []


def test_no_stop_is_a_plan_too() -> None:
    assert make_plan(problem_of(), SECONDS).routes == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trucks": ()}, "no truck"),
        ({"landfills": ()}, "no landfill"),
        ({"trucks": (make_truck(), make_truck())}, "t1: the id occurs twice"),
        ({"trucks": (make_truck(start_place=9),)}, "t1: there is no place 9"),
        ({"trucks": (make_truck(ends_s=0.0),)}, "t1: its shift ends"),
        ({"trucks": (make_truck(on_board={"glass": 1.0}),)}, "t1: has a load on board"),
        ({"trucks": (make_truck(on_board={"organic": 1.0, "non_organic": 1.0}),)}, "t1: has two streams"),
        ({"trucks": (make_truck(compartments=()),)}, "t1: a stream is in two"),
        ({"trucks": (make_truck(compartments=(*BODY, *SPLIT)),)}, "t1: a stream is in two"),
        ({"trucks": (make_truck(pause=replace(PAUSE, to_s=0.0)),)}, "t1: its break"),
        ({"stops": (make_stop(1, load=-1.0),)}, "s1: load"),
        ({"stops": (make_stop(1, load=float("nan")),)}, "s1: load"),
        ({"stops": (make_stop(1, prize=float("inf")),)}, "s1: load"),
        ({"stops": (make_stop(7),)}, "s7: there is no place"),
        ({"stops": (make_stop(1, opens_s=1e9),)}, "s1: closes before"),
        ({"stops": (make_stop(1, service_s=-1.0),)}, "s1: service takes"),
        ({"travel": {}}, "no travel table|no place"),
        ({"travel": {"large": line_table([0, 1], metres=b"")}}, "travel table large: its size"),
        ({"travel": {"large": line_table([0, 1, 2], hour_factors=(1.0,))}}, "hour factors"),
        ({"travel": {"large": line_table([0, 1, float("nan")])}}, "negative or no number"),
    ],
)
def test_a_problem_that_contradicts_itself_is_refused_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ProblemError, match=reason):
        make_plan(problem_of(make_stop(1), **{"trucks": (make_truck(),), **changes}), SECONDS)


def test_the_routes_to_begin_with_are_a_plan_already() -> None:
    """Without time for a search, the plan keeps every rule, and serves what can be served."""
    chance = random.Random(3)
    places = [(chance.uniform(0, 30_000), chance.uniform(0, 30_000)) for _ in range(152)]
    problem = RouteProblem(
        stops=tuple(make_stop(n, load=chance.uniform(1, 20), service_s=120.0) for n in range(1, 151)),
        landfills=(make_landfill(151),),
        trucks=tuple(make_truck(id=f"t{n}", day_load=300.0) for n in range(8)),
        travel={"large": plane_table(places)},
    )
    plan = make_plan(problem, 0.0)
    assert check_plan(problem, plan) == []
    assert sum(visit.kind == "stop" for route in plan.routes for visit in route.visits) == 150


def test_a_plan_to_begin_with_is_kept_where_nothing_is_better() -> None:
    problem = random_problem(11)
    plan = make_plan(problem, SECONDS)
    start = {route.truck: [visit.id for visit in route.visits] for route in plan.routes}
    again = make_plan(problem, 0.0, start=start)
    assert again.metres <= plan.metres * 1.001


def test_a_plan_to_begin_with_may_name_what_no_longer_exists() -> None:
    problem = problem_of(make_stop(1), make_stop(2))
    start = {"t1": ["gone", "s2", "tpa"], "t9": ["s1"]}
    plan = make_plan(problem, SECONDS, start=start)
    assert check_plan(problem, plan) == []


def test_trip_that_all_its_stops_together_do_not_pay_is_not_made() -> None:
    """Each of six stops is worth its own detour, but all of them are worth less than the way to them and back."""
    positions_m = [0.0, *(20_000.0 + 100 * number for number in range(6)), *(1_000.0 + 50 * n for n in range(3)), 500.0]
    table = line_table(positions_m)
    far = [make_stop(number, prize=2_000.0, load=5.0, service_s=60.0) for number in range(1, 7)]
    near = [make_stop(number, prize=30_000.0, load=5.0, service_s=60.0) for number in range(7, 10)]
    problem = RouteProblem(
        stops=(*far, *near), landfills=(make_landfill(10),), trucks=(make_truck(),), travel={"large": table}
    )
    plan = make_plan(problem, SECONDS)
    assert check_plan(problem, plan) == []
    assert {id_ for id_ in ids(plan) if id_.startswith("s")} == {stop.id for stop in near}
    assert set(drops(plan)) == {stop.id for stop in far}


def test_search_ends_by_the_clock_that_is_handed_in() -> None:
    """An hour of search ends after as many looks at a clock that gains a minute with each."""
    looks = iter(range(10_000))
    problem = problem_of(*(make_stop(number) for number in range(1, 4)))
    plan = make_plan(problem, HOUR_S, clock=lambda: next(looks) * 60.0)
    assert check_plan(problem, plan) == []
    assert 60 <= next(looks) < 200
