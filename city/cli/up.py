"""`kota up`: the whole city on one machine; starts broker, ingest with the API, vision and simulator and keeps them.

`kota up` -> broker | ingest + api (one process owns the store) | vision | simulator
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from city.cli.terminal import Terminal
from city.errors import ConfigError
from city.runtime.child_logs import LogKeeper
from city.runtime.heartbeats import delete_heartbeat
from city.runtime.options import add_settings, environment_of, settings_from
from city.runtime.ports import choose_port, is_loopback
from city.runtime.secrets import Secrets
from city.runtime.service import own_city
from city.runtime.settings import Settings
from city.runtime.supervise import Supervisor
from city.runtime.upkeep import StatusLoop
from city.storage.folder_lock import lock_data_folder

_SETTINGS: Final = (
    "data", "city", "demo", "host", "port", "mqtt_host", "mqtt_port", "mqtt_plain", "nats_server",
    "broker_max_mb", "ingest_processes", "speed", "seed", "clip", "clock",
    "vision_workers", "vision_model", "vision_model_fetch",
    "store", "influx_url", "influx_database", "influx_org", "influx_user",
    "public_url", "grafana_public_url", "trusted_proxies",
    "journal_max_mb", "journal_keep_mb", "journal_keep_h",
    "dead_letters_max_mb", "outbox_max_mb", "retention_days", "rollup_days", "event_days",
    "evidence_days", "evidence_confirmed_days", "evidence_rejected_days", "evidence_max_mb", "evidence_clear_key",
    "late_after_s",
)  # fmt: skip


def run(argv: list[str]) -> int:
    """Run the city until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="kota up", description="Run the whole city on this machine.")
    add_settings(parser, _SETTINGS)
    parser.add_argument("--no-simulator", action="store_true", help="Start without the simulated city.")
    parser.add_argument("--no-vision", action="store_true", help="Start without the camera worker.")
    args = parser.parse_args(argv)
    settings = _check_settings(settings_from(args), simulator=not args.no_simulator)
    with lock_data_folder(settings.data):
        settings = _with_ports(settings, args)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        terminal = Terminal.of_stdout()
        if settings.store == "influx":
            terminal.say(_set_up_influx(settings))
        logs = LogKeeper(settings.data / "logs")
        supervisor = Supervisor(environment_of(settings), logs)
        try:
            _start(supervisor, simulator=not args.no_simulator, vision=not args.no_vision)
            terminal.say(_welcome(settings))
            StatusLoop(settings, supervisor, logs, terminal).run(stop)
        finally:
            supervisor.stop()
            for service in [service for child in supervisor.children for service in child.services]:
                delete_heartbeat(settings.data, service)
            logs.close()
            terminal.say("stopped\n")
            terminal.close()
    return 0


def _check_settings(settings: Settings, *, simulator: bool) -> Settings:
    """Check the settings, the inventory and the key, so that no child fails for them later.

    Raises:
        ConfigError: The settings contradict each other, or the inventory is wrong.
    """
    if settings.demo and not (is_loopback(settings.host) and is_loopback(settings.mqtt_host)):
        raise ConfigError("a demo listens on loopback only; give --no-demo to serve other machines")
    if simulator and not settings.demo:
        raise ConfigError("simulated data belongs to a demo; give --no-simulator with --no-demo")
    if settings.clip and not settings.clip.exists():
        raise ConfigError(f"--clip {settings.clip}: no such file")
    own_city(settings)
    Secrets.make(settings.data)
    return settings


def _with_ports(settings: Settings, args: argparse.Namespace) -> Settings:
    requested = {name: getattr(settings, name) if _was_asked(args, name) else None for name in ("port", "mqtt_port")}
    port = choose_port(settings.host, settings.port, requested["port"], role="the console")
    mqtt = choose_port(
        settings.mqtt_host, settings.mqtt_port, requested["mqtt_port"], role="MQTT", taken=frozenset({port})
    )
    data = settings.data.resolve()
    resolved = {
        "port": port,
        "mqtt_port": mqtt,
        "data": data,
        "mqtt_client": "nats",
        "mqtt_ca": _certificates(settings),
    }
    return settings.model_copy(update=resolved)


