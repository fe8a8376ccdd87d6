"""Real brokers for tests, each a process of its own on a free loopback port: the embedded one and Mosquitto."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from city.secrets import Secrets
from tests.support.require import require_program
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
BrokerName = Literal["embedded", "mosquitto"]

MOSQUITTO_CONF = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
max_inflight_messages 1000
max_queued_messages 1000000
log_dest stdout
"""


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RunningBroker:
    """One broker; `kill` is SIGKILL, `start` brings it back on the same port with the same folder."""

    name: BrokerName
    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def secrets(self) -> Secrets:
        """Whose passwords the embedded broker checks."""
        return Secrets(self.folder)

    def start(self) -> None:
        """Start and wait until it listens."""
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log, env=self._environment(), cwd=ROOT)
        wait_for(self._listens, f"{self.name} on port {self.port}\n{self.log()}")

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
            self.process.send_signal(number)
            self.process.wait(20)

    def _command(self) -> list[str]:
        if self.name == "embedded":
            return [sys.executable, "-m", "city", "serve", "broker"]
        path = self.folder / "mosquitto.conf"
        text = MOSQUITTO_CONF.format(port=self.port, folder=self.folder)
        if os.geteuid() == 0:
            text += "user root\n"
        path.write_text(text)
        return [require_program("mosquitto"), "-c", str(path)]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "KOTA_DATA": str(self.folder), "KOTA_MQTT_PORT": str(self.port)}

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
