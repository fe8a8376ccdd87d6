"""NetJSON: clients and figures of OpenWISP's agents."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from ingest.decoding.decoder import Decoder
from ingest.decoding.results import DecodeResult
from ingest.messages import Arrival
from ingest.pipeline.stateful_rules import StatefulRules
from ingest.store.records import Reading, Record
from tests.support.decoding import NOW, city_of, decoded_ap, device, values
from tests.support.field_samples import load, needs_samples


@needs_samples
def test_netjson_counts_clients_and_not_those_of_mesh_links() -> None:
    sample = load("wifi/openwisp_netjson_devicemonitoring.json")
    body = sample["payload"]
    body["interfaces"].append(sample["mesh_interface"])
    found = decoded_ap("netjson", "router-7", "netjson/router-7/01-03-2026_11:59:00.000000", body)
    assert values(found) == {
        "uptime_s": 8003,
        "memory_pct": 10.56,
        "cpu_pct": 0.0,
        "disk_pct": 25.0,
        "clients": 3,
        "noise_dbm": -95.0,
        "clients_by_ssid": '{"testnet":3}',
        "clients_by_radio": '{"2.4GHz":3}',
        "rx_bytes": 971,
        "tx_bytes": 2599,
    }
    record = found.records[0]
    assert isinstance(record, Reading)
    assert record.origin.measured_at == NOW - timedelta(minutes=1), "the agent's time, not the router's"


def test_a_routers_own_system_is_no_disk_and_a_channel_tells_the_band() -> None:
    disks = [{"mount_point": "/rom", "used_percent": 100}, {"mount_point": "/overlay", "used_percent": 3}]
    radios = [
        {
            "name": f"wlan{channel}",
            "wireless": {"mode": "access_point", "ssid": "a", "channel": channel, "clients": [{"mac": str(channel)}]},
        }
        for channel in (6, 36)
    ]
    radios.append({"name": "w", "wireless": {"mode": "access_point", "ssid": "a", "frequency": 60480, "clients": []}})
    body = {"type": "DeviceMonitoring", "resources": {"disk": disks}, "interfaces": radios}
    found = values(decoded_ap("netjson", "r", "netjson/r", body))
    assert (found["disk_pct"], found["clients_by_radio"]) == (3.0, '{"2.4GHz":1,"5GHz":1,"60GHz":0}')


def settled(rules: StatefulRules, result: DecodeResult) -> list[Record | None]:
    records = rules.apply(result.records)
    rules.commit()
    return records


def monitored(at_s: int, **octets: int) -> Arrival:
    """A message of a router whose client interfaces have sent so many octets to clients."""
    wireless = {"mode": "access_point", "ssid": "a", "clients": []}
    interfaces = [
        {"name": name, "wireless": wireless, "statistics": {"rx_bytes": count, "tx_bytes": 7}}
        for name, count in octets.items()
    ]
    at = NOW + timedelta(seconds=at_s)
    general = {"uptime": 90_000 + at_s, "local_time": int(at.timestamp())}
    body = {"type": "DeviceMonitoring", "general": general, "interfaces": interfaces}
    return Arrival("netjson/router-7", json.dumps(body).encode(), at)


@pytest.mark.parametrize(
    ("messages", "kbps"),
    [
        ([monitored(0, wlan0=2_600_000_000), monitored(60, wlan0=4_000_000)], None),
        ([monitored(0, wlan0=2**32 - 500_000), monitored(60, wlan0=250_000)], 100.0),
        ([monitored(0, wlan0=750_000, wlan1=9_000_000), monitored(60, wlan0=1_500_000)], 100.0),
        ([monitored(0, wlan0=750_000), monitored(60, wlan0=1_500_000, wlan1=900_000)], None),
        ([monitored(0, wlan0=7 * 10**9), monitored(60, wlan0=0), monitored(120, wlan0=7 * 10**9 + 1_500_000)], 100.0),
    ],
)
def test_the_rate_after_a_restart_a_wrap_another_set_of_interfaces_and_a_wrong_zero(
    messages: list[Arrival], kbps: float | None
) -> None:
    decoder = Decoder(city_of(device("netjson", "router-7", "openwrt-ap")), late_after=timedelta(minutes=15))
    rules = StatefulRules()
    (*_, last) = [record for message in messages for record in settled(rules, decoder.decode(message))]
    assert isinstance(last, Reading)
    assert last.values.get("tx_kbps") == kbps
