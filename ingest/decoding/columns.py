"""Decodes a batch of messages: plain readings into columns, everything else message by message. Pure.

A plain reading is one object of known fields on a telemetry topic of a known device, whose clock is right, and which no
rule changes. `SnapshotDecoder.decode` is the reference: it gives the same records for every message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec

from broker.contract.payloads import MAX_PAYLOAD_BYTES, Telemetry
from broker.contract.topics import Kind
from city.inventory.model import Device
from ingest.decoding.results import DecodeResult
from ingest.decoding.validation import FillGauge, is_plausible
from ingest.messages import JournalEntry
from ingest.store.record_batch import ReadingColumns
from ingest.store.records import QUALITY_LATE, Reading
from ingest.store.schema import COLUMNS

COLUMN_KINDS: Final[frozenset[Kind]] = frozenset({"bin"})
"""Kinds whose readings need no rule but that of heat; positions and counters are judged one after the other."""
_LATE: Final[tuple[str, ...]] = (QUALITY_LATE,)
_ON_TIME: Final[tuple[str, ...]] = ()
_POSITION: Final = ("lat_deg", "lon_deg")


class TelemetryTopic(NamedTuple):
    """What a telemetry topic of a known device says, and the decoder of its readings."""

    device: Device
    decode: Callable[[bytes], Telemetry]
    gauge: FillGauge | None


class DecodedBatch(NamedTuple):
    """Columns of plain readings, and the results of all other messages with their places in the batch."""

    columns: list[ReadingColumns]
    others: list[tuple[int, DecodeResult]]


class _PlainReadings:
    """Plain readings of one kind before they are columns."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.topics: list[TelemetryTopic] = []
        self.items: list[Telemetry] = []


class ColumnDecoder:
    """Decodes batches against one snapshot of the inventory.

    Args:
        topic_of: What a topic says; None for topics without plain readings.
        reading_of: The record of a reading, with time and geometry validated.
        decode: The general way: decodes one message.
        late_after: Age on arrival from which on a reading gets the quality flag `late`.
    """

    def __init__(
        self,
        topic_of: Callable[[str], TelemetryTopic | None],
        reading_of: Callable[[Device, Telemetry, datetime], Reading],
        decode: Callable[[JournalEntry], DecodeResult],
        late_after: timedelta,
    ) -> None:
        self._topic_of = topic_of
        self._reading_of = reading_of
        self._decode = decode
        self._late_after = late_after

    def decode_batch(self, entries: Sequence[JournalEntry]) -> DecodedBatch:
        """Decode a batch. Never raises, whatever the input."""
        plain: defaultdict[Kind, _PlainReadings] = defaultdict(_PlainReadings)
        others: list[tuple[int, DecodeResult]] = []
        topic_of = self._topic_of
        for place, entry in enumerate(entries):
            arrival = entry.arrival
            topic = topic_of(arrival.topic)
            if topic is None or entry.damaged or len(arrival.payload) > MAX_PAYLOAD_BYTES:
                others.append((place, self._decode(entry)))
                continue
            try:
                item = topic.decode(arrival.payload)
            except Exception:  # noqa: BLE001 - the general way says what it is
                others.append((place, self._decode(entry)))
                continue
            if topic.device.KIND in COLUMN_KINDS:
                readings = plain[topic.device.KIND]
                readings.places.append(place)
                readings.topics.append(topic)
                readings.items.append(item)
            else:
                others.append((place, self._record(topic, item, entry)))
        columns = []
        for kind, readings in plain.items():
            try:
                block, refused = self._to_columns(kind, readings, entries)
            except Exception:  # noqa: BLE001 - promise 3: message by message, each says what it is
                others += [(place, self._decode(entries[place])) for place in readings.places]
                continue
            columns.append(block)
            others += [
                (
                    readings.places[row],
                    self._record(readings.topics[row], readings.items[row], entries[readings.places[row]]),
                )
                for row in refused
            ]
        return DecodedBatch(columns, sorted(others, key=itemgetter(0)))

    def _qualities(self, measured: Sequence[datetime], received: Sequence[datetime]) -> list[tuple[str, ...]]:
        """Quality flags by the age on arrival; all are asked at once where all are alike."""
        if max(received) - min(measured) <= self._late_after:
            return [_ON_TIME] * len(measured)
        return [_LATE if at - by > self._late_after else _ON_TIME for by, at in zip(measured, received, strict=True)]

    def _record(self, topic: TelemetryTopic, item: Telemetry, entry: JournalEntry) -> DecodeResult:
        try:
            return DecodeResult([self._reading_of(topic.device, item, entry.arrival.received_at)], [])
        except Exception:  # noqa: BLE001 - promise 3: a bad message never stops a good one
            return self._decode(entry)

    def _to_columns(
        self, kind: Kind, readings: _PlainReadings, entries: Sequence[JournalEntry]
    ) -> tuple[ReadingColumns, list[int]]:
        """Readings as columns, and the rows of those that a check changes."""
        measured, epochs, seqs, *fields = map(list, zip(*map(msgspec.structs.astuple, readings.items), strict=True))
        received = [entries[place].arrival.received_at for place in readings.places]
        values = {
            name: column for name, column in zip(COLUMNS[kind], fields, strict=True) if column.count(None) < len(column)
        }
        is_plain = _have_right_clocks(measured, received)
        for name in _POSITION:
            if name in values:
                is_plain = [plain and value is None for plain, value in zip(is_plain, values[name], strict=True)]
        if "distance_mm" in values:
            is_plain = _add_fill_levels(values, readings.topics, is_plain)
        qualities = self._qualities(measured, received)
        devices = [topic.device.id for topic in readings.topics]
        block = ReadingColumns(kind, readings.places, devices, epochs, seqs, measured, received, qualities, values)
        if all(is_plain):
            return block, []
        return block.filter(is_plain), [row for row, plain in enumerate(is_plain) if not plain]


def _have_right_clocks(measured: Sequence[datetime], received: Sequence[datetime]) -> list[bool]:
    """For each reading, whether its time of measurement is possible; all are asked at once where all are."""
    if is_plausible(min(measured), min(received)) and is_plausible(max(measured), min(received)):
        return [True] * len(measured)
    return [is_plausible(by, at) for by, at in zip(measured, received, strict=True)]


def _add_fill_levels(
    values: dict[str, list[Any]], topics: Sequence[TelemetryTopic], is_plain: Sequence[bool]
) -> list[bool]:
    """Add the fill levels that follow from distances; returns what is plain: not a distance that gives none."""
    distances = values["distance_mm"]
    fills = [
        None if distance is None or topic.gauge is None else topic.gauge.fill_pct(distance)
        for topic, distance in zip(topics, distances, strict=True)
    ]
    own = values.get("fill_pct", [None] * len(fills))
    values["fill_pct"] = [given if fill is None else fill for fill, given in zip(fills, own, strict=True)]
    return [
        plain and (distance is None or fill is not None)
        for plain, distance, fill in zip(is_plain, distances, fills, strict=True)
    ]
