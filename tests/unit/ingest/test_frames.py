"""Frames of devices: what the makers' documents say is what comes out, and anything else is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.errors import PayloadError
from ingest.frames.registry import DECODERS, decode_frame


def fields(name: str, frame_hex: str, port: int = 2) -> dict[str, Any]:
    return decode_frame(name, port, bytes.fromhex(frame_hex)).readings[0].fields


def test_milesight_periodic_alarm_and_radar() -> None:
    assert fields("milesight", "0175640367100104822C0105000106C72003", 85) == {
        "battery": 100,
        "temperature": 27.2,
        "distance": 300,
        "position": "tilt",
        "radar_signal_rssi": 8.0,
    }
    alarm = fields("milesight", "8367E8FF0184824106 00".replace(" ", ""), 85)
    assert alarm == {
        "temperature": -2.4,
        "temperature_alarm": "threshold_alarm",
        "distance": 1601,
        "distance_alarm": "threshold_release",
    }


def test_milesight_a_fault_is_no_distance() -> None:
    assert fields("milesight", "0482FFFF", 85) == {"distance": "sensor fault"}
    assert fields("milesight", "B4820A0002", 85)["distance"] == "sensor exception"
    assert fields("milesight", "94820A00050002", 85) == {"distance": 10, "distance_alarm": "mutation_alarm"}


def test_milesight_stored_measurements_keep_their_time_and_come_newest_first() -> None:
    short = decode_frame("milesight", 85, bytes.fromhex("20CE9E744663410620CE9F7446634206")).readings
    assert [one.fields for one in short] == [{"distance": 1602}, {"distance": 1601}]
    assert short[1].at == datetime(2022, 10, 12, 8, 2, 38, tzinfo=UTC)
    long = decode_frame("milesight", 85, bytes.fromhex("20CE9E744663" + "4106" + "0101" + "0000" + "00")).readings
    assert long[0].fields == {"distance": 1601, "temperature": 25.7}


def test_milesight_an_unknown_channel_ends_the_frame_and_is_kept() -> None:
    found = decode_frame("milesight", 85, bytes.fromhex("01755C" + "AA99010203"))
    assert found.readings[0].fields == {"battery": 92}
    assert found.rest == bytes.fromhex("AA99010203")


def test_milesight_what_a_device_says_when_it_joins_measures_nothing() -> None:
    found = decode_frame("milesight", 85, bytes.fromhex("FF0BFFFF0101FF166746D40000000001FF090310FF0A0101FF0F00"))
    assert [one.fields for one in found.readings] == [{}]
    assert found.rest == b""


@pytest.mark.parametrize(
    ("frame_hex", "distance"),
    [
        ("0D3B0AEF00000001", 2799),
        ("0D3B001400010501", "Invalid Reading"),
        ("0D3B000000010501", "No Sensor"),
        ("0D3B0AEF00000000", "No Sensor"),
    ],
)
def test_dragino_distances_and_what_is_none(frame_hex: str, distance: object) -> None:
    assert fields("dragino-dds", frame_hex)["Distance"] == distance


@pytest.mark.parametrize(("raw", "celsius"), [("0105", 26.1), ("FF3F", -19.3), ("0B09", 28.25), ("0000", 0.0)])
def test_dragino_probes_count_tenths_or_hundredths(raw: str, celsius: float) -> None:
    assert fields("dragino-dds", f"0D3B0AEF00{raw}01")["TempC_DS18B20"] == celsius
    assert "TempC_DS18B20" not in fields("dragino-dds", "0D3B0AEF007FFF01")


def test_dragino_lidar_without_light_is_no_distance() -> None:
    assert fields("dragino-llds12", "0D4A01050BEA03E8001E00")["Lidar_distance"] == 305.0
    assert fields("dragino-llds12", "0D4A01050BEA0010001E00")["Lidar_distance"] == "Invalid Reading"
    assert fields("dragino-llds12", "0D4A01050BEAFFFF001E00")["Lidar_distance"] == "Invalid Reading"


def test_dragino_on_other_ports() -> None:
    assert fields("dragino-dds", "24010001FF0BB8", 5) == {"Bat": 3.0}
    with pytest.raises(PayloadError, match="measure on port 2, not 9"):
        fields("dragino-dds", "0D3B0AEF00000001", 9)


def test_decentlab_flags_say_what_is_there() -> None:
    assert fields("decentlab-dl-mbx", "02012F00020BB1", 1) == {"device_id": 303, "battery_voltage": 2.993}
    assert fields("decentlab-dl-mbx", "02012F000304D200000BB1", 1)["distance"] == "no valid sample"
    lidar = fields("decentlab-dl-lid", "0211C90003" + "".join(f"{n:04x}" for n in range(100, 111)) + "0B96", 1)
    assert (lidar["distance_median"], lidar["number_of_samples"], lidar["battery_voltage"]) == (103, 109, 2.966)


def test_sensoneo_takes_the_median_of_what_was_seen() -> None:
    head = "FFFF2001" + "01020304"
    found = fields("sensoneo-single-3", f"{head}0732FF00346E1E0005")
    assert (found["distance"], found["voltage"], found["temperature"]) == (100, 3600, 30)
    assert (found["fire"], found["tilt_event"], found["sonar1"]) == (True, True, "no echo")
    assert fields("sensoneo-single-3", f"{head}01000000006EFE0005") | {"c_id": 0} == {
        "c_id": 0,
        "events": 1,
        "fire": False,
        "tilt_event": False,
        "distance": "no echo",
        **dict.fromkeys(("sonar0", "sonar1", "sonar2", "sonar3"), "no echo"),
        "voltage": 3600,
        "temperature": -2,
        "tilt": 0,
    }


@pytest.mark.parametrize(
    ("name", "frame_hex", "reason"),
    [
        ("", "00", "names no frame decoder"),
        ("nobody", "00", "there is no frame decoder 'nobody'"),
        ("milesight", "", "no channel of a Milesight device"),
        ("milesight", "0175", "no channel of a Milesight device: 0175"),
        ("milesight", "DEADBEEF", "no channel"),
        ("dragino-dds", "0E1C0B05", "4 bytes where 8 were expected"),
        ("decentlab-dl-mbx", "01012F00020BB1", "protocol version 2: 01"),
        ("decentlab-dl-mbx", "02012F000304D2", "cut off after 7 bytes, in sensor 0"),
        ("sensoneo-single-3", "FFFF30010102030401323300006E1E0005", "no frame of a Sensoneo"),
    ],
)
def test_what_is_no_frame_is_refused_with_a_reason(name: str, frame_hex: str, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        decode_frame(name, 2, bytes.fromhex(frame_hex))


@given(name=st.sampled_from(sorted(DECODERS)), port=st.integers(0, 255), data=st.binary(max_size=60))
def test_no_bytes_do_anything_but_decode_or_be_refused(name: str, port: int, data: bytes) -> None:
    try:
        found = decode_frame(name, port, data)
    except PayloadError:
        return
    assert all(isinstance(one.fields, dict) for one in found.readings)


@given(distance=st.integers(0, 20_000), battery=st.integers(0, 100), tenths=st.integers(-600, 900))
def test_milesight_comes_out_as_it_went_in(distance: int, battery: int, tenths: int) -> None:
    raw = b"\x01\x75" + bytes([battery]) + b"\x03\x67" + tenths.to_bytes(2, "little", signed=True)
    raw += b"\x04\x82" + distance.to_bytes(2, "little")
    assert fields("milesight", raw.hex(), 85) == {
        "battery": battery,
        "temperature": tenths / 10,
        "distance": distance,
    }
