"""The city's key is made once and on purpose; one that is gone, cut short or another is refused and never made anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from city.cli.main import main
from city.errors import ConfigError
from city.runtime.secrets import Secrets
from city.runtime.service import Runtime
from city.runtime.settings import load_settings


def in_use(folder: Path) -> Secrets:
    """A data folder with a key and a journal."""
    secrets = Secrets.make(folder)
    (folder / "ingest").mkdir()
    (folder / "ingest" / "journal.sqlite").touch()
    return secrets


def gone(folder: Path) -> None:
    (folder / "secret.key").unlink()


def gone_with_its_fingerprint(folder: Path) -> None:
    (folder / "secret.key").unlink()
    (folder / "secret.fingerprint").unlink()


def cut(folder: Path) -> None:
    os.truncate(folder / "secret.key", 12)


def emptied(folder: Path) -> None:
    os.truncate(folder / "secret.key", 0)


def another(folder: Path) -> None:
    (folder / "secret.key").write_bytes(os.urandom(32))


HARMS = [gone, gone_with_its_fingerprint, cut, emptied, another]


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("opened", [Secrets, Secrets.make, lambda data: Runtime(load_settings(data=data)).secrets])
def test_a_harmed_key_is_refused_and_nothing_is_made(
    tmp_path: Path, harm: Callable[[Path], None], opened: Callable[[Path], Secrets]
) -> None:
    in_use(tmp_path)
    harm(tmp_path)
    before = sorted((path.name, path.stat().st_size) for path in tmp_path.iterdir())
    with pytest.raises(ConfigError, match=r"secret\.key: .*put .* back from a copy.*kota secrets new-key"):
        opened(tmp_path)
    after = sorted((path.name, path.stat().st_size) for path in tmp_path.iterdir() if path.name != "devices")
    assert after == before


def test_the_right_key_put_back_opens_the_city_again(tmp_path: Path) -> None:
    token = in_use(tmp_path).password("bin-0001")
    key = (tmp_path / "secret.key").read_bytes()
    another(tmp_path)
    with pytest.raises(ConfigError):
        Secrets.make(tmp_path)
    (tmp_path / "secret.key").write_bytes(key)
    assert Secrets(tmp_path).password("bin-0001") == token


@pytest.mark.parametrize(
    "words",
    [
        ["people", "list"],
        ["tokens", "list"],
        ["audit", "verify"],
        ["credentials", "bin-0001"],
        ["credentials", "bin-0001", "--renew"],
        ["credentials", "bin-0001", "--revoke"],
        ["credentials", "--list"],
        ["reconcile"],
        ["evidence", "verify"],
        ["evidence", "accesses"],
        ["device", "unknown"],
        ["device", "ignore", "1"],
        ["deadletters"],
        ["store", "lost"],
    ],
)
def test_no_verb_that_only_reads_makes_anything(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "none"
    assert main([*words, "--data", str(folder)]) == 2
    assert str(folder) in capsys.readouterr().err
    assert not folder.exists()


def test_a_new_key_is_begun_on_purpose_only_and_says_what_it_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = in_use(tmp_path).password("bin-0001")
    gone(tmp_path)
    assert main(["secrets", "new-key", "--data", str(tmp_path)]) == 1
    text = capsys.readouterr().out
    assert "changes every secret" in text
    assert "not derived from the key and stay valid" in text
    assert not (tmp_path / "secret.key").exists()
    assert main(["secrets", "new-key", "--force", "--data", str(tmp_path)]) == 0
    assert Secrets(tmp_path).password("bin-0001") != token
    old = (tmp_path / "secret.key").read_bytes()
    assert main(["secrets", "new-key", "--force", "--data", str(tmp_path)]) == 0
    (aside,) = tmp_path.glob("secret.key.old-*")
    assert aside.read_bytes() == old


def test_data_of_an_older_version_get_their_fingerprint(tmp_path: Path) -> None:
    in_use(tmp_path)
    (tmp_path / "secret.fingerprint").unlink()
    Secrets(tmp_path)
    assert not (tmp_path / "secret.fingerprint").exists()
    made = Secrets.make(tmp_path)
    assert (tmp_path / "secret.fingerprint").read_text().strip() == made.fingerprint()
