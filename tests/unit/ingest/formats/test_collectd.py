"""collectd: one figure a topic."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.pipeline.stateful_rules import StatefulRules
from ingest.store.records import Reading
from tests.support.decoding import decoded_ap, values


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        ("interface-br-lan/if_octets", b"1772366380.1:nan:-nan\0", {}),
        ("interface-br-lan/if_octets", b"1772366380.1:nan:1000\0", {"tx_kbps": 8.0}),
        ("interface-br-wan/if_octets", b"1772366380.1:1000:1000\0", {}),
        ("df-tmp/percent_bytes-used", b"1772366380.1:100\0", {}),
        ("df-rom/percent_bytes-used", b"1772366380.1:100\0", {}),
        ("df-overlay/percent_bytes-used", b"1772366380.1:3\0", {"disk_pct": 3.0}),
        ("iwinfo-wlan0/signal_noise", b"1772366380.1:0\0", {}),
        ("iwinfo-wlan0/signal_noise", b"1772366380.1:-95\0", {"noise_dbm": -95.0}),
        ("ping/ping-8.8.8.8", b"1772366380.1:nan\0", {}),
    ],
)
def test_collectd_figures_that_are_none(topic: str, payload: bytes, expected: dict[str, Any]) -> None:
    found = decoded_ap("collectd", "r", f"collectd/r/{topic}", payload)
    assert not found.rejected
    assert ({} if found.ignored else values(found)) == expected


def test_a_counter_is_no_rate() -> None:
    found = decoded_ap("collectd", "r", "collectd/r/interface-br-lan/if_octets", b"1772366380.1:1523888111000:8\0")
    (reading,) = [record for record in found.records if isinstance(record, Reading)]
    assert (reading.values, reading.origin.quality) == ({"tx_kbps": 0.064}, ("invalid",))


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        ("iwinfo-wlan0/stations", b"1772366340.123:5\0", {"clients_by_radio": '{"wlan0":5}'}),
        ("iwinfo-wlan0/signal_noise", b"1772366340.123:-95\0", {"noise_dbm": -95.0}),
        ("interface-br-lan/if_octets", b"1772366340.123:1500:98250.5\0", {"rx_kbps": 12.0, "tx_kbps": 786.004}),
        ("cpu-0/percent-idle", b"1772366340:97.5", {"cpu_pct": 2.5}),
        ("memory/percent-used", b"1772366340:40", {"memory_pct": 40.0}),
        ("ping/ping-8.8.8.8", b"1772366340:23.5", {"latency_ms": 23.5}),
        ("ping/ping_droprate-8.8.8.8", b"1772366340:0.25", {"loss_pct": 25.0}),
        ("uptime/uptime", b"1772366340:8003", {"uptime_s": 8003}),
    ],
)
def test_collectd_one_figure_a_topic(topic: str, payload: bytes, expected: dict[str, Any]) -> None:
    assert values(decoded_ap("collectd", "OpenWrt", f"collectd/OpenWrt/{topic}", payload)) == expected


@pytest.mark.parametrize("topic", ["load/load", "interface-eth0/if_octets", "df-root/df_complex-used", "irq/irq-1"])
def test_collectd_figures_that_the_contract_has_not_are_ignored(topic: str) -> None:
    assert decoded_ap("collectd", "OpenWrt", f"collectd/OpenWrt/{topic}", b"1772366340:1:2").ignored


def test_collectd_unknown_is_not_zero_and_nonsense_is_dead() -> None:
    assert decoded_ap("collectd", "OpenWrt", "collectd/OpenWrt/iwinfo-wlan0/stations", b"1772366340:U\0").ignored
    for payload in (b"", b"x", b"1772366340", b"1772366340:a", b"\xff:1"):
        assert decoded_ap("collectd", "OpenWrt", "collectd/OpenWrt/iwinfo-wlan0/stations", payload).rejected


def test_collectd_radios_told_one_by_one_add_up() -> None:
    history = StatefulRules()
    counts = []
    for second, (radio, count) in enumerate([("wlan0", 5), ("wlan1", 7), ("wlan0", 4)]):
        payload = f"{1772366340 + second}:{count}".encode()
        found = decoded_ap("collectd", "r", f"collectd/r/iwinfo-{radio}/stations", payload)
        (reading,) = history.apply(found.records)
        history.commit()
        assert isinstance(reading, Reading)
        counts.append((reading.values["clients"], reading.values["clients_by_radio"]))
    assert counts == [(5, '{"wlan0":5}'), (12, '{"wlan0":5,"wlan1":7}'), (11, '{"wlan0":4,"wlan1":7}')]
