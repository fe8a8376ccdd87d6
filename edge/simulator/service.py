"""The simulated city as a service: its virtual clock is faster than real time, its devices use a real agent and outbox.

Readings carry the real time at which they are sent.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from broker.client import BusClient, connection_params
from city.errors import ConfigError, RetryLaterError
from city.runtime.connected_devices import ConnectedDevices
from city.runtime.demo_tours import DemoTours
from city.runtime.service import Runtime
from edge.agent import Agent
from edge.outbox import Entry, Outbox
from edge.simulator.emission import Emission, StatusEmission, TelemetryEmission
from edge.simulator.entries import to_entry, to_status
from edge.simulator.world import World

log = structlog.get_logger("edge")

STEP_S: Final = 0.25
REPORT_MIN_S: Final = 1.0
"""Minimum real interval between a device's telemetry, at any speed of the virtual clock."""


def serve(runtime: Runtime) -> None:
    """Run the simulated city until the runtime stops.

    Raises:
        ConfigError: This is no demo.
    """
    settings = runtime.settings
    if not settings.demo:
        raise ConfigError("simulated data belongs to a demo")
    devices = {id_: device.KIND for id_, device in runtime.city.devices.items()}
    watched = frozenset(id_ for id_, camera in runtime.city.cameras.items() if camera.source)
    for camera in watched:
        del devices[camera]
    outbox = Outbox(settings.data / "edge" / "simulator.sqlite", max_bytes=settings.outbox_max_mb << 20)
    params = connection_params(settings, "simulator", runtime.mqtt_password("simulator"))
    connected = ConnectedDevices(settings.data)
    agent = Agent(
        runtime.city.id, devices, outbox, BusClient(params), firmware="simulator", on_foreign_receipt=connected.note
    )
    thread = runtime.thread("simulator-agent", lambda: agent.run(runtime.stop))
    SimulatedCity(runtime, agent, outbox.epoch, watched, connected).run()
    thread.join()
    outbox.close()


class SimulatedCity:
    """Advances the virtual clock and passes the devices' emissions to the agent.

    Devices that somebody has connected or adopted are left to their senders.
    """

    def __init__(
        self, runtime: Runtime, agent: Agent, epoch: str, without: frozenset[str], connected: ConnectedDevices
    ) -> None:
        self._connected = connected
        self._left_alone: frozenset[str] = frozenset()
        self._runtime = runtime
        self._agent = agent
        self._epoch = epoch
        self._started_at = datetime.now(UTC)
        self._speed = runtime.settings.speed
        city = runtime.city
        # Of the snapshot that is simulated: a device may be forgotten meanwhile.
        self._devices = city.devices
        self._world = World(city, runtime.settings.seed, self._started_at, without=without)
        self._tours = DemoTours(runtime.settings.data)
        self._reported: dict[str, datetime] = {}

    def run(self) -> None:
        """Step until the runtime stops."""
        while not self._runtime.stop.is_set():
            self._runtime.beat("simulator")
            self._leave_alone(self._connected.current() | self._runtime.additions.adopted)
            self._world.tours.follow(self._tours.current())
            emissions = self._world.advance(self._started_at + (datetime.now(UTC) - self._started_at) * self._speed)
            entries = [entry for emission in emissions if (entry := self._entry(emission))]
            try:
                if entries:
                    self._agent.record(entries)
            except RetryLaterError as exc:
                log.error("simulator.outbox_refuses", reason=str(exc))
            self._runtime.stop.wait(STEP_S)

    def _leave_alone(self, devices: frozenset[str]) -> None:
        """Simulate these devices no more."""
        if devices != self._left_alone:
            log.info("simulator.left_alone", devices=sorted(devices))
            self._left_alone = devices
            self._agent.release(devices)

    def _entry(self, emission: Emission) -> Entry | None:
        if emission.device in self._left_alone:
            return None
        at = self._started_at + (emission.at - self._started_at) / self._speed
        if isinstance(emission, StatusEmission):
            self._agent.state(emission.device, to_status(emission, self._epoch, at))
            return None
        entry = to_entry(emission, self._devices[emission.device].KIND, at)
        last = self._reported.get(emission.device)
        if isinstance(emission, TelemetryEmission):
            if last is not None and at - last < timedelta(seconds=REPORT_MIN_S):
                return None
            self._reported[emission.device] = at
        return entry
