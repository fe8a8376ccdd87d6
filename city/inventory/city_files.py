"""The files of a city: those of its folder, and changed copies of them in the data folder, which take precedence.

console -> `city.inventory.editing` -> DATA/inventory/FILE -> `CityFollower` of every process
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

EDITED: Final = "inventory"
"""The folder of changed copies in the data folder."""
EDITABLE: Final = (
    "access_points.csv",
    "alarms.toml",
    "bins.csv",
    "cameras.toml",
    "city.toml",
    "sites.csv",
    "trucks.csv",
)
"""Files of which there may be a changed copy."""
_FOLLOWED: Final = (
    "*.csv",
    "city.toml",
    "cameras.toml",
    "models.toml",
    "shapes.geojson",
    "profiles/*.toml",
    "codecs/*.js",
)
"""Files that the inventory is read from."""
FileStamp = tuple[Path, int, int, int]
"""What a file was: its time of change in ns, its size in bytes, and its inode."""


@dataclass(frozen=True)
class CityFiles:
    """Where the files of a city are.

    Attributes:
        folder: The city's folder, which nobody but its owner changes.
        data: The data folder; None for the folder alone.
    """

    folder: Path
    data: Path | None = None

    def path(self, name: str) -> Path:
        """The file in force: the changed copy, or else the folder's, which need not exist."""
        edited = self.edited_path(name)
        return edited if edited and edited.is_file() else self.folder / name

    def edited_path(self, name: str) -> Path | None:
        """Where the changed copy of a file is; None where there can be none."""
        return self.data / EDITED / name if self.data and name in EDITABLE else None

    def names_of_copies(self) -> list[str]:
        """Names of the files with a changed copy."""
        return [name for name in EDITABLE if (path := self.edited_path(name)) and path.is_file()]

    def stamps(self) -> list[FileStamp]:
        """What the files that the inventory is read from are now."""
        own = [path for pattern in _FOLLOWED for path in sorted(self.folder.glob(pattern))]
        return stamps([*own, *(path for name in EDITABLE if (path := self.edited_path(name)))])


def stamps(paths: Iterable[Path]) -> list[FileStamp]:
    """What files are now; one that does not exist is left out."""
    entries = []
    for path in paths:
        with contextlib.suppress(OSError):  # deleted meanwhile, or a link to nowhere: the others count
            stat = path.stat()
            entries.append((path, stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return entries
