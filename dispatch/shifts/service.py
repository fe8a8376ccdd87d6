"""The shifts of a city in the database: what plans make of them, and what dispatchers do.

Each action of a person is one transaction with its entry in the audit, and is taken back within ten seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from city.database.engine import Database, lock_until_end
from city.inventory.model import City
from dispatch.shifts.accepting import Acceptance
from dispatch.shifts.changes import Changes, RowsBefore
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.plans import put_in_force, require_proposal
from dispatch.shifts.records import (
    TEXT_MAX,
    CrewMessage,
    CrewShift,
    DispatchChange,
    Stop,
    StopHistoryEntry,
    StoredTap,
)
from dispatch.shifts.rows import (
    apply_verdict,
    evidence_of,
    require_open_shift,
    require_shift,
    require_stop,
    shifts_of,
    stop_of,
    tap_of,
)
from dispatch.shifts.tables import crew_messages, shifts, stop_entries, stops, taps
from dispatch.verification.states import DONE_STATES, StopVerdict
from people.audit import AuditLog, Origin

LOCK_NUMBER: Final = 0x53484946
NOT_BEGUN: Final = ("planned", "missed")
"""States of stops that do not show that a crew has begun."""
RULINGS: Final = ("verified", "missed", "not_possible")
"""What a supervisor may decide of a stop."""


class Shifts:
    """The shifts of one city.

    Args:
        database: The database.
        audit: Takes what people do.
        clock: UTC.
    """

    def __init__(
        self, database: Database, audit: AuditLog, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._changes = Changes(audit, clock)

    # Plans

    def accept(self, origin: Origin, plan_id: int, city: City) -> int:
        """Put a proposal into force, and make its shifts and stops. Returns the number of the change.

        Raises:
            DispatchError: `proposal_unknown`, or `plan_not_current`; nothing has changed.
            RetryLaterError: The database is away; nothing has changed.
        """
        now = self._clock()
        with self._audit.transaction() as connection:
            before = RowsBefore(connection)
            proposal = require_proposal(connection, plan_id)
            lock_until_end(connection, LOCK_NUMBER)
            put_in_force(connection, before, proposal, origin.name, now)
            Acceptance(connection, before, proposal, city, now).carry_out()
            day = proposal.day.isoformat()
            return self._changes.note(connection, origin, "plan.accept", f"plan:{plan_id}", before, day=day)

    # What is shown

    def of_day(self, day: date) -> list[CrewShift]:
        """The shifts of a day by truck; those that were taken back are left out."""
        query = select(shifts).where(shifts.c.day == day.isoformat(), shifts.c.state != "cancelled")
        return self._find(query.order_by(shifts.c.truck, shifts.c.id))

    def open(self) -> list[CrewShift]:
        """All shifts that are not over."""
        return self._find(select(shifts).where(shifts.c.open_key.is_not(None)).order_by(shifts.c.id))

    def get(self, id_: int) -> CrewShift:
        """One shift.

        Raises:
            DispatchError: `shift_unknown`.
        """
        with self._database.read() as connection:
            return shifts_of(connection, [require_shift(connection, id_)])[0]

    def stops(self, shift_id: int, *, removed: bool = False) -> list[Stop]:
        """The stops of a shift in order, landfills among them; with `removed` also those on no tour any more."""
        query = select(stops).where(stops.c.shift_id == shift_id).order_by(stops.c.number, stops.c.id)
        if not removed:
            query = query.where(stops.c.removed_at.is_(None))
        with self._database.read() as connection:
            return [stop_of(row) for row in connection.execute(query)]

    def stops_of_day(self, day: date) -> list[Stop]:
        """The stops of all shifts of a day that are on a tour, landfills among them."""
        shown = select(shifts.c.id).where(shifts.c.day == day.isoformat(), shifts.c.state != "cancelled")
        query = select(stops).where(stops.c.shift_id.in_(shown), stops.c.removed_at.is_(None))
        with self._database.read() as connection:
            return [stop_of(row) for row in connection.execute(query.order_by(stops.c.shift_id, stops.c.number))]

    def stop(self, id_: int) -> Stop:
        """One stop at a container or of an order.

        Raises:
            DispatchError: `stop_unknown`.
        """
        with self._database.read() as connection:
            return stop_of(require_stop(connection, id_))

    def stop_history(self, id_: int) -> list[StopHistoryEntry]:
        """The states of a stop, oldest first."""
        query = select(stop_entries).where(stop_entries.c.stop_id == id_).order_by(stop_entries.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [StopHistoryEntry(row.at, row.state, evidence_of(row.evidence)) for row in rows]

    def taps(self, shift_ids: Iterable[int]) -> list[StoredTap]:
        """What crews tapped in shifts, by the phones' clocks."""
        query = select(taps).where(taps.c.shift_id.in_(list(shift_ids))).order_by(taps.c.at, taps.c.id)
        with self._database.read() as connection:
            return [tap_of(row) for row in connection.execute(query)]

    def taps_of_stop(self, stop_id: int) -> list[StoredTap]:
        """What crews tapped about a stop, by the phones' clocks."""
        query = select(taps).where(taps.c.stop_id == stop_id).order_by(taps.c.at, taps.c.id)
        with self._database.read() as connection:
            return [tap_of(row) for row in connection.execute(query)]

    def messages(self, shift_id: int) -> list[CrewMessage]:
        """The messages to the crew of a shift, oldest first."""
        query = select(crew_messages).where(
            crew_messages.c.shift_id == shift_id, crew_messages.c.withdrawn_at.is_(None)
        )
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(crew_messages.c.id)).all()
        return [CrewMessage(row.id, row.shift_id, row.text, row.sent_by, row.sent_at, row.read_at) for row in rows]

    def undoable(self, origin: Origin) -> list[DispatchChange]:
        """What somebody may still take back, newest first."""
        with self._database.read() as connection:
            return self._changes.find(connection, origin.actor)

    # Dispatchers

    def undo(self, origin: Origin, change_id: int) -> DispatchChange:
        """Take back one's own action within ten seconds.

        Raises:
            DispatchError: `change_unknown` or `undo_too_late`.
        """
        return self._changes.undo(origin, change_id)

    def send_message(self, origin: Origin, shift_id: int, text: str) -> int:
        """Send a message to the crew of a shift; returns the number of the change.

        Raises:
            DispatchError: `shift_unknown`, `shift_closed` or `message_empty`.
        """
        if not text.strip():
            raise DispatchError("message_empty")
        now = self._clock()
        with self._audit.transaction() as connection:
            require_open_shift(connection, shift_id)
            before = RowsBefore(connection)
            values = {"shift_id": shift_id, "text": text.strip()[:TEXT_MAX], "sent_by": origin.name, "sent_at": now}
            before.add(crew_messages, values, withdrawn_at=now)
            return self._changes.note(connection, origin, "crew.message", f"shift:{shift_id}", before, text=text)

    def name_crew(self, origin: Origin, shift_id: int, crew: str) -> int:
        """Note the number of the crew of a shift; returns the number of the change.

        Raises:
            DispatchError: `shift_unknown` or `shift_closed`.
        """
        with self._audit.transaction() as connection:
            require_open_shift(connection, shift_id)
            before = RowsBefore(connection)
            before.change(shifts, shift_id, crew=crew.strip())
            return self._changes.note(connection, origin, "shift.crew", f"shift:{shift_id}", before, crew=crew)

    def close(self, origin: Origin, shift_id: int) -> int:
        """End a shift; returns the number of the change. What is open on it stays as it is.

        Raises:
            DispatchError: `shift_unknown` or `shift_closed`.
        """
        with self._audit.transaction() as connection:
            require_open_shift(connection, shift_id)
            before = RowsBefore(connection)
            before.change(shifts, shift_id, state="closed", open_key=None, closed_at=self._clock())
            return self._changes.note(connection, origin, "shift.close", f"shift:{shift_id}", before)

    def assign(self, origin: Origin, stop_id: int, shift_id: int) -> int:
        """Give a stop to another shift, at its end; returns the number of the change.

        Raises:
            DispatchError: `stop_unknown`, `stop_done`, `shift_unknown` or `shift_closed`.
        """
        with self._audit.transaction() as connection:
            stop = require_stop(connection, stop_id)
            if stop.state in DONE_STATES:
                raise DispatchError("stop_done")
            require_open_shift(connection, shift_id)
            before = RowsBefore(connection)
            values = {"number": _next_number(connection, shift_id), "removed_at": None, "removed_reason": ""}
            was_on = [*stop.was_on, stop.shift_id] if stop.shift_id != shift_id else stop.was_on
            before.change(stops, stop_id, shift_id=shift_id, was_on=was_on, **values)
            about = {"from": stop.shift_id, "to": shift_id}
            return self._changes.note(connection, origin, "stop.assign", f"stop:{stop_id}", before, **about)

    def rule(self, origin: Origin, stop_id: int, state: str, reason: str) -> int:
        """Decide what has become of a stop (`RULINGS`); it outweighs all signals. Returns the number of the change.

        Raises:
            DispatchError: `stop_unknown`, `reason_missing`, or `reason_unknown`: no such state.
        """
        if not reason.strip():
            raise DispatchError("reason_missing")
        if state not in RULINGS:
            raise DispatchError("reason_unknown")
        now = self._clock()
        with self._audit.transaction() as connection:
            require_stop(connection, stop_id)
            before = RowsBefore(connection)
            ruling = {"state": state, "at": now.isoformat(), "by": origin.name, "reason": reason.strip()[:TEXT_MAX]}
            before.change(stops, stop_id, ruling=ruling)
            return self._changes.note(connection, origin, "stop.rule", f"stop:{stop_id}", before, **ruling)

    # The thread that judges

    def open_stops(self) -> list[Stop]:
        """Stops of open shifts that are on a tour, without landfills."""
        shown = select(shifts.c.id).where(shifts.c.open_key.is_not(None))
        query = select(stops).where(
            stops.c.shift_id.in_(shown), stops.c.removed_at.is_(None), stops.c.kind != "landfill"
        )
        with self._database.read() as connection:
            return [stop_of(row) for row in connection.execute(query.order_by(stops.c.id))]

    def apply(self, verdicts: Mapping[int, StopVerdict]) -> int:
        """Write the verdicts that differ from what is stored, all or none; returns how many stops changed.

        Raises:
            RetryLaterError: The database is away; nothing has changed.
        """
        now, changed = self._clock(), 0
        if not verdicts:
            return 0
        with self._database.begin() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            rows = connection.execute(select(stops).where(stops.c.id.in_(list(verdicts)))).all()
            for row in rows:
                changed += apply_verdict(connection, row, verdicts[row.id], now)
            begun = {row.shift_id for row in rows if verdicts[row.id].state not in NOT_BEGUN}
            is_planned = shifts.c.id.in_(begun), shifts.c.state == "planned"
            connection.execute(update(shifts).where(*is_planned).values(state="under_way"))
        return changed

    def _find(self, query: Any) -> list[CrewShift]:  # noqa: ANN401 - a query of SQLAlchemy
        with self._database.read() as connection:
            return shifts_of(connection, connection.execute(query).all())


def _next_number(connection: Connection, shift_id: int) -> int:
    query = select(func.max(stops.c.number)).where(stops.c.shift_id == shift_id, stops.c.removed_at.is_(None))
    return (connection.execute(query).scalar() or 0) + 1
