"""A day of collection as a routing problem: stops, landfills, trucks and travel times between their places.

Times are seconds after local midnight of the day of service and may exceed 86,400. A load has one unit in a whole
problem: kilograms in a city. A place is an index into the travel tables.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Final, Literal, get_args

import msgspec

from city.errors import ConfigError
from city.inventory.collection import VehicleClass

VisitKind = Literal["stop", "landfill"]
TravelSource = Literal["gps", "roads", "straight_line", "given"]
"""Where travel times come from; `given` is for problems that bring their own, such as benchmarks."""

TRAVEL_SOURCES: Final[tuple[TravelSource, ...]] = get_args(TravelSource)
HOURS_A_DAY: Final = 24
DAY_S: Final = 86_400.0


class ProblemError(ConfigError):
    """A routing problem contradicts itself; its text names the thing and what is wrong."""


class TravelTable(msgspec.Struct, frozen=True):
    """Distances and travel times between all places, row by row: from, then to.

    `metres`, `seconds`: (size * size) float64. `hour_factors`: what travel time is multiplied by when it begins in an
    hour of the day; empty for 1 at all hours.
    """

    size: int
    metres: bytes
    seconds: bytes
    source: TravelSource
    hour_factors: tuple[float, ...] = ()

    @classmethod
    def from_rows(
        cls,
        metres: Sequence[Sequence[float]],
        seconds: Sequence[Sequence[float]],
        source: TravelSource,
        hour_factors: tuple[float, ...] = (),
    ) -> TravelTable:
        """A table from rows of numbers."""
        return cls(len(metres), _flatten(metres), _flatten(seconds), source, hour_factors)


def _flatten(rows: Sequence[Sequence[float]]) -> bytes:
    return array("d", [value for row in rows for value in row]).tobytes()


class TravelTimes:
    """Reads a travel table.

    Args:
        table: The table.
    """

    def __init__(self, table: TravelTable) -> None:
        self._size = table.size
        self._metres = memoryview(table.metres).cast("d")
        self._seconds = memoryview(table.seconds).cast("d")
        self._factors = table.hour_factors

    def metres(self, start: int, end: int) -> float:
        """Distance between two places."""
        return self._metres[start * self._size + end]

    def seconds(self, start: int, end: int, departs_s: float) -> float:
        """Travel time between two places for a departure at a time of the day."""
        seconds = self._seconds[start * self._size + end]
        if not self._factors:
            return seconds
        return seconds * self._factors[int(departs_s // 3600) % HOURS_A_DAY]


class CollectionStop(msgspec.Struct, frozen=True, kw_only=True):
    """Waste of one stream to be collected at one place.

    Service starts in `[opens_s, closes_s]` and takes `service_s`. `prize` is what collecting it is worth, in units of
    cost (`FleetTruck.cost_per_m`); None means that it must be collected. `access` is the largest vehicle class that
    its street admits.
    """

    id: str
    place: int
    stream: str
    load: float
    service_s: float
    opens_s: float = 0.0
    closes_s: float = DAY_S
    prize: float | None = None
    access: VehicleClass = "large"


class Landfill(msgspec.Struct, frozen=True, kw_only=True):
    """Where trucks unload: unloading starts in `[opens_s, closes_s]`."""

    id: str
    place: int
    service_s: float
    opens_s: float = 0.0
    closes_s: float = DAY_S


class Pause(msgspec.Struct, frozen=True):
    """A crew's break: starts in `[from_s, to_s]` while the truck stands and nobody loads.

    It is due for a truck that is on duty before `to_s` and comes home after `from_s`.
    """

    from_s: float
    to_s: float
    duration_s: float


class Compartment(msgspec.Struct, frozen=True):
    """A part of a truck's body and the streams that it may carry, one of them a trip."""

    capacity: float
    streams: tuple[str, ...]


class FleetTruck(msgspec.Struct, frozen=True, kw_only=True):
    """A truck on duty from `starts_s` at `start_place` until `ends_s` at `end_place`.

    `on_board`: load by stream at the start, since its last unloading. `collected`: load and stops that count towards
    the day's limits already. `day_load`, `day_stops`: limits of the day, None for none. `pause`: None if it is not due.
    """

    id: str
    start_place: int
    end_place: int
    starts_s: float
    ends_s: float
    compartments: tuple[Compartment, ...]
    vehicle_class: VehicleClass = "large"
    pause: Pause | None = None
    day_load: float | None = None
    day_stops: int | None = None
    on_board: dict[str, float] = {}
    collected: float = 0.0
    collected_stops: int = 0
    cost_per_m: float = 1.0
    fixed_cost: float = 0.0

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams that it may carry."""
        return tuple(stream for compartment in self.compartments for stream in compartment.streams)

    @property
    def is_split(self) -> bool:
        """Whether its body keeps streams apart, so that a trip may have several."""
        return len(self.compartments) > 1


class RouteProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan must meet. `travel` has a table for each vehicle class of the trucks, over the same places."""

    stops: tuple[CollectionStop, ...]
    landfills: tuple[Landfill, ...]
    trucks: tuple[FleetTruck, ...]
    travel: dict[VehicleClass, TravelTable]

    @property
    def places(self) -> tuple[CollectionStop | Landfill, ...]:
        """Where trucks go: stops and landfills."""
        return (*self.stops, *self.landfills)


