"""Travel between places of a city: the port of its sources, and the one that needs no data, the straight line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import asin, cos, hypot, pi, radians, sin, sqrt
from typing import Final, NamedTuple, Protocol

from city.inventory.collection import VehicleClass
from city.inventory.geo import RADIUS_KM, distance_km
from city.inventory.model import City
from dispatch.planning.problem import TravelTable

KMH_TO_M_PER_S: Final = 1 / 3.6
RADIUS_M: Final = RADIUS_KM * 1000
PLANNING_FOLDER: Final = "planning"
"""Folder of a data folder that has imported roads."""


class Position(NamedTuple):
    """A place on the map, with its kelurahan."""

    lat_deg: float
    lon_deg: float
    kelurahan: str


class BlockedArea(NamedTuple):
    """A circle that no truck may enter, such as a flooded street."""

    lat_deg: float
    lon_deg: float
    radius_m: float

    def contains(self, position: Position) -> bool:
        """Whether a place lies in it."""
        return metres_between(self, position) <= self.radius_m

    def detour_m(self, start: Position, end: Position) -> float:
        """How much longer the way around it is than a straight line between places outside; 0 if that misses it."""
        east, north = _offset_m(self, start)
        to_east, to_north = _offset_m(self, end)
        along_east, along_north = to_east - east, to_north - north
        length_m = hypot(along_east, along_north)
        if length_m == 0:
            return 0.0
        share = max(0.0, min(1.0, -(east * along_east + north * along_north) / length_m**2))
        missed_m = hypot(east + share * along_east, north + share * along_north)
        return (pi - 2) * self.radius_m * max(0.0, 1 - missed_m / self.radius_m) if missed_m < self.radius_m else 0.0


class TravelModel(Protocol):
    """Travel times of one source."""

    def table(
        self, places: Sequence[Position], vehicle_class: VehicleClass, blocked: Sequence[BlockedArea] = ()
    ) -> TravelTable:
        """Distances and times between all places for a vehicle class, around blocked areas; pure."""


class StraightLineTravel:
    """Straight lines, lengthened by a factor of the kelurahan at both ends, at one speed.

    Args:
        city: Gives the factors.
        speed_kmh: Speed of each vehicle class.
    """

    def __init__(self, city: City, speed_kmh: dict[VehicleClass, float]) -> None:
        self._factors = {kelurahan.id: kelurahan.detour_factor for kelurahan in city.kelurahan.values()}
        self._default = max(self._factors.values(), default=1.4)
        self._speed_kmh = speed_kmh

    def metres(self, start: Position, end: Position, blocked: Sequence[BlockedArea] = ()) -> float:
        """Length of the way between two places."""
        factor = (self.factor(start) + self.factor(end)) / 2
        return way_metres((start, end), lambda _start, _end: factor, blocked)[0][1]

    def factor(self, place: Position) -> float:
        """How much longer than a straight line ways at a place are."""
        return self._factors.get(place.kelurahan, self._default)

    def table(
        self, places: Sequence[Position], vehicle_class: VehicleClass, blocked: Sequence[BlockedArea] = ()
    ) -> TravelTable:
        """See `TravelModel`."""
        factors = [self.factor(place) for place in places]
        metres = way_metres(places, lambda start, end: (factors[start] + factors[end]) / 2, blocked)
        m_per_s = self._speed_kmh[vehicle_class] * KMH_TO_M_PER_S
        return TravelTable.from_rows(metres, [[value / m_per_s for value in row] for row in metres], "straight_line")


def way_metres(
    places: Sequence[Position], factor: Callable[[int, int], float], blocked: Sequence[BlockedArea]
) -> list[list[float]]:
    """Lengths of the ways between all places: straight lines times a factor, around blocked areas; symmetric.

    Args:
        places: The places.
        factor: Factor of a way, by the numbers of its places; the same in both directions.
        blocked: Areas that no truck may enter.
    """
    vectors = [_unit_vector(place) for place in places]
    rows = [[0.0] * len(places) for _ in places]
    for start, (east, north, up) in enumerate(vectors):
        row = rows[start]
        for end in range(start):
            other = vectors[end]
            chord = sqrt((east - other[0]) ** 2 + (north - other[1]) ** 2 + (up - other[2]) ** 2)
            metres = 2 * RADIUS_M * asin(min(chord / 2, 1.0)) * factor(start, end)
            if blocked:
                metres += sum(area.detour_m(places[start], places[end]) for area in blocked)
            row[end] = rows[end][start] = metres
    return rows


def _unit_vector(place: Position) -> tuple[float, float, float]:
    lat, lon = radians(place.lat_deg), radians(place.lon_deg)
    return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)


def metres_between(start: Position | BlockedArea, end: Position | BlockedArea) -> float:
    """Great-circle distance of two places."""
    return distance_km(start.lat_deg, start.lon_deg, end.lat_deg, end.lon_deg) * 1000


def _offset_m(centre: Position | BlockedArea, place: Position) -> tuple[float, float]:
    """Metres east and north of a centre, for distances within a city."""
    lat, radius_m = radians(centre.lat_deg), RADIUS_M
    north_m = sin(radians(place.lat_deg - centre.lat_deg)) * radius_m
    return radians(place.lon_deg - centre.lon_deg) * radius_m * cos(lat), north_m
