"""The command line: each verb has a help of its own, with defaults and an example that its options fit."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from city.cli import up
from city.cli.main import EXIT_CONFIG, OF_SERVERS, VERBS, main
from city.runtime.options import default_words
from city.runtime.service_settings import SERVICE_SETTINGS
from city.runtime.settings import Settings, load_settings
from city.version import own_version

ROOT = Path(__file__).parents[3]
PACKAGES = {"broker": "broker", "ingest": "ingest", "vision": "vision", "simulator": "edge/simulator"}
"""Service to the folder whose code reads its settings."""
NOT_OF_SERVICES = re.compile(r"password|token|secret|admin|grafana_influx|database_url|vision_model_fetch|public_url")
"""Secrets come from variables; the others belong to verbs, or to the API that shares the process."""


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert not ended.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_each_verb_has_a_help_of_its_own_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = help_of(capsys, verb)
    assert f"usage: kota {verb}" in shown
    assert shown.rstrip().endswith(VERBS[verb].example)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_an_example_calls_its_verb_with_options_that_exist(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(VERBS[verb].example.rpartition("| ")[2])
    assert words[:2] == ["kota", verb]
    actions = [word for word in words[2:3] if re.fullmatch(r"[a-z]+", word)]
    shown = help_of(capsys, verb)
    shown += help_of(capsys, verb, *actions)
    for option in (word for word in words if word.startswith("-") and verb != "test"):
        assert option in shown, option


def test_helps_of_services_differ_and_name_their_own_options_alone(capsys: pytest.CaptureFixture[str]) -> None:
    api, broker, simulate = (help_of(capsys, verb) for verb in ("api", "broker", "simulate"))
    assert "--port" in api
    assert "--speed" not in api
    assert "--broker-max-mb" in broker
    assert "--store" not in broker
    assert "--speed" in simulate
    assert "Default: 10.0" in simulate


def test_the_help_of_vision_says_how_to_score(capsys: pytest.CaptureFixture[str]) -> None:
    assert "kota vision score" in " ".join(help_of(capsys, "vision").split())


@pytest.mark.parametrize("option", ["--version", "version"])
def test_the_version_is_that_of_the_project(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert f"kota {own_version()}, Python 3" in capsys.readouterr().out
    assert f'version = "{own_version()}"' in (ROOT / "pyproject.toml").read_text()


def test_a_verb_that_is_not_installed_on_a_device_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "people.cli", None)
    assert main(["people", "list"]) == EXIT_CONFIG
    assert "not part of what is installed on a device" in capsys.readouterr().err


def test_what_is_installed_leaves_out_the_packages_of_servers() -> None:
    find = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    assert {name.rstrip("*") for name in find["exclude"]} | {"tests"} == OF_SERVERS


def test_an_unknown_verb_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == EXIT_CONFIG
    assert "no verb 'fly'" in capsys.readouterr().err


def test_an_option_of_another_service_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["api", "--speed", "3"])
    assert ended.value.code == EXIT_CONFIG
    assert "--speed" in capsys.readouterr().err


@pytest.mark.parametrize("service", sorted(PACKAGES))
def test_a_service_has_an_option_for_each_setting_that_its_code_reads(service: str) -> None:
    read: set[str] = set()
    for path in (ROOT / PACKAGES[service]).rglob("*.py"):
        # The client of the broker is that of the other services.
        if "cli" not in path.parts and path.name not in ("cli.py", "client.py"):
            read |= set(re.findall(r"\bsettings\.([a-z_]+)", path.read_text(encoding="utf-8")))
    known = {name for name in read if name in Settings.model_fields and not NOT_OF_SERVICES.search(name)}
    assert known - set(SERVICE_SETTINGS[service]) == set()


def test_every_option_of_a_service_is_a_setting() -> None:
    assert {name for names in SERVICE_SETTINGS.values() for name in names} <= set(Settings.model_fields)


@pytest.mark.parametrize(
    ("name", "words"),
    [("port", "Default: 8080."), ("demo", "Default: yes."), ("mqtt_password", ""), ("public_url", ""), ("mqtt_ca", "")],
)
def test_defaults_are_said_and_secrets_never(name: str, words: str) -> None:
    assert default_words(name) == words


def test_hints_name_the_folder_and_the_city_where_they_are_not_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(up.COMMAND_VARIABLE, "./kota")
    assert up._as_typed(load_settings(), "credentials DEVICE") == "./kota credentials DEVICE"
    folder = tmp_path / "a b"
    folder.mkdir()
    elsewhere = load_settings(data=folder, city=str(folder))
    command = shlex.split(up._as_typed(elsewhere, "credentials DEVICE"))
    assert command == ["./kota", "credentials", "DEVICE", "--data", str(folder), "--city", str(folder)]
    assert "--city" not in up._as_typed(elsewhere, "people link NAME")
