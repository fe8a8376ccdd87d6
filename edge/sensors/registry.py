"""All sensors by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from city.model import City, Device
from edge.sensors.port import Sensor
from edge.sensors.stdin import StdinSensor


def _simulated(city: City, device: Device, interval_s: float) -> Sensor:
    from edge.sensors.simulated import SimulatedSensor  # noqa: PLC0415 - a real device never loads the simulator

    return SimulatedSensor(city, device, interval_s=interval_s)


SENSORS: Final[Mapping[str, Callable[[City, Device, float], Sensor]]] = {
    "stdin": lambda _city, device, _interval_s: StdinSensor(device),
    "simulated": _simulated,
}


def open_sensor(name: str, city: City, device: Device, interval_s: float) -> Sensor:
    """A sensor by its name; `interval_s` between its readings where it has a say in that."""
    return SENSORS[name](city, device, interval_s)
