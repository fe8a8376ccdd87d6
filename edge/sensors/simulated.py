"""A simulated device, to try an agent without hardware: one device of the simulated city, in real time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from city.inventory.model import City, Device
from edge.outbox import Entry
from edge.sensors.port import Assignment, Sensor
from edge.simulator.emission import StatusEmission
from edge.simulator.entries import to_entry
from edge.simulator.world import World


class SimulatedSensor:
    """Runs the simulator's model of one device in real time.

    Args:
        city: The inventory the device belongs to.
        device: The device.
        interval_s: Seconds between readings.
        clock: The time, UTC.
    """

    def __init__(
        self,
        city: City,
        device: Device,
        *,
        interval_s: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock = clock
        self._device = device
        self._interval_s = interval_s
        alone = city.with_devices({device.id: replace(device, interval_s=interval_s)})
        self._world = World(alone, seed=1, start=clock())

    def readings(self, stop: threading.Event) -> Iterator[Entry]:
        """Entries that the device would report, until `stop`."""
        while not stop.is_set():
            now = self._clock()
            for emission in self._world.advance(now):
                if not isinstance(emission, StatusEmission):
                    yield to_entry(emission, self._device.KIND, emission.at)
            stop.wait(min(self._interval_s, 1.0))


def open_sensor(assignment: Assignment) -> Sensor:
    """The device in the simulated city."""
    return SimulatedSensor(assignment.city, assignment.device, interval_s=assignment.interval_s)
