"""Frames of devices: what the makers' documents say is what comes out, and anything else is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.errors import PayloadError
from ingest.decoding.frames.registry import DECODERS, decode_frame


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


def test_milesight_answers_to_commands_measure_nothing_and_hide_nothing() -> None:
    assert fields("milesight", "FE03B004" + "017564" + "FE06890000000000000000" + "04822C01", 85) == {
        "battery": 100,
        "distance": 300,
    }
    answer = decode_frame("milesight", 85, bytes.fromhex("FE03B004"))
    assert ([one.fields for one in answer.readings], answer.rest) == ([{}], b"")


def nbiot(body: bytes) -> bytes:
    """A frame of EM400 NB-IoT around channels; identities are zeros."""
    head = bytes.fromhex("020001") + (81 + len(body)).to_bytes(2, "big") + bytes(79)
    return head + len(body).to_bytes(2, "big") + body


def test_milesight_of_several_measurements_without_a_time_the_newest_counts_and_none_is_lost() -> None:
    groups = [bytes.fromhex(f"01756403670b010482{level}050001") for level in ("3b01", "4b01")]
    found = decode_frame("milesight", 0, nbiot(b"".join(groups)))
    assert [one.fields["distance"] for one in found.readings] == [0x14B]
    assert found.rest == groups[0]
    alarm = bytes.fromhex("8367e80001" + "8482410601")
    assert decode_frame("milesight", 0, nbiot(alarm)).rest == b""


def test_milesight_alarms_of_single_models() -> None:
    assert fields("milesight", "017564" + "880001" + "04822C01", 85) == {
        "battery": 100,
        "disassembly_alarm": 1,
        "distance": 300,
    }
    assert fields("milesight", "83E9B80B640002" + "017564", 85) == {
        "distance": 300.0,
        "distance_alarm": "mutation_alarm",
        "battery": 100,
    }


@pytest.mark.parametrize("first_is_lat", [True, False])
def test_milesight_places_in_either_order_where_it_can_be_told(*, first_is_lat: bool) -> None:
    lat, lon = (round(value * 1e6).to_bytes(4, "little", signed=True) for value in (-10.17, 123.58))
    raw = b"\x06\x88" + (lat + lon if first_is_lat else lon + lat) + b"\x01"
    assert decode_frame("milesight", 85, raw).readings[0].fields == {
        "latitude": -10.17,
        "longitude": 123.58,
        "motion_status": 1,
    }


def test_milesight_stored_measurements_keep_their_time_and_come_newest_first() -> None:
    short = decode_frame("milesight", 85, bytes.fromhex("20CE9E744663410620CE9F7446634206")).readings
    assert [one.fields for one in short] == [{"distance": 1602}, {"distance": 1601}]
    assert short[1].at == datetime(2022, 10, 12, 8, 2, 38, tzinfo=UTC)
    long = decode_frame("milesight", 85, bytes.fromhex("20CE9E744663" + "4106" + "0101" + "0000" + "00")).readings
    assert long[0].fields == {"distance": 1601, "temperature": 25.7}
    off = decode_frame("milesight", 85, bytes.fromhex("20CE9E744663" + "FEFF" + "FEFF" + "0000" + "00")).readings
    assert off[0].fields == {"distance": "sensor fault"}


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


def test_dragino_eleven_bytes_have_the_probe_first_and_the_time_behind() -> None:
    frame = decode_frame("dragino-dds", 2, bytes.fromhex("0D3B" + "0105" + "0AEF" + "00" + "63467A5E"))
    assert frame.readings[0].fields == {"Bat": 3.387, "Distance": 2799, "Interrupt_flag": 0, "TempC_DS18B20": 26.1}
    assert frame.readings[0].at == datetime(2022, 10, 12, 8, 27, 10, tzinfo=UTC)
    unset = decode_frame("dragino-dds", 2, bytes.fromhex("0D3B" + "0105" + "0AEF" + "00" + "00000011"))
    assert unset.readings[0].at is None


def test_dragino_further_distances_of_a_minute_do_not_change_the_battery() -> None:
    assert fields("dragino-dds", "1D3B0AEF00010501" + "0AEE0AEF0AF0")["Bat"] == 3.387


def test_dragino_a_radar_without_an_echo_has_no_distance() -> None:
    assert fields("dragino-dds", "0D3B3FFF00010501")["Distance"] == "Invalid Reading"


STORED = {
    "dragino-dds": ("0D3B0AEF010540", {"Distance": 2799, "TempC_DS18B20": 26.1}),
    "dragino-ldds04": ("0003E807D00000", {"distance1_cm": 100.0, "distance2_cm": 200.0, "distance3_cm": "No Sensor"}),
    "dragino-llds12": ("00000BEA03E81E", {"Lidar_distance": 305.0, "Lidar_signal": 1000, "Lidar_temp": 30}),
    "dragino-lmds200": ("0D3B0AEF0BB840", {"Bat": 3.387, "dis1": 2799, "dis2": 3000}),
}


@pytest.mark.parametrize("name", sorted(STORED))
def test_dragino_what_was_stored_keeps_its_time_and_comes_newest_first(name: str) -> None:
    measured, expected = STORED[name]
    frame = decode_frame(
        name, 3, bytes.fromhex(f"{measured}63467A5E" + f"{measured}63467A9A" + f"{measured}00000000" + "AB")
    )
    assert [one.fields for one in frame.readings] == [expected, expected]
    assert [one.at for one in frame.readings] == [
        datetime(2022, 10, 12, 8, 28, 10, tzinfo=UTC),
        datetime(2022, 10, 12, 8, 27, 10, tzinfo=UTC),
    ]
    assert frame.rest == bytes.fromhex(f"{measured}00000000AB"), "whose time nobody knows"


def test_dragino_an_answer_to_a_command_is_no_measurement() -> None:
    for name in ("dragino-ldds04", "dragino-llds12"):
        with pytest.raises(PayloadError, match="an answer to a command"):
            decode_frame(name, 2, bytes.fromhex("0301050BEA03E8001E0002"))


def test_dragino_a_lidar_that_counts_has_no_distance() -> None:
    assert fields("dragino-ds20l", "0CE44000D2010000000A") == {"BatV": 3.3, "Distance_mm": 210}
    assert fields("dragino-ds20l", "0CE48000D201F40032") == {"BatV": 3.3, "Distance_mm": 210}
    assert fields("dragino-ds20l", "0CE4880000002A01F40032") == {"BatV": 3.3}
    assert fields("dragino-ds20l", "21010001FF000CE4", 5) == {"BatV": 3.3}


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
