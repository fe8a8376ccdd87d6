"""`kota secrets init` makes strong secrets once, and never changes what somebody relies on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from city.cli import check
from city.cli.env_file import SECRETS, run
from city.errors import StorageError
from tests.support.brokers import ROOT
from tests.support.compose import read_env


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_secrets_are_long_different_and_for_this_user_alone(path: Path) -> None:
    run(["init", "--out", str(path)])
    secrets = [read_env(path)[name] for name in SECRETS]
    assert min(map(len, secrets)) >= 40
    assert len(set(secrets)) == len(secrets)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_time_changes_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", "--out", str(path)])
    before = path.read_text()
    path.chmod(0o644)
    run(["init", "--out", str(path)])
    assert path.read_text() == before
    assert path.stat().st_mode & 0o777 == 0o600
    assert "has everything" in capsys.readouterr().out


def test_what_a_file_lacks_is_added_and_the_rest_stays(path: Path) -> None:
    path.write_text("MINE=1\nKOTA_PUBLIC_URL=https://kota.example\nGRAFANA_ADMIN_PASSWORD=chosen")
    run(["init", "--out", str(path)])
    found = read_env(path)
    assert (found["MINE"], found["KOTA_PUBLIC_URL"]) == ("1", "https://kota.example")
    assert found["GRAFANA_ADMIN_PASSWORD"] == "chosen"  # noqa: S105 - of a test
    assert found.keys() > SECRETS.keys()


def test_force_makes_every_secret_anew(path: Path) -> None:
    run(["init", "--out", str(path)])
    before = read_env(path)
    run(["init", "--out", str(path), "--force"])
    assert all(read_env(path)[name] != before[name] for name in SECRETS)


def test_no_secret_is_printed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", "--out", str(path)])
    printed = capsys.readouterr().out
    assert not [name for name in SECRETS if read_env(path)[name] in printed]


def test_the_city_s_own_figures_go_in(path: Path) -> None:
    run(["init", "--out", str(path), "--public-url", "https://kota.example"])
    found = read_env(path)
    assert found["GRAFANA_TIME_ZONE"] == "Asia/Makassar"
    assert found["KOTA_INFLUX_ORG"] == "kupang"
    assert Path(found["KOTA_CITY"]) == ROOT / "city" / "kupang"
    assert found["KOTA_PUBLIC_URL"] == "https://kota.example"


def test_the_inventory_is_named_as_seen_from_the_file(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "city" / "kupang", tmp_path / "inventory")
    run(["init", "--out", str(tmp_path / ".env"), "--city", str(tmp_path / "inventory")])
    assert read_env(tmp_path / ".env")["KOTA_CITY"] == "./inventory"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        run(["init", "--out", str(tmp_path / "nowhere" / ".env")])


def test_git_and_the_image_leave_the_file_alone() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_whoever_exports_the_file_is_not_scolded_by_check(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["init", "--out", str(path)])
    for name, value in read_env(path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KOTA_DATA", str(path.parent))
    capsys.readouterr()
    check.run(["--json"])
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["settings"]["ok"], findings["settings"]["detail"]
    assert findings["inventory"]["ok"]
