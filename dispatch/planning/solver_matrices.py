"""Matrices of cost and duration between the locations of the solver; what is forbidden is far.

Locations are starts, landfills, stops, ends in this order.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from city.inventory.collection import VehicleClass
from dispatch.planning.active_time import TIME_UNITS
from dispatch.planning.problem import FleetTruck, RouteProblem, TravelTable, TravelTimes

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

HALF: Final = 0.5
_FAR_FACTOR: Final = 4
_FAR_M: Final = 1_000.0
_BEYOND_SHIFT_S: Final = 3600.0


class SolverProfile(NamedTuple):
    """Trucks of one profile have the same matrices."""

    vehicle_class: VehicleClass
    streams: tuple[str, ...]
    is_split: bool
    cost_per_m: float

    @classmethod
    def of(cls, truck: FleetTruck) -> SolverProfile:
        """The profile of a truck."""
        return cls(truck.vehicle_class, truck.streams, truck.is_split, truck.cost_per_m)


class SolverStart(NamedTuple):
    """Where a truck starts, the stream that it has on board of an undivided body, and where it unloads first.

    PyVRP puts no unloading before the first stop. So it is decided here: `landfill` is its number, or -1.
    """

    place: int
    stream: str
    landfill: int

    @classmethod
    def of(cls, truck: FleetTruck, problem: RouteProblem) -> SolverStart:
        """The start of a truck; it unloads first if it is half full, or if no stop goes with what it has on board."""
        loads = {stream: load for stream, load in truck.on_board.items() if load > 0}
        space = min((_space(truck, stream, load) for stream, load in loads.items()), default=1.0)
        goes_with = truck.is_split or any(stop.stream in loads for stop in problem.stops)
        if not loads or (space >= HALF and goes_with):
            return cls(truck.start_place, next(iter(loads), "") if not truck.is_split else "", -1)
        metres = TravelTimes(problem.travel[truck.vehicle_class]).metres
        numbers = range(len(problem.landfills))
        nearest = min(numbers, key=lambda number: metres(truck.start_place, problem.landfills[number].place))
        return cls(truck.start_place, "", nearest)


def _space(truck: FleetTruck, stream: str, load: float) -> float:
    """Share of a compartment that is free."""
    capacity = sum(part.capacity for part in truck.compartments if stream in part.streams)
    return 1 - load / capacity


class SolverLocations:
    """The locations of a problem, and the matrices between them.

    Args:
        problem: The problem.

    Attributes:
        starts, ends: Distinct starts and ends of trucks.
        first_landfill, first_stop, first_end, count: Where each sort of location begins, and their number.
    """

    def __init__(self, problem: RouteProblem) -> None:
        self._problem = problem
        self.starts = sorted({SolverStart.of(truck, problem) for truck in problem.trucks})
        self.ends = sorted({truck.end_place for truck in problem.trucks})
        self.first_landfill = len(self.starts)
        self.first_stop = self.first_landfill + len(problem.landfills)
        self.first_end = self.first_stop + len(problem.stops)
        self.count = self.first_end + len(self.ends)
        self._last = {end: self._last_landfills(end) for end in self.ends}

    @property
    def stops(self) -> slice:
        """Locations of stops."""
        return slice(self.first_stop, self.first_end)

    @property
    def landfills(self) -> slice:
        """Locations of landfills."""
        return slice(self.first_landfill, self.first_stop)

    def last_end_s(self, end: int) -> float:
        """When a truck must be at its end at the latest, since landfills close."""
        return min(self._latest_home_s(number, end) for number in self._last[end])

    def matrices(self, profile: SolverProfile) -> tuple[Integers, Integers]:
        """(count, count) int64 each: costs, and durations in units of time."""
        problem, table = self._problem, self._problem.travel[profile.vehicle_class]
        places = [start.place for start in self.starts]
        places += [landfill.place for landfill in problem.landfills] + [stop.place for stop in problem.stops]
        around = np.ix_(places + self.ends, places + self.ends)
        metres, seconds = _grid(table, table.metres)[around], _grid(table, table.seconds)[around]
        # The slowest hour for all: a route that is on time then is on time at any other hour, since waiting is free.
        seconds *= max(table.hour_factors, default=1.0)
        for row, start in enumerate(self.starts):
            if start.landfill >= 0:
                over = self.first_landfill + start.landfill
                metres[row] = metres[row, over] + metres[over]
                seconds[row] = seconds[row, over] + seconds[over] + problem.landfills[start.landfill].service_s
        for number, end in enumerate(self.ends):
            self._lead_over_landfill(metres, seconds, self.first_end + number, self._last[end])
        closed = self._closed_legs(profile)
        metres[closed], seconds[closed] = metres.max() * _FAR_FACTOR + _FAR_M, self._far_s() + seconds.max()
        costs = np.rint(metres * profile.cost_per_m).astype(np.int64)
        durations = np.ceil(seconds * TIME_UNITS - 1e-6).astype(np.int64)
        np.fill_diagonal(costs, 0)
        np.fill_diagonal(durations, 0)
        return costs, durations

    def _lead_over_landfill(self, metres: Floats, seconds: Floats, column: int, choice: list[int]) -> None:
        """Let the way home of what is no landfill lead over the best of some landfills."""
        rows = np.r_[0 : self.first_landfill, self.first_stop : self.first_end]
        over = [self.first_landfill + number for number in choice]
        detours = metres[np.ix_(rows, over)] + metres[over, column]
        best, line = detours.argmin(axis=1), np.arange(len(rows))
        service_s = np.array([self._problem.landfills[number].service_s for number in choice])
        ways_s = seconds[np.ix_(rows, over)] + seconds[over, column] + service_s
        metres[rows, column] = detours[line, best]
        seconds[rows, column] = ways_s[line, best]

    def _closed_legs(self, profile: SolverProfile) -> NDArray[np.bool_]:
        """(count, count) bool: legs that a truck of the profile must not drive."""
        stops, into = self._problem.stops, self.stops
        closed = np.zeros((self.count, self.count), dtype=np.bool_)
        closed[:, into] = np.array(
            [
                stop.stream not in profile.streams or (stop.access == "small" and profile.vehicle_class != "small")
                for stop in stops
            ],
            dtype=np.bool_,
        )
        if not profile.is_split:
            streams = np.array([stop.stream for stop in stops])
            closed[into, into] |= streams[:, None] != streams
            for row, start in enumerate(self.starts):
                if start.stream:
                    closed[row, into] |= streams != start.stream
        return closed

    def _far_s(self) -> float:
        """Longer than any shift."""
        times = [truck.ends_s for truck in self._problem.trucks] + [stop.closes_s for stop in self._problem.stops]
        return max(times) - min(truck.starts_s for truck in self._problem.trucks) + _BEYOND_SHIFT_S

    def _latest_home_s(self, landfill: int, end: int) -> float:
        """When a truck that unloads at the last moment is at its end."""
        place = self._problem.landfills[landfill]
        ways_s = [_grid(table, table.seconds)[place.place, end] for table in self._problem.travel.values()]
        return place.closes_s + place.service_s + float(min(ways_s))

    def _last_landfills(self, end: int) -> list[int]:
        """Landfills for the last unloading: those open until the shifts end, else the one that is open longest."""
        numbers = range(len(self._problem.landfills))
        ends_s = max(truck.ends_s for truck in self._problem.trucks if truck.end_place == end)
        late = [number for number in numbers if self._latest_home_s(number, end) >= ends_s]
        return late or [max(numbers, key=lambda number: self._latest_home_s(number, end))]


def _grid(table: TravelTable, content: bytes) -> Floats:
    return np.frombuffer(content).reshape(table.size, table.size)
