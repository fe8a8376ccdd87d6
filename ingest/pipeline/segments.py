"""Segments of the journal: messages as raw bytes in frames, each with a checksum, so that damage costs one message.

A frame is a header (checksum, sizes, time of receipt, whether the broker had retained the message), the topic, and the
payload. The checksum covers all that follows it. Where frames are damaged, the next one is found by its checksum.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from struct import Struct
from typing import Final, NamedTuple

from ingest.messages import Arrival, JournalEntry

SEGMENT_BYTES: Final = 16_384
"""Bytes from which on a segment takes no further message: damage that costs a whole segment costs few messages."""
_HEADER: Final = Struct("<IIHBd")
"""Checksum, bytes of the payload, bytes of the topic, 1 if retained, seconds since 1970."""
_CHECKED: Final = Struct("<IHBd")
"""A header without the checksum."""
_CHECKSUM: Final = Struct("<I")
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
TOPIC_MAX_BYTES: Final = (1 << 16) - 1


class Segment(NamedTuple):
    """Frames of the messages at positions `first` to `last`."""

    first: int
    last: int
    frames: bytes


def to_frames(arrivals: Iterable[Arrival]) -> list[bytes]:
    """Messages as frames. Those that were received together have one time, which is converted once."""
    frames = []
    last_at, seconds = _NEVER, 0.0
    pack, pack_checksum, crc32 = _CHECKED.pack, _CHECKSUM.pack, zlib.crc32
    for arrival in arrivals:
        if arrival.received_at is not last_at:
            last_at = arrival.received_at
            seconds = last_at.timestamp()
        payload = arrival.payload
        name = arrival.topic.encode("utf-8", "surrogatepass")[:TOPIC_MAX_BYTES]
        checked = pack(len(payload), len(name), arrival.retained, seconds) + name + payload
        frames.append(pack_checksum(crc32(checked)) + checked)
    return frames


def to_segments(frames: Sequence[bytes], last: int) -> Iterator[Segment]:
    """Frames in order as segments; the last one of them is at position `last`."""
    position = last - len(frames) + 1
    size, start = 0, 0
    for place, frame in enumerate(frames):
        size += len(frame)
        if size >= SEGMENT_BYTES or place == len(frames) - 1:
            yield Segment(position + start, position + place, b"".join(frames[start : place + 1]))
            size, start = 0, place + 1


def to_entries(segment: Segment) -> list[JournalEntry]:
    """The messages of a segment. A damaged frame is a damaged entry; positions of frames that are gone are left out.

    Frames before the damage are counted from the front, those behind it from the back.
    """
    frames = segment.frames
    if not frames:
        return [_damaged_entry(segment.last, frames)]
    entries: list[JournalEntry] = []
    place, position, size = 0, segment.first, len(frames)
    unpack, crc32 = _HEADER.unpack_from, zlib.crc32
    last_seconds, last_at = math.nan, _NEVER
    # `_read` in a loop, for the many that are whole.
    while place + _HEADER.size <= size:
        checksum, payload_bytes, topic_bytes, retained, received_at = unpack(frames, place)
        topic_at = place + _HEADER.size
        payload_at = topic_at + topic_bytes
        end = payload_at + payload_bytes
        if end > size or crc32(frames[place + _CHECKSUM.size : end]) != checksum:
            break
        if received_at != last_seconds:  # messages that were received together have one time
            last_seconds, last_at = received_at, datetime.fromtimestamp(received_at, UTC)
        topic = frames[topic_at:payload_at].decode("utf-8", "surrogatepass")
        entries.append(JournalEntry(position, Arrival(topic, frames[payload_at:end], last_at, retained == 1)))
        place = end
        position += 1
    return entries + _behind_damage(segment, place, position) if place < size else entries


def _end(frames: bytes, place: int) -> int:
    """Where the frame at a place ends by its header; beyond the end of the bytes if that is not possible."""
    if place + _HEADER.size > len(frames):
        return len(frames) + 1
    _, payload_bytes, topic_bytes, _, _ = _HEADER.unpack_from(frames, place)
    return int(place + _HEADER.size + topic_bytes + payload_bytes)


def _read(frames: bytes, place: int, position: int) -> JournalEntry | None:
    """The message of the frame at a place; None if it is damaged."""
    if place + _HEADER.size > len(frames):
        return None
    checksum, payload_bytes, topic_bytes, retained, received_at = _HEADER.unpack_from(frames, place)
    topic_at = place + _HEADER.size
    payload_at = topic_at + topic_bytes
    end = payload_at + payload_bytes
    if end > len(frames) or zlib.crc32(frames[place + _CHECKSUM.size : end]) != checksum:
        return None
    topic = frames[topic_at:payload_at].decode("utf-8", "surrogatepass")
    arrival = Arrival(topic, frames[payload_at:end], datetime.fromtimestamp(received_at, UTC), retained == 1)
    return JournalEntry(position, arrival)


def _behind_damage(segment: Segment, place: int, position: int) -> list[JournalEntry]:
    """The entries of a segment from a damaged frame on."""
    frames = segment.frames
    good: list[int] = []
    damaged: list[tuple[int, int]] = []
    while place < len(frames):
        if _read(frames, place, 0) is not None:
            good.append(place)
            place = _end(frames, place)
        else:
            end = _end_of_damage(frames, place)
            damaged.append((place, end))
            place = end
    # Positions grow with the place; those that are not needed were those of frames that are gone.
    places = sorted([*good, *(start for start, _ in damaged)])
    positions = range(max(position, segment.last - len(places) + 1), segment.last + 1)
    ends = dict(damaged)
    entries = []
    for number, start in zip(positions, places, strict=False):
        entry = _read(frames, start, number) if start in good else None
        entries.append(entry or _damaged_entry(number, frames[start : ends[start]]))
    return entries


def _end_of_damage(frames: bytes, place: int) -> int:
    """Where the first undamaged frame behind a damaged one begins; the end of the bytes without one."""
    by_header = _end(frames, place)
    if by_header == len(frames) or (by_header < len(frames) and _read(frames, by_header, 0) is not None):
        return by_header
    return next((start for start in range(place + 1, len(frames)) if _read(frames, start, 0) is not None), len(frames))


def _damaged_entry(position: int, raw: bytes) -> JournalEntry:
    """A damaged frame, with topic and payload as far as its header gives them."""
    topic, payload = "", raw
    if raw and _end(raw, 0) == len(raw):
        topic_bytes = _HEADER.unpack_from(raw)[2]
        topic = raw[_HEADER.size : _HEADER.size + topic_bytes].decode("utf-8", "replace")
        payload = raw[_HEADER.size + topic_bytes :]
    return JournalEntry(position, Arrival(topic, payload, datetime.now(UTC)), damaged=True)
