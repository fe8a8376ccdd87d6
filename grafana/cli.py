"""`kota grafana`: build the provisioning files, push the same into a Grafana that is there already, or compare it."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from city.inventory import load_city
from city.model import City
from city.options import add_settings, settings_from
from city.runtime import city_folder
from city.secrets import Secrets
from city.settings import Settings
from grafana.house import PUBLIC_URL, House
from grafana.provision import FOLDER, Choices, files, write
from grafana.remote import Outcome, Part, compare, connect, push
from grafana.remote_alerts import alert_parts
from grafana.remote_boards import board_parts, datasource_part, folder_parts
from grafana.words import LANGS
from ingest.store.influx_setup_plan import account_name

TOKEN_VARIABLE: Final = "KOTA_GRAFANA_TOKEN"  # noqa: S105 - the name of a variable
_SETTINGS: Final = ("data", "city", "public_url", "influx_url", "influx_database")


def run(argv: list[str]) -> int:
    """0 when everything is as wanted or has been made so, 1 when `check` finds something."""
    args = _parser().parse_args(argv)
    settings = settings_from(args)
    city = load_city(city_folder(settings.city))
    choices = Choices(settings.public_url or PUBLIC_URL, args.tiles, args.dispatch_email, args.network_email)
    if args.action == "build":
        folder = Path(args.out)
        contents = files(city, choices)
        write(folder, contents)
        print(f"{folder}: {len(contents)} files")
        return 0
    parts = _parts(args, settings, city, choices)
    outcomes = push(parts) if args.action == "push" else compare(parts)
    _say(args.action, outcomes, as_json=args.json)
    return 1 if args.action == "check" and any(one.difference for one in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kota grafana",
        description="Boards and alert rules: build the files Grafana is provisioned from, push the same into a Grafana "
        f"that is there already, or say what differs there. Its token comes from {TOKEN_VARIABLE}.",
    )
    defaults = Choices()
    parser.add_argument("action", choices=("build", "push", "check"), help="push: a second time changes nothing.")
    parser.add_argument("--out", default=str(FOLDER), metavar="DIR", help="Folder of the files that build writes.")
    parser.add_argument(
        "--tiles", default="", metavar="URL", help="Map tiles with {z}, {x}, {y}; none needs no internet."
    )
    parser.add_argument("--dispatch-email", default=defaults.dispatch_email, metavar="ADDRESS", help="Who is told.")
    parser.add_argument("--network-email", default=defaults.network_email, metavar="ADDRESS", help="Who is told.")
    parser.add_argument("--grafana-url", default="http://127.0.0.1:3000", metavar="URL", help="Address of Grafana.")
    parser.add_argument("--grafana-token", default="", metavar="TOKEN", help=f"Instead of {TOKEN_VARIABLE}.")
    parser.add_argument("--json", action="store_true", help="One JSON document (push, check).")
    add_settings(parser, _SETTINGS)
    return parser


def _parts(args: argparse.Namespace, settings: Settings, city: City, choices: Choices) -> list[Part]:
    """Everything that Grafana shall have, in the order in which it is needed.

    Raises:
        ConfigError: There is no token, or it is not accepted.
    """
    api = connect(args.grafana_url, args.grafana_token or os.environ.get(TOKEN_VARIABLE, ""))
    house = House(LANGS[0], city, choices.public_url, choices.tiles)
    return [
        *folder_parts(api),
        datasource_part(api, _access(settings)),
        *board_parts(api, files(city, choices)),
        *alert_parts(api, city, house, choices),
    ]


def _access(settings: Settings) -> dict[str, str]:
    """How Grafana reads InfluxDB: the values of the variables in the provisioning file."""
    password = settings.grafana_influx_password.get_secret_value() or Secrets(settings.data).influx("grafana")
    user = os.environ.get("KOTA_GRAFANA_INFLUX_USER") or account_name(settings.influx_database, "grafana")
    return {
        "KOTA_INFLUX_URL": settings.influx_url,
        "KOTA_INFLUX_DATABASE": settings.influx_database,
        "KOTA_GRAFANA_INFLUX_USER": user,
        "KOTA_GRAFANA_INFLUX_PASSWORD": password,
    }


def _say(action: str, outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"action": action, "parts": [outcome._asdict() for outcome in outcomes]}, ensure_ascii=False))
        return
    for part, difference, lacking in outcomes:
        if lacking:
            print(f"cannot be had: {part}: {difference}")
        elif difference:
            print(f"{'made' if action == 'push' else 'differs'}: {part}: {difference}")
    wanted = sum(not outcome.difference for outcome in outcomes)
    print(f"{wanted} of {len(outcomes)} parts {'were' if action == 'push' else 'are'} as wanted")
