"""Positions out of NMEA sentences and gpsd's reports, and none where the receiver has none."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import reduce
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.errors import RetryLaterError
from edge.sensors.gpsd import GpsdDecoder
from edge.sensors.nmea import NmeaDecoder
from edge.sensors.streamed import Sample

NO_FIX = "the receiver has no fix"


def sentence(body: str) -> bytes:
    checksum = reduce(lambda a, b: a ^ b, body.encode())
    return f"${body}*{checksum:02X}\r\n".encode()


RMC = sentence("GPRMC,081530.00,A,1010.6284,S,12336.4260,E,12.5,084.4,010326,,,A")
GGA = sentence("GPGGA,081530.00,1010.6284,S,12336.4260,E,1,08,0.9,45.4,M,46.9,M,,")


def heard(*sentences: bytes) -> Sample:
    decoder = NmeaDecoder()
    decoder.feed(b"".join(sentences))
    return decoder.take_sample()


def test_rmc_and_gga_of_a_moment_make_a_reading_at_the_satellites_time() -> None:
    sample = heard(RMC, GGA)
    assert sample.at == datetime(2026, 3, 1, 8, 15, 30, tzinfo=UTC)
    assert sample.values == {
        "lat_deg": -10.17714,
        "lon_deg": 123.6071,
        "speed_kmh": 23.15,
        "heading_deg": 84.4,
        "hdop": 0.9,
        "satellites": 8,
    }


def test_other_constellations_speak_as_well() -> None:
    assert heard(sentence("GNRMC,081530,A,1010.6284,S,12336.4260,E,,,010326,,,D,V")).values == {
        "lat_deg": -10.17714,
        "lon_deg": 123.6071,
    }


@pytest.mark.parametrize(
    "sentences",
    [
        [sentence("GPRMC,081530,V,,,,,,,010326,,,N")],
        [sentence("GPRMC,081530,V,1010.6284,S,12336.4260,E,12.5,084.4,010326,,,N")],
        [sentence("GPRMC,081530,A,1010.6284,S,12336.4260,E,12.5,084.4,010326,,,E")],
        [sentence("GPRMC,081530,A,1010.6284,S,12336.4260,E,12.5,084.4,010326,,,S")],
        [sentence("GPGGA,081530,,,,,0,00,99.99,,,,,,")],
        [sentence("GPGGA,081530,1010.6284,S,12336.4260,E,6,08,0.9,45.4,M,46.9,M,,")],
        [RMC, sentence("GPGGA,081530.00,1010.6284,S,12336.4260,E,0,00,99.9,,,,,,")],
    ],
)
def test_without_a_fix_there_is_no_position(sentences: list[bytes]) -> None:
    with pytest.raises(RetryLaterError, match=NO_FIX):
        heard(*sentences)


@pytest.mark.parametrize(
    "fields",
    [
        "1010.6284,,12336.4260,E",
        ",S,12336.4260,E",
        "1010.6284,S,,E",
        "x,S,12336.4260,E",
        "0,S,1.2.3,E",
        "9910.1,S,12336.4,E",
    ],
)
def test_half_a_position_is_none_and_never_zero(fields: str) -> None:
    with pytest.raises(RetryLaterError, match="not whole"):
        heard(sentence(f"GPRMC,081530,A,{fields},12.5,084.4,010326,,,A"))


def test_what_is_not_a_number_is_absent() -> None:
    odd = sentence("GPRMC,081530,A,1010.6284,S,12336.4260,E,nan,east,010326,,,A")
    worthless = sentence("GPGGA,081530,1010.6284,S,12336.4260,E,1,,99.99,,,,,,")
    assert set(heard(odd, worthless).values) == {"lat_deg", "lon_deg"}


def test_a_receiver_without_rmc_has_no_time_and_no_speed() -> None:
    sample = heard(GGA)
    assert sample.at is None
    assert set(sample.values) == {"lat_deg", "lon_deg", "hdop", "satellites"}


def test_a_date_of_before_the_first_fix_is_passed_on_for_ingest_to_judge() -> None:
    assert heard(RMC.replace(b"010326,,,A*", b"060180,,,A*"), RMC).at is not None
    early = heard(sentence("GPRMC,000003,A,1010.6284,S,12336.4260,E,,,060180,,,A"))
    assert early.at == datetime(1980, 1, 6, 0, 0, 3, tzinfo=UTC)
    assert heard(sentence("GPRMC,,A,1010.6284,S,12336.4260,E,,,,,,A")).at is None


@pytest.mark.parametrize(
    "bad", [RMC.replace(b"12.5", b"99.5"), RMC.split(b"*")[0] + b"\r\n", b"$GPRMC\r\n", b"\xff\r\n"]
)
def test_a_sentence_without_its_checksum_is_counted_and_passed_over(bad: bytes) -> None:
    decoder = NmeaDecoder()
    decoder.feed(bad)
    assert decoder.unreadable == 1
    with pytest.raises(RetryLaterError, match="no RMC or GGA"):
        decoder.take_sample()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(0, 200), max_size=6))
def test_no_bytes_break_it_and_sentences_are_found_however_they_are_cut(noise: list[bytes], cuts: list[int]) -> None:
    decoder = NmeaDecoder()
    for chunk in noise:
        decoder.feed(chunk)
    assert len(decoder._rest) <= 256
    decoder.reset()
    text = RMC + GGA
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for a, b in pairwise(edges):
        decoder.feed(text[a:b])
    assert decoder.take_sample().values["satellites"] == 8


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$*,"), max_size=12)),
    st.sampled_from(["GPRMC", "GNGGA"]),
)
def test_no_fields_break_it(fields: list[str], name: str) -> None:
    decoder = NmeaDecoder()
    decoder.feed(sentence(",".join([name, *fields])))
    try:
        assert {"lat_deg", "lon_deg"} <= set(decoder.take_sample().values)
    except RetryLaterError:
        assert decoder._rest == b""


def tpv(**fields: object) -> bytes:
    report = {"class": "TPV", "device": "/dev/ttyUSB0", "mode": 3, "time": "2026-03-01T08:15:30.000Z", "lat": -10.17714}
    return msgspec.json.encode({**report, "lon": 123.6071, "speed": 6.43, "track": 84.4, **fields}) + b"\n"


SKY = (
    b'{"class":"SKY","device":"/dev/ttyUSB0","hdop":0.9,"satellites":[{"PRN":1,"used":true},{"PRN":2,"used":false}]}\n'
)


def reported(*lines: bytes, receiver: str = "") -> Sample:
    decoder = GpsdDecoder(receiver)
    decoder.feed(b"".join(lines))
    return decoder.take_sample()


def test_gpsds_reports_make_a_reading() -> None:
    sample = reported(b'{"class":"VERSION","release":"3.22"}\n', tpv(), SKY)
    assert sample.at == datetime(2026, 3, 1, 8, 15, 30, tzinfo=UTC)
    assert sample.values["speed_kmh"] == 23.15
    assert (sample.values["hdop"], sample.values["satellites"]) == (0.9, 1)


@pytest.mark.parametrize("fields", [{"mode": 1}, {"mode": 0}, {"lat": None}, {"lat": 91}, {"status": 5}, {"status": 8}])
def test_gpsd_without_a_fix_gives_no_position(fields: dict[str, object]) -> None:
    with pytest.raises(RetryLaterError, match=NO_FIX):
        reported(tpv(**fields), SKY)


def test_another_receivers_reports_do_not_count() -> None:
    with pytest.raises(RetryLaterError, match="says nothing"):
        reported(tpv(), receiver="/dev/ttyUSB1")


def test_what_is_no_report_is_counted_and_passed_over() -> None:
    decoder = GpsdDecoder("")
    decoder.feed(b'{"deep":' + b"[" * 60_000 + b"\n")
    decoder.feed(b'{"class":"TPV","mode":"three"}\n\xff\xfe\n[1]\n{"class":"TPV"' + b"\n" + tpv())
    assert decoder.unreadable == 5
    assert decoder.take_sample().values["lat_deg"] == -10.17714


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_no_bytes_break_gpsds_decoder(noise: list[bytes]) -> None:
    decoder = GpsdDecoder("")
    for chunk in noise:
        decoder.feed(chunk)
    decoder.feed(b"\n" + tpv())
    assert decoder.take_sample().values["lon_deg"] == 123.6071
