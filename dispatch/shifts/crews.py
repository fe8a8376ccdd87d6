"""Phones of crews: codes to sign in, sessions, events that are stored once, and messages.

A phone has no person's account. It may act for the shifts that it has signed in to, and for nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, insert, select, update

from city.database.engine import Database, lock_until_end
from dispatch.shifts.changes import Changes, RowsBefore
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.records import CrewSession, PhoneEvent, ShiftCode, TapReceipt
from dispatch.shifts.rows import require_open_shift
from dispatch.shifts.tables import crew_codes, crew_messages, crew_sessions, shifts, stops, taps
from people import attempts
from people.audit import AuditLog, Origin
from people.sessions import SEEN_EVERY, digest_of, make_secret

LOCK_NUMBER: Final = 0x43524557
CODE_DIGITS: Final = 6
CODE_ATTEMPTS: Final = "code of a crew"
"""The account for which wrong codes count, from all addresses together. Keys of QR codes cannot be guessed."""
CODE_LASTS_AFTER_SHIFT: Final = timedelta(hours=2)
SESSION_LASTS_AFTER_SHIFT: Final = timedelta(hours=24)
"""A phone that was offline until the end of its shift still delivers what its crew tapped."""
DETAIL_MAX_BYTES: Final = 2_000
AHEAD_MAX: Final = timedelta(minutes=10)
"""How far a phone's clock may be ahead; what is later counts as tapped when it arrives."""
_STOP_KINDS: Final = ("collected", "not_possible", "photo")
"""Kinds of events that name a stop."""


