"""A batch of the journal after decoding: records and columns, and what of each message is none."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from ingest.decoding.decoder import Decoder
from ingest.decoding.results import DecodeResult
from ingest.messages import JournalEntry
from ingest.pipeline.temperatures import hot_devices
from ingest.store.record_batch import ReadingColumns
from ingest.store.records import Record, StatusRecord, device_of


class SourcedBatch(NamedTuple):
    """Records in order of arrival with their sources, columns of readings, and the results that are not columns."""

    records: list[tuple[JournalEntry, Record]]
    columns: list[ReadingColumns]
    others: list[tuple[JournalEntry, DecodeResult]]


def decode_batch(decoder: Decoder, batch: Sequence[JournalEntry], *, in_columns: bool) -> SourcedBatch:
    """Decode a batch. No device has both records and rows of columns: its order counts for rules and duplicates.

    Args:
        decoder: Decodes each message.
        batch: In order of arrival.
        in_columns: False gives records alone.
    """
    decoded = decoder.decode_batch(batch)
    records = [(place, record) for place, result in decoded.others for record in result.records]
    one_by_one = {device_of(record) for _, record in records if not isinstance(record, StatusRecord)}
    columns = []
    for block in decoded.columns:
        devices = one_by_one | hot_devices(block) if in_columns else set(block.devices)
        kept, taken = block.without_devices(devices)
        columns.append(kept)
        records += taken
    records.sort(key=itemgetter(0))
    return SourcedBatch(
        [(batch[place], record) for place, record in records],
        columns,
        [(batch[place], result) for place, result in decoded.others],
    )
