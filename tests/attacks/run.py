"""`kota attack`: known holes as attempts against a running city of this machine; each says held or broken."""

from __future__ import annotations

import argparse

import msgspec

from city.errors import ConfigError
from city.inventory.loader import load_city
from city.runtime.options import add_settings, settings_from
from city.runtime.service import city_folder
from tests.attacks.bus import BUS
from tests.attacks.target import running_city
from tests.attacks.web import WEB


def run(argv: list[str]) -> int:
    """Make the attempts; 1 when one of them broke something."""
    parser = argparse.ArgumentParser(
        prog="kota attack", description="Attack the city that `kota up` runs here, on loopback, and say what held."
    )
    attempts = {attempt.name: attempt for attempt in (*BUS, *WEB)}
    parser.add_argument("--only", action="append", metavar="NAME", help=f"One of: {', '.join(attempts)}.")
    parser.add_argument("--json", action="store_true", help="One JSON object an attempt.")
    add_settings(parser, ("data", "city"))
    args = parser.parse_args(argv)
    chosen = args.only or list(attempts)
    if unknown := sorted(set(chosen) - set(attempts)):
        raise ConfigError(f"no attempt is called {', '.join(unknown)}; known: {', '.join(attempts)}")
    settings = settings_from(args)
    target = running_city(settings.data.resolve(), load_city(city_folder(settings.city)).id)
    broken = 0
    for name in chosen:
        outcome = attempts[name].run(target)
        broken += not outcome.held
        if args.json:
            print(msgspec.json.encode(outcome).decode(), flush=True)
        else:
            print(
                f"{'held  ' if outcome.held else 'BROKEN'} {name:28} {outcome.took_s:6.1f} s  {outcome.said}",
                flush=True,
            )
    return 1 if broken else 0
