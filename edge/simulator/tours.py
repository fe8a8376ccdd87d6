"""Tours of trucks: shifts, districts, the next stop, and what is collected there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Final

import msgspec

from edge.simulator.bins import SimulatedBin
from edge.simulator.roads import GeoPoint, metres, nearby
from edge.simulator.scene import Scene

REACH_M: Final = 40.0
"""Bins this near to a collected bin are collected with it."""
WORTH_TAKING: Final = 0.3
"""Bins below this fill are left, even where a truck stops."""
FULL_IN_RUSH: Final = 0.74
FULL_BETWEEN: Final = 0.88
"""In the two main shifts trucks collect full bins, in between only overflowing ones."""
FULL_OVERLOOKED: Final = 0.995
"""Overlooked bins are collected only when they overflow."""
BIN_STOP_SHARE: Final = 0.22
"""Share of stops at bins with a sensor; most containers of the city have none."""
STREET_KG: Final = (60.0, 220.0)
RUSH_HOURS: Final = ((3.75, 10.0), (17.0, 21.0))
HOUR_S: Final = 3_600.0

Hours = tuple[tuple[float, float], ...]


class TourStop(msgspec.Struct, frozen=True):
    """The next stop of a tour; without a bin it serves the street's containers."""

    place: GeoPoint
    bin: SimulatedBin | None = None


class CollectedBin(msgspec.Struct, frozen=True):
    """A bin that was emptied: fill before and after in percent."""

    bin: str
    from_pct: float
    to_pct: float
    weight_kg: float


class District:
    """The bins that some trucks share; a bin that a truck drives to is not offered to another.

    Args:
        bins: The bins.
        home: Where trucks go when there are none.
    """

    def __init__(self, bins: Sequence[SimulatedBin], home: GeoPoint) -> None:
        self._bins = bins
        self._home = home
        self._claimed: set[str] = set()

    def street(self, random: Random) -> GeoPoint:
        """A place near some bin, but not at it."""
        around = random.choice(self._bins).place if self._bins else self._home
        return nearby(around, random, 2 * REACH_M, 6 * REACH_M)

    def next_stop(self, here: GeoPoint, at_s: float, full: float, random: Random) -> TourStop:
        """The best bin over `full` (0 to 1) that no truck drives to, or a stop in the street."""
        if random.random() < BIN_STOP_SHARE:
            ripe = [
                (metres(here, bin_.place) - 1_500.0 * fill, bin_)
                for bin_ in self._bins
                if (fill := bin_.fill_at(at_s)) >= (FULL_OVERLOOKED if bin_.overlooked else full)
                and bin_.device.id not in self._claimed
            ]
            if ripe:
                _, chosen = min(ripe, key=lambda scored: (scored[0], scored[1].device.id))
                self._claimed.add(chosen.device.id)
                return TourStop(chosen.place, chosen)
        return TourStop(self.street(random))

    def collect(self, stop: TourStop, at_s: float, room_kg: float) -> list[CollectedBin]:
        """Empty the stop's bin and those beside it as far as there is room; the first one always fits."""
        if stop.bin is None:
            return []
        self._claimed.discard(stop.bin.device.id)
        beside = [
            bin_
            for bin_ in self._bins
            if bin_ is not stop.bin and not bin_.overlooked and metres(bin_.place, stop.place) <= REACH_M
        ]
        taken: list[CollectedBin] = []
        for bin_ in (stop.bin, *beside):
            weight_kg = bin_.weight_kg(bin_.fill_at(at_s))
            if bin_ is stop.bin or (bin_.fill_at(at_s) >= WORTH_TAKING and weight_kg <= room_kg):
                before, after = bin_.empty(at_s)
                taken.append(CollectedBin(bin_.device.id, round(before * 100, 1), round(after * 100, 1), weight_kg))
                room_kg -= weight_kg
        return taken


