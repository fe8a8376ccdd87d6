"""`kota influx` on real servers: what it makes, that doing it twice changes nothing, and who may do what afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from city.errors import ConfigError, PayloadError, RetryLaterError
from city.runtime.secrets import Secrets
from ingest.cli import influx as influx_cli
from ingest.store.influx.http import InfluxAddress, InfluxHttp, RefusedError
from ingest.store.influx.setup import apply_steps, differences, steps_of
from ingest.store.influx.setup_plan import ACCOUNTS, Plan, account_name, may_enter
from ingest.store.schema import EVENTS, RAW, ROLLUP, Policy
from tests.support.influx import ADMIN_TOKEN, ORG, PASSWORD, SERVERS, RunningInflux, token_paths

DAYS: dict[Policy, int] = {RAW: 90, ROLLUP: 730, EVENTS: 1825}


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningInflux]:
    """A server that lets nobody in without an account."""
    made = SERVERS[request.param](tmp_path_factory.mktemp("influx"), accounts=True)
    made.start()
    yield made
    made.kill()


def plan_for(server: RunningInflux, name: str, tokens: Path, *, raw_days: int = 90) -> Plan:
    passwords = {account: f"{account}-{PASSWORD}" for account in ACCOUNTS}
    return Plan(
        server.administrator(name), {**DAYS, RAW: raw_days}, passwords, token_paths(tokens), admin_password=PASSWORD
    )


def address_of(plan: Plan, account: str) -> InfluxAddress:
    """How an account enters after the setup."""
    if plan.address.org and account != "grafana":
        token = plan.tokens[account].read_text()
        return InfluxAddress(plan.address.url, plan.address.database, ORG, token)
    user = account_name(plan.address.database, account)
    return InfluxAddress(plan.address.url, plan.address.database, "", "", user, plan.passwords[account])


def test_setup_makes_what_is_missing_and_the_second_time_nothing(server: RunningInflux, tmp_path: Path) -> None:
    plan = plan_for(server, "twice", tmp_path)
    made = apply_steps(steps_of(plan))
    assert len(made) >= 6
    assert (differences(steps_of(plan)), apply_steps(steps_of(plan))) == ([], [])


def test_check_says_what_differs_and_setup_mends_it(server: RunningInflux, tmp_path: Path) -> None:
    apply_steps(steps_of(plan_for(server, "changed", tmp_path)))
    wanted = plan_for(server, "changed", tmp_path, raw_days=30)
    (found,) = differences(steps_of(wanted))
    assert "not 30 days" in found
    assert len(apply_steps(steps_of(wanted))) == 1
    assert differences(steps_of(wanted)) == []


def test_a_lost_token_or_a_changed_password_is_noticed_and_made_again(server: RunningInflux, tmp_path: Path) -> None:
    plan = plan_for(server, "lost", tmp_path)
    apply_steps(steps_of(plan))
    for token in tmp_path.glob("*.token"):
        assert token.stat().st_mode & 0o777 == 0o600
        token.unlink()
    other = msgspec.structs.replace(plan, passwords=dict.fromkeys(ACCOUNTS, "another-password"))
    assert len(differences(steps_of(other))) == 3
    apply_steps(steps_of(other))
    assert differences(steps_of(other)) == []
    assert not may_enter(address_of(plan, "grafana"))


@pytest.mark.parametrize("account", ["api", "grafana"])
def test_who_reads_may_not_write(server: RunningInflux, tmp_path: Path, account: str) -> None:
    plan = plan_for(server, f"reads-{account}", tmp_path)
    apply_steps(steps_of(plan))
    http = InfluxHttp(address_of(plan, account))
    for policy in DAYS:
        with pytest.raises((RetryLaterError, RefusedError)):
            http.write(b"bin,device=a fill_pct=1.0", policy)
    for statement in ("DROP MEASUREMENT bin", "DELETE FROM bin", 'DROP DATABASE "other"'):
        with pytest.raises((RetryLaterError, PayloadError)):
            http.query(statement)
    assert http.query("SELECT * FROM bin") == []


def test_ingest_writes_every_class_and_reads_it_but_no_other_database(server: RunningInflux, tmp_path: Path) -> None:
    server.database("foreign")
    plan = plan_for(server, "writes", tmp_path)
    apply_steps(steps_of(plan))
    http = InfluxHttp(address_of(plan, "ingest"))
    for policy in DAYS:
        http.write(b"bin,device=a fill_pct=1.0", policy)
        source = f'"{policy}"."bin"' if policy else "bin"
        assert len(http.query(f"SELECT * FROM {source}")) == 1  # noqa: S608
    foreign = InfluxHttp(msgspec.structs.replace(address_of(plan, "ingest"), database="foreign"))
    with pytest.raises((RetryLaterError, RefusedError)):
        foreign.write(b"bin,device=a fill_pct=1.0")


def test_nobody_enters_without_an_account(server: RunningInflux) -> None:
    server.database("closed")
    assert not may_enter(InfluxAddress(server.url, "closed"))
    assert not may_enter(InfluxAddress(server.url, "closed", "", "", "admin", "wrong"))


def test_a_wrong_administrator_is_told_so(server: RunningInflux, tmp_path: Path) -> None:
    plan = plan_for(server, "wrong", tmp_path)
    wrong = msgspec.structs.replace(plan.address, token="wrong", password="wrong")  # noqa: S106
    with pytest.raises((ConfigError, RetryLaterError), match="401"):
        differences(steps_of(msgspec.structs.replace(plan, address=wrong)))


def test_the_verb_sets_up_checks_and_says_so(
    server: RunningInflux, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**server.settings("verb"), "KOTA_DATA": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KOTA_STORE")
    secret = (
        "KOTA_INFLUX_ADMIN_TOKEN" if "KOTA_INFLUX_TOKEN" in server.settings("verb") else "KOTA_INFLUX_ADMIN_PASSWORD"
    )
    monkeypatch.setenv(secret, ADMIN_TOKEN if "TOKEN" in secret else PASSWORD)
    Secrets.make(tmp_path)
    assert influx_cli.run(["check"]) == 1
    assert influx_cli.run(["setup"]) == 0
    assert influx_cli.run(["check"]) == 0
    said = capsys.readouterr().out
    assert "differs: " in said
    assert "made " in said
    assert PASSWORD not in said
    assert ADMIN_TOKEN not in said
