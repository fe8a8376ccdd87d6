"""Files of ours: an older one is brought up to date, a newer one refused and left alone, one that is gone made anew."""

from __future__ import annotations

import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from city.errors import ConfigError, RetryLaterError
from city.inventory.adoption import adoption_path, read_adoption
from city.inventory.zone_plans import plan_path, read_plan
from city.storage.sqlite import APPLICATION_ID, open_durable, reopen_if_replaced, truncate_wal

FIRST = "CREATE TABLE IF NOT EXISTS things (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"
SECOND = f"{FIRST}; CREATE TABLE IF NOT EXISTS more (id INTEGER)"
STEPS = {1: "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7", 2: "UPDATE things SET size = size + 1"}


def asked(db: sqlite3.Connection, statement: str) -> object:
    return db.execute(statement).fetchall()


def test_an_older_file_is_brought_up_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(FIRST)
        old.execute("INSERT INTO things VALUES (1, 'a')")
    with closing(open_durable(path, SECOND, version=3, migrations=STEPS)) as db:
        assert asked(db, "SELECT id, name, size FROM things") == [(1, "a", 8)]
        assert asked(db, "PRAGMA user_version") == [(3,)]
        assert asked(db, "PRAGMA application_id") == [(APPLICATION_ID,)]
        life = db.life
    with closing(open_durable(path, SECOND, version=3, migrations=STEPS)) as again:
        assert asked(again, "SELECT size FROM things") == [(8,)]
        assert again.life == life


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(open_durable(path, FIRST)) as db, db:
        db.execute("INSERT INTO things VALUES (1, 'a')")
    steps = {1: "UPDATE things SET name = 'b'; UPDATE nothing SET x = 1"}
    with pytest.raises(Exception, match="nothing"):
        open_durable(path, FIRST, version=2, migrations=steps)
    with closing(open_durable(path, FIRST)) as db:
        assert asked(db, "SELECT name FROM things") == [("a",)]


def test_a_newer_file_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    open_durable(path, SECOND, version=9).close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="has schema version 9, this program knows 1: install the version"):
        open_durable(path, FIRST)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.sqlite"]


def test_a_new_file_is_of_the_newest_version(tmp_path: Path) -> None:
    with closing(open_durable(tmp_path / "a.sqlite", SECOND, version=3)) as db:
        assert db.is_new
        assert asked(db, "PRAGMA user_version") == [(3,)]


def test_a_file_deleted_under_a_connection_is_written_anew_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    db = open_durable(path, FIRST)
    with db:
        db.execute("INSERT INTO things VALUES (1, 'a')")
    for part in tmp_path.iterdir():
        part.unlink()
    db = reopen_if_replaced(db)
    assert db.set_aside is not None
    with db:
        db.execute("INSERT INTO things VALUES (2, 'b')")
    with closing(sqlite3.connect(path)) as other:
        assert asked(other, "SELECT name FROM things") == [("a",), ("b",)]
    assert reopen_if_replaced(db) is db
    db.close()


def test_a_second_connection_takes_up_what_the_first_has_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    first, second = open_durable(path, FIRST), open_durable(path, FIRST)
    with first:
        first.execute("INSERT INTO things VALUES (1, 'a')")
    for part in tmp_path.iterdir():
        part.unlink()
    first, second = reopen_if_replaced(first), reopen_if_replaced(second)
    with second:
        second.execute("INSERT INTO things VALUES (2, 'b')")
    assert asked(first, "SELECT count(*) FROM things") == [(2,)]
    first.close()
    second.close()
    assert sorted(file.name for file in tmp_path.iterdir() if not file.name.startswith(".")) == ["a.sqlite"]


@pytest.mark.parametrize("stranger", [None, b"", b"another's log"])
def test_a_log_deleted_or_replaced_under_a_connection_takes_nothing_with_it(
    tmp_path: Path, stranger: bytes | None
) -> None:
    path, log = tmp_path / "a.sqlite", tmp_path / "a.sqlite-wal"
    db = open_durable(path, FIRST)
    with db:
        db.execute("INSERT INTO things VALUES (1, 'a')")
    log.unlink()
    if stranger is not None:
        log.write_bytes(stranger)
    db = reopen_if_replaced(db)
    assert db.set_aside is not None
    with db:
        db.execute("INSERT INTO things VALUES (2, 'b')")
    # A power cut leaves what lies in the folder, and no more.
    cut_off = tmp_path / "cut"
    cut_off.mkdir()
    for part in (path, log):
        shutil.copy(part, cut_off / part.name)
    with closing(sqlite3.connect(cut_off / "a.sqlite")) as after:
        assert asked(after, "SELECT name FROM things") == [("a",), ("b",)]
    assert reopen_if_replaced(db) is db
    db.close()


