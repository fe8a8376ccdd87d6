"""A copy is of one moment: whatever moves between the files while it is made, nothing is missing and nothing reused."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pytest

from city.backup.snapshot import Copier, ask_for_copy, copy_databases, databases, link_evidence
from ingest.store.duckdb.store import copy_into
from tests.support.waiting import wait_for

COPIES = 15


class MovingCity:
    """Readings on their ways, as fast as the disk lets them: device, intake, drain and replay, each a thread.

    The files are those of a city, with less in them; each way is cut into the same transactions as the real one.
    """

    def __init__(self, data: Path) -> None:
        """Begin with nothing."""
        self.data = data
        for name, schema in {
            "edge/device.sqlite": "CREATE TABLE box (n INTEGER PRIMARY KEY); CREATE TABLE issued (n INTEGER);"
            "INSERT INTO issued VALUES (0)",
            "ingest/journal.sqlite": "CREATE TABLE arrivals (at INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER)",
            "store/dead_letters.sqlite": "CREATE TABLE letters (n INTEGER PRIMARY KEY, state TEXT)",
        }.items():
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            with closing(self.open(name)) as db:
                db.execute("PRAGMA journal_mode=WAL")
                db.executescript(schema)
        self.store = duckdb.connect(str(data / "store" / "city.duckdb"))
        self.store.execute("CREATE TABLE rows (n BIGINT)")
        self.store.execute("CREATE TABLE drained AS SELECT 0::BIGINT AS position")
        self.stop = threading.Event()
        self.failed: list[Exception] = []
        self.stored = 0

    def open(self, name: str) -> sqlite3.Connection:
        db = sqlite3.connect(self.data / name, timeout=30, isolation_level=None)
        db.execute("PRAGMA synchronous=OFF")
        return db

    def send(self) -> None:
        """Device and intake: issued and in the outbox, in the journal, receipted."""
        with closing(self.open("edge/device.sqlite")) as box, closing(self.open("ingest/journal.sqlite")) as journal:
            n = 0
            while not self.stop.is_set():
                box.execute("BEGIN")
                box.execute("INSERT INTO box VALUES (?)", (n,))
                box.execute("UPDATE issued SET n = ?", (n + 1,))
                box.execute("COMMIT")
                journal.execute("INSERT INTO arrivals (n) VALUES (?)", (n,))
                box.execute("DELETE FROM box WHERE n = ?", (n,))
                n += 1

    def drain(self) -> None:
        """Dead letters, then rows and position, then the journal is trimmed."""
        seen: set[int] = set()
        with closing(self.open("ingest/journal.sqlite")) as journal, closing(self.letters()) as letters:
            at, cursor = 0, self.store.cursor()
            while not self.stop.is_set():
                batch = journal.execute(
                    "SELECT at, n FROM arrivals WHERE at > ? ORDER BY at LIMIT 20", (at,)
                ).fetchall()
                if not batch:
                    continue
                rows = []
                for _, n in batch:
                    again = letters.execute("SELECT 1 FROM letters WHERE n = ?", (n,)).fetchone()
                    if n % 3 == 0 and not again:
                        letters.execute("INSERT INTO letters VALUES (?, 'dead')", (n,))
                    elif n not in seen:
                        rows.append(n)
                at = batch[-1][0]
                cursor.execute("BEGIN")
                for n in rows:
                    cursor.execute("INSERT INTO rows VALUES (?)", (n,))
                cursor.execute("UPDATE drained SET position = ?", (at,))
                cursor.execute("COMMIT")
                seen.update(rows)
                self.stored = len(seen)
                journal.execute("DELETE FROM arrivals WHERE at <= ?", (at,))

    def replay(self) -> None:
        """Dead letters go through the journal again."""
        with closing(self.open("ingest/journal.sqlite")) as journal, closing(self.letters()) as letters:
            while not self.stop.is_set():
                for (n,) in letters.execute("SELECT n FROM letters WHERE state = 'dead' LIMIT 3").fetchall():
                    letters.execute("UPDATE letters SET state = 'replaying' WHERE n = ?", (n,))
                    journal.execute("INSERT INTO arrivals (n) VALUES (?)", (n,))
                    letters.execute("UPDATE letters SET state = 'replayed' WHERE n = ?", (n,))

    def letters(self) -> sqlite3.Connection:
        return self.open("store/dead_letters.sqlite")

    @contextmanager
    def copying(self) -> Iterator[Callable[[Path], None]]:
        """As `DuckStore.copying` does."""
        with closing(self.store.cursor()) as cursor:
            cursor.execute("BEGIN TRANSACTION")
            cursor.execute("SELECT count(*) FROM drained").fetchone()
            yield lambda path: copy_into(cursor, path)

    @contextmanager
    def moving(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._noted, args=(work,)) for work in (self.send, self.drain, self.replay)]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: self.stored > 50, "readings in the store")
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(60)
            self.store.close()

    def _noted(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as exc:  # noqa: BLE001 - the test fails with it
            self.failed.append(exc)


def numbers(path: Path, statement: str) -> set[int]:
    with closing(sqlite3.connect(path)) as db:
        return {row[0] for row in db.execute(statement)}


def test_every_copy_of_a_moving_city_is_whole(tmp_path: Path) -> None:
    city = MovingCity(tmp_path / "data")
    copies = [tmp_path / f"copy-{number}" for number in range(COPIES)]
    with city.moving():
        for into in copies:
            before = city.stored
            copy_databases(city.data, into, city.copying)
            wait_for(lambda before=before: city.stored > before + 20, "a city that goes on")
    assert city.failed == []
    for into in copies:
        (issued,) = numbers(into / "edge" / "device.sqlite", "SELECT n FROM issued")
        waiting = numbers(into / "edge" / "device.sqlite", "SELECT n FROM box")
        dead = numbers(into / "store" / "dead_letters.sqlite", "SELECT n FROM letters WHERE state <> 'replayed'")
        with duckdb.connect(str(into / "store" / "city.duckdb"), read_only=True) as store:
            rows = [row[0] for row in store.execute("SELECT n FROM rows").fetchall()]
            ((at,),) = store.execute("SELECT position FROM drained").fetchall()
        journaled = numbers(into / "ingest" / "journal.sqlite", f"SELECT n FROM arrivals WHERE at > {at}")  # noqa: S608
        assert len(rows) == len(set(rows))
        found = waiting | dead | set(rows) | journaled
        assert set(range(issued)) - found == set(), "a reading is nowhere"
        assert {n for n in found if n >= issued} == set(), "its number would be given out again"


def test_outboxes_are_read_after_the_journal_and_the_store_before(tmp_path: Path) -> None:
    names = ["edge/cam-01.sqlite", "ingest/journal.sqlite", "store/dead_letters.sqlite", "vision/notes.sqlite"]
    for name in [*names, "backup/1/data/x.sqlite", "broker/x.sqlite", "logs/x.sqlite"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path) for path in databases(tmp_path)] == [names[2], names[1], names[0], names[3]]


def test_a_copy_that_fails_is_answered_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "backup" / "1"
    folder.mkdir(parents=True)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "broken.sqlite").write_bytes(b"no database" * 100)
    (folder / "request").touch()
    copier = Copier(tmp_path, None)
    assert copier.pending_request() == folder
    assert "DatabaseError" in copier.answer(folder).error
    assert not (folder / "data").exists()
    assert copier.pending_request() is None


def test_a_copy_that_a_crash_has_cut_off_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "backup" / "1"
    (folder / "data" / "store").mkdir(parents=True)
    (folder / "data" / "store" / "torn").touch()
    (folder / "request").touch()
    (folder / "taken").write_text("1")
    copier = Copier(tmp_path, None)
    assert copier.pending_request() == folder
    assert copier.answer(folder).cut_at
    assert list((folder / "data").rglob("*")) == []


def test_who_asks_gives_up_when_nobody_takes_it_or_it_stands_still(tmp_path: Path) -> None:
    assert ask_for_copy(tmp_path, lambda: False) is None
    (tmp_path / "taken").touch()
    answer = ask_for_copy(tmp_path, lambda: False, patience_s=0.3)
    assert answer
    assert "has not grown" in answer.error


def test_evidence_is_held_as_its_log_knows_it(tmp_path: Path) -> None:
    """A case that is deleted while the backup is written is still in it, as the log of that moment says."""
    folder = tmp_path / "data" / "evidence"
    (folder / "case-1").mkdir(parents=True)
    (folder / "case-1" / "before.jpg").write_bytes(b"a picture")
    (folder / "custody.jsonl").write_bytes(b"line\n")
    (folder / "custody.reserve").write_bytes(b"0" * 100)
    link_evidence(tmp_path / "data", tmp_path / "copy")
    (folder / "case-1" / "before.jpg").unlink()
    with (folder / "custody.jsonl").open("ab") as log:
        log.write(b"later\n")
    copy = tmp_path / "copy" / "evidence"
    assert (copy / "case-1" / "before.jpg").read_bytes() == b"a picture"
    assert (copy / "custody.jsonl").read_bytes() == b"line\n"
    assert not (copy / "custody.reserve").exists()


def test_a_city_without_a_journal_or_evidence_has_nothing_to_hold(tmp_path: Path) -> None:
    assert copy_databases(tmp_path, tmp_path / "copy", None)
    with contextlib.suppress(FileNotFoundError):
        link_evidence(tmp_path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("held", [True, False])
def test_a_held_journal_is_waited_for(tmp_path: Path, held: bool) -> None:  # noqa: FBT001
    """A commit of ingest, or its trim, is in progress."""
    path = tmp_path / "ingest" / "journal.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as db:
        db.execute("CREATE TABLE arrivals (n INTEGER)")
        if held:
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO arrivals VALUES (1)")
            threading.Timer(0.5, lambda: db.execute("COMMIT")).start()
        copy_databases(tmp_path, tmp_path / "copy", None)
    assert numbers(tmp_path / "copy" / "ingest" / "journal.sqlite", "SELECT n FROM arrivals") == (
        {1} if held else set()
    )
