"""The simulated city as one clockwork: every device is woken at its own times, in order, as virtual time moves on.

There are no time steps: a device knows when it is due next and computes its state for that moment. So one large step
of the virtual clock says exactly what many small ones say, and a device that does nothing costs nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar

from city.model import City, Device
from edge.simulator.bins import SimulatedBin
from edge.simulator.cameras import SimulatedCamera
from edge.simulator.emission import Emission
from edge.simulator.hotspots import DOWN_SHARE, SimulatedHotspot
from edge.simulator.scene import Scene
from edge.simulator.tours import districts_of
from edge.simulator.trucks import SimulatedTruck

D = TypeVar("D", bound="Device")

TRUCKS_A_BREAKDOWN: Final = 12
"""At the start one of so many trucks stands broken down, if it is on a tour."""


class Simulated(Protocol):
    """One device. `wake` is called when virtual time has reached `due_s`, and must move `due_s` on."""

    @property
    def due_s(self) -> float:
        """When something is to be said or done next, seconds since 1970."""

    def wake(self) -> list[Emission]:
        """Say what is due at `due_s`."""


class World:
    """A simulated city, the same for the same seed and start; keeps no time but the virtual.

    Args:
        city: The inventory; every device in it is simulated.
        seed: Draws everything that is by chance.
        start: When virtual time starts, aware.
        without: Ids of devices that speak for themselves.
    """

    def __init__(self, city: City, seed: int, start: datetime, without: frozenset[str] = frozenset()) -> None:
        self._clock_s = _seconds(start)
        scene = Scene(city, seed, self._clock_s)
        bins = [SimulatedBin(each, scene) for each in _present(city.bins.values(), without)]
        self._devices: list[Simulated] = [
            *bins,
            *_trucks(scene, bins, without),
            *_hotspots(scene, without),
            *(SimulatedCamera(each, scene) for each in _present(city.cameras.values(), without)),
        ]
        self._due = [(device.due_s, index) for index, device in enumerate(self._devices)]
        heapq.heapify(self._due)

    def advance(self, to: datetime) -> list[Emission]:
        """Move virtual time on to `to` and return what devices say until then, in order of time.

        The first call lets every device speak once, at the start. All of it is held in memory: a city of 600 devices
        says about 14,000 things an hour.

        Raises:
            ValueError: `to` lies before the virtual clock, or is naive.
        """
        to_s = _seconds(to)
        if to_s < self._clock_s:
            raise ValueError(f"virtual time cannot go back to {to}")
        said: list[Emission] = []
        while self._due and self._due[0][0] <= to_s:
            index = self._due[0][1]
            device = self._devices[index]
            said += device.wake()
            heapq.heapreplace(self._due, (device.due_s, index))
        self._clock_s = to_s
        return said


def _trucks(scene: Scene, bins: Sequence[SimulatedBin], without: frozenset[str]) -> list[SimulatedTruck]:
    trucks = _present(scene.city.trucks.values(), without)
    districts = districts_of(scene, bins)
    random = scene.random_of("breakdowns")
    broken = {truck.id for truck in random.sample(trucks, round(len(trucks) / TRUCKS_A_BREAKDOWN))}
    return [
        SimulatedTruck(truck, index, districts[index % len(districts)], scene, broken=truck.id in broken)
        for index, truck in enumerate(trucks)
    ]


def _hotspots(scene: Scene, without: frozenset[str]) -> list[SimulatedHotspot]:
    access_points = _present(scene.city.access_points.values(), without)
    count = round(len(access_points) * DOWN_SHARE)
    down = {each.id for each in scene.random_of("outages").sample(access_points, count)}
    return [SimulatedHotspot(each, scene, down=each.id in down) for each in access_points]


def _seconds(at: datetime) -> float:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return at.timestamp()


def _present(devices: Iterable[D], without: frozenset[str]) -> list[D]:
    """Devices to be simulated, in a stable order."""
    return sorted((device for device in devices if device.id not in without), key=lambda device: device.id)
