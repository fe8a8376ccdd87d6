"""Cases on disk: a folder each, its files written durably, all or none."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.contract.codec import UNREADABLE
from city.atomic_files import require_version

ABOUT_NAME: Final = "case.json"
_PART: Final = ".part"


def write_case(folder: Path, case: str, files: Mapping[str, bytes], about: Mapping[str, Any]) -> dict[str, str]:
    """Write a case's files durably, not yet under its name; the SHA-256 of each.

    Raises:
        OSError: The disk is full or refuses; nothing of the case is left.
    """
    if (folder / case).exists():
        raise FileExistsError(f"{case} is kept already")
    part = part_of(folder, case)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    said = msgspec.json.format(msgspec.json.encode({"version": 1, **about, "case": case, "sha256": hashes}), indent=1)
    try:
        part.mkdir(parents=True, exist_ok=True)
        for name, content in {**files, ABOUT_NAME: said}.items():
            _write(part / name, content)
        _sync(part)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return {**hashes, ABOUT_NAME: hashlib.sha256(said).hexdigest()}


def publish_case(folder: Path, case: str) -> None:
    """Give what `write_case` wrote its name."""
    part_of(folder, case).rename(folder / case)
    _sync(folder)


def part_of(folder: Path, case: str) -> Path:
    """Where a case lies before it has its name."""
    return folder / f".{case}{_PART}"


def unpublished(folder: Path) -> list[Path]:
    """The folder of each case that has no name yet: it is being written, or a crash has left it."""
    return sorted(path for path in folder.glob(f".*{_PART}") if path.is_dir())


def case_of_part(part: Path) -> str:
    """Whose folder `part_of` names."""
    return part.name[1 : -len(_PART)]


def kept_cases(folder: Path) -> list[Path]:
    """The folder of each case, by name."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if path.is_dir() and not path.name.startswith("."))


def read_about(folder: Path, case: str) -> dict[str, Any]:
    """What `case.json` says; empty when there is none.

    Raises:
        ConfigError: A newer version of this program has written it.
    """
    path = folder / case / ABOUT_NAME
    try:
        raw = path.read_bytes()
        require_version(raw, path)
        said = msgspec.json.decode(raw)
    except (OSError, *UNREADABLE):
        return {}
    return said if isinstance(said, dict) else {}


def hash_file(path: Path) -> str | None:
    """A file's SHA-256, None when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def bytes_kept(folder: Path) -> int:
    """What all cases take, in bytes."""
    return sum(path.stat().st_size for case in kept_cases(folder) for path in case.iterdir())


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
