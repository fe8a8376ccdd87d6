"""Distances of ultrasonic sensors: whole frames out of any bytes, echoes out of pulses, nothing where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.errors import RetryLaterError
from edge.sensors.registry import open_sensor
from edge.sensors.ultrasonic_gpio import EchoPins, EchoProbe, UltrasonicGpioOptions, distance_mm
from edge.sensors.ultrasonic_uart import RANGES_MM, UltrasonicFrameDecoder
from tests.support.sensors import assigned

RANGE = RANGES_MM["a02yyuw"]


def frame(mm: int) -> bytes:
    head = bytes([0xFF, mm >> 8, mm & 0xFF])
    return head + bytes([sum(head) & 0xFF])


def decoded(*chunks: bytes) -> UltrasonicFrameDecoder:
    decoder = UltrasonicFrameDecoder(RANGE)
    for chunk in chunks:
        decoder.feed(chunk)
    return decoder


def test_the_makers_example_is_1953_mm() -> None:
    assert decoded(bytes.fromhex("FF07A1A7")).take_sample().values == {"distance_mm": 1953}


def test_the_median_survives_single_wrong_frames() -> None:
    decoder = decoded(*(frame(mm) for mm in (840, 841, 30, 842, 4400, 0, 839)))
    assert decoder.take_sample().values == {"distance_mm": 840}


@pytest.mark.parametrize("mm", [0, 29, 4501, 0xFFFD, 0xFFFE])
def test_a_sentinel_is_no_distance(mm: int) -> None:
    with pytest.raises(RetryLaterError, match="no echo from 30 to 4500 mm"):
        decoded(frame(mm) * 5).take_sample()


def test_nothing_is_said_twice() -> None:
    decoder = decoded(frame(840))
    decoder.take_sample()
    with pytest.raises(RetryLaterError, match="no frame could be read"):
        decoder.take_sample()


def test_a_wrong_checksum_is_counted_and_passed_over() -> None:
    decoder = decoded(bytes.fromhex("FF07A1A8"), frame(840))
    assert decoder.unreadable == 1
    assert decoder.take_sample().values == {"distance_mm": 840}


@settings(deadline=None)
@given(
    before=st.binary(max_size=40).filter(lambda noise: 0xFF not in noise),
    distances=st.lists(st.integers(*RANGE), min_size=1, max_size=14),
    cuts=st.lists(st.integers(0, 100), max_size=6),
)
def test_frames_are_found_after_noise_and_however_they_are_cut(
    before: bytes, distances: list[int], cuts: list[int]
) -> None:
    text = before + b"".join(map(frame, distances))
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    decoder = decoded(*(text[a:b] for a, b in pairwise(edges)))
    assert decoder.take_sample().values["distance_mm"] == sorted(distances)[(len(distances) - 1) // 2]
    assert decoder.unreadable == 0


@settings(deadline=None)
@given(st.lists(st.binary(max_size=64), max_size=8))
def test_no_bytes_break_the_decoder_or_make_it_grow(chunks: list[bytes]) -> None:
    decoder = decoded(*chunks)
    assert len(decoder._rest) < 4
    decoder.feed(bytes(4) + frame(840) * 31)
    assert decoder.take_sample().values == {"distance_mm": 840}


class Pulses:
    """Pins whose echoes are known."""

    def __init__(self, echoes_s: list[float | None]) -> None:
        self._echoes_s = list(echoes_s)

    def ping(self) -> float | None:
        return self._echoes_s.pop(0)


def measured(echoes_s: list[float | None], **options: float) -> float:
    @contextmanager
    def opened() -> Iterator[EchoPins]:
        yield Pulses(echoes_s)

    given_options = UltrasonicGpioOptions(trigger=23, echo=24, pings=len(echoes_s), **options)  # type: ignore[arg-type]
    return float(EchoProbe(opened, given_options, rest=lambda _s: None).measure()["distance_mm"])


def test_sound_takes_5_8_ms_for_a_metre_and_back() -> None:
    assert distance_mm(0.005824, 20) == pytest.approx(1000, abs=1)
    assert distance_mm(0.005824, 30) == pytest.approx(1017, abs=1)


def test_the_distance_is_the_median_of_several_shouts() -> None:
    assert measured([0.005824, None, 0.0058, 0.02, 0.0058]) == pytest.approx(998, abs=3)


@pytest.mark.parametrize("echoes_s", [[None] * 5, [0.005824, 0.005824, None, None, None], [0.00001] * 5, [0.038] * 5])
def test_without_enough_echoes_there_is_no_distance(echoes_s: list[float | None]) -> None:
    with pytest.raises(RetryLaterError, match="no echo from 20 to 4000 mm"):
        measured(echoes_s)


def test_pins_that_are_not_there_are_waited_for() -> None:
    sensor = open_sensor("ultrasonic-gpio", assigned("bin", "gpiochip-none#trigger=23,echo=24"))
    probe = sensor._probe  # type: ignore[attr-defined]
    with pytest.raises(RetryLaterError, match="No such file"):
        probe.measure()
