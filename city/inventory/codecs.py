"""Payload codecs: one JavaScript file for each model, in `codecs/` of the city's folder or of the data folder.

Their makers and network servers publish them. A profile names its codec; `ingest.codecs` runs it. Codecs of the data
folder are added while the city runs (`InventoryAdditions`).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from city.inventory.field_types import check_id
from city.inventory.model import Codec
from city.inventory.problems import InventoryError, InventoryProblem, NameTakenError
from city.inventory.tables import Problems
from city.storage.atomic_files import replace_file

FOLDER: Final = "codecs"
SOURCE_MAX_BYTES: Final = 1 << 20


def codec_paths(data: Path) -> list[Path]:
    """Files of the codecs in a data folder, by name."""
    return sorted((data / FOLDER).glob("[!.]*.js"))


def read_codecs(folder: Path, problems: Problems) -> dict[str, Codec]:
    """The codecs of a folder, which need not exist. What is wrong with a file is noted."""
    codecs = {}
    for path in sorted(folder.glob("*.js")):
        name = f"{folder.name}/{path.name}"
        try:
            codecs[check_id(path.stem)] = Codec(path.stem, read_source(path))
        except ValueError as exc:
            problems.append(InventoryProblem(name, "", str(exc)))
    return codecs


def read_saved_codec(path: Path, others: Collection[str]) -> Codec:
    """Read a codec of the data folder.

    Args:
        path: Its file.
        others: Names of the codecs of the city's folder, which a saved one never replaces.

    Raises:
        InventoryError: It has a problem.
    """
    try:
        if path.stem in others:
            raise ValueError("the city's own folder has a codec of that name; rename this file")  # noqa: TRY301
        return Codec(check_id(path.stem), read_source(path))
    except ValueError as exc:
        raise InventoryError([InventoryProblem(f"{FOLDER}/{path.name}", "", str(exc))]) from exc


def save_codec(data: Path, codec: Codec, others: Collection[str]) -> Path:
    """Write a codec durably; every process of the city has it within seconds.

    Args:
        data: The data folder.
        codec: The codec; its id becomes the file's name.
        others: Names that are taken.

    Raises:
        NameTakenError: There is a codec of that name; nothing has changed.
        InventoryError: The name is none, or the script too large; nothing has changed.
        StorageError: The disk refuses; nothing has changed.
    """
    path = data / FOLDER / f"{codec.id}.js"
    source = codec.source.encode()
    try:
        check_id(codec.id)
    except ValueError as exc:
        raise InventoryError([InventoryProblem(codec.id, "name", str(exc))]) from exc
    if len(source) > SOURCE_MAX_BYTES:
        message = f"is larger than {SOURCE_MAX_BYTES >> 10} KiB"
        raise InventoryError([InventoryProblem(codec.id, "source", message)])
    if codec.id in others or path.exists():
        message = "there is a codec of that name; choose another"
        raise NameTakenError([InventoryProblem(codec.id, "name", message)])
    replace_file(path, source, parents=True)
    return path


def read_source(path: Path) -> str:
    """The script in a file.

    Raises:
        ValueError: It cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            source = file.read(SOURCE_MAX_BYTES + 1)
    except OSError as exc:
        raise ValueError(exc.strerror or str(exc)) from exc
    if len(source) > SOURCE_MAX_BYTES:
        raise ValueError(f"is larger than {SOURCE_MAX_BYTES >> 10} KiB")
    return source.decode("utf-8-sig", "replace")
