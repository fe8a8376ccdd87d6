"""Backups: whole or none, whoever altered the file; a restore changes everything or nothing."""

from __future__ import annotations

import fcntl
import getpass
import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest

from city.backup import create as backup
from city.backup.archive import FORMAT, MANIFEST, SCHEMA, ArchiveWriter, FileEntry, Manifest, write_backup
from city.cli.main import main
from city.storage.folder_lock import lock_data_folder
from tests.support.brokers import ROOT
from tests.support.disks import fill, small_disk
from tests.support.waiting import wait_for

PASSPHRASE = "satu dua tiga empat"  # noqa: S105 - of no city


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOTA_BACKUP_PASSPHRASE", PASSPHRASE)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A city that is stopped."""
    return make_city(tmp_path / "city")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of such a city; its key takes seconds, on purpose."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KOTA_BACKUP_PASSPHRASE", PASSPHRASE)
        assert kota("backup", folder / "city.backup", "--data", make_city(folder / "city")) == 0
    return folder / "city.backup"


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    """A copy of that backup, to be altered at will."""
    return Path(shutil.copy(made, tmp_path / "city.backup"))


def make_city(data: Path) -> Path:
    """Everything that may lie in a data folder."""
    files = {
        "secret.key": b"k" * 32,
        "devices/bin-9.toml": b"adopted",
        "zones/cam-01.json": b"drawn",
        "inventory/bins.csv": b"changed",
        "inventory/changes/000001.json": b"{}",
        "passwords/bin-9.json": b"hashes",
        "influx/ingest.token": b"token",
        "evidence/custody.jsonl": b"line\n",
        "evidence/custody.head": b"head",
        "evidence/case-1/before.jpg": os.urandom(50_000),
        "store/city.duckdb": os.urandom(20 << 20),
        "store/city.duckdb.wal": b"tail",
        "logs/server.log": b"not this",
        "alive/ingest": b"not this",
        "broker/state": b"not this",
        "run.json": b"not this",
        "ingest/health.json": b"not this",
        "edge/cam-01.lock": b"",
        "vision/.cam-01.json.part": b"not this",
    }
    for name, content in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    for name in ("ingest/journal.sqlite", "edge/simulator.sqlite"):
        with closing(sqlite3.connect(data / name)) as db, db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE t (n INTEGER)")
            db.execute("INSERT INTO t VALUES (7)")
    return data


KEPT = {
    "secret.key",
    "devices/bin-9.toml",
    "zones/cam-01.json",
    "inventory/bins.csv",
    "inventory/changes/000001.json",
    "passwords/bin-9.json",
    "influx/ingest.token",
    "evidence/custody.jsonl",
    "evidence/custody.head",
    "evidence/case-1/before.jpg",
    "store/city.duckdb",
    "store/city.duckdb.wal",
    "ingest/journal.sqlite",
    "edge/simulator.sqlite",
}


