"""What becomes of a message: records with the right times, values and quality, or a dead letter with a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.inventory.model import BinModel, City, SensorGeometry
from ingest.decoding.decoder import Decoder
from ingest.decoding.results import DecodeResult
from ingest.decoding.validation import FillGauge
from ingest.messages import Arrival
from ingest.store.records import EventRecord, Reading, StatusRecord

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BIN = "kota/v1/kupang/bin/bin-1/telemetry"


@pytest.fixture
def decoder(city: City) -> Decoder:
    return Decoder(city, late_after=timedelta(minutes=15))


def decode(decoder: Decoder, topic: str, body: Any) -> DecodeResult:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decoder.decode(Arrival(topic, raw, NOW))


def stamped(seq: int = 1, ts: datetime = NOW, **fields: Any) -> dict[str, Any]:
    return {"ts": ts.isoformat(), "boot": "b1", "seq": seq, **fields}


def reading(result: DecodeResult) -> Reading:
    (record,) = result.records
    assert isinstance(record, Reading)
    assert not result.rejected
    return record


def test_fill_follows_from_geometry(decoder: Decoder) -> None:
    assert reading(decode(decoder, BIN, stamped(distance_mm=490))).values == {"distance_mm": 490.0, "fill_pct": 50.0}


def test_geometry_wins_over_what_the_device_says(decoder: Decoder) -> None:
    assert reading(decode(decoder, BIN, stamped(distance_mm=490, fill_pct=3))).values["fill_pct"] == 50.0


@pytest.mark.parametrize("distance_mm", [9999, 29])
def test_a_sentinel_and_the_dead_zone_are_unknown_not_zero(decoder: Decoder, distance_mm: float) -> None:
    record = reading(decode(decoder, BIN, stamped(distance_mm=distance_mm, battery_pct=80)))
    assert record.values == {"battery_pct": 80.0}
    assert record.origin.quality == ("invalid",)


@pytest.mark.parametrize("own", [{}, {"fill_pct": 3}])
def test_a_distance_deeper_than_the_container_is_stored_and_gives_no_fill_level(
    decoder: Decoder, own: dict[str, float]
) -> None:
    record = reading(decode(decoder, BIN, stamped(distance_mm=1300, battery_pct=80, **own)))
    assert record.values == {"distance_mm": 1300.0, "battery_pct": 80.0}
    assert record.origin.quality == ("geometry",)


@given(distance_mm=st.floats(0, 20_000), range_mm=st.floats(100, 20_000))
def test_what_a_sensor_can_measure_is_kept_whatever_the_container(distance_mm: float, range_mm: float) -> None:
    model = BinModel("m", "steel", 6000, 800, dead_zone_mm=50)
    gauge = FillGauge(model, SensorGeometry(range_mm=range_mm, dead_zone_mm=30))
    values, quality = gauge.apply({"distance_mm": distance_mm})
    assert ("distance_mm" in values) is (50 <= distance_mm <= range_mm)
    assert ("fill_pct" in values) is (50 <= distance_mm <= min(range_mm, 1000))
    assert quality == (() if "fill_pct" in values else ("geometry",) if "distance_mm" in values else ("invalid",))


@given(distance_mm=st.floats(0, 20_000))
def test_fill_is_a_share_or_unknown(distance_mm: float) -> None:
    model = BinModel("m", "steel", 6000, 1600, offset_mm=100, dead_zone_mm=250)
    share = FillGauge(model).fill_pct(distance_mm)
    assert share is None or 0 <= share <= 100


@pytest.mark.parametrize(
    "ts",
    [
        "1970-01-01T00:00:00Z",
        "2004-05-01T00:00:00Z",
        "2026-03-01T12:06:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_a_wrong_clock_is_stored_at_receive_time_with_both_times(decoder: Decoder, ts: str) -> None:
    record = reading(decode(decoder, BIN, {**stamped(battery_pct=5), "ts": ts}))
    assert record.origin.measured_at == NOW
    assert record.origin.device_at is not None
    assert record.origin.quality == ("clock",)


def test_a_clock_slightly_ahead_is_believed(decoder: Decoder) -> None:
    ahead = NOW + timedelta(minutes=4)
    assert reading(decode(decoder, BIN, stamped(ts=ahead, battery_pct=5))).origin.measured_at == ahead


def test_late_data_keeps_its_own_time(decoder: Decoder) -> None:
    then = NOW - timedelta(days=2)
    record = reading(decode(decoder, BIN, stamped(ts=then, battery_pct=5)))
    assert (record.origin.measured_at, record.origin.quality) == (then, ("late",))


@pytest.mark.parametrize("position", [{"lat_deg": 0, "lon_deg": 0}, {"lat_deg": -10.1}])
def test_no_position_is_unknown(decoder: Decoder, position: dict[str, float]) -> None:
    body = stamped(**position, speed_kmh=3, heading_deg=0, hdop=99)
    record = reading(decode(decoder, "kota/v1/kupang/truck/truck-1/telemetry", body))
    assert record.values == {"speed_kmh": 3.0}, "what a receiver makes up without a position is not kept"
    assert record.origin.quality == ("no_fix",)


def test_batch_with_a_bad_element(decoder: Decoder) -> None:
    result = decode(decoder, BIN, [stamped(1, battery_pct=5), stamped(2, battery_pct=500), stamped(3, battery_pct=6)])
    assert [record.origin.seq for record in result.records if isinstance(record, Reading)] == [1, 3]
    assert [rejected.reason for rejected in result.rejected] == ["Expected `float` <= 100.0 - at `$.battery_pct`"]


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("kota/v1/kupang/bin/bin-9/telemetry", "'bin-9' is not in the inventory of kupang"),
        ("kota/v1/atambua/bin/bin-1/telemetry", "city 'atambua' is not this one"),
        ("kota/v1/kupang/truck/bin-1/telemetry", "'bin-1' is a bin, not a truck"),
        ("kota/v1/kupang/bin/bin-1/receipt", "goes down to devices"),
        ("kota/v1/kupang/bin/bin-1", "is not kota/v1/"),
        ("zigbee2mqtt/bridge", "no adapter reads the topic"),
    ],
)
def test_unknown_topics_and_devices_become_dead_letters(decoder: Decoder, topic: str, reason: str) -> None:
    result = decode(decoder, topic, stamped(battery_pct=5))
    assert not result.records
    assert reason in result.rejected[0].reason


def test_events_and_states(decoder: Decoder) -> None:
    event = decode(decoder, "kota/v1/kupang/bin/bin-1/event", stamped(type="fire", state="raised", detail={"c": 90}))
    assert isinstance(event.records[0], EventRecord)
    will = decode(decoder, "kota/v1/kupang/bin/bin-1/status", {"state": "offline", "reason": "lost"})
    assert isinstance(will.records[0], StatusRecord)
    assert (will.records[0].state, will.records[0].at) == ("offline", None)


UPLINK = {
    "end_device_ids": {"device_id": "em-1", "application_ids": {"application_id": "bins"}, "dev_eui": "24E124AA00"},
    "received_at": "2026-03-01T11:59:59.014773143Z",
    "uplink_message": {
        "f_port": 85,
        "f_cnt": 7,
        "decoded_payload": {"battery": 92, "distance": "490 mm", "position": "normal"},
        "rx_metadata": [{"rssi": -101}, {"rssi": -88.5}, {"rssi": "?"}],
        "received_at": "2026-03-01T11:59:58.789585559Z",
    },
}
UP = "v3/bins@tenant/devices/em-1/up"


def uplink(**decoded: Any) -> dict[str, Any]:
    return {**UPLINK, "uplink_message": {**UPLINK["uplink_message"], "decoded_payload": decoded}}  # type: ignore[dict-item]


@pytest.mark.parametrize("topic", [UP, "v3/bins/devices/em-1/up"])
def test_things_stack_uplink(decoder: Decoder, topic: str) -> None:
    record = reading(decode(decoder, topic, UPLINK))
    assert record.origin.device == "bin-2"
    assert record.origin.measured_at == datetime(2026, 3, 1, 11, 59, 58, 789585, tzinfo=UTC)
    assert record.values == {
        "distance_mm": 490.0,
        "fill_pct": 50.0,
        "battery_pct": 92.0,
        "lid_open": False,
        "rssi_dbm": -88.5,
    }


def test_things_stack_device_by_eui_in_any_case(decoder: Decoder) -> None:
    body = {**uplink(distance=490), "end_device_ids": {"device_id": "other", "dev_eui": "24e124aa"}}
    assert reading(decode(decoder, "v3/bins@t/devices/other/up", body)).origin.device == "bin-3"


@pytest.mark.parametrize("distance", ["No Sensor", 0, None, "n/a", True])
def test_things_stack_sentinels_are_unknown(decoder: Decoder, distance: Any) -> None:
    values = reading(decode(decoder, UP, uplink(distance=distance, battery=50))).values
    assert "distance_mm" not in values
    assert "fill_pct" not in values


@pytest.mark.parametrize("probe", [0, 0.0, "0.00", "0.00 °C"])
def test_a_probe_that_is_not_connected_is_no_fault(decoder: Decoder, probe: Any) -> None:
    record = reading(decode(decoder, UP, uplink(distance=490, probe=probe)))
    assert "temperature_c" not in record.values
    assert record.origin.quality == ()


def test_things_stack_nested_values_and_scale(decoder: Decoder) -> None:
    values = reading(decode(decoder, UP, uplink(level={"value": 490}, mv=3387))).values
    assert values["fill_pct"] == 50.0
    assert values["battery_v"] == pytest.approx(3.387)


def test_things_stack_out_of_range_is_unknown_and_said_so(decoder: Decoder) -> None:
    record = reading(decode(decoder, UP, uplink(distance=490, battery=255)))
    assert "battery_pct" not in record.values
    assert record.origin.quality == ("invalid",)


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        (UP, b"{", "not JSON"),
        (UP, b"\xff\xfe", "not JSON"),
        (UP, {}, "without `uplink_message`; it has nothing"),
        (UP, {"end_device_ids": {}}, "without `uplink_message`; it has end_device_ids"),
        (UP, {**UPLINK, "uplink_message": {"frm_payload": "A!", "received_at": "x"}}, "no base64"),
        (UP, {**UPLINK, "uplink_message": {}}, "without a payload"),
    ],
)
def test_things_stack_broken_uplinks_say_why(decoder: Decoder, topic: str, body: Any, reason: str) -> None:
    result = decode(decoder, topic, body)
    assert not result.records
    assert reason in result.rejected[0].reason


def test_things_stack_redelivery_is_the_same_reading_and_a_second_uplink_is_not(decoder: Decoder) -> None:
    first = reading(decode(decoder, UP, UPLINK)).origin
    assert reading(decode(decoder, UP, {**UPLINK, "correlation_ids": ["again"]})).origin.seq == first.seq
    second = {**UPLINK, "uplink_message": {**UPLINK["uplink_message"], "f_cnt": 8}}  # type: ignore[dict-item]
    assert reading(decode(decoder, UP, second)).origin.seq != first.seq


def test_things_stack_unknown_device_is_an_unknown_device_with_all_its_names(decoder: Decoder) -> None:
    body = {**UPLINK, "end_device_ids": {"device_id": "em-77", "dev_eui": "24E1FF"}}
    result = decode(decoder, "v3/bins@t/devices/em-77/up", body)
    assert not result.records
    assert not result.rejected
    assert [(unknown_device.adapter, unknown_device.names) for unknown_device in result.unknown_devices] == [
        ("tts", ("24E1FF", "bins/em-77", "bins/24E1FF"))
    ]


def test_bytes_that_nobody_decodes_are_kept_and_the_rest_is_stored(decoder: Decoder) -> None:
    body = {**UPLINK, "uplink_message": {**UPLINK["uplink_message"], "decoded_payload": {}, "frm_payload": "AXVc"}}  # type: ignore[dict-item]
    result = decode(decoder, UP, body)
    (record,) = result.records
    assert isinstance(record, Reading)
    assert (record.values, record.origin.quality) == ({"rssi_dbm": -88.5}, ("undecoded",))
    assert [letter.reason for letter in result.rejected] == [
        "undecoded: port 85, 3 bytes: its profile names no frame decoder"
    ]


def test_a_join_says_that_a_device_is_there(decoder: Decoder) -> None:
    (record,) = decode(decoder, "v3/bins@t/devices/em-1/join", {"end_device_ids": {"device_id": "em-1"}}).records
    assert isinstance(record, StatusRecord)
    assert (record.device, record.state) == ("bin-2", "online")


LOCATION = {"_type": "location", "lat": -10.17, "lon": 123.6, "tst": 1772366398, "vel": 31, "cog": 271, "batt": 67}


def test_owntracks_location(decoder: Decoder) -> None:
    record = reading(decode(decoder, "owntracks/dlhk/t2", LOCATION))
    assert record.origin.device == "truck-2"
    assert record.origin.measured_at == datetime.fromtimestamp(1772366398, UTC)
    assert record.values == {
        "lat_deg": -10.17,
        "lon_deg": 123.6,
        "speed_kmh": 31.0,
        "heading_deg": 271.0,
        "battery_pct": 67.0,
    }


def test_owntracks_unknown_speed_is_absent(decoder: Decoder) -> None:
    assert "speed_kmh" not in reading(decode(decoder, "owntracks/dlhk/t2", {**LOCATION, "vel": -1})).values


def test_owntracks_goodbye_says_that_it_is_gone(decoder: Decoder) -> None:
    (record,) = decode(decoder, "owntracks/dlhk/t2", {"_type": "lwt", "tst": "1772366398"}).records
    assert isinstance(record, StatusRecord)
    assert (record.state, record.reason, record.at) == ("offline", "lost", None), "`tst` is when it connected"


def test_owntracks_a_deleted_location_is_ignored(decoder: Decoder) -> None:
    assert decode(decoder, "owntracks/dlhk/t2", b"").ignored


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({**LOCATION, "tst": None}, "without a time"),
        ({**LOCATION, "lat": None}, "without a position"),
        ({"hello": 1}, "`_type` is None"),
        ([1], "Expected `object`"),
        (b"{", "not JSON"),
    ],
)
def test_owntracks_broken_messages_say_why(decoder: Decoder, body: Any, reason: str) -> None:
    assert reason in decode(decoder, "owntracks/dlhk/t2", body).rejected[0].reason


def test_owntracks_unknown_device_is_an_unknown_device_with_its_place(decoder: Decoder) -> None:
    (unknown_device,) = decode(decoder, "owntracks/dlhk/t9", LOCATION).unknown_devices
    assert (unknown_device.names, unknown_device.hint.place) == (("dlhk/t9",), {"lat_deg": -10.17, "lon_deg": 123.6})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
topics = st.sampled_from(
    [BIN, UP, "owntracks/dlhk/t2", "kota/v1/kupang/truck/truck-1/event", "kota/v1/kupang/bin/bin-1/status"]
)
mutated = st.builds(
    lambda base, key, value: {**base, key: value},
    st.sampled_from([UPLINK, LOCATION, stamped(distance_mm=490)]),
    st.sampled_from(["uplink_message", "end_device_ids", "tst", "lat", "_type", "ts", "seq", "boot", "distance_mm"]),
    json_values,
)


@given(topic=topics, body=json_values | mutated | st.binary(max_size=60))
def test_every_message_is_stored_dead_or_ignored_and_never_raises(topic: str, body: Any) -> None:
    from tests.unit.ingest.conftest import make_city  # noqa: PLC0415 - fixtures do not mix with hypothesis

    decoder = Decoder(make_city(), late_after=timedelta(minutes=15))
    result = decode(decoder, topic, body)
    assert result.records or result.rejected or result.unknown_devices or result.ignored or body == []
    assert not any(rejected.reason.startswith("decoder failed") for rejected in result.rejected), result.rejected
