"""The plans of days in the database: the proposal, and the plan in force; a failure changes neither."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

import msgspec
import structlog
from sqlalchemy import Connection, Row, insert, select, update

from city.database.engine import Database, lock_until_end
from dispatch.planning.plans import VERSION, StoredPlan
from dispatch.planning.travel import BlockedArea
from dispatch.shifts.changes import Changes, RowsBefore
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.tables import plans
from people.audit import AuditLog, Origin

log = structlog.get_logger("dispatch")

LOCK_NUMBER: Final = 0x504C414E
PlanState = Literal["proposal", "in_force", "replaced", "rejected"]


class DayCircumstances(msgspec.Struct, frozen=True):
    """What a plan was told of its day: trucks out of service, and blocked streets."""

    trucks_out: tuple[str, ...] = ()
    blocked: tuple[BlockedArea, ...] = ()


class PlanRecord(msgspec.Struct, frozen=True):
    """A plan with its number and state. `based_on`: the plan in force that it changes."""

    id: int
    day: date
    made_at: datetime
    state: PlanState
    based_on: int | None
    circumstances: DayCircumstances
    plan: StoredPlan
    decided_at: datetime | None
    decided_by: str


class Plans:
    """The plans of a city.

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

    def in_force(self, day: date) -> PlanRecord | None:
        """The plan in force of a day; None if there is none that this version can read."""
        return self._open(_force_key(day))

    def proposal(self, day: date) -> PlanRecord | None:
        """What is proposed for a day."""
        return self._open(_proposal_key(day))

    def get(self, id_: int) -> PlanRecord | None:
        """A plan of any state."""
        with self._database.read() as connection:
            row = connection.execute(select(plans).where(plans.c.id == id_)).one_or_none()
        return _record(row)

    def propose(
        self, plan: StoredPlan, circumstances: DayCircumstances | None = None, based_on: int | None = None
    ) -> int:
        """Put a plan beside the one in force; an earlier proposal for its day is replaced. Returns its number.

        Raises:
            RetryLaterError: The database is away.
        """
        values = {
            "day": plan.day.isoformat(),
            "made_at": plan.made_at,
            "state": "proposal",
            "open_key": _proposal_key(plan.day),
            "based_on": based_on,
            "circumstances": msgspec.to_builtins(circumstances or DayCircumstances()),
            "payload": msgspec.msgpack.encode(_without_travel(plan)),
        }
        with self._database.begin() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            is_earlier = plans.c.open_key == values["open_key"]
            connection.execute(update(plans).where(is_earlier).values(open_key=None, state="replaced"))
            return int(connection.execute(insert(plans).values(values).returning(plans.c.id)).scalar_one())

    def reject(self, origin: Origin, id_: int) -> int:
        """Drop a proposal; the plan in force stays. Returns the number of the change.

        Raises:
            DispatchError: `proposal_unknown`.
        """
        now = self._clock()
        with self._audit.transaction() as connection:
            before = RowsBefore(connection)
            require_proposal(connection, id_)
            values = {"decided_at": now, "decided_by": origin.name}
            before.change(plans, id_, open_key=None, state="rejected", **values)
            return self._changes.note(connection, origin, "plan.reject", f"plan:{id_}", before)

    def _open(self, key: str) -> PlanRecord | None:
        with self._database.read() as connection:
            row = connection.execute(select(plans).where(plans.c.open_key == key)).one_or_none()
        return _record(row)


def require_proposal(connection: Connection, id_: int) -> PlanRecord:
    """A proposal, with its plan.

    Raises:
        DispatchError: `proposal_unknown`: another one, or none, is proposed now.
    """
    lock_until_end(connection, LOCK_NUMBER)
    record = _record(connection.execute(select(plans).where(plans.c.id == id_)).one_or_none())
    if record is None or record.state != "proposal":
        raise DispatchError("proposal_unknown")
    return record


def put_in_force(connection: Connection, before: RowsBefore, proposal: PlanRecord, name: str, now: datetime) -> None:
    """Make a proposal the plan in force of its day.

    Raises:
        DispatchError: `plan_not_current`: the plan that it changes is in force no more, or another one is.
    """
    key = _force_key(proposal.day)
    current = connection.execute(select(plans.c.id).where(plans.c.open_key == key)).scalar_one_or_none()
    if proposal.based_on is not None and current != proposal.based_on:
        raise DispatchError("plan_not_current")
    if current is not None:
        before.change(plans, current, open_key=None, state="replaced")
    before.change(plans, proposal.id, open_key=key, state="in_force", decided_at=now, decided_by=name)


def _record(row: Row[Any] | None) -> PlanRecord | None:
    if row is None:
        return None
    plan = _decode(row.payload)
    if plan is None:
        log.warning("dispatch.plan_not_read", plan=row.id)
        return None
    day, circumstances = date.fromisoformat(row.day), msgspec.convert(row.circumstances, DayCircumstances)
    times = row.decided_at, row.decided_by or ""
    return PlanRecord(row.id, day, row.made_at, row.state, row.based_on, circumstances, plan, *times)


def _without_travel(plan: StoredPlan) -> StoredPlan:
    """A plan as it is kept: nobody asks for the ways between all places again, and they are megabytes."""
    problem = msgspec.structs.replace(plan.problem, travel={})
    return msgspec.structs.replace(plan, problem=problem)


def _decode(payload: bytes) -> StoredPlan | None:
    try:
        plan = msgspec.msgpack.decode(payload, type=StoredPlan)
    except msgspec.MsgspecError:
        return None
    return plan if plan.version == VERSION else None


def _proposal_key(day: date) -> str:
    return f"proposal {day.isoformat()}"


def _force_key(day: date) -> str:
    return f"in_force {day.isoformat()}"
