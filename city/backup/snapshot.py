"""A consistent copy of a city's databases and evidence while the city runs.

The copy is of one moment. A reading moves outbox -> journal -> store or dead letters, and from dead letters and
quarantine back into the journal. Every one of these ways but the last step into the store writes the journal; so the
journal's write lock is held, for milliseconds, while a read transaction is begun on each file, the store first:

- the journal does not change: no receipt is given for what the copy lacks, no outbox forgets it, nothing is trimmed;
- dead letters are read after the store: what the store has passed as dead was written there before;
- outboxes are read last: a restored outbox never gives out a number that the restored store has seen.

So every reading with a receipt is in the store, the journal or the dead letters of the copy, every other one in its
outbox. Afterwards everything is copied from its transaction, at leisure.

The store's file belongs to ingest, so ingest makes the copy: `kota backup` puts a request into `DATA/backup`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from city.storage.file_lock import file_lock
from city.storage.folder_lock import LOCK_NAME

JOURNAL: Final = Path("ingest") / "journal.sqlite"
STORE: Final = Path("store") / "city.duckdb"
EVIDENCE: Final = Path("evidence")
CUSTODY: Final = ("custody.jsonl", "custody.head")
REQUESTS: Final = "backup"
EXCLUDED: Final = frozenset({"logs", "alive", "broker", REQUESTS, "run.json", LOCK_NAME})
"""Files and folders at the top of the data folder that no backup holds: status of this machine, and the broker's state.

Devices keep every reading without a receipt, so the broker holds no only copy of theirs. Third-party messages of the
last moments, which are not sent again, are lost with it.
"""
BUSY_WAIT_S: Final = 10.0

StoreCopy = Callable[[Path], None]
"""Writes the store, as of the begin of the copy, into a new file."""
BeginStoreCopy = Callable[[], AbstractContextManager[StoreCopy]]


class CopyRequest(msgspec.Struct, frozen=True):
    """A request for a copy; the copy goes into the folder of the request. `pid` is the requesting process."""

    pid: int


class CopyResult(msgspec.Struct, frozen=True):
    """Result of a request: the time of the copy, or an error."""

    cut_at: datetime | None = None
    error: str = ""


def copy_databases(data: Path, into: Path, begin_store: BeginStoreCopy | None) -> datetime:
    """Copy all SQLite files and the store as of one moment; returns that moment, UTC.

    Args:
        data: The city's data folder.
        into: Target folder; names in it stay the same.
        begin_store: For the DuckDB file, if this process owns it.

    Raises:
        OSError: The disk refuses.
        sqlite3.Error: A file cannot be read, or the disk refuses.
    """
    with ExitStack() as stack:
        with _journal_lock(data / JOURNAL):
            cut_at = datetime.now(UTC)
            copy_store = stack.enter_context(begin_store()) if begin_store else None
            opened = [(path, stack.enter_context(closing(_begin_read(data / path)))) for path in databases(data)]
        if copy_store:
            (into / STORE).parent.mkdir(parents=True, exist_ok=True)
            copy_store(into / STORE)
        for path, source in opened:
            _copy(source, into / path)
    return cut_at


def databases(data: Path) -> list[Path]:
    """Relative paths of the SQLite files of a data folder, in the order in which they must be read."""
    paths = [path.relative_to(data) for path in data.rglob("*.sqlite")]
    paths = [path for path in paths if path.parts[0] not in EXCLUDED]
    return sorted(paths, key=lambda path: (_ORDER.get(path.parts[0], len(_ORDER)), path))


_ORDER: Final = {"store": 0, "ingest": 1}
"""Order of the folders; the outboxes (`edge`) and all others come last."""


def link_evidence(data: Path, into: Path) -> None:
    """Copy the custody log and hard-link the files of evidence.

    The log is locked meanwhile, so every case in the copied log has its files.
    """
    folder = data / EVIDENCE
    if not folder.is_dir():
        return
    target = into / EVIDENCE
    target.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / "custody.lock"):
        for name in CUSTODY:
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(folder / name, target / name)
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if path.is_file() and str(relative) not in (*CUSTODY, "custody.lock", "custody.reserve"):
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                _link(path, target / relative)


def _link(path: Path, target: Path) -> None:
    """Make a hard link, or a copy where links are not possible; a file that was just deleted is skipped."""
    with contextlib.suppress(FileNotFoundError):
        try:
            os.link(path, target)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copy2(path, target)


class Copier:
    """Ingest's side: polls for requests and answers them.

    Args:
        data: The data folder.
        begin_store: For the store that this process owns; None if the store is elsewhere.
    """

    def __init__(self, data: Path, begin_store: BeginStoreCopy | None) -> None:
        self._data = data
        self._begin_store = begin_store

    def pending_request(self) -> Path | None:
        """Folder of an unanswered request; None if there is none."""
        for path in sorted((self._data / REQUESTS).glob("*/request")):
            if not (path.parent / "answer").exists():
                return path.parent
        return None

    def answer(self, folder: Path) -> CopyResult:
        """Make the copy, replacing an unfinished one of an earlier process, and write the result; raises nothing."""
        try:
            (folder / "taken").write_text(str(os.getpid()))
            shutil.rmtree(folder / "data", ignore_errors=True)
            (folder / "data").mkdir()
            answer = CopyResult(copy_databases(self._data, folder / "data", self._begin_store))
        except Exception as exc:  # noqa: BLE001 - whatever it was, whoever asked wants to know, and ingest goes on
            answer = CopyResult(error=f"{type(exc).__name__}: {exc}")
            shutil.rmtree(folder / "data", ignore_errors=True)
        part = folder / "answer.part"
        with contextlib.suppress(OSError):  # the folder has gone: nobody waits any more
            part.write_bytes(msgspec.json.encode(answer))
            part.replace(folder / "answer")
        return answer


def ask_for_copy(
    folder: Path, goes_on: Callable[[], bool], clock: Callable[[], float] = time.monotonic, *, patience_s: float = 120.0
) -> CopyResult | None:
    """Request a copy from ingest and wait for the result.

    Args:
        folder: New folder of the request.
        goes_on: Called until the request is taken: whether to wait on.
        clock: Monotonic seconds.
        patience_s: Maximum time without growth of the copy.

    Returns:
        None if nobody has taken the request; a result with an error if the copy stalls.
    """
    (folder / "request").write_bytes(msgspec.json.encode(CopyRequest(os.getpid())))
    size, grew_s = -1, clock()
    while True:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode((folder / "answer").read_bytes(), type=CopyResult)
        if not (folder / "taken").exists():
            if not goes_on():
                return None
        elif clock() - grew_s > patience_s:
            return CopyResult(error=f"the copy has not grown for {patience_s:.0f} s")
        now = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if now != size:
            size, grew_s = now, clock()
        time.sleep(0.1)


@contextmanager
def _journal_lock(path: Path) -> Iterator[None]:
    """Lock the journal against writers; without a journal there is nothing to lock."""
    if not path.exists():
        yield
        return
    with closing(sqlite3.connect(path, timeout=BUSY_WAIT_S, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            db.execute("ROLLBACK")


def _begin_read(path: Path) -> sqlite3.Connection:
    """A connection with an open read transaction: it sees the file as of now, whatever is written later."""
    db = sqlite3.connect(path, timeout=BUSY_WAIT_S, isolation_level=None)
    try:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _copy(source: sqlite3.Connection, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as target:
        target.execute("PRAGMA synchronous=OFF")  # a copy that a power cut spoils is no backup and is made again
        source.backup(target)
