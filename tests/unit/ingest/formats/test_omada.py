"""Omada controllers: figures, states, clients."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.store.records import StatusRecord
from tests.support.decoding import decoded_ap, values

CLIENT = "40:D3:AE:04:32:0C"


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        ("omada/s/clients", {"errorCode": -44112, "msg": "The access token has expired"}, "token has expired"),
        (
            "omada/s/clients",
            {"result": {"totalRows": 23, "data": [{"apMac": "AA-BB-CC-00-11-22", "rssi": -60}]}},
            "a part only, 1 of 23",
        ),
    ],
)
def test_an_answer_that_is_none_says_why(topic: str, body: Any, reason: str) -> None:
    (letter,) = decoded_ap(topic.split("/", maxsplit=1)[0], "x", topic, body).rejected
    assert reason in letter.reason


@pytest.mark.parametrize(
    "state",
    [
        {"status": 20},
        {"status": 31},
        {"status": 13},
        {"status": 1, "detailStatus": 41},
        {"status": 14, "statusCategory": 3},
    ],
)
def test_an_omada_access_point_is_there_only_when_it_is_connected(state: dict[str, Any]) -> None:
    body = {"result": [{"type": "ap", "mac": "AA-BB-CC-00-11-22", "clientNum": 3, **state}]}
    (status,) = decoded_ap("omada", "aa:bb:cc:00:11:22", "omada/s/devices", body).records
    assert isinstance(status, StatusRecord)
    assert status.state == "offline"


@pytest.mark.parametrize(
    "state", [{}, {"status": 1}, {"status": 14}, {"status": 17}, {"status": 0, "statusCategory": 1}]
)
def test_an_omada_access_point_that_is_connected_is_read(state: dict[str, Any]) -> None:
    body = {"result": [{"type": "ap", "mac": "AA-BB-CC-00-11-22", "clientNum": 3, **state}]}
    assert values(decoded_ap("omada", "aa:bb:cc:00:11:22", "omada/s/devices", body)) == {"clients": 3}


def test_clients_that_left_are_not_counted() -> None:
    client = {"mac": CLIENT, "apMac": "AA-BB-CC-00-11-22", "ssid": "City", "rssi": -60}
    body = {"result": {"totalRows": 2, "data": [{**client, "active": True}, {**client, "active": False}]}}
    assert values(decoded_ap("omada", "aa:bb:cc:00:11:22", "omada/s/clients", body))["clients"] == 1


def test_omada_devices_and_clients() -> None:
    device = {
        "mac": "AA-BB-CC-00-11-22",
        "type": "ap",
        "name": "Lobi",
        "model": "EAP245",
        "statusCategory": 1,
        "clientNum": 7,
        "clientNum2g": 3,
        "clientNum5g": 4,
        "cpuUtil": 12,
        "memUtil": 40,
        "download": 2000,
        "upload": 1000,
        "uptime": "9days 3h 2m 5s",
        "lastSeen": 1772366340000,
    }
    body = {"errorCode": 0, "result": {"totalRows": 1, "data": [device, {"mac": "AA", "type": "switch"}]}}
    found = decoded_ap("omada", "aa:bb:cc:00:11:22", "omada/site/devices", body)
    assert values(found) == {
        "clients": 7,
        "clients_by_radio": '{"2.4GHz":3,"5GHz":4}',
        "cpu_pct": 12.0,
        "memory_pct": 40.0,
        "rx_bytes": 1000,
        "tx_bytes": 2000,
        "uptime_s": 9 * 86_400 + 3 * 3_600 + 125,
    }
    client = {"mac": CLIENT, "apMac": "AA-BB-CC-00-11-22", "ssid": "Free", "rssi": -55, "wireless": True}
    counted = decoded_ap(
        "omada", "aa:bb:cc:00:11:22", "omada/site/clients", [client, {**client, "mac": "x", "rssi": -65}]
    )
    assert values(counted) == {"clients": 2, "clients_by_ssid": '{"Free":2}', "signal_dbm": -60.0}
    away = {"result": [{**device, "statusCategory": 3}]}
    (status,) = decoded_ap("omada", "aa:bb:cc:00:11:22", "omada/site/devices", away).records
    assert isinstance(status, StatusRecord)
    assert status.reason == "heartbeat missed"
