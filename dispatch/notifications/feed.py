"""Makes notifications of what happens to alarms, each once: from their history, and from how long nobody acknowledges.

The cursor over the history and the notifications are written in one transaction. A unique key guards each of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from city.database.engine import Database, lock_until_end
from dispatch.alarms.rules import AlarmKind, Rules
from dispatch.alarms.service import LOCK_NUMBER as ALARMS_LOCK
from dispatch.alarms.service import Alarm, alarm_of
from dispatch.alarms.tables import alarm_entries, alarms
from dispatch.notifications.planning import NotificationKind, is_escalation_wanted, is_wanted
from dispatch.notifications.recipients import Recipients
from dispatch.notifications.reminders import ElapsedTimes, is_escalated, reminder_number
from dispatch.notifications.tables import notification_cursor, notifications
from people.audit import LOCK_NUMBER as AUDIT_LOCK

ENTRIES_MAX: Final = 2_000
"""Entries of the history in one transaction."""
_BEGINS_ANEW: Final = ("shown", "shelved", "unshelved", "undone")
"""What lets an alarm wait anew for an acknowledgement."""

_GENERATION: Final = 1_000
"""Numbers of reminders that each waiting of an alarm has."""

_Values = dict[str, Any]
_Told = Mapping[str, Sequence[Any]]


class NotificationFeed:
    """Fills the table of notifications.

    Args:
        database: The database.
        rules: Gives the rules of alarms in force.
        clock: UTC.
    """

    def __init__(self, database: Database, rules: Callable[[], Rules], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock
        self._elapsed = ElapsedTimes()

    def take_history(self, recipients: Recipients) -> int:
        """Make notifications of the new entries of the alarms' history; returns how many.

        Raises:
            RetryLaterError: The database is away; nothing has changed.
        """
        with self._database.read() as connection:
            newest = connection.execute(select(func.coalesce(func.max(alarm_entries.c.id), 0))).scalar_one()
            if newest <= _cursor(connection):
                return 0
        with self._database.begin() as connection:
            # PostgreSQL gives out an entry's number before its transaction ends. Under both locks nobody writes an
            # entry, so that none with a smaller number comes later.
            lock_until_end(connection, ALARMS_LOCK)
            lock_until_end(connection, AUDIT_LOCK)
            entries = _entries_after(connection, _cursor(connection))
            now = self._clock()
            made = [values for entry in entries for values in self._values_of(connection, recipients, entry, now)]
            _insert(connection, made)
            if entries:
                _move_cursor(connection, entries[-1].entry_id)
        return len(made)

    def _values_of(
        self, connection: Connection, recipients: Recipients, entry: Row[Any], now: datetime
    ) -> Iterator[_Values]:
        alarm = alarm_of(entry, now)
        rule = self._rules().get(alarm.kind)
        if rule is None:
            return
        told = _first_notices(connection, [alarm.id]).get(alarm.id, {}) if entry.what != "raised" else {}
        for recipient in recipients.values():
            kind: NotificationKind | None = None
            was_told = any(_is_sent(row) for row in told.get(recipient.name, ()))
            if entry.what == "raised" or (entry.what == "shown" and not was_told):
                kind = "raised" if is_wanted(recipient, rule, alarm) else None
            elif entry.what == "acknowledged" and recipient.acknowledged:
                kind = "acknowledged" if was_told else None
            elif entry.what == "cleared" and recipient.cleared:
                kind = "cleared" if was_told else None
            if kind:
                yield _values(alarm, recipient.name, kind, entry.entry_id, now)

    def remind(self, recipients: Recipients, monotonic_s: float) -> int:
        """Make the reminders and escalations that are due; returns how many.

        Args:
            recipients: The recipients.
            monotonic_s: Seconds of a clock that never jumps.

        Raises:
            RetryLaterError: The database is away; nothing has changed.
        """
        now = self._clock()
        kinds = [kind for kind, rule in self._rules().items() if rule.remind_after_s or rule.escalate_after_s]
        with self._database.read() as connection:
            rows = _waiting_alarms(connection, kinds, now)
            self._elapsed.keep({row.id for row in rows})
            due = [row for row in rows if self._is_any_due(row, now, monotonic_s)]
            told = _first_notices(connection, [row.id for row in due])
            known = _reminder_keys(connection, [row.id for row in due])
        made = [
            values
            for row in due
            for values in self._reminders(row, recipients, told.get(row.id, {}), now, monotonic_s)
            if _key(values) not in known
        ]
        if made:
            with self._database.begin() as connection:
                _insert(connection, made)
        return len(made)

    def _is_any_due(self, row: Row[Any], now: datetime, monotonic_s: float) -> bool:
        rule = self._rules()[row.kind]
        elapsed_s = self._elapsed.elapsed_s(row.id, _begin_of(row), now, monotonic_s)
        return reminder_number(rule, elapsed_s) > 0 or is_escalated(rule, elapsed_s)

    def _reminders(
        self, row: Row[Any], recipients: Recipients, told: _Told, now: datetime, monotonic_s: float
    ) -> Iterator[_Values]:
        """Reminders of who was told, from then on; escalations to who was not."""
        rule, alarm, begun_at = self._rules()[row.kind], alarm_of(row, now), _begin_of(row)
        generation = (row.anew or 0) * _GENERATION
        for recipient in recipients.values():
            mine = told.get(recipient.name, ())
            told_at = max((sent.sent_at for sent in mine if sent.kind == "raised" and sent.sent_at), default=None)
            if told_at is not None:
                elapsed_s = self._elapsed.elapsed_s(row.id, max(begun_at, told_at), now, monotonic_s)
                if number := reminder_number(rule, elapsed_s):
                    yield _values(alarm, recipient.name, "reminder", generation + number, now)
            elif not mine and is_escalation_wanted(recipient, rule, alarm):
                elapsed_s = self._elapsed.elapsed_s(row.id, begun_at, now, monotonic_s)
                if is_escalated(rule, elapsed_s):
                    yield _values(alarm, recipient.name, "escalation", generation, now)


def _values(alarm: Alarm, recipient: str, kind: NotificationKind, number: int, now: datetime) -> _Values:
    return {
        "alarm_id": alarm.id,
        "recipient": recipient,
        "kind": kind,
        "number": number,
        "state": "pending",
        "created_at": now,
        "attempts": 0,
        "message": "",
        "reason": "",
    }


def _key(values: _Values) -> tuple[Any, ...]:
    return values["alarm_id"], values["recipient"], values["kind"], values["number"]


def _insert(connection: Connection, made: list[_Values]) -> None:
    """Add notifications; one that is there already stays."""
    if made:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(dialect.insert(notifications).on_conflict_do_nothing(), made)


def _entries_after(connection: Connection, cursor: int) -> list[Row[Any]]:
    query = (
        select(alarm_entries.c.id.label("entry_id"), alarm_entries.c.what, alarms)
        .join(alarms, alarms.c.id == alarm_entries.c.alarm_id)
        .where(alarm_entries.c.id > cursor)
        .order_by(alarm_entries.c.id)
        .limit(ENTRIES_MAX)
    )
    return list(connection.execute(query))


def _cursor(connection: Connection) -> int:
    """The newest entry that was taken; 0 in a new database, in which everything is new."""
    return connection.execute(select(notification_cursor.c.entry_id)).scalar_one_or_none() or 0


def _move_cursor(connection: Connection, entry: int) -> None:
    if not connection.execute(update(notification_cursor).values(entry_id=entry)).rowcount:
        connection.execute(insert(notification_cursor).values(id=1, entry_id=entry))


def _first_notices(connection: Connection, ids: Collection[int]) -> Mapping[int, _Told]:
    """The notifications that tell each recipient of alarms for the first time, by alarm and recipient."""
    table = notifications.c
    columns = table.alarm_id, table.recipient, table.kind, table.state, table.message, table.sent_at
    query = select(*columns).where(
        table.alarm_id.in_(ids), table.kind.in_(("raised", "escalation")), table.state != "skipped"
    )
    told: dict[int, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    if ids:
        for row in connection.execute(query):
            told[row.alarm_id][row.recipient].append(row)
    return told


def _is_sent(row: Row[Any]) -> bool:
    """Whether a notification was sent or is on its way."""
    return row.state == "sent" or bool(row.message)


def _reminder_keys(connection: Connection, ids: Collection[int]) -> set[tuple[Any, ...]]:
    """Keys of the reminders and escalations of alarms."""
    table = notifications.c
    query = select(table.alarm_id, table.recipient, table.kind, table.number).where(
        table.alarm_id.in_(ids), table.kind.in_(("reminder", "escalation"))
    )
    return {tuple(row) for row in connection.execute(query)}


def _waiting_alarms(connection: Connection, kinds: list[AlarmKind], now: datetime) -> list[Row[Any]]:
    """Open alarms that are shown and that nobody has acknowledged, with when they last began to wait anew."""
    anew = (
        select(alarm_entries.c.alarm_id, func.max(alarm_entries.c.at).label("anew_at"), func.count().label("anew"))
        .where(alarm_entries.c.what.in_(_BEGINS_ANEW))
        .group_by(alarm_entries.c.alarm_id)
        .subquery()
    )
    query = (
        select(alarms, anew.c.anew_at, anew.c.anew)
        .join(anew, anew.c.alarm_id == alarms.c.id, isouter=True)
        .where(
            alarms.c.is_listed,
            alarms.c.open_key.is_not(None),
            alarms.c.suppressed.is_(False),
            alarms.c.acknowledged_at.is_(None),
            alarms.c.kind.in_(kinds),
            or_(alarms.c.shelved_until.is_(None), alarms.c.shelved_until <= now),
        )
    )
    return list(connection.execute(query))


def _begin_of(row: Row[Any]) -> datetime:
    """When an alarm began to wait: raised, shown again, or back from the shelf."""
    times: list[datetime] = [at for at in (row.raised_at, row.anew_at, row.shelved_until) if at is not None]
    return max(times)
