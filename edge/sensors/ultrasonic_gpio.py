"""Ultrasonic distance sensors on two pins: HC-SR04, and JSN-SR04T in its default mode.

A pulse on the trigger pin starts a measurement; the echo pin is high for the sound's time of flight. The kernel
timestamps both edges, so that a busy processor does not lengthen the distance.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import gpiod
import msgspec
from gpiod.line import Direction, Edge, Value
from msgspec import Meta

from city.errors import RetryLaterError
from edge.sensors.driver_status import DriverStatus
from edge.sensors.polled import PolledSensor
from edge.sensors.port import Assignment, Sensor
from edge.sensors.source import options_of

TRIGGER_S: Final = 15e-6
"""Length of the pulse; the data sheet requires 10 microseconds. Source: HC-SR04 data sheet."""
ECHO_MAX_S: Final = 0.06
"""Without an echo an HC-SR04 ends its pulse after 38 ms."""
REST_S: Final = 0.06
"""Time between measurements, so that echoes fade. Source: HC-SR04 data sheet."""
DEFAULT_CHIP: Final = "/dev/gpiochip0"

Pin = Annotated[int, Meta(ge=0, le=1023)]


class UltrasonicGpioOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options in `--source`. Pins are the chip's line numbers; on a Raspberry Pi those are the GPIO numbers."""

    trigger: Pin
    echo: Pin
    temperature_c: Annotated[float, Meta(ge=-40, le=85)] = 20.0
    pings: Annotated[int, Meta(ge=1, le=51)] = 7
    min_mm: Annotated[float, Meta(ge=0)] = 20.0
    max_mm: Annotated[float, Meta(le=20_000)] = 4000.0


class EchoPins(Protocol):
    """The two pins of a sensor."""

    def ping(self) -> float | None:
        """Measure once: seconds the echo pin was high, None without an edge within `ECHO_MAX_S`.

        Raises:
            OSError: The pins are gone.
        """


class EchoProbe:
    """Distance as the median of several pings.

    Args:
        opened: Acquires the pins for one measurement.
        options: Number of pings, and the valid range.
        rest: Waits between pings, seconds.
    """

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[EchoPins]],
        options: UltrasonicGpioOptions,
        *,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._opened = opened
        self._options = options
        self._rest = rest

    def measure(self) -> Mapping[str, Any]:
        """`distance_mm`, when most pings returned a distance within the range."""
        heard: list[float] = []
        try:
            with self._opened() as line:
                for _ in range(self._options.pings):
                    echo_s = line.ping()
                    if echo_s is not None:
                        heard.append(distance_mm(echo_s, self._options.temperature_c))
                    self._rest(REST_S)
        except OSError as exc:
            raise RetryLaterError(str(exc)) from exc
        least, most = self._options.min_mm, self._options.max_mm
        good = [mm for mm in heard if least <= mm <= most]
        if 2 * len(good) <= self._options.pings:
            raise RetryLaterError(f"no echo from {least:.0f} to {most:.0f} mm")
        return {"distance_mm": round(statistics.median(good), 1)}


def distance_mm(echo_s: float, temperature_c: float) -> float:
    """Distance to an object, from the sound's time of flight there and back.

    Source: speed of sound in dry air as an ideal gas, 331.3 m/s at 0 degrees Celsius.
    """
    return 331.3 * math.sqrt(1 + temperature_c / 273.15) * echo_s / 2 * 1000


class GpiodEchoPins:
    """The pins through libgpiod 2.

    Args:
        request: The two lines, as requested of the chip.
        options: Their numbers.
    """

    def __init__(self, request: gpiod.LineRequest, options: UltrasonicGpioOptions) -> None:
        self._request = request
        self._options = options

    def ping(self) -> float | None:
        """Send a pulse and time the echo."""
        while self._request.wait_edge_events(0):
            self._request.read_edge_events()
        self._request.set_value(self._options.trigger, Value.ACTIVE)
        time.sleep(TRIGGER_S)
        self._request.set_value(self._options.trigger, Value.INACTIVE)
        rose_ns, until_s = None, time.monotonic() + ECHO_MAX_S
        while (left_s := until_s - time.monotonic()) > 0 and self._request.wait_edge_events(left_s):
            for event in self._request.read_edge_events():
                if event.event_type is gpiod.EdgeEvent.Type.RISING_EDGE:
                    rose_ns = event.timestamp_ns
                elif rose_ns is not None:
                    return float(event.timestamp_ns - rose_ns) / 1e9
        return None


@contextmanager
def gpiod_lines(chip: str, options: UltrasonicGpioOptions) -> Iterator[EchoPins]:
    """Acquire the pins of a chip.

    Raises:
        OSError: The chip or a pin is absent, or in use.
    """
    pins: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None] = {
        options.trigger: gpiod.LineSettings(direction=Direction.OUTPUT),
        options.echo: gpiod.LineSettings(direction=Direction.INPUT, edge_detection=Edge.BOTH),
    }
    with gpiod.request_lines(chip, config=pins, consumer="kota-edge") as request:
        yield GpiodEchoPins(request, options)


def open_sensor(assignment: Assignment) -> Sensor:
    """A sensor on the chip and the pins in `--source`."""
    options = options_of(assignment.source, UltrasonicGpioOptions)
    chip = str(Path("/dev") / (assignment.source.address or DEFAULT_CHIP))
    probe = EchoProbe(lambda: gpiod_lines(chip, options), options)
    return PolledSensor(probe, DriverStatus("ultrasonic-gpio", assignment.device), interval_s=assignment.interval_s)
