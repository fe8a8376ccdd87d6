"""`kota secrets`: writes the environment file (variables and secrets) of a city that runs in containers."""

from __future__ import annotations

import argparse
import contextlib
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from city.cli.share_secrets import share_secrets
from city.errors import ConfigError
from city.runtime.certificates import CA, CERTIFICATE, ensure_certificates, names_of
from city.runtime.options import add_settings, settings_from
from city.runtime.secrets import KEY_NAME, Secrets
from city.runtime.service import city_folder, own_city
from city.runtime.settings import Settings
from city.storage.atomic_files import replace_file

SECRETS: Final = {
    "KOTA_INFLUX_ADMIN_PASSWORD": "InfluxDB's first user, `admin`",
    "KOTA_INFLUX_ADMIN_TOKEN": "the same, as a token",
    "KOTA_DATABASE_ADMIN_PASSWORD": "PostgreSQL's first user, `postgres`",
    "KOTA_DATABASE_PASSWORD": "user of the accounts' database, for the API alone",
    "KOTA_GRAFANA_INFLUX_PASSWORD": "what Grafana reads InfluxDB with",
    "GRAFANA_ADMIN_PASSWORD": "Grafana's user `admin`",
    "GRAFANA_WALL_PASSWORD": "Grafana's user `wall`, who may look and nothing else",
}
_SECRET_BYTES: Final = 32


_COST: Final = """A new key changes every secret of this city:
- every device's and service's password at the broker, so that devices are shut out until each has its new one
  (`kota credentials DEVICE`, and `kota mosquitto` for Mosquitto's files); passwords that were changed one at a time
  (`kota credentials --list`) are not derived from the key and stay valid;
- InfluxDB's derived passwords (`kota influx setup`);
- the hashes of clients of hotspots, which cannot be compared with those before;
- the signatures of custody log and audit: what was signed before is checked with the public keys in
  evidence/custody.pub and audit.pub;
- the key of sign-in to Grafana (`kota grafana jwks --out FILE`, then restart Grafana).
Messages of other makers' devices that still wait in ingest's journal cannot be read any more: stop the city only when
nothing waits. The old key stays beside the new one as secret.key.old-TIME.
"""


class Variable(NamedTuple):
    """A line of the file; `meaning` is the comment above it."""

    name: str
    value: str
    meaning: str


def run(argv: list[str]) -> int:
    """Run one action: write the file (existing values stay, unless `--force`), or make the city's key."""
    args = _parser().parse_args(argv)
    settings = settings_from(args)
    if args.action == "tls":
        return _certificates(settings, args.name or [])
    if args.action == "key":
        print(f"{settings.data / KEY_NAME}: fingerprint {Secrets.make(settings.data).fingerprint()}")
        return 0
    if args.action == "share":
        for path in share_secrets(settings):
            print(f"written {path}")
        return 0
    if args.action == "new-key":
        return _new_key(settings.data, confirmed=args.force)
    folder = city_folder(settings.city)
    city = own_city(settings)
    inventory = _relative(folder, args.out.resolve().parent)
    public_url = settings.public_url or "http://localhost:8080"
    wanted = [
        *_plain(inventory, city.id, str(city.time_zone), settings.influx_database, public_url),
        *_demo(simulated=bool(args.demo)),
        *(Variable(name, secrets.token_urlsafe(_SECRET_BYTES), meaning) for name, meaning in SECRETS.items()),
    ]
    return _write(args.out, wanted, force=args.force)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kota secrets",
        description="Write the variables that docker-compose.yml needs, with strong secrets made for this city alone. "
        "A file that is there keeps its values; only what it lacks is added.",
    )
    parser.add_argument(
        "action",
        choices=("init", "key", "new-key", "share", "tls"),
        help="Write the variables; make the city's key where there is none; begin a new key; give each service "
        "in a container its own secrets; make the broker's certificates.",
    )
    parser.add_argument("--name", action="append", help="With tls: a name that devices know the broker by; may repeat.")
    parser.add_argument("--out", type=Path, default=Path(".env"), help="The file; .env unless given.")
    parser.add_argument(
        "--force", action="store_true", help="Write it anew: for a city that has not run yet; do begin a new key."
    )
    parser.add_argument("--demo", action="store_true", default=None, help="For a demo: with the simulated city.")
    add_settings(parser, ("data", "city", "influx_database", "public_url", "mqtt_host"))
    return parser


