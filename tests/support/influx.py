"""Real InfluxDB servers for tests, each a process of its own on a free loopback port."""

from __future__ import annotations

import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ingest.store.influx_http import InfluxAddress
from tests.support.brokers import free_port
from tests.support.require import require_program
from tests.support.waiting import wait_for

CONF: Final = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[logging]
  level = "error"
"""


class RunningInflux:
    """InfluxDB 1.x; `kill` is SIGKILL, `start` brings it back on the same port with the same folder."""

    def __init__(self, folder: Path) -> None:
        """Choose the port and write the configuration."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._conf = folder / "influx.conf"
        self._conf.write_text(CONF.format(rpc=free_port(), port=self.port, folder=folder))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self._folder / "influx.log").open("ab") as log:
            self.process = subprocess.Popen(
                [require_program("influxd"), "-config", str(self._conf)], stdout=log, stderr=log
            )
        wait_for(self._answers, "InfluxDB")

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)

    def database(self, name: str) -> InfluxAddress:
        """A database, made where absent."""
        self._ask(f'CREATE DATABASE "{name}"')
        return InfluxAddress(self.url, name)

    def _ask(self, statement: str) -> None:
        data = urllib.parse.urlencode({"q": statement}).encode()
        with urllib.request.urlopen(f"{self.url}/query", data=data, timeout=30):  # noqa: S310 - our own http address
            pass

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self._folder / "influx.log").read_text(errors="replace")
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=1):  # noqa: S310 - our own http address
                return True
        except OSError:
            return False


@contextmanager
def running_influx(folder: Path) -> Iterator[RunningInflux]:
    """A server that is gone afterwards."""
    server = RunningInflux(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
