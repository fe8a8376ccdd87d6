"""`kota edge`: the agent of one device with its sensor."""

from __future__ import annotations

import argparse
import signal
import threading
from typing import Final

import structlog

from broker.client import login_for
from broker.contract.errors import ConfigError, KotaError, RetryLaterError
from city.logs import configure_logging
from city.options import add_settings, settings_from
from city.runtime import Runtime
from edge.agent import Agent
from edge.outbox import Outbox
from edge.sensors.port import Sensor
from edge.sensors.registry import SENSORS, open_sensor

log = structlog.get_logger("edge")

RETRY_S: Final = 1.0

_SETTINGS: Final = (
    "data", "city", "demo", "mqtt_host", "mqtt_port", "mqtt_version", "mqtt_user", "outbox_max_mb",
)  # fmt: skip


def run(argv: list[str]) -> int:
    """Run until SIGTERM, or until the sensor ends and everything has its receipt."""
    parser = argparse.ArgumentParser(
        prog="kota edge",
        description="Run a device's own agent. Its password is taken from KOTA_MQTT_PASSWORD "
        "(`kota credentials DEVICE` prints it), or from the city's key when that is in --data.",
    )
    parser.add_argument("--device", required=True, help="The device's id in the inventory.")
    parser.add_argument("--sensor", choices=sorted(SENSORS), help="Source; default simulated in a demo, else stdin.")
    parser.add_argument("--interval", type=float, default=None, help="Seconds between readings; default the device's.")
    add_settings(parser, _SETTINGS)
    args = parser.parse_args(argv)
    configure_logging()
    runtime = Runtime(settings_from(args))
    device = runtime.city.devices.get(args.device)
    if device is None:
        raise ConfigError(f"{args.device!r} is not in the inventory of {runtime.city.id}; `kota devices` lists it")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runtime.stop.set())
    settings = runtime.settings
    outbox = Outbox(settings.data / "edge" / f"{device.id}.sqlite", max_bytes=settings.outbox_max_mb << 20)
    login = login_for(settings, device.id, runtime.mqtt_password(device.id))
    agent = Agent(runtime.city.id, {device.id: device.KIND}, outbox, login)
    ended = threading.Event()
    thread = runtime.thread("edge-agent", lambda: agent.run(ended))
    source = open_sensor(
        args.sensor or ("simulated" if settings.demo else "stdin"),
        runtime.city,
        device,
        args.interval or device.interval_s,
    )
    # On a thread of its own: a sensor may block for ever, a stop must not wait for it.
    sensor = runtime.thread("edge-sensor", lambda: _read(source, agent, runtime.stop))
    while not runtime.stop.is_set() and (sensor.is_alive() or outbox.pending()) and thread.is_alive():
        runtime.stop.wait(0.1)
    ended.set()
    thread.join()
    left = outbox.pending()
    outbox.close()
    log.info("edge.stopped", device=device.id, waiting=left)
    return 1 if runtime.failed.is_set() else 0


def _read(sensor: Sensor, agent: Agent, stop: threading.Event) -> None:
    """Take readings until the sensor ends; one that is outside the contract is reported and left out.

    While the disk refuses, the reading in hand waits, and with it the sensor.
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
