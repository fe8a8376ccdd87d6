"""Dragino: what the maker's documents say is what comes out, and anything else is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from city.errors import PayloadError
from ingest.decoding.formats.registry import decode_frame
from tests.support.decoding import frame_fields


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
    assert frame_fields("dragino-dds", frame_hex)["Distance"] == distance


@pytest.mark.parametrize(("raw", "celsius"), [("0105", 26.1), ("FF3F", -19.3), ("0B09", 28.25), ("0000", 0.0)])
def test_dragino_probes_count_tenths_or_hundredths(raw: str, celsius: float) -> None:
    assert frame_fields("dragino-dds", f"0D3B0AEF00{raw}01")["TempC_DS18B20"] == celsius
    assert "TempC_DS18B20" not in frame_fields("dragino-dds", "0D3B0AEF007FFF01")


def test_dragino_lidar_without_light_is_no_distance() -> None:
    assert frame_fields("dragino-llds12", "0D4A01050BEA03E8001E00")["Lidar_distance"] == 305.0
    assert frame_fields("dragino-llds12", "0D4A01050BEA0010001E00")["Lidar_distance"] == "Invalid Reading"
    assert frame_fields("dragino-llds12", "0D4A01050BEAFFFF001E00")["Lidar_distance"] == "Invalid Reading"


def test_dragino_on_other_ports() -> None:
    assert frame_fields("dragino-dds", "24010001FF0BB8", 5) == {"Bat": 3.0}
    with pytest.raises(PayloadError, match="measure on port 2, not 9"):
        frame_fields("dragino-dds", "0D3B0AEF00000001", 9)


def test_dragino_eleven_bytes_have_the_probe_first_and_the_time_behind() -> None:
    frame = decode_frame("dragino-dds", 2, bytes.fromhex("0D3B" + "0105" + "0AEF" + "00" + "63467A5E"))
    assert frame.readings[0].fields == {"Bat": 3.387, "Distance": 2799, "Interrupt_flag": 0, "TempC_DS18B20": 26.1}
    assert frame.readings[0].at == datetime(2022, 10, 12, 8, 27, 10, tzinfo=UTC)
    unset = decode_frame("dragino-dds", 2, bytes.fromhex("0D3B" + "0105" + "0AEF" + "00" + "00000011"))
    assert unset.readings[0].at is None


def test_dragino_further_distances_of_a_minute_do_not_change_the_battery() -> None:
    assert frame_fields("dragino-dds", "1D3B0AEF00010501" + "0AEE0AEF0AF0")["Bat"] == 3.387


def test_dragino_a_radar_without_an_echo_has_no_distance() -> None:
    assert frame_fields("dragino-dds", "0D3B3FFF00010501")["Distance"] == "Invalid Reading"


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
    assert [reading.fields for reading in frame.readings] == [expected, expected]
    assert [reading.at for reading in frame.readings] == [
        datetime(2022, 10, 12, 8, 28, 10, tzinfo=UTC),
        datetime(2022, 10, 12, 8, 27, 10, tzinfo=UTC),
    ]
    assert frame.rest == bytes.fromhex(f"{measured}00000000AB"), "whose time nobody knows"


def test_dragino_an_answer_to_a_command_is_no_measurement() -> None:
    for name in ("dragino-ldds04", "dragino-llds12"):
        with pytest.raises(PayloadError, match="an answer to a command"):
            decode_frame(name, 2, bytes.fromhex("0301050BEA03E8001E0002"))


def test_dragino_a_lidar_that_counts_has_no_distance() -> None:
    assert frame_fields("dragino-ds20l", "0CE44000D2010000000A") == {"BatV": 3.3, "Distance_mm": 210}
    assert frame_fields("dragino-ds20l", "0CE48000D201F40032") == {"BatV": 3.3, "Distance_mm": 210}
    assert frame_fields("dragino-ds20l", "0CE4880000002A01F40032") == {"BatV": 3.3}
    assert frame_fields("dragino-ds20l", "21010001FF000CE4", 5) == {"BatV": 3.3}


@pytest.mark.parametrize(
    ("name", "frame_hex", "reason"),
    [
        ("dragino-dds", "0E1C0B05", "4 bytes where 8 were expected"),
    ],
)
def test_what_is_no_frame_is_refused_with_a_reason(name: str, frame_hex: str, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        decode_frame(name, 2, bytes.fromhex(frame_hex))
