"""Where trucks are in their day and what they carry, from the plan in force and what is known to be done."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dispatch.planning.day import TruckState
from dispatch.planning.plan import TruckRoute
from dispatch.planning.plans import StoredPlan
from dispatch.planning.problem import CollectionStop, FleetTruck


def present_states(
    plan: StoredPlan,
    positions: Mapping[str, tuple[float, float]],
    done: Collection[str],
    now_s: float,
    *,
    unloaded: Collection[str] = (),
) -> dict[str, TruckState]:
    """The states of the trucks whose positions are known.

    A truck has unloaded at the landfills before its last collected stop. What it has collected since is on board. It
    has had its break if the plan has it before now.

    Args:
        plan: The plan in force.
        positions: Truck to latitude and longitude, in degrees.
        done: Stops that are collected.
        now_s: Seconds after midnight of the plan's day.
        unloaded: Trucks that have unloaded since their last collected stop.
    """
    stops = {stop.id: stop for stop in plan.problem.stops}
    routes = {route.truck: route for route in plan.plan.routes}
    trucks = {truck.id: truck for truck in plan.problem.trucks}
    return {
        truck: _state(trucks.get(truck), routes.get(truck), position, stops, done, now_s, is_empty=truck in unloaded)
        for truck, position in positions.items()
    }


def _state(
    truck: FleetTruck | None,
    route: TruckRoute | None,
    position: tuple[float, float],
    stops: Mapping[str, CollectionStop],
    done: Collection[str],
    now_s: float,
    *,
    is_empty: bool,
) -> TruckState:
    visits = route.visits if route else ()
    served = [number for number, visit in enumerate(visits) if visit.id in done]
    passed = visits[: served[-1] + 1] if served else ()
    collected = [stops[visit.id] for visit in passed if visit.id in done]
    loads = dict(truck.on_board) if truck else {}
    for visit in passed:
        if visit.kind == "landfill":
            loads = {}
        elif visit.id in done:
            stop = stops[visit.id]
            loads[stop.stream] = loads.get(stop.stream, 0.0) + stop.load
    pause, break_s = truck.pause if truck else None, route.break_s if route else None
    had_break = truck is not None and (pause is None or (break_s is not None and break_s + pause.duration_s <= now_s))
    return TruckState(
        *position,
        on_board_kg={} if is_empty else loads,
        collected_kg=(truck.collected if truck else 0.0) + sum(stop.load for stop in collected),
        collected_stops=(truck.collected_stops if truck else 0) + len(collected),
        had_break=had_break,
    )
