"""Problems of an inventory: where each one is, in which field, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from city.errors import ConfigError


class InventoryProblem(msgspec.Struct, frozen=True):
    """One problem. `where`: file with line or table, or the device; `field`: empty if it is not of a single field."""

    where: str
    field: str
    message: str

    def __str__(self) -> str:
        """The problem as one line for people, without control characters."""
        line = ": ".join(part for part in (self.where, self.field, self.message) if part)
        return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


class InventoryError(ConfigError):
    """An inventory or an adoption has problems; its text has one of them per line.

    Args:
        problems: All of them, in the order of reading.
    """

    def __init__(self, problems: Iterable[InventoryProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class NameTakenError(InventoryError):
    """What is to be saved has the name of another one."""
