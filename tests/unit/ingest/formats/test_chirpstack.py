"""ChirpStack: uplinks, battery states, joins, and what says nothing."""

from __future__ import annotations

import base64

from ingest.store.records import StatusRecord
from tests.support.decoding import NOW, decoded, device, events, values

EUI = "24e124aabbccdd01"

FRAME = base64.b64encode(bytes.fromhex("01755C0382E803040000")).decode()

READ = {"battery_pct": 92.0, "lid_open": False, "distance_mm": 1000.0}


def test_chirpstack_up_status_join_and_what_is_silent() -> None:
    sensor = device("chirpstack", EUI, "milesight-em310-udl")
    topic = f"application/7/device/{EUI}/event/"
    head = {"time": "2026-03-01T11:59:00.235700766+00:00", "deviceInfo": {"devEui": EUI}}
    up = decoded(sensor, topic + "up", {**head, "fPort": 85, "data": FRAME, "rxInfo": [{"rssi": -90}, {"rssi": -70}]})
    assert values(up) == {**READ, "fill_pct": 42.86, "rssi_dbm": -70.0}
    assert values(decoded(sensor, topic + "status", {**head, "batteryLevel": 88.3})) == {"battery_pct": 88.3}
    on_mains = {**head, "batteryLevel": 0, "externalPowerSource": True}
    assert decoded(sensor, topic + "status", on_mains).ignored, "mains is no empty battery"
    (join,) = decoded(sensor, topic + "join", head).records
    assert isinstance(join, StatusRecord)
    assert all(decoded(sensor, topic + sort, head).ignored for sort in ("ack", "txack", "log", "integration"))
    (log,) = decoded(sensor, topic + "up", {**head, "level": "ERROR", "code": "UPLINK_CODEC"}).rejected
    assert log.reason.startswith("the server's log, no uplink: UPLINK_CODEC")


def test_chirpstack_only_an_object_and_its_numbers_are_floats() -> None:
    sensor = device("chirpstack", EUI, "dingtek-df703")
    body = {
        "deviceInfo": {"devEui": EUI},
        "time": NOW.isoformat(),
        "object": {"level": 800.0, "alarmFire": True, "alarmBattery": 0.0, "angle": None},
    }
    found = decoded(sensor, f"application/7/device/{EUI}/event/up", body)
    assert values(found)["distance_mm"] == 800.0
    assert events(found) == [("fire", "raised"), ("low_battery", "cleared")]


def test_chirpstack_3_wrote_what_it_decoded_as_a_text() -> None:
    sensor = device("chirpstack", EUI, "milesight-em310-udl")
    body = {"devEUI": EUI, "fCnt": 3, "fPort": 9, "data": "", "objectJSON": '{"distance": 1000, "battery": 92}'}
    body["rxInfo"] = [{"gwTime": "2026-03-01T12:00:00Z"}]
    found = values(decoded(sensor, f"application/1/device/{EUI}/rx", body))
    assert (found["distance_mm"], found["battery_pct"]) == (1000.0, 92.0)
