"""An iterator over any number of events, read from the store page by page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from ingest.store.port import MAX_EVENTS, EventQuery, TelemetryReader
from ingest.store.records import EventRecord


def each_event(reader: TelemetryReader, query: EventQuery) -> Iterator[EventRecord]:
    """All events that match, newest first; only one page is in memory at once.

    The limit of the query is ignored.
    """
    query = msgspec.structs.replace(query, limit=MAX_EVENTS)
    known: set[tuple[str, str, int]] = set()
    while True:
        page = reader.events(query)
        keys = {(event.origin.device, event.origin.epoch, event.origin.seq): event for event in page}
        fresh = [event for key, event in keys.items() if key not in known]
        yield from fresh
        if len(page) < MAX_EVENTS or not fresh:
            return
        known = set(keys)
        # Once more with the oldest: others of the same millisecond may be behind it.
        query = msgspec.structs.replace(query, end=page[-1].origin.measured_at + timedelta(milliseconds=1))
