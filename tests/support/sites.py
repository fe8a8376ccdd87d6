"""Large sites of a UniFi controller: their inventory, and the controller's answers about them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES
from city.inventory.loader import builtin_city
from city.inventory.model import City
from tests.support.decoding import city_of, device

DEVICES = "unifi/default/device"
CLIENTS = "unifi/default/sta"


def ap_mac(number: int) -> str:
    """The MAC address of an access point."""
    return f"aa:bb:cc:00:{number >> 8:02x}:{number & 0xFF:02x}"


def ap_id(number: int) -> str:
    """The id of an access point in the inventory."""
    return f"site-{number:04d}"


def site_city(count: int) -> City:
    """The reference city with so many access points alone."""
    return city_of(*(device("unifi", ap_mac(number), "unifi-ap", ap_id(number)) for number in range(count)))


def write_site(folder: Path, count: int) -> Path:
    """The reference city's folder, without cameras, with so many access points more."""
    shutil.copytree(builtin_city("kupang"), folder)
    (folder / "cameras.toml").write_text("")
    path = folder / "access_points.csv"
    head, *rows = path.read_text().splitlines()
    lines = [f"{head},adapter,address,profile", *(f"{row},,," for row in rows)]
    lines += [
        f"{ap_id(number)},indoor-wifi6,free,office-alak,60,unifi,{ap_mac(number)},unifi-ap" for number in range(count)
    ]
    path.write_text("\n".join(lines) + "\n")
    return folder


def clients_of(number: int) -> int:
    """How many clients an access point has."""
    return number % 7 + 1


def devices_answer(count: int, size: int = 0, *, note_bytes: int = 3_000) -> bytes:
    """`stat/device` about so many access points; spaces fill it up to a size in bytes."""
    ports = [{"name": f"port {port}", "rx_bytes": 123_456 + port, "satisfaction": 97} for port in range(5)]
    return _answer(
        [
            {
                "type": "uap",
                "mac": ap_mac(number),
                "name": f"ap {number}",
                "state": 1,
                "num_sta": clients_of(number),
                "radio_table_stats": [{"radio": "ng", "num_sta": clients_of(number), "cu_total": 20}],
                "port_table": ports,
                "note": "x" * note_bytes,
            }
            for number in range(count)
        ],
        size,
    )


def clients_answer(clients: int, access_points: int, size: int = 0) -> bytes:
    """`stat/sta` of so many clients, which are spread over access points in turn."""
    return _answer(
        [
            {
                "mac": f"02:00:00:{client >> 16:02x}:{client >> 8 & 0xFF:02x}:{client & 0xFF:02x}",
                "ap_mac": ap_mac(client % access_points),
                "essid": "free",
                "signal": -60,
                "hostname": f"phone-{client}",
                "note": "y" * 500,
            }
            for client in range(clients)
        ],
        size,
    )


def largest_answer(count: int) -> bytes:
    """An answer about so many access points that is exactly as large as a message may be."""
    return devices_answer(count, GATEWAY_PAYLOAD_BYTES)


def _answer(elements: list[dict[str, Any]], size: int) -> bytes:
    return json.dumps({"meta": {"rc": "ok"}, "data": elements}).encode().ljust(size)
