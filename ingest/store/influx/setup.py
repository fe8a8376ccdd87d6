"""Sets up InfluxDB for a city: retention classes and least-privilege accounts.

`kota influx check` reports differences, `kota influx setup` applies them; both use the same steps, so a second setup
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from city.errors import ConfigError, PayloadError
from city.runtime.data_folder import SECRETS_FOLDER, move_old_files
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings
from ingest.store.influx.http import InfluxAddress, InfluxHttp, quote_value
from ingest.store.influx.setup_2 import steps_of_2
from ingest.store.influx.setup_plan import ACCOUNTS, MISSING, Plan, Step, account_name, may_enter, shard_days
from ingest.store.schema import EVENTS, RAW, ROLLUP, Policy

TOKEN_FILE: Final = "influx.token"  # noqa: S105 - a file's name


def plan_of(settings: Settings) -> Plan:
    """The plan of a city's settings, with the administrator's credentials.

    Raises:
        ConfigError: The URL is invalid.
    """
    secrets = Secrets.of(settings)
    passwords = {name: secrets.influx(name) for name in ACCOUNTS}
    if given := settings.grafana_influx_password.get_secret_value():
        passwords["grafana"] = given
    admin_password = settings.influx_admin_password.get_secret_value()
    is_two = bool(settings.influx_org)
    return Plan(
        InfluxAddress(
            settings.influx_url,
            settings.influx_database,
            settings.influx_org,
            (settings.influx_admin_token or settings.influx_token).get_secret_value() if is_two else "",
            settings.influx_admin_user if admin_password and not is_two else "",
            admin_password if not is_two else "",
        ),
        {RAW: settings.retention_days, ROLLUP: settings.rollup_days, EVENTS: settings.event_days},
        passwords,
        {account: token_path(settings.data, account) for account in ACCOUNTS},
        settings.influx_admin_user,
        admin_password,
    )


def token_path(data: Path, account: str) -> Path:
    """Path at which the setup keeps the token that InfluxDB 2 has created for an account."""
    move_old_files(data)
    return data / SECRETS_FOLDER / account / TOKEN_FILE


def differences(steps: Iterable[Step]) -> list[str]:
    """Differences between the plan and the database, as text.

    Raises:
        RetryLaterError: The database is unavailable or denies access.
    """
    return [f"{step.name}: {difference}" for step in steps if (difference := step.differs())]


def apply_steps(steps: Iterable[Step]) -> list[str]:
    """Apply the steps that differ; return what was changed, as text.

    Raises:
        RetryLaterError: The database is unavailable or denies access.
        ConfigError: It refuses, or the result still differs.
    """
    applied = []
    for step in steps:
        if difference := step.differs():
            try:
                step.apply()
            except PayloadError as exc:
                raise ConfigError(f"InfluxDB refuses {step.name}: {exc}") from exc
            if still := step.differs():
                raise ConfigError(f"{step.name} was made, yet {still}")
            applied.append(f"made {step.name}" if difference == MISSING else f"changed {step.name}: it {difference}")
    return applied


def steps_of(plan: Plan) -> list[Step]:
    """The steps for the plan's version of InfluxDB."""
    return steps_of_2(plan) if plan.address.org else _steps_of_1(plan)


def _steps_of_1(plan: Plan) -> list[Step]:
    """InfluxDB 1: a database, its retention policies and, where accounts are used, users."""
    http = InfluxHttp(plan.address)
    name = plan.address.database
    steps = [
        Step(
            f"database {name!r}",
            lambda: "" if name in _first_column(http, "SHOW DATABASES") else MISSING,
            lambda: _do(http, f"CREATE DATABASE {_identifier(name)}"),
        )
    ]
    steps += [_policy_step(http, name, policy, days) for policy, days in plan.days.items()]
    if plan.address.user:
        steps += [_user_step(http, plan, account) for account in ACCOUNTS]
    return steps


def _policy_step(http: InfluxHttp, database: str, policy: Policy, days: int) -> Step:
    def current() -> dict[str, object] | None:
        if database not in _first_column(http, "SHOW DATABASES"):
            return None
        rows = [
            row for series in http.query(f"SHOW RETENTION POLICIES ON {_identifier(database)}") for row in series.rows()
        ]
        return next((row for row in rows if (row["default"] if policy == RAW else row["name"] == policy)), None)

    def differs() -> str:
        row = current()
        if row is None:
            return MISSING
        return "" if row["duration"] == f"{days * 24}h0m0s" else f"keeps {row['duration']}, not {days} days"

    def make() -> None:
        row = current()
        verb = "ALTER" if row else "CREATE"
        target = _identifier(str(row["name"]) if row else policy)
        tail = " DEFAULT" if policy == RAW else ""
        shard = f"SHARD DURATION {shard_days(days)}d"
        _do(
            http,
            f"{verb} RETENTION POLICY {target} ON {_identifier(database)} DURATION {days}d REPLICATION 1 {shard}{tail}",
        )

    return Step(f"retention policy {policy or 'of readings'!r}", differs, make)


def _user_step(http: InfluxHttp, plan: Plan, account: str) -> Step:
    database = plan.address.database
    user = account_name(database, account)
    right = "ALL" if "write" in ACCOUNTS[account] else "READ"

    def differs() -> str:
        if user not in _first_column(http, "SHOW USERS"):
            return MISSING
        grants = [row for series in http.query(f"SHOW GRANTS FOR {_identifier(user)}") for row in series.rows()]
        rights = {str(row["database"]): str(row["privilege"]) for row in grants if row["privilege"] != _NONE}
        wanted = "ALL PRIVILEGES" if right == "ALL" else right
        if rights != {database: wanted}:
            return f"may {rights or 'nothing'}, not {wanted} on {database}"
        address = msgspec.structs.replace(plan.address, user=user, password=plan.passwords[account])
        return "" if may_enter(address) else "has another password"

    def make() -> None:
        password = quote_value(plan.passwords[account])
        if user in _first_column(http, "SHOW USERS"):
            _do(http, f"SET PASSWORD FOR {_identifier(user)} = {password}")
            for row in (row for series in http.query(f"SHOW GRANTS FOR {_identifier(user)}") for row in series.rows()):
                _do(http, f"REVOKE ALL ON {_identifier(str(row['database']))} FROM {_identifier(user)}")
        else:
            _do(http, f"CREATE USER {_identifier(user)} WITH PASSWORD {password}")
        _do(http, f"GRANT {right} ON {_identifier(database)} TO {_identifier(user)}")

    return Step(f"user {user!r}", differs, make)


_NONE = "NO PRIVILEGES"


def _do(http: InfluxHttp, statement: str) -> None:
    http.query(statement)


def _first_column(http: InfluxHttp, statement: str) -> set[str]:
    return {str(row[0]) for series in http.query(statement) for row in series.values}


def _identifier(name: str) -> str:
    """An InfluxQL identifier, quoted."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
