"""UniFi controllers: figures, states, sessions without names."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ingest.decoding.pseudonyms import flat_mac
from ingest.store.latest import LastValueCache, connectivity_of
from ingest.store.records import EventRecord, StatusRecord
from tests.support.decoding import NOW, decoded_ap, values
from tests.support.field_samples import load, needs_samples

CLIENT = "40:D3:AE:04:32:0C"


@needs_samples
def test_unifi_access_point() -> None:
    data = load("wifi/unifi_stat_device_uap.json")["data"]
    found = decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/default/device", {"meta": {"rc": "ok"}, "data": data})
    shown = values(found)
    assert (shown["clients"], shown["clients_by_radio"]) == (12, '{"2.4GHz":3,"5GHz":9}')
    assert (shown["channel_busy_pct"], shown["cpu_pct"], shown["memory_pct"]) == (21.0, 3.1, 27.4)
    assert (shown["rx_bytes"], shown["tx_bytes"], shown["uptime_s"]) == (4049050176, 198524031529, 3971849)


@needs_samples
def test_unifi_clients_are_counted_per_access_point() -> None:
    data = load("wifi/unifi_stat_sta.json")["data"]
    found = decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/default/sta", data)
    assert values(found) == {"clients": 1, "clients_by_ssid": '{"SSID":1}', "signal_dbm": -61.0}


@needs_samples
def test_unifi_events_are_sessions_without_a_name() -> None:
    for name, state in (
        ("EVENT_WIRELESS_CLIENT_CONNECTED", "raised"),
        ("EVENT_WIRELESS_CLIENT_DISCONNECTED", "cleared"),
    ):
        body = load("wifi/unifi_events_and_messages.json")["data"][name]
        found = decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/default/event", body)
        (event,) = [record for record in found.records if isinstance(record, EventRecord)]
        assert (event.type, event.state, event.detail["ssid"]) == ("session", state, "SSID")
        assert event.detail["client"].startswith("02:6b:")
        assert "00:00:00:00:00:01" not in str(event)
    for other in ("EVENT_SWITCH_16_CONNECTED", "MESSAGE_WIRELESS_CLIENT_REMOVED"):
        body = load("wifi/unifi_events_and_messages.json")["data"][other]
        assert decoded_ap("unifi", "x", "unifi/default/event", body).ignored


def test_unifi_one_body_with_one_known_and_one_unknown_access_point() -> None:
    body = {
        "data": [
            {"type": "uap", "mac": "80:2A:A8:00:01:02", "num_sta": 2, "state": 1, "last_seen": 1772366340},
            {"type": "uap", "mac": "80:2a:a8:00:01:03", "num_sta": 3, "x_authkey": "secret", "name": "Taman"},
            {"type": "usw", "mac": "80:2a:a8:00:01:04"},
        ]
    }
    found = decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/default/device", body)
    assert values(found) == {"clients": 2}
    (unknown,) = found.unknown_devices
    assert unknown.names == ("80:2a:a8:00:01:03", "Taman")
    assert json.loads(unknown.raw)["data"][0]["num_sta"] == 3
    assert b"secret" not in unknown.raw
    again = decoded_ap("unifi", "80:2a:a8:00:01:03", "unifi/default/device", unknown.raw)
    assert values(again) == {"clients": 3}, "what waits can be stored later"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": 4}, "upgrading"),
        ({"disabled": True}, "disabled"),
        ({"adopted": False}, "not adopted"),
        ({"state": "OFFLINE"}, "offline"),
        ({"state": 99}, "state 99"),
    ],
)
def test_an_access_point_the_controller_does_not_have_is_gone(change: dict[str, Any], reason: str) -> None:
    body = [{"type": "uap", "mac": "80:2a:a8:00:01:02", "state": 1, "num_sta": 3, **change}]
    (status,) = decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/s/device", body).records
    assert isinstance(status, StatusRecord)
    assert (status.state, status.reason) == ("offline", reason)


def test_a_gateway_with_radios_counts_the_clients_of_its_networks() -> None:
    vaps = [
        {"essid": "City", "num_sta": 4},
        {"essid": "", "num_sta": 1},
        {"essid": "m", "usage": "downlink", "num_sta": 1},
    ]
    body = [{"type": "udm", "mac": "80:2a:a8:00:01:02", "state": 1, "num_sta": 40, "vap_table": vaps}]
    assert decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/s/device", body).ignored, "without radios it is none"
    body[0]["radio_table_stats"] = [{"radio": "ng", "num_sta": 4}]
    found = values(decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/s/device", body))
    assert (found["clients"], found["clients_by_ssid"]) == (4, '{"City":4}')


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        ("unifi/s/sta", {"meta": {"rc": "error", "msg": "api.err.LoginRequired"}, "data": []}, "api.err.LoginRequired"),
        ("unifi/s/device", {"data": [{"id": 1}]}, "none of its devices has a `mac`"),
    ],
)
def test_an_answer_that_is_none_says_why(topic: str, body: Any, reason: str) -> None:
    (letter,) = decoded_ap(topic.split("/", maxsplit=1)[0], "x", topic, body).rejected
    assert reason in letter.reason


def test_changed_clients_alone_count_nobody() -> None:
    client = {"mac": CLIENT, "ap_mac": "80:2a:a8:00:01:02", "essid": "City", "signal": -60}
    body = {"meta": {"rc": "ok", "message": "sta:sync"}, "data": [client]}
    assert decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/s/sta", body).ignored


def test_events_of_the_past_say_nothing_of_now() -> None:
    def told(key: str, ago: timedelta, number: int) -> dict[str, Any]:
        at = int((NOW - ago).timestamp() * 1000)
        return {"key": key, "ap": "80:2a:a8:00:01:02", "time": at, "_id": str(number)}

    newest_first = [
        told("EVT_AP_Connected", timedelta(minutes=1), 3),
        told("EVT_AP_Lost_Contact", timedelta(minutes=4), 2),
        told("EVT_AP_Lost_Contact", timedelta(hours=2), 1),
    ]
    found = decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/s/event", newest_first)
    assert [record.state for record in found.records if isinstance(record, StatusRecord)] == ["offline", "online"]


def test_a_lost_access_point_stays_lost_whatever_old_is_told_of_it() -> None:
    lost = {"data": [{"mac": "80:2a:a8:00:01:02", "state": 0, "last_seen": int(NOW.timestamp()) - 600}]}
    lingering = {"data": [{"ap_mac": "80:2a:a8:00:01:02", "last_seen": int(NOW.timestamp()) - 600}]}
    back = {"data": [{"mac": "80:2a:a8:00:01:02", "state": 1, "num_sta": 2, "last_seen": int(NOW.timestamp()) - 5}]}
    board = LastValueCache()
    for seconds, (sort, body) in enumerate((("device", lost), ("sta", lingering), ("device", back))):
        found = decoded_ap("unifi", "80:2a:a8:00:01:02", f"unifi/s/{sort}", body, at=NOW + timedelta(seconds=seconds))
        board.update(found.records)
        (latest,) = board.find(kind=None, device="ap", changed_since=None)
        expected = "online" if body is back else "offline"
        assert connectivity_of(latest, interval_s=60, now=NOW + timedelta(seconds=seconds)) == expected


def test_a_guest_without_a_name_is_nobody() -> None:
    event = {"key": "EVT_WG_Disconnected", "ap": "80:2a:a8:00:01:02", "ssid": "G", "time": 1772366380000, "_id": "4"}
    (_, nobody) = decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/s/event", [event]).records
    assert isinstance(nobody, EventRecord)
    assert nobody.detail == {"ssid": "G"}
    (unknown,) = decoded_ap("unifi", "", "unifi/s/event", [{**event, "guest": CLIENT}]).unknown_devices
    (_, later) = decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/s/event", unknown.raw).records
    assert isinstance(later, EventRecord)
    assert later.detail["client"].startswith("02:6b:")


def test_unifi_states_and_rogues() -> None:
    gone = {"data": [{"type": "uap", "mac": "80:2a:a8:00:01:02", "state": 0, "last_seen": 1772366340}]}
    (status,) = decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/s/device", gone).records
    assert isinstance(status, StatusRecord)
    assert (status.state, status.reason) == ("offline", "disconnected")
    rogue = {
        "ap_mac": "80:2a:a8:00:01:02",
        "is_rogue": True,
        "essid": "Kupang-WiFi-Gratis",
        "bssid": CLIENT,
        "channel": 6,
        "signal": -40,
        "last_seen": 1772366340,
    }
    found = decoded_ap("unifi", "80:2a:a8:00:01:02", "unifi/s/rogueap", [rogue, {**rogue, "is_rogue": False}])
    (event,) = [record for record in found.records if isinstance(record, EventRecord)]
    assert event.detail["ssid"] == "Kupang-WiFi-Gratis"
    assert flat_mac(CLIENT) not in flat_mac(event.detail["bssid"])
