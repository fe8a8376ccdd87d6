"""The alarms of a city in the database: what the engine changes, and what people do with them.

Each change is one transaction with its entry in the alarm's history; what a person does is in the audit as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, not_, or_, select, update

from city.database.engine import Database, lock_until_end
from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges, OpenAlarm
from dispatch.alarms.errors import AlarmError
from dispatch.alarms.rules import PRIORITIES, AlarmKind, Priority, Rules
from dispatch.alarms.tables import alarm_entries, alarms
from dispatch.notifications.tables import notification_cursor
from people.audit import Action, AuditLog, Origin

UNDO_WITHIN: Final = timedelta(seconds=10)
"""Time within which an acknowledgement is taken back."""
SHELVED_AT_MOST: Final = timedelta(days=7)
TEXT_MAX: Final = 500
PAGE_MAX: Final = 500
LOCK_NUMBER: Final = 0x414C524D
_SYSTEM: Final = Origin("system", "")

AlarmEvent = Literal[
    "raised", "suppressed", "shown", "acknowledged", "undone", "shelved", "unshelved", "noted", "cleared"
]
AlarmState = Literal["unacknowledged", "acknowledged", "shelved", "suppressed", "cleared_unacknowledged", "cleared"]
STATES: Final[tuple[AlarmState, ...]] = (
    "unacknowledged",
    "acknowledged",
    "shelved",
    "suppressed",
    "cleared_unacknowledged",
    "cleared",
)


class Alarm(msgspec.Struct, frozen=True):
    """One alarm. `since` is when its condition began, `raised_at` when it became an alarm; times are UTC."""

    id: int
    kind: AlarmKind
    subject: str
    subject_kind: str
    site: str
    kelurahan: str
    priority: Priority
    state: AlarmState
    detail: Annotated[dict[str, Any], msgspec.Meta(description="What else is known, by `kind`.")]
    since: datetime
    raised_at: datetime
    cleared_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    shelved_until: datetime | None = None
    shelved_by: str = ""
    shelved_reason: str = ""


class AlarmEntry(msgspec.Struct, frozen=True):
    """What happened to an alarm; `name` is the person, empty for the system.

    `shown`: a bigger cause has hidden it and is over.
    """

    at: datetime
    what: AlarmEvent
    name: str
    text: str


class AlarmFilter(msgspec.Struct, frozen=True):
    """Which alarms are asked for; empty fields leave a filter open. `before` is an id, for the next page."""

    states: tuple[AlarmState, ...] = ()
    kinds: tuple[AlarmKind, ...] = ()
    subject: str = ""
    site: str = ""
    kelurahan: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 100


class Alarms:
    """The alarms of one city.

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

    # The engine

    def open_alarms(self) -> list[OpenAlarm]:
        """All alarms that have not cleared."""
        columns = alarms.c.id, alarms.c.kind, alarms.c.subject, alarms.c.site, alarms.c.suppressed
        with self._database.read() as connection:
            rows = connection.execute(select(*columns).where(alarms.c.open_key.is_not(None)))
            return [OpenAlarm(*row) for row in rows]

    def apply(self, rules: Rules, changes: AlarmChanges) -> int:
        """Make changes, all or none; what another process has made meanwhile is left out. Returns how many were made.

        Raises:
            RetryLaterError: The database is away; nothing has changed.
        """
        now, made = self._clock(), 0
        with self._database.begin() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            for condition in changes.to_raise:
                made += _raise(connection, rules, condition, now)
            for id_ in changes.to_clear:
                made += _clear(connection, rules, id_, now)
            for ids, is_suppressed in ((changes.to_suppress, True), (changes.to_show, False)):
                for id_ in ids:
                    made += _suppress(connection, id_, now, suppressed=is_suppressed)
        return made

    # People

    def acknowledge(self, origin: Origin, ids: Collection[int], note: str = "") -> int:
        """Acknowledge alarms; returns how many were not acknowledged before. The first person counts.

        Raises:
            AlarmError: `alarm_unknown`; nothing has changed.
        """
        now, changed = self._clock(), 0
        with self._audit.transaction() as connection:
            for row in _rows(connection, ids):
                if row.acknowledged_at is None:
                    values = {
                        "acknowledged_at": now,
                        "acknowledged_by": origin.name,
                        "acknowledged_actor": origin.actor,
                        "is_listed": row.open_key is not None,
                    }
                    connection.execute(update(alarms).where(alarms.c.id == row.id).values(values))
                    self._note(connection, origin, row.id, "acknowledged", "alarm.acknowledge", note)
                    changed += 1
        return changed

    def undo(self, origin: Origin, id_: int) -> None:
        """Take back one's own acknowledgement within `UNDO_WITHIN`.

        Raises:
            AlarmError: `alarm_unknown`, or `undo_too_late`: it is longer ago, or somebody else's.
        """
        now = self._clock()
        with self._audit.transaction() as connection:
            (row,) = _rows(connection, [id_])
            at, actor = row.acknowledged_at, row.acknowledged_actor
            if at is None or actor != origin.actor or now - at > UNDO_WITHIN:
                raise AlarmError("undo_too_late")
            values = {"acknowledged_at": None, "acknowledged_by": None, "acknowledged_actor": None, "is_listed": True}
            connection.execute(update(alarms).where(alarms.c.id == id_).values(values))
            self._note(connection, origin, id_, "undone", "alarm.undo", "")

    def shelve(self, origin: Origin, id_: int, until: datetime, reason: str) -> None:
        """Keep an alarm from the list until a time, at most `SHELVED_AT_MOST` ahead.

        Raises:
            AlarmError: `alarm_unknown`, `alarm_cleared`, `shelved_too_long`, or `reason_missing`.
        """
        now = self._clock()
        if not reason.strip():
            raise AlarmError("reason_missing")
        if not now < until <= now + SHELVED_AT_MOST:
            raise AlarmError("shelved_too_long")
        with self._audit.transaction() as connection:
            (row,) = _rows(connection, [id_])
            if row.open_key is None:
                raise AlarmError("alarm_cleared")
            values = {"shelved_until": until, "shelved_by": origin.name, "shelved_reason": reason[:TEXT_MAX]}
            connection.execute(update(alarms).where(alarms.c.id == id_).values(values))
            self._note(connection, origin, id_, "shelved", "alarm.shelve", reason, until=until.isoformat())

    def unshelve(self, origin: Origin, id_: int) -> None:
        """Put a shelved alarm back on the list.

        Raises:
            AlarmError: `alarm_unknown`.
        """
        with self._audit.transaction() as connection:
            (row,) = _rows(connection, [id_])
            if row.shelved_until is not None:
                connection.execute(update(alarms).where(alarms.c.id == id_).values(shelved_until=None))
                self._note(connection, origin, id_, "unshelved", "alarm.unshelve", "")

    def add_note(self, origin: Origin, id_: int, text: str) -> None:
        """Add a note to an alarm's history.

        Raises:
            AlarmError: `alarm_unknown`, or `reason_missing`: the note is empty.
        """
        if not text.strip():
            raise AlarmError("reason_missing")
        with self._audit.transaction() as connection:
            _rows(connection, [id_])
            self._note(connection, origin, id_, "noted", "alarm.note", text)

    # What is shown

    def find(self, wanted: AlarmFilter) -> list[Alarm]:
        """Alarms that match, newest first."""
        now = self._clock()
        query = select(alarms).order_by(alarms.c.id.desc()).limit(min(wanted.limit, PAGE_MAX))
        conditions: list[Any] = [
            or_(*(_where_state(state, now) for state in wanted.states)) if wanted.states else None,
            alarms.c.kind.in_(wanted.kinds) if wanted.kinds else None,
            (alarms.c.subject == wanted.subject) if wanted.subject else None,
            (alarms.c.site == wanted.site) if wanted.site else None,
            (alarms.c.kelurahan == wanted.kelurahan) if wanted.kelurahan else None,
            (alarms.c.raised_at >= wanted.since) if wanted.since else None,
            (alarms.c.raised_at < wanted.until) if wanted.until else None,
            (alarms.c.id < wanted.before) if wanted.before else None,
        ]
        for condition in conditions:
            if condition is not None:
                query = query.where(condition)
        with self._database.read() as connection:
            return [alarm_of(row, now) for row in connection.execute(query)]

    def current(self) -> list[Alarm]:
        """What needs attention: open and not suppressed, or cleared and not acknowledged; the worst first."""
        now = self._clock()
        query = select(alarms).where(alarms.c.is_listed, alarms.c.suppressed.is_(False))
        with self._database.read() as connection:
            shown = [alarm_of(row, now) for row in connection.execute(query)]
        order = {"unacknowledged": 0, "cleared_unacknowledged": 1, "acknowledged": 2, "shelved": 3}
        ranks = {priority: rank for rank, priority in enumerate(PRIORITIES)}
        return sorted(shown, key=lambda alarm: (order.get(alarm.state, 4), ranks[alarm.priority], -alarm.id))

    def get(self, id_: int) -> Alarm:
        """One alarm.

        Raises:
            AlarmError: `alarm_unknown`.
        """
        with self._database.read() as connection:
            (row,) = _rows(connection, [id_])
        return alarm_of(row, self._clock())

    def history(self, id_: int) -> list[AlarmEntry]:
        """What happened to an alarm, oldest first."""
        columns = alarm_entries.c.at, alarm_entries.c.what, alarm_entries.c.name, alarm_entries.c.text
        query = select(*columns).where(alarm_entries.c.alarm_id == id_).order_by(alarm_entries.c.id)
        with self._database.read() as connection:
            return [AlarmEntry(*row) for row in connection.execute(query)]

    def forget_before(self, at: datetime) -> int:
        """Delete alarms that cleared before a time, with their history; returns how many."""
        old = select(alarms.c.id).where(alarms.c.cleared_at < at, alarms.c.is_listed.is_(False)).scalar_subquery()
        with self._database.begin() as connection:
            connection.execute(alarm_entries.delete().where(alarm_entries.c.alarm_id.in_(old)))
            turn_back_cursor(connection)
            return connection.execute(
                alarms.delete().where(alarms.c.cleared_at < at, alarms.c.is_listed.is_(False))
            ).rowcount

    def _note(
        self,
        connection: Connection,
        origin: Origin,
        id_: int,
        what: AlarmEvent,
        action: Action,
        text: str,
        **detail: object,
    ) -> None:
        _enter(connection, id_, self._clock(), what, origin, text)
        about = {"text": text[:TEXT_MAX], **detail} if text else detail
        self._audit.add(connection, origin, action, str(id_), about)


