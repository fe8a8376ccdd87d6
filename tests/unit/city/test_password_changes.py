"""A device's password is changed one at a time; what is kept is hashes, and a damaged file lets nobody in."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from broker.password_hash import hash_password, is_hash_of
from city.errors import ConfigError, StorageError
from city.runtime.password_changes import PasswordChanges
from city.runtime.passwords import Passwords
from city.runtime.secrets import Secrets
from city.runtime.service import Runtime
from city.runtime.settings import load_settings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DEVICE, OTHER = "bin-0001", "bin-0002"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Place:
    """A data folder with a key, an operator's view and a service's, and a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        """Begin at `NOW`."""
        self.folder = folder
        self.now = NOW
        self.secrets = Secrets.make(folder)
        self.changes = PasswordChanges(folder)
        self.service = self.new_service()

    @property
    def file(self) -> Path:
        """The file of `DEVICE`."""
        return self.folder / "passwords" / f"{DEVICE}.json"

    def new_service(self) -> Passwords:
        """What a process has that starts now."""
        return Passwords(self.secrets, PasswordChanges(self.folder), lambda: self.now)

    def renew(self, overlap: timedelta = DAY, user: str = DEVICE) -> str:
        """As an operator does; the new password."""
        password, _ = self.changes.renew(user, self.secrets.password(user), overlap, self.now)
        return password

    def accepts(self, password: str, user: str = DEVICE) -> bool:
        """Whether the service accepts it now."""
        return self.service.is_valid(user, password)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_without_a_change_the_derived_password_counts_and_no_folder_is_made(place: Place) -> None:
    assert place.accepts(place.secrets.password(DEVICE))
    assert not place.accepts(place.secrets.password(OTHER))
    assert not place.accepts("")
    assert not (place.folder / "passwords").exists()


def test_old_and_new_are_valid_during_the_overlap_and_the_new_one_alone_afterwards(place: Place) -> None:
    old = place.secrets.password(DEVICE)
    assert place.accepts(old)
    new = place.renew(DAY)
    assert place.accepts(old)
    assert place.accepts(new)
    place.now += DAY - timedelta(seconds=1)
    assert place.accepts(old)
    place.now += timedelta(seconds=1)
    assert not place.accepts(old)
    assert place.accepts(new)


def test_an_overlap_of_zero_ends_every_old_password_at_once(place: Place) -> None:
    first = place.renew(DAY)
    second = place.renew(timedelta(0))
    assert [place.accepts(password) for password in (place.secrets.password(DEVICE), first, second)] == [0, 0, 1]


def test_a_second_renewal_keeps_every_password_for_the_shorter_of_both_overlaps(place: Place) -> None:
    derived, first = place.secrets.password(DEVICE), place.renew(2 * HOUR)
    second = place.renew(DAY)
    assert all(place.accepts(password) for password in (derived, first, second))
    place.now += 2 * HOUR
    assert [place.accepts(password) for password in (derived, first, second)] == [False, True, True]
    third = place.renew(HOUR)
    place.now += HOUR
    assert [place.accepts(password) for password in (derived, first, second, third)] == [False, False, False, True]


def test_a_revocation_refuses_every_password_until_a_renewal_which_revives_none(place: Place) -> None:
    derived, first = place.secrets.password(DEVICE), place.renew()
    place.changes.revoke(DEVICE, place.now)
    assert not any(place.accepts(password) for password in (derived, first, ""))
    second = place.renew(DAY)
    assert [place.accepts(password) for password in (derived, first, second)] == [False, False, True]


def test_the_password_of_another_device_is_refused_and_that_device_keeps_its_own(place: Place) -> None:
    new = place.renew()
    assert not place.accepts(new, OTHER)
    assert place.accepts(place.secrets.password(OTHER), OTHER)


def test_new_passwords_are_random_and_only_hashes_are_kept_for_the_owner_alone(place: Place) -> None:
    first, second = place.renew(), place.renew()
    assert len({first, second, place.secrets.password(DEVICE)}) == 3
    text = place.file.read_text()
    assert not any(password in text for password in (first, second, place.secrets.password(DEVICE)))
    assert len(bytes.fromhex(first)) * 8 >= 160
    assert stat.S_IMODE(place.file.stat().st_mode) == 0o600


