"""Real brokers for tests, each a process of its own on a free loopback port: the embedded one and Mosquitto."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from broker.accounts import password_of
from broker.mosquitto.cli import layout_of, write
from city.runtime import ports
from city.runtime.gateways import Gateways
from city.runtime.secrets import Secrets
from city.runtime.settings import load_settings
from ingest.decoding.formats.registry import filters_by_format
from tests.support.require import require_program
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
BrokerName = Literal["embedded", "mosquitto"]


def free_port() -> int:
    """A port nobody listens on just now."""
    return ports.free_port("127.0.0.1")


@dataclass
class RunningBroker:
    """One broker; `kill` is SIGKILL, `start` brings it back on the same port with the same folder.

    Mosquitto runs on the files that `kota mosquitto` writes for a demo, with TLS too where certificates are given.
    """

    name: BrokerName
    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    tls: Path | None = None
    tls_port: int = 8883
    city: str = "kupang"
    """As the setting says it."""
    launcher: tuple[str, ...] = ("-m", "city")
    """What Python is to run instead of our command line."""
    _said: int = 0

    @property
    def reader(self) -> str:
        """The setting `mqtt_client` of an ingest that reads from it."""
        return "nats" if self.name == "embedded" else "auto"

    @property
    def secrets(self) -> Secrets:
        """Whose passwords it checks."""
        return Secrets.make(self.folder)

    def gateway(self, name: str, *formats: str) -> str:
        """The password of another maker's server, made for these formats when it is not there yet; before `start`."""
        gateways = Gateways(self.folder)
        known = filters_by_format()
        filters = [topic_filter for format_ in formats for topic_filter in known[format_]]
        found = gateways.current().get(name) or gateways.make(name, formats, filters, ())
        return self.secrets.gateway_password(found.name, found.nonce)

    def password(self, user: str) -> str:
        """The password of any account."""
        return password_of(self.secrets, Gateways(self.folder), user)

    def start(self) -> None:
        """Start and wait until it listens."""
        with (self.folder / "broker.log").open("ab") as log:
            self._said = log.tell()
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log, env=self._environment(), cwd=ROOT)
        wait_for(self._is_ready, f"{self.name} on port {self.port}\n{self.log()}")

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM."""
        self._end(signal.SIGTERM)

    def log(self) -> str:
        """What it has printed."""
        return (self.folder / "broker.log").read_text(errors="replace")

    def _end(self, number: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            self.signal(number)
            self.process.wait(20)
            wait_for(lambda: not self.listens(), f"{self.name} to be gone")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the broker; of the embedded one that is nats-server and the process that keeps it."""
        assert self.process is not None
        pids = [self.process.pid]
        if self.name == "embedded" and number != signal.SIGTERM:
            pids += children_of(self.process.pid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _command(self) -> list[str]:
        if self.name == "embedded":
            return [sys.executable, *self.launcher, "serve", "broker"]
        program = require_program("mosquitto")
        settings = load_settings(data=self.folder, city=self.city, mqtt_port=self.port)
        user = "root" if os.geteuid() == 0 else ""
        layout = layout_of(
            settings, self.folder / "mosquitto", bind="127.0.0.1", tls=self.tls, tls_port=self.tls_port, user=user
        )
        write(settings, layout)
        return [program, "-c", str(layout.folder / "mosquitto.conf")]

    def _environment(self) -> dict[str, str]:
        tls = {"KOTA_MQTT_CA": str(self.tls / "ca.crt")} if self.tls else {}
        where = {"KOTA_DATA": str(self.folder), "KOTA_CITY": self.city, "KOTA_MQTT_PORT": str(self.port)}
        return {**os.environ, **where, **tls}

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        if self.name == "embedded" and "broker.ready" not in self.log()[self._said :]:
            return False
        return self.listens()

    def listens(self) -> bool:
        """Whether somebody takes connections on its port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def children_of(pid: int) -> list[int]:
    """Process ids of a process's own children."""
    children = Path(f"/proc/{pid}/task")
    return [int(child) for task in children.glob("*/children") for child in task.read_text().split()]