def test_a_log_deleted_while_another_reads_it_stays_in_use_until_the_other_is_done(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    db, reader = open_durable(path, FIRST), open_durable(path, FIRST)
    asked(reader, "BEGIN")
    asked(reader, "SELECT * FROM things")
    with db:
        db.execute("INSERT INTO things VALUES (1, 'a')")
    (tmp_path / "a.sqlite-wal").unlink()
    with pytest.raises(RetryLaterError, match="log was deleted"):
        reopen_if_replaced(db)
    asked(reader, "ROLLBACK")
    reader.close()
    db = reopen_if_replaced(db)
    assert asked(db, "SELECT name FROM things") == [("a",)]
    db.close()


def test_another_file_in_its_place_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    db = open_durable(path, FIRST)
    with db:
        db.execute("INSERT INTO things VALUES (1, 'a')")
    open_durable(tmp_path / "b.sqlite", FIRST).close()
    (tmp_path / "b.sqlite").replace(path)
    db = reopen_if_replaced(db)
    assert asked(db, "SELECT name FROM things") == [("a",)]
    assert [file.name.split("-")[0] for file in tmp_path.glob("*foreign*")] == ["a.sqlite.foreign"]
    db.close()


@pytest.mark.parametrize("harm", ["gone", "empty"])
def test_a_log_without_its_file_is_set_aside_and_said(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "a.sqlite"
    db = open_durable(path, FIRST)
    with db:
        db.execute("INSERT INTO things VALUES (1, 'a')")
    copies = {part.name: part.read_bytes() for part in tmp_path.iterdir()}
    db.close()
    (tmp_path / "a.sqlite-wal").write_bytes(copies["a.sqlite-wal"])
    if harm == "gone":
        path.unlink()
    else:
        os.truncate(path, 0)
    with closing(open_durable(path, FIRST)) as db:
        assert db.set_aside is not None
    assert list(tmp_path.glob("a.sqlite.damaged-*-wal"))


def test_rows_of_an_older_damaged_file_are_rescued_into_newer_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(FIRST)
        old.executemany("INSERT INTO things VALUES (?, ?)", [(number, "x" * 200) for number in range(500)])
    os.truncate(path, path.stat().st_size - 5_000)
    newer = "CREATE TABLE IF NOT EXISTS things (id INTEGER PRIMARY KEY, name TEXT NOT NULL, size INTEGER DEFAULT 7)"
    with closing(open_durable(path, newer, version=2, migrations={1: STEPS[1]})) as db:
        assert db.set_aside is not None
        (found,) = db.execute("SELECT count(*), min(size) FROM things").fetchall()
    assert found[0] > 400
    assert found[1] == 7


def test_a_log_is_emptied_when_nobody_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    db = open_durable(path, FIRST)
    with db:
        db.execute("INSERT INTO things VALUES (1, 'a')")
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        asked(reader, "SELECT * FROM things")
        with db:
            db.execute("INSERT INTO things VALUES (2, 'b')")
        assert not truncate_wal(db)
    assert truncate_wal(db)
    assert path.with_name("a.sqlite-wal").stat().st_size == 0
    db.close()


def test_json_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    for path in (adoption_path(tmp_path, "bin-1"), plan_path(tmp_path, "cam-1")):
        path.parent.mkdir()
        path.write_text('{"version": 2, "id": "bin-1", "kind": "bin", "fields": {}}')
    with pytest.raises(ConfigError, match="has version 2"):
        read_adoption(adoption_path(tmp_path, "bin-1"))
    with pytest.raises(ConfigError, match="has version 2"):
        read_plan(plan_path(tmp_path, "cam-1"))


def test_two_who_open_a_damaged_file_at_once_get_the_same_with_every_row(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(open_durable(path, FIRST)) as db, db:
        db.executemany("INSERT INTO things VALUES (?, ?)", [(number, "x" * 200) for number in range(3_000)])
    os.truncate(path, path.stat().st_size - 5_000)
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: open_durable(path, FIRST), range(4)))
    assert len({db.life for db in opened}) == 1
    assert sum(db.set_aside is not None for db in opened) == 1
    assert {reopen_if_replaced(db) for db in opened} == set(opened)
    assert len({str(asked(db, "SELECT count(*) FROM things")) for db in opened}) == 1
    assert asked(opened[0], "SELECT count(*) > 2900 FROM things") == [(1,)]
    for db in opened:
        db.close()
    assert len(list(tmp_path.glob("a.sqlite.damaged-*"))) == 1


def killed(path: Path, into: Path) -> Path:
    """A copy of a file in use, as a process that is killed leaves it."""
    into.mkdir()
    for part in path.parent.glob(f"{path.name}*"):
        shutil.copy(part, into / part.name)
    return into / path.name


def test_a_log_that_is_deleted_after_a_kill_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(open_durable(path, FIRST)) as db:
        with db:
            db.execute("INSERT INTO things VALUES (1, 'a')")
        whole, cut = killed(path, tmp_path / "whole"), killed(path, tmp_path / "cut")
    with closing(open_durable(whole, FIRST)) as db:
        assert db.set_aside is None
        assert asked(db, "SELECT count(*) FROM things") == [(1,)]
    cut.with_name("a.sqlite-wal").unlink()
    with closing(open_durable(cut, FIRST)) as db:
        assert db.set_aside is not None
        assert "write-ahead log is gone" in db.set_aside.reason
    with closing(open_durable(cut, FIRST)) as db:
        assert db.set_aside is None  # said once


def test_a_file_that_was_closed_well_needs_no_log(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    first, second = open_durable(path, FIRST), open_durable(path, FIRST)
    for db in (first, second):
        with db:
            db.execute("INSERT INTO things (name) VALUES ('a')")
    reading = second.execute("SELECT * FROM things")
    reading.fetchone()
    first.close()  # while the other one reads
    reading.close()
    second.close()
    assert not path.with_name("a.sqlite-wal").exists()
    with closing(open_durable(path, FIRST)) as db:
        assert db.set_aside is None
        assert asked(db, "SELECT count(*) FROM things") == [(2,)]
