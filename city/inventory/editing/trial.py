"""Tries a change: reads the whole city as it would be, by the same code as every process and `kota check`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from city.errors import ConfigError
from city.inventory.additions import InventoryAdditions, problems_of
from city.inventory.city_files import EDITED, CityFiles
from city.inventory.loader import load_city
from city.inventory.model import City
from city.inventory.problems import InventoryProblem
from city.inventory.provider import LiveInventory

_FOLDERS: Final = (EDITED, "codecs", "devices", "profiles")
"""What the inventory is read from in the data folder."""

Check = Callable[[CityFiles, City], Iterable[InventoryProblem]]
"""Says what else is wrong with a city, such as its rules of alarms."""


def problems_of_change(
    files: CityFiles, name: str, text: str | None, checks: Sequence[Check]
) -> tuple[InventoryProblem, ...]:
    """What would be wrong with the city if a file had another text.

    Problems of what was added in the data folder count only if they are new: such a file costs itself alone.

    Args:
        files: Where the files are; there is a data folder.
        name: The file, relative to the city's folder, or to the data folder for an adopted device.
        text: Its text; None if there is none.
        checks: Further checks.
    """
    assert files.data is not None  # noqa: S101 - only a city with a data folder is changed
    with TemporaryDirectory(prefix="kota-trial-") as folder:
        _mirror(files.data, Path(folder))
        _put(Path(folder), name, text)
        trial = CityFiles(files.folder, Path(folder))
        try:
            city = load_city(trial.folder, trial.data)
        except ConfigError as exc:
            return problems_of(exc)
        further = [problem for check in checks for problem in check(trial, city)]
        added = _added_problems(Path(folder), city)
    if not added:
        return tuple(further)
    try:
        known = _added_problems(files.data, load_city(files.folder, files.data))
    except ConfigError:
        known = ()
    return (*further, *(problem for problem in added if problem not in known))


def _added_problems(data: Path, city: City) -> tuple[InventoryProblem, ...]:
    return InventoryAdditions(data, LiveInventory(city), is_trial=True).problems


def _mirror(data: Path, folder: Path) -> None:
    for name in _FOLDERS:
        (folder / name).mkdir()
        for path in (data / name).glob("[!.]*"):
            if path.is_file():
                (folder / name / path.name).symlink_to(path.resolve())


def _put(folder: Path, name: str, text: str | None) -> None:
    path = folder / name if name.startswith("devices/") else folder / EDITED / name
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text, encoding="utf-8", newline="")
