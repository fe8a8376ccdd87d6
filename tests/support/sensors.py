"""Drivers of an agent opened for devices of the reference city, and run as an agent runs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from broker.contract.topics import Kind
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Device
from city.runtime.settings import load_settings
from edge.outbox import TelemetryEntry
from edge.sensors.port import Assignment, Sensor
from edge.sensors.registry import open_sensor
from edge.sensors.source import parse_source
from tests.support.waiting import wait_for

CITY = load_city(builtin_city("kupang"))


def device_of(kind: Kind) -> Device:
    """The city's first of a kind."""
    return next(device for device in CITY.devices.values() if kind == device.KIND)


def assigned(kind: Kind, source: str = "", interval_s: float = 0.1, **settings: Any) -> Assignment:
    """What a driver of a kind is opened for."""
    return Assignment(CITY, device_of(kind), interval_s, parse_source(source), load_settings(**settings))


def sensor_of(name: str, kind: Kind, source: str, **settings: Any) -> Sensor:
    """A driver that is open."""
    return open_sensor(name, assigned(kind, source, **settings))


class Running:
    """A sensor on a thread of its own, as in an agent."""

    def __init__(self, sensor: Sensor) -> None:
        """Not yet started."""
        self.found: list[TelemetryEntry] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._read, args=(sensor,), daemon=True)

    def _read(self, sensor: Sensor) -> None:
        for entry in sensor.readings(self.stop):
            assert isinstance(entry, TelemetryEntry)
            self.found.append(entry)

    def next(self, what: str) -> dict[str, Any]:
        """The values of a reading that is still to come."""
        seen = len(self.found)
        wait_for(lambda: len(self.found) > seen, what)
        return dict(self.found[-1].values)


@contextmanager
def running(sensor: Sensor) -> Iterator[Running]:
    """A sensor that is read inside, and hears the stop at the end."""
    made = Running(sensor)
    made.thread.start()
    yield made
    made.stop.set()
    wait_for(lambda: not made.thread.is_alive(), "the sensor to hear the stop")


def said(logs: list[Any]) -> list[str]:
    """The events of a log."""
    return [entry["event"] for entry in logs]
