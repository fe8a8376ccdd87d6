"""Limits on sign-ins: waits that grow with failures, for an account, an address, and an account from an address."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from city.database.engine import lock_until_end
from people.errors import TooManyAttemptsError
from people.tables import attempts

FREE: Final = {"pair": 5, "address": 20, "account": 50}
"""Failures without a wait. One address alone cannot lock an account for others."""
WAIT_FIRST: Final = timedelta(seconds=5)
WAIT_MAX: Final = timedelta(minutes=15)
FORGOTTEN_AFTER: Final = timedelta(days=1)
_DOUBLINGS_MAX: Final = 10
_LOCK_NUMBER: Final = 0x5349474E
_IPV6_SITE_BITS: Final = 64
"""One customer has at least so many addresses of IPv6."""


@dataclass(frozen=True)
class _Key:
    kind: str
    text: str


def reserve(connection: Connection, name: str | None, address: str, now: datetime) -> None:
    """Count an attempt as failed before it is checked, so that parallel ones count too.

    Args:
        connection: A transaction.
        name: What was typed; None for a sign-in without a name, which counts for the address alone.
        address: From where.
        now: UTC.

    Raises:
        TooManyAttemptsError: A wait is not over; nothing was counted.
    """
    lock_until_end(connection, _LOCK_NUMBER)
    connection.execute(delete(attempts).where(attempts.c.last_at < now - FORGOTTEN_AFTER))
    keys = _keys(name, address)
    rows = {
        row.key: row for row in connection.execute(select(attempts).where(attempts.c.key.in_([k.text for k in keys])))
    }
    until = max((row.blocked_until for row in rows.values()), default=now)
    if until > now:
        raise TooManyAttemptsError((until - now).total_seconds())
    for key in keys:
        row = rows.get(key.text)
        failures = 1 if row is None else row.failures + 1
        fields = {"failures": failures, "last_at": now, "blocked_until": now + wait_after(failures, FREE[key.kind])}
        if row is None:
            connection.execute(insert(attempts).values(key=key.text, **fields))
        else:
            connection.execute(update(attempts).where(attempts.c.key == key.text).values(**fields))


def release(connection: Connection, name: str | None, address: str) -> None:
    """Take back what `reserve` counted: the sign-in has succeeded. An address keeps its other failures."""
    for key in _keys(name, address):
        if key.kind == "address":
            row = connection.execute(select(attempts).where(attempts.c.key == key.text)).one_or_none()
            if row is not None:
                fields = {"failures": max(0, row.failures - 1), "blocked_until": row.last_at}
                connection.execute(update(attempts).where(attempts.c.key == key.text).values(**fields))
        else:
            connection.execute(delete(attempts).where(attempts.c.key == key.text))


def wait_after(failures: int, free: int) -> timedelta:
    """The wait after a number of failures: none for the free ones, then doubled with each."""
    if failures < free:
        return timedelta()
    doublings: int = min(_DOUBLINGS_MAX, failures - free)
    return min(WAIT_MAX, WAIT_FIRST * (1 << doublings))


def _keys(name: str | None, address: str) -> list[_Key]:
    site = _site_of(address)
    of_address = _Key("address", _digest("address", site))
    if name is None:
        return [of_address]
    # What is typed as a name may be a password: it is not kept.
    account = name.strip().lower()
    pair, of_account = _digest("pair", f"{account} {site}"), _digest("account", account)
    return [_Key("pair", pair), of_address, _Key("account", of_account)]


def _digest(kind: str, text: str) -> str:
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def _site_of(address: str) -> str:
    """The address, or for IPv6 its network, of which one customer has all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 - of the Internet Protocol
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_SITE_BITS), strict=False))
