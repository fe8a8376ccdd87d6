"""The notifications of a city in the database: which wait, which process sends which, and how it ended.

A notification is claimed in one transaction, sent outside of any, and its end is recorded in another one. A process
that is killed between the two leaves its claim, which ends at `LEASE`: then the message is sent again under its key.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, case, insert, or_, select, update

from city.database.engine import Database, lock_until_end
from dispatch.alarms.rules import PRIORITIES
from dispatch.alarms.service import alarm_of
from dispatch.alarms.tables import alarms
from dispatch.notifications.planning import (
    RETRY_MAX,
    WAITING,
    NotificationKind,
    NotificationState,
    Waiting,
    is_given_up,
)
from dispatch.notifications.tables import notification_recipients, notifications
from dispatch.notifications.wire import SendResult

LEASE: Final = timedelta(seconds=60)
"""Longer than any process that sends lives."""
PAGE_MAX: Final = 500
WAITING_MAX: Final = 5_000
_LOCK_NUMBER: Final = 0x4E4F5459


class Notification(msgspec.Struct, frozen=True):
    """One notification. `reason` and `failed_at` are of the newest attempt that failed; times are UTC."""

    id: int
    alarm_id: Annotated[int, msgspec.Meta(description="Number of the alarm.")]
    recipient: Annotated[str, msgspec.Meta(description="Name of the recipient, never its address.")]
    kind: NotificationKind
    state: NotificationState
    created_at: datetime
    attempts: Annotated[int, msgspec.Meta(description="How many.")]
    next_at: datetime | None = None
    failed_at: datetime | None = None
    sent_at: datetime | None = None
    reason: str = ""


class RecipientState(msgspec.Struct, frozen=True):
    """How the attempts of a recipient end; `failing_since` is None after a success."""

    name: str
    failing_since: datetime | None
    failed_at: datetime | None
    sent_at: datetime | None
    reason: str


class Deliveries:
    """The notifications of one city.

    Args:
        database: The database.
        clock: UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def waiting(self, without: Collection[str] = (), *, with_held: bool = True) -> list[Waiting]:
        """What may be sent and no process is sending, at most `WAITING_MAX`, the worst and oldest first.

        Args:
            without: Names of recipients that are left out.
            with_held: Also what is held until its recipient may be reached.

        Raises:
            RetryLaterError: The database is away.
        """
        now, table = self._clock(), notifications.c
        query = (
            select(*_WAITING_COLUMNS)
            .join(alarms, alarms.c.id == table.alarm_id)
            .where(
                table.state.in_(WAITING if with_held else ("pending", "failed")),
                table.recipient.not_in(without),
                _is_free(now),
                or_(table.next_at.is_(None), table.next_at <= now, table.next_at > now + RETRY_MAX),
            )
            .order_by(case({name: rank for rank, name in enumerate(PRIORITIES)}, value=alarms.c.priority), table.id)
            .limit(WAITING_MAX)
        )
        with self._database.read() as connection:
            return [_waiting(row, now) for row in connection.execute(query)]

    def settle(self, held: Collection[int], skipped: Collection[int]) -> None:
        """Note what is held until its recipient may be reached, and what is not needed any more.

        Raises:
            RetryLaterError: The database is away; nothing has changed.
        """
        if not held and not skipped:
            return
        with self._database.begin() as connection:
            lock_until_end(connection, _LOCK_NUMBER)
            for ids, state in ((held, "held"), (skipped, "skipped")):
                if ids:
                    connection.execute(
                        update(notifications)
                        .where(notifications.c.id.in_(ids), notifications.c.state.in_(WAITING), _is_free(self._clock()))
                        .values(state=state)
                    )

    def claim(self, ids: Collection[int]) -> str:
        """Claim notifications for one message, all or none; returns its key, empty if another process has claimed one.

        Raises:
            RetryLaterError: The database is away; nothing has changed.
        """
        table = notifications.c
        with self._database.begin() as connection:
            lock_until_end(connection, _LOCK_NUMBER)
            now = self._clock()
            query = select(table.id, table.message).where(table.id.in_(ids), table.state.in_(WAITING), _is_free(now))
            rows = connection.execute(query).all()
            if len(rows) != len(set(ids)):
                return ""
            keys = {row.message for row in rows}
            key = keys.pop() if len(keys) == 1 and "" not in keys else secrets.token_hex(16)
            values = {"message": key, "lease_until": now + LEASE, "attempts": table.attempts + 1}
            connection.execute(update(notifications).where(table.id.in_(ids)).values(**values))
        return key

    def record(self, recipient: str, key: str, result: SendResult, wait: timedelta) -> None:
        """Record how the attempt of a message ended; of a message that is none's any more nothing is recorded.

        Args:
            recipient: Name of its recipient.
            key: The key of the message.
            result: The result.
            wait: How long it waits after a failure.

        Raises:
            RetryLaterError: The database is away; nothing has changed.
        """
        now, table = self._clock(), notifications.c
        is_ours = (table.message == key) & table.state.in_(WAITING)
        with self._database.begin() as connection:
            lock_until_end(connection, _LOCK_NUMBER)
            if result.sent:
                values = {"state": "sent", "sent_at": now, "lease_until": None, "next_at": None}
                connection.execute(update(notifications).where(is_ours).values(**values))
            else:
                rows = connection.execute(select(table.id, table.created_at, table.attempts).where(is_ours)).all()
                _record_failure(connection, rows, result, now, min(wait, RETRY_MAX))
            _note_attempt(connection, recipient, result, now)

    def note_attempt(self, recipient: str, result: SendResult) -> None:
        """Note how an attempt of a recipient ended that is no notification's.

        Raises:
            RetryLaterError: The database is away; nothing has changed.
        """
        with self._database.begin() as connection:
            lock_until_end(connection, _LOCK_NUMBER)
            _note_attempt(connection, recipient, result, self._clock())

    def sent_at(self, since: datetime) -> Mapping[str, Sequence[datetime]]:
        """When each recipient got its messages since a time; a digest counts once."""
        table = notifications.c
        query = (
            select(table.recipient, table.message, table.sent_at)
            .where(table.state == "sent", table.sent_at >= since)
            .distinct()
        )
        times: dict[str, list[datetime]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                times.setdefault(row.recipient, []).append(row.sent_at)
        return times

    def states(self) -> dict[str, RecipientState]:
        """How the attempts of each recipient end that had any."""
        with self._database.read() as connection:
            rows = connection.execute(select(*(notification_recipients.c[name] for name in _STATE_FIELDS)))
            return {row.name: RecipientState(*row) for row in rows}

    def find(
        self,
        states: Collection[NotificationState] = (),
        recipient: str = "",
        before: int | None = None,
        limit: int = 100,
    ) -> list[Notification]:
        """Notifications, the newest first; empty arguments leave a filter open, `before` is an id."""
        table = notifications.c
        conditions: list[ColumnElement[bool]] = []
        conditions += [table.state.in_(states)] if states else []
        conditions += [table.recipient == recipient] if recipient else []
        conditions += [table.id < before] if before else []
        return self._select(conditions, table.id.desc(), min(limit, PAGE_MAX))

    def of_alarm(self, alarm: int) -> list[Notification]:
        """The notifications of an alarm, the oldest first."""
        return self._select([notifications.c.alarm_id == alarm], notifications.c.id, PAGE_MAX)

    def _select(
        self, conditions: Iterable[ColumnElement[bool]], order: ColumnElement[Any], limit: int
    ) -> list[Notification]:
        columns = (notifications.c[name] for name in Notification.__struct_fields__)
        query = select(*columns).where(*conditions).order_by(order).limit(limit)
        with self._database.read() as connection:
            return [Notification(*row) for row in connection.execute(query)]


_STATE_FIELDS: Final = RecipientState.__struct_fields__
_WAITING_COLUMNS: Final = (
    notifications.c.id.label("row_id"),
    notifications.c.recipient,
    notifications.c.kind.label("row_kind"),
    notifications.c.state.label("row_state"),
    notifications.c.created_at,
    notifications.c.attempts,
    notifications.c.message,
    *alarms.c,
)


def _waiting(row: Row[Any], now: datetime) -> Waiting:
    own = row.row_id, row.recipient, row.row_kind, row.row_state, row.created_at, row.attempts, row.message
    return Waiting(*own, alarm_of(row, now))


def _record_failure(
    connection: Connection, rows: Sequence[Any], result: SendResult, now: datetime, wait: timedelta
) -> None:
    given_up = [row.id for row in rows if is_given_up(row.created_at, row.attempts, now)]
    values = {"failed_at": now, "lease_until": None, "reason": str(result)[:32]}
    # What a service surely has not taken may go into another message, a digest for example.
    values |= {"message": ""} if result.surely_not_taken else {}
    _set(
        connection,
        [row.id for row in rows if row.id not in given_up],
        {**values, "state": "failed", "next_at": now + wait},
    )
    _set(connection, given_up, {**values, "state": "given_up", "next_at": None})


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Whether no process is sending a notification.

    A claim that ends much later than any that is made now is of a clock that was wrong. The clock of the process that
    made it may be ahead of ours a little.
    """
    until = notifications.c.lease_until
    return or_(until.is_(None), until <= now, until > now + 2 * LEASE)


def _set(connection: Connection, ids: Collection[int], values: Mapping[str, object]) -> None:
    if ids:
        connection.execute(update(notifications).where(notifications.c.id.in_(ids)).values(**values))


def _note_attempt(connection: Connection, name: str, result: SendResult, now: datetime) -> None:
    table = notification_recipients.c
    known = connection.execute(select(table.failing_since).where(table.name == name)).one_or_none()
    values: dict[str, object] = {"reason": str(result)[:32]}
    if result.sent:
        values |= {"failing_since": None, "sent_at": now}
    else:
        values |= {"failing_since": (known and known.failing_since) or now, "failed_at": now}
    if known is None:
        connection.execute(insert(notification_recipients).values(name=name, **values))
    else:
        connection.execute(update(notification_recipients).where(table.name == name).values(**values))
