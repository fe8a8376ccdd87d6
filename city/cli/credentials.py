"""`kota credentials`: accounts at the broker and at InfluxDB, derived from the city's key."""

from __future__ import annotations

import argparse
import importlib
import json
from typing import Any, Final

from city.errors import ConfigError
from city.inventory.devices import SERVICE_USERS
from city.runtime.gateways import Gateways
from city.runtime.options import add_settings, settings_from
from city.runtime.secrets import Secrets
from city.runtime.service import whole_city
from city.runtime.settings import Settings

GATEWAY: Final = "gateway"
_FORMATS: Final = "ingest.decoding.formats.registry"
"""Module with the formats; imported by name, because `city` must not depend on `ingest`."""


def run(argv: list[str]) -> int:
    """Print an account; or make, list and revoke gateways."""
    args = _parser().parse_args(argv)
    settings = settings_from(args)
    if (args.device is None) is (args.influx is None):
        raise ConfigError("give a device's id, gateway or --influx, one of them")
    if args.device == GATEWAY:
        return _gateway(args, settings)
    if args.name or args.format or args.revoke:
        raise ConfigError("a second name, --format and --revoke belong to `kota credentials gateway`")
    secrets = Secrets(settings.data)
    if args.influx:
        credentials = {"account": args.influx, "password": secrets.influx(args.influx)}
    else:
        city = whole_city(settings)
        if args.device not in city.devices and args.device not in SERVICE_USERS:
            raise ConfigError(f"{args.device!r} is not in the inventory of {city.id}; `kota devices` lists it")
        credentials = _account(args.device, secrets.password(args.device))
    _show(credentials, as_json=args.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kota credentials",
        description="Print the user, password and client id of a device at the broker, the account of another maker's "
        "server (made at first, with --format). `kota tokens make` makes a token for the API.",
    )
    parser.add_argument("device", nargs="?", help=f"A device's id, {GATEWAY!r}, or one of {', '.join(SERVICE_USERS)}.")
    parser.add_argument("name", nargs="?", help=f"With {GATEWAY!r}: the server's name; without, all are listed.")
    parser.add_argument("--format", action="append", metavar="FORMAT", help="What a new gateway speaks; may repeat.")
    parser.add_argument("--revoke", action="store_true", help="Take the gateway's account back.")
    parser.add_argument("--influx", metavar="ACCOUNT", help="The password of an account at InfluxDB instead.")
    parser.add_argument("--json", action="store_true", help="One JSON object.")
    add_settings(parser, ("data", "city", "demo"))
    return parser


def _account(user: str, password: str) -> dict[str, Any]:
    return {"user": user, "password": password, "client_id": user}


def _gateway(args: argparse.Namespace, settings: Settings) -> int:
    gateways = Gateways(settings.data)
    if not args.name:
        _show(
            {"gateways": {name: list(gateway.formats) for name, gateway in gateways.current().items()}},
            as_json=args.json,
        )
    elif args.revoke:
        gateways.revoke(args.name)
        print(f"revoked: {args.name}")
    else:
        secrets = Secrets(settings.data)
        gateway = gateways.current().get(args.name)
        if gateway is None:
            taken = {*whole_city(settings).devices, *SERVICE_USERS, GATEWAY}
            formats = args.format or []
            gateway = gateways.make(args.name, formats, _filters_of(formats), taken)
        elif args.format and set(args.format) != set(gateway.formats):
            raise ConfigError(f"{args.name!r} speaks {', '.join(gateway.formats)}; revoke it to make it anew")
        account = _account(gateway.name, secrets.gateway_password(gateway.name, gateway.nonce))
        _show({**account, "formats": list(gateway.formats), "topics": list(gateway.filters)}, as_json=args.json)
    return 0


def _filters_of(formats: list[str]) -> list[str]:
    """The topics of formats.

    Raises:
        ConfigError: One of them is unknown, or there is none.
    """
    known: dict[str, tuple[str, ...]] = importlib.import_module(_FORMATS).filters_by_format()
    unknown = [name for name in formats if name not in known]
    if unknown or not formats:
        reason = f"no format is called {', '.join(unknown)}" if unknown else "a new gateway needs --format"
        raise ConfigError(f"{reason}; known: {', '.join(sorted(known))}")
    return [topic_filter for name in formats for topic_filter in known[name]]


def _show(fields: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(fields))
        return
    for name, value in fields.items():
        if isinstance(value, dict):
            print("\n".join(f"{key}: {', '.join(items)}" for key, items in value.items()) or f"no {name}")
        else:
            print(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
