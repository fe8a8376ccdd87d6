"""Sessions of the console: rows that can be listed and ended. The cookie's SHA-256 is kept, not the cookie."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from people.tables import accounts, sessions

Method = Literal["password", "link", "passkey", "openid", "known"]
"""How somebody signed in; `known`: the provider was away, and the person had signed in by it before."""
EndReason = Literal["signed_out", "ended", "password", "rotated", "disabled"]

LASTS: Final = timedelta(hours=12)
SEEN_EVERY: Final = timedelta(minutes=1)
KEPT_AFTER_END: Final = timedelta(days=30)
AGENT_MAX: Final = 200
_SECRET_BYTES: Final = 32


@dataclass(frozen=True)
class Session:
    """One session; times are UTC."""

    id: int
    account: str
    method: str
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def digest_of(secret: str) -> str:
    """What is kept of a cookie, token or link: its SHA-256; it is random, so that no guessing finds it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make_secret() -> str:
    """A new random secret of 256 bits."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def begin(connection: Connection, account: str, method: Method, address: str, agent: str, now: datetime) -> str:
    """Begin a session; returns its cookie."""
    secret = make_secret()
    times = {"created_at": now, "seen_at": now, "expires_at": now + LASTS}
    fields = {"digest": digest_of(secret), "account_id": account, "method": method, "address": address[:64]}
    connection.execute(insert(sessions).values(agent=agent[:AGENT_MAX], **fields, **times))
    connection.execute(delete(sessions).where(sessions.c.expires_at < now - KEPT_AFTER_END))
    return secret


def find(connection: Connection, cookie: str, now: datetime) -> Row[Any] | None:
    """The session of a cookie with its account's name, role and areas; None if it has ended or never was."""
    query = (
        select(sessions, accounts.c.name, accounts.c.role, accounts.c.areas)
        .join(accounts)
        .where(sessions.c.digest == digest_of(cookie), accounts.c.disabled_at.is_(None), _open(now))
    )
    return connection.execute(query).one_or_none()


def touch(connection: Connection, id_: int, now: datetime) -> None:
    """Note that a session is in use."""
    connection.execute(update(sessions).where(sessions.c.id == id_).values(seen_at=now))


def end(connection: Connection, condition: ColumnElement[bool], reason: EndReason, now: datetime) -> int:
    """End open sessions; returns how many there were."""
    ended = update(sessions).where(condition, _open(now)).values(ended_at=now, end_reason=reason)
    return connection.execute(ended).rowcount


def open_sessions(connection: Connection, account: str, now: datetime) -> Sequence[Session]:
    """Open sessions of an account, the newest first."""
    query = select(sessions).where(sessions.c.account_id == account, _open(now)).order_by(sessions.c.id.desc())
    return [
        Session(row.id, row.account_id, row.method, row.address, row.agent, row.created_at, row.seen_at, row.expires_at)
        for row in connection.execute(query)
    ]


def _open(now: datetime) -> ColumnElement[bool]:
    return sessions.c.ended_at.is_(None) & (sessions.c.expires_at > now)