def check_problem(problem: RouteProblem) -> None:
    """Refuse a problem that contradicts itself.

    Raises:
        ProblemError: The first contradiction.
    """
    for text in _contradictions(problem):
        raise ProblemError(text)


def _contradictions(problem: RouteProblem) -> Iterator[str]:
    ids = Counter(place.id for place in problem.places)
    ids.update(truck.id for truck in problem.trucks)
    yield from (f"{id_}: the id occurs twice" for id_, count in ids.items() if count > 1)
    if not problem.trucks:
        yield "there is no truck"
    if not problem.landfills:
        yield "there is no landfill"
    sizes = {table.size for table in problem.travel.values()}
    for name, table in problem.travel.items():
        yield from _table_contradictions(name, table)
    size = min(sizes, default=0)
    if len(sizes) > 1:
        yield "travel tables differ in size"
    for stop in problem.stops:
        yield from _window_contradictions(stop, size)
        if not (isfinite(stop.load) and stop.load >= 0) or (stop.prize is not None and not isfinite(stop.prize)):
            yield f"{stop.id}: load {stop.load:g} or prize {stop.prize} is not possible"
    for landfill in problem.landfills:
        yield from _window_contradictions(landfill, size)
    for truck in problem.trucks:
        yield from _truck_contradictions(truck, problem, size)


def _table_contradictions(name: str, table: TravelTable) -> Iterator[str]:
    cells = table.size * table.size * 8
    if table.size < 1 or len(table.metres) != cells or len(table.seconds) != cells:
        yield f"travel table {name}: its size is not that of its content"
    elif not all(value >= 0 for data in (table.metres, table.seconds) for value in memoryview(data).cast("d")):
        yield f"travel table {name}: a distance or time is negative or no number"
    factors = table.hour_factors
    if factors and (len(factors) != HOURS_A_DAY or not all(isfinite(factor) and factor > 0 for factor in factors)):
        yield f"travel table {name}: hour factors are not 24 positive numbers"


def _window_contradictions(place: CollectionStop | Landfill, size: int) -> Iterator[str]:
    if not 0 <= place.place < size:
        yield f"{place.id}: there is no place {place.place}"
    if not (isfinite(place.opens_s) and isfinite(place.closes_s) and place.opens_s <= place.closes_s):
        yield f"{place.id}: closes before it opens"
    if not (isfinite(place.service_s) and place.service_s >= 0):
        yield f"{place.id}: service takes {place.service_s:g} s"


def _truck_contradictions(truck: FleetTruck, problem: RouteProblem, size: int) -> Iterator[str]:
    if not (0 <= truck.start_place < size and 0 <= truck.end_place < size):
        yield f"{truck.id}: there is no place {truck.start_place} or {truck.end_place}"
    if not (isfinite(truck.starts_s) and isfinite(truck.ends_s) and truck.starts_s <= truck.ends_s):
        yield f"{truck.id}: its shift ends before it starts"
    if truck.vehicle_class not in problem.travel:
        yield f"{truck.id}: no travel table of vehicle class {truck.vehicle_class}"
    streams = truck.streams
    if len(streams) != len(set(streams)) or not streams:
        yield f"{truck.id}: a stream is in two compartments, or there is none"
    if truck.is_split and any(len(compartment.streams) != 1 for compartment in truck.compartments):
        yield f"{truck.id}: a compartment of a split body carries one stream"
    if any(not (isfinite(compartment.capacity) and compartment.capacity > 0) for compartment in truck.compartments):
        yield f"{truck.id}: a compartment without capacity"
    if any(load < 0 or not isfinite(load) or stream not in streams for stream, load in truck.on_board.items()):
        yield f"{truck.id}: has a load on board that it cannot carry"
    if not truck.is_split and sum(load > 0 for load in truck.on_board.values()) > 1:
        yield f"{truck.id}: has two streams on board of one body"
    if truck.pause and not truck.pause.from_s <= truck.pause.to_s:
        yield f"{truck.id}: its break ends before it starts"
