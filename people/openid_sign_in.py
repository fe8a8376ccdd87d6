"""Sign-in by an OpenID provider: attempts in the database, accounts of the provider's people, and its absence.

Who has signed in by the provider before keeps a secret in the browser. While the provider is away, that secret opens a
session for `KNOWN_LASTS` after the provider's last answer about the person; the audit says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select

from city.database.engine import Database
from city.errors import ConfigError
from people import accounts as rows
from people.accounts import Account
from people.audit import AuditLog, Origin
from people.errors import PeopleError
from people.openid.attempts import SignInAttempt
from people.openid.errors import SignInRefusedError
from people.openid.identities import ProviderIdentity
from people.openid.settings import FILE, OpenIdSettings, load_openid_settings
from people.rights import ROLES, Role, parse_role
from people.sessions import Method, digest_of, make_secret
from people.tables import accounts as account_table
from people.tables import known_browsers, openid_attempts

KNOWN_LASTS: Final = timedelta(days=7)
"""Time after the provider's last answer about a person in which the person gets in without it."""
ATTEMPTS_MAX: Final = 2_000
"""Sign-ins that may have begun at once; beyond, the oldest give way."""
_NAME_PARTS: Final = re.compile(r"[^a-z0-9._-]+")


class OpenIdProvider(Protocol):
    """What is needed of the client (`people/openid/client.py`)."""

    def authorization_request(self, redirect_uri: str, now: datetime) -> tuple[str, SignInAttempt]:
        """Begin a sign-in; the address to which the browser goes, and what the end needs."""

    def complete(
        self, attempt: SignInAttempt, callback: Mapping[str, str], redirect_uri: str, now: datetime
    ) -> ProviderIdentity:
        """End a sign-in."""


@dataclass(frozen=True)
class ProviderSignIn:
    """A sign-in that has succeeded: the account, how, and the browser's new secret for the provider's absence."""

    account: Account
    method: Method
    known: str


class OpenIdSignIn:
    """Sign-ins of one city at its provider.

    Args:
        database: The database.
        audit: Takes the entries.
        provider: The client.
        issuer: The provider's address.
        clock: UTC.
    """

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        provider: OpenIdProvider,
        issuer: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._audit = audit
        self._provider = provider
        self._issuer = issuer
        self._clock = clock

    def begin(self, redirect_uri: str) -> tuple[str, str]:
        """Begin a sign-in: the provider's address, and the key that this browser brings back.

        Raises:
            ProviderAwayError: The provider does not answer.
            SignInRefusedError: Its metadata are not acceptable.
        """
        url, attempt = self._provider.authorization_request(redirect_uri, self._clock())
        key = make_secret()
        with self._database.begin() as connection:
            _forget_attempts(connection, self._clock())
            row = {"digest": digest_of(key), "expires_at": attempt.expires_at}
            connection.execute(insert(openid_attempts).values(attempt=msgspec.to_builtins(attempt), **row))
        return url, key

    def complete(self, key: str, callback: Mapping[str, str], redirect_uri: str, address: str) -> ProviderSignIn:
        """End a sign-in; each attempt is ended once.

        Raises:
            ProviderAwayError: The provider does not answer.
            SignInRefusedError: The attempt is unknown, or a check fails.
            PeopleError: `account_disabled`, or `role_unknown`: somebody new, to whom the map of roles gives none.
        """
        attempt = self._take(key)
        try:
            identity = self._provider.complete(attempt, callback, redirect_uri, self._clock())
        except SignInRefusedError as exc:
            self._audit.record(Origin("unknown", "", address), "sign_in.failed", "openid", {"reason": exc.reason})
            raise
        try:
            with self._audit.transaction() as connection:
                account = self._account_of(connection, identity, address)
                return ProviderSignIn(account, "openid", self._remember(connection, account))
        except PeopleError as exc:
            self._audit.record(Origin("unknown", "", address), "sign_in.failed", "openid", {"reason": exc.reason})
            raise

    def enter_known(self, known: str, address: str) -> ProviderSignIn:
        """Let in who signed in by the provider before, while it is away.

        Raises:
            PeopleError: `session_unknown`: the browser is not known, or not any more.
        """
        now = self._clock()
        with self._audit.transaction() as connection:
            row = _known_account(connection, known, self._issuer)
            if row is None or row.provider_seen_at is None or now - row.provider_seen_at > KNOWN_LASTS:
                raise PeopleError("session_unknown")
            account = rows.account_of(row)
            detail = {"provider_seen_at": row.provider_seen_at.isoformat(timespec="seconds")}
            self._audit.add(connection, Origin(account.id, account.name, address), "provider.away", account.id, detail)
        return ProviderSignIn(account, "known", known)

    def _take(self, key: str) -> SignInAttempt:
        with self._database.begin() as connection:
            query = select(openid_attempts.c.attempt).where(openid_attempts.c.digest == digest_of(key))
            kept = connection.execute(query).scalar_one_or_none()
            taken = connection.execute(delete(openid_attempts).where(openid_attempts.c.digest == digest_of(key)))
        if kept is None or taken.rowcount != 1:
            raise SignInRefusedError("state", "this browser has begun no sign-in, or has ended it")
        return msgspec.convert(kept, SignInAttempt)

    def _account_of(self, connection: Connection, identity: ProviderIdentity, address: str) -> Account:
        """The account of a person, made at first; the provider's roles replace the account's."""
        now = self._clock()
        role = highest_role(identity.roles)
        mine = (account_table.c.issuer == identity.issuer) & (account_table.c.subject == identity.subject)
        row = connection.execute(select(account_table).where(mine)).one_or_none()
        if row is None:
            if role is None:  # a provider of the government knows every citizen
                raise PeopleError("role_unknown")
            account = rows.add(connection, _free_name(connection, identity), _shown_name(identity), role, (), now)
            rows.change(connection, account.id, issuer=identity.issuer, subject=identity.subject, provider_seen_at=now)
            origin = Origin(account.id, account.name, address)
            self._audit.add(connection, origin, "account.add", account.id, {"by": "openid", "role": account.role})
            return account
        if row.disabled_at is not None:
            raise PeopleError("account_disabled")
        rows.change(connection, row.id, provider_seen_at=now, **({"role": role} if role else {}))
        if role and role != row.role:
            origin, detail = Origin(row.id, row.name, address), {"by": "openid", "was": row.role, "role": role}
            self._audit.add(connection, origin, "account.change", row.id, detail)
        return rows.get(connection, row.id)

    def _remember(self, connection: Connection, account: Account) -> str:
        now = self._clock()
        known = make_secret()
        connection.execute(delete(known_browsers).where(known_browsers.c.expires_at <= now))
        fields = {"digest": digest_of(known), "account_id": account.id, "expires_at": now + KNOWN_LASTS}
        connection.execute(insert(known_browsers).values(**fields))
        return known


