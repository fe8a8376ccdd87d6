"""Deduplication: the sequence numbers of each device and epoch that are stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ingest.store.intervals import IntervalSet
from ingest.store.latest import LastValueCache
from ingest.store.record_batch import ReadingColumns, RecordBatch
from ingest.store.records import Record, StatusRecord

RANGES_MAX: Final = 1_024
"""Ranges kept per device and epoch; native devices need a handful, third-party devices one per message."""

SeenSequences = dict[tuple[str, str], IntervalSet]
"""Device and epoch to the sequence numbers that are stored."""


def deduplicate(
    records: Iterable[Record], seen: SeenSequences, latest: LastValueCache
) -> tuple[list[Record], SeenSequences]:
    """The records that are not stored yet, and the seen sequence numbers as they are after storing them.

    Nothing is changed: a store commits both together, and only then keeps them.
    """
    fresh: list[Record] = []
    touched: SeenSequences = {}
    for record in records:
        if isinstance(record, StatusRecord):
            if latest.is_change(record):
                fresh.append(record)
            continue
        key = (record.origin.device, record.origin.epoch)
        if key not in touched:
            touched[key] = seen[key].copy() if key in seen else IntervalSet()
        if touched[key].add(record.origin.seq):
            fresh.append(record)
    for ranges in touched.values():
        ranges.keep_highest(RANGES_MAX)
    return fresh, touched


def deduplicate_batch(
    records: Sequence[Record], seen: SeenSequences, latest: LastValueCache
) -> tuple[RecordBatch, SeenSequences]:
    """The same for a batch in which readings may stand in columns."""
    batch = RecordBatch.of(records)
    fresh, touched = deduplicate(batch.records, seen, latest)
    columns = []
    for block in batch.columns:
        fresh_block, touched_by_block = _deduplicate_columns(block, seen)
        columns.append(fresh_block)
        touched |= touched_by_block
    return RecordBatch(fresh, columns), touched


def _deduplicate_columns(columns: ReadingColumns, seen: SeenSequences) -> tuple[ReadingColumns, SeenSequences]:
    """Readings in columns that are not stored yet, by device and epoch."""
    touched: SeenSequences = {}
    repeated: list[int] = []
    for key, rows in columns.groups.items():
        ranges = touched[key] = seen[key].copy() if key in seen else IntervalSet()
        seqs = [columns.seqs[row] for row in rows]
        if not ranges.add_run(seqs):
            repeated += [row for row, seq in zip(rows, seqs, strict=True) if not ranges.add(seq)]
        ranges.keep_highest(RANGES_MAX)
    if not repeated:
        return columns, touched
    keep = [True] * len(columns)
    for row in repeated:
        keep[row] = False
    return columns.filter(keep), touched
