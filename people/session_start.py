"""The start of a session, however somebody has signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from people import sessions
from people.accounts import Account
from people.audit import AuditLog, Origin
from people.tables import sessions as session_table


@dataclass(frozen=True)
class SignedIn:
    """A new session: its cookie and whose it is."""

    cookie: str
    account: Account


def start_session(
    connection: Connection,
    audit: AuditLog,
    account: Account,
    method: sessions.Method,
    address: str,
    agent: str,
    replaces: str,
    now: datetime,
) -> SignedIn:
    """Begin a session, with its entry in the audit; the session of the cookie `replaces` ends, if there is one."""
    if replaces:
        sessions.end(connection, session_table.c.digest == sessions.digest_of(replaces), "rotated", now)
    cookie = sessions.begin(connection, account.id, method, address, agent, now)
    audit.add(connection, Origin(account.id, account.name, address), "sign_in", account.id, {"method": method})
    return SignedIn(cookie, account)
