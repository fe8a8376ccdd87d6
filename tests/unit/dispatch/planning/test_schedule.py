"""Times of a route: where the break is, when there is none, and what is missed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dispatch.planning.active_time import TIME_UNITS, ActiveTime
from dispatch.planning.plan import TruckRoute
from dispatch.planning.problem import FleetTruck, RouteProblem
from dispatch.planning.schedule import Scheduler
from tests.support.route_problems import HOUR_S, PAUSE, line_table, make_landfill, make_stop, make_truck

replace = msgspec.structs.replace
IDS = ("s1", "s2", "tpa")


def timed(truck: FleetTruck, hour_factors: tuple[float, ...] = (), **first_stop: Any) -> TruckRoute | None:
    """Places every 18 km, half an hour apart; a stop takes ten minutes, the landfill a quarter of an hour."""
    table = line_table([0, 18_000, 36_000, 54_000], hour_factors=hour_factors)
    problem = RouteProblem(
        stops=(make_stop(1, **first_stop), make_stop(2)),
        landfills=(make_landfill(3),),
        trucks=(truck,),
        travel={"large": table},
    )
    return Scheduler(problem).route(truck, IDS)


def test_a_route_that_is_over_before_the_break_has_none() -> None:
    route = timed(make_truck())
    assert route is not None
    assert route.break_s is None
    assert route.returns_s == 6 * HOUR_S + 6 * 1800 + 2 * 600 + 900


def test_a_break_is_taken_at_the_first_place_within_its_window() -> None:
    route = timed(make_truck(starts_s=10.25 * HOUR_S, ends_s=16 * HOUR_S))
    assert route is not None
    assert route.break_s == 10.25 * HOUR_S + 1800 + 600 + 1800
    assert route.visits[1].starts_s == route.break_s + HOUR_S


def test_a_break_fills_a_wait_for_a_window_to_open() -> None:
    route = timed(make_truck(starts_s=10.5 * HOUR_S, ends_s=16 * HOUR_S), opens_s=12 * HOUR_S)
    assert route is not None
    assert route.break_s == 11 * HOUR_S
    assert route.visits[0].starts_s == 12 * HOUR_S


def test_a_break_is_taken_early_if_the_crew_is_busy_for_the_whole_window() -> None:
    route = timed(make_truck(starts_s=10 * HOUR_S, ends_s=20 * HOUR_S), service_s=3 * HOUR_S)
    assert route is not None
    assert route.break_s == 11 * HOUR_S
    assert route.visits[0].starts_s == 12 * HOUR_S


def test_a_break_may_be_taken_at_home_after_the_last_leg() -> None:
    route = timed(make_truck(starts_s=7.6 * HOUR_S, ends_s=12.9 * HOUR_S))
    assert route is not None
    assert route.break_s == route.returns_s > 11 * HOUR_S


@pytest.mark.parametrize(
    ("truck", "first_stop"),
    [
        (make_truck(ends_s=9 * HOUR_S), {}),
        (make_truck(), {"closes_s": 6 * HOUR_S}),
        (make_truck(starts_s=10.5 * HOUR_S, ends_s=14 * HOUR_S), {}),
        (make_truck(pause=replace(PAUSE, duration_s=9 * HOUR_S), starts_s=10 * HOUR_S), {}),
    ],
    ids=["shift", "window", "no time for the break", "long break"],
)
def test_what_cannot_be_kept_gives_no_route(truck: FleetTruck, first_stop: dict[str, Any]) -> None:
    assert timed(truck, **first_stop) is None


def test_travel_takes_what_its_hour_makes_of_it() -> None:
    slow_at_seven = tuple(2.0 if hour == 7 else 1.0 for hour in range(24))
    route, plain = timed(make_truck(starts_s=7 * HOUR_S), slow_at_seven), timed(make_truck(starts_s=7 * HOUR_S))
    assert route is not None
    assert plain is not None
    assert route.visits[0].arrives_s - plain.visits[0].arrives_s == 1800
    assert route.returns_s - plain.returns_s == 1800


def test_the_clock_without_the_break_lacks_one_hour() -> None:
    active = ActiveTime([make_truck()])
    hours = (6, 11, 11.5, 12, 14)
    assert [active.closes(hour * HOUR_S) / TIME_UNITS / HOUR_S for hour in hours] == [6, 11, 11, 11, 13]


def test_the_clock_lacks_nothing_if_no_truck_has_a_break() -> None:
    at_night = make_truck(starts_s=22 * HOUR_S, ends_s=30 * HOUR_S)
    for trucks in ([make_truck(pause=None)], [at_night], [make_truck(ends_s=11 * HOUR_S)]):
        assert ActiveTime(trucks).closes(23 * HOUR_S) == 23 * HOUR_S * TIME_UNITS
