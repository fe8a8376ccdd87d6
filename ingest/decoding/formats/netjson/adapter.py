"""NetJSON DeviceMonitoring: measurements of OpenWISP's agent on OpenWrt routers, by HTTP or MQTT.

Topic `netjson/{device}` or `netjson/{device}/{time}`, where the time is the agent's (`%d-%m-%Y_%H:%M:%S.%f`, UTC): it
sends old measurements again with their own times. Clients are counted over access point interfaces; mesh links are
left out. The agent swaps the counters of these interfaces, to the users' view; here they are swapped back.
Source: NetJSON, DeviceMonitoring; OpenWISP monitoring, "Device data".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from city.errors import PayloadError
from ingest.decoding.formats.parsing import (
    json_object,
    mapping_at,
    objects_at,
    parse_epoch,
    parse_number,
    parse_time,
    text_at,
    without_none,
)
from ingest.decoding.formats.port import Adapter, DeviceReport, Hint
from ingest.decoding.formats.wifi import parse_count

TIME_FORMAT: Final = "%d-%m-%Y_%H:%M:%S.%f"
_MODES: Final = ("access_point", "master", "ap")
_BANDS_MHZ: Final = ((57_000, "60GHz"), (5_900, "6GHz"), (4_900, "5GHz"), (2_300, "2.4GHz"))
_CHANNELS_OF_2_4_GHZ: Final = 14
_SYSTEM: Final = "/rom"
_KEPT: Final = ("type", "general", "resources", "interfaces")
"""Keys of the raw message that are kept: no neighbours and no DHCP leases."""


class NetJson:
    """Each message becomes a reading of its access point."""

    name = "netjson"
    filters = ("netjson/+", "netjson/+/+")
    precedence = 3
    personal_keys: tuple[str, ...] = ("client_name", "client_id", "ip")
    lists_clients = True
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is one of these."""
        return levels[0] == "netjson" and len(levels) in (2, 3)

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """One reading per message.

        Raises:
            PayloadError: Not NetJSON DeviceMonitoring.
        """
        _, device, *time = topic.split("/")
        body = json_object(payload)
        if body.get("type") != "DeviceMonitoring":
            raise PayloadError(f"`type` is {body.get('type')!r}, not DeviceMonitoring")
        general = mapping_at(body, "general")
        at = _sent_at(time[0]) if time else None
        serving = [interface for interface in objects_at(body, "interfaces") if _serves_clients(interface)]
        octets = [_octets(interface) for interface in serving]
        return [
            DeviceReport(
                names=(device,),
                at=at or parse_epoch(general.get("local_time")),
                key=b"monitoring" if at or general.get("local_time") else payload,
                known={**_resources(body), **_radios(serving), **_totals(octets)},
                counters={
                    text_at(interface, "name"): counts for interface, counts in zip(serving, octets, strict=True)
                },
                hint=Hint(model="openwrt", label=text_at(general, "hostname")),
                raw=_without_people(body),
            )
        ]


def _without_people(body: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({name: body[name] for name in _KEPT if name in body})


def _sent_at(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        at = parse_time(text)
        return at if at and at.tzinfo else None


def _resources(body: Mapping[str, Any]) -> dict[str, Any]:
    memory = mapping_at(body, "resources", "memory")
    total = parse_number(memory.get("total"))
    parts = [parse_number(memory.get(name)) or 0.0 for name in ("free", "buffered", "cached")]
    available = parse_number(memory.get("available"))
    free = sum(parts) if available is None else available
    return without_none(
        uptime_s=parse_count(mapping_at(body, "general").get("uptime")),
        memory_pct=round(100 * (1 - min(free / total, 1.0)), 2) if total else None,
        cpu_pct=_load_pct(mapping_at(body, "resources")),
        disk_pct=max(_disk_usage_pct(objects_at(body, "resources", "disk")), default=None),
    )


def _load_pct(resources: Mapping[str, Any]) -> float | None:
    """Load of the last minute as a percentage of the processors, at most 100."""
    load, cpus = resources.get("load"), parse_number(resources.get("cpus"))
    last = parse_number(load[0]) if isinstance(load, list) and load else None
    return None if last is None or not cpus else round(min(100 * last / cpus, 100.0), 2)


def _disk_usage_pct(disks: Iterable[Mapping[str, Any]]) -> list[float]:
    """Usage of each writable disk in percent; the read-only system image is always full."""
    writable = (disk for disk in disks if text_at(disk, "mount_point") != _SYSTEM)
    return [used for disk in writable if (used := parse_number(disk.get("used_percent"))) is not None]


def _serves_clients(interface: Mapping[str, Any]) -> bool:
    return text_at(mapping_at(interface, "wireless"), "mode").lower() in _MODES


def _radios(serving: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures over the interfaces that serve clients."""
    if not serving:
        return {}
    clients = [_macs(interface) for interface in serving]
    radios = [mapping_at(interface, "wireless") for interface in serving]
    by_ssid: Counter[str] = Counter()
    by_band: Counter[str] = Counter()
    for radio, macs in zip(radios, clients, strict=True):
        by_ssid[text_at(radio, "ssid") or "?"] += len(macs)
        by_band[_band(radio)] += len(macs)
    noise = [dbm for radio in radios if (dbm := parse_number(radio.get("noise"))) is not None and dbm < 0]
    busy = [share for radio in radios if (share := parse_number(radio.get("channel_utilization"))) is not None]
    return without_none(
        clients=len(set().union(*clients)),
        clients_by_ssid=dict(by_ssid),
        clients_by_radio=dict(by_band),
        noise_dbm=max(noise, default=None),
        signal_dbm=_mean_signal(radios),
        channel_busy_pct=max(busy, default=None),
    )


def _macs(interface: Mapping[str, Any]) -> set[str]:
    return {mac for client in objects_at(interface, "wireless", "clients") if (mac := text_at(client, "mac").lower())}


def _band(radio: Mapping[str, Any]) -> str:
    frequency, channel = parse_number(radio.get("frequency")), parse_number(radio.get("channel"))
    if frequency:
        return next((name for above, name in _BANDS_MHZ if frequency >= above), "?")
    if channel:
        return "2.4GHz" if channel <= _CHANNELS_OF_2_4_GHZ else "5GHz"
    return "?"


def _mean_signal(radios: Iterable[Mapping[str, Any]]) -> float | None:
    """Mean signal of the clients in dBm; the interface's own figure is that of its best client."""
    report = [
        dbm
        for radio in radios
        for client in objects_at(radio, "clients")
        if (dbm := parse_number(client.get("signal"))) is not None and dbm < 0
    ]
    return round(sum(report) / len(report), 1) if report else None


def _totals(octets: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Sums over the interfaces that report a counter."""
    totals: dict[str, int] = {}
    for counts in octets:
        for name, count in counts.items():
            totals[name] = totals.get(name, 0) + count
    return totals


def _octets(interface: Mapping[str, Any]) -> dict[str, int]:
    """Counters of an interface by their names in the contract, which is the other direction."""
    statistics = mapping_at(interface, "statistics")
    return without_none(
        rx_bytes=parse_count(statistics.get("tx_bytes")), tx_bytes=parse_count(statistics.get("rx_bytes"))
    )


ADAPTER: Final[Adapter] = NetJson()
