"""TP-Link Omada controllers: responses of their API that a script fetches and publishes.

Topic `omada/{site}/devices` and `omada/{site}/clients`. The name of an access point is its MAC address; clients are
counted and not named. `download` is traffic to the clients.
Source: Omada Open API, "Devices" and "Clients"; the web API of controller 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from city.inventory.addresses import normal_mac
from ingest.decoding.formats.parsing import parse_any_time, parse_number, text_at, without_none
from ingest.decoding.formats.port import Adapter, ConnectivityReport, DeviceReport, Hint
from ingest.decoding.formats.wifi import (
    ClientKeys,
    ControllerAnswer,
    client_reports,
    parse_count,
    parse_list,
    require_all_pages,
    single_element,
)

_OTHERS: Final = frozenset({"switch", "gateway", "olt", "1", "2"})
_CONNECTED: Final = 1
_CATEGORIES: Final = {0: "disconnected", 2: "pending", 3: "heartbeat missed", 4: "isolated"}
_DETAILS: Final = {
    **dict.fromkeys((10,), "provisioning"),
    **dict.fromkeys((11,), "configuring"),
    **dict.fromkeys((12,), "upgrading"),
    **dict.fromkeys((13,), "rebooting"),
    **dict.fromkeys((20, 21), "pending"),
    **dict.fromkeys((22, 23), "adopting"),
    **dict.fromkeys((24, 25), "adoption failed"),
    **dict.fromkeys((26, 27), "managed elsewhere"),
    **dict.fromkeys((30, 31, 32, 33), "heartbeat missed"),
    **dict.fromkeys((40, 41), "isolated"),
}
"""Detailed states from 10 on; 14 to 17 are connected."""
_SPAN: Final = re.compile(r"(\d+)\s*(d|h|m|s)", re.IGNORECASE)
_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_BANDS: Final = {"clientNum2g": "2.4GHz", "clientNum5g": "5GHz", "clientNum5g2": "5GHz-2", "clientNum6g": "6GHz"}
_KEPT: Final = (
    *("mac", "name", "type", "model", "showModel", "status", "statusCategory", "clientNum", "cpuUtil", "memUtil"),
    *("detailStatus", "uptime", "uptimeLong", "download", "upload", "lastSeen", *_BANDS),
)
_CLIENT_KEYS: Final = ClientKeys("apMac", "ssid", "rssi", "lastSeen", "wireless")


class Omada:
    """Devices become readings and connectivity reports; clients are counted."""

    name = "omada"
    filters = ("omada/+/devices", "omada/+/clients")
    precedence = 3
    personal_keys: tuple[str, ...] = ("hostName", "clientName", "userName", "ip", "ipv6List", "email")
    lists_clients = True
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is one of these."""
        return levels[0] == "omada" and len(levels) == 3 and levels[2] in ("devices", "clients")  # noqa: PLR2004 - with site and sort

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One record per access point.

        Raises:
            PayloadError: Not the controller's JSON, or one page of several: a part of the clients is not how many.
        """
        answer = parse_list(payload)
        require_all_pages(answer)
        if topic.endswith("/devices"):
            return list(_devices(answer.elements))
        return list(_clients(topic, answer))


def _devices(elements: Sequence[Mapping[str, Any]]) -> Iterator[DeviceReport]:
    for device in elements:
        if text_at(device, "type").lower() in _OTHERS or not text_at(device, "mac"):
            continue
        mac = normal_mac(text_at(device, "mac"))
        offline_reason = _offline_reason(device)
        yield DeviceReport(
            names=tuple(name for name in (mac, text_at(device, "name")) if name),
            at=parse_any_time(device.get("lastSeen")),
            key=f"device/{mac}".encode(),
            known={} if offline_reason else _figures(device),
            connectivity=ConnectivityReport("offline", offline_reason) if offline_reason else None,
            hint=Hint(model=text_at(device, "showModel") or text_at(device, "model"), label=text_at(device, "name")),
            raw=single_element(device, _KEPT),
        )


def _offline_reason(device: Mapping[str, Any]) -> str:
    """Why the access point is offline; empty when it is online or when nothing is said."""
    category, status = parse_count(device.get("statusCategory")), parse_count(device.get("status"))
    detail = parse_count(device.get("detailStatus"))
    if category is not None:
        return _CATEGORIES.get(category, "")
    if detail is not None and detail in _DETAILS:
        return _DETAILS[detail]
    return "" if status is None or status == _CONNECTED else _CATEGORIES.get(status) or _DETAILS.get(status, "")


def _figures(device: Mapping[str, Any]) -> dict[str, Any]:
    by_band = {band: count for key, band in _BANDS.items() if (count := parse_count(device.get(key))) is not None}
    return without_none(
        clients=parse_count(device.get("clientNum")),
        clients_by_radio=by_band or None,
        cpu_pct=parse_number(device.get("cpuUtil")),
        memory_pct=parse_number(device.get("memUtil")),
        rx_bytes=parse_count(device.get("upload")),
        tx_bytes=parse_count(device.get("download")),
        uptime_s=_uptime_s(device),
    )


def _uptime_s(device: Mapping[str, Any]) -> int | None:
    """Uptime in seconds, from a number or a text such as `9days 3h 2m 5s`."""
    seconds = parse_count(device.get("uptimeLong"))
    if seconds is not None:
        return seconds
    text = text_at(device, "uptime")
    if text.isdigit():
        return int(text)
    parts = _SPAN.findall(text)
    return sum(int(count) * _SECONDS[unit.lower()] for count, unit in parts) if parts else None


def _clients(topic: str, answer: ControllerAnswer) -> Iterator[DeviceReport]:
    wireless = [
        client
        for client in answer.elements
        if client.get("wireless") is not False and client.get("active") is not False
    ]
    yield from client_reports(wireless, topic, _CLIENT_KEYS, "clients", is_complete=answer.is_complete)


ADAPTER: Final[Adapter] = Omada()
