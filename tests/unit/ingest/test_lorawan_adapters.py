"""LoRaWAN network servers' formats on messages that no sample has: The Things Stack, ChirpStack, LORIOT, Milesight."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from city.inventory.model import Device
from ingest.store.records import Reading, StatusRecord
from tests.support.decoding import NOW, decoded, device, events, values

EUI = "24e124aabbccdd01"
EM310 = device("tts", EUI, "milesight-em310-udl")
FRAME = base64.b64encode(bytes.fromhex("01755C0382E803040000")).decode()
READ = {"battery_pct": 92.0, "lid_open": False, "distance_mm": 1000.0}


def tts(**uplink: Any) -> dict[str, Any]:
    return {
        "end_device_ids": {"dev_eui": EUI.upper()},
        "received_at": "2026-03-01T12:00:00.123456789Z",
        "uplink_message": {"frm_payload": FRAME, "f_port": 85, **uplink},
    }


@pytest.mark.parametrize(
    "body",
    [
        tts(),
        tts(decoded_payload={"distance": 5, "battery": 1}),
        {"name": "as.up.data.forward", "data": tts()},
        {"result": tts()},
    ],
    ids=["plain", "own bytes win", "live data", "storage"],
)
def test_things_stack_in_its_wrappings(body: dict[str, Any]) -> None:
    found = values(decoded(EM310, "v3/a@t/devices/x/up", body))
    assert {name: found[name] for name in READ} == READ


def test_things_stack_a_location_moves_a_tracker() -> None:
    body = {**tts(), "location_solved": {"location": {"latitude": -10.1, "longitude": 123.5}}}
    found = decoded(device("tts", EUI, "lorawan-tracker"), "v3/a/devices/x/location/solved", body)
    assert values(found) == {"lat_deg": -10.1, "lon_deg": 123.5}


def test_chirpstack_up_status_join_and_what_is_silent() -> None:
    one = device("chirpstack", EUI, "milesight-em310-udl")
    topic = f"application/7/device/{EUI}/event/"
    head = {"time": "2026-03-01T11:59:00.235700766+00:00", "deviceInfo": {"devEui": EUI}}
    up = decoded(one, topic + "up", {**head, "fPort": 85, "data": FRAME, "rxInfo": [{"rssi": -90}, {"rssi": -70}]})
    assert values(up) == {**READ, "fill_pct": 42.86, "rssi_dbm": -70.0}
    assert values(decoded(one, topic + "status", {**head, "batteryLevel": 88.3})) == {"battery_pct": 88.3}
    on_mains = {**head, "batteryLevel": 0, "externalPowerSource": True}
    assert decoded(one, topic + "status", on_mains).ignored, "mains is no empty battery"
    (join,) = decoded(one, topic + "join", head).records
    assert isinstance(join, StatusRecord)
    assert all(decoded(one, topic + sort, head).ignored for sort in ("ack", "txack", "log", "integration"))
    (log,) = decoded(one, topic + "up", {**head, "level": "ERROR", "code": "UPLINK_CODEC"}).rejected
    assert log.reason.startswith("the server's log, no uplink: UPLINK_CODEC")


def test_chirpstack_only_an_object_and_its_numbers_are_floats() -> None:
    one = device("chirpstack", EUI, "dingtek-df703")
    body = {
        "deviceInfo": {"devEui": EUI},
        "time": NOW.isoformat(),
        "object": {"level": 800.0, "alarmFire": True, "alarmBattery": 0.0, "angle": None},
    }
    found = decoded(one, f"application/7/device/{EUI}/event/up", body)
    assert values(found)["distance_mm"] == 800.0
    assert events(found) == [("fire", "raised"), ("low_battery", "cleared")]


def test_loriot_rx_and_gw_are_one_reading() -> None:
    one = device("loriot", EUI, "milesight-em310-udl")
    rx = {"cmd": "rx", "EUI": EUI.upper(), "ts": 1772366340000, "fcnt": 9, "port": 85, "data": "01755C0382E803040000"}
    gw = {**rx, "cmd": "gw", "gws": [{"rssi": -44}]}
    first, second = (decoded(one, "loriot/app", body).records[0] for body in ({**rx, "rssi": -50, "bat": 255}, gw))
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert first.origin.seq == second.origin.seq
    assert (first.values["rssi_dbm"], second.values["rssi_dbm"]) == (-50.0, -44.0)
    assert "only `encdata`" in decoded(one, "loriot/app", {"cmd": "rx", "EUI": EUI, "encdata": "aa"}).rejected[0].reason


def test_an_uplink_sent_again_in_another_envelope_is_the_same_reading() -> None:
    def seq(body: dict[str, Any]) -> int:
        record = decoded(EM310, "v3/a@t/devices/x/up", body).records[0]
        assert isinstance(record, Reading)
        return record.origin.seq

    again = {**tts(f_cnt=3), "correlation_ids": ["other"]}
    assert seq(tts(f_cnt=3)) == seq(again)
    assert seq(tts(f_cnt=3)) != seq(tts(f_cnt=4))


NOTHING_IN_THEM: list[tuple[Device, str, dict[str, Any]]] = [
    (
        EM310,
        f"v3/a@t/devices/{EUI}/up",
        {
            "end_device_ids": {"dev_eui": EUI},
            "received_at": "2026-03-01T12:00:00Z",
            "uplink_message": {"f_port": 1, "f_cnt": 7, "rx_metadata": [{"rssi": -81}]},
        },
    ),
    (
        device("chirpstack", EUI, "milesight-em310-udl"),
        f"application/1/device/{EUI}/event/up",
        {"time": "2026-03-01T12:00:00Z", "fCnt": 7, "data": "", "rxInfo": [{"rssi": -81}]},
    ),
    (
        device("loriot", EUI, "milesight-em310-udl"),
        "loriot/bins",
        {"cmd": "rx", "EUI": EUI, "ts": 1772366400000, "fcnt": 7, "port": 0, "data": "", "rssi": -81},
    ),
]


@pytest.mark.parametrize(("one", "topic", "body"), NOTHING_IN_THEM, ids=["tts", "chirpstack", "loriot"])
def test_an_uplink_that_carries_nothing_says_that_the_device_is_there(
    one: Device, topic: str, body: dict[str, Any]
) -> None:
    found = decoded(one, topic, body)
    assert not found.rejected
    assert values(found) == {"rssi_dbm": -81.0}
    assert [status.state for status in found.records if isinstance(status, StatusRecord)] == ["online"]


def test_chirpstack_3_wrote_what_it_decoded_as_a_text() -> None:
    one = device("chirpstack", EUI, "milesight-em310-udl")
    body = {"devEUI": EUI, "fCnt": 3, "fPort": 9, "data": "", "objectJSON": '{"distance": 1000, "battery": 92}'}
    body["rxInfo"] = [{"gwTime": "2026-03-01T12:00:00Z"}]
    found = values(decoded(one, f"application/1/device/{EUI}/rx", body))
    assert (found["distance_mm"], found["battery_pct"]) == (1000.0, 92.0)


def test_a_stored_measurement_that_is_asked_for_twice_is_one_reading() -> None:
    one = device("tts", EUI, "dragino-ldds75")
    stored = [bytes.fromhex("0D3B0AEF010540" + at) for at in ("69A41F30", "69A41F6C", "69A41FA8")]
    seen = set()
    for count, records in ((7, stored[:2]), (8, stored)):
        frame = base64.b64encode(b"".join(records)).decode()
        found = decoded(one, f"v3/a@t/devices/{EUI}/up", tts(f_port=3, f_cnt=count, frm_payload=frame))
        seen |= {(each.origin.measured_at, each.origin.seq) for each in found.records if isinstance(each, Reading)}
    assert len(seen) == 3


def test_loriot_decodes_within_data() -> None:
    one = device("loriot", EUI, "milesight-em310-udl")
    body = {"cmd": "rx", "EUI": EUI, "ts": 1772366400000, "fcnt": 7, "decoded": {"data": {"distance": 1000}}}
    assert values(decoded(one, "loriot/bins", body))["distance_mm"] == 1000.0


def test_milesight_bytes_as_hexadecimal_digits() -> None:
    head = "020001005f00000001303130313031313036373439443139303534363930303331383638353038303634383037333530"
    head += "343630303433323334323233313131303839383630343132313032323730303632383537"
    frame = head[: 2 * 83] + "09000e" + "01756403670b0104823b01050001"
    one = device("milesight", "868508064807350", "milesight-em400-mud")
    for payload in (bytes.fromhex(frame), frame.encode(), frame.upper().encode()):
        assert values(decoded(one, "milesight/nbiot", payload))["temperature_c"] == 26.7
    assert decoded(one, "milesight/nbiot", b"02zz").rejected
