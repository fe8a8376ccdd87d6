"""Names, number plates and addresses of people are nowhere in what is kept."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ingest.decoding.formats.registry import lists_clients
from ingest.decoding.pseudonyms import Pseudonyms, flat_mac
from tests.support.decoding import NOW, decoded, decoded_ap, device, events
from tests.support.field_samples import SAMPLES, needs_samples

TRUCK = device("traccar", "860", "traccar-truck")


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        (
            "positions",
            {
                "device": {"uniqueId": "1", "phone": "0812-99"},
                "position": {"deviceTime": "2026-03-01T12:00:00Z", "attributes": {"driverUniqueId": "A-77"}},
            },
        ),
        ("860000000000009/data", {"ts": 1772366400000, "207": "A-77", "sp": 1, "403": "0812-99"}),
    ],
)
def test_drivers_are_not_named_in_what_waits(topic: str, body: dict[str, Any]) -> None:
    (unknown,) = decoded(TRUCK, topic, body).unknown_devices
    assert b"A-77" not in unknown.raw
    assert b"0812-99" not in unknown.raw


RULE = "tns1:RuleEngine/"

NAMED = [
    (
        "frigate/events",
        {
            "type": "new",
            "before": {"sub_label": "John Smith"},
            "after": {
                "id": "1.1-a",
                "camera": "pasar",
                "label": "car",
                "sub_label": ["John Smith", 0.9],
                "recognized_license_plate": "DH1234AB",
                "start_time": 1772366380.1,
                "false_positive": False,
            },
        },
    ),
    (
        "frigate/reviews",
        {
            "type": "end",
            "after": {
                "id": "2.1-a",
                "camera": "pasar",
                "severity": "alert",
                "start_time": 1772366300.1,
                "end_time": 1772366310.1,
                "data": {"objects": ["person"], "sub_labels": ["John Smith"], "zones": ["gate"]},
            },
        },
    ),
    (
        "onvif/pasar/event",
        {"topic": f"{RULE}ObjectDetection/X", "data": {"LicensePlateInfo": "DH1234AB", "FaceName": "John"}},
    ),
    (
        "axis/pasar/event/x",
        {
            "topic": "axis:CameraApplicationPlatform/ALPV.AllPlates",
            "message": {"data": {"text": "DH1234AB", "state": "1"}},
        },
    ),
]


@pytest.mark.parametrize(("topic", "body"), NAMED, ids=[topic for topic, _ in NAMED])
def test_who_was_recognised_is_nowhere_and_what_waits_tells_the_same(topic: str, body: dict[str, Any]) -> None:
    adapter = topic.partition("/")[0]
    camera = device(adapter, "pasar", f"{adapter}-camera")
    nobody = device(adapter, "elsewhere", f"{adapter}-camera")
    (unknown,) = decoded(nobody, topic, body).unknown_devices
    assert events(decoded(camera, topic, unknown.raw)) == events(decoded(camera, topic, body))
    cut = json.dumps(body).encode()[:-3]
    (letter,) = decoded(nobody, topic, cut).rejected
    for kept in (unknown.raw, letter.raw):
        assert b"John" not in kept
        assert b"DH1234AB" not in kept


KEY = b"k" * 32

WITA = ZoneInfo("Asia/Makassar")

CLIENT = "40:D3:AE:04:32:0C"

MACS = re.compile(r"(?i)\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b")


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
    found = decoded_ap(topic.split("/")[0], "", topic, raw)
    kept = [message.raw for message in (*found.unknown_devices, *found.rejected)]
    assert kept
    for raw_message in kept:
        assert not SECRETS.search(raw_message.decode()), raw_message
    assert len(found.rejected) == bool(breaking and not (breaking == "status" and not name.startswith("radius")))


@needs_samples
@pytest.mark.parametrize("path", sorted((SAMPLES / "wifi").glob("*.json")), ids=lambda path: path.stem)
def test_no_clients_address_of_any_sample_is_in_what_is_kept(path: Path) -> None:
    """On every topic that takes it, known and unknown, readable or not; the address of the access point may stay."""
    text = path.read_text(encoding="utf-8")
    body = json.loads(text)
    clients = {flat_mac(mac) for mac in MACS.findall(text)}
    equipment = {flat_mac(mac) for mac in ("80:2a:a8:00:01:02", "00:00:00:00:00:00")}
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
                found = decoded_ap(adapter, address, topic, part)
                kept = msgspec.json.encode([found.records, [letter.raw for letter in found.rejected]]).decode()
                kept += b"".join(message.raw for message in (*found.rejected, *found.unknown_devices)).decode(
                    "utf-8", "replace"
                )
                seen = {flat_mac(mac) for mac in MACS.findall(kept)}
                own = {flat_mac(name) for unknown_device in found.unknown_devices for name in unknown_device.names}
                assert not (seen & clients) - equipment - own, (topic, path.name)


def test_a_pseudonym_of_a_pseudonym_is_itself_and_other_texts_stay() -> None:
    made = Pseudonyms(KEY, WITA)
    first = made.redact_macs(f'{{"mac":"{CLIENT}","bare":"40d3ae04320c","dots":"40d3.ae04.320c"}}'.encode(), (), NOW)
    assert made.redact_macs(first, (), NOW) == first
    assert len(set(re.findall(rb"02:6b(?::[0-9a-f]{2}){4}", first))) == 1, "one client in three spellings"
    plain = b'{"eui":"24e124136b000001","time":"12:34:56","id":"0001-02-03"}'
    assert made.redact_macs(plain, (), NOW) == plain
    assert made.redact_macs(CLIENT.encode(), ("40d3ae04320c",), NOW) == CLIENT.encode()


def test_a_day_is_the_citys() -> None:
    made = Pseudonyms(KEY, WITA)
    evening = datetime(2026, 3, 1, 15, 59, tzinfo=UTC)
    assert made.of_mac(CLIENT, evening) == made.of_mac(CLIENT, NOW)
    assert made.of_mac(CLIENT, evening + timedelta(minutes=1)) != made.of_mac(CLIENT, NOW)


def test_which_topics_name_clients() -> None:
    assert lists_clients("radius/n/accounting")
    assert lists_clients("whatever/nobody/reads")
    assert not lists_clients("v3/a@t/devices/x/up")


HOME = {
    "SSID": "Home of somebody",
    "BSSID": "aa:bb:cc:11:22:33",
    "inregions": ["home", "school"],
    "driverName": "A. Somebody",
    "user_name": "somebody",
    "contactEmail": "x",
    "note": "write to some.body@example.org, or call",
    "phoneNumber": "+62 812 3456",
    "nearby": ["40d3.ae04.320c", "AA-BB-CC-11-22-33"],
}
KEPT = {"lid": "open", "level": "1500 mm", "devEUI": "0011223344556677", "eui": "00:11:22:33:44:55:66:77", "n": 3}


@pytest.mark.parametrize("topic", ["json/nobody", "owntracks/x/phone", "tele/nobody/SENSOR", "v3/a@t/devices/x/up"])
def test_no_format_keeps_in_clear_what_tells_of_people(topic: str) -> None:
    bodies = {
        "owntracks": {"_type": "location", "tst": 1772366400, "lat": -10.17, "lon": 123.58},
        "v3": {"uplink_message": {"f_port": 1, "frm_payload": "AAAA"}, "received_at": "2026-03-01T12:00:00Z"},
    }
    body = {**bodies.get(topic.split("/", maxsplit=1)[0], {}), **HOME, **KEPT}
    for raw in (json.dumps(body).encode(), json.dumps(body).encode()[:-9]):
        result = decoded(TRUCK, topic, raw)
        kept = b"".join([*(unknown.raw for unknown in result.unknown_devices), *(part.raw for part in result.rejected)])
        assert kept, topic
        text = kept.decode().lower()
        for word in ("somebody", "some.body", "school", "home", "812", "bb:cc", "bb-cc", "ae04", "ae:04"):
            assert word not in text, word
        for value in ("open", "1500 mm", "0011223344556677", "00:11:22:33:44:55:66:77"):
            assert value in text, value
