"""The simulated city as a discrete-event simulation: each device is woken at its own times, in order.

There are no time steps: a device knows when it is due next and computes its state for that moment. One large step of
the virtual clock gives exactly what many small ones give, and an idle device costs nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar

from city.inventory.model import City, Device
from edge.simulator.bins import SimulatedBin
from edge.simulator.cameras import SimulatedCamera
from edge.simulator.emission import Emission
from edge.simulator.hotspots import DOWN_SHARE, SimulatedHotspot
from edge.simulator.scene import Scene
from edge.simulator.tours import PlannedTours, districts_of
from edge.simulator.trucks import SimulatedTruck

D = TypeVar("D", bound="Device")

TRUCKS_A_BREAKDOWN: Final = 12
"""At the start one of so many trucks is broken down, if it is on a tour."""


class Simulated(Protocol):
    """One device. `wake` is called when virtual time has reached `due_s`, and must advance `due_s`."""

    @property
    def due_s(self) -> float:
        """When it is due next, seconds since 1970."""

    def wake(self) -> list[Emission]:
        """The emissions due at `due_s`."""


class World:
    """A simulated city, the same for the same seed and start, on virtual time only.

    Args:
        city: The inventory; every device in it is simulated.
        seed: Seed of all randomness.
        start: When virtual time starts, aware.
        without: Ids of devices that are not simulated.
    """

    def __init__(self, city: City, seed: int, start: datetime, without: frozenset[str] = frozenset()) -> None:
        self._clock_s = _seconds(start)
        scene = Scene(city, seed, self._clock_s)
        bins = [SimulatedBin(bin_, scene) for bin_ in _devices_to_simulate(city.bins.values(), without)]
        self.tours = PlannedTours(bins)
        """Tours that trucks follow instead of their own."""
        self._devices: list[Simulated] = [
            *bins,
            *_trucks(scene, bins, without, self.tours),
            *_hotspots(scene, without),
            *(SimulatedCamera(camera, scene) for camera in _devices_to_simulate(city.cameras.values(), without)),
        ]
        self._due = [(device.due_s, index) for index, device in enumerate(self._devices)]
        heapq.heapify(self._due)

    def advance(self, to: datetime) -> list[Emission]:
        """Advance virtual time to `to` and return the emissions until then, in order of time.

        At the first call every device reports once. All emissions are held in memory: a city of 600 devices emits about
        14,000 an hour.

        Raises:
            ValueError: `to` is before the virtual clock, or naive.
        """
        to_s = _seconds(to)
        if to_s < self._clock_s:
            raise ValueError(f"virtual time cannot go back to {to}")
        emissions: list[Emission] = []
        while self._due and self._due[0][0] <= to_s:
            index = self._due[0][1]
            device = self._devices[index]
            emissions += device.wake()
            heapq.heapreplace(self._due, (device.due_s, index))
        self._clock_s = to_s
        return emissions


def _trucks(
    scene: Scene, bins: Sequence[SimulatedBin], without: frozenset[str], tours: PlannedTours
) -> list[SimulatedTruck]:
    trucks = _devices_to_simulate(scene.city.trucks.values(), without)
    districts = districts_of(scene, bins)
    random = scene.random_of("breakdowns")
    broken = {truck.id for truck in random.sample(trucks, round(len(trucks) / TRUCKS_A_BREAKDOWN))}
    return [
        SimulatedTruck(truck, index, districts[index % len(districts)], scene, tours=tours, broken=truck.id in broken)
        for index, truck in enumerate(trucks)
    ]


def _hotspots(scene: Scene, without: frozenset[str]) -> list[SimulatedHotspot]:
    access_points = _devices_to_simulate(scene.city.access_points.values(), without)
    count = round(len(access_points) * DOWN_SHARE)
    down = {access_point.id for access_point in scene.random_of("outages").sample(access_points, count)}
    return [SimulatedHotspot(access_point, scene, down=access_point.id in down) for access_point in access_points]


def _seconds(at: datetime) -> float:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return at.timestamp()


def _devices_to_simulate(devices: Iterable[D], without: frozenset[str]) -> list[D]:
    """Devices to simulate, in a stable order."""
    return sorted((device for device in devices if device.id not in without), key=lambda device: device.id)
