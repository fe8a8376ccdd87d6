"""The work orders of a city in the database: made once of each subject, closed with proof, opened again.

Each action of a person is one transaction with its entry in the audit, and is taken back within ten seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, or_, select, update

from city.database.engine import Database, lock_until_end
from dispatch.orders.records import TO_DO, ClosedBy, NewOrder, OrderEntry, OrderEvent, OrderState, WorkOrder
from dispatch.orders.tables import work_order_entries, work_orders
from dispatch.shifts.changes import Changes, RowsBefore
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.opening import order_stop
from dispatch.shifts.records import TEXT_MAX
from dispatch.shifts.rows import require_open_shift
from dispatch.shifts.tables import stops
from people.audit import AuditLog, Origin

LOCK_NUMBER: Final = 0x4F524445
PAGE_MAX: Final = 500
_SYSTEM: Final = Origin("system", "")


class Orders:
    """The work orders of one city.

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

    # What is shown

    def find(self, states: Collection[OrderState] = (), before: int | None = None, limit: int = 100) -> list[WorkOrder]:
        """Orders in some states, all without any; newest first."""
        query = select(work_orders).order_by(work_orders.c.id.desc()).limit(min(limit, PAGE_MAX))
        if states:
            query = query.where(work_orders.c.state.in_(states))
        if before is not None:
            query = query.where(work_orders.c.id < before)
        with self._database.read() as connection:
            return _orders(connection, connection.execute(query).all())

    def get(self, id_: int) -> WorkOrder:
        """One order.

        Raises:
            DispatchError: `order_unknown`.
        """
        with self._database.read() as connection:
            return _orders(connection, [_require(connection, id_)])[0]

    def of_subject(self, kind: str, subject: str) -> WorkOrder | None:
        """The order of a subject, such as a dumping case."""
        query = select(work_orders).where(work_orders.c.kind == kind, work_orders.c.subject == subject)
        with self._database.read() as connection:
            return next(iter(_orders(connection, connection.execute(query).all())), None)

    def history(self, id_: int) -> list[OrderEntry]:
        """What happened to an order, oldest first."""
        columns = (work_order_entries.c[name] for name in ("at", "what", "name", "detail"))
        query = select(*columns).where(work_order_entries.c.order_id == id_).order_by(work_order_entries.c.id)
        with self._database.read() as connection:
            return [OrderEntry(*row) for row in connection.execute(query)]

    # The thread that follows cases and stops

    def make(self, orders: Iterable[NewOrder]) -> int:
        """Make orders, each once for ever; returns how many are new.

        Raises:
            RetryLaterError: The database is away; none was made.
        """
        now, made = self._clock(), 0
        with self._database.begin() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            for order in orders:
                is_same = or_(work_orders.c.subject == order.subject, work_orders.c.seen_as == order.subject)
                key = work_orders.c.kind == order.kind, is_same
                if connection.execute(select(work_orders.c.id).where(*key)).first():
                    continue
                values = {name: getattr(order, name) for name in NewOrder.__struct_fields__}
                query = insert(work_orders).values(
                    {**values, "created_at": now, "state": "open", "seen_as": order.subject}
                )
                id_ = connection.execute(query.returning(work_orders.c.id)).scalar_one()
                _enter(connection, id_, now, "made", Origin("system", order.created_by))
                made += 1
        return made

    def propose_truck(self, id_: int, truck: str | None) -> None:
        """Note the truck that is proposed for an order that nobody has assigned."""
        is_open = work_orders.c.id == id_, work_orders.c.state.in_(("open", "reopened"))
        with self._database.begin() as connection:
            connection.execute(update(work_orders).where(*is_open).values(truck=truck))

    def note_done(self, id_: int, detail: dict[str, Any]) -> bool:
        """Note that a crew says an order is done, without proof; returns whether it was to be done."""
        return self._move(id_, TO_DO, "done", "done", detail, {})

    def close_with_proof(self, id_: int, closed_by: ClosedBy, at: datetime, detail: dict[str, Any]) -> bool:
        """Close an order that the camera or a photo proves to be done; returns whether it was open.

        `at`: when it was gone, or the photo was made.
        """
        values = {"closed_at": self._clock(), "closed_by": closed_by, "closed_name": ""}
        values |= {"removed_at": at} if closed_by == "removed" else {}
        return self._move(id_, (*TO_DO, "done"), "closed", "closed", {"by": closed_by, **detail}, values)

    def reopen_seen(self, id_: int, seen_as: str, detail: dict[str, Any]) -> bool:
        """Open a closed order again because the pile is back, or still there; returns whether it was closed.

        `seen_as`: the case under which it is seen now.
        """
        opened = {"closed_at": None, "closed_by": None, "closed_name": None, "reason": None}
        values: dict[str, Any] = {**opened, "seen_as": seen_as, "reopened_at": self._clock()}
        return self._move(id_, ("closed", "done"), "reopened", "reopened", detail, values)

    def _move(
        self,
        id_: int,
        states: Collection[OrderState],
        state: OrderState,
        what: OrderEvent,
        detail: dict[str, Any],
        values: dict[str, Any],
    ) -> bool:
        is_right = work_orders.c.id == id_, work_orders.c.state.in_(states)
        with self._database.begin() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            moved = connection.execute(update(work_orders).where(*is_right).values({**values, "state": state})).rowcount
            if moved:
                _enter(connection, id_, self._clock(), what, _SYSTEM, detail)
        return bool(moved)

    # Dispatchers

    def assign(self, origin: Origin, id_: int, shift_id: int) -> int:
        """Put an order at the end of a shift; returns the number of the change.

        Raises:
            DispatchError: `order_unknown`, `order_closed`, `shift_unknown` or `shift_closed`.
        """
        now = self._clock()
        with self._audit.transaction() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            order = _require(connection, id_)
            if order.state not in TO_DO:
                raise DispatchError("order_closed")
            shift = require_open_shift(connection, shift_id)
            before = RowsBefore(connection)
            on_tour = stops.c.order_id == id_, stops.c.removed_at.is_(None), stops.c.state.in_(("planned", "under_way"))
            for (earlier,) in connection.execute(select(stops.c.id).where(*on_tour)).all():
                before.change(stops, earlier, removed_at=now, removed_reason="undone")
            undone = {"removed_at": now, "removed_reason": "undone"}
            before.add(stops, order_stop(connection, order, shift, now), **undone)
            before.change(work_orders, id_, state="assigned", truck=shift.truck)
            _enter(connection, id_, now, "assigned", origin, {"truck": shift.truck, "shift": shift_id})
            about = {"truck": shift.truck, "shift": shift_id}
            return self._changes.note(connection, origin, "order.assign", f"order:{id_}", before, **about)

    def close(self, origin: Origin, id_: int, reason: str) -> int:
        """Close an order without proof; returns the number of the change.

        Raises:
            DispatchError: `order_unknown`, `order_closed` or `reason_missing`.
        """
        if not reason.strip():
            raise DispatchError("reason_missing")
        now, text = self._clock(), reason.strip()[:TEXT_MAX]
        with self._audit.transaction() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            if _require(connection, id_).state == "closed":
                raise DispatchError("order_closed")
            before = RowsBefore(connection)
            closed = {"closed_at": now, "closed_by": "supervisor", "closed_name": origin.name, "reason": text}
            before.change(work_orders, id_, state="closed", **closed)
            _enter(connection, id_, now, "closed", origin, {"by": "supervisor", "reason": text})
            return self._changes.note(connection, origin, "order.close", f"order:{id_}", before, reason=text)

    def reopen(self, origin: Origin, id_: int, reason: str) -> int:
        """Open a closed order again; returns the number of the change.

        Raises:
            DispatchError: `order_unknown`, `order_open` or `reason_missing`.
        """
        if not reason.strip():
            raise DispatchError("reason_missing")
        now, text = self._clock(), reason.strip()[:TEXT_MAX]
        with self._audit.transaction() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            if _require(connection, id_).state not in ("closed", "done"):
                raise DispatchError("order_open")
            before = RowsBefore(connection)
            opened = {"closed_at": None, "closed_by": None, "closed_name": None, "reason": None, "reopened_at": now}
            before.change(work_orders, id_, state="reopened", **opened)
            _enter(connection, id_, now, "reopened", origin, {"reason": text})
            return self._changes.note(connection, origin, "order.reopen", f"order:{id_}", before, reason=text)


