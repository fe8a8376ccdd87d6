"""Accounts, sessions and tokens of tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from people.accounts import Account
from people.audit import Origin
from people.errors import PeopleError
from people.rights import GRANTABLE, RIGHTS_OF, Identity, Role
from people.service import People

TESTER: Final = Origin("console", "tests")
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


def identity_with(role: Role) -> Identity:
    """Somebody with a role, whom no database knows."""
    return Identity("person", "0123456789abcdef", role, RIGHTS_OF[role])
