"""`kota backup FILE`: a backup of all data of a city, encrypted in one file, while the city runs.

ingest (this process if the city is stopped) -> a consistent copy in DATA/backup -> tar -> age -> FILE
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
from pathlib import Path
from typing import Final

from city.backup.archive import SCHEMA, ArchiveWriter, BackupError, Manifest, write_backup
from city.backup.passphrase import passphrase_of
from city.backup.snapshot import (
    EVIDENCE,
    EXCLUDED,
    REQUESTS,
    STORE,
    ask_for_copy,
    copy_databases,
    databases,
    link_evidence,
)
from city.errors import ConfigError
from city.runtime.heartbeats import read_heartbeat
from city.runtime.options import add_settings, settings_from
from city.runtime.settings import Settings
from city.runtime.status import is_fresh
from city.storage.file_lock import file_lock
from city.storage.folder_lock import in_use, lock_data_folder
from city.version import own_version

COPY_START_TIMEOUT_S: Final = 60.0
"""Ingest polls for requests once a second, unless it is starting."""
_DATABASES: Final = (".sqlite", ".duckdb")
_BESIDE: Final = ("-wal", "-shm", "-open", ".wal")


def run(argv: list[str]) -> int:
    """Exit code 0 if the file is complete and on the disk; else there is no file."""
    parser = argparse.ArgumentParser(prog="kota backup", description="Keep everything of a city in one encrypted file.")
    parser.add_argument("file", type=Path, help="New file; on another disk, best on another machine.")
    parser.add_argument("--passphrase-file", type=Path, metavar="PATH", help="Its first line is the passphrase.")
    add_settings(parser, ("data", "city", "store"))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    if not (settings.data / "secret.key").is_file():
        raise ConfigError(f"{settings.data}: no city has been started here")
    passphrase = passphrase_of(settings, args.passphrase_file, new=True)
    signal.signal(signal.SIGTERM, _interrupt)
    with _staging(settings.data) as staging, ExitStack() as stack:
        cut_at = _copy(settings, staging, stack)
        files = _write(args.file, settings, staging, cut_at, passphrase)
    print(f"{args.file}: {files} files, everything up to {cut_at:%Y-%m-%d %H:%M:%S} UTC")
    if settings.store == "influx":
        print("The readings are in InfluxDB and not in this file: make its own backup now (docs/production.md).")
    return 0


def _interrupt(*_: object) -> None:
    raise BackupError("it was told to stop")


@contextmanager
def _staging(data: Path) -> Iterator[Path]:
    """A folder for the unencrypted copies, on the disk of the data; deletes what a crash has left there.

    Raises:
        BackupError: Another backup is being made, or the disk refuses.
    """
    folder = data / REQUESTS
    try:
        folder.mkdir(exist_ok=True)
        with file_lock(folder / "lock", wait=False):
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
    """Copy the databases into `staging/data`, by ingest if it runs, else by this process; returns the copy's time.

    Args:
        settings: Settings of the city.
        staging: Target folder.
        stack: Keeps a stopped city stopped until the backup is made.
    """
    data = settings.data
    until = time.monotonic() + COPY_START_TIMEOUT_S

    def goes_on() -> bool:
        return _is_in_use(data) and time.monotonic() < until

    if _is_in_use(data):
        answer = ask_for_copy(staging, goes_on)
        if answer and answer.cut_at:
            if settings.store == "duckdb" and (data / STORE).exists() and not (staging / "data" / STORE).exists():
                raise BackupError("ingest has copied everything but the store; is --store as it is for `kota up`?")
            link_evidence(data, staging / "data")
            return answer.cut_at
        if answer:
            raise BackupError(f"ingest could not copy the store: {answer.error}")
        if _is_in_use(data):
            raise BackupError(
                f"ingest has not answered for {COPY_START_TIMEOUT_S:.0f} s; `kota status` says how it does"
            )
    stack.enter_context(lock_data_folder(data))
    cut_at = copy_databases(data, staging / "data", None)
    link_evidence(data, staging / "data")
    return cut_at


def _is_in_use(data: Path) -> bool:
    """Whether a process writes the city's store."""
    heartbeat = read_heartbeat(data, "ingest")
    fresh = heartbeat is not None and is_fresh(datetime.fromtimestamp(heartbeat.at, UTC), datetime.now(UTC))
    return in_use(data) or _is_locked(data / STORE) or fresh


def _is_locked(path: Path) -> bool:
    """Whether another process holds DuckDB's lock on a file."""
    try:
        with path.open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    return False


def _write(file: Path, settings: Settings, staging: Path, cut_at: datetime, passphrase: str) -> int:
    """Write the backup under a temporary name and rename it at the end; returns the number of files in it."""
    part = file.with_name(f".{file.name}.part")
    count = 0

    def fill(archive: ArchiveWriter) -> None:
        nonlocal count
        for name, path in _sources(settings.data, staging / "data"):
            with contextlib.suppress(FileNotFoundError):  # replaced or forgotten just now
                archive.add(name, path)
        count = len(archive.entries)
        made = Manifest(SCHEMA, own_version(), settings.city, settings.store, cut_at, tuple(archive.entries))
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
    """All files of the backup by path in the data folder; a copied one is taken from `copies`."""
    copied = {path.relative_to(copies).as_posix(): path for path in sorted(copies.rglob("*")) if path.is_file()}
    yield from copied.items()
    excluded = _excluded_paths(copied.keys() | {path.as_posix() for path in databases(data)})
    for folder, folders, names in os.walk(data, followlinks=True):
        here = Path(folder).relative_to(data)
        folders[:] = sorted(name for name in folders if (here / name).as_posix() not in excluded)
        for name in sorted(names):
            relative = (here / name).as_posix()
            passing = name.endswith((".lock", ".duckdb.new")) or (name.startswith(".") and name.endswith(".part"))
            if not passing and relative not in excluded and (data / relative).is_file():
                yield relative, data / relative


def _excluded_paths(copied: set[str]) -> set[str]:
    """Paths that are copied already, files beside databases, and what no backup holds."""
    beside = {f"{path}{part}" for path in copied for part in _BESIDE if path.endswith(_DATABASES)}
    return {*EXCLUDED, *copied, *beside, EVIDENCE.as_posix(), f"{STORE.as_posix()}.tmp", "ingest/health.json"}
