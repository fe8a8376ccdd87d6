"""Our line protocol says what `influxdb_client.Point` says, and times are unique and repeatable."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from influxdb_client import Point

from ingest.store.influx.http import UNQUOTABLE, quote_value
from ingest.store.influx.line_protocol import encode_tags, time_ns, to_line
from ingest.store.records import EventRecord, Reading, RecordOrigin, StatusRecord

T0 = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
_SPLIT = re.compile(r'((?:[^\\ ,="]|\\.|"(?:[^"\\]|\\.)*")+|[ ,=])', re.DOTALL)

text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
tag_text = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='\\"'), min_size=1, max_size=12)


def parsed(line: str) -> tuple[str, dict[str, str], dict[str, Any], int]:
    """A line taken apart: measurement, tags, fields, time; numbers as numbers."""
    pieces = _SPLIT.findall(line)
    assert "".join(pieces) == line
    parts: list[list[str]] = [[]]
    for piece in pieces:
        if piece == " ":
            parts.append([])
        else:
            parts[-1].append(piece)
    head, fields, (time,) = parts
    pairs = [piece for piece in head[1:] if piece not in ",="]
    values = [piece for piece in fields if piece not in ",="]
    return (
        head[0],
        dict(zip(pairs[::2], pairs[1::2], strict=True)),
        {name: _number(value) for name, value in zip(values[::2], values[1::2], strict=True)},
        int(time),
    )


def _number(value: str) -> Any:
    if value.endswith("i"):
        return int(value[:-1])
    return value if value.startswith('"') else float(value)


@given(
    kelurahan=tag_text,
    distance_mm=st.floats(0, 20_000),
    seq=st.integers(0, 2**53),
    firmware=text,
)
def test_readings_and_states_say_what_point_says(kelurahan: str, distance_mm: float, seq: int, firmware: str) -> None:
    tags = encode_tags({"device": "bin-1", "kelurahan": kelurahan, "site": ""})
    origin = RecordOrigin("bin", "bin-1", "k3", seq, T0, T0 + timedelta(seconds=1), quality=("clock", "late"))
    line = to_line(Reading(origin, {"distance_mm": distance_mm, "lid_open": True}), lambda _: tags).decode()
    point = Point("bin").tag("device", "bin-1").tag("kelurahan", kelurahan).time(time_ns(origin))
    for name, value in (
        ("distance_mm", distance_mm),
        ("lid_open", 1),
        ("seq", seq),
        ("boot", "k3"),
        ("received_at", int(origin.received_at.timestamp() * 1e6)),
        ("quality", "clock late"),
    ):
        point = point.field(name, value)
    assert parsed(line) == parsed(point.to_line_protocol())

    status = StatusRecord("bin", "bin-1", "online", None, T0, firmware=firmware)
    line = to_line(status, lambda _: tags).decode()
    point = Point("status").tag("device", "bin-1").tag("kelurahan", kelurahan).tag("kind", "bin")
    point = point.field("state", "online").field("reason", "").field("firmware", firmware).field("model", "")
    assert parsed(line) == parsed(point.time(int(T0.timestamp() * 1e3) * 1_000_000).to_line_protocol())


@given(detail=st.dictionaries(text, text | st.integers(-5, 5), max_size=3))
def test_an_event_s_detail_survives(detail: dict[str, Any]) -> None:
    origin = RecordOrigin("bin", "bin-1", "k3", 7, T0, T0)
    line = to_line(EventRecord(origin, "fire", "raised", detail), lambda _: b",device=bin-1").decode()
    measurement, tags, fields, _ = parsed(line)
    assert (measurement, tags) == ("event", {"device": "bin-1", "kind": "bin", "type": "fire"})
    assert json.loads(re.sub(r'\\(["\\])', r"\1", fields["detail"][1:-1])) == detail


@given(st.lists(st.integers(0, 999_999), unique=True, max_size=30), st.integers(0, 2**40))
def test_readings_of_one_moment_have_times_of_their_own_and_the_same_again(seqs: list[int], base: int) -> None:
    origins = [RecordOrigin("bin", "bin-1", "k3", base + seq, T0, T0) for seq in seqs]
    times = [time_ns(origin) for origin in origins]
    assert len(set(times)) == len(times)
    assert times == [time_ns(origin) for origin in origins]
    assert {time // 1_000_000 for time in times} <= {int(T0.timestamp() * 1000)}


@given(st.text(st.characters(exclude_characters=UNQUOTABLE)))
def test_a_quoted_value_cannot_end_its_quotes(value: str) -> None:
    quoted = quote_value(value)
    assert re.fullmatch(r"'(?:[^'\\]|\\.)*'", quoted, re.DOTALL)
