"""The file of recipients: what is wrong is said with line and field, and no address is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.errors import ConfigError
from city.inventory.loader import builtin_city, load_city
from dispatch.notifications.recipients import FILE_NAME, RecipientsFile, load_recipients

CITY = load_city(builtin_city("kupang"))
SECRET = "kata-sandi-rahasia"  # noqa: S105 - of an address that nobody is to see
URL = f'url = "mailtos://kota:{SECRET}@mail.example"\n'
GOOD = f'[dinas]\nroles = "dispatcher"\n{URL}'


def written(folder: Path, text: str) -> Path:
    path = folder / FILE_NAME
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_without_a_file_there_is_nobody(tmp_path: Path) -> None:
    assert load_recipients(tmp_path / FILE_NAME, CITY) == {}


def test_what_is_not_said_has_sensible_values(tmp_path: Path) -> None:
    (recipient,) = load_recipients(written(tmp_path, GOOD), CITY).values()
    assert (recipient.name, recipient.roles, recipient.language) == ("dinas", ("dispatcher",), "id")
    assert recipient.priorities == ("critical", "high")
    assert recipient.breaks_through == ("fire", "panic")
    assert (recipient.acknowledged, recipient.cleared, recipient.quiet) == (False, False, ())
    assert recipient.scheme == "mailtos"
    assert SECRET not in repr(recipient)


def test_everything_can_be_said(tmp_path: Path) -> None:
    kelurahan = next(iter(CITY.kelurahan))
    text = f"""{GOOD}language = "en"
priorities = ["critical"]
kinds = ["fire", "site_down"]
kelurahan = ["{kelurahan}"]
days = ["monday"]
hours = ["06:00-18:00"]
quiet = ["22:00-05:00"]
breaks_through = ["panic", "critical"]
acknowledged = true
cleared = true
digest_above = 2
digest_minutes = 1
"""
    (recipient,) = load_recipients(written(tmp_path, text), CITY).values()
    assert (recipient.kinds, recipient.kelurahan, recipient.days) == (("fire", "site_down"), (kelurahan,), ("monday",))
    assert [str(window) for window in (*recipient.hours, *recipient.quiet)] == ["06:00-18:00", "22:00-05:00"]
    assert recipient.is_urgent("fire", "critical")
    assert not recipient.is_urgent("fire", "high")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[dinas]\nroles = "dispatcher"\n', "notifications.toml:1 [dinas]: url: is missing"),
        (f"\n\n[dinas]\n{URL}", "notifications.toml:3 [dinas]: roles: is missing"),
        (f"{GOOD}role = 'x'\n", "notifications.toml:1 [dinas]: role: unknown field"),
        (GOOD.replace("dispatcher", "boss"), "[dinas]: roles: 'boss' is not one of viewer, dispatcher"),
        (f"{GOOD}priorities = []\n", "[dinas]: priorities: is neither a word nor a list of words"),
        (f"{GOOD}kinds = ['rain']\n", "[dinas]: kinds: 'rain' is not one of fire"),
        (f"{GOOD}kelurahan = 'Atlantis'\n", "[dinas]: kelurahan: there is no kelurahan 'Atlantis'"),
        (f"{GOOD}quiet = '22-5'\n", "[dinas]: quiet: '22-5' is not a window like"),
        (f"{GOOD}hours = [22]\n", "[dinas]: hours: '22' is not a window like"),
        (f"{GOOD}days = 'funday'\n", "[dinas]: days: 'funday' is not one of monday"),
        (f"{GOOD}digest_above = 0\n", "[dinas]: digest_above: 0 is outside 1..100"),
        (f"{GOOD}language = 'tet'\n", "[dinas]: language: 'tet' is not one of id, en"),
        (f"{GOOD}cleared = 'perhaps'\n", "[dinas]: cleared: 'perhaps' is neither yes nor no"),
        (f"dinas = 'mailto://{SECRET}'\n", "notifications.toml: dinas: is not a table"),
        (f"[dinas]\nroles = 'dispatcher'\nurl = ['mailto://{SECRET}']\n", "[dinas]: url: is not an address"),
        (f"[dinas]\nroles = 'dispatcher'\nurl = '{SECRET}'\n", "[dinas]: url: is not an address"),
        (f"[dinas]\nroles = 'json://{SECRET}'\n{URL}", "[dinas]: roles: '*** is not one of"),
        (f"['mailto://{SECRET}']\nroles = 'dispatcher'\n{URL}", "***"),
        (f"[Dinas Kebersihan]\n{URL}", "notifications.toml"),
        (f"[dinas\n{URL}", "notifications.toml"),
    ],
)
def test_what_is_wrong_is_said_without_the_address(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        load_recipients(written(tmp_path, text), CITY)
    assert problem in str(wrong.value)
    assert SECRET not in str(wrong.value)


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as wrong:
        load_recipients(written(tmp_path, f"{GOOD}days = 'x'\n[lain]\nroles = 'y'\n"), CITY)
    assert len(str(wrong.value).splitlines()) == 3


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, GOOD)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="open to others"):
        load_recipients(path, CITY)


def test_the_file_is_followed_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    file = RecipientsFile(tmp_path / FILE_NAME, lambda: CITY)
    assert file.current() == {}
    path = written(tmp_path, GOOD)
    assert set(file.current() or ()) == {"dinas"}
    path.write_text(f"{GOOD}\n[lain]\n")
    assert set(file.current() or ()) == {"dinas"}
    assert "[lain]: url: is missing" in file.problem
    path.write_text(f"{GOOD}\n[lain]\nroles = 'supervisor'\n{URL}")
    assert set(file.current() or ()) == {"dinas", "lain"}
    assert file.problem == ""
    path.chmod(0o644)
    assert set(file.current() or ()) == {"dinas", "lain"}
    assert "open to others" in file.problem
    path.unlink()
    assert (file.current(), file.problem) == ({}, "")


def test_a_file_that_is_wrong_from_the_start_gives_nobody(tmp_path: Path) -> None:
    path = written(tmp_path, "[")
    file = RecipientsFile(path, lambda: CITY)
    assert file.current() is None
    assert FILE_NAME in file.problem
