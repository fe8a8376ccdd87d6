"""Small files that others read while we write them: replaced as a whole, and only when they change."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from broker.contract.errors import ConfigError


def replace_file(path: Path, text: str, *, mode: int = 0o600, group: int = -1) -> bool:
    """Give a file this content, so that a reader sees the old one or the new one; whether it had another.

    Args:
        path: The file; its folder must be there.
        text: The content.
        mode: Permissions, set before there is content.
        group: Id of the group it belongs to; -1 leaves ours.

    Raises:
        ConfigError: It cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with contextlib.suppress(FileNotFoundError):
            if path.read_text(encoding="utf-8") == text and _has(path, mode, group):
                return False
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise ConfigError(f"{path}: {exc.strerror or exc}") from exc
    return True


def _has(path: Path, mode: int, group: int) -> bool:
    found = path.stat()
    return found.st_mode & 0o777 == mode and group in (-1, found.st_gid)
