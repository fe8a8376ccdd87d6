"""Accounts of persons: rows of the database; statements only, the rules are in `people/service.py`."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, exists, func, insert, select, update

from people.errors import PeopleError
from people.rights import AREA_KINDS, Role, parse_role
from people.sessions import digest_of, make_secret
from people.tables import accounts, invitations, passkeys

LINK_LASTS: Final = timedelta(hours=24)
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{1,62}[a-z0-9]")
SHOWN_NAME_MAX: Final = 120
AREAS_MAX: Final = 200
_AREA: Final = re.compile(rf"({'|'.join(AREA_KINDS)}):\S.{{0,119}}")


@dataclass(frozen=True)
class Account:
    """One person. `name` is for signing in, `shown_name` for others; `areas` is empty for the whole city."""

    id: str
    name: str
    shown_name: str
    role: Role
    areas: tuple[str, ...]
    has_password: bool
    provider: str
    created_at: datetime
    disabled_at: datetime | None


def add(connection: Connection, name: str, shown_name: str, role: str, areas: Sequence[str], now: datetime) -> Account:
    """Add an account without a password.

    Raises:
        PeopleError: `name_invalid`, `name_taken`, `role_unknown` or `area_unknown`.
    """
    key = check_name(name)
    if connection.execute(select(accounts.c.id).where(accounts.c.name == key)).first():
        raise PeopleError("name_taken")
    id_ = secrets.token_hex(8)
    fields = {"shown_name": check_shown_name(shown_name or name), "role": check_role(role), "areas": check_areas(areas)}
    connection.execute(insert(accounts).values(id=id_, name=key, created_at=now, **fields))
    return get(connection, id_)


def get(connection: Connection, id_: str) -> Account:
    """An account.

    Raises:
        PeopleError: `account_unknown`.
    """
    row = connection.execute(select(accounts).where(accounts.c.id == id_)).one_or_none()
    if row is None:
        raise PeopleError("account_unknown")
    return account_of(row)


def find_by_name(connection: Connection, name: str) -> Row[Any] | None:
    """The row of an account; None if there is none of that name."""
    return connection.execute(select(accounts).where(accounts.c.name == name.strip().lower())).one_or_none()


def list_accounts(connection: Connection) -> list[Account]:
    """All accounts by name."""
    return [account_of(row) for row in connection.execute(select(accounts).order_by(accounts.c.name))]


def change(connection: Connection, id_: str, **fields: object) -> None:
    """Change columns of an account."""
    connection.execute(update(accounts).where(accounts.c.id == id_).values(**fields))


def other_administrators(connection: Connection, id_: str) -> int:
    """Number of administrators beside one who may sign in: by a password, a provider or a passkey."""
    has_passkey = exists().where(passkeys.c.account_id == accounts.c.id)
    query = select(func.count()).where(
        accounts.c.role == "administrator",
        accounts.c.disabled_at.is_(None),
        accounts.c.id != id_,
        accounts.c.password_hash.is_not(None) | accounts.c.subject.is_not(None) | has_passkey,
    )
    return int(connection.execute(query).scalar_one())


def invite(connection: Connection, id_: str, now: datetime) -> str:
    """Make a link's key that sets the password of an account once; earlier ones end."""
    mine = (invitations.c.account_id == id_) & invitations.c.used_at.is_(None)
    connection.execute(update(invitations).where(mine).values(used_at=now))
    secret = make_secret()
    fields = {"digest": digest_of(secret), "account_id": id_, "expires_at": now + LINK_LASTS}
    connection.execute(insert(invitations).values(**fields))
    return secret


def account_of_link(connection: Connection, key: str, now: datetime) -> Account | None:
    """The account of a link that is in force; None if it is not."""
    query = (
        select(accounts)
        .join(invitations)
        .where(invitations.c.digest == digest_of(key), invitations.c.used_at.is_(None), invitations.c.expires_at > now)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None or row.disabled_at is not None else account_of(row)


def use_link(connection: Connection, key: str, now: datetime) -> bool:
    """Mark a link as used; False if somebody else has used it meanwhile."""
    mine = (invitations.c.digest == digest_of(key)) & invitations.c.used_at.is_(None)
    return connection.execute(update(invitations).where(mine).values(used_at=now)).rowcount == 1


def check_name(name: str) -> str:
    """The name for signing in, in small letters."""
    key = name.strip().lower()
    if not NAME.fullmatch(key):
        raise PeopleError("name_invalid")
    return key


def check_shown_name(name: str) -> str:
    """A name to show: text without control characters."""
    shown = " ".join(name.split())
    if not 1 <= len(shown) <= SHOWN_NAME_MAX or not shown.isprintable():
        raise PeopleError("name_invalid")
    return shown


def check_role(role: str) -> Role:
    """A known role."""
    known = parse_role(role)
    if known is None:
        raise PeopleError("role_unknown")
    return known


def check_areas(areas: Sequence[str]) -> list[str]:
    """Areas as `KIND:NAME`, each once."""
    if len(areas) > AREAS_MAX or not all(_AREA.fullmatch(area) and area.isprintable() for area in areas):
        raise PeopleError("area_unknown")
    return sorted(set(areas))


def account_of(row: Row[Any]) -> Account:
    """The account of a row."""
    return Account(
        row.id,
        row.name,
        row.shown_name,
        check_role(row.role),
        tuple(row.areas),
        row.password_hash is not None,
        row.issuer or "",
        row.created_at,
        row.disabled_at,
    )
