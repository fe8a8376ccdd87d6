"""Accounts, sessions and tokens of tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from people.accounts import Account
from people.audit import Origin
from people.errors import PeopleError
from people.passkeys.relying_party import RelyingParty
from people.rights import GRANTABLE, RIGHTS_OF, Identity, Role
from people.service import People
from tests.support.authenticator import Authenticator

TESTER: Final = Origin("console", "tests")
LOCALHOST: Final = RelyingParty("localhost", "http://localhost")
PASSWORD: Final = "kota yang bersih"  # noqa: S105 - of accounts that live for a test


def account_with(people: People, role: Role) -> Account:
    """The account that is named after its role."""
    try:
        return people.find(role)
    except PeopleError:
        account, key = people.add(TESTER, role, "", role)
        people.accept_link(key, PASSWORD, "127.0.0.1", "tests")
        return account


def token_of(people: People, role: Role) -> str:
    """A service's token with the rights of a role that a token may have."""
    rights = RIGHTS_OF[role] & set(GRANTABLE)
    return people.make_token(TESTER, role, rights, timedelta(days=30))[1]


def session_of(people: People, role: Role) -> str:
    """The cookie of a new session of an account with a role."""
    account = account_with(people, role)
    return people.sign_in(account.name, PASSWORD, "127.0.0.1", "tests").cookie


def passkey_body(people: People, cookie: str, device: Authenticator | None = None) -> dict[str, Any]:
    """The body that adds a passkey to the account of a session, made by a device."""
    device = device or Authenticator(LOCALHOST.origin, LOCALHOST.id)
    options = people.passkeys.begin_registration(LOCALHOST, _identity_of(people, cookie), PASSWORD, "127.0.0.1")
    return {"name": "a telephone", "credential": device.register(options)}


def add_passkey(people: People, cookie: str) -> Authenticator:
    """Add a passkey to the account of a session; the device that has it."""
    device = Authenticator(LOCALHOST.origin, LOCALHOST.id)
    body = passkey_body(people, cookie, device)
    people.passkeys.register(LOCALHOST, _identity_of(people, cookie), body["name"], body["credential"], "127.0.0.1")
    return device


def _identity_of(people: People, cookie: str) -> Identity:
    identity = people.by_session(cookie)
    assert identity is not None
    return identity


def identity_with(role: Role) -> Identity:
    """Somebody with a role, whom no database knows."""
    return Identity("person", "0123456789abcdef", role, RIGHTS_OF[role])
