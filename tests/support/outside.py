"""Compose's own commands outside containers: the same programs, variables and mounts, addresses and folders replaced.

Each process of ours has a mount namespace: its data folder is empty and read-only but for what its service mounts, and
the volume itself is hidden. Where nobody may mount, the tests are skipped.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from city.cli.env_file import run as secrets_run
from tests.support.brokers import ROOT, free_port
from tests.support.compose import FOLDERS, Services, mounts_of, ours, read_env, services
from tests.support.influxd_build import build, cached, missing
from tests.support.postgres import missing as postgres_missing
from tests.support.postgres import program, running_postgres
from tests.support.require import require_nothing_missing, require_program, skip_without

DATA: Final = "/var/lib/kota"
SECRETS: Final = "/run/kota/secrets"
NAMESPACE: Final = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))


class ComposeOutside:
    """A city of docker-compose.yml below one folder; `close` kills what still runs.

    Each process gets the variables of its service and those of the image, none of this machine's own but the path, and
    of the project what the image holds.
    """

    def __init__(self, folder: Path, *profiles: str) -> None:
        """Make the variables and choose the ports."""
        self._folder = folder
        secrets_run(["init", "--out", str(folder / ".env"), *(f"--{profile}" for profile in profiles)])
        self.env = read_env(folder / ".env")
        self.services: Services = services(self.env)
        self.data = folder / "city"
        self._app = folder / "app"
        for made in (self.data, self._app):
            made.mkdir()
        for name in FOLDERS:
            (self._app / name).symlink_to(ROOT / name)
        self.port = free_port()
        self._ports = {"1883": free_port(), "8086": free_port(), "8080": self.port}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._database_port = free_port()
        self._servers = ExitStack()
        tried = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "x", folder], capture_output=True, check=False)
        skip_without(f"nothing can be mounted here: {tried.stderr.decode().strip()}" if tried.returncode else "")

    @property
    def database_url(self) -> str:
        """Address of the accounts, as the API has it."""
        return self.variables("api")["KOTA_DATABASE_URL"]

    def run_once(self, name: str, *arguments: str) -> str:
        """A one-shot service to its end, or its image with other arguments; what it said."""
        command, environment = self._command(name, *arguments), self._environment(name)
        done = subprocess.run(
            command, env=environment, cwd=self._folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout

    def look(self, name: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script in the mounts of a service; `$DATA` and `$SECRETS` are its folders."""
        folders = {"DATA": self._view(name, DATA), "SECRETS": self._view(name, SECRETS)}
        command = [*self._mounted(name), "sh", "-c", script]
        environment = {"PATH": os.environ["PATH"], **folders}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def start(self, name: str) -> None:
        """A service that stays."""
        if name == "database":
            self._start_database()
            return
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._command(name), env=self._environment(name), cwd=self._folder, stdout=log, stderr=log
            )

    def _start_database(self) -> None:
        """PostgreSQL with the image's administrator, and what the image runs once."""
        require_nothing_missing(postgres_missing())
        given = self.services["database"]["environment"]
        password = given["POSTGRES_PASSWORD"]
        self._servers.enter_context(running_postgres(self._database_port, "postgres", password))
        scripts = next(mount.source for mount in mounts_of(self.services["database"]) if "initdb" in mount.target)
        tools = str(Path(program("psql")).parent)
        address = {"PGHOST": "127.0.0.1", "PGPORT": str(self._database_port), "PGPASSWORD": password}
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", **given, **address}
        for path in sorted((ROOT / scripts).glob("*.sh")):
            done = subprocess.run(["sh", "-e", str(path)], env=environment, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

    def is_healthy(self, name: str) -> bool:
        """What its own health check says; a process that has ended is a failure of the test."""
        if name == "database":
            test = self.services[name]["healthcheck"]["test"][1:]
            command = [program(test[0]), *test[1:], "--port", str(self._database_port)]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        assert self._processes[name].poll() is None, self.log(name)
        how, *test = self.services[name]["healthcheck"]["test"]
        if how == "CMD-SHELL":
            test = ["sh", "-c", test[0].replace("1883", str(self._ports["1883"]))]
        if test[:2] == ["influx", "ping"]:
            return _answers(self._moved("http://influxdb:8086/health"))  # what that program asks
        if test[0] == "kota":
            test = [*self._mounted(name), sys.executable, "-m", "city", *test[1:]]
        command = test
        return subprocess.run(command, env=self._environment(name), capture_output=True, check=False).returncode == 0

    def stop(self, name: str) -> int:
        """SIGTERM, as the engine sends it; the exit code."""
        process = self._processes[name]
        process.terminate()
        return process.wait(60)

    def log(self, name: str) -> str:
        """What a service has printed."""
        path = self._folder / f"{name}.log"
        return f"--- {name}\n" + (path.read_text(errors="replace")[-3000:] if path.exists() else "")

    def close(self) -> None:
        """Kill everything that was started."""
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
                process.wait(20)
        self._servers.close()

    def variables(self, name: str) -> dict[str, str]:
        """Those of a service, with folders and addresses replaced."""
        given = self.services[name].get("environment", {})
        moved = {key: self._moved(str(value)) for key, value in given.items()}
        folder = {"KOTA_SECRETS_FOLDER": self._view(name, SECRETS)} if "KOTA_SECRETS_FOLDER" in moved else {}
        return moved | folder

    def _environment(self, name: str) -> dict[str, str]:
        image = {"PYTHONPATH": str(self._app), "PYTHONDONTWRITEBYTECODE": "1", "KOTA_DATA": self._view(name, DATA)}
        given = self.variables(name)
        ports = {"KOTA_MQTT_PORT": str(self._ports["1883"]), "KOTA_PORT": str(self.port)}
        loopback = dict.fromkeys(given.keys() & {"KOTA_HOST", "KOTA_MQTT_HOST"}, "127.0.0.1")
        return {"PATH": os.environ["PATH"], **image, **ports, **given, **loopback}

    def _view(self, name: str, inside: str) -> str:
        """A folder of a service's container, outside."""
        return f"{self._folder}/views/{name}{inside}"

    def _mounted(self, name: str) -> list[str]:
        """The begin of a command that runs in the mounts of a service."""
        root, lines = self._view(name, ""), ["set -e"]
        for folder in (DATA, SECRETS):
            lines += [f"mkdir -p {root}{folder}", f"mount -t tmpfs image {root}{folder}"]
        for mount in (mount for mount in mounts_of(self.services[name]) if mount.source == "city"):
            source, target = self.data / mount.subpath, f"{root}{mount.target}"
            lines += [f"mkdir -p {target}", f"mount --bind {shlex.quote(str(source))} {target}"]
            lines += [f"mount -o remount,bind,ro {target}"] * mount.read_only
        if not any(mount.target == DATA for mount in mounts_of(self.services[name])):
            lines += [f"mount -o remount,ro {root}{DATA}"]
        lines += [f"mount -t tmpfs hidden {shlex.quote(str(self.data))}", 'exec "$@"']
        return [*NAMESPACE, "sh", "-c", "\n".join(lines), "sh"]

    def _command(self, name: str, *instead: str) -> list[str]:
        service = self.services[name]
        arguments = [self._moved(part) for part in (instead or service["command"])]
        if name in ours(self.services):
            if arguments[0] == "mosquitto":
                arguments += ["--bind", "127.0.0.1", *(["--user", "root"] if os.geteuid() == 0 else [])]
            return [*self._mounted(name), sys.executable, "-m", "city", *arguments]
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
            "@database/": f"@127.0.0.1:{self._database_port}/",
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