def open_sign_in(
    folder: Path, database: Database, audit: AuditLog, clock: Callable[[], datetime]
) -> OpenIdSignIn | None:
    """The sign-in at the provider that `openid.toml` in a folder names; None without that file.

    Raises:
        ConfigError: The file, or a key that it names, is wrong.
    """
    path = folder / FILE
    if not path.exists():
        return None
    settings = load_openid_settings(path)
    unknown = sorted({role for role in settings.role_map.values() if parse_role(role) is None})
    if unknown:
        raise ConfigError(f"{path}: role_map names {', '.join(unknown)}; the roles are {', '.join(ROLES)}")
    return OpenIdSignIn(database, audit, _client(settings), settings.issuer, clock)


def _client(settings: OpenIdSettings) -> OpenIdProvider:
    from people.openid.client import OpenIdClient  # noqa: PLC0415 - 26 MB, for who has a provider

    return OpenIdClient(settings)


def highest_role(names: frozenset[str]) -> Role | None:
    """The role with most rights among names; None if there is none."""
    return next((role for role in reversed(ROLES) if role in names), None)


def _known_account(connection: Connection, known: str, issuer: str) -> Row[Any] | None:
    query = (
        select(account_table)
        .join(known_browsers)
        .where(
            known_browsers.c.digest == digest_of(known),
            account_table.c.issuer == issuer,
            account_table.c.disabled_at.is_(None),
        )
    )
    return connection.execute(query).one_or_none()


def _forget_attempts(connection: Connection, now: datetime) -> None:
    connection.execute(delete(openid_attempts).where(openid_attempts.c.expires_at <= now))
    newest = select(openid_attempts.c.digest).order_by(openid_attempts.c.expires_at.desc()).limit(ATTEMPTS_MAX)
    connection.execute(delete(openid_attempts).where(openid_attempts.c.digest.not_in(newest)))


def _free_name(connection: Connection, identity: ProviderIdentity) -> str:
    """A name for an account of the provider: that of the address, or the person's; with a number if it is taken."""
    source = (identity.email or identity.name).partition("@")[0].lower()
    base = _NAME_PARTS.sub(".", source).strip("._-")[:50]
    base = base if rows.NAME.fullmatch(base) else f"person-{digest_of(identity.subject)[:8]}"
    number = 1
    name = base
    while rows.find_by_name(connection, name) is not None:
        number += 1
        name = f"{base}-{number}"
    return name


def _shown_name(identity: ProviderIdentity) -> str:
    return identity.name[: rows.SHOWN_NAME_MAX].strip() or "-"
