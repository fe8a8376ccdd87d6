"""Travel between places of a city: the port of its sources, and the one that needs no data, the straight line."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, pi, radians, sin
from typing import Final, NamedTuple, Protocol

from city.inventory.collection import VehicleClass
from city.inventory.geo import RADIUS_KM, distance_km
from city.inventory.model import City
from dispatch.planning.problem import TravelTable

KMH_TO_M_PER_S: Final = 1 / 3.6
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
        factors = [self._factors.get(place.kelurahan, self._default) for place in (start, end)]
        return metres_between(start, end) * sum(factors) / 2 + sum(area.detour_m(start, end) for area in blocked)

    def table(
        self, places: Sequence[Position], vehicle_class: VehicleClass, blocked: Sequence[BlockedArea] = ()
    ) -> TravelTable:
        """See `TravelModel`."""
        metres = [[self.metres(start, end, blocked) for end in places] for start in places]
        m_per_s = self._speed_kmh[vehicle_class] * KMH_TO_M_PER_S
        return TravelTable.from_rows(metres, [[value / m_per_s for value in row] for row in metres], "straight_line")


def metres_between(start: Position | BlockedArea, end: Position | BlockedArea) -> float:
    """Great-circle distance of two places."""
    return distance_km(start.lat_deg, start.lon_deg, end.lat_deg, end.lon_deg) * 1000


def _offset_m(centre: Position | BlockedArea, place: Position) -> tuple[float, float]:
    """Metres east and north of a centre, for distances within a city."""
    lat, radius_m = radians(centre.lat_deg), RADIUS_KM * 1000
    north_m = sin(radians(place.lat_deg - centre.lat_deg)) * radius_m
    return radians(place.lon_deg - centre.lon_deg) * radius_m * cos(lat), north_m
