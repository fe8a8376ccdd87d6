"""Small files that other processes read: replaced atomically, and only if their content changes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from city.errors import ConfigError, StorageError


def replace_file(
    path: Path, content: str | bytes, *, mode: int = 0o600, group: int = -1, parents: bool = False
) -> bool:
    """Replace a file's content atomically: readers see the old or the new one. Returns whether it has changed.

    When it returns, the content survives a power cut.

    Args:
        path: The file.
        content: Text is written as UTF-8.
        mode: Permissions, set before there is content.
        group: Id of the group; -1 keeps ours.
        parents: Whether missing folders are made; otherwise a missing folder is an error.

    Raises:
        StorageError: It cannot be written; the old content is still there.
    """
    part = path.with_name(f".{path.name}.part")
    raw = content.encode() if isinstance(content, str) else content
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if path.read_bytes() == raw and _has(path, mode, group):
                return False
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), mode)
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise StorageError(f"{path}: {exc.strerror or exc}") from exc
    return True


class _Versioned(msgspec.Struct):
    """Any JSON object of ours; without a version it is version 1."""

    version: int = 1


def require_version(raw: bytes, path: Path, known: int = 1) -> None:
    """Refuse a JSON file that a newer version of this program has written; anything but an object passes.

    Raises:
        ConfigError: It is newer.
    """
    try:
        version = msgspec.json.decode(raw, type=_Versioned).version
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if version > known:
        raise ConfigError(
            f"{path}: has version {version}, this program knows {known}: install the version of Jaga Kota that wrote "
            "it, or a newer one; the file was not changed"
        )


def require_kept(path: Path) -> Path:
    """The path of a file that a verb reads and must not create.

    Raises:
        ConfigError: It does not exist.
    """
    if not path.exists():
        raise ConfigError(f"{path}: nothing was kept here yet; does --data name the city's folder?")
    return path


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _has(path: Path, mode: int, group: int) -> bool:
    stat = path.stat()
    return stat.st_mode & 0o777 == mode and group in (-1, stat.st_gid)
