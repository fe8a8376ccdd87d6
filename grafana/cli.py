"""`kota grafana`: build provisioning files, push their content into a Grafana, compare it, or write the key set."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from city.errors import ConfigError
from city.i18n.catalogue import DEFAULT_LANG
from city.inventory.model import City
from city.runtime.options import add_settings, settings_from
from city.runtime.secrets import Secrets
from city.runtime.service import own_city
from city.runtime.settings import Settings
from city.storage.atomic_files import replace_file
from grafana.context import PUBLIC_URL, DashboardContext
from grafana.provision import FOLDER, ProvisioningOptions, files, write
from grafana.remote import Outcome, Part, compare, connect, push, version_of
from grafana.remote_alerts import alert_parts
from grafana.remote_dashboards import dashboard_parts, datasource_part, folder_parts
from ingest.store.influx.setup_plan import account_name
from people.grafana_tokens import SigningKey

TOKEN_VARIABLE: Final = "KOTA_GRAFANA_TOKEN"  # noqa: S105 - the name of a variable
_SETTINGS: Final = ("data", "city", "public_url", "influx_url", "influx_database")


def run(argv: list[str]) -> int:
    """Exit code: 1 if `check` finds a difference, else 0."""
    args = _parser().parse_args(argv)
    settings = settings_from(args)
    if args.action == "jwks":
        return _write_keys(settings, args.out)
    city = own_city(settings)
    options = ProvisioningOptions(
        settings.public_url or PUBLIC_URL, args.tiles, args.dispatch_email, args.network_email, args.grafana_version
    )
    if args.action == "build":
        folder = args.out or FOLDER
        contents = files(city, options)
        write(folder, contents)
        print(f"{folder}: {len(contents)} files")
        return 0
    parts = _parts(args, settings, city, options)
    outcomes = push(parts) if args.action == "push" else compare(parts)
    _print_outcomes(args.action, outcomes, as_json=args.json)
    return 1 if args.action == "check" and any(outcome.difference for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kota grafana",
        description="Dashboards and alert rules: build Grafana's provisioning files, push their content into an "
        f"existing Grafana, or report the differences. Its token comes from {TOKEN_VARIABLE}. jwks writes the public "
        "keys with which Grafana verifies who has signed in to the city.",
    )
    defaults = ProvisioningOptions()
    parser.add_argument(
        "action", choices=("build", "push", "check", "jwks"), help="push: a second time changes nothing."
    )
    parser.add_argument(
        "--out", type=Path, metavar="PATH", help="Folder of the files that build writes; the file that jwks writes."
    )
    parser.add_argument(
        "--tiles", default="", metavar="URL", help="Map tiles with {z}, {x}, {y}; none needs no internet."
    )
    parser.add_argument("--dispatch-email", default=defaults.dispatch_email, metavar="ADDRESS", help="Gets alerts.")
    parser.add_argument("--network-email", default=defaults.network_email, metavar="ADDRESS", help="Gets alerts.")
    parser.add_argument(
        "--grafana-version",
        default=defaults.grafana_version,
        metavar="VERSION",
        help="Version that build writes for; before 11, alarms end while the database is away.",
    )
    parser.add_argument("--grafana-url", default="http://127.0.0.1:3000", metavar="URL", help="Address of Grafana.")
    parser.add_argument("--grafana-token", default="", metavar="TOKEN", help=f"Instead of {TOKEN_VARIABLE}.")
    parser.add_argument("--json", action="store_true", help="One JSON document (push, check).")
    add_settings(parser, _SETTINGS)
    return parser


def _write_keys(settings: Settings, path: Path | None) -> int:
    """Write the public key set, which every user of the machine may read; Grafana is one of them.

    Raises:
        ConfigError: The path is missing, or there is no city's key.
        StorageError: The disk refuses.
    """
    if path is None:
        raise ConfigError("jwks needs --out FILE")
    key = SigningKey(Secrets.of(settings).grafana_seed())
    changed = replace_file(path, json.dumps(key.public_set(), indent=2) + "\n", mode=0o644)
    print(f"{path}: key {key.id}{'; restart Grafana, which reads it at its start' if changed else ', as before'}")
    return 0


def _parts(args: argparse.Namespace, settings: Settings, city: City, options: ProvisioningOptions) -> list[Part]:
    """All parts, in the order of their dependencies.

    Raises:
        ConfigError: The token is missing or refused.
    """
    api = connect(args.grafana_url, args.grafana_token or os.environ.get(TOKEN_VARIABLE, ""))
    options = msgspec.structs.replace(options, grafana_version=version_of(api, options.grafana_version))
    context = DashboardContext(DEFAULT_LANG, city, options.public_url, options.tiles)
    return [
        *folder_parts(api),
        datasource_part(api, _access(settings)),
        *dashboard_parts(api, files(city, options)),
        *alert_parts(api, city, context, options),
    ]


def _access(settings: Settings) -> dict[str, str]:
    """Grafana's access to InfluxDB: the values of the variables in the provisioning file."""
    password = settings.grafana_influx_password.get_secret_value() or Secrets.of(settings).influx("grafana")
    user = os.environ.get("KOTA_GRAFANA_INFLUX_USER") or account_name(settings.influx_database, "grafana")
    return {
        "KOTA_INFLUX_URL": settings.influx_url,
        "KOTA_INFLUX_DATABASE": settings.influx_database,
        "KOTA_GRAFANA_INFLUX_USER": user,
        "KOTA_GRAFANA_INFLUX_PASSWORD": password,
    }


def _print_outcomes(action: str, outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"action": action, "parts": [outcome._asdict() for outcome in outcomes]}, ensure_ascii=False))
        return
    for part, difference, unsupported in outcomes:
        if unsupported:
            print(f"unsupported: {part}: {difference}")
        elif difference:
            print(f"{'made' if action == 'push' else 'differs'}: {part}: {difference}")
    wanted = sum(not outcome.difference for outcome in outcomes)
    print(f"{wanted} of {len(outcomes)} parts {'were' if action == 'push' else 'are'} as wanted")
