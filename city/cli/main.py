"""The `kota` command: a table of verbs, each in its own package and imported only when called."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from typing import Final, NamedTuple

from city.cli.escaping import escaping_output
from city.errors import ConfigError, KotaError
from city.version import own_version

EXIT_RUNTIME: Final = 1
EXIT_CONFIG: Final = 2
OF_SERVERS: Final = frozenset({"api", "dispatch", "grafana", "people", "tests"})
"""Packages that `pip install '.[edge]'` leaves out."""
HELP: Final = frozenset({"-h", "--help"})


class Verb(NamedTuple):
    """Module of a verb, its description in one line, an example, and arguments put before the user's."""

    module: str
    summary: str
    example: str
    before: tuple[str, ...] = ()


VERBS: Final[dict[str, Verb]] = {
    "up": Verb("city.cli.up", "run the whole city on this machine", "kota up --port 8090 --data /srv/kota"),
    "test": Verb("tests.run", "set up and run the tests", "kota test tests/unit/city -k windows"),
    "check": Verb(
        "city.cli.check",
        "validate inventory and settings, try each dependency; --live asks the running city too (--json)",
        "kota check --live",
    ),
    "devices": Verb("city.cli.devices", "list the inventory (--json)", "kota devices --json"),
    "credentials": Verb(
        "city.cli.credentials",
        "print the account of a device or another maker's server; change a device's password (--json)",
        "kota credentials bin-0451 --renew",
    ),
    "people": Verb(
        "people.cli",
        "accounts of persons: list, add, link, role, disable, sign-out, passkeys (--json)",
        "kota people add maria --role dispatcher",
        ("people",),
    ),
    "tokens": Verb(
        "people.cli",
        "tokens of services for the API: list, make, revoke (--json)",
        "kota tokens make prometheus --role viewer",
        ("tokens",),
    ),
    "audit": Verb("people.cli", "who did what: list, verify (--json)", "kota audit verify", ("audit",)),
    "edge": Verb(
        "edge.cli",
        "run a device's own agent: --device ID",
        "echo '{\"distance_mm\": 480}' | kota edge --device bin-0451 --sensor stdin",
    ),
    "deadletters": Verb(
        "ingest.cli.ingest",
        "list messages that could not be understood, or replay them (--json)",
        "kota deadletters replay --all",
    ),
    "device": Verb(
        "ingest.cli.device",
        "other makers' devices: try or draft a profile, list, adopt (--json)",
        "kota device unknown",
    ),
    "influx": Verb(
        "ingest.cli.influx",
        "set up InfluxDB for a city, or say what differs (setup, check, rollup; --json)",
        "kota influx check --influx-url http://127.0.0.1:8086",
    ),
    "store": Verb(
        "ingest.cli.store",
        "copy a city from one store to the other (copy --from duckdb --to influx)",
        "kota store copy --from duckdb --to influx",
    ),
    "mosquitto": Verb(
        "broker.mosquitto.cli",
        "write configuration, rules and passwords of a Mosquitto: --out DIR",
        "kota mosquitto --out /etc/mosquitto/kota",
    ),
    "secrets": Verb(
        "city.cli.env_file",
        "write the variables and secrets that docker-compose.yml needs (init)",
        "kota secrets init",
    ),
    "kiosk": Verb("grafana.kiosk", "create Grafana's user of the kiosk screen", "kota kiosk"),
    "health": Verb("city.runtime.health", "say whether a service of this machine is alive: SERVICE", "kota health api"),
    "backup": Verb(
        "city.backup.create",
        "keep everything of a city in one encrypted file, while it goes on: FILE",
        "kota backup /media/usb/kota-2026-12-01.backup",
    ),
    "restore": Verb(
        "city.backup.restore",
        "make a city's data folder from such a file: FILE",
        "kota restore /media/usb/kota-2026-12-01.backup --data /srv/kota",
    ),
    "status": Verb("city.cli.status", "say how the city of this machine does (--json)", "kota status --lang en"),
    "grafana": Verb(
        "grafana.cli",
        "build dashboards and alert rules, push them into a Grafana, compare, or write the key set of its sign-in "
        "(build, push, check, jwks)",
        "kota grafana check",
    ),
    "reconcile": Verb(
        "edge.reconcile",
        "compare what devices published with what is stored (--json)",
        "kota reconcile --data /srv/kota",
    ),
    "attack": Verb(
        "tests.attacks.run", "known holes as attempts against the city that runs here (--json)", "kota attack"
    ),
    "chaos": Verb(
        "tests.chaos.run", "break things on purpose and count every reading (--json)", "kota chaos --kills 20 --seed 7"
    ),
    "fuzz": Verb(
        "tests.chaos.fuzz", "mutated messages through ingest; counts must add up", "kota fuzz --payloads 20000"
    ),
    "roads": Verb(
        "dispatch.planning.cli",
        "roads for travel times of plans: import FILE.osm.pbf",
        "kota roads import kupang.osm.pbf",
    ),
    "bench": Verb(
        "tests.bench.run",
        "measure what is to be fast, beside a reference (adapters, boards, dispatch, forecast, ingest, outage, routes, "
        "vision)",
        "kota bench ingest --messages 100000",
    ),
    "vision": Verb(
        "vision.cli",
        "watch cameras, score the detector over clips, or install a model",
        "kota vision score clips/ --out alarms.json",
    ),
    "notify": Verb(
        "dispatch.notifications.cli",
        "recipients of notifications: list, or send a test: test NAME (--json)",
        "kota notify test dispatch",
    ),
    "evidence": Verb(
        "vision.evidence.cli",
        "check, export or delete evidence of dumping, or say who saw it (verify, accesses, export)",
        "kota evidence verify",
    ),
    "broker": Verb("city.runtime.serve", "run the embedded broker alone", "kota broker --mqtt-port 1883", ("broker",)),
    "ingest": Verb(
        "city.runtime.serve", "run ingest alone", "kota ingest --mqtt-host 10.0.0.5 --store influx", ("ingest",)
    ),
    "api": Verb("city.runtime.serve", "run the API and the console alone", "kota api --port 8090", ("api",)),
    "simulate": Verb("city.runtime.serve", "run the simulated city alone", "kota simulate --speed 60", ("simulator",)),
    "serve": Verb(
        "city.runtime.serve", "run several services in one process", "kota serve ingest api --data /srv/kota"
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Run a verb; 0 done, 1 failed while running, 2 wrong settings or command."""
    # Evidence, keys and readings are nobody's business but this user's.
    os.umask(0o077)
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        _print_help()
        return 0
    if arguments[0] in ("--version", "version"):
        print(f"kota {own_version()}, Python {platform.python_version()} on {platform.system()} {platform.machine()}")
        return 0
    name, *rest = arguments
    if name not in VERBS:
        print(f"kota: no verb {name!r}; `kota --help` shows them all", file=sys.stderr)
        return EXIT_CONFIG
    with escaping_output():
        try:
            return _call(VERBS[name], rest)
        except KotaError as exc:
            print(f"kota {name}: {exc}", file=sys.stderr)
            return EXIT_CONFIG if isinstance(exc, ConfigError) else EXIT_RUNTIME


def _call(verb: Verb, arguments: list[str]) -> int:
    try:
        try:
            code: int = importlib.import_module(verb.module).run([*verb.before, *arguments])
        except SystemExit as exc:
            if not exc.code and HELP.intersection(arguments):
                print(f"\nexample:\n  {verb.example}", flush=True)
            raise
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in OF_SERVERS:
            raise
        raise ConfigError("it is not part of what is installed on a device; run it from a checkout") from exc
    except KeyboardInterrupt:
        return EXIT_RUNTIME
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; nothing is left to be said
        return 0
    return code


def _print_help() -> None:
    width = max(len(name) for name in VERBS)
    print("kota VERB [options]: Jaga Kota, the city's waste service and Wi-Fi\n")
    for name, verb in VERBS.items():
        print(f"  {name:{width}}  {verb.summary}")
    print("\n`kota VERB --help` shows a verb's options, their defaults and an example; `kota --version` the version.")
    print("Exit: 0 done, 1 failed, 2 wrong settings.")
