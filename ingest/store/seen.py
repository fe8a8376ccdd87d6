"""Which seqs of which outbox lives are stored: what makes a reading stored once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ingest.store.intervals import IntervalSet
from ingest.store.latest import LatestBoard
from ingest.store.records import Record, StatusRecord

RANGES_MAX: Final = 1_024
"""Ranges of seqs remembered per outbox life; native devices need a handful, foreign ones one per message."""

Seen = dict[tuple[str, str], IntervalSet]
"""Device and boot to the seqs that are stored."""


def fresh_of(records: Iterable[Record], seen: Seen, latest: LatestBoard) -> tuple[list[Record], Seen]:
    """Records not stored yet, and the seen seqs of the lives they touch as they will be afterwards.

    Nothing is changed: a store commits both together and only then takes them over.
    """
    fresh: list[Record] = []
    touched: Seen = {}
    for record in records:
        if isinstance(record, StatusRecord):
            if latest.is_news(record):
                fresh.append(record)
            continue
        key = (record.origin.device, record.origin.boot)
        if key not in touched:
            touched[key] = IntervalSet(seen.get(key, ()))
        if touched[key].add(record.origin.seq):
            fresh.append(record)
    for ranges in touched.values():
        ranges.forget_below(RANGES_MAX)
    return fresh, touched
