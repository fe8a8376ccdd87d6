"""Segments of the journal: what was written is read again, and damage costs no undamaged message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.messages import Arrival
from ingest.pipeline.segments import SEGMENT_BYTES, Segment, to_entries, to_frames, to_segments

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def arrivals(number: int, size: int = 40) -> list[Arrival]:
    return [
        Arrival(f"t/{n % 3}", b"%d " % n * size, NOW + timedelta(milliseconds=n), retained=n % 5 == 0)
        for n in range(number)
    ]


def framed(messages: list[Arrival]) -> list[bytes]:
    return to_frames(messages)


def segment_of(messages: list[Arrival], first: int = 1) -> Segment:
    return Segment(first, first + len(messages) - 1, b"".join(framed(messages)))


@given(
    st.lists(
        st.tuples(st.text(max_size=40), st.binary(max_size=200), st.booleans(), st.datetimes(timezones=st.just(UTC))),
        max_size=20,
    ),
    st.integers(1, 1 << 40),
)
def test_what_was_written_is_read_again(messages: list[tuple[str, bytes, bool, datetime]], first: int) -> None:
    written = [Arrival(topic, payload, at, retained) for topic, payload, retained, at in messages]
    last = first + len(written) - 1
    entries = [entry for segment in to_segments(framed(written), last) for entry in to_entries(segment)]
    assert [entry.offset for entry in entries] == list(range(first, last + 1))
    assert not any(entry.damaged for entry in entries)
    for entry, arrival in zip(entries, written, strict=True):
        read = entry.arrival
        assert (read.topic, read.payload, read.retained) == (arrival.topic, arrival.payload, arrival.retained)
        assert abs(read.received_at - arrival.received_at) < timedelta(milliseconds=1)


def test_segments_are_small_follow_each_other_and_hold_a_large_message_alone() -> None:
    messages = [*arrivals(300), Arrival("t/large", bytes(5 * SEGMENT_BYTES), NOW), *arrivals(10)]
    segments = list(to_segments(framed(messages), 411))
    assert segments[0].first == 101
    assert segments[-1].last == 411
    assert all(before.last + 1 == after.first for before, after in pairwise(segments))
    assert sum(len(segment.frames) > 2 * SEGMENT_BYTES for segment in segments) == 1
    assert 4 < len(segments) < 20


@pytest.mark.parametrize("changed_bits", [1, 0x5A, 0xFF])
def test_a_changed_byte_anywhere_costs_one_message_and_its_neighbours_keep_their_offsets(changed_bits: int) -> None:
    messages = arrivals(12, size=10)
    segment = segment_of(messages, first=7)
    whole = {entry.offset: entry.arrival for entry in to_entries(segment)}
    for place in range(len(segment.frames)):
        frames = bytearray(segment.frames)
        frames[place] ^= changed_bits
        entries = to_entries(segment._replace(frames=bytes(frames)))
        (damaged,) = [entry for entry in entries if entry.damaged]
        good = {entry.offset: entry.arrival for entry in entries if not entry.damaged}
        assert good == {offset: arrival for offset, arrival in whole.items() if offset != damaged.offset}, place
        assert damaged.arrival.payload


def test_what_is_changed_in_two_places_or_torn_leaves_the_rest() -> None:
    messages = arrivals(20, size=10)
    segment = segment_of(messages)
    size = len(segment.frames)
    frames = bytearray(segment.frames)
    frames[size // 3] ^= 1
    frames[2 * size // 3] ^= 1
    entries = to_entries(segment._replace(frames=bytes(frames)))
    assert [entry.offset for entry in entries] == list(range(1, 21))
    assert sum(entry.damaged for entry in entries) == 2
    noise = bytes(frames[: size // 3]) + bytes(size // 3) + bytes(frames[2 * size // 3 + 1 :])
    behind_noise = to_entries(segment._replace(frames=noise))
    assert [entry.offset for entry in behind_noise] == sorted({entry.offset for entry in behind_noise})
    assert behind_noise[0].arrival == messages[0]
    assert behind_noise[-1].arrival == messages[-1]
    assert behind_noise[-1].offset == 20
    for cut in range(1, size, 7):
        torn = to_entries(segment._replace(frames=segment.frames[:cut]))
        good = [entry.arrival for entry in torn if not entry.damaged]
        assert good == messages[: len(good)]
        assert sum(entry.damaged for entry in torn) <= 1


def test_a_damaged_message_keeps_topic_and_payload_where_its_sizes_are_whole() -> None:
    messages = arrivals(3)
    frames = segment_of(messages).frames.replace(b"1 1 ", b"1 9 ", 1)
    damaged = to_entries(Segment(1, 3, frames))[1]
    assert (damaged.damaged, damaged.arrival.topic) == (True, "t/1")
    assert damaged.arrival.payload == messages[1].payload.replace(b"1 1 ", b"1 9 ", 1)


def test_a_segment_of_nothing_but_noise_is_one_damaged_entry() -> None:
    entries = to_entries(Segment(4, 9, bytes(range(256)) * 4))
    assert [(entry.offset, entry.damaged) for entry in entries] == [(9, True)]
    (gone,) = to_entries(Segment(4, 9, b""))
    assert (gone.offset, gone.damaged) == (9, True)
