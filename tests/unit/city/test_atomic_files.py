"""Small files are replaced whole or not at all; what the disk refuses is a storage error, never a wrong setting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from city.errors import ConfigError, KotaError, RetryLaterError, StorageError
from city.runtime.certificates import ensure_certificates
from city.runtime.gateways import Gateways
from city.runtime.secrets import Secrets
from city.storage.atomic_files import replace_file
from city.storage.file_lock import file_lock
from city.storage.folder_lock import lock_data_folder
from city.storage.signatures import Signer
from city.storage.sqlite import open_durable
from tests.support.disks import fill, no_file_grows, small_disk
from vision.evidence.custody.log import CustodyLog


def test_a_full_disk_is_a_storage_error_and_the_old_content_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert replace_file(path, "old")
    with no_file_grows(), pytest.raises(StorageError, match=r"a\.json"):
        replace_file(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert replace_file(path, "new")
    assert not replace_file(path, "new")


def test_on_a_disk_that_is_really_full_nothing_half_written_stays(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 256) as disk:
        path = disk / "a.json"
        replace_file(path, "old")
        filler = fill(disk)
        with pytest.raises(StorageError, match="No space left"):
            replace_file(path, "x" * 50_000)
        filler.unlink()
        assert path.read_text() == "old"
        assert [file.name for file in disk.iterdir()] == ["a.json"]


def test_storage_errors_are_tried_again_and_are_no_wrong_settings() -> None:
    assert issubclass(StorageError, RetryLaterError)
    assert not issubclass(StorageError, ConfigError)


@pytest.mark.parametrize("parents", [True, False])
def test_a_missing_folder_is_made_only_where_that_is_wanted(tmp_path: Path, *, parents: bool) -> None:
    path = tmp_path / "one" / "two" / "a.json"
    if not parents:
        with pytest.raises(StorageError, match="No such file"):
            replace_file(path, "new")
        assert not path.parent.exists()
    else:
        assert replace_file(path, "new", parents=True)
        assert path.read_text() == "new"


def test_a_folder_in_a_files_place_and_a_file_in_a_folders_place_are_said(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(StorageError, match="folder"):
        replace_file(tmp_path / "folder", "new")
    (tmp_path / "file").write_text("here")
    with pytest.raises(StorageError, match="file"):
        replace_file(tmp_path / "file" / "a.json", "new", parents=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


WRITERS: list[Callable[[Path], object]] = [
    Secrets.make,
    lambda data: Gateways(data).make("ttn-1", ["tts"], ["v3/#"], ()),
    lambda data: CustodyLog(data / "evidence", Signer(bytes(32))).add("kept", "case-1", {}),
    lambda data: CustodyLog(data, Signer(bytes(32))).add("kept", "case-1", {}),
    lambda data: ensure_certificates(data / "tls", ["localhost"], datetime(2026, 11, 29, tzinfo=UTC)),
    lambda data: open_durable(data / "a.sqlite", "CREATE TABLE IF NOT EXISTS things (a)"),
]


@pytest.mark.parametrize("write", WRITERS)
def test_every_owner_of_files_says_storage_error_on_a_full_disk(
    tmp_path: Path, write: Callable[[Path], object]
) -> None:
    with no_file_grows(), pytest.raises(StorageError):
        write(tmp_path)
    made = write(tmp_path)
    if hasattr(made, "close"):
        made.close()


def test_a_lock_excludes_others_until_its_holder_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with file_lock(path), pytest.raises(BlockingIOError), file_lock(path, wait=False):
        pytest.fail("two hold one lock")
    shared = partial(file_lock, path, wait=False, shared=True)
    with shared(), shared(), pytest.raises(BlockingIOError), file_lock(path, wait=False):
        pytest.fail("a shared lock excludes nobody")
    folder = partial(file_lock, tmp_path, wait=False, is_folder=True)
    with folder(), pytest.raises(BlockingIOError), folder():
        pytest.fail("two hold one folder")
    with pytest.raises(IsADirectoryError), file_lock(tmp_path):
        pytest.fail("a folder stands in the file's place")
    assert [file.name for file in tmp_path.iterdir()] == ["a.lock"]


def test_a_disk_that_fails_under_the_holder_of_a_folder_is_no_failed_lock(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the holder's own"), lock_data_folder(tmp_path):
        raise OSError("the holder's own")
    with lock_data_folder(tmp_path), pytest.raises(KotaError, match="in use"), lock_data_folder(tmp_path):
        pytest.fail("two hold one folder")
