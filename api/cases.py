"""The dumping cases that the API shows: those of the last 30 days unless a range is asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from api.context import ApiContext
from ingest.store.cases import Case, fold
from ingest.store.port import MAX_EVENTS, EventQuery

DAYS: Final = 30
"""How far back cases are listed unless a range is asked for; evidence is not kept longer."""


def cases(context: ApiContext, *, start: datetime | None = None, end: datetime | None = None) -> list[Case]:
    """Cases raised in `[start, end)`, newest first."""
    now = context.clock()
    # A demo's clip may carry any time of the day, so the end lies a day ahead.
    query = EventQuery(
        start or now - timedelta(days=DAYS),
        end or now + timedelta(days=1),
        kind="camera",
        types=("dumping",),
        limit=MAX_EVENTS,
    )
    return fold(context.reader.events(query), context.city, simulated=context.demo)
