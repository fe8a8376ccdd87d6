"""Collections of containers as crews told them by phone, with the level that they found: visits for forecasts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Row, func, select

from city.database.engine import Database
from dispatch.shifts.tables import stops, taps
from dispatch.verification.states import DONE_STATES

FULL_PCT: Final = 100
COMPLETE_AFTER: Final = timedelta(minutes=2)
"""A crew says that a container is collected, and a moment later how full it was: what came later is not read yet."""


class CrewVisit(msgspec.Struct, frozen=True):
    """A container that a crew has emptied. `found_pct`: how full it was, None if the crew did not say."""

    container: str
    at: datetime
    found_pct: float | None


class CrewVisits:
    """Reads what crews have collected. A collection that the sensor contradicts is none.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def received_between(self, start: datetime, now: datetime) -> list[CrewVisit]:
        """Visits of which something came in since a time and nothing in the last `COMPLETE_AFTER`, oldest first.

        Raises:
            RetryLaterError: The database is away.
        """
        received = (
            select(taps.c.stop_id)
            .where(taps.c.kind == "collected", taps.c.stop_id.is_not(None), taps.c.received_at >= start)
            .group_by(taps.c.stop_id)
            .having(func.max(taps.c.received_at) <= now - COMPLETE_AFTER)
        )
        query = (
            select(taps.c.stop_id, taps.c.at, taps.c.detail, stops.c.subject)
            .join(stops, stops.c.id == taps.c.stop_id)
            .where(taps.c.stop_id.in_(received), taps.c.kind == "collected")
            .where(stops.c.kind == "container", stops.c.state.in_(DONE_STATES))
            .order_by(taps.c.at, taps.c.id)
        )
        with self._database.read() as connection:
            return _visits(connection.execute(query).all())


def _visits(rows: Iterable[Row[Any, Any, Any, Any]]) -> list[CrewVisit]:
    """One visit a stop: at its first tap, with the level of the last one that has any."""
    visits: dict[int, CrewVisit] = {}
    for row in rows:
        known = visits.get(row.stop_id, CrewVisit(row.subject, row.at, None))
        level_pct = _percent(row.detail.get("fill_pct"))
        visits[row.stop_id] = known if level_pct is None else msgspec.structs.replace(known, found_pct=level_pct)
    return sorted(visits.values(), key=lambda visit: visit.at)


def _percent(value: object) -> float | None:
    """A level; None for what is none: phones send any detail."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= FULL_PCT:
        return None
    return float(value)
