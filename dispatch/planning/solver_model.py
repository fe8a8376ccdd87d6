"""Translates a routing problem for PyVRP, and its solutions back; only the planning process imports this module.

What PyVRP does not know is expressed by what it knows:

- A trip of one stream, a street that a class may not enter: such legs take longer than any shift.
- The last unloading: the way home leads over the landfill with the shortest detour.
- The break: it is cut out of the day (`ActiveTime`).
- The load of a day: each leg's distance contains the load of the stop it leads to, many times over, and the distance of
  a route is bounded. What all stops cost more by that is constant, or is added to their prizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import ceil, floor
from typing import Any, Final

import numpy as np
from pyvrp import Activity, ActivityType, Client, Depot, Location, ProblemData, Route, Solution, VehicleType

from dispatch.planning.active_time import TIME_UNITS, ActiveTime
from dispatch.planning.first_routes import (
    LOAD_UNITS,
    ROUNDING,
    FirstRoutes,
    Sequences,
    load_units,
    prize_floors,
    whole_trips,
)
from dispatch.planning.problem import CollectionStop, FleetTruck, RouteProblem
from dispatch.planning.solver_matrices import Integers, SolverLocations, SolverProfile, SolverStart

DAY_LOAD_LOSS: Final = 0.003
"""Share of a day's load that the length of a route may take from its bound."""


