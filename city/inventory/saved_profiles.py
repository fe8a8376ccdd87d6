"""Profiles saved while the city runs: one file each, beside those of the project and of the city's own folder.

console or `kota device draft` -> `save_profile` -> DATA/profiles/NAME.toml -> `InventoryAdditions` of every process
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from city.inventory.field_types import check_id
from city.inventory.model import Profile
from city.inventory.problems import InventoryError, InventoryProblem, NameTakenError
from city.inventory.profile_toml import to_toml
from city.inventory.profiles import parse_profile
from city.inventory.tables import Problems, read_text
from city.storage.atomic_files import replace_file

FOLDER: Final = "profiles"
MAX_BYTES: Final = 262_144
"""Size of a file; a profile of every field has a few thousand bytes."""


def profile_path(data: Path, name: str) -> Path:
    """Path of a saved profile."""
    return data / FOLDER / f"{name}.toml"


def saved_paths(data: Path) -> list[Path]:
    """Files of the saved profiles, by name."""
    return sorted((data / FOLDER).glob("[!.]*.toml"))


def read_saved_profile(path: Path, others: Collection[str], codecs: Collection[str] = ()) -> Profile:
    """Read a saved profile.

    Args:
        path: Its file.
        others: Names of the profiles of the project and of the city's own folder, which a saved one never replaces.
        codecs: Names of the city's codecs.

    Raises:
        InventoryError: It has problems.
    """
    where = f"{FOLDER}/{path.name}"
    problems: Problems = list(_name_problems(path, where, others))
    text = None if problems else read_text(path, problems, name=where)
    profile = None if text is None else parse_profile(text, path.stem, where, problems, codecs)
    if problems or profile is None:
        raise InventoryError(problems)
    return profile


def _name_problems(path: Path, where: str, others: Collection[str]) -> Iterator[InventoryProblem]:
    try:
        check_id(path.stem)
    except ValueError as exc:
        yield InventoryProblem(where, "file name", str(exc))
    if path.stem in others:
        message = "the project or the city's own folder has a profile of that name; rename this file"
        yield InventoryProblem(where, "file name", message)
    if _size(path) > MAX_BYTES:
        yield InventoryProblem(where, "", f"is larger than {MAX_BYTES} bytes")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # the reader says why it cannot be read


def save_profile(data: Path, profile: Profile, others: Collection[str]) -> Path:
    """Write a profile durably; every process of the city has it within seconds.

    Args:
        data: The data folder.
        profile: The profile; its id becomes the file's name.
        others: Names that are taken.

    Raises:
        NameTakenError: There is a profile of that name; nothing has changed.
        InventoryError: It has problems; nothing has changed.
        StorageError: The disk refuses; nothing has changed.
    """
    text = to_toml(profile)
    try:
        path = profile_path(data, check_id(profile.id))
    except ValueError as exc:
        raise InventoryError([InventoryProblem(profile.id, "name", str(exc))]) from exc
    if profile.id in others or path.exists():
        raise NameTakenError([InventoryProblem(profile.id, "name", "there is a profile of that name; choose another")])
    _check_text(profile, text)
    replace_file(path, text, parents=True)
    return path


def _check_text(profile: Profile, text: str) -> None:
    """Read the text as it will be read from the folder.

    Raises:
        InventoryError: It has problems, or reads as another profile.
    """
    problems: Problems = []
    reread = parse_profile(text, profile.id, profile.id, problems, (profile.codec,))
    if problems:
        raise InventoryError(problems)
    if reread != profile:
        raise InventoryError([InventoryProblem(profile.id, "", "cannot be written as TOML so that it reads the same")])
