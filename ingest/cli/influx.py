"""`kota influx`: sets up what a city needs in InfluxDB, reports differences, and rolls up old readings."""

from __future__ import annotations

import argparse
import json
import time
from typing import Final

from broker.contract.topics import KINDS
from city.errors import ConfigError
from city.runtime.data_folder import SECRETS_FOLDER
from city.runtime.options import add_settings, settings_from
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings
from ingest.store.factory import influx_address
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.influx.http import InfluxHttp
from ingest.store.influx.rollup import AT_ONCE, roll_up_span
from ingest.store.influx.setup import apply_steps, differences, plan_of, steps_of
from ingest.store.influx.setup_plan import ACCOUNTS, DAY_S, account_name
from ingest.store.schema import RAW, WINDOW_S

SPAN_S: Final = AT_ONCE * WINDOW_S
_SETTINGS: Final = (
    "data", "influx_url", "influx_database", "influx_org", "influx_admin_user",
    "retention_days", "rollup_days", "event_days",
)  # fmt: skip


def run(argv: list[str]) -> int:
    """Exit code 0 when everything is as wanted (or was made so), 1 when `check` finds a difference."""
    parser = argparse.ArgumentParser(
        prog="kota influx",
        description="Set up InfluxDB for a city, or compare. The administrator's access comes from the environment: "
        "KOTA_INFLUX_ADMIN_TOKEN (version 2) or KOTA_INFLUX_ADMIN_PASSWORD (version 1 with accounts).",
    )
    parser.add_argument("action", choices=("setup", "check", "rollup"), help="rollup: make those of all old readings.")
    parser.add_argument("--json", action="store_true", help="One JSON document.")
    add_settings(parser, _SETTINGS)
    args = parser.parse_args(argv)
    settings = settings_from(args)
    if args.action == "rollup":
        return _roll_up(settings)
    if args.action == "setup":
        Secrets.of(settings, make=True)  # accounts are begun here, perhaps before anything else has run
    plan = plan_of(settings)
    steps = steps_of(plan)
    lines = apply_steps(steps) if args.action == "setup" else differences(steps)
    if args.json:
        print(json.dumps({"action": args.action, "differences": lines}))
    else:
        for line in lines:
            print(line if args.action == "setup" else f"differs: {line}")
        if args.action == "setup" or not lines:
            print(f"{plan.address.url} has what the city needs")
        if args.action == "setup":
            _say_accounts(settings)
    return 1 if lines and args.action == "check" else 0


def _say_accounts(settings: Settings) -> None:
    names = {account: account_name(settings.influx_database, account) for account in ACCOUNTS}
    if settings.influx_org:
        print(f"ingest and API find their tokens in {settings.data / SECRETS_FOLDER}")
    elif settings.influx_admin_password.get_secret_value():
        print(f"users: {names['ingest']} for ingest, {names['api']} for the API (KOTA_INFLUX_USER)")
    print(f"Grafana reads as {names['grafana']}; `kota credentials --influx grafana` prints its password")


def _roll_up(settings: Settings) -> int:
    """Roll up everything that is stored, hour by hour; may be interrupted and run again."""
    http = InfluxHttp(influx_address(settings, "ingest"))
    checkpoint = Checkpoint(settings.data / "store" / "progress.sqlite")
    end_s = int(time.time()) // WINDOW_S * WINDOW_S
    points = 0
    for kind in KINDS:
        first = [row[0] for series in http.query(f"SELECT first(seq) FROM {kind}") for row in series.values]  # noqa: S608
        at_s = max(min(first, default=end_s * 10**9) // 10**9, end_s - settings.retention_days * DAY_S)
        at_s = at_s // SPAN_S * SPAN_S
        while at_s < end_s:
            points += roll_up_span(http, kind, at_s, min(at_s + SPAN_S, end_s))
            at_s += SPAN_S
        print(f"{kind}: rolled up, {points} points so far", flush=True)
    checkpoint.cover_since(0)
    checkpoint.close()
    http.close()
    if not points:
        raise ConfigError(f"there are no readings in {settings.influx_database}{RAW}")
    return 0
