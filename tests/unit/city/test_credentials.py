"""`kota credentials` changes the password of one account, prints it once and lists the changes without a secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from city.cli.main import main
from city.runtime.password_changes import PasswordChanges
from city.runtime.passwords import Passwords
from city.runtime.secrets import Secrets

DEVICE, OTHER = "bin-0001", "bin-0002"
DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a key."""
    Secrets.make(tmp_path)
    return tmp_path


def kota(folder: Path, *words: str) -> int:
    return main(["credentials", *words, "--data", str(folder)])


def test_the_verb_renews_once_lists_without_a_secret_and_revokes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kota(folder, DEVICE, "--renew", "--json") == 0
    account = json.loads(capsys.readouterr().out)
    now, passwords = datetime.now(UTC), Passwords(Secrets(folder), PasswordChanges(folder))
    assert passwords.is_valid(DEVICE, account["password"])
    assert (account["user"], account["client_id"]) == (DEVICE, DEVICE)
    until = datetime.fromisoformat(account["old_valid_until"])
    assert abs(until - now - DAY) < timedelta(minutes=5)
    assert kota(folder, DEVICE) == 2
    assert "only its hash is kept" in capsys.readouterr().err
    assert kota(folder, OTHER, "--revoke") == 0
    capsys.readouterr()
    assert kota(folder, "--list") == 0
    text = capsys.readouterr().out
    assert f"{DEVICE}: changed since " in text
    assert f"old password valid until {account['old_valid_until']}" in text
    assert f"{OTHER}: revoked since " in text
    assert account["password"] not in text
    assert "$7$" not in text
    (folder / "passwords" / f"{DEVICE}.json").write_text("{")
    assert kota(folder, "--list", "--json") == 0
    states = {row["user"]: row["state"] for row in json.loads(capsys.readouterr().out)["passwords"]}
    assert states == {DEVICE: "unreadable", OTHER: "revoked"}


def test_the_verb_ends_the_old_password_at_once_and_takes_services_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kota(folder, "simulator", "--renew", "--overlap-h", "0") == 0
    text = capsys.readouterr().out
    assert "old password: refused from now on" in text
    assert "kota mosquitto" in text
    assert "KOTA_MQTT_PASSWORD" in text
    passwords = Passwords(Secrets(folder), PasswordChanges(folder))
    assert not passwords.is_valid("simulator", Secrets(folder).password("simulator"))
    assert kota(folder, "--list") == 0
    assert "valid until" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("bin-9999", "--renew"),
        (DEVICE, "--renew", "--revoke"),
        (DEVICE, "--overlap-h", "1"),
        (DEVICE, "--renew", "--overlap-h", "-1"),
        (DEVICE, "--renew", "--overlap-h", "nan"),
        (DEVICE, "--list"),
        ("--renew",),
        ("--influx", "grafana", "--revoke"),
        ("gateway", "ttn", "--renew"),
    ],
)
def test_what_does_not_belong_together_is_refused_and_changes_nothing(folder: Path, words: tuple[str, ...]) -> None:
    assert kota(folder, *words) == 2
    assert not (folder / "passwords").exists()
