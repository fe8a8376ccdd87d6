"""Access points over SNMP: IF-MIB for traffic, their maker's MIB for clients, HOST-RESOURCES and UCD for load."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from city.counters import WIRELESS_MAX_KBPS, CounterSum, MemberCount
from edge.sensors import snmp_tables as mib
from edge.sensors.driver_status import DriverStatus
from edge.sensors.polled import PolledSensor
from edge.sensors.port import Assignment, Sensor
from edge.sensors.snmp_agent import PORT, GufoAgent, SnmpAgent, SnmpOptions, Value, user_of
from edge.sensors.source import host_and_port, options_of

log = structlog.get_logger("edge")

WIRELESS_NAME: Final = re.compile(r"(wlan|ath|rai?|wl|vap|phy\d+-ap|dot11radio)\d", re.IGNORECASE)
"""Names of client interfaces, where the agent gives no type; not `wifi0`, a radio that would count them again."""


class SnmpProbe:
    """Measures an access point once.

    Args:
        agents: Creates the agent for one measurement.
        interfaces: Names of the interfaces whose bytes count; empty for all wireless ones.
    """

    def __init__(self, agents: Callable[[], SnmpAgent], interfaces: frozenset[str] = frozenset()) -> None:
        self._agents = agents
        self._interfaces = interfaces
        self._sums = {field: CounterSum() for field in mib.IF_HC_OCTETS}
        self._uptime_s = 0.0
        self._table: mib.WirelessTable | None = None
        self._said = False

    def measure(self) -> Mapping[str, Any]:
        """Contract fields that the access point reports."""
        agent = self._agents()
        system = agent.get([mib.SYS_OBJECT_ID, mib.SYS_UPTIME, mib.HR_SYSTEM_UPTIME])
        values: dict[str, Any] = {}
        ticks = _number(system.get(mib.HR_SYSTEM_UPTIME, system.get(mib.SYS_UPTIME)))
        if ticks is not None:
            values["uptime_s"] = int(ticks) // 100
            self._note_uptime(ticks / 100)
        return {
            **values,
            **self._traffic(agent),
            **self._wireless(agent, str(system.get(mib.SYS_OBJECT_ID, ""))),
            **_load(agent),
        }

    def _note_uptime(self, uptime_s: float) -> None:
        if uptime_s < self._uptime_s:
            for counter_sum in self._sums.values():
                counter_sum.clear()
        self._uptime_s = uptime_s

    def _traffic(self, agent: SnmpAgent) -> dict[str, int]:
        """Bytes of the clients' interfaces, from 64-bit counters, else from 32-bit ones."""
        names = {index: _text(name) for index, name in (agent.walk(mib.IF_NAME) or agent.walk(mib.IF_DESCR)).items()}
        indices = self._chosen(names, agent.walk(mib.IF_TYPE))
        if not indices and not self._said:
            self._said = True
            log.warning("edge.no_wireless_interface", interfaces=sorted(names.values()), hint="#interface=NAME")
        speeds = agent.walk(mib.IF_HIGH_SPEED) if indices else {}
        return {
            field: counter_sum.add(members, self._uptime_s)
            for field, counter_sum in self._sums.items()
            if indices and (members := _octets(agent, field, indices, speeds))
        }

    def _chosen(self, names: dict[str, str], types: dict[str, Value]) -> list[str]:
        if self._interfaces:
            return [index for index, name in names.items() if name in self._interfaces]
        typed = [index for index in names if types.get(index) == mib.WIRELESS_TYPE]
        return typed or [index for index, name in names.items() if WIRELESS_NAME.match(name)]

    def _wireless(self, agent: SnmpAgent, object_id: str) -> dict[str, Any]:
        """Clients and airtime by the maker's table: the known one, else the first one that answers."""
        candidates = sorted(mib.WIRELESS, key=lambda table: not f"{object_id}.".startswith(f"{table.enterprise}."))
        for table in [self._table] if self._table else candidates:
            clients = agent.walk(table.clients)
            if clients:
                self._table = table
                return _clients(agent, table, clients)
        return {}


