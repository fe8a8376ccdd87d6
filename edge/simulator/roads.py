"""Routes through a city without a map: street-like paths between two points, and positions along them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from random import Random
from typing import Final, NamedTuple

M_PER_DEG: Final = 111_320.0
BLOCK_M: Final = 900.0
"""Average distance between turns; long routes have at most `BLOCKS_MAX` blocks."""
BLOCKS_MAX: Final = 5
DETOUR_M: Final = 120.0


class GeoPoint(NamedTuple):
    """A position on earth."""

    lat_deg: float
    lon_deg: float


class Path:
    """A line along waypoints, never empty; `length_m` may be 0 where start and end coincide."""

    def __init__(self, points: Sequence[GeoPoint]) -> None:
        self._points = tuple(points)
        self._marks_m = [0.0, *accumulate(metres(a, b) for a, b in pairwise(self._points))]

    @property
    def start(self) -> GeoPoint:
        """The first waypoint."""
        return self._points[0]

    @property
    def end(self) -> GeoPoint:
        """The last waypoint."""
        return self._points[-1]

    @property
    def length_m(self) -> float:
        """The total length."""
        return self._marks_m[-1]

    def at(self, travelled_m: float) -> tuple[GeoPoint, float]:
        """The position after `travelled_m`, and the heading there in degrees from north."""
        index = min(max(bisect_right(self._marks_m, travelled_m) - 1, 0), len(self._points) - 2)
        if index < 0:
            return self.start, 0.0
        first, second = self._points[index], self._points[index + 1]
        span_m = self._marks_m[index + 1] - self._marks_m[index]
        share = min(max((travelled_m - self._marks_m[index]) / span_m, 0.0), 1.0) if span_m > 0 else 1.0
        return between(first, second, share), heading_deg(first, second)

    def split(self, at_m: float) -> tuple[Path, Path]:
        """The path up to `at_m` and the path from there."""
        index = bisect_right(self._marks_m, at_m)
        cut, _ = self.at(at_m)
        return Path([*self._points[:index], cut]), Path([cut, *self._points[index:]])


def metres(first: GeoPoint, second: GeoPoint) -> float:
    """Distance on a locally flat earth: accurate to a per mille within a city."""
    north_m = (second.lat_deg - first.lat_deg) * M_PER_DEG
    east_m = (second.lon_deg - first.lon_deg) * M_PER_DEG * math.cos(math.radians(first.lat_deg))
    return math.hypot(north_m, east_m)


def heading_deg(first: GeoPoint, second: GeoPoint) -> float:
    """Direction from one point to another, degrees clockwise from north, 0 to 360."""
    east = (second.lon_deg - first.lon_deg) * math.cos(math.radians(first.lat_deg))
    return math.degrees(math.atan2(east, second.lat_deg - first.lat_deg)) % 360.0


def between(first: GeoPoint, second: GeoPoint, share: float) -> GeoPoint:
    """The point at `share` (0 to 1) of the way from one to the other."""
    return GeoPoint(
        first.lat_deg + (second.lat_deg - first.lat_deg) * share,
        first.lon_deg + (second.lon_deg - first.lon_deg) * share,
    )


def shift(point: GeoPoint, north_m: float, east_m: float) -> GeoPoint:
    """A point shifted by metres."""
    lon_scale = M_PER_DEG * math.cos(math.radians(point.lat_deg))
    return GeoPoint(point.lat_deg + north_m / M_PER_DEG, point.lon_deg + east_m / lon_scale)


def nearby(point: GeoPoint, random: Random, least_m: float, most_m: float) -> GeoPoint:
    """A random point at a distance between `least_m` and `most_m`."""
    angle, distance_m = random.uniform(0.0, math.tau), random.uniform(least_m, most_m)
    return shift(point, distance_m * math.cos(angle), distance_m * math.sin(angle))


def street_path(start: GeoPoint, end: GeoPoint, inland: GeoPoint, random: Random) -> Path:
    """A staircase of right angles from start to end.

    Args:
        start: Where the path begins.
        end: Where it ends.
        inland: Corners turn towards this point, so that paths along a coast stay out of the sea.
        random: Decides the turns.
    """
    blocks = min(max(round(metres(start, end) / BLOCK_M), 1), BLOCKS_MAX)
    stops = [start]
    for block in range(1, blocks):
        on_line = between(start, end, block / blocks)
        stops.append(shift(on_line, random.uniform(-DETOUR_M, DETOUR_M), random.uniform(-DETOUR_M, DETOUR_M)))
    stops.append(end)
    points = [start]
    for first, second in pairwise(stops):
        corners = (GeoPoint(first.lat_deg, second.lon_deg), GeoPoint(second.lat_deg, first.lon_deg))
        points += [min(corners, key=lambda corner: metres(corner, inland)), second]
    return Path(points)
