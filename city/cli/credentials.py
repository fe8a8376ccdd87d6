"""`kota credentials`: accounts at the broker and at InfluxDB, derived from the city's key or changed alone."""

from __future__ import annotations

import argparse
import importlib
import json
from typing import Any, Final

from city.cli.password_changes import OVERLAP_H, OVERLAP_MAX_H, renew, revoke, show_changes
from city.errors import ConfigError
from city.inventory.devices import SERVICE_USERS
from city.inventory.model import City
from city.runtime.gateways import Gateways
from city.runtime.options import add_settings, settings_from
from city.runtime.password_changes import PasswordChanges
from city.runtime.secrets import Secrets
from city.runtime.service import whole_city
from city.runtime.settings import Settings

GATEWAY: Final = "gateway"
_FORMATS: Final = "ingest.decoding.formats.registry"
"""Module with the formats; imported by name, because `city` must not depend on `ingest`."""


def run(argv: list[str]) -> int:
    """Print an account; make, list and revoke gateways; change a device's password."""
    args = _parser().parse_args(argv)
    settings = settings_from(args)
    _require_one_account(args)
    if args.device == GATEWAY:
        return _gateway(args, settings)
    secrets = Secrets(settings.data)
    if args.list:
        show_changes(settings, as_json=args.json)
    elif args.influx:
        # The server knows it by a name that has the database before it, as `kota influx setup` makes it.
        user = f"{settings.influx_database}-{args.influx}"
        _show({"account": args.influx, "user": user, "password": secrets.influx(args.influx)}, as_json=args.json)
    else:
        _device(args, settings, secrets)
    return 0


def _require_one_account(args: argparse.Namespace) -> None:
    """Require arguments that belong together.

    Raises:
        ConfigError: They do not.
    """
    if [bool(choice) for choice in (args.device, args.influx, args.list)].count(True) != 1:
        raise ConfigError("give a device's id, gateway, --influx or --list, one of them")
    if args.device != GATEWAY and (args.name or args.format):
        raise ConfigError("a second name and --format belong to `kota credentials gateway`")
    if not args.device and (args.renew or args.revoke):
        raise ConfigError("--renew and --revoke need a device's id or a service's name")
    if args.device == GATEWAY and args.renew:
        raise ConfigError("a gateway gets a new password when it is revoked and made again")
    if args.renew and args.revoke:
        raise ConfigError("give --renew or --revoke, one of them")
    if args.overlap_h is not None and not (args.renew and 0 <= args.overlap_h <= OVERLAP_MAX_H):
        raise ConfigError(f"--overlap-h belongs to --renew and is from 0 to {OVERLAP_MAX_H:.0f}")


def _device(args: argparse.Namespace, settings: Settings, secrets: Secrets) -> None:
    """Print the account of a device or service, or change its password.

    Raises:
        ConfigError: There is no such account, or its password was changed and is not known.
    """
    city = whole_city(settings)
    if args.device not in city.devices and args.device not in SERVICE_USERS:
        raise ConfigError(f"{args.device!r} is not in the inventory of {city.id}; `kota devices` lists it")
    if args.renew:
        overlap_h = OVERLAP_H if args.overlap_h is None else args.overlap_h
        renew(settings, args.device, overlap_h, as_json=args.json)
        if not args.json and _is_used_by_service(city, args.device):
            print("a service of the city signs in with it: give the service KOTA_MQTT_PASSWORD (docs/production.md)")
    elif args.revoke:
        revoke(settings, args.device)
    elif PasswordChanges(settings.data).change_of(args.device):
        raise ConfigError(
            f"the password of {args.device!r} was changed and only its hash is kept; `kota credentials --list` says "
            "when, --renew makes another one"
        )
    else:
        _show(_account(args.device, secrets.password(args.device)), as_json=args.json)


def _is_used_by_service(city: City, user: str) -> bool:
    """Whether `kota vision`, the simulator or an ingest over MQTT signs in with this account."""
    camera = city.cameras.get(user)
    return user in SERVICE_USERS or bool(camera and camera.source)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kota credentials",
        description="Print the user, password and client id of a device at the broker, the account of another maker's "
        "server (made at first, with --format), or change the password of one device. `kota tokens make` makes a token "
        "for the API.",
        epilog="A service takes a renewed password from KOTA_MQTT_PASSWORD, as our agent of a device does. This "
        "is the password of every account of its process: run that service or camera alone. ingest needs none where "
        "it reads from the embedded broker of its data folder.",
    )
    parser.add_argument("device", nargs="?", help=f"A device's id, {GATEWAY!r}, or one of {', '.join(SERVICE_USERS)}.")
    parser.add_argument("name", nargs="?", help=f"With {GATEWAY!r}: the server's name; without, all are listed.")
    parser.add_argument("--format", action="append", metavar="FORMAT", help="What a new gateway speaks; may repeat.")
    _add_changes(parser)
    parser.add_argument("--influx", metavar="ACCOUNT", help="The password of an account at InfluxDB instead.")
    parser.add_argument("--json", action="store_true", help="One JSON object.")
    add_settings(parser, ("data", "city", "demo", "influx_database"))
    return parser


def _add_changes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--revoke",
        action="store_true",
        help="Take the gateway's account back, or refuse every password of a device until it is renewed.",
    )
    parser.add_argument("--renew", action="store_true", help="Make a random password for the device; printed once.")
    parser.add_argument(
        "--overlap-h",
        type=float,
        metavar="HOURS",
        help=f"With --renew: how long the old password stays valid; {OVERLAP_H:.0f} unless given, 0 ends it at once.",
    )
    parser.add_argument("--list", action="store_true", help="List the accounts with a changed password, no secret.")


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
