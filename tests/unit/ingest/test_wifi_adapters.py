"""Wi-Fi controllers, routers and RADIUS: figures as their sources say, and nobody's name anywhere."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city.errors import PayloadError
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import AccessPoint, Binding
from ingest.decoding.adapters.registry import adapter_for, has_clients
from ingest.decoding.decoder import Decoder, DecodeResult
from ingest.decoding.pseudonyms import Pseudonyms, flat_mac
from ingest.messages import Arrival
from ingest.pipeline.stateful_rules import StatefulRules
from ingest.store.latest import LastValueCache, connectivity
from ingest.store.records import EventRecord, Reading, StatusRecord
from tests.support.decoding import values
from tests.support.field_samples import SAMPLES, load
from tests.support.shapes import shaped_like

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = b"k" * 32
WITA = ZoneInfo("Asia/Makassar")
CLIENT = "40:D3:AE:04:32:0C"
MACS = re.compile(r"(?i)\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b")
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of real messages is not here")


def decoded(
    adapter: str, address: str, topic: str, body: Any, *, key: bytes | None = KEY, at: datetime = NOW
) -> DecodeResult:
    city = load_city(builtin_city("kupang"))
    profile = next(one.id for one in city.profiles.values() if one.adapters == (adapter,))
    one = AccessPoint(id="ap", model="m", ssids=(), binding=Binding(adapter, address, profile))
    city = city.with_devices({"ap": one} if address else {})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    decoder = Decoder(city, late_after=timedelta(days=9000), pseudonym_key=key)
    return decoder.decode(Arrival(topic, raw, at))


@needs_samples
def test_netjson_counts_clients_and_not_those_of_mesh_links() -> None:
    sample = load("wifi/openwisp_netjson_devicemonitoring.json")
    body = sample["payload"]
    body["interfaces"].append(sample["mesh_interface"])
    found = decoded("netjson", "router-7", "netjson/router-7/01-03-2026_11:59:00.000000", body)
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


@needs_samples
def test_unifi_access_point() -> None:
    data = load("wifi/unifi_stat_device_uap.json")["data"]
    found = decoded("unifi", "80:2a:a8:00:01:02", "unifi/default/device", {"meta": {"rc": "ok"}, "data": data})
    shown = values(found)
    assert (shown["clients"], shown["clients_by_radio"]) == (12, '{"2.4GHz":3,"5GHz":9}')
    assert (shown["channel_busy_pct"], shown["cpu_pct"], shown["memory_pct"]) == (21.0, 3.1, 27.4)
    assert (shown["rx_bytes"], shown["tx_bytes"], shown["uptime_s"]) == (4049050176, 198524031529, 3971849)


@needs_samples
def test_unifi_clients_are_counted_per_access_point() -> None:
    data = load("wifi/unifi_stat_sta.json")["data"]
    found = decoded("unifi", "80:2a:a8:00:01:02", "unifi/default/sta", data)
    assert values(found) == {"clients": 1, "clients_by_ssid": '{"SSID":1}', "signal_dbm": -61.0}


@needs_samples
def test_unifi_events_are_sessions_without_a_name() -> None:
    for name, state in (
        ("EVENT_WIRELESS_CLIENT_CONNECTED", "raised"),
        ("EVENT_WIRELESS_CLIENT_DISCONNECTED", "cleared"),
    ):
        body = load("wifi/unifi_events_and_messages.json")["data"][name]
        found = decoded("unifi", "80:2a:a8:00:01:02", "unifi/default/event", body)
        (event,) = [one for one in found.records if isinstance(one, EventRecord)]
        assert (event.type, event.state, event.detail["ssid"]) == ("session", state, "SSID")
        assert event.detail["client"].startswith("02:6b:")
        assert "00:00:00:00:00:01" not in str(event)
    for other in ("EVENT_SWITCH_16_CONNECTED", "MESSAGE_WIRELESS_CLIENT_REMOVED"):
        body = load("wifi/unifi_events_and_messages.json")["data"][other]
        assert decoded("unifi", "x", "unifi/default/event", body).ignored


def test_unifi_one_body_with_one_known_and_one_unknown_access_point() -> None:
    body = {
        "data": [
            {"type": "uap", "mac": "80:2A:A8:00:01:02", "num_sta": 2, "state": 1, "last_seen": 1772366340},
            {"type": "uap", "mac": "80:2a:a8:00:01:03", "num_sta": 3, "x_authkey": "secret", "name": "Taman"},
            {"type": "usw", "mac": "80:2a:a8:00:01:04"},
        ]
    }
    found = decoded("unifi", "80:2a:a8:00:01:02", "unifi/default/device", body)
    assert values(found) == {"clients": 2}
    (unknown,) = found.unknown_devices
    assert unknown.names == ("80:2a:a8:00:01:03", "Taman")
    assert json.loads(unknown.raw)["data"][0]["num_sta"] == 3
    assert b"secret" not in unknown.raw
    again = decoded("unifi", "80:2a:a8:00:01:03", "unifi/default/device", unknown.raw)
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
    (status,) = decoded("unifi", "80:2a:a8:00:01:02", "unifi/s/device", body).records
    assert isinstance(status, StatusRecord)
    assert (status.state, status.reason) == ("offline", reason)


def test_a_gateway_with_radios_counts_the_clients_of_its_networks() -> None:
    vaps = [
        {"essid": "City", "num_sta": 4},
        {"essid": "", "num_sta": 1},
        {"essid": "m", "usage": "downlink", "num_sta": 1},
    ]
    body = [{"type": "udm", "mac": "80:2a:a8:00:01:02", "state": 1, "num_sta": 40, "vap_table": vaps}]
    assert decoded("unifi", "80:2a:a8:00:01:02", "unifi/s/device", body).ignored, "without radios it is none"
    body[0]["radio_table_stats"] = [{"radio": "ng", "num_sta": 4}]
    found = values(decoded("unifi", "80:2a:a8:00:01:02", "unifi/s/device", body))
    assert (found["clients"], found["clients_by_ssid"]) == (4, '{"City":4}')


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        ("unifi/s/sta", {"meta": {"rc": "error", "msg": "api.err.LoginRequired"}, "data": []}, "api.err.LoginRequired"),
        ("omada/s/clients", {"errorCode": -44112, "msg": "The access token has expired"}, "token has expired"),
        ("unifi/s/device", {"data": [{"id": 1}]}, "none of its devices has a `mac`"),
        (
            "omada/s/clients",
            {"result": {"totalRows": 23, "data": [{"apMac": "AA-BB-CC-00-11-22", "rssi": -60}]}},
            "a part only, 1 of 23",
        ),
    ],
)
def test_an_answer_that_is_none_says_why(topic: str, body: Any, reason: str) -> None:
    (letter,) = decoded(topic.split("/", maxsplit=1)[0], "x", topic, body).rejected
    assert reason in letter.reason


def test_changed_clients_alone_count_nobody() -> None:
    client = {"mac": CLIENT, "ap_mac": "80:2a:a8:00:01:02", "essid": "City", "signal": -60}
    body = {"meta": {"rc": "ok", "message": "sta:sync"}, "data": [client]}
    assert decoded("unifi", "80:2a:a8:00:01:02", "unifi/s/sta", body).ignored


def test_events_of_the_past_say_nothing_of_now() -> None:
    def told(key: str, ago: timedelta, number: int) -> dict[str, Any]:
        at = int((NOW - ago).timestamp() * 1000)
        return {"key": key, "ap": "80:2a:a8:00:01:02", "time": at, "_id": str(number)}

    newest_first = [
        told("EVT_AP_Connected", timedelta(minutes=1), 3),
        told("EVT_AP_Lost_Contact", timedelta(minutes=4), 2),
        told("EVT_AP_Lost_Contact", timedelta(hours=2), 1),
    ]
    found = decoded("unifi", "80:2a:a8:00:01:02", "unifi/s/event", newest_first)
    assert [one.state for one in found.records if isinstance(one, StatusRecord)] == ["offline", "online"]


def test_a_lost_access_point_stays_lost_whatever_old_is_told_of_it() -> None:
    lost = {"data": [{"mac": "80:2a:a8:00:01:02", "state": 0, "last_seen": int(NOW.timestamp()) - 600}]}
    lingering = {"data": [{"ap_mac": "80:2a:a8:00:01:02", "last_seen": int(NOW.timestamp()) - 600}]}
    back = {"data": [{"mac": "80:2a:a8:00:01:02", "state": 1, "num_sta": 2, "last_seen": int(NOW.timestamp()) - 5}]}
    board = LastValueCache()
    for seconds, (sort, body) in enumerate((("device", lost), ("sta", lingering), ("device", back))):
        found = decoded("unifi", "80:2a:a8:00:01:02", f"unifi/s/{sort}", body, at=NOW + timedelta(seconds=seconds))
        board.update(found.records)
        (latest,) = board.find(kind=None, device="ap", changed_since=None)
        expected = "online" if body is back else "offline"
        assert connectivity(latest, interval_s=60, now=NOW + timedelta(seconds=seconds)) == expected


def test_a_guest_without_a_name_is_nobody() -> None:
    event = {"key": "EVT_WG_Disconnected", "ap": "80:2a:a8:00:01:02", "ssid": "G", "time": 1772366380000, "_id": "4"}
    (_, nobody) = decoded("unifi", "80:2a:a8:00:01:02", "unifi/s/event", [event]).records
    assert isinstance(nobody, EventRecord)
    assert nobody.detail == {"ssid": "G"}
    (unknown,) = decoded("unifi", "", "unifi/s/event", [{**event, "guest": CLIENT}]).unknown_devices
    (_, later) = decoded("unifi", "80:2a:a8:00:01:02", "unifi/s/event", unknown.raw).records
    assert isinstance(later, EventRecord)
    assert later.detail["client"].startswith("02:6b:")


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
    (status,) = decoded("omada", "aa:bb:cc:00:11:22", "omada/s/devices", body).records
    assert isinstance(status, StatusRecord)
    assert status.state == "offline"


@pytest.mark.parametrize(
    "state", [{}, {"status": 1}, {"status": 14}, {"status": 17}, {"status": 0, "statusCategory": 1}]
)
def test_an_omada_access_point_that_is_connected_is_read(state: dict[str, Any]) -> None:
    body = {"result": [{"type": "ap", "mac": "AA-BB-CC-00-11-22", "clientNum": 3, **state}]}
    assert values(decoded("omada", "aa:bb:cc:00:11:22", "omada/s/devices", body)) == {"clients": 3}


def test_clients_that_left_are_not_counted() -> None:
    client = {"mac": CLIENT, "apMac": "AA-BB-CC-00-11-22", "ssid": "City", "rssi": -60}
    body = {"result": {"totalRows": 2, "data": [{**client, "active": True}, {**client, "active": False}]}}
    assert values(decoded("omada", "aa:bb:cc:00:11:22", "omada/s/clients", body))["clients"] == 1


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
    found = decoded("collectd", "r", f"collectd/r/{topic}", payload)
    assert not found.rejected
    assert ({} if found.ignored else values(found)) == expected


def test_a_counter_is_no_rate() -> None:
    found = decoded("collectd", "r", "collectd/r/interface-br-lan/if_octets", b"1772366380.1:1523888111000:8\0")
    (reading,) = [one for one in found.records if isinstance(one, Reading)]
    assert (reading.values, reading.origin.quality) == ({"tx_kbps": 0.064}, ("invalid",))


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
    found = values(decoded("netjson", "r", "netjson/r", body))
    assert (found["disk_pct"], found["clients_by_radio"]) == (3.0, '{"2.4GHz":1,"5GHz":1,"60GHz":0}')


LEAKS = {
    "radius": (
        "radius/hs1/accounting",
        {"User-Name": "john.smith@mail.com", "Framed-IP-Address": "10.5.50.2", "Acct-Session-Id": "8"},
    ),
    "radius-rest": (
        "radius/hs1/accounting",
        {"User-Name": {"type": "string", "value": ["john.smith"]}, "Acct-Session-Id": "9"},
    ),
    "radius-number": ("radius/hs1/accounting", {"User-Name": 628123456789, "Calling-Station-Id": "40d3ae-04320c"}),
    "radius-realm": ("radius/hs1/accounting", {"User-Name": "40d3ae04320c@city"}),
    "netjson": (
        "netjson/ap-1",
        {
            "type": "DeviceMonitoring",
            "dhcp_leases": [{"mac": CLIENT, "ip": "192.168.1.50", "client_name": "johns-iphone"}],
            "neighbors": [{"mac": CLIENT, "ip": "fe80::42d3:aeff:fe04:320c"}],
        },
    ),
    "omada": (
        "omada/s/clients",
        {"result": {"clients": [{"hostName": "john", "ip": "10.1.1.5", "apMac": "AA-BB-CC-00-11-22"}]}},
    ),
    "unifi": (
        "unifi/s/sta",
        {"data": [{"hostname": "john", "ap_mac": "80:2a:a8:00:01:02", "ip": "10.1.1.5", "mac": CLIENT}]},
    ),
}
SECRETS = re.compile(r"(?i)john|10\.5\.50|10\.1\.1|192\.168|320c|628123|40d3ae")


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("breaking", ["", "status", "cut", "noise"])
def test_nobodys_name_waits_in_quarantine_or_among_dead_letters(name: str, breaking: str) -> None:
    topic, body = LEAKS[name]
    if name.startswith("radius"):
        body = {"Acct-Status-Type": "Failed" if breaking == "status" else "Start", **body}
    raw = json.dumps(body).encode()
    raw = raw[:-2] if breaking == "cut" else b"x" + raw if breaking == "noise" else raw
    found = decoded(topic.split("/")[0], "", topic, raw)
    kept = [one.raw for one in (*found.unknown_devices, *found.rejected)]
    assert kept
    for one in kept:
        assert not SECRETS.search(one.decode()), one
    assert len(found.rejected) == bool(breaking and not (breaking == "status" and not name.startswith("radius")))


def test_a_users_name_stays_the_same_hash_through_quarantine() -> None:
    body = {**RADIUS, "Calling-Station-Id": "", "User-Name": "john"}
    (unknown,) = decoded("radius", "", "radius/gw1/accounting", body).unknown_devices
    assert session(json.loads(unknown.raw)).detail["client"] == session(body).detail["client"]


@pytest.mark.parametrize(
    "called", ["50C7BF000001:City", "50c7.bf00.0001:City", "50-C7-BF-00-00-01:City", "50:c7:bf:00:00:01:City"]
)
def test_a_called_station_in_any_spelling(called: str) -> None:
    body = {**RADIUS, "Called-Station-Id": called, "NAS-Identifier": ""}
    found = decoded("radius", "50:c7:bf:00:00:01", "radius/x/accounting", body)
    (event,) = [one for one in found.records if isinstance(one, EventRecord)]
    assert event.detail["ssid"] == "City"


def test_unifi_states_and_rogues() -> None:
    gone = {"data": [{"type": "uap", "mac": "80:2a:a8:00:01:02", "state": 0, "last_seen": 1772366340}]}
    (status,) = decoded("unifi", "80:2a:a8:00:01:02", "unifi/s/device", gone).records
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
    found = decoded("unifi", "80:2a:a8:00:01:02", "unifi/s/rogueap", [rogue, {**rogue, "is_rogue": False}])
    (event,) = [one for one in found.records if isinstance(one, EventRecord)]
    assert event.detail["ssid"] == "Kupang-WiFi-Gratis"
    assert flat_mac(CLIENT) not in flat_mac(event.detail["bssid"])


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
    found = decoded("omada", "aa:bb:cc:00:11:22", "omada/site/devices", body)
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
    counted = decoded("omada", "aa:bb:cc:00:11:22", "omada/site/clients", [client, {**client, "mac": "x", "rssi": -65}])
    assert values(counted) == {"clients": 2, "clients_by_ssid": '{"Free":2}', "signal_dbm": -60.0}
    away = {"result": [{**device, "statusCategory": 3}]}
    (status,) = decoded("omada", "aa:bb:cc:00:11:22", "omada/site/devices", away).records
    assert isinstance(status, StatusRecord)
    assert status.reason == "heartbeat missed"


RADIUS = {
    "Acct-Status-Type": "Stop",
    "Calling-Station-Id": CLIENT,
    "User-Name": CLIENT,
    "Acct-Session-Id": "80300083",
    "Called-Station-Id": "AA-BB-CC-00-11-22:Kupang-WiFi-Gratis",
    "NAS-Identifier": "gw1",
    "Acct-Session-Time": 900,
    "Acct-Input-Octets": 5,
    "Acct-Input-Gigawords": 1,
    "Acct-Output-Octets": 7,
    "Acct-Terminate-Cause": "Idle-Timeout",
    "Event-Timestamp": "Mar  1 2026 11:58:00 GMT",
    "Acct-Unique-Session-Id": "ce4df8c7d20d469b",
}


def session(body: dict[str, Any], **more: Any) -> EventRecord:
    found = decoded("radius", "gw1", "radius/gw1/accounting", body, **more)
    (event,) = [one for one in found.records if isinstance(one, EventRecord)]
    return event


def test_radius_gigawords_time_and_network() -> None:
    event = session(RADIUS)
    assert (event.type, event.state) == ("session", "cleared")
    assert event.origin.measured_at == NOW - timedelta(minutes=2)
    assert {name: value for name, value in event.detail.items() if name not in ("client", "session")} == {
        "ssid": "Kupang-WiFi-Gratis",
        "duration_s": 900,
        "upload_bytes": 2**32 + 5,
        "download_bytes": 7,
        "cause": "Idle-Timeout",
    }


def test_radius_in_the_form_of_rlm_rest_is_the_same_event() -> None:
    wrapped = {name: {"type": "string", "value": [value]} for name, value in RADIUS.items()}
    assert session(wrapped).detail == session(RADIUS).detail
    assert session(wrapped).origin.seq == session(RADIUS).origin.seq


def test_radius_start_and_stop_belong_together_and_days_do_not() -> None:
    start = session({**RADIUS, "Acct-Status-Type": "Start"})
    assert (start.state, start.detail["session"]) == ("raised", session(RADIUS).detail["session"])
    assert start.detail["client"] == session(RADIUS).detail["client"]
    day_before = session({**RADIUS, "Event-Timestamp": "Feb 28 2026 11:58:00 GMT"})
    assert day_before.detail["client"] != session(RADIUS).detail["client"]
    assert session(RADIUS, key=b"j" * 32).detail["client"] != session(RADIUS).detail["client"]


def test_without_a_key_nothing_of_a_client_is_kept() -> None:
    event = session(RADIUS, key=None)
    assert "client" not in event.detail
    assert "session" not in event.detail


def test_radius_that_is_no_accounting_says_so_and_keeps_no_client() -> None:
    found = decoded("radius", "gw1", "radius/gw1/accounting", {**RADIUS, "Acct-Status-Type": "Failed"})
    (dead,) = found.rejected
    assert "not one of Start, Interim-Update, Stop" in dead.reason
    assert CLIENT.encode() not in dead.raw
    assert b"gw1" in dead.raw
    assert json.loads(dead.raw)["Calling-Station-Id"] == session(RADIUS).detail["client"]


def test_a_stranger_keeps_its_own_address_and_nobody_elses() -> None:
    body = {**RADIUS, "NAS-Identifier": "AA-BB-CC-00-11-22"}
    (unknown,) = decoded("radius", "", "radius/gw1/accounting", body).unknown_devices
    assert b"AA-BB-CC-00-11-22" in unknown.raw
    assert CLIENT.encode() not in unknown.raw
    later = decoded("radius", "AA-BB-CC-00-11-22", "radius/gw1/accounting", unknown.raw)
    (event,) = [one for one in later.records if isinstance(one, EventRecord)]
    assert event.detail["client"] == session(RADIUS).detail["client"], "known later, it is the same client"


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
    assert values(decoded("collectd", "OpenWrt", f"collectd/OpenWrt/{topic}", payload)) == expected


@pytest.mark.parametrize("topic", ["load/load", "interface-eth0/if_octets", "df-root/df_complex-used", "irq/irq-1"])
def test_collectd_figures_that_the_contract_has_not_are_ignored(topic: str) -> None:
    assert decoded("collectd", "OpenWrt", f"collectd/OpenWrt/{topic}", b"1772366340:1:2").ignored


def test_collectd_unknown_is_not_zero_and_nonsense_is_dead() -> None:
    assert decoded("collectd", "OpenWrt", "collectd/OpenWrt/iwinfo-wlan0/stations", b"1772366340:U\0").ignored
    for payload in (b"", b"x", b"1772366340", b"1772366340:a", b"\xff:1"):
        assert decoded("collectd", "OpenWrt", "collectd/OpenWrt/iwinfo-wlan0/stations", payload).rejected


def test_collectd_radios_told_one_by_one_add_up() -> None:
    history = StatefulRules()
    counts = []
    for second, (radio, count) in enumerate([("wlan0", 5), ("wlan1", 7), ("wlan0", 4)]):
        payload = f"{1772366340 + second}:{count}".encode()
        found = decoded("collectd", "r", f"collectd/r/iwinfo-{radio}/stations", payload)
        (reading,) = history.apply(found.records)
        history.commit()
        assert isinstance(reading, Reading)
        counts.append((reading.values["clients"], reading.values["clients_by_radio"]))
    assert counts == [(5, '{"wlan0":5}'), (12, '{"wlan0":5,"wlan1":7}'), (11, '{"wlan0":4,"wlan1":7}')]


@needs_samples
@pytest.mark.parametrize("path", sorted((SAMPLES / "wifi").glob("*.json")), ids=lambda path: path.stem)
def test_no_clients_address_of_any_sample_is_in_what_is_kept(path: Path) -> None:
    """On every topic that takes it, known and unknown, readable or not; the address of the access point may stay."""
    text = path.read_text(encoding="utf-8")
    body = json.loads(text)
    clients = {flat_mac(one) for one in MACS.findall(text)}
    equipment = {flat_mac(one) for one in ("80:2a:a8:00:01:02", "00:00:00:00:00:00")}
    bodies = [body.get(key) for key in ("data", "payload", "start") if key in body] or [body]
    for topic in (
        "unifi/s/device",
        "unifi/s/sta",
        "unifi/s/event",
        "radius/n/accounting",
        "netjson/r",
        "omada/s/clients",
    ):
        for part in (*bodies, *(bodies[0].values() if isinstance(bodies[0], dict) else ())):
            for address in ("", "80:2a:a8:00:01:02"):
                adapter = topic.split("/")[0]
                found = decoded(adapter, address, topic, part)
                kept = msgspec.json.encode([found.records, [one.raw for one in found.rejected]]).decode()
                kept += b"".join(one.raw for one in (*found.rejected, *found.unknown_devices)).decode(
                    "utf-8", "replace"
                )
                seen = {flat_mac(one) for one in MACS.findall(kept)}
                own = {flat_mac(name) for one in found.unknown_devices for name in one.names}
                assert not (seen & clients) - equipment - own, (topic, path.name)


def test_a_pseudonym_of_a_pseudonym_is_itself_and_other_texts_stay() -> None:
    made = Pseudonyms(KEY, WITA)
    first = made.redact_macs(f'{{"mac":"{CLIENT}","bare":"40d3ae04320c","dots":"40d3.ae04.320c"}}'.encode(), (), NOW)
    assert made.redact_macs(first, (), NOW) == first
    assert len(set(re.findall(rb"02:6b(?::[0-9a-f]{2}){4}", first))) == 1, "one client in three spellings"
    plain = b'{"eui":"24e124136b000001","time":"12:34:56","id":"0001-02-03"}'
    assert made.redact_macs(plain, (), NOW) == plain
    assert made.redact_macs(CLIENT.encode(), ("40-d3-ae-04-32-0c",), NOW) == CLIENT.encode()


def test_a_day_is_the_citys() -> None:
    made = Pseudonyms(KEY, WITA)
    evening = datetime(2026, 3, 1, 15, 59, tzinfo=UTC)
    assert made.of_mac(CLIENT, evening) == made.of_mac(CLIENT, NOW)
    assert made.of_mac(CLIENT, evening + timedelta(minutes=1)) != made.of_mac(CLIENT, NOW)


def test_which_topics_name_clients() -> None:
    assert has_clients("radius/n/accounting")
    assert has_clients("whatever/nobody/reads")
    assert not has_clients("v3/a@t/devices/x/up")


KEYS = [
    *("data", "result", "mac", "type", "state", "num_sta", "radio_table_stats", "vap_table", "system-stats", "ap_mac"),
    *("apMac", "essid", "key", "ap", "interfaces", "wireless", "mode", "clients", "statistics", "general", "resources"),
    *("load", "cpus", "memory", "disk", "Acct-Status-Type", "Event-Timestamp", "Acct-Input-Octets", "value", "uptime"),
]
shaped = shaped_like(KEYS)
TOPICS = [
    *("netjson/a", "netjson/a/b", "unifi/s/device", "unifi/s/sta", "unifi/s/rogueap", "unifi/s/event"),
    *("omada/s/devices", "omada/s/clients", "radius/n/accounting", "collectd/h/iwinfo-w/stations"),
]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(topic=st.sampled_from(TOPICS), body=shaped | st.binary(max_size=40))
def test_an_adapter_hears_or_refuses_and_does_nothing_else(topic: str, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        found = adapter_for(topic).decode(topic, raw)
    except PayloadError:
        return
    assert all(one.names for one in found)