class Crews:
    """The phones of a city's crews.

    Args:
        database: The database.
        audit: Takes what dispatchers do, and sign-ins.
        key: Key of the hashes of codes.
        clock: UTC.
    """

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        key: bytes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._audit = audit
        self._key = key
        self._clock = clock
        self._changes = Changes(audit, clock)

    def make_code(self, origin: Origin, shift_id: int) -> ShiftCode:
        """Make a code and a QR key for a shift; earlier ones of the shift end, phones that are signed in stay.

        Raises:
            DispatchError: `shift_unknown` or `shift_closed`.
        """
        now = self._clock()
        with self._audit.transaction() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            shift = require_open_shift(connection, shift_id)
            before = RowsBefore(connection)
            is_valid = crew_codes.c.shift_id == shift_id, crew_codes.c.ended_at.is_(None)
            for (earlier,) in connection.execute(select(crew_codes.c.id).where(*is_valid)).all():
                before.change(crew_codes, earlier, ended_at=now)
            expires_at = max(shift.ends_at, now) + CODE_LASTS_AFTER_SHIFT
            code, key = self._unused_code(connection), make_secret()
            for secret in (code, key):
                values = {"shift_id": shift_id, "digest": self._digest(secret), "created_at": now}
                before.add(crew_codes, {**values, "expires_at": expires_at}, ended_at=now)
            self._changes.note(connection, origin, "shift.code", f"shift:{shift_id}", before)
        return ShiftCode(shift_id, code, key, expires_at)

    def enter(self, code: str, address: str, earlier_token: str = "") -> CrewSession:
        """Sign a phone in by a code or QR key. Its `token` is in the answer, and nowhere else.

        Args:
            code: Six digits, or the key of a QR code.
            address: From where.
            earlier_token: The phone's last token, by which it stays the same phone.

        Raises:
            DispatchError: `code_wrong`: no such code, or it has ended.
            TooManyAttemptsError: Too many codes were wrong; nothing was checked. The key of a QR code is.
        """
        now, secret, is_key = self._clock(), make_secret(), len(code.strip()) > CODE_DIGITS
        if is_key:
            self._require_code(code, now)
        else:
            with self._database.begin() as connection:
                attempts.reserve(connection, CODE_ATTEMPTS, address, now)
        with self._audit.transaction() as connection:
            row = connection.execute(self._valid_code(code, now)).one_or_none()
            if row is None:
                raise DispatchError("code_wrong")
            if not is_key:
                attempts.release(connection, CODE_ATTEMPTS, address)
            phone = _phone_of(connection, earlier_token) or f"phone-{secrets.token_hex(6)}"
            expires_at = max(row.ends_at, now) + SESSION_LASTS_AFTER_SHIFT
            times = {"created_at": now, "seen_at": now, "expires_at": expires_at}
            values = {"shift_id": row.shift_id, "digest": digest_of(secret), "phone": phone, **times}
            id_ = connection.execute(insert(crew_sessions).values(values).returning(crew_sessions.c.id)).scalar_one()
            _begin(connection, row.shift_id)
            origin = Origin(phone, row.truck, address)
            self._audit.add(connection, origin, "crew.enter", f"shift:{row.shift_id}")
        return CrewSession(id_, row.shift_id, phone, expires_at, secret)

    def by_token(self, token: str) -> CrewSession | None:
        """The session of a phone's token; None if it has ended or never was."""
        now = self._clock()
        table = crew_sessions.c
        is_valid = table.digest == digest_of(token), table.ended_at.is_(None), table.expires_at > now
        with self._database.read() as connection:
            row = connection.execute(select(crew_sessions).where(*is_valid)).one_or_none()
        if row is None:
            return None
        if now - row.seen_at > SEEN_EVERY:
            with self._database.begin() as connection:
                connection.execute(update(crew_sessions).where(table.id == row.id).values(seen_at=now))
        return CrewSession(row.id, row.shift_id, row.phone, row.expires_at)

    def leave(self, session: CrewSession) -> None:
        """End the session of a phone."""
        with self._database.begin() as connection:
            ended = update(crew_sessions).where(crew_sessions.c.id == session.id, crew_sessions.c.ended_at.is_(None))
            connection.execute(ended.values(ended_at=self._clock()))

    def sessions(self, shift_id: int) -> list[CrewSession]:
        """Phones that are signed in to a shift."""
        table = crew_sessions.c
        is_valid = table.shift_id == shift_id, table.ended_at.is_(None), table.expires_at > self._clock()
        with self._database.read() as connection:
            rows = connection.execute(select(crew_sessions).where(*is_valid).order_by(table.id)).all()
        return [CrewSession(row.id, row.shift_id, row.phone, row.expires_at) for row in rows]

    def record(self, session: CrewSession, events: Sequence[PhoneEvent]) -> list[TapReceipt]:
        """Store events of a phone, each once for ever; the receipts hold once this returns.

        An event that can never be stored is refused with a reason, and the phone may forget it; the others are stored.

        Args:
            session: Who sends.
            events: In any order; those that were stored before get the same receipt.

        Raises:
            RetryLaterError: The database is away; nothing was stored, send the same events again.
        """
        with self._database.begin() as connection:
            lock_until_end(connection, LOCK_NUMBER)
            known = _known_shifts(connection, session)
            return [self._store(connection, session, event, known) for event in events]

    def receipt_of(self, session: CrewSession, event: PhoneEvent) -> TapReceipt | None:
        """What `record` would answer without storing the event; None if it would store it."""
        with self._database.read() as connection:
            if _is_stored(connection, event):
                return TapReceipt(event.boot, event.seq, "known")
            _, refusal = _shift_of(connection, session, event, _known_shifts(connection, session))
        return TapReceipt(event.boot, event.seq, "refused", refusal) if refusal else None

    def _store(
        self, connection: Connection, session: CrewSession, event: PhoneEvent, known: frozenset[int]
    ) -> TapReceipt:
        now = self._clock()
        if _is_stored(connection, event):
            return TapReceipt(event.boot, event.seq, "known")
        shift_id, refusal = _shift_of(connection, session, event, known)
        if refusal:
            return TapReceipt(event.boot, event.seq, "refused", refusal)
        values = {
            "shift_id": shift_id,
            "stop_id": event.stop if event.kind in _STOP_KINDS else None,
            "phone": event.phone,
            "boot": event.boot,
            "seq": event.seq,
            "kind": event.kind,
            "at": min(event.at, now) if event.at <= now + AHEAD_MAX else now,
            "received_at": now,
            "is_late": event.at > now + AHEAD_MAX,
            "reason": event.reason,
            "detail": event.detail,
        }
        connection.execute(insert(taps).values(values))
        _follow(connection, shift_id, event, now)
        return TapReceipt(event.boot, event.seq, "stored")

    def _valid_code(self, code: str, now: datetime) -> Select[Any]:
        """The shift of a code, if both are in force."""
        return (
            select(crew_codes.c.shift_id, shifts.c.truck, shifts.c.ends_at)
            .join(shifts, shifts.c.id == crew_codes.c.shift_id)
            .where(crew_codes.c.digest == self._digest(code.strip()), crew_codes.c.ended_at.is_(None))
            .where(crew_codes.c.expires_at > now, shifts.c.open_key.is_not(None))
        )

    def _require_code(self, code: str, now: datetime) -> None:
        """Refuse a wrong code before anything is locked."""
        with self._database.read() as connection:
            if connection.execute(self._valid_code(code, now)).first() is None:
                raise DispatchError("code_wrong")

    def _unused_code(self, connection: Connection) -> str:
        """A code that is not one of any day: there are a million, and a city has dozens a day."""
        while True:
            code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
            taken = select(crew_codes.c.id).where(crew_codes.c.digest == self._digest(code))
            if connection.execute(taken).first() is None:
                return code

    def _digest(self, secret: str) -> str:
        return hmac.new(self._key, secret.encode(), hashlib.sha256).hexdigest()


