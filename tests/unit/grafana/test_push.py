"""`kota grafana push` and `check` against a server that plays Grafana's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from city.errors import ConfigError, RetryLaterError
from grafana.cli import TOKEN_VARIABLE, run
from tests.support.brokers import free_port
from tests.support.fake_grafana import TOKEN, FakeGrafana, fake_grafana


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    with fake_grafana(FakeGrafana()) as served:
        yield served


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    monkeypatch.setenv("KOTA_GRAFANA_INFLUX_PASSWORD", "of-grafana")


def ask(action: str, grafana: FakeGrafana, folder: Path, *more: str) -> int:
    return run([action, "--grafana-url", grafana.url, "--data", str(folder), *more])


def test_everything_is_pushed(grafana: FakeGrafana, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty Grafana gets folders, data source, dashboards of both languages, rules and who is told."""
    assert ask("push", grafana, tmp_path, "--json") == 0
    parts = json.loads(capsys.readouterr().out)["parts"]
    assert [part["part"] for part in parts if not part["difference"]] == ["rule group kota-1m"]  # a group's own rhythm
    assert not any(part["unsupported"] for part in parts)
    assert sum(part["part"].startswith("dashboard ") for part in parts) == 12
    assert sum(part["part"].startswith("alert rule ") for part in parts) == 8


def test_second_push_changes_nothing(grafana: FakeGrafana, tmp_path: Path) -> None:
    """Pushing twice is pushing once."""
    ask("push", grafana, tmp_path)
    grafana.changes.clear()
    assert ask("push", grafana, tmp_path) == 0
    assert grafana.changes == []


@pytest.mark.parametrize("version", ["9.4.7", "12.4.2"])
def test_idempotent_in_old_and_new(tmp_path: Path, version: str) -> None:
    """9.4 drops unknown fields of a rule and answers 500 for a missing one; all versions sort matchers."""
    with fake_grafana(FakeGrafana(version=version)) as grafana:
        assert ask("push", grafana, tmp_path) == 0
        assert sum(path.startswith("/alert-rules/") for path in grafana.kept) == 8
        grafana.changes.clear()
        assert ask("check", grafana, tmp_path) == 0
        assert ask("push", grafana, tmp_path) == 0
        assert grafana.changes == []


def test_a_server_error_is_not_a_missing_rule(grafana: FakeGrafana, tmp_path: Path) -> None:
    """Only the words of the old versions mean that a rule is missing."""
    answer = grafana.answer

    def failing(method: str, path: str, body: object) -> tuple[int, object]:
        return (500, {"message": "database is locked"}) if "/alert-rules/" in path else answer(method, path, body)

    grafana.answer = failing  # type: ignore[method-assign]
    with pytest.raises(RetryLaterError, match="database is locked"):
        ask("push", grafana, tmp_path)


def test_alarms_keep_their_state_where_grafana_can(tmp_path: Path) -> None:
    """A rule about devices keeps its alarms while the database is away; version 9.4 has no such state."""
    for version, state in (("9.4.7", "OK"), ("12.4.2", "KeepLast")):
        with fake_grafana(FakeGrafana(version=version)) as grafana:
            ask("push", grafana, tmp_path)
            rule = grafana.kept["/alert-rules/kota-fire"]
            assert (rule["noDataState"], rule["execErrState"]) == (state, state)


def test_check_after_push(grafana: FakeGrafana, tmp_path: Path) -> None:
    """What has been pushed is as wanted."""
    ask("push", grafana, tmp_path)
    assert ask("check", grafana, tmp_path) == 0


def test_check_changes_nothing(grafana: FakeGrafana, tmp_path: Path) -> None:
    """Comparing with an empty Grafana says that everything is missing, and leaves it empty."""
    assert ask("check", grafana, tmp_path) == 1
    assert grafana.changes == []


def test_check_names_what_differs(grafana: FakeGrafana, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A query somebody has changed is named with its dashboard."""
    ask("push", grafana, tmp_path)
    dashboard = grafana.kept["/api/dashboards/uid/kota-fleet-en"]["dashboard"]
    dashboard["panels"][0]["targets"][0]["query"] = "SELECT 1"
    capsys.readouterr()
    assert ask("check", grafana, tmp_path) == 1
    assert "differs: dashboard Truck Fleet (en): panels" in capsys.readouterr().out


def test_lifted_boards_are_the_same(grafana: FakeGrafana, tmp_path: Path) -> None:
    """What a newer Grafana adds when it lifts a dashboard's JSON is no difference."""
    ask("push", grafana, tmp_path)
    for path, kept in grafana.kept.items():
        if path.startswith("/api/dashboards"):
            kept["dashboard"] |= {"schemaVersion": 42, "preload": False, "version": 3}
            kept["dashboard"]["annotations"]["list"].insert(0, {"builtIn": 1, "name": "Annotations & Alerts"})
            for variable in kept["dashboard"]["templating"]["list"]:
                variable["query"] = {"query": variable["query"], "refId": "x"}
    assert ask("check", grafana, tmp_path) == 0


def test_routes_of_others_stay(grafana: FakeGrafana, tmp_path: Path) -> None:
    """The root of notification policies and other people's routes are left as they are."""
    ask("push", grafana, tmp_path)
    assert grafana.policies["receiver"] == "grafana-default-email"
    assert [route["receiver"] for route in grafana.policies["routes"]][-1] == "city-hall"
    assert len(grafana.policies["routes"]) == 5


def test_password_is_not_public(grafana: FakeGrafana, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The data source gets its password as a secret, and nothing prints it."""
    ask("push", grafana, tmp_path)
    source = grafana.kept["/api/datasources/uid/kota-influx"]
    assert source["secureJsonFields"] == {"password": True}
    assert "of-grafana" not in json.dumps(source) + capsys.readouterr().out


def test_old_grafana(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Grafana without the provisioning API of alerts gets the dashboards, and it is said what it cannot have."""
    with fake_grafana(FakeGrafana(old=True)) as grafana:
        assert ask("push", grafana, tmp_path) == 0
        assert "unsupported: contact point kota-sanitasi: this Grafana does not know it" in capsys.readouterr().out
        assert "/api/dashboards/uid/kota-dispatch-id" in grafana.kept


def test_rules_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where rules come from provisioning files already, it is said that these keep them."""
    with fake_grafana(FakeGrafana(files=True)) as grafana:
        assert ask("push", grafana, tmp_path) == 0
        assert "kept by somebody else" in capsys.readouterr().out


def test_wrong_token(grafana: FakeGrafana, tmp_path: Path) -> None:
    """A token that is not accepted is a matter of settings."""
    with pytest.raises(ConfigError, match="401"):
        ask("push", grafana, tmp_path, "--grafana-token", "wrong")


def test_no_token(grafana: FakeGrafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token nothing is tried."""
    monkeypatch.delenv(TOKEN_VARIABLE)
    with pytest.raises(ConfigError, match="KOTA_GRAFANA_TOKEN"):
        ask("check", grafana, tmp_path)


def test_no_grafana(tmp_path: Path) -> None:
    """Where nobody listens, that is said."""
    with pytest.raises(RetryLaterError, match="grafana"):
        run(["check", "--grafana-url", f"http://127.0.0.1:{free_port()}", "--data", str(tmp_path)])


def test_no_address(tmp_path: Path) -> None:
    """An address without http is refused."""
    with pytest.raises(ConfigError, match="http://"):
        run(["check", "--grafana-url", "grafana:3000", "--data", str(tmp_path)])