class PlannedTours:
    """Tours that somebody has planned: trucks that have one follow it instead of their own.

    Args:
        bins: All containers.
    """

    def __init__(self, bins: Sequence[SimulatedBin]) -> None:
        self._bins = {bin_.device.id: bin_ for bin_ in bins}
        self._tours: Mapping[str, Sequence[str]] = {}
        self._served: set[str] = set()

    @property
    def is_planned(self) -> bool:
        """Whether any truck has a tour; the others then leave containers alone."""
        return bool(self._tours)

    def follow(self, tours: Mapping[str, Sequence[str]]) -> None:
        """Take the open containers of each truck, in order."""
        if tours != self._tours:
            self._tours = tours
            self._served &= {container for tour in tours.values() for container in tour}

    def next_stop(self, truck: str) -> TourStop | None:
        """The next container of a truck; None if it has no tour, or has served all."""
        for container in self._tours.get(truck, ()):
            bin_ = self._bins.get(container)
            if bin_ is not None and container not in self._served:
                return TourStop(bin_.place, bin_)
        return None

    def collect(self, bin_: SimulatedBin, at_s: float) -> list[CollectedBin]:
        """Empty a container of a tour."""
        self._served.add(bin_.device.id)
        weight_kg = bin_.weight_kg(bin_.fill_at(at_s))
        before, after = bin_.empty(at_s)
        return [CollectedBin(bin_.device.id, round(before * 100, 1), round(after * 100, 1), weight_kg)]


class Roster:
    """A truck's daily shifts, as local hours; hours over 24 are on the next morning."""

    def __init__(self, hours: Hours, scene: Scene) -> None:
        self._hours = hours
        self._scene = scene

    def shift(self, at_s: float) -> tuple[float, float]:
        """Start and end of the present shift, else of the next one."""
        midnight = self._scene.local(at_s).replace(hour=0, minute=0, second=0, microsecond=0)
        shifts = [
            (day_s + start * HOUR_S, day_s + end * HOUR_S)
            for day_s in ((midnight + timedelta(days=days)).timestamp() for days in (-1, 0, 1))
            for start, end in self._hours
        ]
        return next(shift for shift in sorted(shifts) if shift[1] > at_s)


def full_from(hour: float) -> float:
    """Fill (0 to 1) from which a bin is collected at an hour of the day."""
    in_rush = any(start <= hour < end for start, end in RUSH_HOURS)
    return FULL_IN_RUSH if in_rush else FULL_BETWEEN


def hours_of(index: int, random: Random) -> Hours:
    """The shifts of truck number `index`: two by day, two by night, one for both, and so on.

    Nearly all are out in the early morning, most in the evening, and more than half at any other hour, each with a
    break of its own at the depot.
    """
    late = random.uniform(-0.35, 0.1)
    pause = random.uniform(0.4, 0.6)
    noonish, midnightish = random.uniform(9.0, 15.0), random.uniform(21.2, 26.5)
    by_day = ((4.0 + late, noonish), (noonish + pause, 17.0 - late))
    by_night = ((17.0 + late, midnightish), (midnightish + pause, 28.0 - late))
    if index % 5 in {0, 1}:
        return by_day
    if index % 5 in {2, 3}:
        return ((5.0 + late, 10.0 + late), *by_night)
    return (by_day[0], (noonish + pause, midnightish), by_night[1])


def districts_of(scene: Scene, bins: Sequence[SimulatedBin]) -> list[District]:
    """One district per kecamatan with bins, in a stable order; a single empty one when there are no bins."""
    kelurahan = scene.city.kelurahan
    groups: dict[str, list[SimulatedBin]] = {}
    for bin_ in bins:
        village = kelurahan.get(bin_.device.kelurahan)
        groups.setdefault(village.kecamatan if village else "", []).append(bin_)
    home = scene.inland
    return [District(group, home) for _, group in sorted(groups.items())] or [District([], home)]
