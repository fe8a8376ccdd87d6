"""`kota device`: dry-run a profile on a message, draft one, list unknown devices, adopt them."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.contract.topics import KINDS
from city.errors import ConfigError
from city.inventory.addresses import address_key
from city.inventory.adoption import adopt, adoption_of, unadopt
from city.inventory.profiles import suggest
from city.runtime.options import add_settings, settings_from
from city.runtime.service import whole_city
from city.runtime.settings import Settings
from city.storage.atomic_files import require_kept
from ingest.cli.draft import add_draft_arguments, find_codec, only_source, print_report, read_files, report_draft
from ingest.cli.results import print_result
from ingest.codecs.runner import IsolatedCodecRunner
from ingest.decoding.dry_run import dry_run, with_codec
from ingest.messages import Arrival
from ingest.store.parked.quarantine import Quarantine, UnknownDevice

_FIELDS: Final = (
    *("lat_deg", "lon_deg", "kelurahan", "site", "interval_s", "model", "waste_kind", "color", "plate", "depot"),
    *("capacity_kg", "ssids"),
)


def run(argv: list[str]) -> int:
    """Run one action; exit code 1 when a dry run would store nothing."""
    args = _parser().parse_args(argv)
    return _ACTIONS[args.action](args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kota device", description="Other makers' devices.")
    actions = parser.add_subparsers(dest="action", required=True)
    trial = actions.add_parser("try", help="Show what would be stored of a message, without storing it.")
    trial.add_argument("profile", help="A profile's id; `kota device profiles` lists them.")
    trial.add_argument("file", type=Path, help="The message as it is published; - for standard input.")
    trial.add_argument("--topic", required=True, help="The topic it is published to.")
    trial.add_argument("--container", default="", help="A container model of the city, for the fill level.")
    trial.add_argument(
        "--codec", default="", help="A codec of the city, or a .js file: decodes in place of the profile's."
    )
    profiles = actions.add_parser("profiles", help="List device profiles.")
    profiles.add_argument("--kind", choices=KINDS, help="Only this kind.")
    actions.add_parser("unknown", help="List unknown devices, with the profiles that may fit.")
    taking = actions.add_parser("adopt", help="Take a device in; what waits of it is stored.")
    taking.add_argument("unknown", help="Its number in the list of unknown devices, or ADAPTER:ADDRESS.")
    taking.add_argument("--id", required=True, help="The id it gets here, or that of a device that is there already.")
    taking.add_argument("--profile", required=True, help="How its messages are read.")
    for field in _FIELDS:
        taking.add_argument(f"--{field.replace('_', '-')}", help=f"`{field}` of a new device, as in the inventory.")
    for name, does in (
        ("ignore", "Keep no more messages of an unknown device."),
        ("unignore", "Keep its messages again."),
    ):
        actions.add_parser(name, help=does).add_argument("unknown", help="Its number, or ADAPTER:ADDRESS.")
    actions.add_parser("forget", help="Take an adoption back.").add_argument("id", help="The device's id.")
    add_draft_arguments(actions.add_parser("draft", help="Draft a profile from messages of an unknown model."))
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", help="One JSON document.")
        add_settings(action, ("data", "city"))
    return parser


def _try(args: argparse.Namespace) -> int:
    settings = settings_from(args)
    try:
        payload = sys.stdin.buffer.read() if str(args.file) == "-" else args.file.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{args.file}: {exc.strerror or exc}") from exc
    arrival = Arrival(args.topic, payload, datetime.now(UTC))
    city = whole_city(settings)
    if args.codec:
        city = with_codec(city, args.profile, find_codec(city, args.codec))
    with contextlib.closing(IsolatedCodecRunner()) as codecs:
        result = dry_run(city, args.profile, arrival, model=args.container, codecs=codecs)
    _print(result) if args.json else print_result(result)
    return 0 if result.records else 1


def _profiles(args: argparse.Namespace) -> int:
    city = whole_city(settings_from(args))
    profiles = [profile for _, profile in sorted(city.profiles.items()) if args.kind in (None, profile.kind)]
    if args.json:
        _print(profiles)
    else:
        for profile in profiles:
            print(f"{profile.id:34} {profile.kind:7} {', '.join(profile.adapters):32} {profile.name}")
    return 0


def _list_unknown(args: argparse.Namespace) -> int:
    settings = settings_from(args)
    profiles = whole_city(settings).profiles.values()
    quarantine = _quarantine(settings)
    devices = quarantine.find(state=None)
    quarantine.close()
    fitting = {
        device.id: [profile.id for profile in suggest(profiles, device.adapter, device.model)] for device in devices
    }
    if args.json:
        _print([{**msgspec.structs.asdict(device), "profiles": fitting[device.id]} for device in devices])
        return 0
    for device in devices:
        seen = f"{device.messages} messages, last {device.last_at.isoformat(timespec='seconds')}"
        print(
            f"{device.id:>4}  {device.adapter}:{device.address}  {device.model or device.label}  {seen}  {device.state}"
        )
        print(f"      profiles: {', '.join(fitting[device.id][:4]) or 'none fits; `kota device profiles` lists all'}")
    print(f"{len(devices)} unknown devices")
    return 0


def _draft(args: argparse.Namespace) -> int:
    settings = settings_from(args)
    if args.topic:
        messages, heard = read_files(args.topic, args.sources), None
    else:
        heard = _unknown_device(settings, only_source(args.sources))
        quarantine = _quarantine(settings)
        messages = [message.arrival() for message in quarantine.messages_of(heard.id)]
        quarantine.close()
    report = report_draft(args, settings.data, whole_city(settings), messages, heard)
    _print(report) if args.json else print_report(report)
    return 0 if report.mapping else 1


def _adopt(args: argparse.Namespace) -> int:
    settings = settings_from(args)
    city = whole_city(settings)
    adapter, address = _address_of(settings, args.unknown)
    reach = {"adapter": adapter, "address": address, "profile": args.profile}
    fields = {field: value for field in _FIELDS if (value := getattr(args, field)) is not None}
    device = adopt(settings.data, city, adoption_of(city, args.id, reach, fields))
    if args.json:
        _print({"id": device.id, "kind": device.KIND, "adapter": adapter, "address": address})
    else:
        print(f"{device.id} is heard as {adapter}:{address}; a running city takes it in within seconds")
    return 0


def _address_of(settings: Settings, text: str) -> tuple[str, str]:
    """Adapter and address, given an unknown device's number or `ADAPTER:ADDRESS`."""
    if not text.isdigit():
        adapter, colon, address = text.partition(":")
        if not colon or not address:
            raise ConfigError(f"{text!r} is neither an unknown device's number nor ADAPTER:ADDRESS")
        return adapter, address
    device = _unknown_device(settings, text)
    return device.adapter, device.inventory_address()


