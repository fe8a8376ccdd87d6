"""Each service gets its own secrets: what it was not given, it cannot know, nor derive."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from city.cli.main import main
from city.cli.share_secrets import share_secrets
from city.errors import ConfigError
from city.inventory.loader import builtin_city, load_city
from city.runtime.data_folder import move_old_files
from city.runtime.gateways import Gateways
from city.runtime.password_changes import PasswordChanges
from city.runtime.passwords import Passwords
from city.runtime.secrets import Secrets
from city.runtime.service_secrets import GivenSecrets
from city.runtime.settings import Settings
from dispatch.notifications.recipients import FILE_NAME as RECIPIENTS
from ingest.store.factory import influx_address
from people.openid.settings import FILE
from people.service import open_people
from vision.evidence.store import head_copy_path

DEVICES = sorted(load_city(builtin_city("kupang")).devices)
CALLS = {
    "ingest": ["password:ingest", "journal_key", "pseudonym_key", "influx:ingest"],
    "api": ["audit_seed", "crew_key", "custody_seed", "journal_key", "grafana_seed", "influx:api"],
    "vision": ["custody_seed"],
    "simulator": [],
    "grafana-keys-setup": ["grafana_seed"],
    "influxdb-setup": ["influx:ingest", "influx:api", "influx:grafana"],
}
EVERY_CALL = sorted(
    {call for calls in CALLS.values() for call in calls}
    | {"broker_seed", "password:simulator", f"password:{DEVICES[0]}"}
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    share_secrets(Settings(data=tmp_path, demo=False))
    return tmp_path


def of(data: Path, service: str) -> Secrets:
    return Secrets.of(Settings(data=data / "elsewhere", secrets_folder=data / "secrets" / service))


def content(data: Path, service: str) -> dict[str, Any]:
    return dict(json.loads((data / "secrets" / service / "secrets.json").read_text()))


def call(secrets: Secrets, name: str) -> object:
    method, _, argument = name.partition(":")
    return getattr(secrets, method)(*([argument] if argument else []))


@pytest.mark.parametrize("service", CALLS)
def test_a_service_has_what_the_key_gives_and_nothing_else(data: Path, service: str) -> None:
    whole, given = Secrets(data), of(data, service)
    assert given.fingerprint() == whole.fingerprint()
    for name in EVERY_CALL:
        if name in CALLS[service]:
            assert call(given, name) == call(whole, name)
        else:
            with pytest.raises(ConfigError, match="was not given"):
                call(given, name)


def test_the_key_is_in_no_file_of_a_service_and_only_the_owner_reads_them(data: Path) -> None:
    key = (data / "secret.key").read_bytes()
    paths = sorted((data / "secrets").rglob("*.json"))
    assert [path.parent.name for path in paths] == sorted(CALLS)
    for path in paths:
        raw = path.read_bytes()
        assert key not in raw
        assert key.hex().encode() not in raw
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_no_service_knows_a_password_of_a_device_that_it_is_not(data: Path) -> None:
    whole = Secrets(data)
    watched = {camera.id for camera in load_city(builtin_city("kupang")).cameras.values() if camera.source}
    passwords = [whole.password(device) for device in DEVICES if device not in watched]
    for service in CALLS:
        text = (data / "secrets" / service / "secrets.json").read_text()
        assert [password for password in passwords if password in text] == [], service


def test_the_api_compares_passwords_that_it_does_not_know(data: Path) -> None:
    whole, api = Secrets(data), of(data, "api")
    for device in DEVICES:
        assert api.is_password(device, whole.password(device))
    assert not api.is_password(DEVICES[0], whole.password(DEVICES[1]))
    assert not api.is_password(DEVICES[0], content(data, "api")["verifiers"][f"mqtt:{DEVICES[0]}"])
    assert not api.is_password("nobody", "")
    assert not api.is_password("nobody", whole.password("nobody"))


def test_a_changed_password_counts_for_the_api_too(data: Path) -> None:
    changes, derived = PasswordChanges(data), Secrets(data).password(DEVICES[0])
    passwords = Passwords(of(data, "api"), changes)
    assert passwords.is_valid(DEVICES[0], derived)
    new, _ = changes.renew(DEVICES[0], derived, timedelta(0), datetime.now(UTC))
    assert passwords.is_valid(DEVICES[0], new)
    assert not passwords.is_valid(DEVICES[0], derived)


def test_a_gateway_is_known_after_the_next_share_without_a_start(data: Path) -> None:
    api, whole = of(data, "api"), Secrets(data)
    gateway = Gateways(data).make("ttn", ["tts"], ["tts/#"], [])
    password = whole.gateway_password(gateway.name, gateway.nonce)
    assert not api.is_gateway_password(gateway.name, gateway.nonce, password)
    share_secrets(Settings(data=data, demo=False))
    assert api.is_gateway_password(gateway.name, gateway.nonce, password)
    assert not api.is_gateway_password(gateway.name, gateway.nonce, "")
    assert not api.is_gateway_password(gateway.name, "0" * 32, password)


def test_a_second_share_writes_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert share_secrets(Settings(data=data, demo=False)) == []
    assert main(["secrets", "share", "--data", str(data), "--demo"]) == 0
    assert capsys.readouterr().out.split() == ["written", str(data / "secrets" / "simulator" / "secrets.json")]


def test_files_of_another_city_are_refused(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    share_secrets(Settings(data=other, demo=False))
    with pytest.raises(ConfigError, match="is not of the key that this data belongs to"):
        Secrets.of(Settings(data=data, secrets_folder=other / "secrets" / "api"))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"service": "api", "secrets": {"audit": 1}}'])
def test_a_file_that_cannot_be_read_is_an_error_at_the_start_and_none_later(data: Path, raw: bytes) -> None:
    folder = data / "secrets" / "api"
    running = GivenSecrets(folder)
    (folder / "secrets.json").write_bytes(raw)
    with pytest.raises(ConfigError, match=r"secrets\.json: .* writes it"):
        GivenSecrets(folder)
    assert len(running.digest("audit")) == 32, "who runs keeps what it has"
    (folder / "secrets.json").unlink()
    assert len(running.digest("audit")) == 32
    with pytest.raises(ConfigError, match="is absent"):
        GivenSecrets(folder)


def test_a_service_with_its_own_secrets_makes_no_key(data: Path) -> None:
    empty = data / "elsewhere"
    Secrets.of(Settings(data=empty, secrets_folder=data / "secrets" / "ingest"), make=True)
    assert not (empty / "secret.key").exists()


def test_files_for_openid_reach_the_api_alone_and_leave_it_again(data: Path) -> None:
    (data / FILE).write_text('issuer = "https://id.example"')
    (data / "openid.pem").write_text("key")
    share_secrets(Settings(data=data, demo=False))
    copies = {path.relative_to(data / "secrets").as_posix() for path in (data / "secrets").rglob("openid*")}
    assert copies == {"api/openid.toml", "api/openid.pem"}
    assert (data / "secrets" / "api" / "openid.pem").stat().st_mode & 0o777 == 0o600
    (data / "openid.pem").unlink()
    share_secrets(Settings(data=data, demo=False))
    assert not (data / "secrets" / "api" / "openid.pem").exists()


def test_recipients_of_notifications_reach_the_api_alone_and_leave_it_again(data: Path) -> None:
    (data / RECIPIENTS).write_text('[dinas]\nurl = "json://kota:geheim@127.0.0.1/x"')
    written = share_secrets(Settings(data=data, demo=False))
    assert written == [data / "secrets" / "api" / RECIPIENTS]
    assert [path.parent.name for path in (data / "secrets").rglob(RECIPIENTS)] == ["api"]
    assert written[0].stat().st_mode & 0o777 == 0o600
    (data / RECIPIENTS).unlink()
    share_secrets(Settings(data=data, demo=False))
    assert not written[0].exists()


def test_files_of_earlier_versions_move_and_count(tmp_path: Path) -> None:
    Secrets.make(tmp_path)
    (tmp_path / "influx").mkdir()
    old = {"audit.head": "3 " + "0" * 64, "audit.pub": "", "custody.noted": "{}", "influx/api.token": "t0ken"}
    for name, text in old.items():
        (tmp_path / name).write_text(text)
    open_people(tmp_path, "", Secrets(tmp_path)).close()
    assert head_copy_path(tmp_path).read_text() == "{}"
    assert (tmp_path / "audit" / "audit.head").read_text() == old["audit.head"]
    address = influx_address(Settings(data=tmp_path, influx_org="kupang"), "api")
    assert address.token == old["influx/api.token"]
    assert not any((tmp_path / name).exists() for name in old)


def test_a_file_in_its_new_place_wins(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "audit.head").write_text("new")
    (tmp_path / "audit.head").write_text("old")
    move_old_files(tmp_path)
    assert (tmp_path / "audit" / "audit.head").read_text() == "new"


def test_tokens_of_influxdb_are_read_where_the_setup_writes_them(data: Path) -> None:
    path = data / "secrets" / "api" / "influx.token"
    path.write_text("t0ken\n")
    given = Settings(data=data / "elsewhere", secrets_folder=data / "secrets" / "api", influx_org="kupang")
    assert influx_address(given, "api").token == path.read_text().strip()
