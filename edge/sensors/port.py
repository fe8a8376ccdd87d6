"""The sensor port, and the parameters a driver is opened with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Protocol

import msgspec

from city.inventory.model import City, Device
from city.runtime.settings import Settings
from edge.outbox import Entry
from edge.sensors.source import SourceSpec


class Sensor(Protocol):
    """A source of readings and events of one device."""

    def readings(self, stop: threading.Event) -> Iterator[Entry]:
        """Yield entries as they are measured, until `stop` or until the input ends; may block in between.

        A hardware driver does not end before `stop`: it waits for an absent device, and leaves a blocked read within
        about a second.
        """


class Assignment(msgspec.Struct, frozen=True):
    """Parameters of a sensor. `interval_s` is the time between readings, where the sensor can choose it."""

    city: City
    device: Device
    interval_s: float
    source: SourceSpec
    settings: Settings
