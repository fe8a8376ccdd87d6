"""Deletes what is older than the city keeps: closed shifts with all that belongs to them, plans, and work orders."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, or_, select, update

from city.database.engine import Database, lock_until_end
from dispatch.orders.tables import work_order_entries, work_orders
from dispatch.shifts.service import LOCK_NUMBER
from dispatch.shifts.tables import (
    crew_codes,
    crew_messages,
    crew_sessions,
    dispatch_changes,
    plans,
    shifts,
    stop_entries,
    stops,
    taps,
)

CHANGES_KEPT: Final = timedelta(days=1)
"""What is older cannot be taken back; the audit has it."""


def forget_before(database: Database, at: datetime, now: datetime) -> int:
    """Delete shifts that were closed before a time, and what belongs to them; returns how many.

    Args:
        database: The database.
        at: Closed before.
        now: UTC.

    Raises:
        RetryLaterError: The database is away; nothing was deleted.
    """
    old = select(shifts.c.id).where(shifts.c.open_key.is_(None), shifts.c.closed_at < at)
    with database.begin() as connection:
        lock_until_end(connection, LOCK_NUMBER)
        old_stops = select(stops.c.id).where(stops.c.shift_id.in_(old))
        is_old_tap = or_(taps.c.shift_id.in_(old), taps.c.stop_id.in_(old_stops))
        connection.execute(delete(taps).where(is_old_tap))
        connection.execute(delete(stop_entries).where(stop_entries.c.stop_id.in_(old_stops)))
        connection.execute(delete(stops).where(stops.c.shift_id.in_(old)))
        for table in (crew_codes, crew_sessions, crew_messages):
            connection.execute(delete(table).where(table.c.shift_id.in_(old)))
        connection.execute(delete(dispatch_changes).where(dispatch_changes.c.at < now - CHANGES_KEPT))
        number = connection.execute(delete(shifts).where(shifts.c.id.in_(old))).rowcount
        _forget_plans(connection, at)
        _forget_orders(connection, at)
    return number


def _forget_plans(connection: Connection, at: datetime) -> None:
    """Plans that no shift has; those of a day that has not come stay."""
    used = select(shifts.c.plan_id).where(shifts.c.plan_id.is_not(None))
    is_old = plans.c.made_at < at, plans.c.day < at.date().isoformat(), plans.c.id.not_in(used)
    old = list(connection.execute(select(plans.c.id).where(*is_old)).scalars())
    connection.execute(update(plans).where(plans.c.based_on.in_(old)).values(based_on=None))
    connection.execute(delete(plans).where(plans.c.id.in_(old)))


def _forget_orders(connection: Connection, at: datetime) -> None:
    on_tour = select(stops.c.order_id).where(stops.c.order_id.is_not(None))
    old = select(work_orders.c.id).where(
        work_orders.c.state == "closed", work_orders.c.closed_at < at, work_orders.c.id.not_in(on_tour)
    )
    ids = list(connection.execute(old).scalars())
    connection.execute(delete(work_order_entries).where(work_order_entries.c.order_id.in_(ids)))
    connection.execute(delete(work_orders).where(work_orders.c.id.in_(ids)))
