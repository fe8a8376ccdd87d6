"""What is checked besides the inventory before a file of the city is changed: the rules of alarms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from city.errors import ConfigError
from city.inventory.city_files import CityFiles
from city.inventory.editing.trial import Check
from city.inventory.model import City
from city.inventory.problems import InventoryProblem
from dispatch.alarms.rules import FILE_NAME, load_rules


def check_rules(files: CityFiles, _city: City) -> Iterator[InventoryProblem]:
    """What is wrong with the rules of alarms."""
    try:
        load_rules(files.folder, files.data)
    except ConfigError as exc:
        yield InventoryProblem(FILE_NAME, "", str(exc).removeprefix(f"{files.path(FILE_NAME)}: "))


CHECKS: Final[tuple[Check, ...]] = (check_rules,)
