"""Real InfluxDB servers for tests, each a process of its own on a free loopback port."""

from __future__ import annotations

import contextlib
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from city.errors import RetryLaterError
from ingest.store.influx.http import InfluxAddress, InfluxHttp, quote_value
from ingest.store.influx.setup import apply_steps, steps_of
from ingest.store.influx.setup_plan import ACCOUNTS, Plan
from ingest.store.schema import EVENTS, RAW, ROLLUP
from tests.support.brokers import free_port
from tests.support.influxd_build import build, cached, missing
from tests.support.require import require_program, skip_without
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
  auth-enabled = {accounts}
[logging]
  level = "error"
"""


ORG: Final = "kupang"
ADMIN_TOKEN: Final = "token-of-a-test-server"  # noqa: S105
PASSWORD: Final = "password-of-a-test-server"  # noqa: S105
KEPT_DAYS: Final = 36_500
"""Tests write readings of any day."""


class RunningInflux:
    """InfluxDB 1.x; `kill` is SIGKILL, `start` brings it back on the same port with the same folder."""

    _sign_of_life = "/ping"

    def __init__(self, folder: Path, *, accounts: bool = False) -> None:
        """Choose the port and write the configuration; with `accounts` nobody is let in without one."""
        self._folder = folder
        self._accounts = accounts
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._conf = folder / "influx.conf"
        closed = str(accounts).lower()
        self._conf.write_text(CONF.format(rpc=free_port(), port=self.port, folder=folder, accounts=closed))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self._folder / "influx.log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        wait_for(self._answers, "InfluxDB")
        self._make_administrator()

    def _make_administrator(self) -> None:
        """The first user, who alone may be made by anybody."""
        if self._accounts:
            http = InfluxHttp(InfluxAddress(self.url, ""))
            with contextlib.suppress(RetryLaterError):  # there is one already
                http.query(f"CREATE USER admin WITH PASSWORD {quote_value(PASSWORD)} WITH ALL PRIVILEGES")
            http.close()

    def _command(self) -> list[str]:
        return [require_program("influxd"), "-config", str(self._conf)]

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)

    def settings(self, name: str) -> dict[str, str]:
        """What the services are told, as variables, to use a database of this server as administrator."""
        return {"KOTA_STORE": "influx", "KOTA_INFLUX_URL": self.url, "KOTA_INFLUX_DATABASE": name}

    def database(self, name: str) -> InfluxAddress:
        """A database with a city's retention classes, which keep everything; made where absent."""
        address = self.administrator(name)
        days = dict.fromkeys((RAW, ROLLUP, EVENTS), KEPT_DAYS)
        passwords = dict.fromkeys(ACCOUNTS, PASSWORD)
        apply_steps(
            steps_of(
                Plan(address, days, passwords, token_paths(self._folder / "tokens" / name), admin_password=PASSWORD)
            )
        )
        return address

    def administrator(self, name: str) -> InfluxAddress:
        """How who may do everything enters a database."""
        return (
            InfluxAddress(self.url, name, "", "", "admin", PASSWORD)
            if self._accounts
            else InfluxAddress(self.url, name)
        )

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self._folder / "influx.log").read_text(errors="replace")
        try:
            with urllib.request.urlopen(f"{self.url}{self._sign_of_life}", timeout=1):  # noqa: S310 - our own http address
                return True
        except OSError:
            return False


class RunningInflux2(RunningInflux):
    """InfluxDB 2.7.12, as `influxd_build` makes it; skips where it cannot be made."""

    _sign_of_life = "/health"

    def _command(self) -> list[str]:
        skip_without(missing())
        build()
        files = {"--bolt-path": "i.bolt", "--engine-path": "engine", "--sqlite-path": "s.sqlite"}
        paths = [part for option, file in files.items() for part in (option, str(self._folder / file))]
        address = f"127.0.0.1:{self.port}"
        return [str(cached()), *paths, "--http-bind-address", address, "--reporting-disabled", "--log-level", "error"]

    def settings(self, name: str) -> dict[str, str]:
        """What the services are told, as variables, to use a bucket of this server as administrator."""
        return {**super().settings(name), "KOTA_INFLUX_ORG": ORG, "KOTA_INFLUX_TOKEN": ADMIN_TOKEN}

    def administrator(self, name: str) -> InfluxAddress:
        """How who may do everything enters a bucket."""
        return InfluxAddress(self.url, name, ORG, ADMIN_TOKEN)

    def _make_administrator(self) -> None:
        """Setting up the first database does."""


SERVERS: Final[dict[str, type[RunningInflux]]] = {"influx-1": RunningInflux, "influx-2": RunningInflux2}


@contextmanager
def running_influx(folder: Path, version: str = "influx-1") -> Iterator[RunningInflux]:
    """A server that is gone afterwards."""
    server = SERVERS[version](folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def token_paths(folder: Path) -> dict[str, Path]:
    """Paths of the accounts' tokens in a folder."""
    return {account: folder / f"{account}.token" for account in ACCOUNTS}
