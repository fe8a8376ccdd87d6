"""The plan of an InfluxDB setup, and its steps; shared by versions 1 and 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ingest.store.influx.http import InfluxAddress, InfluxHttp
from ingest.store.schema import Policy

DAY_S: Final = 86_400
ACCOUNTS: Final = {"ingest": ("read", "write"), "api": ("read",), "grafana": ("read",)}
"""Account to its permissions."""


MISSING: Final = "is missing"


class Step(NamedTuple):
    """One object in the database. `differs` returns the difference, empty if none; `apply` removes it."""

    name: str
    differs: Callable[[], str]
    apply: Callable[[], None]


class Plan(msgspec.Struct, frozen=True):
    """The wanted setup: address, retention in days per class, and the accounts' secrets.

    `tokens` has the path of each account's token that InfluxDB 2 creates.
    """

    address: InfluxAddress
    days: dict[Policy, int]
    passwords: dict[str, str]
    tokens: dict[str, Path]
    admin_user: str = "admin"
    admin_password: str = ""


def account_name(database: str, account: str) -> str:
    """User name of an account; a server may hold the databases of several cities."""
    return f"{database}-{account}"


def shard_days(days: int) -> int:
    """Days per shard: short enough for retention to free space often, long enough for a query to open few."""
    return 1 if days <= 14 else 7 if days <= 180 else 30  # noqa: PLR2004 - the database's own defaults, by range


def may_enter(address: InfluxAddress) -> bool:
    """Whether the database accepts this account."""
    http = InfluxHttp(address)
    try:
        http.query("SHOW MEASUREMENTS LIMIT 1")
    except Exception:  # noqa: BLE001 - whatever it is, the account does not work
        return False
    finally:
        http.close()
    return True
