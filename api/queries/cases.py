"""The dumping cases that the API shows: by default those of the last 30 days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from api.context import ApiContext
from api.queries.events import each_event
from ingest.store.port import EventQuery
from ingest.store.records import EventRecord
from ingest.store.views.cases import TYPES, Case, fold

DAYS: Final = 30
"""Default range of listed cases; evidence is not kept longer."""


def cases(context: ApiContext, *, start: datetime | None = None, end: datetime | None = None) -> list[Case]:
    """Cases raised in `[start, end)` with their current state, newest first."""
    start = start or context.clock() - timedelta(days=DAYS)
    stored = events_since(context, TYPES, start)
    all_cases = fold([*stored, *context.reviews.pending(stored)], context.city, simulated=context.demo)
    return [case for case in all_cases if end is None or case.raised_at < end]


def events_since(context: ApiContext, types: tuple[str, ...], start: datetime) -> list[EventRecord]:
    """All camera events of some types since a time."""
    # A demo's clip may carry any time of the day, so the end lies a day ahead.
    end = context.clock() + timedelta(days=1)
    return list(each_event(context.reader, EventQuery(start, end, kind="camera", types=types)))