def turn_back_cursor(connection: Connection) -> None:
    """Let the cursor of notifications not be after the newest entry: SQLite gives the numbers of deleted ones again."""
    if connection.dialect.name != "sqlite":
        return
    newest = connection.execute(select(func.coalesce(func.max(alarm_entries.c.id), 0))).scalar_one()
    is_after = notification_cursor.c.entry_id > newest
    connection.execute(update(notification_cursor).where(is_after).values(entry_id=newest))


def _raise(connection: Connection, rules: Rules, condition: AlarmCondition, now: datetime) -> int:
    key = f"{condition.kind} {condition.subject}"
    if connection.execute(select(alarms.c.id).where(alarms.c.open_key == key)).first():
        return 0
    values = {
        "open_key": key,
        "kind": condition.kind,
        "subject": condition.subject,
        "subject_kind": condition.subject_kind,
        "site": condition.site,
        "kelurahan": condition.kelurahan,
        "priority": rules[condition.kind].priority,
        "detail": condition.detail,
        "since": min(condition.since or now, now),
        "raised_at": now,
        "suppressed": False,
        "is_listed": True,
    }
    id_ = connection.execute(insert(alarms).values(values).returning(alarms.c.id)).scalar_one()
    _enter(connection, id_, now, "raised")
    return 1


