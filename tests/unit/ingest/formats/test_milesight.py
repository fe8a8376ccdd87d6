"""Milesight: what the maker's documents say is what comes out, and anything else is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.errors import PayloadError
from ingest.decoding.formats.registry import decode_frame
from tests.support.decoding import decoded, device, frame_fields, values


def test_milesight_periodic_alarm_and_radar() -> None:
    assert frame_fields("milesight", "0175640367100104822C0105000106C72003", 85) == {
        "battery": 100,
        "temperature": 27.2,
        "distance": 300,
        "position": "tilt",
        "radar_signal_rssi": 8.0,
    }
    alarm = frame_fields("milesight", "8367E8FF0184824106 00".replace(" ", ""), 85)
    assert alarm == {
        "temperature": -2.4,
        "temperature_alarm": "threshold_alarm",
        "distance": 1601,
        "distance_alarm": "threshold_release",
    }


def test_milesight_a_fault_is_no_distance() -> None:
    assert frame_fields("milesight", "0482FFFF", 85) == {"distance": "sensor fault"}
    assert frame_fields("milesight", "B4820A0002", 85)["distance"] == "sensor exception"
    assert frame_fields("milesight", "94820A00050002", 85) == {"distance": 10, "distance_alarm": "mutation_alarm"}


def test_milesight_answers_to_commands_measure_nothing_and_hide_nothing() -> None:
    assert frame_fields("milesight", "FE03B004" + "017564" + "FE06890000000000000000" + "04822C01", 85) == {
        "battery": 100,
        "distance": 300,
    }
    answer = decode_frame("milesight", 85, bytes.fromhex("FE03B004"))
    assert ([reading.fields for reading in answer.readings], answer.rest) == ([{}], b"")


def nbiot(body: bytes) -> bytes:
    """A frame of EM400 NB-IoT around channels; identities are zeros."""
    head = bytes.fromhex("020001") + (81 + len(body)).to_bytes(2, "big") + bytes(79)
    return head + len(body).to_bytes(2, "big") + body


def test_milesight_of_several_measurements_without_a_time_the_newest_counts_and_none_is_lost() -> None:
    groups = [bytes.fromhex(f"01756403670b010482{level}050001") for level in ("3b01", "4b01")]
    found = decode_frame("milesight", 0, nbiot(b"".join(groups)))
    assert [reading.fields["distance"] for reading in found.readings] == [0x14B]
    assert found.rest == groups[0]
    alarm = bytes.fromhex("8367e80001" + "8482410601")
    assert decode_frame("milesight", 0, nbiot(alarm)).rest == b""


def test_milesight_alarms_of_single_models() -> None:
    assert frame_fields("milesight", "017564" + "880001" + "04822C01", 85) == {
        "battery": 100,
        "disassembly_alarm": 1,
        "distance": 300,
    }
    assert frame_fields("milesight", "83E9B80B640002" + "017564", 85) == {
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
    assert [reading.fields for reading in short] == [{"distance": 1602}, {"distance": 1601}]
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
    assert [reading.fields for reading in found.readings] == [{}]
    assert found.rest == b""


@pytest.mark.parametrize(
    ("name", "frame_hex", "reason"),
    [
        ("milesight", "", "no channel of a Milesight device"),
        ("milesight", "0175", "no channel of a Milesight device: 0175"),
        ("milesight", "DEADBEEF", "no channel"),
    ],
)
def test_what_is_no_frame_is_refused_with_a_reason(name: str, frame_hex: str, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        decode_frame(name, 2, bytes.fromhex(frame_hex))


@given(distance=st.integers(0, 20_000), battery=st.integers(0, 100), tenths=st.integers(-600, 900))
def test_milesight_comes_out_as_it_went_in(distance: int, battery: int, tenths: int) -> None:
    raw = b"\x01\x75" + bytes([battery]) + b"\x03\x67" + tenths.to_bytes(2, "little", signed=True)
    raw += b"\x04\x82" + distance.to_bytes(2, "little")
    assert frame_fields("milesight", raw.hex(), 85) == {
        "battery": battery,
        "temperature": tenths / 10,
        "distance": distance,
    }


def test_milesight_bytes_as_hexadecimal_digits() -> None:
    head = "020001005f00000001303130313031313036373439443139303534363930303331383638353038303634383037333530"
    head += "343630303433323334323233313131303839383630343132313032323730303632383537"
    frame = head[: 2 * 83] + "09000e" + "01756403670b0104823b01050001"
    sensor = device("milesight", "868508064807350", "milesight-em400-mud")
    for payload in (bytes.fromhex(frame), frame.encode(), frame.upper().encode()):
        assert values(decoded(sensor, "milesight/nbiot", payload))["temperature_c"] == 26.7
    assert decoded(sensor, "milesight/nbiot", b"02zz").rejected