def _certificates(settings: Settings, names: list[str]) -> int:
    """Make the certificates of the city's own authority, below the data folder; valid ones stay."""
    folder = settings.data / "tls"
    made = ensure_certificates(folder, names_of(settings.mqtt_host, names), datetime.now(UTC))
    print(f"{'made' if made else 'good already'}: {folder / CERTIFICATE}; devices trust {folder / CA}")
    return 0


def _new_key(data: Path, *, confirmed: bool) -> int:
    print(_COST)
    if not confirmed:
        print("nothing was changed; `kota secrets new-key --force` does it")
        return 1
    print(f"{data / KEY_NAME}: fingerprint {Secrets.make_anew(data).fingerprint()}")
    return 0


def _plain(folder: str, city: str, zone: str, database: str, public_url: str) -> list[Variable]:
    return [
        Variable("KOTA_CITY", folder, "folder of the inventory"),
        Variable("KOTA_INFLUX_ORG", city, "organization in InfluxDB"),
        Variable("KOTA_INFLUX_DATABASE", database, "bucket in InfluxDB"),
        Variable("KOTA_PUBLIC_URL", public_url, "address of the console as browsers reach it"),
        Variable("GRAFANA_PUBLIC_URL", "http://localhost:3000", "address of Grafana as browsers reach it"),
        Variable("GRAFANA_TIME_ZONE", zone, "whose time the dashboards show"),
        Variable("CONSOLE_LISTEN", "127.0.0.1:8080", "where this machine serves the console; 0.0.0.0 is for everybody"),
        Variable("GRAFANA_LISTEN", "127.0.0.1:3000", "where it serves Grafana"),
        Variable("MQTT_LISTEN", "127.0.0.1:1883", "where it takes devices without TLS"),
        Variable("MQTTS_LISTEN", "0.0.0.0:8883", "where it takes devices with TLS, see docker-compose.tls.yml"),
        Variable("TLS_DIR", "./tls", "folder of ca.crt, server.crt and server.key for that"),
    ]


def _demo(*, simulated: bool) -> list[Variable]:
    demo = Variable("KOTA_DEMO", str(simulated).lower(), "whether simulated data is allowed, and marked")
    profile = Variable("COMPOSE_PROFILES", "demo", "starts the simulated city")
    return [demo, profile] if simulated else [demo]


def _relative(folder: Path, base: Path) -> str:
    """A folder in Compose's notation: a path relative to its file begins with a dot."""
    with contextlib.suppress(ValueError):
        return f"./{folder.resolve().relative_to(base)}"
    return str(folder.resolve())


def _write(path: Path, wanted: Iterable[Variable], *, force: bool) -> int:
    before = "" if force else _read(path)
    there = {line.partition("=")[0].strip() for line in before.splitlines() if not line.startswith("#")}
    missing = [variable for variable in wanted if variable.name not in there]
    head = before or "# Written by `kota secrets init`: keep it from others, and keep a copy. docs/production.md\n"
    lines = [f"\n# {variable.meaning}\n{variable.name}={variable.value}\n" for variable in missing]
    replace_file(path, head + "".join(lines))
    if not missing:
        print(f"{path} has everything already; --force makes new secrets")
        return 0
    print(f"{'added to' if before else 'wrote'} {path}: {', '.join(variable.name for variable in missing)}")
    print("start the city: docker compose up --detach --build")
    return 0


def _read(path: Path) -> str:
    """The file as it is, empty where there is none; readable for its owner alone from now on."""
    try:
        text = path.read_text(encoding="utf-8")
        path.chmod(0o600)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    return text if text.endswith("\n") else f"{text}\n"