def _require(connection: Connection, id_: int) -> Row[Any]:
    row = connection.execute(select(work_orders).where(work_orders.c.id == id_)).one_or_none()
    if row is None:
        raise DispatchError("order_unknown")
    return row


def _orders(connection: Connection, rows: Collection[Row[Any]]) -> list[WorkOrder]:
    """The records of orders, each with the stop that it is on now."""
    on_tour = stops.c.order_id.in_([row.id for row in rows]), stops.c.removed_at.is_(None)
    query = select(stops.c.order_id, stops.c.id, stops.c.shift_id).where(*on_tour).order_by(stops.c.id)
    placed = {order: {"stop_id": stop, "shift_id": shift} for order, stop, shift in connection.execute(query)}
    # SQLAlchemy's own name for a row as a mapping.
    return [WorkOrder(**row._mapping, **placed.get(row.id, {})) for row in rows]  # noqa: SLF001


def _enter(
    connection: Connection,
    id_: int,
    at: datetime,
    what: OrderEvent,
    origin: Origin,
    detail: dict[str, Any] | None = None,
) -> None:
    who = {"actor": origin.actor, "name": origin.name}
    values = {"order_id": id_, "at": at, "what": what, **who, "detail": detail or {}}
    connection.execute(insert(work_order_entries).values(values))
