"""The registry of sensors, by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final, cast, get_args

import msgspec

from broker.contract.topics import Kind
from city.errors import ConfigError
from edge.sensors.port import Assignment, Sensor

Opener = Callable[[Assignment], Sensor]

ALL_KINDS: Final[frozenset[Kind]] = frozenset(get_args(Kind))


class Driver(msgspec.Struct, frozen=True):
    """A driver as it is chosen. `module` has its `open_sensor`; it is imported when chosen, with its library."""

    module: str
    kinds: frozenset[Kind]
    source: str


SENSORS: Final[dict[str, Driver]] = {
    "stdin": Driver("stdin", ALL_KINDS, "-"),
    "simulated": Driver("simulated", ALL_KINDS, "-"),
    "ultrasonic-uart": Driver("ultrasonic_uart", frozenset({"bin"}), "/dev/serial0"),
    "ultrasonic-gpio": Driver("ultrasonic_gpio", frozenset({"bin"}), "gpiochip0#trigger=23,echo=24"),
    "nmea": Driver("nmea", frozenset({"truck"}), "/dev/ttyUSB0#baud=9600"),
    "gpsd": Driver("gpsd", frozenset({"truck"}), "127.0.0.1:2947"),
    "ubus": Driver("ubus", frozenset({"ap"}), "https://ROUTER/ubus, or nothing on the router"),
    "snmp": Driver("snmp", frozenset({"ap"}), "HOST:161"),
    "reachability": Driver("reachability", frozenset({"ap"}), "HOST, tcp://HOST:PORT or https://PAGE"),
    "camera-health": Driver("camera_health", frozenset({"camera"}), "rtsp://CAMERA/PATH"),
}


def open_sensor(name: str, assignment: Assignment) -> Sensor:
    """Open a sensor by name.

    Raises:
        ConfigError: It measures another kind of device, its source is wrong, or its library is not installed.
    """
    driver, device = SENSORS[name], assignment.device
    if device.KIND not in driver.kinds:
        raise ConfigError(
            f"--sensor {name} measures {', '.join(sorted(driver.kinds))}, and {device.id} is {device.KIND}"
        )
    if driver.source == "-" and assignment.source.address:
        raise ConfigError(f"--sensor {name} takes no --source")
    try:
        module = importlib.import_module(f"edge.sensors.{driver.module}")
    except ModuleNotFoundError as exc:
        missing = (exc.name or "").partition(".")[0]
        if missing == "edge":
            raise
        raise ConfigError(f"--sensor {name} needs {missing!r}, which is not installed: pip install '.[edge]'") from exc
    return cast("Opener", module.open_sensor)(assignment)
