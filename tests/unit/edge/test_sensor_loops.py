"""Sensors go on: what is gone is said once and waited for, what is back is read again, a stop is heard."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from city.errors import RetryLaterError
from edge.sensors.driver_status import DriverStatus, valid_values
from edge.sensors.polled import PolledSensor
from edge.sensors.streamed import ByteStream, StreamedSensor
from edge.sensors.ultrasonic_uart import UltrasonicFrameDecoder
from tests.support.sensors import device_of
from tests.support.waiting import wait_for
from tests.unit.edge.lines import SaidLine, values_of

FRAME = bytes.fromhex("FF07A1A7")


class Answers:
    """A probe with one answer a look, errors among them."""

    def __init__(self, *answers: Mapping[str, Any] | Exception) -> None:
        self._answers = list(answers)

    def measure(self) -> Mapping[str, Any]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def polled(*answers: Mapping[str, Any] | Exception) -> PolledSensor:
    presence = DriverStatus("test", device_of("ap"), backoff_max_s=0.01)
    return PolledSensor(Answers(*answers), presence, interval_s=0.01)


def streamed(*lines: SaidLine | OSError, **options: Any) -> StreamedSensor:
    left = list(lines)

    def opened() -> ByteStream:
        line = left.pop(0)
        if isinstance(line, OSError):
            raise line
        return line

    presence = DriverStatus("test", device_of("bin"), backoff_max_s=0.01)
    return StreamedSensor(opened, UltrasonicFrameDecoder((30, 4500)), presence, interval_s=0.01, **options)


def events(logs: list[Any]) -> list[str]:
    return [entry["event"] for entry in logs]


def test_leaving_and_return_are_said_once_each() -> None:
    with capture_logs() as logs:
        found = values_of(polled({"clients": 1}, RetryLaterError("off"), RetryLaterError("off"), {"clients": 2}), 2)
    assert found == [{"clients": 1}, {"clients": 2}]
    assert events(logs) == ["edge.sensor_gone", "edge.sensor_back"]
    assert logs[0]["reason"] == "off"


def test_no_answer_at_all_is_no_reading() -> None:
    with capture_logs() as logs:
        assert values_of(polled({}, {"clients": 2})) == [{"clients": 2}]
    assert events(logs) == ["edge.sensor_gone", "edge.sensor_back"]


def test_a_bug_of_a_probe_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        values_of(polled(ZeroDivisionError()))


def test_a_probe_that_hangs_does_not_hold_up_a_stop() -> None:
    hanging, stop = threading.Event(), threading.Event()

    class Hanging:
        def measure(self) -> Mapping[str, Any]:
            stop.set()
            hanging.wait()
            return {"clients": 1}

    sensor = PolledSensor(Hanging(), DriverStatus("test", device_of("ap")), interval_s=1)
    assert list(sensor.readings(stop)) == []
    hanging.set()


def test_one_value_outside_the_contract_does_not_spoil_its_neighbours() -> None:
    with capture_logs() as logs:
        found = values_of(polled({"clients": 7, "noise_dbm": 40, "colour": "red", "latency_ms": float("nan")}))
    assert found == [{"clients": 7}]
    assert {entry["field"] for entry in logs} == {"noise_dbm", "colour", "latency_ms"}
    assert valid_values("truck", {"lat_deg": 91.0, "lon_deg": 123.6, "speed_kmh": None}) == {"lon_deg": 123.6}


def test_a_line_that_ends_is_opened_again() -> None:
    first, second = SaidLine(*[FRAME] * 30, ends=True), SaidLine(then=FRAME)
    with capture_logs() as logs:
        found = values_of(streamed(OSError(2, "No such file"), first, second), 20)
    assert found == [{"distance_mm": 1953}] * 20
    assert first.closed
    assert second.closed
    assert events(logs) == ["edge.sensor_gone", "edge.sensor_back"] * 2


def test_a_line_that_says_nothing_is_opened_again() -> None:
    mute, talking = SaidLine(), SaidLine(then=FRAME)
    with capture_logs() as logs:
        assert values_of(streamed(mute, talking, silence_s=0.0)) == [{"distance_mm": 1953}]
    assert mute.closed
    assert logs[0]["reason"] == "nothing came for 0 s"


def test_a_device_that_waits_to_be_asked_is_asked() -> None:
    line = SaidLine(then=FRAME)
    values_of(streamed(line, request=b"\x55", ask_every_s=0.0), 2)
    assert len(line.written) > 1
    once = SaidLine(then=FRAME)
    values_of(streamed(once, request=b"\x55"), 2)
    assert once.written == [b"\x55"]


def test_noise_is_said_once() -> None:
    with capture_logs() as logs:
        values_of(streamed(SaidLine(then=b"\xff\x00\x00\x00" + FRAME * 2)), 3)
    assert events(logs).count("edge.line_noise") == 1


def test_a_stop_ends_a_silent_line() -> None:
    stop = threading.Event()
    sensor = streamed(SaidLine(), silence_s=1e9)
    thread = threading.Thread(target=lambda: list(sensor.readings(stop)), daemon=True)
    thread.start()
    stop.set()
    wait_for(lambda: not thread.is_alive(), "the sensor to end")


def test_tries_become_rarer_up_to_a_bound_and_begin_anew_after_a_success() -> None:
    presence = DriverStatus("test", device_of("ap"), backoff_max_s=30)
    waits = [presence.backoff_s]
    for _ in range(7):
        presence.report_absent("off")
        waits.append(presence.backoff_s)
    assert waits[0] == 0
    assert all(top / 2 <= wait <= top for wait, top in zip(waits[1:], (1, 2, 4, 8, 16, 30, 30), strict=True))
    presence.to_entry({"clients": 1})
    assert presence.backoff_s == 0
