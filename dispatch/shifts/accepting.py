"""Puts a proposal into force: shifts and stops become what it says, in one transaction.

A stop that stays keeps its row, with what crews and sensors have said of it, also where it goes to another truck.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from city.inventory.model import City
from dispatch.orders.records import TO_DO
from dispatch.orders.tables import work_orders
from dispatch.planning.plan import TruckRoute
from dispatch.shifts.changes import RowsBefore
from dispatch.shifts.opening import DayRows, OrderPlace
from dispatch.shifts.plans import PlanRecord
from dispatch.shifts.records import WAITING_STATES
from dispatch.shifts.tables import shifts, stops
from dispatch.verification.states import DONE_STATES


class Acceptance:
    """Makes the shifts of a day those of a plan.

    Args:
        connection: The transaction.
        before: Collects what rows were.
        proposal: The plan.
        city: The inventory.
        now: UTC.
    """

    def __init__(
        self, connection: Connection, before: RowsBefore, proposal: PlanRecord, city: City, now: datetime
    ) -> None:
        self._connection, self._before, self._now = connection, before, now
        self._id, self._plan, self._city = proposal.id, proposal.plan, city
        self._rows = DayRows(self._plan, city, _order_places(connection), now)
        day = self._plan.day.isoformat()
        query = select(shifts).where(shifts.c.day == day, shifts.c.open_key.is_not(None))
        self._shifts = {row.truck: row for row in connection.execute(query)}
        self._left = self._open_stops()

    def carry_out(self) -> None:
        """Change, add and remove shifts and stops."""
        for route in self._plan.plan.routes:
            shift_id = self._shift(route)
            offset = self._last_number(shift_id)
            for planned in self._rows.stops(route):
                self._stop(shift_id, route.truck, {**planned, "number": planned["number"] + offset})
        self._drop_left()

    def _open_stops(self) -> dict[str, Row[Any]]:
        """Stops of the day that the plan decides anew, by subject; landfills by the number of their row."""
        is_open = (
            stops.c.shift_id.in_([row.id for row in self._shifts.values()]),
            stops.c.removed_at.is_(None),
            stops.c.state.not_in((*DONE_STATES, "not_possible")),
        )
        rows = self._connection.execute(select(stops).where(*is_open)).all()
        # A landfill has no state: what was planned before now has happened.
        left = [row for row in rows if row.kind != "landfill" or row.starts_at > self._now]
        return {row.subject if row.kind != "landfill" else f"landfill {row.id}": row for row in left}

    def _shift(self, route: TruckRoute) -> int:
        known, planned = self._shifts.get(route.truck), self._rows.shift(route)
        if known is not None:
            # A re-plan bounds a truck by now; the shift began when it began.
            kept = {"starts_at": known.starts_at, "departs_at": min(known.departs_at, planned["departs_at"])}
            self._before.change(shifts, known.id, **{**planned, **kept}, plan_id=self._id)
            return int(known.id)
        day = self._plan.day.isoformat()
        values = {
            **planned,
            "day": day,
            "truck": route.truck,
            "open_key": f"{day} {route.truck}",
            "crew": "",
            "plan_id": self._id,
            "state": "planned",
            "opened_at": self._now,
        }
        return self._before.add(shifts, values, state="cancelled", open_key=None, closed_at=self._now)

    def _last_number(self, shift_id: int) -> int:
        """The largest number of the stops of a shift that the plan does not decide: what is done comes first."""
        left = [row.id for row in self._left.values() if row.state in WAITING_STATES]
        query = select(stops.c.number).where(
            stops.c.shift_id == shift_id, stops.c.removed_at.is_(None), stops.c.id.not_in(left)
        )
        return max(self._connection.execute(query).scalars(), default=0)

    def _stop(self, shift_id: int, truck: str, planned: dict[str, Any]) -> None:
        known = self._left.pop(planned["subject"], None) if planned["kind"] != "landfill" else None
        if planned["order_id"] is not None:
            self._before.change(work_orders, planned["order_id"], state="assigned", truck=truck)
        if known is None:
            values = self._rows.new_stop(shift_id, planned)
            self._before.add(stops, values, removed_at=self._now, removed_reason="undone")
            return
        was_on = [*known.was_on, known.shift_id] if known.shift_id != shift_id else known.was_on
        self._before.change(stops, known.id, shift_id=shift_id, was_on=was_on, **planned)

    def _drop_left(self) -> None:
        reasons = {drop.id: str(drop.reason) for drop in self._plan.plan.dropped}
        reasons |= {change.id: str(change.reason) for change in self._plan.changes if change.after is None}
        for subject, row in self._left.items():
            if row.state not in WAITING_STATES:
                continue  # missed or contradicted: it stays where it was seen
            reason = reasons.get(subject, "not_worth")
            self._before.change(stops, row.id, removed_at=self._now, removed_reason=reason)
            if row.order_id is not None:
                self._before.change(work_orders, row.order_id, state="open")


def _order_places(connection: Connection) -> dict[str, OrderPlace]:
    """Subjects of the orders that are to be done."""
    query = select(work_orders).where(work_orders.c.state.in_(TO_DO))
    return {
        row.subject: OrderPlace(row.id, row.place, row.site, row.kelurahan, row.lat_deg, row.lon_deg)
        for row in connection.execute(query)
    }