def kota(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def backed_up(data: Path) -> Path:
    file = data.with_name("city.backup")
    assert kota("backup", file, "--data", data) == 0
    return file


def test_a_stopped_city_comes_back_as_it_was(data: Path, tmp_path: Path) -> None:
    file = backed_up(data)
    assert file.stat().st_mode & 0o777 == 0o600
    assert not list((data / "backup").glob("*/*")), "no copy stays on the disk"
    new = tmp_path / "elsewhere" / "city"
    assert kota("restore", file, "--data", new) == 0
    assert names(new) == KEPT
    for name in sorted(KEPT):
        if not name.endswith(".sqlite"):
            assert (new / name).read_bytes() == (data / name).read_bytes(), name
            assert abs((new / name).stat().st_mtime - (data / name).stat().st_mtime) < 1e-3
    for name in ("ingest/journal.sqlite", "edge/simulator.sqlite"):
        with closing(sqlite3.connect(new / name)) as db:
            assert db.execute("SELECT n FROM t").fetchall() == [(7,)]
    assert not [path for path in new.rglob("*") if path.stat().st_mode & 0o077], "for this user only"
    assert list(new.parent.iterdir()) == [new]


def test_nothing_of_a_city_is_readable_in_the_file(file: Path) -> None:
    raw = file.read_bytes()
    assert b"k" * 32 not in raw
    for word in (b"adopted", b"secret.key", b"evidence", PASSPHRASE.encode()):
        assert word not in raw


def test_a_backup_is_checked_without_a_change(file: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert kota("restore", file, "--data", new, "--check") == 0
    assert not new.exists()


def test_a_backup_overwrites_nothing(data: Path) -> None:
    file = backed_up(data)
    before = file.read_bytes()
    assert kota("backup", file, "--data", data) == 2
    assert file.read_bytes() == before


def test_a_folder_that_holds_something_is_set_aside_only_when_asked(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "precious").write_text("of another city")
    assert kota("restore", file, "--data", target) == 1
    assert names(target) - {"up.lock"} == {"precious"}
    assert kota("restore", file, "--data", target, "--replace") == 0
    assert names(target) == KEPT
    (aside,) = tmp_path.glob("target.replaced-*")
    assert (aside / "precious").read_text() == "of another city"


def test_a_folder_in_use_is_refused(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "target"
    with lock_data_folder(target):
        assert kota("restore", file, "--data", target, "--replace") == 1
    assert "in use" in capsys.readouterr().err


def test_a_wrong_passphrase_is_said_and_changes_nothing(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KOTA_BACKUP_PASSPHRASE", "another one, just as long")
    before = snapshot(tmp_path)
    assert kota("restore", file, "--data", tmp_path / "new") == 1
    assert "the passphrase is wrong" in capsys.readouterr().err
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("keep", [0.0, 0.000_01, 0.5, 0.999_999])
def test_a_file_that_is_cut_off_is_refused_before_anything_changes(file: Path, tmp_path: Path, keep: float) -> None:
    os.truncate(file, int(file.stat().st_size * keep))
    target = tmp_path / "target"
    target.mkdir()
    (target / "precious").write_text("x")
    assert kota("restore", file, "--data", target, "--replace") == 1
    assert names(target) - {"up.lock"} == {"precious"}
    assert {path.name for path in tmp_path.iterdir()} == {"city.backup", "target"}


@pytest.mark.parametrize("where", [0.0, 0.000_005, 0.000_02, 0.3, 0.999_999])
def test_a_file_with_one_altered_byte_is_refused(file: Path, tmp_path: Path, where: float) -> None:
    raw = bytearray(file.read_bytes())
    raw[int(len(raw) * where)] ^= 1
    file.write_bytes(raw)
    assert kota("restore", file, "--data", tmp_path / "new") == 1
    assert not (tmp_path / "new").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"city.backup"}


def test_what_is_no_backup_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "note").write_bytes(b"\0\n\xff" * 1_000)
    assert kota("restore", tmp_path / "note", "--data", tmp_path / "new") == 1
    assert "no backup of a city" in capsys.readouterr().err
    assert kota("restore", tmp_path / "missing", "--data", tmp_path / "new") == 2


def test_a_backup_of_a_newer_format_is_refused(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = file.read_bytes()
    file.write_bytes(raw.replace(f"KOTA-BACKUP {FORMAT}".encode(), f"KOTA-BACKUP {FORMAT + 1}".encode(), 1))
    assert kota("restore", file, "--data", tmp_path / "new") == 1
    assert "update first" in capsys.readouterr().err


def forged(file: Path, content: dict[str, bytes], **changes: Any) -> None:
    """A backup of somebody who knows the passphrase and means harm, or of a version to come."""

    def fill(archive: ArchiveWriter) -> None:
        source = file.with_name("source")
        for name, raw in content.items():
            source.write_bytes(raw)
            archive.add(name, source)
        said = {
            "schema": SCHEMA,
            "version": "9",
            "city": "kupang",
            "store": "duckdb",
            "cut_at": datetime(2026, 11, 29, tzinfo=UTC),
            "files": tuple(archive.entries),
        }
        archive.finish(Manifest(**{**said, **changes}))

    with file.open("wb") as out:
        write_backup(out, PASSPHRASE, fill)
    file.with_name("source").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        ({"secret.key": b"k"}, {"schema": SCHEMA + 1}, "newer version"),
        ({"../outside": b"x"}, {}, "no path of a city"),
        ({"/tmp/outside": b"x"}, {}, "no path of a city"),  # noqa: S108
        ({"a/../../outside": b"x"}, {}, "no path of a city"),
        ({"secret.key": b"k"}, {"files": ()}, "not as the manifest says"),
        ({}, {"files": (FileEntry("secret.key", 1, "0" * 64),)}, "not as the manifest says"),
        ({"secret.key": b"k"}, {"files": (FileEntry("secret.key", 1, "0" * 64),)}, "not as the manifest says"),
    ],
)
def test_a_backup_that_does_not_agree_with_itself_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: dict[str, bytes],
    changes: dict[str, Any],
    message: str,
) -> None:
    forged(tmp_path / "forged", content, **changes)
    assert kota("restore", tmp_path / "forged", "--data", tmp_path / "deep" / "new") == 1
    assert message in capsys.readouterr().err
    assert names(tmp_path) == {"forged"}


