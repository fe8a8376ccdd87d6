"""`kota credentials`: accounts at the broker and tokens for the API, derived from the city's key."""

from __future__ import annotations

import argparse
import json

from broker.contract.errors import ConfigError
from city.options import add_settings, settings_from
from city.runtime import whole_city
from city.secrets import GATEWAY, ROLES, SERVICE_USERS, Secrets


def run(argv: list[str]) -> int:
    """Print a user and its password, or a role's token."""
    parser = argparse.ArgumentParser(
        prog="kota credentials",
        description="Print the user and password of a device at the broker "
        f"(or of {GATEWAY!r}, for other makers' servers), or the API token of a role.",
    )
    parser.add_argument("device", nargs="?", help=f"A device's id, or one of {', '.join(SERVICE_USERS)}.")
    parser.add_argument("--role", choices=ROLES, help="An API token instead.")
    parser.add_argument("--influx", metavar="ACCOUNT", help="The password of an account at InfluxDB instead.")
    parser.add_argument("--json", action="store_true", help="One JSON object.")
    add_settings(parser, ("data", "city"))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    if [args.device, args.role, args.influx].count(None) != 2:  # noqa: PLR2004 - one of three is given
        raise ConfigError("give a device's id, --role or --influx, one of them")
    secrets = Secrets(settings.data)
    if args.role:
        found = {"role": args.role, "token": secrets.token(args.role)}
    elif args.influx:
        found = {"account": args.influx, "password": secrets.influx(args.influx)}
    else:
        city = whole_city(settings)
        if args.device not in city.devices and args.device not in SERVICE_USERS:
            raise ConfigError(f"{args.device!r} is not in the inventory of {city.id}; `kota devices` lists it")
        found = {"user": args.device, "password": secrets.password(args.device)}
    print(json.dumps(found) if args.json else "\n".join(f"{name}: {value}" for name, value in found.items()))
    return 0
