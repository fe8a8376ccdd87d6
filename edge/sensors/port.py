"""The sensor port: whatever measures at a device, and what a driver is opened for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Protocol

import msgspec

from city.model import City, Device
from city.settings import Settings
from edge.outbox import Entry
from edge.sensors.source import Source


class Sensor(Protocol):
    """One source of readings and events of one device."""

    def readings(self, stop: threading.Event) -> Iterator[Entry]:
        """Yield entries as they are measured, until `stop` or until there will be no more; may block in between.

        A driver of something real does not end before `stop`: what is absent is waited for, and it leaves a blocked
        read within about a second.
        """


class Assignment(msgspec.Struct, frozen=True):
    """What a sensor is opened for. `interval_s` is between its readings, where it has a say in that."""

    city: City
    device: Device
    interval_s: float
    source: Source
    settings: Settings