def test_links_are_no_files_of_a_city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    identity = pyrage.x25519.Identity.generate()
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        link = tarfile.TarInfo("secret.key")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        empty = tarfile.TarInfo(MANIFEST)
        archive.addfile(empty)
    key = pyrage.passphrase.encrypt(str(identity).encode(), PASSPHRASE, armored=True).rstrip()
    body = pyrage.encrypt(raw.getvalue(), [identity.to_public()])
    (tmp_path / "forged").write_bytes(f"KOTA-BACKUP {FORMAT}\n".encode() + key + b"\n" + body)
    assert kota("restore", tmp_path / "forged", "--data", tmp_path / "new") == 1
    assert "which is no file" in capsys.readouterr().err


def test_the_standard_tools_could_read_it(file: Path) -> None:
    """Without us: the key with the passphrase, then the archive with the key."""
    raw = file.read_bytes()
    start = raw.index(b"\n") + 1
    end = raw.index(b"-----END AGE ENCRYPTED FILE-----\n") + len(b"-----END AGE ENCRYPTED FILE-----\n")
    armored, body = raw[start:end], raw[end:]
    identity = pyrage.x25519.Identity.from_str(pyrage.passphrase.decrypt(armored, PASSPHRASE).decode())
    with tarfile.open(fileobj=io.BytesIO(pyrage.decrypt(body, [identity]))) as archive:
        found = archive.getnames()
        manifest = msgspec.json.decode(archive.extractfile(MANIFEST).read())  # type: ignore[union-attr]
    assert set(found) == {*KEPT, MANIFEST}
    assert found[-1] == MANIFEST
    assert {entry["path"] for entry in manifest["files"]} == KEPT


def test_a_backup_onto_a_full_disk_leaves_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk", 4 << 10) as disk:
        assert kota("backup", disk / "city.backup", "--data", data) == 1
        assert "No space left" in capsys.readouterr().err
        assert list(disk.iterdir()) == []
        fill(disk)
        assert kota("backup", disk / "city.backup", "--data", data) == 1
        assert [path.name for path in disk.iterdir()] == ["filler"]
    assert not list((data / "backup").glob("*/*"))