def _clear(connection: Connection, rules: Rules, id_: int, now: datetime) -> int:
    row = connection.execute(select(alarms).where(alarms.c.id == id_, alarms.c.open_key.is_not(None))).first()
    if row is None:
        return 0
    rule = rules.get(row.kind)
    is_listed = bool(rule and rule.acknowledge) and row.acknowledged_at is None
    values = {"open_key": None, "cleared_at": now, "suppressed": False, "is_listed": is_listed}
    connection.execute(update(alarms).where(alarms.c.id == id_).values(values))
    _enter(connection, id_, now, "cleared")
    return 1


def _suppress(connection: Connection, id_: int, now: datetime, *, suppressed: bool) -> int:
    condition = and_(alarms.c.id == id_, alarms.c.open_key.is_not(None), alarms.c.suppressed.is_not(suppressed))
    if not connection.execute(update(alarms).where(condition).values(suppressed=suppressed)).rowcount:
        return 0
    _enter(connection, id_, now, "suppressed" if suppressed else "shown")
    return 1


def _enter(
    connection: Connection,
    id_: int,
    at: datetime,
    what: AlarmEvent,
    origin: Origin = _SYSTEM,
    text: str = "",
) -> None:
    values = {"alarm_id": id_, "at": at, "what": what, "actor": origin.actor, "name": origin.name}
    connection.execute(insert(alarm_entries).values(**values, text=text[:TEXT_MAX]))


def _rows(connection: Connection, ids: Collection[int]) -> Sequence[Row[Any]]:
    rows = connection.execute(select(alarms).where(alarms.c.id.in_(ids)).order_by(alarms.c.id)).all()
    if len(rows) != len(set(ids)):
        raise AlarmError("alarm_unknown")
    return rows


def _where_state(state: AlarmState, now: datetime) -> ColumnElement[bool]:
    """The condition of a state, as `_state_of` sees it."""
    is_open, columns = alarms.c.open_key.is_not(None), alarms.c
    is_shelved = and_(columns.shelved_until.is_not(None), columns.shelved_until > now)
    is_shown = and_(is_open, columns.suppressed.is_(False))
    match state:
        case "cleared":
            return and_(not_(is_open), columns.is_listed.is_(False))
        case "cleared_unacknowledged":
            return and_(not_(is_open), columns.is_listed.is_(True))
        case "suppressed":
            return and_(is_open, columns.suppressed.is_(True))
        case "shelved":
            return and_(is_shown, is_shelved)
        case "acknowledged":
            return and_(is_shown, not_(is_shelved), columns.acknowledged_at.is_not(None))
        case "unacknowledged":
            return and_(is_shown, not_(is_shelved), columns.acknowledged_at.is_(None))


def _state_of(row: Row[Any], now: datetime) -> AlarmState:
    if row.open_key is None:
        return "cleared_unacknowledged" if row.is_listed else "cleared"
    if row.suppressed:
        return "suppressed"
    if row.shelved_until is not None and row.shelved_until > now:
        return "shelved"
    return "unacknowledged" if row.acknowledged_at is None else "acknowledged"


def alarm_of(row: Row[Any], now: datetime) -> Alarm:
    """The alarm of a row of the table, in its state at `now`."""
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's own name for a row as a mapping
    names = Alarm.__struct_fields__
    values = {name: fields[name] for name in names if name in fields and fields[name] is not None}
    return Alarm(**values, state=_state_of(row, now))
