"""Reads payload codecs: one JavaScript file per model in the `codecs/` of a city's folder.

Their makers and network servers publish them. A profile names its codec; `ingest.codecs` runs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from city.inventory.field_types import check_id
from city.inventory.model import Codec
from city.inventory.problems import InventoryProblem
from city.inventory.tables import Problems

SOURCE_MAX_BYTES: Final = 1 << 20


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
