"""OpenWrt access points over ubus: clients, traffic, airtime and load (iwinfo, hostapd, network.device, system).

Clients are counted here; no client address leaves the router.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from city.counters import CounterSum, MemberCount
from city.errors import ConfigError, RetryLaterError
from edge.sensors.driver_status import DriverStatus
from edge.sensors.polled import PolledSensor
from edge.sensors.port import Assignment, Sensor
from edge.sensors.source import options_of, url_of
from edge.sensors.ubus_bus import HttpUbus, LocalUbus, Ubus, UbusRefusedError

T = TypeVar("T")

LOAD_UNIT: Final = 65_536
"""ubus reports loads in fixed point."""
BANDS: Final = (("2g", 2400, 2500), ("5g", 4900, 5925), ("6g", 5925, 7125))
"""Name and MHz; the names are what the contract's `clients_by_radio` uses."""


class UbusOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options in `--source`. `processors` of the router: without it, load over HTTP has no percentage."""

    processors: Annotated[int, Meta(ge=1, le=256)] | None = None


class IwinfoInfo(msgspec.Struct, frozen=True):
    """`iwinfo info`; 0 dBm of noise means that the driver does not know it."""

    mode: str = ""
    ssid: str | None = None
    frequency: int | None = None
    noise: int | None = None


class Channel(msgspec.Struct, frozen=True):
    """A channel of `iwinfo survey`; times are counters in ms."""

    mhz: int = 0
    active_time: int | None = None
    busy_time: int | None = None


class Survey(msgspec.Struct, frozen=True):
    """`iwinfo survey`."""

    results: list[Channel] = []


class IwinfoDevices(msgspec.Struct, frozen=True):
    """`iwinfo devices`."""

    devices: list[str] = []


class Statistics(msgspec.Struct, frozen=True):
    """Byte counters of `network.device status`."""

    rx_bytes: int
    tx_bytes: int


class Link(msgspec.Struct, frozen=True):
    """`network.device status`."""

    statistics: Statistics | None = None


class MemoryInfo(msgspec.Struct, frozen=True):
    """Memory of `system info`, bytes; older releases do not report what is available."""

    total: int = 0
    free: int = 0
    buffered: int = 0
    cached: int = 0
    available: int | None = None


class SystemInfo(msgspec.Struct, frozen=True):
    """`system info`."""

    uptime: int | None = None
    load: list[int] = []
    memory: MemoryInfo | None = None


class UbusProbe:
    """Measures a router once.

    Args:
        ubus: Access to it.
        processors: Its cores, None when unknown.
    """

    def __init__(self, ubus: Ubus, processors: int | None) -> None:
        self._ubus = ubus
        self._processors = processors
        self._surveyed: dict[str, Channel] = {}
        self._sums = {field: CounterSum() for field in ("rx_bytes", "tx_bytes")}
        self._uptime_s = 0

    def measure(self) -> Mapping[str, Any]:
        """Contract fields that the router reports."""
        system = self._call_as("system", "info", {}, SystemInfo) or SystemInfo()
        values = _load(system, self._processors)
        self._note_uptime(system.uptime)
        named = self._call_as("iwinfo", "devices", {}, IwinfoDevices)
        if named is None and not values:
            raise RetryLaterError("ubus answers neither iwinfo nor system: rpcd-mod-iwinfo, and the rights of the user")
        info_by_name = {
            name: self._call_as("iwinfo", "info", {"device": name}, IwinfoInfo)
            for name in (named or IwinfoDevices()).devices
        }
        served = {name: info for name, info in info_by_name.items() if info is not None and info.mode == "Master"}
        if not served or None in info_by_name.values():
            return values
        return {**values, **self._clients(served), **self._traffic(served), **self._air(served)}

    def _note_uptime(self, uptime_s: int | None) -> None:
        """Begin the sums anew when the router has restarted; without an uptime no growth can be told from a restart."""
        if uptime_s is None or uptime_s < self._uptime_s:
            for counter_sum in self._sums.values():
                counter_sum.clear()
        self._uptime_s = uptime_s or 0

    def _clients(self, served: dict[str, IwinfoInfo]) -> dict[str, Any]:
        """Client counts; none at all when one radio's are unknown, because a part would look like the whole."""
        by_radio: Counter[str] = Counter()
        by_ssid: Counter[str] = Counter()
        for name, info in served.items():
            count = self._count(name)
            if count is None:
                return {}
            by_radio[_band(info.frequency) or name] += count
            if info.ssid:
                by_ssid[info.ssid] += count
        return {"clients": by_radio.total(), "clients_by_radio": dict(by_radio), "clients_by_ssid": dict(by_ssid)}

    def _count(self, name: str) -> int | None:
        """Clients of an interface: hostapd's, else those of iwinfo."""
        clients = self._call(f"hostapd.{name}", "get_clients", {}).get("clients")
        if isinstance(clients, dict):
            return sum(
                1 for client in clients.values() if not isinstance(client, dict) or client.get("authorized", True)
            )
        results = self._call("iwinfo", "assoclist", {"device": name}).get("results")
        return len(results) if isinstance(results, list | dict) else None

    def _traffic(self, served: dict[str, IwinfoInfo]) -> dict[str, Any]:
        links = {name: self._call_as("network.device", "status", {"name": name}, Link) for name in served}
        counted = {name: link.statistics for name, link in links.items() if link is not None and link.statistics}
        if len(counted) < len(links):
            return {}
        return {
            field: counter_sum.add(
                {name: MemberCount(getattr(statistics, field)) for name, statistics in counted.items()}, self._uptime_s
            )
            for field, counter_sum in self._sums.items()
        }

    def _air(self, served: dict[str, IwinfoInfo]) -> dict[str, Any]:
        """Noise and channel utilisation of the worst radio."""
        noises = [info.noise for info in served.values() if info.noise]
        busy = [pct for name, info in served.items() if (pct := self._busy_pct(name, info.frequency)) is not None]
        air: dict[str, Any] = {"noise_dbm": max(noises)} if noises else {}
        return {**air, "channel_busy_pct": max(busy)} if busy else air

    def _busy_pct(self, name: str, frequency_mhz: int | None) -> float | None:
        """Share of the time since the last measurement in which the channel was busy."""
        survey = self._call_as("iwinfo", "survey", {"device": name}, Survey) or Survey()
        now = next((channel for channel in survey.results if channel.mhz == frequency_mhz), None)
        if now is None or now.active_time is None or now.busy_time is None:
            return None
        before, self._surveyed[name] = self._surveyed.get(name), now
        if before is None or before.mhz != now.mhz:
            return None
        active_ms, busy_ms = now.active_time - (before.active_time or 0), now.busy_time - (before.busy_time or 0)
        return round(100 * busy_ms / active_ms, 1) if 0 <= busy_ms <= active_ms and active_ms > 0 else None

    def _call_as(self, path: str, method: str, arguments: dict[str, Any], as_type: type[T]) -> T | None:
        """A response as a struct; None when it is refused or invalid."""
        answer = self._call(path, method, arguments)
        try:
            return msgspec.convert(answer, as_type) if answer else None
        except msgspec.ValidationError:
            return None

    def _call(self, path: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._ubus.call(path, method, arguments)
        except UbusRefusedError:
            return {}


def _band(frequency_mhz: int | None) -> str | None:
    return next((name for name, least, most in BANDS if frequency_mhz and least <= frequency_mhz < most), None)


def _load(system: SystemInfo, processors: int | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if system.uptime is not None:
        values["uptime_s"] = system.uptime
    if system.load and processors:
        values["cpu_pct"] = round(min(100.0, 100 * system.load[0] / LOAD_UNIT / processors), 1)
    memory = system.memory
    if memory and memory.total > 0:
        free = memory.free + memory.buffered + memory.cached if memory.available is None else memory.available
        values["memory_pct"] = round(100 * (1 - free / memory.total), 1)
    return values


def open_sensor(assignment: Assignment) -> Sensor:
    """This router's ubus, that of `--source http(s)://ROUTER/ubus`, or through a program at a path."""
    options = options_of(assignment.source, UbusOptions)
    address, settings = assignment.source.address, assignment.settings
    ubus: Ubus
    if "://" in address:
        hint = "ubus is at http://ROUTER/ubus or https://ROUTER/ubus, the user in KOTA_SENSOR_USER"
        if url_of(address, ("http", "https"), hint).username:
            raise ConfigError(f"--source: {hint}")
        ubus = HttpUbus(address, settings.sensor_user, settings.sensor_password.get_secret_value())
    else:
        ubus = LocalUbus(address or "ubus")
    probe = UbusProbe(ubus, options.processors or ubus.processors)
    return PolledSensor(probe, DriverStatus("ubus", assignment.device), interval_s=assignment.interval_s)
