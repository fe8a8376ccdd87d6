"""Confirmation by the password: who has only found an open session cannot change how its person signs in."""

from __future__ import annotations

from datetime import datetime

from city.database.engine import Database
from people import accounts as rows
from people import attempts
from people.accounts import Account
from people.audit import AuditLog, Origin
from people.errors import PeopleError
from people.passwords import is_password


def confirm_password(
    database: Database, audit: AuditLog, account_id: str, password: str, address: str, now: datetime
) -> Account:
    """The account whose password it is.

    Raises:
        TooManyAttemptsError: Too many attempts have failed; nothing was checked.
        PeopleError: `password_wrong`.
    """
    with database.begin() as connection:
        account = rows.get(connection, account_id)
        attempts.reserve(connection, account.name, address, now)
        row = rows.find_by_name(connection, account.name)
    if row is None or not is_password(row.password_hash, password):
        audit.record(Origin(account.id, account.name, address), "password.refused", account.id)
        raise PeopleError("password_wrong")
    with database.begin() as connection:
        attempts.release(connection, account.name, address)
    return account
