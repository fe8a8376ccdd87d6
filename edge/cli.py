"""`kota edge`: the agent of one device with its sensors."""

from __future__ import annotations

import argparse
import signal
import threading
from functools import partial
from typing import Final

import structlog

from broker.client import BusClient, connection_params
from city.errors import ConfigError, KotaError, RetryLaterError
from city.inventory.model import Device
from city.runtime.logs import configure_logging
from city.runtime.options import add_settings, settings_from
from city.runtime.service import Runtime
from edge.agent import Agent
from edge.outbox import Outbox
from edge.sensors.port import Assignment, Sensor
from edge.sensors.registry import SENSORS, open_sensor
from edge.sensors.source import parse_source

log = structlog.get_logger("edge")

RETRY_S: Final = 1.0

_SETTINGS: Final = (
    "data", "city", "demo", "mqtt_host", "mqtt_port", "mqtt_version", "mqtt_user", "mqtt_ca", "outbox_max_mb",
    "sensor_user", "snmp_user",
)  # fmt: skip


def run(argv: list[str]) -> int:
    """Run until SIGTERM, or until the sensors end and everything has its receipt."""
    args = _parser().parse_args(argv)
    configure_logging()
    runtime = Runtime(settings_from(args))
    device = runtime.city.devices.get(args.device)
    if device is None:
        raise ConfigError(f"{args.device!r} is not in the inventory of {runtime.city.id}; `kota devices` lists it")
    sensors = _sensors(args, runtime, device)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runtime.stop.set())
    settings = runtime.settings
    outbox = Outbox(settings.data / "edge" / f"{device.id}.sqlite", max_bytes=settings.outbox_max_mb << 20)
    params = connection_params(settings, device.id, runtime.mqtt_password(device.id))
    _serve(runtime, sensors, Agent(runtime.city.id, {device.id: device.KIND}, outbox, BusClient(params)), outbox)
    left = outbox.pending()
    outbox.close()
    log.info("edge.stopped", device=device.id, waiting=left)
    return 1 if runtime.failed.is_set() else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kota edge",
        description="Run a device's own agent. Its password is taken from KOTA_MQTT_PASSWORD "
        "(`kota credentials DEVICE` prints it), or from the city's key when that is in --data.",
        epilog="docs/edge.md says how each sensor is connected and what --source means to it.",
    )
    parser.add_argument("--device", required=True, help="The device's id in the inventory.")
    parser.add_argument(
        "--sensor",
        choices=sorted(SENSORS),
        action="append",
        help="What measures, more than once for several; default simulated in a demo, else stdin.",
    )
    parser.add_argument(
        "--source",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="Where the sensor finds what it reads: a port, a host, an address, and #NAME=VALUE,... of its options. "
        "One for all sensors, or one for each in their order.",
    )
    parser.add_argument("--interval", type=float, default=None, help="Seconds between readings; default the device's.")
    add_settings(parser, _SETTINGS)
    return parser


def _sensors(args: argparse.Namespace, runtime: Runtime, device: Device) -> list[Sensor]:
    """Open the sensors of the arguments.

    Raises:
        ConfigError: One does not fit the device, its source or this machine.
    """
    names: list[str] = args.sensor or ["simulated" if runtime.settings.demo else "stdin"]
    sources: list[str] = args.source or [""]
    if len(sources) not in (1, len(names)):
        raise ConfigError(f"{len(names)} --sensor and {len(sources)} --source: give one for all, or one for each")
    if args.interval is not None and args.interval <= 0:
        raise ConfigError("--interval: more than 0 seconds")
    interval_s: float = args.interval or device.interval_s
    pairs = zip(names, sources * len(names) if len(sources) == 1 else sources, strict=True)
    return [
        open_sensor(name, Assignment(runtime.city, device, interval_s, parse_source(source), runtime.settings))
        for name, source in pairs
    ]


def _serve(runtime: Runtime, sensors: list[Sensor], agent: Agent, outbox: Outbox) -> None:
    """Run agent and sensors until both are done."""
    ended = threading.Event()
    thread = runtime.thread("edge-agent", lambda: agent.run(ended))
    # On threads of their own: a sensor may block for ever, a stop must not wait for it.
    readers = [runtime.thread("edge-sensor", partial(_read, sensor, agent, runtime.stop)) for sensor in sensors]
    while not runtime.stop.is_set() and thread.is_alive():
        if not any(reader.is_alive() for reader in readers) and not outbox.pending():
            break
        runtime.stop.wait(0.1)
    ended.set()
    thread.join()


def _read(sensor: Sensor, agent: Agent, stop: threading.Event) -> None:
    """Record readings until the sensor ends; a reading outside the contract is logged and skipped.

    While the disk refuses, the present reading waits, and with it the sensor.
    """
    for reading in sensor.readings(stop):
        refused = False
        while not stop.is_set():
            try:
                agent.record([reading])
            except RetryLaterError as exc:
                if not refused:
                    log.error("edge.outbox_refuses", reason=str(exc))
                refused = True
                stop.wait(RETRY_S)
                continue
            except KotaError as exc:
                log.error("edge.reading_refused", reason=str(exc))
            break