def _octets(
    agent: SnmpAgent, field: str, indices: list[str], speeds: Mapping[str, Value]
) -> dict[str, MemberCount] | None:
    """Counters of the interfaces; None when one is unknown, because a part would look like the whole."""
    wide = agent.walk(mib.IF_HC_OCTETS[field])
    narrow = {} if all(index in wide for index in indices) else agent.walk(mib.IF_OCTETS[field])
    members: dict[str, MemberCount] = {}
    for index in indices:
        octets, counted = _number(wide.get(index)), _number(narrow.get(index))
        speed_kbps = (_number(speeds.get(index)) or 0) * 1000 or WIRELESS_MAX_KBPS
        if octets is not None:
            members[index] = MemberCount(octets, 64, speed_kbps)
        elif counted is not None:
            members[index] = MemberCount(counted, 32, speed_kbps)
        else:
            return None
    return members


def _clients(agent: SnmpAgent, table: mib.WirelessTable, clients: dict[str, Value]) -> dict[str, Any]:
    counts = {index: int(count) for index, value in clients.items() if (count := _number(value)) is not None}
    if len(counts) < len(clients):
        return {}
    values: dict[str, Any] = {"clients": sum(counts.values())}
    ssids = {index: _text(value) for index, value in _walk_column(agent, table.ssid).items()}
    radios = {index: _band(_text(value)) for index, value in _walk_column(agent, table.radio).items()}
    for field, names in (("clients_by_ssid", ssids), ("clients_by_radio", radios)):
        if all(names.get(index) for index in counts):
            by_name: Counter[str] = Counter()
            for index, count in counts.items():
                by_name[names[index]] += count
            values[field] = dict(by_name)
    noises = [number for value in _walk_column(agent, table.noise_dbm).values() if (number := _number(value))]
    busy = [number for value in _walk_column(agent, table.busy_pct).values() if (number := _number(value)) is not None]
    if noises:
        values["noise_dbm"] = max(noises)
    if busy:
        values["channel_busy_pct"] = max(busy)
    return values


def _load(agent: SnmpAgent) -> dict[str, float]:
    memory = (mib.UCD_MEM_TOTAL, mib.UCD_MEM_AVAILABLE, mib.UCD_MEM_FREE, mib.UCD_MEM_BUFFER, mib.UCD_MEM_CACHED)
    answer = agent.get([mib.UCD_CPU_IDLE, *memory])
    total, available, *parts = (_number(answer.get(oid)) for oid in memory)
    idle = _number(answer.get(mib.UCD_CPU_IDLE))
    values = {}
    cores = [load for value in agent.walk(mib.HR_PROCESSOR_LOAD).values() if (load := _number(value)) is not None]
    if cores:
        values["cpu_pct"] = round(sum(cores) / len(cores), 1)
    elif idle is not None:
        values["cpu_pct"] = 100 - idle
    if available is None and parts[0] is not None:
        available = sum(part or 0 for part in parts)
    if total and available is not None:
        values["memory_pct"] = round(100 * (1 - available / total), 1)
    return values


def _walk_column(agent: SnmpAgent, column: str) -> dict[str, Value]:
    return agent.walk(column) if column else {}


def _band(radio: str) -> str:
    """The contract's name of a radio band; the maker's own where it is another."""
    return next((band for start, band in mib.RADIOS if radio.lower().startswith(start)), radio)


def _text(value: Value) -> str:
    return value.decode("utf-8", "replace").strip("\0 ") if isinstance(value, bytes) else str(value or "")


def _number(value: Value) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def open_sensor(assignment: Assignment) -> Sensor:
    """The SNMP agent at `--source HOST[:PORT]`."""
    options, settings = options_of(assignment.source, SnmpOptions), assignment.settings
    host, port = host_and_port(assignment.source.address, PORT)
    community = settings.snmp_community.get_secret_value()
    user = user_of(settings, options)
    probe = SnmpProbe(
        lambda: GufoAgent(host, port, community, user, options.timeout_s),
        frozenset(filter(None, options.interface.split("+"))),
    )
    return PolledSensor(probe, DriverStatus("snmp", assignment.device), interval_s=assignment.interval_s)
