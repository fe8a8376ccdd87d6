"""Adapters on messages that no sample has: what the formats allow, what they leave out, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.contract.topics import KINDS
from city.errors import PayloadError
from ingest.decoding.adapters.registry import ADAPTERS, FILTERS, adapter_for
from ingest.store.records import EventRecord, Reading, StatusRecord
from tests.support.decoding import BASE, NOW, decoded, device, events, quality, values
from tests.support.shapes import shaped_like

TRUCK = device("traccar", "860", "traccar-truck")


def traccar(attributes: dict[str, Any] | None = None, **position: Any) -> dict[str, Any]:
    place = {
        "deviceTime": "2026-03-01T11:59:30.000+0000",
        "fixTime": "2026-03-01T11:59:29.000+0000",
        "valid": True,
        "latitude": -10.17,
        "longitude": 123.6,
        "speed": 20.0,
        "course": 90.0,
        "outdated": False,
    }
    return {
        "position": {**place, **position, "attributes": attributes or {}},
        "device": {"uniqueId": "860", "name": "DH 8014 A"},
    }


def test_a_position_hundreds_of_metres_wide_is_none() -> None:
    truck = device("owntracks", "u/d", "owntracks-truck")
    at = int(NOW.timestamp())
    body = {"_type": "location", "tst": at, "lat": -10.17, "lon": 123.58, "batt": 40}
    assert values(decoded(truck, "owntracks/u/d", {**body, "acc": 65}))["lat_deg"] == -10.17
    wide = decoded(truck, "owntracks/u/d", {**body, "acc": 1414})
    assert (values(wide), quality(wide)) == ({"battery_pct": 40.0}, ("no_fix",))


def test_traccar_units() -> None:
    attributes = {
        "ignition": True,
        "odometer": 1234567.0,
        "hours": 7_200_000,
        "power": 12.6,
        "batteryLevel": 80,
        "in1": True,
        "sat": 9,
        "dtcs": "P0217 P0300",
        "fuelLevel": 55,
        "rpm": 900,
        "coolantTemp": 88,
    }
    assert values(decoded(TRUCK, "positions", traccar(attributes))) == {
        "lat_deg": -10.17,
        "lon_deg": 123.6,
        "speed_kmh": 37.04,
        "heading_deg": 90.0,
        "ignition": True,
        "odometer_km": 1234.567,
        "engine_h": 2.0,
        "power_v": 12.6,
        "battery_pct": 80.0,
        "satellites": 9,
        "engine_rpm": 900.0,
        "engine_temp_c": 88.0,
        "fault_codes": '["P0217","P0300"]',
        "pto": True,
        "fuel_pct": 55.0,
    }


@pytest.mark.parametrize(
    ("position", "word"),
    [
        ({"valid": False}, "no_fix"),
        ({"latitude": 0, "longitude": 0}, "no_fix"),
        ({"outdated": True}, "outdated"),
        ({"fixTime": "2026-02-28T11:59:29.000+0000"}, "outdated"),
    ],
)
def test_traccar_positions_that_are_none_are_left_out_with_their_reason(position: dict[str, Any], word: str) -> None:
    found = decoded(TRUCK, "positions", traccar({"ignition": True}, **position))
    assert "lat_deg" not in values(found)
    assert values(found)["ignition"] is True
    assert quality(found) == (word,)


def test_traccar_an_alarm_is_one_event_as_position_and_as_event() -> None:
    position = traccar({"alarm": "powerCut,sos"})
    event = {
        "event": {"type": "alarm", "eventTime": "2026-03-01T11:59:31.000+0000", "attributes": {"alarm": "powerCut"}},
        **position,
    }
    first, second = decoded(TRUCK, "positions", position), decoded(TRUCK, "events", event)
    assert events(first) == [("power_cut", "raised"), ("panic", "noted")]
    assert events(second) == [("power_cut", "raised")]
    pair = [one.origin for found in (first, second) for one in found.records if isinstance(one, EventRecord)]
    assert (pair[0].epoch, pair[0].seq) == (pair[2].epoch, pair[2].seq)


def test_traccar_says_who_is_there() -> None:
    event = {"event": {"type": "deviceOffline", "eventTime": NOW.isoformat()}, "device": {"uniqueId": "860"}}
    (record,) = decoded(TRUCK, "events", event).records
    assert isinstance(record, StatusRecord)
    assert (record.state, record.reason) == ("offline", "deviceOffline")


IMEI = "359632104100200"


def teltonika(**reported: Any) -> dict[str, Any]:
    return {"state": {"reported": {"ts": 1772366340000, "latlng": "-10.17,123.6", "sat": "7", **reported}}}


def test_teltonika_in_texts_and_numbers_with_inputs_by_profile() -> None:
    one = device("teltonika", IMEI, "teltonika-truck")
    reported = {"239": 1, "66": "11922", "16": 10876, "sp": "31", "ang": 90, "182": 9, "2": 1, "252": 0, "pr": 2}
    found = decoded(one, f"city/user/teltonika/{IMEI}/data", teltonika(**reported))
    assert values(found) == {
        "lat_deg": -10.17,
        "lon_deg": 123.6,
        "speed_kmh": 31.0,
        "heading_deg": 90.0,
        "hdop": 0.9,
        "satellites": 7,
        "ignition": True,
        "odometer_km": 10.876,
        "power_v": 11.922,
        "pto": True,
    }
    assert events(found) == [("power_cut", "cleared"), ("panic", "noted")]


def test_teltonika_without_satellites_has_no_position_and_a_clock_of_2004_is_not_believed() -> None:
    one = device("teltonika", IMEI, "teltonika-truck")
    found = decoded(one, f"{IMEI}/data", teltonika(ts=1072915236000, sat=0, sp=0, ang=0))
    (record,) = found.records
    assert isinstance(record, Reading)
    assert record.origin.quality == ("clock", "no_fix")
    assert (record.origin.measured_at, record.origin.device_at) == (NOW, datetime(2004, 1, 1, 0, 0, 36, tzinfo=UTC))
    assert record.values == {"satellites": 0}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"evt": 255, "255": 92}, [("overspeed", "noted")]),
        ({"evt": 240, "255": 92}, []),
        ({"evt": "236", "236": "1"}, [("panic", "noted")]),
        ({"evt": 236, "236": 0}, []),
    ],
)
def test_teltonika_what_made_a_record_is_an_event_of_it_alone(
    record: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    truck = device("teltonika", "860000000000001", "teltonika-truck")
    body = {"state": {"reported": {"ts": int(NOW.timestamp() * 1000), "latlng": "-10.1,123.5", "sat": 9, **record}}}
    assert events(decoded(truck, "860000000000001/data", body)) == expected


def test_teltonika_several_records_in_one_message() -> None:
    one = device("teltonika", IMEI, "teltonika-truck")
    both = {"state": {"reported": [{"ts": 1772366340000, "239": 1}, {"ts": 1772366350000, "239": 0}]}}
    found = decoded(one, f"{IMEI}/data", both)
    assert [record.values for record in found.records if isinstance(record, Reading)] == [
        {"ignition": True},
        {"ignition": False},
    ]


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


def test_fiware_by_short_keys_in_every_topic_form() -> None:
    one = device("fiware", "key1/bin7", "sensoneo-short")
    for topic in ("/key1/bin7/attrs", "/json/key1/bin7/attrs"):
        assert values(decoded(one, topic, {"f": 85, "t": 31})) == {
            "distance_mm": 850.0,
            "fill_pct": 53.57,
            "temperature_c": 31.0,
        }
    assert values(decoded(one, "/key1/bin7/attrs/t", b"29.5")) == {"temperature_c": 29.5}
    assert len(decoded(one, "/key1/bin7/attrs", [{"f": 85}, {"f": 86}]).records) == 2
    timed = decoded(one, "/key1/bin7/attrs", {"f": 85, "TimeInstant": "2026-03-01T11:00:00Z"}).records[0]
    assert isinstance(timed, Reading)
    assert timed.origin.measured_at == NOW - timedelta(hours=1)


def test_tasmota_local_time_units_and_last_will() -> None:
    one = device("tasmota", "bak", "tasmota-sr04")
    body = {"Time": "2026-03-01T19:59:00", "SR04": {"Distance": 45.2}, "DS18B20": {"Temperature": 86}, "TempUnit": "F"}
    found = decoded(one, "tele/bak/SENSOR", body)
    assert values(found) == {"distance_mm": 452.0, "fill_pct": 82.0, "temperature_c": 30.0}
    record = found.records[0]
    assert isinstance(record, Reading)
    assert record.origin.measured_at == NOW - timedelta(minutes=1), "19:59 in Kupang"
    unset = decoded(one, "tele/bak/SENSOR", {"Time": "1970-01-01T08:00:10", "SR04": {"Distance": 45.2}})
    assert quality(unset) == ("clock",)
    (will,) = decoded(one, "tele/bak/LWT", b"Offline", retained=True).records
    assert isinstance(will, StatusRecord)
    assert (will.state, will.reason) == ("offline", "lost")
    assert decoded(one, "tele/bak/LWT", b"maybe").rejected[0].reason.startswith("LWT says")
    assert decoded(one, "stat/bak/RESULT", {"POWER": "ON"}).ignored


def test_a_retained_reading_without_a_time_is_not_taken_for_now() -> None:
    one = device("json", "tank", "esp32-fill-hcsr04")
    body = {"fill_level": 73.5, "distance_cm": 69.8, "raw_distance_m": 0.252}
    assert decoded(one, "json/tank", body, retained=True).ignored
    assert values(decoded(one, "json/tank", body))["distance_mm"] == 252.0


def test_plain_json_time_and_values_by_the_profile() -> None:
    one = device("json", "phone", "traccar-client-truck")
    body = {
        "location": {
            "timestamp": "2026-03-01T11:59:00.862Z",
            "coords": {"latitude": -10.1, "longitude": 123.6, "speed": 10, "heading": -1},
            "battery": {"level": 0.79},
        }
    }
    found = decoded(one, "json/phone", body)
    assert values(found) == {"lat_deg": -10.1, "lon_deg": 123.6, "speed_kmh": 36.0, "battery_pct": 79.0}
    assert quality(found) == ()


def test_flat_dotted_keys() -> None:
    one = device("json", "flespi", "flespi-truck")
    body = {
        "position.latitude": -10.1,
        "position.longitude": 123.6,
        "engine.ignition.status": True,
        "timestamp": 946684840,
    }
    found = decoded(one, "json/flespi", body)
    assert values(found)["lat_deg"] == -10.1
    assert quality(found) == ("clock",)


def test_owntracks_that_is_encrypted_is_kept_with_what_to_do() -> None:
    found = decoded(device("owntracks", "u/d", "owntracks-truck"), "owntracks/u/d", {"_type": "encrypted", "data": "x"})
    assert found.rejected[0].reason.startswith("encrypted, and nobody here has the key")


def test_fiware_values_in_every_dress() -> None:
    one = device("fiware", "k/d", "sensoneo-short")
    several = [{"timestamp": f"2026-03-01T11:5{n}:00Z", "value": 44 + n} for n in range(2)]
    found = decoded(one, "/k/d/attrs/f", several).records
    told = [(r.values["distance_mm"], r.origin.measured_at.minute) for r in found if isinstance(r, Reading)]
    assert told == [(440.0, 50), (450.0, 51)]
    wrapped = {
        "id": "e",
        "f": {"type": "Number", "value": 57},
        "TimeInstant": {"type": "DateTime", "value": "2026-03-01T11:59:40"},
    }
    for topic in ("/json/k/d/attrs", "json/k/d/attrs"):
        (reading,) = decoded(one, topic, wrapped).records
        assert isinstance(reading, Reading)
        assert reading.values["distance_mm"] == 570.0
        assert reading.origin.measured_at == NOW - timedelta(seconds=20), "without a zone it is UTC"


def test_tasmota_says_nothing_of_itself_that_would_be_dead() -> None:
    one = device("tasmota", "t", "tasmota-sr04")
    assert decoded(one, "tele/t/STATE", {"Time": "2026-03-01T19:59:00", "Uptime": "1T02", "Heap": 20}).ignored
    body = {"VL53L1X": {"Distance": 345}, "DS18B20-1": {"Temperature": 31.5}, "DS18B20-2": {"Temperature": 40.0}}
    (reading,) = decoded(one, "tele/t/SENSOR", body).records
    assert isinstance(reading, Reading)
    assert (reading.values["distance_mm"], reading.values["temperature_c"]) == (345.0, 31.5)


@pytest.mark.parametrize(
    "body",
    [
        {"fill_level": 0, "raw_distance_m": None, "valid": False, "status": "timeout"},
        {"fill_level": 40, "raw_distance_m": 0.6, "valid": False, "status": "out_of_range"},
        {"fill_level": 0, "raw_distance_m": -1, "valid": True},
    ],
)
def test_what_a_sensor_calls_invalid_is_no_empty_bin(body: dict[str, Any]) -> None:
    (reading,) = decoded(device("json", "b", "esp32-fill-hcsr04"), "json/b", body).records
    assert isinstance(reading, Reading)
    assert not reading.values
    assert "invalid" in reading.origin.quality


def test_every_topic_is_claimed_by_one_adapter_and_subscribed() -> None:
    assert len(set(FILTERS)) == len(FILTERS)
    assert len({adapter.name for adapter in ADAPTERS}) == len(ADAPTERS)
    assert all(adapter.name.isalnum() and len(adapter.name) <= 13 for adapter in ADAPTERS), "part of a boot"


def test_adapters_serve_every_kind() -> None:
    reached = {profile.kind for profile in BASE.profiles.values() if profile.adapters}
    assert reached == set(KINDS)


TOPICS = [
    *("v3/a@t/devices/x/up", "v3/a/devices/x/join", "v3/a/devices/x/location/solved"),
    *("application/1/device/2/event/up", "application/1/device/2/event/status", "application/1/device/2/rx"),
    *("loriot/a", "milesight/a", "owntracks/a/b", "positions", "events", f"{IMEI}/data", "/k/d/attrs", "/k/d/attrs/a"),
    *("tele/a/SENSOR", "tele/a/LWT", "stat/a/STATUS8", "json/a", "frigate/events", "frigate/reviews", "frigate/stats"),
    *("frigate/a/motion", "frigate/available", "onvif2mqtt/a/motion", "onvif/a/event", "axis/a/event/x"),
]
KEYS = [
    *("end_device_ids", "uplink_message", "decoded_payload", "frm_payload", "deviceInfo", "object", "data", "rxInfo"),
    *("time", "cmd", "EUI", "_type", "lat", "lon", "tst", "position", "device", "attributes", "uniqueId", "event"),
    *("state", "reported", "ts", "latlng", "Time", "SR04", "after", "type", "camera", "id", "start_time", "cameras"),
    *("Topic", "Message", "topic", "op", "serial", "message", "StatusSNS", "batteryLevel", "location", "fixTime"),
]


shaped = shaped_like(KEYS)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(topic=st.sampled_from(TOPICS), body=shaped | st.binary(max_size=40))
def test_an_adapter_hears_or_refuses_and_does_nothing_else(topic: str, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        found = adapter_for(topic).decode(topic, raw)
    except PayloadError:
        return
    assert all(one.names or (one.connectivity and one.connectivity.all_devices) for one in found)
