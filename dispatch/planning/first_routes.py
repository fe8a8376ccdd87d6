"""Routes to begin a search with: each trip goes to the stop that is furthest away, then always to the nearest one.

On thousands of stops, a search from a random beginning needs a long time until it is feasible.
"""

from __future__ import annotations

from math import ceil, inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dispatch.planning.active_time import TIME_UNITS, ActiveTime
from dispatch.planning.problem import CollectionStop, FleetTruck, RouteProblem
from dispatch.planning.solver_matrices import Integers, SolverLocations, SolverProfile, SolverStart

Sequences = dict[str, list[str]]
"""Truck to the stops and landfills that it visits, in order."""
Matrices = tuple[Integers, Integers]
"""Costs and durations between locations."""

LOAD_UNITS: Final = 10
ROUNDING: Final = 1e-6
DAY_SHARE: Final = 0.99
"""Share of a day's load that is used: the solver's bound of it has a small loss."""
FLOOR_SHARES: Final = (0.35, 0.5, 0.65, 0.8)
"""Shares of the optional stops, those of least worth, that a search may begin without."""
WAITING_WEIGHT: Final = 0.5
"""What a unit of waiting time counts beside a unit of cost in the choice of the next stop."""


class FirstRoutes:
    """Builds routes truck by truck; stops may be left over.

    Args:
        problem: The problem.
        locations: Its locations.
        active: The clock without the break.
    """

    def __init__(self, problem: RouteProblem, locations: SolverLocations, active: ActiveTime) -> None:
        self.problem, self.locations, self.active = problem, locations, active
        self.loads = np.array([load_units(stop.load) / LOAD_UNITS for stop in problem.stops])
        self.service = np.array([stop.service_s * TIME_UNITS for stop in problem.stops])
        self.opens = np.array([active.opens(stop.opens_s) for stop in problem.stops])
        self.closes = np.array([active.closes(stop.closes_s) for stop in problem.stops])
        self.streams = np.array([stop.stream for stop in problem.stops])
        self.is_left: NDArray[np.bool_] = np.ones(len(problem.stops), dtype=np.bool_)

    def sequences(self, matrices: dict[SolverProfile, Matrices], least_prize: float = 0.0) -> Sequences:
        """Routes that keep capacities, windows and shifts, over stops that are worth at least so much."""
        self.is_left = np.array([_prize(stop) >= least_prize for stop in self.problem.stops], dtype=np.bool_)
        routes = {
            truck.id: _Tour(self, truck, matrices[SolverProfile.of(truck)]).ids() for truck in self.problem.trucks
        }
        return {truck: ids for truck, ids in routes.items() if ids}


class _Tour:
    """The day of one truck, stop by stop; takes its stops out of those that are left."""

    def __init__(self, routes: FirstRoutes, truck: FleetTruck, matrices: Matrices) -> None:
        self._routes, self._truck, (self._costs, self._durations) = routes, truck, matrices
        start = SolverStart.of(truck, routes.problem)
        self._start = self._at = routes.locations.starts.index(start)
        self._end = routes.locations.first_end + routes.locations.ends.index(truck.end_place)
        self._now: float = routes.active.opens(truck.starts_s)
        self._ends = routes.active.closes(truck.ends_s)
        self._loads: dict[str, float] = dict(truck.on_board) if start.landfill < 0 else {}
        self._day = truck.collected
        self._day_load = inf if truck.day_load is None else truck.day_load * DAY_SHARE
        self._trips_left = whole_trips(truck) or inf

    def ids(self) -> list[str]:
        """Stops and landfills in order."""
        ids: list[str] = []
        is_first = True
        while True:
            choice = self._choose(is_first=is_first)
            if choice is not None:
                ids.append(self._visit(*choice))
                is_first = False
            elif ids and any(self._loads.values()) and self._trips_left > 1:
                ids.append(self._unload())
                self._trips_left -= 1
                is_first = True
            else:
                return ids

    def _choose(self, *, is_first: bool) -> tuple[int, float] | None:
        """The next stop and when its service begins; None if no stop is possible."""
        routes, row = self._routes, self._durations[self._at, self._routes.locations.stops]
        arrives = self._now + row
        begins = np.maximum(arrives, routes.opens)
        home = begins + routes.service + self._durations[routes.locations.stops, self._end]
        is_possible = routes.is_left & self._fits() & (begins <= routes.closes) & (home <= self._ends)
        if not is_possible.any():
            return None
        costs = self._costs[self._start if is_first else self._at, routes.locations.stops]
        keys = -costs if is_first else costs + WAITING_WEIGHT * (begins - arrives)
        number = int(np.where(is_possible, keys, inf).argmin())
        return number, float(begins[number])

    def _fits(self) -> NDArray[np.bool_]:
        """(stops,) bool: whether the truck has space for each."""
        routes, free = self._routes, np.zeros(len(self._routes.loads))
        for part in self._truck.compartments:
            space = part.capacity - sum(self._loads.get(stream, 0.0) for stream in part.streams)
            free[np.isin(routes.streams, part.streams)] = space
        return (routes.loads <= free) & (self._day + routes.loads <= self._day_load)

    def _visit(self, number: int, begins: float) -> str:
        routes, stop = self._routes, self._routes.problem.stops[number]
        routes.is_left[number] = False
        load = float(routes.loads[number])
        self._loads[stop.stream] = self._loads.get(stop.stream, 0.0) + load
        self._day += load
        self._now, self._at = begins + float(routes.service[number]), routes.locations.first_stop + number
        return stop.id

    def _unload(self) -> str:
        locations = self._routes.locations
        number = int(self._costs[self._at, locations.landfills].argmin())
        landfill = self._routes.problem.landfills[number]
        arrives = self._now + float(self._durations[self._at, locations.first_landfill + number])
        self._now = max(arrives, self._routes.active.opens(landfill.opens_s)) + landfill.service_s * TIME_UNITS
        self._at, self._loads = locations.first_landfill + number, {}
        return landfill.id


def prize_floors(problem: RouteProblem) -> list[float]:
    """The least prizes from which a search may begin: of all stops, and of the more valuable ones if some are optional.

    A search takes away stops one by one: it finds no way to save a trip whose stops are each worth their detour.
    """
    prizes = [stop.prize for stop in problem.stops if stop.prize is not None]
    if not prizes or min(prizes) == max(prizes):
        return [0.0]
    return [0.0, *sorted({float(np.quantile(prizes, share)) for share in FLOOR_SHARES})]


def _prize(stop: CollectionStop) -> float:
    return inf if stop.prize is None else stop.prize


def load_units(load: float) -> int:
    """A load in the solver's units, rounded up."""
    return ceil(load * LOAD_UNITS - ROUNDING)


def whole_trips(truck: FleetTruck) -> int:
    """The number of full trips that make exactly a day's load; 0 if there is none."""
    if truck.day_load is None or truck.is_split or truck.collected or truck.on_board:
        return 0
    trips = truck.day_load / truck.compartments[0].capacity
    return int(trips) if trips == int(trips) else 0
