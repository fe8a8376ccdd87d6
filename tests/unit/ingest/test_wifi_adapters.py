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

from broker.contract.errors import PayloadError
from city.inventory import builtin_city, load_city
from city.model import AccessPoint, Address
from ingest.adapters.registry import adapter_for, has_clients
from ingest.decode import Decoded, Decoder
from ingest.history import History
from ingest.journal import Arrival
from ingest.pseudonyms import Pseudonyms, flat_mac
from ingest.store.records import EventRecord, Reading, StatusRecord
from tests.support.field_samples import SAMPLES, load
from tests.support.shapes import shaped_like

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = b"k" * 32
WITA = ZoneInfo("Asia/Makassar")
CLIENT = "40:D3:AE:04:32:0C"
MACS = re.compile(r"(?i)\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b")
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of real messages is not here")


def decoded(adapter: str, address: str, topic: str, body: Any, *, key: bytes | None = KEY) -> Decoded:
    city = load_city(builtin_city("kupang"))
    profile = next(one.id for one in city.profiles.values() if one.adapters == (adapter,))
    one = AccessPoint(id="ap", model="m", ssids=(), reach=Address(adapter, address, profile))
    city.hold({"ap": one} if address else {})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    decoder = Decoder(city, late_after=timedelta(days=9000), pseudonym_key=key)
    return decoder.decode(Arrival(topic, raw, NOW))


def values(found: Decoded) -> dict[str, Any]:
    (record,) = [one for one in found.records if isinstance(one, Reading)]
    return record.values


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
        "rx_bytes": 2599,
        "tx_bytes": 971,
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
    (stranger,) = found.strangers
    assert stranger.names == ("80:2a:a8:00:01:03", "Taman")
    assert json.loads(stranger.raw)["data"][0]["num_sta"] == 3
    assert b"secret" not in stranger.raw
    again = decoded("unifi", "80:2a:a8:00:01:03", "unifi/default/device", stranger.raw)
    assert values(again) == {"clients": 3}, "what waits can be stored later"


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
    (dead,) = found.dead
    assert "not one of Start, Interim-Update, Stop" in dead.reason
    assert CLIENT.encode() not in dead.raw
    assert b"gw1" in dead.raw
    assert json.loads(dead.raw)["Calling-Station-Id"] == session(RADIUS).detail["client"]


def test_a_stranger_keeps_its_own_address_and_nobody_elses() -> None:
    body = {**RADIUS, "NAS-Identifier": "AA-BB-CC-00-11-22"}
    (stranger,) = decoded("radius", "", "radius/gw1/accounting", body).strangers
    assert b"AA-BB-CC-00-11-22" in stranger.raw
    assert CLIENT.encode() not in stranger.raw
    later = decoded("radius", "AA-BB-CC-00-11-22", "radius/gw1/accounting", stranger.raw)
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
        assert decoded("collectd", "OpenWrt", "collectd/OpenWrt/iwinfo-wlan0/stations", payload).dead


def test_collectd_radios_told_one_by_one_add_up() -> None:
    history = History()
    counts = []
    for second, (radio, count) in enumerate([("wlan0", 5), ("wlan1", 7), ("wlan0", 4)]):
        payload = f"{1772366340 + second}:{count}".encode()
        found = decoded("collectd", "r", f"collectd/r/iwinfo-{radio}/stations", payload)
        (reading,) = history.settle(found.records)
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
                kept = msgspec.json.encode([found.records, [one.raw for one in found.dead]]).decode()
                kept += b"".join(one.raw for one in (*found.dead, *found.strangers)).decode("utf-8", "replace")
                seen = {flat_mac(one) for one in MACS.findall(kept)}
                own = {flat_mac(name) for one in found.strangers for name in one.names}
                assert not (seen & clients) - equipment - own, (topic, path.name)


def test_a_pseudonym_of_a_pseudonym_is_itself_and_other_texts_stay() -> None:
    made = Pseudonyms(KEY, WITA)
    first = made.scrubbed(f'{{"mac":"{CLIENT}","bare":"40d3ae04320c","dots":"40d3.ae04.320c"}}'.encode(), (), NOW)
    assert made.scrubbed(first, (), NOW) == first
    assert len(set(re.findall(rb"02:6b(?::[0-9a-f]{2}){4}", first))) == 1, "one client in three spellings"
    plain = b'{"eui":"24e124136b000001","time":"12:34:56","id":"0001-02-03"}'
    assert made.scrubbed(plain, (), NOW) == plain
    assert made.scrubbed(CLIENT.encode(), ("40-d3-ae-04-32-0c",), NOW) == CLIENT.encode()


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
