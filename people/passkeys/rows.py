"""Passkeys and challenges: rows of the database; statements only, the rules are in `people/passkeys/service.py`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from people.sessions import digest_of
from people.tables import accounts, passkey_challenges, passkeys

CHALLENGE_LASTS: Final = timedelta(minutes=5)
CHALLENGES_MAX: Final = 2_000
"""Challenges in force at once; beyond, the oldest give way."""
CHALLENGE_BYTES: Final = 32
NAME_MAX: Final = 64


@dataclass(frozen=True)
class Passkey:
    """One passkey of an account; `name` is the person's. Times are UTC."""

    id: int
    account: str
    name: str
    created_at: datetime
    used_at: datetime | None


def begin_challenge(connection: Connection, key: str, now: datetime) -> bytes:
    """A new challenge for who has a key; an earlier one of the same key ends."""
    digest = digest_of(key)
    ended = (passkey_challenges.c.expires_at <= now) | (passkey_challenges.c.digest == digest)
    connection.execute(delete(passkey_challenges).where(ended))
    newest = select(passkey_challenges.c.digest).order_by(passkey_challenges.c.expires_at.desc())
    kept = newest.limit(CHALLENGES_MAX - 1)
    connection.execute(delete(passkey_challenges).where(passkey_challenges.c.digest.not_in(kept)))
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    fields = {"digest": digest, "challenge": challenge, "expires_at": now + CHALLENGE_LASTS}
    connection.execute(insert(passkey_challenges).values(**fields))
    return challenge


def take_challenge(connection: Connection, key: str, now: datetime) -> bytes | None:
    """The challenge of a key, which ends by this; None if there is none in force."""
    mine = passkey_challenges.c.digest == digest_of(key)
    row = connection.execute(select(passkey_challenges).where(mine)).one_or_none()
    taken = connection.execute(delete(passkey_challenges).where(mine)).rowcount
    if row is None or taken != 1 or row.expires_at <= now:
        return None
    challenge: bytes = row.challenge
    return challenge


def add(
    connection: Connection, account: str, name: str, credential: bytes, public_key: bytes, count: int, now: datetime
) -> Passkey:
    """Add a passkey; `count` is the authenticator's count of signatures."""
    keys = {"credential_id": credential, "public_key": public_key, "sign_count": count}
    fields = {"account_id": account, "name": name, "created_at": now}
    key = connection.execute(insert(passkeys).values(**keys, **fields)).inserted_primary_key
    assert key is not None  # noqa: S101 - of one inserted row
    return Passkey(int(key[0]), account, name, now, None)


def find(connection: Connection, credential: bytes) -> Row[Any] | None:
    """The passkey of a credential id, with the name and the state of its account; None if there is none."""
    query = (
        select(passkeys, accounts.c.name.label("account_name"), accounts.c.disabled_at)
        .join(accounts)
        .where(passkeys.c.credential_id == credential)
    )
    return connection.execute(query).one_or_none()


def note_use(connection: Connection, id_: int, count: int, now: datetime) -> bool:
    """Note a use; False if the count of signatures has not grown, as with a copied authenticator.

    An authenticator that counts nothing always says 0.
    """
    grown = (passkeys.c.sign_count < count) | ((passkeys.c.sign_count == 0) & (count == 0))
    used = update(passkeys).where(passkeys.c.id == id_, grown).values(sign_count=count, used_at=now)
    return connection.execute(used).rowcount == 1


def remove(connection: Connection, account: str, id_: int) -> str | None:
    """Remove a passkey of an account; its name, None if there is none."""
    mine = (passkeys.c.id == id_) & (passkeys.c.account_id == account)
    name: str | None = connection.execute(select(passkeys.c.name).where(mine)).scalar_one_or_none()
    connection.execute(delete(passkeys).where(mine))
    return name


def list_passkeys(connection: Connection, account: str) -> Sequence[Passkey]:
    """The passkeys of an account, the newest first."""
    query = select(passkeys).where(passkeys.c.account_id == account).order_by(passkeys.c.id.desc())
    return [Passkey(row.id, row.account_id, row.name, row.created_at, row.used_at) for row in connection.execute(query)]


def credentials_of(connection: Connection, account: str) -> list[bytes]:
    """The credential ids of an account."""
    return list(connection.execute(select(passkeys.c.credential_id).where(passkeys.c.account_id == account)).scalars())
