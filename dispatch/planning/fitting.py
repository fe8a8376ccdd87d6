"""Fits stops into routes so that every rule is kept: repairs what the solver does not know, inserts what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from math import inf
from typing import Final, NamedTuple

from dispatch.planning.plan import DropReason, TruckRoute
from dispatch.planning.problem import CollectionStop, FleetTruck, RouteProblem, TravelTimes
from dispatch.planning.schedule import Scheduler

LOAD_TOLERANCE: Final = 1e-6
INSERTIONS_TRIED: Final = 300
LEFT_OUT_DIVISOR: Final = 15


class _Insertion(NamedTuple):
    """A stop put into a route, and what its detour costs."""

    truck: str
    ids: list[str]
    cost: float


class RouteFitter:
    """Routes that keep every rule; a stop that breaks one is homeless until it fits elsewhere.

    Args:
        problem: The problem.
    """

    def __init__(self, problem: RouteProblem) -> None:
        self._problem, self._scheduler = problem, Scheduler(problem)
        self._trucks = {truck.id: truck for truck in problem.trucks}
        self._stops = {stop.id: stop for stop in problem.stops}
        self._places = {place.id: place.place for place in problem.places}
        self._travel = {name: TravelTimes(table) for name, table in problem.travel.items()}
        self.routes: dict[str, TruckRoute] = {}
        for truck in problem.trucks:
            if any(load > 0 for load in truck.on_board.values()):
                self.put(truck.id, [])

    def put(self, truck_id: str, ids: Sequence[str]) -> None:
        """Take a truck's sequence, without stops of least worth if it breaks a rule with them.

        A few go at a time: `insert_homeless` brings back those that need not have gone.
        """
        truck, ids = self._trucks[truck_id], list(ids)
        while (route := self.fit(truck, ids)) is None and any(id_ in self._stops for id_ in ids):
            left_out = self._least_worth(truck, ids)[: 1 + len(ids) // LEFT_OUT_DIVISOR]
            ids = [id_ for id_ in ids if id_ not in left_out]
        if route:
            self.routes[truck_id] = route

    def fit(self, truck: FleetTruck, ids: Sequence[str]) -> TruckRoute | None:
        """The route over a sequence with its last unloading; None if a rule is broken."""
        ids = _without_idle_unloading(ids, self._stops, has_load=any(truck.on_board.values()))
        if not self._carries(truck, ids):
            return None
        if not ids and not any(truck.on_board.values()):
            return TruckRoute(truck.id, truck.starts_s, (), truck.starts_s, 0.0)
        for landfill in self._landfills_by_detour(truck, ids):
            if route := self._scheduler.route(truck, [*ids, landfill]):
                return route
        return None

    def fits(self, truck_id: str, stop_id: str) -> bool:
        """Whether a truck could serve a stop beside all that is on its route."""
        stop = self._stops.get(stop_id)
        return truck_id in self._trucks and stop is not None and self._insertion(stop, only=truck_id) is not None

    def still_loaded(self) -> tuple[str, ...]:
        """Trucks that have a load on board and no route on which they unload it."""
        loaded = (truck for truck in self._problem.trucks if any(load > 0 for load in truck.on_board.values()))
        return tuple(truck.id for truck in loaded if truck.id not in self.routes)

    def insert_homeless(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Insert stops on no route where they cost least; optional ones if they are worth it.

        `is_over`: asked before each; whether the time is over.
        """
        served = {visit.id for route in self.routes.values() for visit in route.visits}
        homeless = [stop for stop in self._problem.stops if stop.id not in served]
        for stop in sorted(homeless, key=lambda stop: -self._worth(stop.id)):
            way = None if is_over() else self._insertion(stop)
            if way and way.cost <= self._worth(stop.id):
                self.put(way.truck, way.ids)

    def _insertion(self, stop: CollectionStop, *, only: str = "") -> _Insertion | None:
        """The cheapest insertion that keeps every rule, of those with the shortest detours; None if there is none.

        `only`: the one truck to look at; empty for all.
        """
        ways = sorted(self._detours(stop, only), key=lambda way: way.cost)
        for way in ways[:INSERTIONS_TRIED]:
            if self.fit(self._trucks[way.truck], way.ids):
                return way
        return None

    def _detours(self, stop: CollectionStop, only: str) -> Iterator[_Insertion]:
        """The stop between any two places of any route, alone, or with an unloading before or behind it."""
        landfills = [landfill.id for landfill in self._problem.landfills]
        behind = [[stop.id, id_] for id_ in landfills]
        anywhere = [[stop.id], *([id_, stop.id] for id_ in landfills), *behind]
        for truck in self._trucks.values():
            if only not in ("", truck.id) or not _may_serve(truck, stop):
                continue
            route = self.routes.get(truck.id)
            ids = [visit.id for visit in route.visits] if route else []
            fixed = 0.0 if ids else truck.fixed_cost
            for position in range(max(len(ids), 1)):
                for middle in anywhere if ids else behind:
                    cost = self._detour_m(truck, ids, position, middle) * truck.cost_per_m + fixed
                    yield _Insertion(truck.id, [*ids[:position], *middle, *ids[position:]], cost)

    def _detour_m(self, truck: FleetTruck, ids: Sequence[str], position: int, middle: Sequence[str]) -> float:
        """How much longer a route gets by places before one of its own."""
        travel = self._travel[truck.vehicle_class]
        before = self._places[ids[position - 1]] if position else truck.start_place
        after = self._places[ids[position]] if position < len(ids) else truck.end_place
        way = [before, *(self._places[id_] for id_ in middle), after]
        return sum(travel.metres(*leg) for leg in pairwise(way)) - travel.metres(before, after)

    def _carries(self, truck: FleetTruck, ids: Sequence[str]) -> bool:
        """Whether loads, streams, streets and the limits of the day are kept."""
        loads, day, stops = dict(truck.on_board), truck.collected, truck.collected_stops
        for id_ in ids:
            stop = self._stops.get(id_)
            if stop is None:
                loads = {}
                continue
            loads[stop.stream] = loads.get(stop.stream, 0.0) + stop.load
            day, stops = day + stop.load, stops + 1
            if not _may_serve(truck, stop) or not _fits_body(truck, loads):
                return False
        day_load = inf if truck.day_load is None else truck.day_load
        return day <= day_load + LOAD_TOLERANCE and stops <= (inf if truck.day_stops is None else truck.day_stops)

    def _landfills_by_detour(self, truck: FleetTruck, ids: Sequence[str]) -> list[str]:
        travel = self._travel[truck.vehicle_class]
        last = self._places[ids[-1]] if ids else truck.start_place
        ways = {
            landfill.id: travel.metres(last, landfill.place) + travel.metres(landfill.place, truck.end_place)
            for landfill in self._problem.landfills
        }
        return sorted(ways, key=lambda id_: ways[id_])

    def _least_worth(self, truck: FleetTruck, ids: Sequence[str]) -> list[str]:
        """The stops of a sequence, those of least prize first; of equal ones, those with the longest detours."""
        stops = [(number, id_) for number, id_ in enumerate(ids) if id_ in self._stops]
        detours_m = {
            id_: self._detour_m(truck, [*ids[:number], *ids[number + 1 :]], number, [id_]) for number, id_ in stops
        }
        return sorted(detours_m, key=lambda id_: (self._worth(id_), -detours_m[id_]))

    def _worth(self, id_: str) -> float:
        prize = self._stops[id_].prize
        return inf if prize is None else prize


