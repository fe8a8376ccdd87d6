"""NetJSON: clients and figures of OpenWISP's agents."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ingest.store.records import Reading
from tests.support.decoding import NOW, decoded_ap, values
from tests.support.field_samples import SAMPLES, load

needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of real messages is not here")


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