def test_a_restore_onto_a_full_disk_changes_nothing(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk", 8 << 10) as disk:
        target = disk / "city"
        target.mkdir()
        (target / "precious").write_text("x")
        assert kota("restore", file, "--data", target, "--replace") == 1
        assert "No space left" in capsys.readouterr().err
        assert names(disk) - {"city/up.lock"} == {"city/precious"}
        assert kota("restore", file, "--data", disk, "--replace") == 1
        assert "disk of its own" in capsys.readouterr().err


def test_a_restore_that_is_killed_changes_nothing_and_the_next_one_tidies_up(file: Path, tmp_path: Path) -> None:
    """The file is read from a pipe that stops in the middle: there the process is killed."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "precious").write_text("x")
    slow = f"""
import os, sys
from city.backup import restore
taken = 0
original = restore.shutil.copyfileobj
def copy(source, target, size):
    original(source, target, size)
    open({str(tmp_path / "reached")!r}, "w").close()
    import time; time.sleep(600)
restore.shutil.copyfileobj = copy
from city.cli.main import main
main(["restore", {str(file)!r}, "--data", {str(target)!r}, "--replace"])
"""
    process = subprocess.Popen([sys.executable, "-c", slow], cwd=ROOT)
    try:
        wait_for((tmp_path / "reached").exists, "a restore in its middle")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert names(target) - {"up.lock"} == {"precious"}
    (left,) = tmp_path.glob(".target.restoring-*")
    assert kota("restore", file, "--data", target, "--replace") == 0
    assert names(target) == KEPT
    assert not left.exists()


def test_only_one_backup_at_a_time(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "backup").mkdir()
    with (data / "backup" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert kota("backup", tmp_path / "city.backup", "--data", data) == 1
    assert "another backup" in capsys.readouterr().err
    assert not (tmp_path / "city.backup").exists()


def test_a_folder_without_a_city_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kota("backup", tmp_path / "city.backup", "--data", tmp_path) == 2
    assert "no city has been started here" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "code"), [(f"{PASSPHRASE}\r\nsecond line", 0), ("short", 2), ("", 2), (None, 2)])
def test_a_passphrase_comes_from_a_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, code: int
) -> None:
    monkeypatch.setenv("KOTA_BACKUP_PASSPHRASE", "the file counts, not this one")
    path = tmp_path / "passphrase"
    if content is not None:
        path.write_bytes(content.encode())
    file = tmp_path / "city.backup"
    assert kota("backup", file, "--data", data, "--passphrase-file", path) == code
    assert file.exists() == (code == 0)
    if code == 0:
        monkeypatch.setenv("KOTA_BACKUP_PASSPHRASE", PASSPHRASE)
        assert kota("restore", file, "--data", tmp_path / "new") == 0


def test_a_passphrase_is_asked_twice_on_a_terminal_and_never_without_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KOTA_BACKUP_PASSPHRASE")
    file = tmp_path / "city.backup"
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert kota("backup", file, "--data", data) == 2
    assert "KOTA_BACKUP_PASSPHRASE" in capsys.readouterr().err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    typed = iter([PASSPHRASE, "something else", PASSPHRASE, PASSPHRASE, PASSPHRASE])
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(typed))
    assert kota("backup", file, "--data", data) == 2
    assert "differ" in capsys.readouterr().err
    assert kota("backup", file, "--data", data) == 0
    assert kota("restore", file, "--data", tmp_path / "new") == 0
    assert next(typed, None) is None


def test_a_full_disk_of_the_city_itself_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The copies of the databases have no room."""
    with small_disk(tmp_path / "disk", 40 << 10) as disk:
        city = make_city(disk / "city")
        fill(disk)
        assert kota("backup", tmp_path / "city.backup", "--data", city) == 1
        assert "cannot be made" in capsys.readouterr().err
    assert not (tmp_path / "city.backup").exists()
    assert not (tmp_path / ".city.backup.part").exists()


def test_what_a_killed_backup_has_left_goes_with_the_next(data: Path) -> None:
    left = data / "backup" / "dead" / "data"
    left.mkdir(parents=True)
    (left / "journal.sqlite").write_bytes(b"not encrypted")
    data.with_name(".city.backup.part").write_bytes(b"half a file")
    backed_up(data)
    assert not left.exists()
    assert not data.with_name(".city.backup.part").exists()


def test_a_city_whose_ingest_does_not_answer_is_not_copied_behind_its_back(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be hung, and hold the store."""
    monkeypatch.setattr(backup, "COPY_START_TIMEOUT_S", 0.3)
    with lock_data_folder(data):
        assert kota("backup", data.with_name("city.backup"), "--data", data) == 1
    assert "ingest has not answered" in capsys.readouterr().err
    assert not data.with_name("city.backup").exists()
    assert not list((data / "backup").glob("*/*"))
