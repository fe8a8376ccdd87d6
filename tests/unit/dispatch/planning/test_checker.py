"""The checker finds each rule broken once, and nothing in a plan that keeps all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest

from dispatch.planning.checker import Rule, check_plan
from dispatch.planning.plan import CollectionPlan, DroppedStop, TruckRoute, Visit
from dispatch.planning.problem import RouteProblem
from tests.support.route_problems import HOUR_S, SPLIT, line_table, make_landfill, make_stop, make_truck

replace = msgspec.structs.replace
Mutant = Callable[[RouteProblem, CollectionPlan], tuple[RouteProblem, CollectionPlan]]


def good() -> tuple[RouteProblem, CollectionPlan]:
    """Places every 6 km: a depot, three stops, a landfill. One truck collects two stops before a late break."""
    problem = RouteProblem(
        stops=(make_stop(1), make_stop(2), make_stop(3, prize=10.0)),
        landfills=(make_landfill(4),),
        trucks=(make_truck(starts_s=10 * HOUR_S),),
        travel={"large": line_table([0, 6_000, 12_000, 18_000, 24_000])},
    )
    start_s = 10 * HOUR_S
    visits = (
        Visit("stop", "s1", start_s + 600, start_s + 600, start_s + 1200),
        Visit("stop", "s2", start_s + 1800, start_s + 1800, start_s + 2400 + 4800),  # break from 11:00
        Visit("landfill", "tpa", start_s + 8400, start_s + 8400, start_s + 9300),
    )
    route = TruckRoute("t1", start_s, visits, start_s + 11_700, 48_000.0, break_s=11 * HOUR_S)
    return problem, CollectionPlan((route,), (DroppedStop("s3", "not_worth"),), "given")


def with_route(plan: CollectionPlan, **changes: Any) -> CollectionPlan:
    return replace(plan, routes=(replace(plan.routes[0], **changes),))


def with_visit(plan: CollectionPlan, number: int, **changes: Any) -> CollectionPlan:
    visits = list(plan.routes[0].visits)
    visits[number] = replace(visits[number], **changes)
    return with_route(plan, visits=tuple(visits))


def with_truck(problem: RouteProblem, **changes: Any) -> RouteProblem:
    return replace(problem, trucks=(replace(problem.trucks[0], **changes),))


def with_stop(problem: RouteProblem, number: int, **changes: Any) -> RouteProblem:
    stops = list(problem.stops)
    stops[number] = replace(stops[number], **changes)
    return replace(problem, stops=tuple(stops))


def arriving(plan: CollectionPlan, number: int) -> float:
    return plan.routes[0].visits[number].arrives_s


MUTANTS: dict[Rule, list[Mutant]] = {
    "unknown_truck": [lambda p, q: (p, with_route(q, truck="t9"))],
    "truck_twice": [lambda p, q: (p, replace(q, routes=(*q.routes, replace(q.routes[0], visits=()))))],
    "unknown_place": [
        lambda p, q: (p, with_visit(q, 0, id="s9")),
        lambda p, q: (p, replace(q, dropped=(*q.dropped, DroppedStop("s9", "closed")))),
    ],
    "stop_twice": [lambda p, q: (p, replace(q, dropped=(*q.dropped, DroppedStop("s1", "closed"))))],
    "stop_missing": [lambda p, q: (p, replace(q, dropped=()))],
    "stop_required": [lambda p, q: (with_stop(p, 2, prize=None), q)],
    "starts_early": [lambda p, q: (with_truck(p, starts_s=10.1 * HOUR_S), q)],
    "too_fast": [
        lambda p, q: (p, with_visit(q, 0, arrives_s=arriving(q, 0) - 1)),
        lambda p, q: (p, with_route(q, returns_s=q.routes[0].returns_s - 1)),
        lambda p, q: (p, with_route(q, returns_s=float("nan"))),
        lambda p, q: (
            replace(p, travel={"large": replace(p.travel["large"], hour_factors=(*[1.0] * 10, 1.1, *[1.0] * 13))}),
            q,
        ),
    ],
    "window": [
        lambda p, q: (with_stop(p, 0, closes_s=10 * HOUR_S), q),
        lambda p, q: (with_stop(p, 0, opens_s=10.5 * HOUR_S), q),
        lambda p, q: (replace(p, landfills=(replace(p.landfills[0], closes_s=12 * HOUR_S),)), q),
        lambda p, q: (p, with_visit(q, 0, starts_s=arriving(q, 0) - 1)),
    ],
    "service_short": [
        lambda p, q: (with_stop(p, 0, service_s=601.0), q),
        lambda p, q: (replace(p, landfills=(replace(p.landfills[0], service_s=901.0),)), q),
    ],
    "break_missing": [lambda p, q: (p, with_route(q, break_s=None))],
    "break_window": [
        lambda p, q: (with_truck(p, pause=replace(p.trucks[0].pause, to_s=10.9 * HOUR_S, from_s=10 * HOUR_S)), q),
        lambda p, q: (p, with_route(q, break_s=11 * HOUR_S - 60)),
    ],
    "break_busy": [
        lambda p, q: (p, with_route(q, break_s=11 * HOUR_S + 1)),
        lambda p, q: (with_truck(p, pause=replace(p.trucks[0].pause, duration_s=3601.0)), q),
    ],
    "late_home": [lambda p, q: (with_truck(p, ends_s=q.routes[0].returns_s - 1), q)],
    "overloaded": [
        lambda p, q: (with_stop(p, 0, load=71.0), q),
        lambda p, q: (with_truck(p, on_board={"organic": 41.0}), q),
        lambda p, q: (with_truck(with_stop(p, 1, load=31.0), compartments=SPLIT), q),
    ],
    "mixed_streams": [
        lambda p, q: (with_stop(p, 1, stream="non_organic"), q),
        lambda p, q: (with_truck(p, on_board={"non_organic": 1.0}), q),
    ],
    "wrong_stream": [lambda p, q: (with_stop(p, 1, stream="glass"), q)],
    "narrow_street": [lambda p, q: (with_stop(p, 1, access="small"), q)],
    "day_load": [
        lambda p, q: (with_truck(p, day_load=59.0), q),
        lambda p, q: (with_truck(p, day_load=100.0, collected=41.0), q),
    ],
    "day_stops": [
        lambda p, q: (with_truck(p, day_stops=1), q),
        lambda p, q: (with_truck(p, day_stops=4, collected_stops=3), q),
    ],
    "home_loaded": [
        lambda p, q: (p, with_route(q, visits=q.routes[0].visits[:-1])),
        lambda p, q: (with_truck(p, on_board={"organic": 1.0}), replace(q, routes=())),
        lambda p, q: (with_truck(p, on_board={"organic": 1.0}), replace(q, routes=(), still_loaded=("t1",))),
    ],
    "metres": [lambda p, q: (p, with_route(q, metres=47_000.0))],
}


def test_a_plan_that_keeps_all_rules_has_no_violation() -> None:
    assert check_plan(*good()) == []


def test_every_rule_has_a_mutant() -> None:
    assert set(MUTANTS) == set(get_args(Rule))


@pytest.mark.parametrize(("rule", "mutate"), [(rule, mutate) for rule, all_ in MUTANTS.items() for mutate in all_])
def test_each_broken_rule_is_found(rule: Rule, mutate: Mutant) -> None:
    assert rule in {violation.rule for violation in check_plan(*mutate(*good()))}


@pytest.mark.parametrize(
    "mutate",
    [
        lambda p, q: (with_truck(p, ends_s=q.routes[0].returns_s), q),
        lambda p, q: (with_stop(p, 0, load=70.0), q),
        lambda p, q: (with_truck(p, pause=None), q),
        lambda p, q: (with_stop(with_truck(p, compartments=SPLIT), 1, stream="non_organic"), q),
        lambda p, q: (with_truck(with_stop(p, 1, access="small"), vehicle_class="small"), q),
    ],
)
def test_what_just_keeps_a_rule_is_no_violation(mutate: Mutant) -> None:
    problem, plan = mutate(*good())
    problem = replace(problem, travel=dict.fromkeys(("large", "small"), problem.travel["large"]))
    assert check_plan(problem, plan) == []


def test_a_truck_that_is_home_before_the_break_needs_none() -> None:
    problem, plan = good()
    early = with_truck(problem, starts_s=7 * HOUR_S)
    shift_s = 3 * HOUR_S
    moved = [
        replace(v, arrives_s=v.arrives_s - shift_s, starts_s=v.starts_s - shift_s, leaves_s=v.leaves_s - shift_s)
        for v in plan.routes[0].visits
    ]
    route = replace(
        plan.routes[0],
        departs_s=7 * HOUR_S,
        visits=tuple(moved),
        returns_s=plan.routes[0].returns_s - shift_s,
        break_s=None,
    )
    assert check_plan(early, replace(plan, routes=(route,))) == []


def test_a_break_may_be_taken_before_driving_out() -> None:
    problem, _ = good()
    late_s = 2 * HOUR_S
    visits = [
        Visit("stop", "s1", 12 * HOUR_S + 600, 12 * HOUR_S + 600, 12 * HOUR_S + 1200),
        Visit("landfill", "tpa", 12 * HOUR_S + 3000, 12 * HOUR_S + 3000, 12 * HOUR_S + 3900),
    ]
    route = TruckRoute("t1", 10 * HOUR_S + late_s, tuple(visits), 12 * HOUR_S + 6300, 48_000.0, break_s=11 * HOUR_S)
    dropped = tuple(DroppedStop(id_, "not_worth") for id_ in ("s2", "s3"))
    optional = with_stop(problem, 1, prize=1.0)
    assert check_plan(optional, CollectionPlan((route,), dropped, "given")) == []
