"""What setting up an InfluxDB consists of: the plan, and steps that compare and mend; shared by both versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ingest.store.influx_http import InfluxAddress, InfluxHttp
from ingest.store.schema import Policy

DAY_S: Final = 86_400
ACCOUNTS: Final = {"ingest": ("read", "write"), "api": ("read",), "grafana": ("read",)}
"""Who uses the database, and what each may do; nobody may do more."""


MISSING: Final = "is missing"


class Step(NamedTuple):
    """One thing the database must have. `differs` says what is wrong, empty when nothing is; `mend` makes it so."""

    name: str
    differs: Callable[[], str]
    mend: Callable[[], None]


class Plan(msgspec.Struct, frozen=True):
    """What is wanted: where, how long each class is kept, and the accounts' secrets.

    `tokens` is the folder of the tokens that InfluxDB 2 makes, one file an account.
    """

    address: InfluxAddress
    days: dict[Policy, int]
    passwords: dict[str, str]
    tokens: Path
    admin_user: str = "admin"
    admin_password: str = ""


def account_name(database: str, account: str) -> str:
    """The user of an account: a server may hold the databases of many cities."""
    return f"{database}-{account}"


def shard_days(days: int) -> int:
    """Days of one shard: short enough that retention frees space often, long enough that a query opens few."""
    return 1 if days <= 14 else 7 if days <= 180 else 30  # noqa: PLR2004 - the database's own defaults, by range


def may_enter(address: InfluxAddress) -> bool:
    """Whether the database lets this account ask."""
    http = InfluxHttp(address)
    try:
        http.query("SHOW MEASUREMENTS LIMIT 1")
    except Exception:  # noqa: BLE001 - whatever it is, the account does not work
        return False
    finally:
        http.close()
    return True
