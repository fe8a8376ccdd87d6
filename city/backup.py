"""`kota backup FILE`: everything that a city keeps, encrypted in one file, while it goes on.

ingest (or, of a city that is stopped, this process) -> copies of one moment in DATA/backup -> tar -> age -> FILE
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from broker.contract.errors import ConfigError
from city.backup_cut import (
    EVIDENCE,
    LEFT_OUT,
    REQUESTS,
    STORE,
    ask_for_copy,
    copy_databases,
    databases,
    link_evidence,
)
from city.backup_file import SCHEMA, ArchiveWriter, BackupError, Manifest, write_backup
from city.backup_passphrase import passphrase_of
from city.beats import read_sign
from city.only_one import in_use, only_one
from city.options import add_settings, settings_from
from city.settings import Settings
from city.status import is_fresh

TAKEN_WITHIN_S: Final = 60.0
"""Ingest looks for requests once a second, unless it is starting."""
_DATABASES: Final = (".sqlite", ".duckdb")
_BESIDE: Final = ("-wal", "-shm", "-open", ".wal")


def run(argv: list[str]) -> int:
    """0 when the file is whole and on the disk; else there is none."""
    parser = argparse.ArgumentParser(prog="kota backup", description="Keep everything of a city in one encrypted file.")
    parser.add_argument("file", type=Path, help="New file; on another disk, best on another machine.")
    parser.add_argument("--passphrase-file", type=Path, metavar="PATH", help="Its first line is the passphrase.")
    add_settings(parser, ("data", "city", "store"))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    if not (settings.data / "secret.key").is_file():
        raise ConfigError(f"{settings.data}: no city has been started here")
    passphrase = passphrase_of(settings, args.passphrase_file, new=True)
    signal.signal(signal.SIGTERM, _end)
    with _staging(settings.data) as staging, ExitStack() as stack:
        cut_at = _copy(settings, staging, stack)
        files = _write(args.file, settings, staging, cut_at, passphrase)
    print(f"{args.file}: {files} files, everything up to {cut_at:%Y-%m-%d %H:%M:%S} UTC")
    if settings.store == "influx":
        print("The readings are in InfluxDB and not in this file: make its own backup now (docs/production.md).")
    return 0


def _end(*_: object) -> None:
    raise BackupError("it was told to stop")


@contextmanager
def _staging(data: Path) -> Iterator[Path]:
    """A folder for copies, on the disk of the data because they are not encrypted; what a crash has left there goes.

    Raises:
        BackupError: Another backup is being made, or the disk refuses.
    """
    folder = data / REQUESTS
    try:
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for old in folder.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            staging = folder / secrets.token_hex(4)
            staging.mkdir()
            try:
                yield staging
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except BlockingIOError as exc:
        raise BackupError("another backup is being made") from exc
    except (OSError, sqlite3.Error) as exc:
        raise BackupError(f"the backup cannot be made: {exc}") from exc


def _copy(settings: Settings, staging: Path, stack: ExitStack) -> datetime:
    """Have the databases copied into `staging/data`, by ingest while it runs, else by ourselves; the moment.

    Args:
        settings: Whose city.
        staging: Where to.
        stack: Keeps a stopped city stopped until the backup is made.
    """
    data = settings.data
    until = time.monotonic() + TAKEN_WITHIN_S

    def goes_on() -> bool:
        return _runs(data) and time.monotonic() < until

    if _runs(data):
        answer = ask_for_copy(staging, goes_on)
        if answer and answer.cut_at:
            if settings.store == "duckdb" and (data / STORE).exists() and not (staging / "data" / STORE).exists():
                raise BackupError("ingest has copied everything but the store; is --store as it is for `kota up`?")
            link_evidence(data, staging / "data")
            return answer.cut_at
        if answer:
            raise BackupError(f"ingest could not copy the store: {answer.error}")
        if _runs(data):
            raise BackupError(f"ingest has not answered for {TAKEN_WITHIN_S:.0f} s; `kota status` says how it does")
    stack.enter_context(only_one(data))
    cut_at = copy_databases(data, staging / "data", None)
    link_evidence(data, staging / "data")
    return cut_at


def _runs(data: Path) -> bool:
    """Whether somebody writes this city's store."""
    sign = read_sign(data, "ingest")
    fresh = sign is not None and is_fresh(datetime.fromtimestamp(sign.at, UTC), datetime.now(UTC))
    return in_use(data) or _is_locked(data / STORE) or fresh


def _is_locked(path: Path) -> bool:
    """Whether another process has DuckDB's lock on a file."""
    try:
        with path.open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    return False


def _write(file: Path, settings: Settings, staging: Path, cut_at: datetime, passphrase: str) -> int:
    """Write the file under another name and give it its own at the end; how many files are in it."""
    part = file.with_name(f".{file.name}.part")
    count = 0

    def fill(archive: ArchiveWriter) -> None:
        nonlocal count
        for name, path in _sources(settings.data, staging / "data"):
            with contextlib.suppress(FileNotFoundError):  # replaced or forgotten just now
                archive.add(name, path)
        count = len(archive.entries)
        made = Manifest(SCHEMA, _version(), settings.city, settings.store, cut_at, tuple(archive.entries))
        archive.finish(made)

    if file.exists():
        raise ConfigError(f"{file} is there already; a backup overwrites nothing")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            write_backup(out, passphrase, fill)
            out.flush()
            os.fsync(out.fileno())
        _publish(part, file)
    except OSError as exc:
        raise BackupError(f"{file}: {exc.strerror or exc}") from exc
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return count


def _publish(part: Path, file: Path) -> None:
    try:
        os.link(part, file)  # unlike a rename it takes nobody's place
    except FileExistsError:
        raise
    except OSError:
        part.rename(file)  # a file system without links
    handle = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sources(data: Path, copies: Path) -> Iterator[tuple[str, Path]]:
    """Every file of the backup, by its path in the data folder: the copy where there is one."""
    taken = {path.relative_to(copies).as_posix(): path for path in sorted(copies.rglob("*")) if path.is_file()}
    yield from taken.items()
    left_out = _left_out(taken.keys() | {path.as_posix() for path in databases(data)})
    for folder, folders, names in os.walk(data, followlinks=True):
        here = Path(folder).relative_to(data)
        folders[:] = sorted(one for one in folders if (here / one).as_posix() not in left_out)
        for name in sorted(names):
            relative = (here / name).as_posix()
            passing = name.endswith((".lock", ".duckdb.new")) or (name.startswith(".") and name.endswith(".part"))
            if not passing and relative not in left_out and (data / relative).is_file():
                yield relative, data / relative


def _left_out(copied: set[str]) -> set[str]:
    """Paths of files and folders that are in the backup already, databases' own files beside them, or in no backup."""
    beside = {f"{path}{part}" for path in copied for part in _BESIDE if path.endswith(_DATABASES)}
    return {*LEFT_OUT, *copied, *beside, EVIDENCE.as_posix(), f"{STORE.as_posix()}.tmp", "ingest/health.json"}


def _version() -> str:
    try:
        return version("jaga-kota")
    except PackageNotFoundError:
        return "unknown"
