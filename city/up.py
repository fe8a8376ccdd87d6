"""`kota up`: the whole city on one machine; starts broker, ingest with the API, vision and simulator and keeps them.

`kota up` -> broker | ingest + api (one process owns the store) | vision | simulator
"""

from __future__ import annotations

import argparse
import fcntl
import ipaddress
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from broker.contract.errors import ConfigError, KotaError
from city.certificates import CA, ensure_certificates, names_of
from city.inventory import load_city
from city.options import add_settings, environment_of, settings_from
from city.ports import choose_port
from city.runtime import city_folder
from city.secrets import Secrets
from city.settings import Settings
from city.supervise import Child, Supervisor

_SETTINGS: Final = (
    "data", "city", "demo", "host", "port", "mqtt_host", "mqtt_port", "mqtt_plain", "nats_server",
    "broker_max_mb", "speed", "seed", "clip", "clock",
    "vision_workers", "store", "influx_url", "influx_database", "influx_org", "influx_user", "public_url",
    "journal_max_mb", "journal_keep_mb", "journal_keep_h",
    "dead_letters_max_mb", "outbox_max_mb", "retention_days", "rollup_days", "event_days",
    "evidence_days", "evidence_confirmed_days", "evidence_rejected_days", "evidence_max_mb", "evidence_clear_key",
    "late_after_s",
)  # fmt: skip
POLL_S: Final = 0.2
STATUS_EVERY_S: Final = 2.0


def run(argv: list[str]) -> int:
    """Run the city until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="kota up", description="Run the whole city on this machine.")
    add_settings(parser, _SETTINGS)
    parser.add_argument("--no-simulator", action="store_true", help="Start without the simulated city.")
    parser.add_argument("--no-vision", action="store_true", help="Start without the camera worker.")
    args = parser.parse_args(argv)
    settings = _checked(settings_from(args), simulator=not args.no_simulator)
    with only_one(settings.data):
        settings = _with_ports(settings, args)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        supervisor = Supervisor(environment_of(settings), settings.data / "logs")
        if settings.store == "influx":
            _set_up_influx(settings)
        try:
            _start(supervisor, settings, simulator=not args.no_simulator, vision=not args.no_vision)
            _note_run(settings, supervisor)
            _watch(supervisor, settings, stop)
        finally:
            supervisor.stop()
            print("stopped", flush=True)
    return 0


def _checked(settings: Settings, *, simulator: bool) -> Settings:
    """Settings that fit together; everything is tried here that would otherwise fail in a child.

    Raises:
        ConfigError: They do not, or the inventory is wrong.
    """
    if settings.demo and not (_is_loopback(settings.host) and _is_loopback(settings.mqtt_host)):
        raise ConfigError("a demo listens on loopback only; give --no-demo to serve other machines")
    if simulator and not settings.demo:
        raise ConfigError("simulated data belongs to a demo; give --no-simulator with --no-demo")
    if settings.clip and not settings.clip.exists():
        raise ConfigError(f"--clip {settings.clip}: no such file")
    load_city(city_folder(settings.city))
    Secrets.make(settings.data)
    return settings


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_ports(settings: Settings, args: argparse.Namespace) -> Settings:
    asked = {name: getattr(settings, name) if _was_asked(args, name) else None for name in ("port", "mqtt_port")}
    port = choose_port(settings.host, settings.port, asked["port"], role="the console")
    mqtt = choose_port(settings.mqtt_host, settings.mqtt_port, asked["mqtt_port"], role="MQTT", taken=frozenset({port}))
    data = settings.data.resolve()
    found = {"port": port, "mqtt_port": mqtt, "data": data, "mqtt_client": "nats", "mqtt_ca": _certificates(settings)}
    return settings.model_copy(update=found)


def _certificates(settings: Settings) -> Path | None:
    """The authority behind the broker's certificate, made when it is missing; None where MQTT is spoken in clear."""
    if settings.mqtt_plain or _is_loopback(settings.mqtt_host):
        return None
    folder = settings.data.resolve() / "tls"
    ensure_certificates(folder, names_of(settings.mqtt_host), datetime.now(UTC))
    return folder / CA