def _certificates(settings: Settings) -> Path | None:
    """CA file of the broker's certificate, made if missing; None for MQTT without TLS."""
    if settings.mqtt_plain or is_loopback(settings.mqtt_host):
        return None
    from city.runtime.certificates import CA, ensure_certificates, names_of  # noqa: PLC0415 - 17 MB, for who needs them

    folder = settings.data.resolve() / "tls"
    ensure_certificates(folder, names_of(settings.mqtt_host), datetime.now(UTC))
    return folder / CA


def _was_asked(args: argparse.Namespace, name: str) -> bool:
    return getattr(args, name) is not None or f"KOTA_{name.upper()}" in os.environ


def _set_up_influx(settings: Settings) -> str:
    """Set up InfluxDB and return a text about it; a failure does not prevent the start."""
    command = [sys.executable, "-m", "city", "influx", "setup"]
    done = subprocess.run(  # noqa: S603 - our own verb
        command, env={**os.environ, **environment_of(settings)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return f"InfluxDB could not be set up: {done.stderr.strip()}\n  `kota influx setup` does it later\n"
    return f"{done.stdout.strip()}\n"


def _start(supervisor: Supervisor, *, simulator: bool, vision: bool) -> None:
    supervisor.start("broker", ["serve", "broker"])
    supervisor.start("server", ["serve", "ingest", "api"])
    if simulator:
        supervisor.start("simulator", ["serve", "simulator"])
    if vision:
        supervisor.start("vision", ["serve", "vision"])


def _sign_in(settings: Settings) -> str:
    """How to sign in: by the first administrator's link, until it was used."""
    # In a process of its own: the database's library takes 28 MB, and this process stays.
    command = [sys.executable, "-m", "city", "people", "first-link", "--json"]
    done = subprocess.run(  # noqa: S603 - our own verb
        command, env={**os.environ, **environment_of(settings)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return f"  accounts {done.stderr.strip()}"
    links = [row["link"] for row in json.loads(done.stdout)]
    hint = f"`{_as_typed(settings, 'people link NAME')}` makes a new link for who has forgotten the password"
    return (
        f"  first administrator, once, within 24 hours: {links[0]}" if links else f"  sign in with an account; {hint}"
    )


COMMAND_VARIABLE: Final = "KOTA_COMMAND"
"""How the user has called the `kota` script."""


def _as_typed(settings: Settings, verb: str) -> str:
    """A command for this city, with the options that another shell needs to find it."""
    options = []
    if settings.data.absolute() != Path(Settings.model_fields["data"].default).absolute():
        options += ["--data", str(settings.data.absolute())]
    if verb.startswith("credentials") and settings.city != Settings.model_fields["city"].default:
        folder = Path(settings.city)
        options += ["--city", str(folder.absolute()) if folder.is_dir() else settings.city]
    return shlex.join([os.environ.get(COMMAND_VARIABLE, "kota"), *verb.split(), *options])


def _welcome(settings: Settings) -> str:
    name = own_city(settings).name
    marked = " (demo: simulated data)" if settings.demo else ""
    tls = f", TLS, trust {settings.mqtt_ca}" if settings.mqtt_ca else ""
    lines = [
        f"Jaga Kota, {name}{marked}",
        f"  console  http://{settings.host}:{settings.port}/",
        f"  API      http://{settings.host}:{settings.port}/api/v1",
        f"  MQTT     {settings.mqtt_host}:{settings.mqtt_port}{tls}",
        f"  data     {settings.data}",
        *([] if settings.demo else [_sign_in(settings)]),
        f"`{_as_typed(settings, 'credentials DEVICE')}` prints the account of a device.",
        f"`{_as_typed(settings, 'status')}` says how the city does.",
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines) + "\n"