def _without_idle_unloading(ids: Sequence[str], stops: Iterable[str], *, has_load: bool) -> list[str]:
    """A sequence without unloadings of an empty truck, and without the last one."""
    known, kept = set(stops), []
    for id_ in ids:
        if id_ in known or has_load:
            kept.append(id_)
        has_load = id_ in known
    return kept[:-1] if kept and kept[-1] not in known else kept


def _may_serve(truck: FleetTruck, stop: CollectionStop) -> bool:
    return stop.stream in truck.streams and (stop.access == "large" or truck.vehicle_class == "small")


def _fits_body(truck: FleetTruck, loads: dict[str, float]) -> bool:
    if not truck.is_split and sum(load > 0 for load in loads.values()) > 1:
        return False
    return all(
        sum(loads.get(stream, 0.0) for stream in part.streams) <= part.capacity + LOAD_TOLERANCE
        for part in truck.compartments
    )


def drop_reason(problem: RouteProblem, stop: CollectionStop, fitter: RouteFitter) -> DropReason:
    """Why a stop is on no route."""
    able = [truck for truck in problem.trucks if _may_serve(truck, stop)]
    if not able:
        return "no_truck"
    if not any(_fits_body(truck, {stop.stream: stop.load}) for truck in able):
        return "too_large"
    on_duty = [truck for truck in able if truck.starts_s <= stop.closes_s and truck.ends_s >= stop.opens_s]
    if not on_duty:
        return "closed"
    costs = [
        route.metres * truck.cost_per_m + truck.fixed_cost
        for truck in on_duty
        if (route := fitter.fit(truck, [stop.id]))
    ]
    return "not_worth" if costs and min(costs) >= (stop.prize or 0.0) else "no_capacity"