def _was_asked(args: argparse.Namespace, name: str) -> bool:
    return getattr(args, name) is not None or f"KOTA_{name.upper()}" in os.environ


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data folder for this process alone.

    Raises:
        KotaError: Another `kota up` has it.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise KotaError(f"{data} is in use by another `kota up`; give --data DIR for a second city") from exc
        yield


def _set_up_influx(settings: Settings) -> None:
    """Give the database what it lacks; one that is away, or forbids it, is no reason not to start."""
    command = [sys.executable, "-m", "city", "influx", "setup"]
    done = subprocess.run(  # noqa: S603 - our own verb
        command, env={**os.environ, **environment_of(settings)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"InfluxDB could not be set up: {done.stderr.strip()}\n  `kota influx setup` does it later", flush=True)
    else:
        print(done.stdout.strip(), flush=True)


def _start(supervisor: Supervisor, settings: Settings, *, simulator: bool, vision: bool) -> None:
    supervisor.start("broker", ["serve", "broker"])
    supervisor.start("server", ["serve", "ingest", "api"])
    if simulator:
        supervisor.start("simulator", ["serve", "simulator"])
    if vision:
        supervisor.start("vision", ["serve", "vision"])
    name = load_city(city_folder(settings.city)).name
    marked = " (demo: simulated data)" if settings.demo else ""
    print(f"Jaga Kota {name}{marked}")
    print(f"  console  http://{settings.host}:{settings.port}/")
    print(f"  API      http://{settings.host}:{settings.port}/api/v1")
    tls = f", TLS, trust {settings.mqtt_ca}" if settings.mqtt_ca else ""
    print(f"  MQTT     {settings.mqtt_host}:{settings.mqtt_port}{tls}  (`kota credentials DEVICE` prints an account)")
    print(f"  data     {settings.data}")
    if not settings.demo:
        print("  sign in with a token of `kota credentials --role operator`")
    print("Ctrl-C stops everything.", flush=True)


def _note_run(settings: Settings, supervisor: Supervisor) -> None:
    """Write where this run listens and which processes it has, for the other verbs."""
    run = {
        "pid": os.getpid(),
        "host": settings.host,
        "port": settings.port,
        "mqtt_host": settings.mqtt_host,
        "mqtt_port": settings.mqtt_port,
        "processes": {child.name: child.pid for child in supervisor.children},
    }
    part = settings.data / ".run.json.part"
    part.write_text(json.dumps(run, indent=1))
    part.replace(settings.data / "run.json")


def _watch(supervisor: Supervisor, settings: Settings, stop: threading.Event) -> None:
    shown = ""
    next_status = 0.0
    pids = [child.pid for child in supervisor.children]
    while not stop.wait(POLL_S):
        for child in supervisor.watch():
            _say_ended(child, settings)
        if pids != (pids := [child.pid for child in supervisor.children]):
            _note_run(settings, supervisor)
        if time.monotonic() >= next_status:
            shown = _show(_status(supervisor, settings), shown)
            next_status = time.monotonic() + STATUS_EVERY_S


def _say_ended(child: Child, settings: Settings) -> None:
    code = child.last_exit or 0
    how = f"signal {-code}" if code < 0 else f"exit {code}"
    print(f"\n{child.name} ended ({how}), starting again; see {settings.data}/logs/{child.name}.log", flush=True)


def _status(supervisor: Supervisor, settings: Settings) -> str:
    """One line: each process, and what the system says of itself."""
    parts = [f"{child.name} {'up' if child.pid else 'down'}" for child in supervisor.children]
    system = _ask(f"http://{settings.host}:{settings.port}/readyz")
    ready = "ready" if system.get("ready") else str(system.get("detail") or "starting")
    return f"{ready} | " + ", ".join(parts)


def _ask(url: str) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - our own http address
    try:
        with urllib.request.urlopen(request, timeout=1) as answer:  # noqa: S310 - our own http address
            return dict(json.load(answer))
    except urllib.error.HTTPError as exc:
        try:
            return dict(json.load(exc))
        except ValueError:
            return {}
    except (OSError, ValueError):
        return {}


def _show(line: str, shown: str) -> str:
    """Print a status when it is news; on a terminal it stays in one place."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{line}", end="", flush=True)
    elif line != shown:
        print(line, flush=True)
    return line
