"""`kota people`, `kota tokens`, `kota audit` on the machine of a city."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from city.cli.main import main
from city.runtime.local_access import local_token
from city.runtime.secrets import Secrets
from city.runtime.settings import load_settings
from people.rights import GRANTABLE
from people.service import open_people
from tests.support.access import add_passkey, session_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    Secrets.make(tmp_path)
    return tmp_path


def kota(data: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a verb prints as JSON."""
    assert main([*words, "--json", "--data", str(data)]) == 0
    return json.loads(capsys.readouterr().out)


def test_an_account_from_its_link_to_its_end(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--role", "dispatcher", "--shown-name", "Maria Seran", "--area", "kelurahan:Oesapa"]
    (made,) = kota(data, capsys, "people", "add", "maria.seran", *words, "--public-url", "https://kota.example")
    address, _, key = made["link"].partition("?key=")
    assert address == "https://kota.example/link"
    (listed,) = kota(data, capsys, "people", "list")
    assert (listed["role"], listed["areas"], listed["state"]) == ("dispatcher", "kelurahan:Oesapa", "invited")
    people = open_people(data, "", Secrets(data))
    cookie = people.accept_link(key, "kota yang bersih", "10.0.0.1", "x").cookie
    kota(data, capsys, "people", "role", "maria.seran", "--role", "supervisor")
    identity = people.by_session(cookie)
    assert identity is not None
    assert identity.may("audit.read")
    assert kota(data, capsys, "people", "sign-out", "maria.seran") == [{"name": "maria.seran", "ended": 1}]
    assert people.by_session(cookie) is None
    kota(data, capsys, "people", "disable", "maria.seran")
    assert kota(data, capsys, "people", "list")[0]["state"] == "disabled"
    actions = [entry["action"] for entry in kota(data, capsys, "audit", "list")]
    assert actions[:3] == ["account.disable", "session.end_all", "account.change"]
    people.close()


def test_a_passkey_is_listed_and_removed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = open_people(data, "", Secrets(data))
    add_passkey(people, session_of(people, "viewer"))
    (listed,) = kota(data, capsys, "people", "passkeys", "viewer")
    assert (listed["number"], listed["name"], listed["last_used"]) == (1, "a telephone", "-")
    (removed,) = kota(data, capsys, "people", "remove-passkey", "viewer", "1")
    assert removed == {"name": "viewer", "number": 1, "state": "removed"}
    assert kota(data, capsys, "people", "passkeys", "viewer") == []
    people.close()


def test_the_first_link_is_there_until_it_was_used(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first,) = kota(data, capsys, "people", "first-link")
    (second,) = kota(data, capsys, "people", "first-link")
    people = open_people(data, "", Secrets(data))
    assert people.account_of_link(first["link"].partition("?key=")[2]) is None
    people.accept_link(second["link"].partition("?key=")[2], "kota yang bersih", "10.0.0.1", "x")
    assert kota(data, capsys, "people", "first-link") == []
    people.close()


def test_a_token_is_shown_once_and_can_be_revoked(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made,) = kota(data, capsys, "tokens", "make", "Prometheus", "--role", "administrator", "--days", "3")
    people = open_people(data, "", Secrets(data))
    identity = people.by_token(made["token"])
    assert identity is not None
    assert identity.rights == set(GRANTABLE), "no token manages accounts"
    assert made["token"] not in json.dumps(kota(data, capsys, "tokens", "list"))
    kota(data, capsys, "tokens", "revoke", str(made["number"]))
    assert people.by_token(made["token"]) is None
    files = [path for path in data.glob("*") if path.is_file()]
    assert not any(made["token"].encode() in path.read_bytes() for path in files)
    people.close()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["people", "link", "nobody"], "account unknown"),
        (["people", "passkeys", "nobody"], "account unknown"),
        (["people", "add", "Maria Seran", "--role", "viewer"], "name invalid"),
        (["tokens", "make", "x"], "rights missing"),
        (["tokens", "revoke", "7"], "token unknown"),
        (["tokens", "revoke", "x"], "no number"),
    ],
)
def test_what_cannot_be_is_said(data: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str) -> None:
    assert main([*words, "--data", str(data)]) == 2
    assert reason in capsys.readouterr().err


def test_the_audit_is_checked(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", "--data", str(data)]) == 0, "nothing has happened yet"
    capsys.readouterr()
    kota(data, capsys, "people", "add", "maria.seran", "--role", "viewer")
    assert main(["audit", "verify", "--data", str(data)]) == 0
    (data / "audit" / "audit.head").write_text(f"9 {0:064}\n")
    assert main(["audit", "verify", "--data", str(data)]) == 1
    assert "entries up to 9 were there; the newest is 1" in capsys.readouterr().out
    (data / "audit" / "audit.pub").unlink()
    assert main(["audit", "verify", "--data", str(data)]) == 2


def test_a_verb_s_own_token_expires_within_minutes(data: Path) -> None:
    token = local_token(load_settings(data=data), ["telemetry.read"])
    people = open_people(data, "", Secrets(data))
    (made,) = people.tokens()
    assert (made.expires_at - made.created_at).total_seconds() == 600
    assert people.by_token(token) is not None
    people.close()
