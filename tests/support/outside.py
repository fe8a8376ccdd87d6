"""Compose's own commands outside containers: the same programs and variables, addresses and folders replaced."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from city.cli.env_file import run as secrets_run
from tests.support.brokers import ROOT, free_port
from tests.support.compose import FOLDERS, Services, ours, read_env, services
from tests.support.influxd_build import build, cached, missing
from tests.support.require import require_program, skip_without


class ComposeOutside:
    """A city of docker-compose.yml below one folder; `close` kills what still runs.

    Each process gets the variables of its service and those of the image, none of this machine's own but the path, and
    of the project what the image holds.
    """

    def __init__(self, folder: Path, *profiles: str) -> None:
        """Make the variables and choose the ports."""
        self._folder = folder
        secrets_run(["init", "--out", str(folder / ".env"), *(f"--{profile}" for profile in profiles)])
        self.services: Services = services(read_env(folder / ".env"))
        self.data = folder / "city"
        self._app = folder / "app"
        for made in (self.data, self._app):
            made.mkdir()
        for name in FOLDERS:
            (self._app / name).symlink_to(ROOT / name)
        self.port = free_port()
        self._ports = {"1883": free_port(), "8086": free_port(), "8080": self.port}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run_once(self, name: str) -> str:
        """A one-shot service to its end; what it said."""
        command, environment = self._command(name), self._environment(name)
        done = subprocess.run(
            command, env=environment, cwd=self.data, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, name: str) -> None:
        """A service that stays."""
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._command(name), env=self._environment(name), cwd=self.data, stdout=log, stderr=log
            )

    def is_healthy(self, name: str) -> bool:
        """What its own health check says; a process that has ended is a failure of the test."""
        assert self._processes[name].poll() is None, self.log(name)
        how, *test = self.services[name]["healthcheck"]["test"]
        if how == "CMD-SHELL":
            test = ["sh", "-c", test[0].replace("1883", str(self._ports["1883"]))]
        if test[:2] == ["influx", "ping"]:
            return _answers(self._moved("http://influxdb:8086/health"))  # what that program asks
        command = [sys.executable, "-m", "city", *test[1:]] if test[0] == "kota" else test
        return subprocess.run(command, env=self._environment(name), capture_output=True, check=False).returncode == 0

    def stop(self, name: str) -> int:
        """SIGTERM, as the engine sends it; the exit code."""
        process = self._processes[name]
        process.terminate()
        return process.wait(20)

    def log(self, name: str) -> str:
        """What a service has printed."""
        return f"--- {name}\n" + (self._folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def close(self) -> None:
        """Kill everything that was started."""
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
                process.wait(20)

    def variables(self, name: str) -> dict[str, str]:
        """Those of a service, with folders and addresses replaced."""
        given = self.services[name].get("environment", {})
        return {key: self._moved(str(value)) for key, value in given.items()}

    def _environment(self, name: str) -> dict[str, str]:
        image = {"PYTHONPATH": str(self._app), "PYTHONDONTWRITEBYTECODE": "1", "KOTA_DATA": str(self.data)}
        given = self.variables(name)
        ports = {"KOTA_MQTT_PORT": str(self._ports["1883"]), "KOTA_PORT": str(self.port)}
        loopback = dict.fromkeys(given.keys() & {"KOTA_HOST", "KOTA_MQTT_HOST"}, "127.0.0.1")
        return {"PATH": os.environ["PATH"], **image, **ports, **given, **loopback}

    def _command(self, name: str) -> list[str]:
        service = self.services[name]
        arguments = [self._moved(part) for part in service["command"]]
        if name in ours(self.services):
            if arguments[0] == "mosquitto":
                arguments += ["--bind", "127.0.0.1", *(["--user", "root"] if os.geteuid() == 0 else [])]
            return [sys.executable, "-m", "city", *arguments]
        if name == "influxdb":
            skip_without(missing())
            build()
            return [str(cached()), *arguments]
        return [require_program(arguments[0]), *arguments[1:]]

    def _moved(self, text: str) -> str:
        """A value with folders and addresses of containers replaced."""
        for inside, outside in {
            "/srv/mosquitto": str(self._folder / "mosquitto"),
            "/var/lib/influxdb2": str(self._folder / "influxdb"),
            "/etc/kota/city": str(ROOT / "city" / "kupang"),
            "http://influxdb:8086": f"http://127.0.0.1:{self._ports['8086']}",
            "address=:8086": f"address=127.0.0.1:{self._ports['8086']}",
        }.items():
            text = text.replace(inside, outside)
        return text


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own http address
            return True
    except OSError:
        return False