def _is_stored(connection: Connection, event: PhoneEvent) -> bool:
    columns = taps.c.phone == event.phone, taps.c.boot == event.boot, taps.c.seq == event.seq
    return connection.execute(select(taps.c.id).where(*columns)).first() is not None


def _phone_of(connection: Connection, token: str) -> str:
    """The phone whose token this is or was; empty if there is none."""
    query = select(crew_sessions.c.phone).where(crew_sessions.c.digest == digest_of(token))
    return str(connection.execute(query).scalar_one_or_none() or "") if token else ""


def _known_shifts(connection: Connection, session: CrewSession) -> frozenset[int]:
    """Shifts that a phone has ever signed in to."""
    query = select(crew_sessions.c.shift_id).where(crew_sessions.c.phone == session.phone)
    return frozenset(connection.execute(query).scalars())


def _shift_of(
    connection: Connection, session: CrewSession, event: PhoneEvent, known: frozenset[int]
) -> tuple[int, str]:
    """The shift of an event, or why it is refused for ever."""
    if event.phone != session.phone:
        return 0, "phone_wrong"
    if len(msgspec.json.encode(event.detail)) > DETAIL_MAX_BYTES:
        return 0, "detail_too_long"
    if event.kind == "not_possible" and not event.reason:
        return 0, "reason_missing"
    return _shift_of_stop(connection, session, event, known) if event.kind in _STOP_KINDS else (session.shift_id, "")


def _shift_of_stop(
    connection: Connection, session: CrewSession, event: PhoneEvent, known: frozenset[int]
) -> tuple[int, str]:
    """The shift of an event about a stop.

    A stop may have gone to another truck while the phone was offline; its crew may have collected it all the same.
    """
    row = connection.execute(select(stops).where(stops.c.id == event.stop, stops.c.kind != "landfill")).one_or_none()
    if row is None:
        return 0, "stop_unknown"
    mine = known & {row.shift_id, *row.was_on}
    if not mine:
        return 0, "stop_of_others"
    return (session.shift_id if session.shift_id in mine else max(mine)), ""


def _follow(connection: Connection, shift_id: int, event: PhoneEvent, now: datetime) -> None:
    """What an event changes beside its row."""
    if event.kind in (*_STOP_KINDS, "shift_begun"):
        _begin(connection, shift_id)
    message = event.detail.get("message")
    if event.kind == "message_read" and isinstance(message, int):
        is_unread = crew_messages.c.shift_id == shift_id, crew_messages.c.read_at.is_(None)
        connection.execute(
            update(crew_messages).where(crew_messages.c.id == message, *is_unread).values(read_at=min(event.at, now))
        )


def _begin(connection: Connection, shift_id: int) -> None:
    is_planned = shifts.c.id == shift_id, shifts.c.state == "planned"
    connection.execute(update(shifts).where(*is_planned).values(state="under_way"))
