"""Days of collection in the city of `kota bench dispatch`: a plan is made, driven, and levels and kilometres follow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

import msgspec
import numpy as np

from city.inventory.collection import VehicleClass
from city.inventory.model import City
from dispatch.forecast.distribution import Floats
from dispatch.planning.day import CollectionDay, DayBuilder
from dispatch.planning.outlook import Outlooks
from dispatch.planning.plan import TruckRoute
from dispatch.planning.policy import PlanningPolicy
from dispatch.planning.problem import FleetTruck, TravelTable, TravelTimes
from dispatch.planning.process import plan_in_process
from dispatch.planning.travel import KMH_TO_M_PER_S, BlockedArea, Position, StraightLineTravel
from dispatch.planning.worker import PlanRequest
from tests.bench.dispatch_city import FIRST_DAY, CityFilling

HOURS: Final = 24
FULL_PCT: Final = 100.0
LEFT_PCT: Final = 2.0
"""What a crew leaves in a container."""
DEADLINE_S: Final = 1_800.0


class DayFigures(msgspec.Struct, frozen=True):
    """What a day took.

    `overflows`: containers that were full at any hour. `extra_km`: of unloadings that no plan had, since a truck was
    full earlier; `km` contains them.
    """

    km: float = 0.0
    extra_km: float = 0.0
    hours: float = 0.0
    stops: int = 0
    trips: int = 0
    kg: float = 0.0
    overflows: int = 0


class KnownTravel:
    """Straight lines of the city, computed once for all its places; the same numbers as `StraightLineTravel`."""

    def __init__(self, city: City, policy: PlanningPolicy) -> None:
        line = StraightLineTravel(city, policy.speed_kmh)
        places = {
            Position(place.lat_deg or 0.0, place.lon_deg or 0.0, place.kelurahan)
            for place in (*city.bins.values(), *city.sites.values())
        }
        self._numbers = {place: number for number, place in enumerate(sorted(places))}
        self._speed_kmh = policy.speed_kmh
        metres = np.zeros((len(places), len(places)))
        for place, number in self._numbers.items():
            for other, column in self._numbers.items():
                if column > number:
                    metres[number, column] = metres[column, number] = line.metres(place, other)
        self._metres = metres

    def table(
        self, places: Sequence[Position], vehicle_class: VehicleClass, blocked: Sequence[BlockedArea] = ()
    ) -> TravelTable:
        """See `TravelModel`; nothing is blocked here."""
        assert not blocked
        rows = np.array([self._numbers[place] for place in places])
        metres = np.ascontiguousarray(self._metres[np.ix_(rows, rows)])
        seconds = metres / (self._speed_kmh[vehicle_class] * KMH_TO_M_PER_S)
        return TravelTable(len(rows), metres.tobytes(), seconds.tobytes(), "straight_line")


class CollectedCity:
    """The levels of all containers, as one way of collection makes them; owns the time of each one's last emptying.

    Args:
        city: The inventory.
        filling: Growth.
        policy: Densities and times.
        travel: Distances.
        seconds: Search of a plan.
        seed: Of the search.
    """

    def __init__(
        self, city: City, filling: CityFilling, policy: PlanningPolicy, travel: KnownTravel, seconds: float, seed: int
    ) -> None:
        self._filling, self._policy, self._seconds, self._seed = filling, policy, seconds, seed
        self._builder = DayBuilder(city, policy, travel)
        self.numbers = {id_: number for number, id_ in enumerate(filling.ids)}
        bins = city.bins.values()
        self._kg_a_point = np.array(
            [city.models[bin_.model].capacity_l * policy.density_kg_per_l[bin_.waste_kind] / 100 for bin_ in bins]
        )
        self._emptied_hour = np.zeros(len(filling.ids), dtype=np.int64)
        self._left_pct = np.random.default_rng(seed).uniform(0, 60, len(filling.ids))

    def levels(self, hour: int) -> Floats:
        """Levels at the start of an hour, percent, beyond 100 where waste lies beside, (containers,)."""
        rows = np.arange(len(self._emptied_hour))
        return np.asarray(self._left_pct + self._filling.grown[:, hour] - self._filling.grown[rows, self._emptied_hour])

    def levels_by_hour(self, day: int) -> Floats:
        """Levels at the end of each hour of a day without a collection, (containers, 24)."""
        begin = day * HOURS
        base = self._left_pct - self._filling.grown[np.arange(len(self._left_pct)), self._emptied_hour]
        return np.asarray(base[:, None] + self._filling.grown[:, begin + 1 : begin + HOURS + 1])

    def drive(self, day: int, outlooks: Outlooks, due: Collection[str] = ()) -> tuple[DayFigures, dict[str, float]]:
        """Plan a day and drive it: figures, and the hour of the day of each collection."""
        collection = self._builder.build(FIRST_DAY + timedelta(days=day), outlooks, {}, due=due)
        request = PlanRequest(collection.problem, self._seconds, seed=self._seed, clock="processor")
        plan = plan_in_process(request, DEADLINE_S)
        visited = hours_of(plan.routes)
        figures = self._figures(day, collection, plan.routes)
        return msgspec.structs.replace(figures, overflows=self.collect(day, visited)), visited

    def every_stop(self) -> CollectionDay:
        """A day on which all containers are collected; fixed tours are driven on it."""
        return self._builder.build(FIRST_DAY, {}, {}, due=self.numbers)

    def drive_tours(self, day: int, tours: Collection[TruckRoute], every: CollectionDay) -> DayFigures:
        """Drive fixed tours on a day; `every`: that of `every_stop`."""
        figures = self._figures(day, every, tours)
        return msgspec.structs.replace(figures, overflows=self.collect(day, hours_of(tours)))

    def collect(self, day: int, visited: dict[str, float]) -> int:
        """Empty containers at hours of a day; returns how many were full at any hour of it."""
        levels = self.levels_by_hour(day)
        for id_, at_hour in visited.items():
            number, hour = self.numbers[id_], min(int(at_hour), HOURS - 1)
            begin = day * HOURS + hour
            self._left_pct[number], self._emptied_hour[number] = LEFT_PCT, begin
            grown = self._filling.grown[number, begin + 1 : (day + 1) * HOURS + 1] - self._filling.grown[number, begin]
            levels[number, hour:] = LEFT_PCT + grown
        return int((levels >= FULL_PCT).any(axis=1).sum())

    def _figures(self, day: int, collection: CollectionDay, routes: Collection[TruckRoute]) -> DayFigures:
        loads = self.levels_by_hour(day) * self._kg_a_point[:, None]
        trucks = {truck.id: truck for truck in collection.problem.trucks}
        driven = [_DrivingTruck(collection, trucks[route.truck]).drive(route, loads, self.numbers) for route in routes]
        return DayFigures(
            km=sum(truck.metres for truck in driven) / 1000,
            extra_km=sum(truck.extra_m for truck in driven) / 1000,
            hours=sum(truck.seconds for truck in driven) / 3600,
            stops=sum(truck.stops for truck in driven),
            trips=sum(truck.trips for truck in driven),
            kg=sum(truck.kg for truck in driven),
        )


def hours_of(routes: Collection[TruckRoute]) -> dict[str, float]:
    """The hour of the day at which each stop of routes is collected."""
    return {visit.id: visit.starts_s / 3600 for route in routes for visit in route.visits if visit.kind == "stop"}


class _DrivingTruck:
    """A truck on its route: a container that does not fit any more is fetched after another unloading.

    The delay of what comes after that is left out; hours and metres have it.
    """

    def __init__(self, collection: CollectionDay, truck: FleetTruck) -> None:
        self._problem, self._truck = collection.problem, truck
        self._travel = TravelTimes(collection.problem.travel[truck.vehicle_class])
        self._places = {place.id: place.place for place in collection.problem.places}
        self.metres = self.extra_m = self.seconds = self.kg = 0.0
        self.stops = self.trips = 0

    def drive(self, route: TruckRoute, loads: Floats, numbers: dict[str, int]) -> _DrivingTruck:
        """Drive it; `loads` are kilograms at the end of each hour, (containers, 24)."""
        at, load_kg = self._truck.start_place, 0.0
        capacity_kg = sum(part.capacity for part in self._truck.compartments)
        for visit in route.visits:
            place = self._places[visit.id]
            if visit.kind == "landfill":
                load_kg, self.trips = 0.0, self.trips + 1
            else:
                here_kg = float(loads[numbers[visit.id], min(int(visit.starts_s // 3600), HOURS - 1)])
                if load_kg and load_kg + here_kg > capacity_kg:
                    self._unload(at, place)
                    load_kg = 0.0
                load_kg, self.kg, self.stops = load_kg + here_kg, self.kg + here_kg, self.stops + 1
            at = place
        self.metres = route.metres + self.extra_m
        self.seconds += route.returns_s - route.departs_s
        return self

    def _unload(self, at: int, to: int) -> None:
        landfill = min(self._problem.landfills, key=lambda place: self._travel.metres(at, place.place))
        legs = (at, landfill.place), (landfill.place, to)
        self.extra_m += sum(self._travel.metres(*leg) for leg in legs) - self._travel.metres(at, to)
        seconds = sum(self._travel.seconds(*leg, 0.0) for leg in legs) - self._travel.seconds(at, to, 0.0)
        self.seconds += seconds + landfill.service_s
        self.trips += 1
