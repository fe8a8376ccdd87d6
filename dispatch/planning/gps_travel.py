"""Travel times learned from the positions of the city's own trucks: detour factors and speeds, by hour of the day.

readings of trucks -> `GpsLearner.add` (one truck's fixes in order) -> `GpsLearner.model` -> `GpsTravel`
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from city.inventory.collection import VehicleClass
from dispatch.planning.problem import HOURS_A_DAY, TravelTable
from dispatch.planning.travel import BlockedArea, Position, StraightLineTravel, metres_between, way_metres

STEP_MAX_S: Final = 120.0
"""Fixes further apart in time say nothing of the way between them."""
MOVING_MIN_M_PER_S: Final = 1.5
"""Slower is a stop: loading is no driving. It is a brisk walk."""
MOVING_MAX_M_PER_S: Final = 33.0
"""Faster is a wrong fix."""
STRETCH_M: Final = 1_500.0
"""Length of way over which the way is compared with the straight line: a typical leg between stops."""
HOUR_MIN_S: Final = 1_800.0
"""Driving in an hour of the day below which that hour has the mean of all."""
LEARNED_MIN_S: Final = 4 * 3600.0
"""Driving below which nothing is learned."""
GAP_M: Final = 100.0
"""A truck that has moved so far without fixes drove a way that is not known."""
STRETCHES_MIN: Final = 5


class Fix(NamedTuple):
    """A truck's position at a moment, with the kelurahan it is in."""

    at: datetime
    position: Position


class _Step(NamedTuple):
    start: Fix
    end: Fix
    metres: float
    seconds: float


class GpsTravel:
    """Straight lines with learned factors, at learned speeds, by hour.

    Args:
        line: Gives distances where a kelurahan's factor is not learned.
        factors: Detour factor by kelurahan, where it is learned.
        speed_m_per_s: Mean speed of driving.
        hour_factors: Travel time of each hour relative to the mean.
    """

    def __init__(
        self,
        line: StraightLineTravel,
        factors: dict[str, float],
        speed_m_per_s: float,
        hour_factors: tuple[float, ...],
    ) -> None:
        self._line, self._factors = line, factors
        self.speed_m_per_s, self.hour_factors = speed_m_per_s, hour_factors

    def table(
        self, places: Sequence[Position], vehicle_class: VehicleClass, blocked: Sequence[BlockedArea] = ()
    ) -> TravelTable:
        """See `TravelModel`; all classes have the speeds of the fleet."""
        del vehicle_class
        known = [self._factors.get(place.kelurahan) for place in places]
        assumed = [self._line.factor(place) for place in places]

        def factor(start: int, end: int) -> float:
            here, there = known[start], known[end]
            if here is None and there is None:
                return (assumed[start] + assumed[end]) / 2
            factors = [value for value in (here, there) if value is not None]
            return sum(factors) / len(factors)

        metres = way_metres(places, factor, blocked)
        seconds = [[value / self.speed_m_per_s for value in row] for row in metres]
        return TravelTable.from_rows(metres, seconds, "gps", self.hour_factors)


class GpsLearner:
    """Collects the driving of a fleet; owns sums only, no positions.

    Args:
        zone: The city's time zone, for hours of the day.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._metres, self._seconds = [0.0] * HOURS_A_DAY, [0.0] * HOURS_A_DAY
        self._ways: dict[str, list[float]] = {}

    def add(self, fixes: Iterable[Fix]) -> None:
        """Take the fixes of one truck, in order of time."""
        way_m, first, last = 0.0, None, None
        for step in _steps(fixes):
            hour = step.start.at.astimezone(self._zone).hour
            self._metres[hour] += step.metres
            self._seconds[hour] += step.seconds
            if first is None or last is None or metres_between(last.position, step.start.position) > GAP_M:
                way_m, first = 0.0, step.start
            last = step.end
            way_m += step.metres
            if way_m >= STRETCH_M:
                self._note_way(first, step.end, way_m)
                way_m, first = 0.0, None

    def model(self, line: StraightLineTravel) -> GpsTravel | None:
        """What has been learned; None if it is too little."""
        seconds, metres = sum(self._seconds), sum(self._metres)
        if seconds < LEARNED_MIN_S:
            return None
        speed = metres / seconds
        hours = tuple(self._hour_factor(hour, speed) for hour in range(HOURS_A_DAY))
        factors = {
            kelurahan: sorted(ratios)[len(ratios) // 2]
            for kelurahan, ratios in self._ways.items()
            if len(ratios) >= STRETCHES_MIN
        }
        return GpsTravel(line, factors, speed, hours)

    def _hour_factor(self, hour: int, mean_m_per_s: float) -> float:
        if self._seconds[hour] < HOUR_MIN_S:
            return 1.0
        return mean_m_per_s * self._seconds[hour] / self._metres[hour]

    def _note_way(self, start: Fix, end: Fix, way_m: float) -> None:
        straight_m = metres_between(start.position, end.position)
        if straight_m * 4 > way_m:  # a round trip says nothing of detours
            for kelurahan in {start.position.kelurahan, end.position.kelurahan}:
                self._ways.setdefault(kelurahan, []).append(max(way_m / straight_m, 1.0))


def _steps(fixes: Iterable[Fix]) -> Iterator[_Step]:
    for start, end in pairwise(fixes):
        seconds = (end.at - start.at).total_seconds()
        if 0 < seconds <= STEP_MAX_S:
            metres = metres_between(start.position, end.position)
            if MOVING_MIN_M_PER_S <= metres / seconds <= MOVING_MAX_M_PER_S:
                yield _Step(start, end, metres, seconds)
