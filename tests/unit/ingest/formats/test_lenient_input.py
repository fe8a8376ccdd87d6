"""What surrounds or damages a value costs that value alone; what cannot be read is never taken for something else."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.errors import PayloadError
from ingest.decoding.formats import parsing
from ingest.decoding.formats.parsing import (
    clock_flags,
    content_key,
    json_object,
    json_value,
    parse_any_time,
    parse_epoch,
    parse_time,
    parse_utc,
)

AT = datetime(2026, 3, 1, 11, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b"\xef\xbb\xbf[1]", [1]),
        (b'{"a": 1}\0\0', {"a": 1}),
        (b'{"a": 1}\0\r\n', {"a": 1}),
        (b'{"ssid": "Caf\xe9", "n": 3}', {"ssid": "Caf\ufffd", "n": 3}),
        (b'{"ssid": "\\udce9x", "n": 3}', {"ssid": "\ufffdx", "n": 3}),
        (b'{"\\ud83d": 1}', {"\ufffd": 1}),
        (b'{"ok": "\\ud83d\\ude00"}', {"ok": "\U0001f600"}),
        (b'{"t": NaN, "u": -Infinity, "n": 3}', {"t": None, "u": None, "n": 3}),
        (b'{"t": 1e999, "n": 3}', {"t": None, "n": 3}),
        (b'[{"t": nan}]', None),
        (b"", None),
        (b"\0", None),
        (b"{", None),
        (b"[" * 100_000, None),
        (b"9" * 5_000, None),
        (b'{"a": 1} {"a": 2}', None),
        (b"\xff\xfe{\x00}\x00", None),
    ],
)
def test_one_damaged_text_or_number_costs_itself_alone(payload: bytes, value: Any) -> None:
    if value is None:
        with pytest.raises(PayloadError):
            json_value(payload)
    else:
        assert json_value(payload) == value
        json.dumps(json_value(payload)).encode()


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_refused(payload: bytes) -> None:
    try:
        value = json_value(payload)
    except PayloadError:
        return
    json.dumps(value, allow_nan=False).encode()


@pytest.mark.parametrize("payload", [b"[]", b"3", b'"x"', b"null", b"true"])
def test_what_is_no_object_is_refused_with_what_it_is(payload: bytes) -> None:
    with pytest.raises(PayloadError, match="Expected `object`, got `"):
        json_object(payload)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T11:59:30Z",
        "2026-03-01T19:59:30+08:00",
        "2026-03-01T19:59:30+0800",
        "2026-03-01T19:59:30+08:00[Asia/Makassar]",
        "2026-03-01T11:59:30Z[UTC]",
        "2026-03-01T11:59:30.0000000Z",
        "2026-03-01T11:59:30,000Z",
        "2026-03-01 11:59:30 UTC",
        "2026-03-01 11:59:30 gmt",
        "2026-03-01 19:59:30 WITA",
        "2026-03-01 18:59:30 WIB",
        "2026-03-01 20:59:30 WIT",
        "2026/03/01 11:59:30Z",
        "Sun, 01 Mar 2026 11:59:30 GMT",
        "Sun, 01 Mar 2026 19:59:30 +0800",
        1772366370,
        1772366370.0,
        "1772366370",
        1772366370_000,
        "1772366370000",
        1772366370_000_000,
        1772366370_000_000_000,
        "1.77236637e9",
    ],
)
def test_a_time_is_read_in_every_usual_spelling(text: object) -> None:
    assert parse_any_time(text) == AT
    assert clock_flags(text) == ()


@pytest.mark.parametrize("text", ["2026-03-01T11:59:30", "20260301115930", "2026/03/01 11:59:30"])
def test_a_time_without_a_zone_stays_without_unless_its_field_is_utc(text: str) -> None:
    assert parse_any_time(text) == AT.replace(tzinfo=None)
    assert parse_utc(text) == AT


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T11:59:30 somewhere", "2026", "1772366370 s", "12:59", "yesterday", "2026-02-30T11:59:00Z", "n/a",
        "1772366370,5", math.nan, math.inf, 1e300, True, [], {}, "2026-03-01 11:59:30 EST", "Mon, 32 Mar 2026", "٣",
    ],
)  # fmt: skip
def test_what_is_no_time_is_not_read_by_its_first_digits(text: object) -> None:
    at = parse_any_time(text)
    assert at is None or (text == "2026" and at.year == 1970), at


@pytest.mark.parametrize("value", [None, ""])
def test_a_time_that_is_not_there_is_no_wrong_clock(value: object) -> None:
    assert clock_flags(value) == ()
    assert clock_flags("somewhen", value) == ("clock",)
    assert clock_flags("somewhen", AT.isoformat()) == ()


@given(st.floats() | st.integers() | st.text(max_size=40))
def test_anything_is_a_time_or_none(value: object) -> None:
    for parse in (parse_time, parse_epoch, parse_any_time, parse_utc):
        at = parse(value)
        assert at is None or isinstance(at, datetime)


def test_a_record_is_its_content_whatever_the_order_of_its_keys() -> None:
    assert content_key({"a": 1, "b": {"c": 2, "d": 3}}) == content_key({"b": {"d": 3, "c": 2}, "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})


@given(
    st.datetimes(
        timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=8)), timezone(timedelta(minutes=-30))])
    ),
    st.sampled_from(["T", " "]),
    st.sampled_from(["auto", "minutes", "seconds", "milliseconds"]),
    st.sampled_from(["", "Z", "0", " WITA", "[Asia/Makassar]", " "]),
)
def test_a_time_is_the_same_by_both_ways_of_reading_it(at: datetime, between: str, timespec: str, behind: str) -> None:
    text = at.isoformat(between, timespec) + behind
    other = parsing._parse_other_time(text)
    expected: datetime | None
    try:
        expected = other.astimezone(UTC) if other and other.tzinfo else other
    except OverflowError:
        expected = None
    assert parse_time(text) == expected
