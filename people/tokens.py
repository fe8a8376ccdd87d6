"""Tokens for the API: random, of a person or a service, with rights, an expiry and a last use; each can be revoked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from people.rights import Right, parse_rights
from people.sessions import digest_of, make_secret
from people.tables import accounts, tokens

PREFIX: Final = "kota_"
"""Begins each token, so that scanners for leaked secrets find it."""
DAYS_MAX: Final = 730


@dataclass(frozen=True)
class Token:
    """One token; `account` is None for a service's. Times are UTC."""

    id: int
    name: str
    account: str | None
    rights: frozenset[Right]
    created_at: datetime
    created_by: str
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


def make(
    connection: Connection,
    name: str,
    rights: Iterable[Right],
    lasts: timedelta,
    *,
    account: str | None,
    created_by: str,
    now: datetime,
) -> tuple[int, str]:
    """Make a token; returns its number and the token, which nothing keeps."""
    secret = PREFIX + make_secret()
    fields = {"digest": digest_of(secret), "name": name, "account_id": account, "rights": sorted(rights)}
    times = {"created_at": now, "expires_at": now + lasts}
    key = connection.execute(insert(tokens).values(created_by=created_by, **fields, **times)).inserted_primary_key
    assert key is not None  # noqa: S101 - of one inserted row
    return int(key[0]), secret


def find(connection: Connection, token: str, now: datetime) -> Row[Any] | None:
    """The row of a valid token, with name, role and state of its account; None if there is none."""
    query = (
        select(tokens, accounts.c.name.label("account_name"), accounts.c.role, accounts.c.areas, accounts.c.disabled_at)
        .outerjoin(accounts)
        .where(tokens.c.digest == digest_of(token), tokens.c.revoked_at.is_(None), tokens.c.expires_at > now)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None or row.disabled_at is not None else row


def touch(connection: Connection, id_: int, now: datetime) -> None:
    """Note a use."""
    connection.execute(update(tokens).where(tokens.c.id == id_).values(used_at=now))


def revoke(connection: Connection, id_: int, now: datetime) -> bool:
    """Revoke a token; whether it was in force."""
    revoked = update(tokens).where(tokens.c.id == id_, tokens.c.revoked_at.is_(None)).values(revoked_at=now)
    return connection.execute(revoked).rowcount == 1


def list_tokens(connection: Connection, account: str | None = None) -> Sequence[Token]:
    """All tokens, or those of an account; the newest first."""
    query = select(tokens).order_by(tokens.c.id.desc())
    if account is not None:
        query = query.where(tokens.c.account_id == account)
    return [token_of(row) for row in connection.execute(query)]


def token_of(row: Row[Any]) -> Token:
    """The token of a row."""
    return Token(
        row.id,
        row.name,
        row.account_id,
        parse_rights(row.rights),
        row.created_at,
        row.created_by,
        row.expires_at,
        row.used_at,
        row.revoked_at,
    )
