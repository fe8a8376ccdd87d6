"""Drivers on real pseudo-terminals, which are unplugged under them, and on a real gpsd."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.brokers import free_port
from tests.support.field import DISTANCE, SerialDevice, plugged, running_gpsd
from tests.support.sensors import running, said, sensor_of
from tests.support.waiting import wait_for


def test_an_ultrasonic_sensor_is_read_through_noise_unplugged_and_read_again(tmp_path: Path) -> None:
    cut = itertools.cycle(
        [b"\x00\x13$GP", DISTANCE[:1], DISTANCE[1:3], DISTANCE[3:] + b"\xff\x07", b"\xa1\xa8", DISTANCE]
    )
    device = SerialDevice(tmp_path / "ttyUSB0", lambda: next(cut), every_s=0.005)
    with capture_logs() as logs, running(sensor_of("ultrasonic-uart", "bin", str(device.path))) as reader:
        wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to miss its port")
        with plugged(device):
            assert reader.next("a distance") == {"distance_mm": 1953}
        wait_for(lambda: said(logs).count("edge.sensor_gone") == 2, "the driver to notice that it was unplugged")
        with plugged(device):
            assert reader.next("a distance after plugging in again") == {"distance_mm": 1953}
        assert "edge.line_noise" in said(logs)
    assert said(logs).count("edge.sensor_back") == 2


def test_a_sensor_that_hears_no_echo_gives_nothing(tmp_path: Path) -> None:
    device = SerialDevice(tmp_path / "ttyUSB0", lambda: bytes([0xFF, 0, 0, 0xFF]))
    with (
        capture_logs() as logs,
        plugged(device),
        running(sensor_of("ultrasonic-uart", "bin", str(device.path))) as reader,
    ):
        wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to say that there is no echo")
        device.say = lambda: DISTANCE
        assert reader.next("a distance") == {"distance_mm": 1953}
        assert reader.found[0].values == {"distance_mm": 1953}


def sentence(body: str) -> str:
    return f"${body}*{reduce(lambda a, b: a ^ b, body.encode()):02X}\r\n"


def fix() -> bytes:
    now = datetime.now(UTC)
    rmc = sentence(f"GPRMC,{now:%H%M%S}.00,A,1010.6284,S,12336.4260,E,12.5,084.4,{now:%d%m%y},,,A")
    sky = sentence("GPGSA,A,3,04,05,,09,12,,,24,,,,,1.8,0.9,1.5")
    sky += sentence("GPGSV,2,1,08,04,40,083,46,05,17,308,41,09,07,344,39,12,22,228,45")
    sky += sentence("GPGSV,2,2,08,24,40,083,46,25,17,308,41,29,07,344,39,32,22,228,45")
    return (rmc + sentence(f"GPGGA,{now:%H%M%S}.00,1010.6284,S,12336.4260,E,1,08,0.9,45.4,M,46.9,M,,") + sky).encode()


def no_fix() -> bytes:
    return sentence(f"GPRMC,{datetime.now(UTC):%H%M%S}.00,V,,,,,,,,,,N").encode() + b"\xff\xfe$GPGGA,bad*00\r\n"


def assert_at_the_depot(values: dict[str, Any]) -> None:
    assert values["lat_deg"] == pytest.approx(-10.17714, abs=1e-5)
    assert values["lon_deg"] == pytest.approx(123.6071, abs=1e-5)
    assert values["speed_kmh"] == pytest.approx(23.15, abs=0.1)


def test_a_gps_receiver_has_a_position_once_it_has_a_fix(tmp_path: Path) -> None:
    device = SerialDevice(tmp_path / "ttyUSB0", no_fix)
    with capture_logs() as logs, plugged(device), running(sensor_of("nmea", "truck", str(device.path))) as reader:
        wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to say that there is no fix")
        assert reader.found == []
        device.say = fix
        assert_at_the_depot(reader.next("a position"))
        assert reader.found[-1].values["hdop"] == 0.9
        assert abs((datetime.now(UTC) - reader.found[-1].at).total_seconds()) < 60


def test_gpsd_gives_the_same_position(tmp_path: Path) -> None:
    device, port = SerialDevice(tmp_path / "ttyUSB0", fix, every_s=0.3), free_port()
    with capture_logs() as logs, running(sensor_of("gpsd", "truck", f"127.0.0.1:{port}")) as reader:
        wait_for(lambda: "edge.sensor_gone" in said(logs), "the driver to miss gpsd")
        with plugged(device), running_gpsd(device, port):
            assert_at_the_depot(reader.next("a position"))
            wait_for(lambda: reader.next("another").get("hdop") == 0.9, "the view of the sky")
        wait_for(lambda: said(logs).count("edge.sensor_gone") == 2, "the driver to notice that gpsd has ended")
    assert "edge.sensor_back" in said(logs)
