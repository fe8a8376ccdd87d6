"""Access points by ubus and by SNMP: what they say is counted, what they do not say is absent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from structlog.testing import capture_logs

from city.errors import RetryLaterError
from edge.sensors import snmp_tables as mib
from edge.sensors.snmp import SnmpProbe
from edge.sensors.snmp_agent import Value
from edge.sensors.ubus import UbusProbe
from edge.sensors.ubus_bus import UbusRefusedError

MAC = "98:3b:8f:98:b1:f"


def stations(count: int) -> dict[str, Any]:
    return {"freq": 2412, "clients": {f"{MAC}{number}": {"authorized": True} for number in range(count)}}


def survey(mhz: int, active_ms: int, busy_ms: int) -> dict[str, Any]:
    return {"results": [{"mhz": 1}, {"mhz": mhz, "active_time": active_ms, "busy_time": busy_ms, "noise": -95}]}


def router() -> dict[tuple[str, ...], Any]:
    """Two radios, one of them with two networks, and an uplink over Wi-Fi."""
    said: dict[tuple[str, ...], Any] = {
        ("system", "info"): {
            "uptime": 4711,
            "load": [65536, 32768, 0],
            "memory": {"total": 1000, "free": 100, "buffered": 50, "cached": 150, "available": 400},
        },
        ("iwinfo", "devices"): {"devices": ["wlan0", "wlan1", "wlan1-1", "wlan2"]},
        ("iwinfo", "info", "wlan0"): {"mode": "Master", "ssid": "Kota", "frequency": 2412, "noise": -95},
        ("iwinfo", "info", "wlan1"): {"mode": "Master", "ssid": "Kota", "frequency": 5180, "noise": -90},
        ("iwinfo", "info", "wlan1-1"): {"mode": "Master", "ssid": "Staf", "frequency": 5180, "noise": 0},
        ("iwinfo", "info", "wlan2"): {"mode": "Client", "ssid": "Atas", "frequency": 5180, "noise": -80},
    }
    for name, count in (("wlan0", 2), ("wlan1", 3), ("wlan1-1", 1)):
        said[f"hostapd.{name}", "get_clients"] = stations(count)
        said["network.device", "status", name] = {"statistics": {"rx_bytes": 10 * count, "tx_bytes": 100 * count}}
    return said


class FakeUbus:
    """Answers from a table; what is not in it is refused."""

    processors = 2

    def __init__(self, said: dict[tuple[str, ...], Any]) -> None:
        self.said = said

    def call(self, path: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self.said[(path, method, *arguments.values())]
        except KeyError:
            raise UbusRefusedError(f"{path} {method}: not there") from None
        return answer


def asked(said: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    return dict(UbusProbe(FakeUbus(said), 2).measure())


def test_a_router_is_its_radios_without_its_uplink() -> None:
    assert asked(router()) == {
        "uptime_s": 4711,
        "cpu_pct": 50.0,
        "memory_pct": 60.0,
        "clients": 6,
        "clients_by_radio": {"2g": 2, "5g": 4},
        "clients_by_ssid": {"Kota": 5, "Staf": 1},
        "rx_bytes": 60,
        "tx_bytes": 600,
        "noise_dbm": -90,
    }


def test_no_address_of_a_client_is_said() -> None:
    assert MAC not in str(asked(router()))


def test_who_is_not_authorized_is_no_client() -> None:
    said = router()
    said["hostapd.wlan0", "get_clients"]["clients"][f"{MAC}0"]["authorized"] = False
    assert asked(said)["clients"] == 5


def test_without_hostapd_those_that_iwinfo_hears_are_counted() -> None:
    said = router()
    del said["hostapd.wlan0", "get_clients"]
    said["iwinfo", "assoclist", "wlan0"] = {"results": [{"mac": MAC}] * 4}
    assert asked(said)["clients"] == 8


@pytest.mark.parametrize(
    ("refused", "fields"),
    [
        (("hostapd.wlan0", "get_clients"), {"clients", "clients_by_radio", "clients_by_ssid"}),
        (("network.device", "status", "wlan1"), {"rx_bytes", "tx_bytes"}),
        (
            ("iwinfo", "info", "wlan1"),
            {"clients", "clients_by_radio", "clients_by_ssid", "rx_bytes", "tx_bytes", "noise_dbm"},
        ),
        (("system", "info"), {"uptime_s", "cpu_pct", "memory_pct"}),
    ],
)
def test_a_part_is_never_said_for_the_whole(refused: tuple[str, ...], fields: set[str]) -> None:
    said = router()
    del said[refused]
    assert set(asked(router())) - set(asked(said)) == fields


def test_business_is_that_of_the_time_between_two_looks() -> None:
    said = router()
    probe = UbusProbe(FakeUbus(said), None)
    said["iwinfo", "survey", "wlan0"] = survey(2412, 10_000, 9_000)
    assert "channel_busy_pct" not in probe.measure()
    said["iwinfo", "survey", "wlan0"] = survey(2412, 20_000, 11_500)
    assert probe.measure()["channel_busy_pct"] == 25.0
    said["iwinfo", "survey", "wlan0"] = survey(2412, 500, 100)
    assert "channel_busy_pct" not in probe.measure(), "counters that began again say nothing"


def test_a_load_without_its_processors_is_no_percentage() -> None:
    assert "cpu_pct" not in UbusProbe(FakeUbus(router()), None).measure()


@pytest.mark.parametrize("odd", [{"devices": "wlan0"}, {"devices": [1]}, {}])
def test_what_ubus_should_not_say_is_left_out(odd: dict[str, Any]) -> None:
    said = router()
    said["iwinfo", "devices"] = odd
    assert set(asked(said)) == {"uptime_s", "cpu_pct", "memory_pct"}


def test_a_router_that_says_nothing_is_not_there() -> None:
    with pytest.raises(RetryLaterError, match="rpcd-mod-iwinfo"):
        asked({})


class FakeAgent:
    """An agent with a tree."""

    def __init__(self, tree: dict[str, Value]) -> None:
        self.tree = tree

    def get(self, oids: Iterable[str]) -> dict[str, Value]:
        return {oid: self.tree[oid] for oid in oids if oid in self.tree}

    def walk(self, column: str) -> dict[str, Value]:
        start = f"{column}."
        return {oid[len(start) :]: value for oid, value in self.tree.items() if oid.startswith(start)}


def tree(object_id: str = "1.3.6.1.4.1.8072.3.2.10", **columns: dict[str, Value]) -> FakeAgent:
    found: dict[str, Value] = {mib.SYS_OBJECT_ID: object_id, mib.SYS_UPTIME: 12_345}
    named = {name: getattr(mib, name) for name in columns if hasattr(mib, name)}
    for name, values in columns.items():
        column = named.get(name) or mib.IF_HC_OCTETS.get(name) or mib.IF_OCTETS[name.removesuffix("_32")]
        found |= {f"{column}.{index}": value for index, value in values.items()}
    return FakeAgent(found)


IF: dict[str, dict[str, Value]] = {
    "IF_NAME": {"1": b"lo", "2": b"eth0", "3": b"wlan0", "4": b"wlan1"},
    "IF_TYPE": {"1": 24, "2": 6, "3": 71, "4": 71},
    "rx_bytes": {"1": 1, "2": 10, "3": 100, "4": 1000},
    "tx_bytes": {"1": 2, "2": 20, "3": 200, "4": 2000},
}


def looked(agent: FakeAgent, *interfaces: str) -> dict[str, Any]:
    return dict(SnmpProbe(lambda: agent, frozenset(interfaces)).measure())


def test_bytes_are_those_of_the_wireless_interfaces() -> None:
    assert looked(tree(**IF)) == {"uptime_s": 123, "rx_bytes": 1100, "tx_bytes": 2200}
    assert looked(tree(**IF), "eth0")["rx_bytes"] == 10


def test_interfaces_without_their_type_are_known_by_their_names() -> None:
    names = {"1": b"wifi0", "2": b"ath0", "3": b"br0", "4": b"phy1-ap0"}
    assert looked(tree(**{**IF, "IF_NAME": names, "IF_TYPE": dict.fromkeys("1234", 6)}))["rx_bytes"] == 1010


def test_without_a_wireless_interface_no_bytes_are_guessed_and_it_is_said_once() -> None:
    agent = tree(**{**IF, "IF_NAME": {"1": b"lo", "2": b"eth0"}})
    probe = SnmpProbe(lambda: agent)
    with capture_logs() as logs:
        assert set(probe.measure()) == set(probe.measure()) == {"uptime_s"}
    assert [(entry["event"], entry["interfaces"]) for entry in logs] == [("edge.no_wireless_interface", ["eth0", "lo"])]


def test_32_bit_counters_are_carried_over_their_end_but_not_over_a_reboot() -> None:
    def narrow(octets: int, ticks: int) -> FakeAgent:
        columns = {name: values for name, values in IF.items() if name not in mib.IF_HC_OCTETS}
        agent = tree(**columns, rx_bytes_32={"3": octets, "4": 0}, tx_bytes_32={"3": 0, "4": 0})
        agent.tree[mib.HR_SYSTEM_UPTIME] = ticks
        return agent

    looks = iter([narrow(4_294_967_000, 10_000), narrow(704, 20_000), narrow(800, 30_000), narrow(5, 100)])
    probe = SnmpProbe(lambda: next(looks))
    assert [probe.measure()["rx_bytes"] for _ in range(4)] == [4_294_967_000, 2**32 + 704, 2**32 + 800, 5]


def test_an_interface_that_began_again_without_a_reboot_is_no_wrap() -> None:
    looks = []
    for number, octets in enumerate((3_000_000_000, 5_000_000, 5_000_700)):
        agent = tree(IF_NAME={"3": b"wlan0"}, rx_bytes_32={"3": octets}, tx_bytes_32={"3": 1})
        agent.tree |= {mib.HR_SYSTEM_UPTIME: 10_000 + 6_000 * number, f"{mib.IF_HIGH_SPEED}.3": 100}
        looks.append(agent)
    agents = iter(looks)
    probe = SnmpProbe(lambda: next(agents))
    assert [probe.measure()["rx_bytes"] for _ in range(3)] == [3_000_000_000, 3_000_000_000, 3_000_000_700]


def test_an_interface_that_joins_adds_what_it_counts_from_then_on() -> None:
    said = router()
    probe = UbusProbe(FakeUbus(said), None)
    assert probe.measure()["rx_bytes"] == 60
    said["iwinfo", "devices"] = {"devices": ["wlan0", "wlan1", "wlan1-1", "wlan9"]}
    said["iwinfo", "info", "wlan9"] = said["iwinfo", "info", "wlan0"]
    said["hostapd.wlan9", "get_clients"] = stations(0)
    said["network.device", "status", "wlan9"] = {"statistics": {"rx_bytes": 10**9, "tx_bytes": 10**9}}
    said["system", "info"]["uptime"] += 60
    assert probe.measure()["rx_bytes"] == 60
    said["network.device", "status", "wlan9"]["statistics"]["rx_bytes"] += 40
    said["system", "info"]["uptime"] += 60
    assert probe.measure()["rx_bytes"] == 100


def test_an_interface_without_counters_leaves_no_sum() -> None:
    assert "rx_bytes" not in looked(tree(**{**IF, "rx_bytes": {"3": 100}}))


def wireless(table: str, object_id: str = "1.3.6.1.4.1.8072.3.2.10", **columns: dict[str, Value]) -> dict[str, Any]:
    found = next(wireless_table for wireless_table in mib.WIRELESS if wireless_table.name == table)
    agent = tree(object_id)
    for name, values in columns.items():
        agent.tree |= {f"{getattr(found, name)}.{index}": value for index, value in values.items()}
    values = looked(agent)
    del values["uptime_s"]
    return values


def test_a_unifi_says_clients_by_network_and_by_radio_and_how_busy_the_air_is() -> None:
    assert wireless(
        "UBNT-UniFi-MIB",
        clients={"1": 3, "2": 5, "3": 0},
        ssid={"1": b"Kota", "2": b"Kota", "3": b"Staf"},
        radio={"1": b"ng", "2": b"na", "3": b"na"},
        busy_pct={"1": 41, "2": 7},
    ) == {
        "clients": 8,
        "clients_by_ssid": {"Kota": 8, "Staf": 0},
        "clients_by_radio": {"2g": 3, "5g": 5},
        "channel_busy_pct": 41,
    }


@pytest.mark.parametrize("table", [table.name for table in mib.WIRELESS])
def test_every_makers_clients_are_found_whoever_the_agent_says_it_is(table: str) -> None:
    assert wireless(table, clients={"1": 3, "2.7": 5})["clients"] == 8


def test_a_mikrotik_says_its_noise() -> None:
    values = wireless(
        "MIKROTIK-MIB", "1.3.6.1.4.1.14988.1", clients={"1": 3}, noise_dbm={"1": -103}, radio={"1": b"5ghz-ac"}
    )
    assert values == {"clients": 3, "noise_dbm": -103, "clients_by_radio": {"5g": 3}}


def test_a_count_that_is_none_leaves_no_sum() -> None:
    assert wireless("MIKROTIK-MIB", clients={"1": 3, "2": b"many"}) == {}


def test_load_of_processors_and_memory() -> None:
    agent = tree(HR_PROCESSOR_LOAD={"1": 10, "2": 30})
    agent.tree |= {mib.UCD_MEM_TOTAL: 1000, mib.UCD_MEM_FREE: 100, mib.UCD_MEM_CACHED: 400, mib.UCD_CPU_IDLE: 1}
    assert looked(agent) == {"uptime_s": 123, "cpu_pct": 20.0, "memory_pct": 50.0}
    agent.tree[mib.UCD_MEM_AVAILABLE] = 700
    assert looked(agent)["memory_pct"] == 30.0
    assert looked(FakeAgent({mib.SYS_UPTIME: 1, mib.UCD_CPU_IDLE: 93})) == {"uptime_s": 0, "cpu_pct": 7}
