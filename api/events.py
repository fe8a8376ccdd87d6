"""Events of the store, however many there are: page by page behind one iterator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from ingest.store.port import MAX_EVENTS, EventQuery, TelemetryReader
from ingest.store.records import EventRecord


def each_event(reader: TelemetryReader, query: EventQuery) -> Iterator[EventRecord]:
    """Every event that matches, newest first; a page of them is in memory at once.

    The query's own limit is not used.
    """
    query = msgspec.structs.replace(query, limit=MAX_EVENTS)
    known: set[tuple[str, str, int]] = set()
    while True:
        page = reader.events(query)
        keys = {(one.origin.device, one.origin.epoch, one.origin.seq): one for one in page}
        fresh = [one for key, one in keys.items() if key not in known]
        yield from fresh
        if len(page) < MAX_EVENTS or not fresh:
            return
        known = set(keys)
        # Once more with the oldest: others of the same millisecond may be behind it.
        query = msgspec.structs.replace(query, end=page[-1].origin.measured_at + timedelta(milliseconds=1))
