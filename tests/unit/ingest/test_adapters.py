"""Adapters on messages that no sample has: what the formats allow, what they leave out, and what is refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.contract.errors import PayloadError
from broker.contract.topics import KINDS
from city.inventory import builtin_city, load_city
from city.model import AccessPoint, Address, Bin, Camera, City, Device, Truck
from ingest.adapters.camera_topics import happening
from ingest.adapters.registry import ADAPTERS, FILTERS, adapter_for
from ingest.decode import Decoded, Decoder
from ingest.journal import Arrival
from ingest.store.records import EventRecord, Reading, StatusRecord
from tests.support.shapes import shaped_like

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BASE = load_city(builtin_city("kupang"))


def device(adapter: str, address: str, profile: str, id_: str = "it") -> Device:
    reach = Address(adapter, address, profile)
    match BASE.profiles[profile].kind:
        case "bin":
            return Bin(id=id_, model="steel-6m3", waste_kind="organic", color="grey", reach=reach)
        case "truck":
            return Truck(id=id_, plate="DH", depot="d", capacity_kg=1, reach=reach)
        case "ap":
            return AccessPoint(id=id_, model="m", ssids=(), reach=reach)
        case "camera":
            return Camera(id=id_, reach=reach)


def city_of(*devices: Device) -> City:
    city = load_city(builtin_city("kupang"))
    city.hold({one.id: one for one in devices})
    return city


def decoded(one: Device, topic: str, body: Any, *, retained: bool = False) -> Decoded:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    decoder = Decoder(city_of(one), late_after=timedelta(minutes=15))
    return decoder.decode(Arrival(topic, raw, NOW, retained))


def values(found: Decoded) -> dict[str, Any]:
    (record,) = [one for one in found.records if isinstance(one, Reading)]
    return record.values


def quality(found: Decoded) -> tuple[str, ...]:
    (record,) = [one for one in found.records if isinstance(one, Reading)]
    return record.origin.quality


def events(found: Decoded) -> list[tuple[str, str]]:
    return [(one.type, one.state) for one in found.records if isinstance(one, EventRecord)]


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
    (log,) = decoded(one, topic + "up", {**head, "level": "ERROR", "code": "UPLINK_CODEC"}).dead
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
    assert "only `encdata`" in decoded(one, "loriot/app", {"cmd": "rx", "EUI": EUI, "encdata": "aa"}).dead[0].reason


def test_an_uplink_sent_again_in_another_envelope_is_the_same_reading() -> None:
    def seq(body: dict[str, Any]) -> int:
        record = decoded(EM310, "v3/a@t/devices/x/up", body).records[0]
        assert isinstance(record, Reading)
        return record.origin.seq

    again = {**tts(f_cnt=3), "correlation_ids": ["other"]}
    assert seq(tts(f_cnt=3)) == seq(again)
    assert seq(tts(f_cnt=3)) != seq(tts(f_cnt=4))


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
    assert not found.dead
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
    assert decoded(one, "milesight/nbiot", b"02zz").dead


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
    assert (pair[0].boot, pair[0].seq) == (pair[2].boot, pair[2].seq)


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
    (stranger,) = decoded(EM310, topic, body).strangers
    assert b"A-77" not in stranger.raw
    assert b"0812-99" not in stranger.raw


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
    assert decoded(one, "tele/bak/LWT", b"maybe").dead[0].reason.startswith("LWT says")
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


CAM = device("frigate", "pasar", "frigate-camera")


def test_frigate_an_object_is_noted_when_it_comes_and_when_it_has_gone_and_nobody_is_named() -> None:
    after = {
        "id": "1.2-x",
        "camera": "pasar",
        "label": "person",
        "sub_label": ["John Smith", 0.8],
        "start_time": 1772366300.5,
        "end_time": None,
        "top_score": 0.958984,
        "entered_zones": ["tps"],
        "recognized_license_plate": "DH 1",
    }
    new = decoded(CAM, "frigate/events", {"type": "new", "before": {}, "after": after})
    update = decoded(CAM, "frigate/events", {"type": "update", "before": {}, "after": after})
    end = decoded(CAM, "frigate/events", {"type": "end", "before": {}, "after": {**after, "end_time": 1772366310.0}})
    (seen,), (again,), (gone,) = (
        [one for one in found.records if isinstance(one, EventRecord)] for found in (new, update, end)
    )
    assert (seen.origin.seq, seen.origin.boot) == (again.origin.seq, again.origin.boot)
    assert gone.detail == {
        "object": "1.2-x",
        "label": "person",
        "step": "gone",
        "score": 0.959,
        "zones": ["tps"],
        "seconds": 9.5,
    }
    assert "John" not in str(end.records) + str(new.records)
    assert "DH 1" not in str(end.records)


def test_frigate_health() -> None:
    two = city_of(CAM, device("frigate", "terminal", "frigate-camera", "other"))
    decoder = Decoder(two, late_after=timedelta(minutes=15))
    gone = decoder.decode(Arrival("frigate/available", b"offline", NOW)).records
    assert sorted(one.device for one in gone if isinstance(one, StatusRecord)) == ["it", "other"]
    stats = {"cameras": {"pasar": {"camera_fps": 5.1}, "terminal": {"camera_fps": 0.0}}, "service": {"uptime": 60}}
    found = decoder.decode(Arrival("frigate/stats", json.dumps(stats).encode(), NOW)).records
    assert {one.origin.device: one.values["fps"] for one in found if isinstance(one, Reading)} == {
        "it": 5.1,
        "other": 0.0,
    }
    (state,) = decoder.decode(Arrival("frigate/pasar/status/detect", b"offline", NOW)).records
    assert isinstance(state, StatusRecord)
    assert (state.device, state.state, state.reason) == ("it", "offline", "lost")
    assert [(one.device, one.state) for one in found if isinstance(one, StatusRecord)] == [("other", "offline")]
    (state,) = decoder.decode(Arrival("frigate/pasar/status/detect", b"disabled", NOW)).records
    assert isinstance(state, StatusRecord)
    assert (state.state, state.reason) == ("offline", "disabled")
    assert decoder.decode(Arrival("frigate/pasar/status/record", b"online", NOW)).ignored
    assert decoder.decode(Arrival("frigate/available", b"?", NOW)).dead


def test_frigate_reviews_bracket_an_activity() -> None:
    after = {
        "id": "r",
        "camera": "pasar",
        "severity": "alert",
        "start_time": 1772366300.5,
        "end_time": 1772366330.5,
        "data": {"objects": ["car"], "zones": [], "sub_labels": ["Name"]},
    }
    found = [events(decoded(CAM, "frigate/reviews", {"type": step, "after": after})) for step in ("new", "end")]
    assert found == [[("activity", "raised")], [("activity", "cleared")]]


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        ("onvif2mqtt/pasar/motion", b"on", [("motion", "raised")]),
        ("onvif2mqtt/pasar/motion/", b"off", [("motion", "cleared")]),
        ("onvif2mqtt/camera/pasar/event/TamperDetector", b"true", [("tamper", "raised")]),
        (
            "onvif/pasar/event",
            {"topic": "tns1:VideoSource/GlobalSceneChange", "data": {"State": "1"}},
            [("moved", "raised")],
        ),
        ("onvif/pasar", {"topic": "tns1:VideoSource/SignalLoss", "data": {"State": "false"}}, [("blind", "cleared")]),
        (
            "onvif/pasar/event",
            {"topic": "tns1:Device/HardwareFailure", "data": {"Failed": "true"}},
            [],
        ),
        ("onvif/pasar/event", {"eventType": "motion", "state": "on"}, [("motion", "raised")]),
    ],
)
def test_onvif_bridges(topic: str, payload: Any, expected: list[tuple[str, str]]) -> None:
    assert events(decoded(device("onvif", "pasar", "onvif-camera"), topic, payload)) == expected


def test_onvif_a_repeated_state_without_a_time_is_no_news_and_what_is_none_is_dead() -> None:
    one = device("onvif", "pasar", "onvif-camera")
    assert decoded(one, "onvif2mqtt/pasar/motion", b"on", retained=True).ignored
    assert decoded(one, "onvif2mqtt/pasar/motion", b"perhaps").dead
    assert decoded(one, "onvif/pasar/event", {"op": "Changed"}).dead[0].reason.startswith("a notification without")
    (record,) = decoded(one, "onvif2mqtt/status", b"offline").records
    assert isinstance(record, StatusRecord)


RULE = "tns1:RuleEngine/"
APPLICATION = "axis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1"


@pytest.mark.parametrize(
    ("topic", "data", "expected"),
    [
        (f"{RULE}FieldDetector/ObjectsInside", {"IsInside": "false", "ObjectId": "1"}, ("intrusion", "cleared")),
        (f"{RULE}FieldDetector/ObjectsInside", {"IsInside": "true"}, ("intrusion", "raised")),
        (f"{RULE}LineDetector/Crossed", {"ObjectId": "1"}, ("line_crossed", "noted")),
        (APPLICATION, {"classTypes": "human", "active": "0"}, ("object", "cleared")),
        (APPLICATION, {"classTypes": "", "active": "1"}, ("object", "raised")),
        ("tns1:OpenApp/WiseAI/ObjectDetection", {"ClassTypes": "Person", "State": "false"}, ("object", "cleared")),
        ("tnsaxis:Device/tnsaxis:Sensor/PIR", {"state": "1"}, ("motion", "raised")),
        ("tnsaxis:Device/tnsaxis:Casing/Open", {"Open": "1"}, ("tamper", "raised")),
        (f"{RULE}MyRule/Package", {"State": "true"}, ("activity", "noted")),
        (f"{RULE}CellMotionDetector/Motion", {}, None),
        (f"{RULE}CountAggregation/Counter", {"Count": "1"}, None),
        ("tns1:Monitoring/ProcessorUsage", {"Value": "1"}, None),
        ("tns1:Monitoring/OperatingTime/LastReboot", {"Status": "2026-03-01T11:59:40Z"}, None),
        ("tns1:Media/ProfileChanged", {"ProfileToken": "p"}, None),
        ("tns1:RecordingConfig/JobState", {"State": "Active"}, None),
        ("tns1:Device/HardwareFailure/StorageFailure", {"Failed": "true"}, None),
        ("tns1:Device/Trigger/Relay", {"LogicalState": "active"}, None),
        ("axis:IO/Port", {"port": "1", "state": "0"}, None),
        ("tns1:VideoSource/DayNightVision", {"day": "1"}, None),
    ],
)
def test_what_cameras_tell_of_what_they_see_and_of_themselves(
    topic: str, data: dict[str, str], expected: tuple[str, str] | None
) -> None:
    found = happening(topic, data)
    assert (found and (found.type, found.state)) == expected


ENDED = {"UtcTime": "2026-03-01T11:59:40Z", "PropertyOperation": "Changed"}
ENDING = [
    {
        "Topic": {"_value_1": "tns1:RuleEngine/CellMotionDetector/Motion"},
        "Message": {"_value_1": {**ENDED, "Data": {"SimpleItem": {"Name": "IsMotion", "Value": "false"}}}},
    },
    {
        "Topic": {"_value_1": "tns1:RuleEngine/CellMotionDetector/Motion"},
        "Message": {"_value_1": {**ENDED, "Data": {"SimpleItem": [{"@Name": "IsMotion", "@Value": "false"}]}}},
    },
    {
        "topic": {"_": "tns1:RuleEngine/CellMotionDetector/Motion"},
        "message": {
            "message": {"$": ENDED, "data": {"simpleItem": {"$": {"Name": "IsMotion", "Value": False}}}},
        },
    },
    {"topic": "tns1:RuleEngine/CellMotionDetector/Motion", "op": "Deleted", "data": {"IsMotion": "true"}},
    {"source": "x", "type": "Motion", "state": False, "timestamp": "2026-03-01T11:59:40Z"},
]


@pytest.mark.parametrize("body", ENDING)
def test_the_end_of_motion_is_its_end_whoever_parsed_it(body: dict[str, Any]) -> None:
    one = device("onvif", "pasar", "onvif-camera")
    assert events(decoded(one, "onvif/pasar/event", body)) == [("motion", "cleared")]
    assert events(decoded(one, "onvif2mqtt/camera/pasar/event", body)) == [("motion", "cleared")]


def test_bridges_say_which_camera_is_gone() -> None:
    one = device("onvif", "pasar", "onvif-camera")
    for topic, word, state in (
        ("onvif2mqtt/camera/pasar/status", b"offline", "offline"),
        ("onvif2mqtt/camera/pasar/status", b"online", "online"),
        ("onvif2mqtt/status", b"OFF", "offline"),
        ("onvif2mqtt/status", b"ON", "online"),
    ):
        (record,) = decoded(one, topic, word).records
        assert isinstance(record, StatusRecord)
        assert record.state == state


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
    one = device(adapter, "pasar", f"{adapter}-camera")
    nobody = device(adapter, "elsewhere", f"{adapter}-camera")
    (stranger,) = decoded(nobody, topic, body).strangers
    assert events(decoded(one, topic, stranger.raw)) == events(decoded(one, topic, body))
    cut = json.dumps(body).encode()[:-3]
    (letter,) = decoded(nobody, topic, cut).dead
    for kept in (stranger.raw, letter.raw):
        assert b"John" not in kept
        assert b"DH1234AB" not in kept


def test_owntracks_that_is_encrypted_is_kept_with_what_to_do() -> None:
    found = decoded(device("owntracks", "u/d", "owntracks-truck"), "owntracks/u/d", {"_type": "encrypted", "data": "x"})
    assert found.dead[0].reason.startswith("encrypted, and nobody here has the key")


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


def test_axis() -> None:
    one = device("axis", "ACCC8E000001", "axis-camera")
    body = {
        "topic": "tnsaxis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1",
        "timestamp": 1772366340000,
        "serial": "ACCC8E000001",
        "message": {"source": {}, "key": {}, "data": {"active": "1", "classTypes": "human"}},
    }
    found = decoded(one, "axis/x/event/tns:axis/CameraApplicationPlatform/ObjectAnalytics", body)
    assert events(found) == [("object", "raised")]


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
    assert all(one.names or (one.presence and one.presence.everybody) for one in found)