def test_an_id_stays_with_its_password_over_a_renewal(place: Place) -> None:
    assert place.service.valid_ids(DEVICE) == {"derived"}
    place.renew(HOUR)
    during = place.service.valid_ids(DEVICE)
    assert len(during) == 2
    assert "derived" in during
    place.now += HOUR
    (new,) = place.service.valid_ids(DEVICE)
    assert new in during
    place.renew(HOUR)
    assert new in place.service.valid_ids(DEVICE)
    place.changes.revoke(DEVICE, place.now)
    assert place.service.valid_ids(DEVICE) == set()


def test_a_changed_password_survives_a_new_key(place: Place) -> None:
    old, new = place.secrets.password(DEVICE), place.renew(DAY)
    place.secrets = Secrets.make_anew(place.folder)
    place.service = place.new_service()
    assert place.accepts(new)
    assert place.accepts(old), "until the overlap ends"
    assert not place.accepts(place.secrets.password(DEVICE))


def cut(path: Path) -> None:
    os.truncate(path, 40)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def changed_hash(path: Path) -> None:
    path.write_text(path.read_text().replace("$7$101$", "$7$1$"))


def of_another(path: Path) -> None:
    path.write_text(path.read_text().replace(DEVICE, OTHER))


def newer(path: Path) -> None:
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))


DAMAGES = [cut, emptied, replaced_by_a_folder, changed_hash, of_another, newer]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_lets_nobody_in_and_is_logged_once(place: Place, damage: Callable[[Path], None]) -> None:
    passwords = [place.secrets.password(DEVICE), place.renew(), ""]
    damage(place.file)
    with capture_logs() as logs:
        assert not any(place.accepts(password) for password in passwords for _ in range(3))
    assert [(entry["event"], entry["user"], entry["kept"]) for entry in logs] == [
        ("passwords.unreadable", DEVICE, False)
    ]
    assert place.service.valid_ids(DEVICE) == set()
    with pytest.raises(ConfigError, match=r"bin-0001\.json: .*; no password of bin-0001 is accepted"):
        place.service.newest_hash(DEVICE)
    assert place.accepts(place.secrets.password(OTHER), OTHER)


@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
def test_a_process_that_has_read_the_file_keeps_what_it_knew(place: Place, damage: Callable[[Path], None]) -> None:
    new = place.renew(timedelta(0))
    assert place.accepts(new)
    damage(place.file)
    with capture_logs() as logs:
        assert [place.accepts(new), place.accepts(place.secrets.password(DEVICE))] * 2 == [True, False] * 2
    assert [(entry["event"], entry["kept"]) for entry in logs] == [("passwords.unreadable", True)]


def test_a_renewal_replaces_a_damaged_file_and_no_old_password_counts(place: Place) -> None:
    old = place.renew()
    cut(place.file)
    new = place.renew(DAY)
    assert [place.accepts(password) for password in (place.secrets.password(DEVICE), old, new)] == [0, 0, 1]


def test_a_file_of_a_newer_version_is_not_changed(place: Place) -> None:
    place.renew()
    newer(place.file)
    before = place.file.read_bytes()
    with pytest.raises(ConfigError, match="version 2"):
        place.renew()
    assert place.file.read_bytes() == before


def test_a_folder_that_is_a_file_lets_nobody_in_and_takes_no_change(place: Place) -> None:
    (place.folder / "passwords").write_text("")
    assert not place.accepts(place.secrets.password(DEVICE))
    with pytest.raises(StorageError):
        place.renew()


@pytest.mark.parametrize("user", ["../secret", "", "a/b", "."])
def test_a_name_that_is_no_id_names_no_file(place: Place, user: str) -> None:
    assert not place.accepts("", user)
    with pytest.raises(ConfigError):
        place.renew(user=user)


def test_a_hash_is_of_its_password_alone() -> None:
    assert is_hash_of(hash_password(DEVICE, "right"), "right")
    assert not is_hash_of(hash_password(DEVICE, "right"), "wrong")
    assert not any(is_hash_of(text, "") for text in ("", "$7$101$$", "$6$x$y", hash_password(DEVICE, "a") + "x"))


def test_a_service_is_told_that_its_password_was_changed_and_takes_the_setting(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = place.renew(user="simulator")
    with capture_logs() as logs:
        assert Runtime(load_settings(data=place.folder)).mqtt_password("simulator") != new
    assert [(entry["event"], entry["setting"]) for entry in logs] == [("mqtt.password_changed", "KOTA_MQTT_PASSWORD")]
    monkeypatch.setenv("KOTA_MQTT_PASSWORD", new)
    with capture_logs() as logs:
        assert Runtime(load_settings(data=place.folder)).mqtt_password("simulator") == new
    assert logs == []
