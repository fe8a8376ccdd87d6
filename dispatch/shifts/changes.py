"""What people do in dispatch, and how each action is taken back within ten seconds.

An action notes what the rows that it changes were before. Taking it back writes exactly those columns again: what
crews, sensors and others have written meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Table, insert, select, update

from city.database.schema import UtcDateTime
from dispatch.orders.tables import work_order_entries, work_orders
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.records import DispatchChange
from dispatch.shifts.tables import crew_codes, crew_messages, dispatch_changes, plans, shifts, stops
from people.audit import Action, AuditLog, Origin

UNDO_WITHIN: Final = timedelta(seconds=10)
_TABLES: Final = {table.name: table for table in (plans, shifts, stops, crew_codes, crew_messages, work_orders)}


class RowsBefore:
    """Collects what rows were, while an action changes them.

    Args:
        connection: The transaction of the action.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.rows: list[tuple[str, int, dict[str, Any]]] = []

    def change(self, table: Table, id_: int, **values: object) -> None:
        """Change columns of a row."""
        row = self._connection.execute(select(table).where(table.c.id == id_)).mappings().one()
        self.rows.append((table.name, id_, {name: _plain(row[name]) for name in values}))
        self._connection.execute(update(table).where(table.c.id == id_).values(values))

    def add(self, table: Table, values: Mapping[str, object], **undone: object) -> int:
        """Insert a row; returns its id. `undone`: values of its columns if the action is taken back."""
        id_ = int(self._connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one())
        self.rows.append((table.name, id_, {name: _plain(value) for name, value in undone.items()}))
        return id_


class Changes:
    """The actions of people, each with its entry in the audit.

    Args:
        audit: The audit.
        clock: UTC.
    """

    def __init__(self, audit: AuditLog, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._audit = audit
        self._clock = clock

    def note(
        self,
        connection: Connection,
        origin: Origin,
        action: Action,
        object_: str,
        before: RowsBefore,
        **detail: object,
    ) -> int:
        """Note an action in its transaction; returns its number, by which it is taken back."""
        values = {
            "at": self._clock(),
            "actor": origin.actor,
            "name": origin.name,
            "action": action,
            "object": object_,
            "before": before.rows,
        }
        query = insert(dispatch_changes).values(values).returning(dispatch_changes.c.id)
        id_ = int(connection.execute(query).scalar_one())
        self._audit.add(connection, origin, action, object_, {"change": id_, **detail})
        return id_

    def undo(self, origin: Origin, id_: int) -> DispatchChange:
        """Take back one's own action within `UNDO_WITHIN`.

        Raises:
            DispatchError: `change_unknown`, or `undo_too_late`: it is longer ago, taken back, or somebody else's.
        """
        now = self._clock()
        with self._audit.transaction() as connection:
            row = connection.execute(select(dispatch_changes).where(dispatch_changes.c.id == id_)).one_or_none()
            if row is None:
                raise DispatchError("change_unknown")
            if row.undone_at is not None or row.actor != origin.actor or now - row.at > UNDO_WITHIN:
                raise DispatchError("undo_too_late")
            for table, row_id, values in reversed(row.before):
                _restore(connection, _TABLES[table], row_id, values)
                if table == work_orders.name:
                    entry = {"order_id": row_id, "at": now, "what": "undone"}
                    who = {"actor": origin.actor, "name": origin.name, "detail": {"action": row.action}}
                    connection.execute(insert(work_order_entries).values(**entry, **who))
            connection.execute(
                update(dispatch_changes).where(dispatch_changes.c.id == id_).values(undone_at=now, before=[])
            )
            self._audit.add(connection, origin, "dispatch.undo", row.object, {"change": id_, "action": row.action})
            return DispatchChange(id_, row.at, row.name, row.action, row.object, row.at + UNDO_WITHIN, now)

    def find(self, connection: Connection, actor: str) -> list[DispatchChange]:
        """What somebody may still take back, newest first."""
        table = dispatch_changes.c
        query = select(dispatch_changes).where(
            table.actor == actor, table.undone_at.is_(None), table.at >= self._clock() - UNDO_WITHIN
        )
        return [
            DispatchChange(row.id, row.at, row.name, row.action, row.object, row.at + UNDO_WITHIN, None)
            for row in connection.execute(query.order_by(table.id.desc()))
        ]


def _restore(connection: Connection, table: Table, id_: int, values: dict[str, Any]) -> None:
    restored = {name: _of_column(table, name, value) for name, value in values.items()}
    if restored.get("open_key") is not None:
        _make_room(connection, table, restored["open_key"])
    if restored:
        connection.execute(update(table).where(table.c.id == id_).values(restored))


def _make_room(connection: Connection, table: Table, open_key: object) -> None:
    """Let a row have its key again: a newer proposal gives way, a newer shift of the truck does not.

    Raises:
        DispatchError: `undo_too_late`.
    """
    is_other = table.c.open_key == open_key
    if connection.execute(select(table.c.id).where(is_other)).first() is None:
        return
    if table is not plans:
        raise DispatchError("undo_too_late")
    connection.execute(update(plans).where(is_other).values(open_key=None, state="replaced"))


def _of_column(table: Table, name: str, value: object) -> object:
    """A value of JSON as its column takes it."""
    is_time = isinstance(table.c[name].type, UtcDateTime)
    return datetime.fromisoformat(value) if is_time and isinstance(value, str) else value


def _plain(value: object) -> object:
    """A value of a column as JSON keeps it."""
    return value.isoformat() if isinstance(value, datetime) else value
