"""Files of cases on disk: a folder for each case; its files are written durably, all or none."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.contract.codec import UNREADABLE
from city.storage.atomic_files import require_version

ABOUT_NAME: Final = "case.json"
_PART: Final = ".part"


def write_case(folder: Path, case: str, files: Mapping[str, bytes], about: Mapping[str, Any]) -> dict[str, str]:
    """Write a case's files durably under a temporary name; returns the SHA-256 of each.

    Raises:
        OSError: The disk is full or refuses; nothing of the case is left.
    """
    if (folder / case).exists():
        raise FileExistsError(f"{case} is kept already")
    part = part_path(folder, case)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    about_json = msgspec.json.format(
        msgspec.json.encode({"version": 1, **about, "case": case, "sha256": hashes}), indent=1
    )
    try:
        part.mkdir(parents=True, exist_ok=True)
        for name, content in {**files, ABOUT_NAME: about_json}.items():
            _write(part / name, content)
        _sync(part)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return {**hashes, ABOUT_NAME: hashlib.sha256(about_json).hexdigest()}


def publish_case(folder: Path, case: str) -> None:
    """Rename the folder of `write_case` to the case's id."""
    part_path(folder, case).rename(folder / case)
    _sync(folder)


def part_path(folder: Path, case: str) -> Path:
    """Temporary folder of a case before it is published."""
    return folder / f".{case}{_PART}"


def unpublished_cases(folder: Path) -> list[Path]:
    """Folders of cases that are not published: being written, or left by a crash."""
    return sorted(path for path in folder.glob(f".*{_PART}") if path.is_dir())


def case_of_part(part: Path) -> str:
    """Case id of a folder of `part_path`."""
    return part.name[1 : -len(_PART)]


def kept_cases(folder: Path) -> list[Path]:
    """Folders of the published cases, sorted by name."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in paths if path.is_dir() and not path.name.startswith("."))


def read_about(folder: Path, case: str) -> dict[str, Any]:
    """Contents of `case.json`; empty if there is none or it cannot be read.

    Raises:
        ConfigError: A newer version of this program has written it.
    """
    path = folder / case / ABOUT_NAME
    try:
        raw = path.read_bytes()
        require_version(raw, path)
        about = msgspec.json.decode(raw)
    except (OSError, *UNREADABLE):
        return {}
    return about if isinstance(about, dict) else {}


def hash_file(path: Path) -> str | None:
    """A file's SHA-256, None when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def bytes_kept(folder: Path) -> int:
    """Size of all cases in bytes."""
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