def _unknown_device(settings: Settings, text: str) -> UnknownDevice:
    quarantine = _quarantine(settings)
    adapter, _, address = text.partition(":")
    match = [
        device
        for device in quarantine.find(state=None)
        if str(device.id) == text or (device.adapter, device.address) == (adapter, address_key(adapter, address))
    ]
    quarantine.close()
    if not match:
        raise ConfigError(f"there is no unknown device {text!r}; `kota device unknown` lists them")
    return match[0]


def _set_ignored(args: argparse.Namespace) -> int:
    settings = settings_from(args)
    device = _unknown_device(settings, args.unknown)
    quarantine = _quarantine(settings)
    quarantine.mark(device.id, "ignored" if args.action == "ignore" else "waiting")
    quarantine.close()
    return 0


def _forget(args: argparse.Namespace) -> int:
    unadopt(settings_from(args).data, args.id)
    return 0


def _quarantine(settings: Settings) -> Quarantine:
    return Quarantine(require_kept(settings.data / "store" / "quarantine.sqlite"))


def _print(document: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(document, enc_hook=dict), indent=1).decode())


_ACTIONS: Final[dict[str, Callable[[Any], int]]] = {
    "try": _try,
    "draft": _draft,
    "profiles": _profiles,
    "unknown": _list_unknown,
    "adopt": _adopt,
    "ignore": _set_ignored,
    "unignore": _set_ignored,
    "forget": _forget,
}