class SolverModel:
    """A problem as PyVRP has it.

    Locations are starts, landfills, stops, ends in this order; depots are starts, ends, landfills.

    Attributes:
        data: The problem.
        plain: The same without loads in distances; neighbours are computed from it.
        first_sequences: Routes to begin with: over all stops, and over the more valuable ones.
    """

    def __init__(self, problem: RouteProblem) -> None:
        self._problem, self._active, self._locations = problem, ActiveTime(problem.trucks), SolverLocations(problem)
        self._streams = sorted({stop.stream for stop in problem.stops} | {s for t in problem.trucks for s in t.streams})
        self._groups = _groups(problem)
        self._profiles = sorted({SolverProfile.of(truck) for truck in problem.trucks})
        self._first_reload = len(self._locations.starts) + len(self._locations.ends)
        self._loads = np.array([load_units(stop.load) for stop in problem.stops], dtype=np.int64)
        matrices = [self._locations.matrices(profile) for profile in self._profiles]
        self._load_cost = self._cost_of_load(matrices[0][0])
        first, by_profile = (
            FirstRoutes(problem, self._locations, self._active),
            dict(zip(self._profiles, matrices, strict=True)),
        )
        self.first_sequences = [first.sequences(by_profile, floor) for floor in prize_floors(problem)]
        self.plain = self._data(matrices, 0)
        self.data = self._data(matrices, self._load_cost) if self._load_cost else self.plain

    def _data(self, matrices: Sequence[tuple[Integers, Integers]], load_cost: int) -> ProblemData:
        added: Integers = np.zeros(self._locations.count, dtype=np.int64)
        added[self._locations.stops] = self._loads * load_cost
        # PyVRP's types name another shape than numpy's.
        costs: list[Any] = [metres + added for metres, _ in matrices]
        durations: list[Any] = [seconds for _, seconds in matrices]
        for matrix in costs:
            np.fill_diagonal(matrix, 0)
        return ProblemData(
            [Location(0, 0) for _ in added],
            [self._client(number, stop, load_cost) for number, stop in enumerate(self._problem.stops)],
            list(self._depots()),
            [self._vehicle_type(group, load_cost) for group in self._groups],
            costs,
            durations,
        )

    def _client(self, number: int, stop: CollectionStop, load_cost: int) -> Client:
        load = int(self._loads[number])
        return Client(
            self._locations.first_stop + number,
            pickup=[load if stop.stream == stream else 0 for stream in self._streams],
            service_duration=ceil(stop.service_s * TIME_UNITS),
            tw_early=self._active.opens(stop.opens_s),
            tw_late=self._active.closes(stop.closes_s),
            prize=0 if stop.prize is None else max(round(stop.prize), 0) + load * load_cost,
            required=stop.prize is None,
        )

    def _depots(self) -> Iterator[Depot]:
        yield from (Depot(number) for number in range(len(self._locations.starts)))
        for number, end in enumerate(self._locations.ends):
            yield Depot(
                self._locations.first_end + number, tw_late=self._active.closes(self._locations.last_end_s(end))
            )
        for number, landfill in enumerate(self._problem.landfills):
            yield Depot(
                self._locations.first_landfill + number,
                tw_early=self._active.opens(landfill.opens_s),
                tw_late=self._active.closes(landfill.closes_s),
                service_duration=ceil(landfill.service_s * TIME_UNITS),
            )

    def _vehicle_type(self, group: list[FleetTruck], load_cost: int) -> VehicleType:
        truck, start = group[0], SolverStart.of(group[0], self._problem)
        limits: dict[str, Any] = {}
        if trips := whole_trips(truck):
            limits["max_reloads"] = trips - 1
        elif truck.day_load is not None and load_cost:
            limits["max_distance"] = floor(max(truck.day_load - truck.collected, 0) * LOAD_UNITS + ROUNDING) * load_cost
        return VehicleType(
            len(group),
            [_capacity(truck, stream) for stream in self._streams],
            self._locations.starts.index(start),
            len(self._locations.starts) + self._locations.ends.index(truck.end_place),
            round(truck.fixed_cost),
            self._active.opens(truck.starts_s),
            self._active.closes(truck.ends_s),
            profile=self._profiles.index(SolverProfile.of(truck)),
            initial_load=[_on_board(truck, stream) if start.landfill < 0 else 0 for stream in self._streams],
            reload_depots=list(range(self._first_reload, self._first_reload + len(self._problem.landfills))),
            **limits,
        )

    def _cost_of_load(self, costs: Integers) -> int:
        """Cost of a unit of load in the bound of a day; 0 if no truck needs one."""
        bounds = [
            (truck.day_load - truck.collected) * LOAD_UNITS
            for truck in self._problem.trucks
            if truck.day_load is not None and not whole_trips(truck)
        ]
        if not bounds or not len(self._loads) or min(bounds) >= self._loads.sum():
            return 0
        places, landfills = self._locations.stops, self._locations.landfills
        stops = costs[places, places]
        nearest = int(np.where(stops > 0, stops, stops.max()).min(axis=1).sum())
        to_landfill = float(costs[landfills, places].mean())
        length = 2 * (nearest / len(bounds) + 2 * to_landfill)
        return max(ceil(length / (DAY_LOAD_LOSS * max(min(bounds), 1.0))), 1)

    def sequences(self, solution: Solution) -> Sequences:
        """The routes of a solution by truck, without the last unloading."""
        waiting = [list(group) for group in self._groups]
        sequences = {}
        for route in solution.routes():
            truck = waiting[route.vehicle_type()].pop(0)
            first = SolverStart.of(truck, self._problem).landfill
            unloading = [self._problem.landfills[first].id] if first >= 0 else []
            sequences[truck.id] = [*unloading, *self._ids(route)]
        return sequences

    def _ids(self, route: Route) -> Iterator[str]:
        for activity in route:
            if activity.is_client():
                yield self._problem.stops[activity.idx].id
            elif activity.is_depot() and activity.idx >= self._first_reload:
                yield self._problem.landfills[activity.idx - self._first_reload].id

    def solution(self, sequences: Sequences) -> Solution | None:
        """A solution to start from; None if the sequences do not belong to this problem any more."""
        known = {stop.id: Activity(ActivityType.CLIENT, number) for number, stop in enumerate(self._problem.stops)}
        for number, landfill in enumerate(self._problem.landfills):
            known[landfill.id] = Activity(ActivityType.DEPOT, self._first_reload + number)
        routes = []
        for number, group in enumerate(self._groups):
            for truck in group:
                ids = [id_ for id_ in sequences.get(truck.id, ()) if id_ in known]
                while ids and known[ids[-1]].is_depot():
                    ids.pop()
                if SolverStart.of(truck, self._problem).landfill >= 0 and ids and known[ids[0]].is_depot():
                    ids.pop(0)
                if ids:
                    routes.append(Route(self.data, [known[id_] for id_ in ids], number))
        return Solution(self.data, routes) if routes else None


def _groups(problem: RouteProblem) -> list[list[FleetTruck]]:
    """Interchangeable trucks together."""
    return [list(group) for _, group in groupby(sorted(problem.trucks, key=_type_key), key=_type_key)]


def _type_key(truck: FleetTruck) -> str:
    """Trucks with the same text are interchangeable."""
    shift = (truck.starts_s, truck.ends_s, truck.end_place, truck.fixed_cost)
    loads = (truck.compartments, truck.day_load, truck.collected, sorted(truck.on_board.items()))
    return repr((truck.start_place, SolverProfile.of(truck), shift, loads))


def _capacity(truck: FleetTruck, stream: str) -> int:
    capacities = [part.capacity for part in truck.compartments if stream in part.streams]
    return floor(capacities[0] * LOAD_UNITS + ROUNDING) if capacities else 0


def _on_board(truck: FleetTruck, stream: str) -> int:
    return load_units(truck.on_board.get(stream, 0.0))
