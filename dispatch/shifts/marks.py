"""Tells whether anything of dispatch has changed, without reading what."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, func, select

from city.database.engine import Database
from dispatch.orders.tables import work_order_entries
from dispatch.shifts.tables import plans, stop_entries, taps
from people.tables import audit

_GROWING: Final[tuple[Column[int], ...]] = (
    plans.c.id,
    stop_entries.c.id,
    taps.c.id,
    work_order_entries.c.id,
    audit.c.n,
)
"""Numbers that grow with every change: of plans, states of stops, phones and orders; the audit has what people do."""


def dispatch_mark(database: Database) -> tuple[int, ...]:
    """The largest number of each table; it differs after a change.

    Raises:
        RetryLaterError: The database is away.
    """
    with database.read() as connection:
        row = connection.execute(select(*(select(func.max(column)).scalar_subquery() for column in _GROWING))).one()
    return tuple(number or 0 for number in row)
