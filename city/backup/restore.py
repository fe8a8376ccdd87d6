"""`kota restore FILE`: restores a city's data folder from a backup; the folder is complete, or nothing has changed.

FILE -> a folder beside the data folder, every byte verified -> the two folders are exchanged
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tarfile import TarInfo
from typing import BinaryIO, Final

from city.backup.archive import BackupError, Manifest, read_backup, sync_tree
from city.backup.passphrase import passphrase_of
from city.errors import ConfigError
from city.runtime.options import add_settings, settings_from
from city.storage.file_lock import file_lock
from city.storage.folder_lock import LOCK_NAME, lock_data_folder

_CHUNK_BYTES: Final = 1 << 20
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


def run(argv: list[str]) -> int:
    """Exit code 0 if the folder holds the city of the backup; else it is unchanged."""
    parser = argparse.ArgumentParser(prog="kota restore", description="Make a city's data folder from a backup.")
    parser.add_argument("file", type=Path, help="What `kota backup` has written.")
    parser.add_argument("--passphrase-file", type=Path, metavar="PATH", help="Its first line is the passphrase.")
    parser.add_argument("--replace", action="store_true", help="Set aside what the data folder holds now.")
    parser.add_argument("--check", action="store_true", help="Read and check everything, and change nothing.")
    add_settings(parser, ("data",))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    if not args.file.is_file():
        raise ConfigError(f"{args.file}: no such file")
    passphrase = passphrase_of(settings, args.passphrase_file, new=False)
    signal.signal(signal.SIGTERM, _interrupt)
    if args.check:
        manifest = check(args.file, passphrase)
        print(f"{args.file} is whole: {_about(manifest)}")
        return 0
    manifest, aside = restore(args.file, passphrase, settings.data.resolve(), replace=args.replace)
    print(f"{settings.data}: {_about(manifest)}")
    if aside:
        print(f"What was there before is in {aside}")
    return 0


def check(file: Path, passphrase: str) -> Manifest:
    """Read a backup to its end.

    Raises:
        BackupError: It cannot be used, with the reason.
    """

    def take(_member: TarInfo, content: BinaryIO) -> None:
        while content.read(_CHUNK_BYTES):
            pass

    with _errors(file), file.open("rb") as source:
        return read_backup(source, passphrase, take)


def restore(file: Path, passphrase: str, data: Path, *, replace: bool) -> tuple[Manifest, Path | None]:
    """Make a data folder from a backup.

    Args:
        file: The backup.
        passphrase: Passphrase with which it was made.
        data: The folder; it may be missing or empty.
        replace: Whether its content is set aside.

    Returns:
        The manifest, and the folder of the former content, if there was any.

    Raises:
        BackupError: The backup cannot be used, or the disk refuses; the folder is as it was.
        KotaError: The folder is in use.
    """
    made = not data.exists()
    if data.is_mount():
        raise BackupError(f"{data} is a disk of its own and cannot change places; name a folder below it")
    try:
        with _errors(data), lock_data_folder(data), _work_folder(data) as work:
            full = _holds_something(data)
            if full and not replace:
                raise BackupError(f"{data} is not empty; --replace sets aside what is there")
            manifest = _unpack(file, passphrase, work)
            sync_tree(work)
            aside = data.with_name(f"{data.name}.replaced-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}")
            _swap(work, data, aside)
            made = False
            if not full:
                shutil.rmtree(aside, ignore_errors=True)
            return manifest, aside if full else None
    finally:
        if made:
            with contextlib.suppress(OSError):
                (data / LOCK_NAME).unlink()
                data.rmdir()


def _unpack(file: Path, passphrase: str, work: Path) -> Manifest:
    def take(member: TarInfo, content: BinaryIO) -> None:
        path = work / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            shutil.copyfileobj(content, target, _CHUNK_BYTES)
            if target.tell() != member.size:
                raise BackupError(f"{member.name} is cut off")
        os.utime(path, (member.mtime, member.mtime))

    with file.open("rb") as source:
        return read_backup(source, passphrase, take)


@contextmanager
def _work_folder(data: Path) -> Iterator[Path]:
    """A locked folder beside the data folder; deletes unlocked ones, which crashes have left."""
    for old in data.parent.glob(f".{data.name}.restoring-*"):
        with contextlib.suppress(OSError), file_lock(old, wait=False, is_folder=True):
            shutil.rmtree(old, ignore_errors=True)
    work = data.with_name(f".{data.name}.restoring-{secrets.token_hex(4)}")
    work.mkdir(mode=0o700)
    try:
        with file_lock(work, wait=False, is_folder=True):
            yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _holds_something(data: Path) -> bool:
    return any(path.name != LOCK_NAME for path in data.iterdir())


def _swap(work: Path, data: Path, aside: Path) -> None:
    """Make the work folder the data folder, and the data folder `aside`; signals to stop are delayed meanwhile.

    The new content gets the name of the set-aside folder before the exchange: after a kill at any moment no folder that
    may hold a city's only data has the name of a left-over.
    """
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    try:
        work.rename(aside)
        try:
            if not _exchange(aside, data):
                between = aside.with_name(f"{aside.name}.new")
                aside.rename(between)
                data.rename(aside)
                between.rename(data)
        except OSError:
            aside.rename(work)
            raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders atomically; False if the system or the file system cannot."""
    library = ctypes.CDLL(None, use_errno=True)
    exchange = getattr(library, "renameat2", None)
    if exchange is None:
        return False
    if exchange(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS):
        return False
    raise OSError(code, os.strerror(code), str(second))


@contextmanager
def _errors(about: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise BackupError(f"{about}: {exc.strerror or exc}; nothing has changed") from exc


def _interrupt(*_: object) -> None:
    raise BackupError("it was told to stop; nothing has changed")


def _about(manifest: Manifest) -> str:
    return f"{manifest.city}, {len(manifest.files)} files, everything up to {manifest.cut_at:%Y-%m-%d %H:%M:%S} UTC"
