"""`kota devices`: the inventory as a list."""

from __future__ import annotations

import argparse
import json

from broker.contract.topics import KINDS
from city.runtime.options import add_settings, settings_from
from city.runtime.service import whole_city


def run(argv: list[str]) -> int:
    """List devices, one a line."""
    parser = argparse.ArgumentParser(prog="kota devices", description="List the inventory.")
    add_settings(parser, ("data", "city"))
    parser.add_argument("--kind", choices=KINDS, help="Only this kind.")
    parser.add_argument("--json", action="store_true", help="One JSON array.")
    args = parser.parse_args(argv)
    city = whole_city(settings_from(args))
    rows = [
        {
            "id": device.id,
            "kind": device.KIND,
            "kelurahan": device.kelurahan,
            "site": device.site,
            "adapter": device.binding.adapter if device.binding else "",
            "address": device.binding.address if device.binding else "",
        }
        for device in city.devices.values()
        if args.kind in (None, device.KIND)
    ]
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print("{id:16} {kind:7} {kelurahan:20} {site:24} {adapter} {address}".format(**row).rstrip())
    return 0
