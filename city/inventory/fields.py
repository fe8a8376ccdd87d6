"""Reads the inventory's CSV and TOML files field by field; notes every mistake with its file, line and field."""

from __future__ import annotations

import csv
import io
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from broker.contract.topics import require_id
from city.errors import ConfigError, TopicError
from city.inventory.model import Scalar


class _Named(Protocol):
    @property
    def id(self) -> str: ...


C = TypeVar("C", bound=str)
T = TypeVar("T", bound=_Named)
_MISSING: Final = object()
_HEADER: Final = re.compile(r"\[\s*([^\[\]]+?)\s*\]")


class Problems:
    """Collects the mistakes of an inventory, so that one run reports all of them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, where: str, message: str) -> None:
        """Note one mistake."""
        self.lines.append(f"{where}: {message}")

    def raise_any(self) -> None:
        """Raise if any mistake was noted.

        Raises:
            ConfigError: One mistake per line.
        """
        if self.lines:
            raise ConfigError("\n".join(self.lines))


class FieldReader:
    """The fields of one CSV row or TOML table.

    The methods note mistakes and return a placeholder of the right type, so that reading goes on; the loader raises at
    its end and returns nothing built from placeholders.

    Args:
        where: File and line, or file and table.
        values: Values of the fields; empty cells are absent.
        problems: Collects mistakes.
        missing: Fields that the header lacks; noted once, not for every row.
    """

    def __init__(
        self, where: str, values: Mapping[str, object], problems: Problems, missing: frozenset[str] = frozenset()
    ) -> None:
        self.where = where
        self.problems = problems
        self._values = values
        self._missing = missing
        self._read: set[str] = set()

    def note(self, field: str, message: str) -> None:
        """Note a mistake in a field."""
        self.problems.add(f"{self.where}: {field}", message)

    def has(self, field: str) -> bool:
        """Whether a field is present."""
        return field in self._values

    def raw(self, field: str, default: object = _MISSING) -> Any:  # noqa: ANN401 - whatever the file holds
        """A field as it is; None when it is absent and has no default."""
        self._read.add(field)
        if field in self._values:
            return self._values[field]
        if default is not _MISSING:
            return default
        if field not in self._missing:
            self.note(field, "is missing")
        return None

    def text(self, field: str, default: object = _MISSING) -> str:
        """A text."""
        value = self.raw(field, default)
        if value is not None and not isinstance(value, str):
            self.note(field, f"{value!r} is not a text")
        return value if isinstance(value, str) else ""

    def flag(self, field: str) -> bool:
        """A yes or a no; absent means no."""
        value = self.raw(field, "no")
        if value not in ("yes", "no", True, False):
            self.note(field, f"{value!r} is neither yes nor no")
        return value in ("yes", True)

    def identifier(self, field: str = "id") -> str:
        """A text that is an id of the contract."""
        value = self.text(field)
        if value:
            self.require_id(field, value)
        return value

    def require_id(self, field: str, text: str) -> None:
        """Note a text that is not an id of the contract."""
        try:
            require_id(text, "")
        except TopicError as exc:
            self.note(field, str(exc).strip())

    def choice(self, field: str, allowed: tuple[C, ...]) -> C:
        """One of a closed list of texts."""
        value = self.raw(field)
        if value in allowed:
            return allowed[allowed.index(value)]
        if value is not None:
            self.note(field, f"{value!r} is not one of {', '.join(allowed)}")
        return allowed[0]

    def number(self, field: str, low: float, high: float, default: object = _MISSING) -> float:
        """A finite number in `low`..`high`."""
        return self.optional_number(field, low, high, default) or 0.0

    def optional_number(self, field: str, low: float, high: float, default: object = None) -> float | None:
        """A finite number in `low`..`high`; None when the field is absent."""
        value = self.raw(field, default)
        if value is None:
            return None
        number = to_number(value)
        if number is None:
            self.note(field, f"{value!r} is not a number")
        elif not low <= number <= high:
            self.note(field, f"{number:g} is outside {low:g}..{high:g}")
        return number

    def reference(self, field: str, known: Mapping[str, object], noun: str, default: object = _MISSING) -> str:
        """A text that is a key of `known`; the default is not looked up."""
        value = self.text(field, default)
        if value not in known and self.has(field):
            self.note(field, f"there is no {noun} {value!r}")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """A text or a list of texts; none where it is absent."""
        value = self.raw(field, [])
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
            self.note(field, f"{value!r} is neither a text nor a list of texts")
            return ()
        return tuple(texts)

    def scalar(self, field: str) -> Scalar:
        """A text, a number, or true or false."""
        return self._scalar(field, self.raw(field))

    def scalars(self, field: str) -> tuple[Scalar, ...]:
        """A list of texts, numbers, or true and false; empty where it is absent."""
        return tuple(self._scalar(field, value) for value in self._list(field))

    def numbers(self, field: str) -> tuple[float, ...]:
        """A list of numbers, empty where it is absent."""
        found = [to_number(value) for value in self._list(field)]
        if None in found:
            self.note(field, "holds something that is not a number")
        return tuple(number for number in found if number is not None)

    def _list(self, field: str) -> list[Any]:
        value = self.raw(field, [])
        if isinstance(value, list):
            return value
        self.note(field, f"{value!r} is not a list")
        return []

    def _scalar(self, field: str, value: object) -> Scalar:
        if isinstance(value, str | int | float):
            return value
        self.note(field, f"{value!r} is neither a text, a number nor true or false")
        return None

    def values(self) -> Mapping[str, object]:
        """Everything as it was found."""
        return self._values

    def names(self) -> list[str]:
        """The fields that are present, of a table whose keys are free."""
        self._read.update(self._values)
        return list(self._values)

    def close(self) -> None:
        """Note every field that nobody read: a misspelt name must not pass as a default."""
        for field in self._values:
            if field not in self._read:
                self.note(field, f"unknown field; known: {', '.join(sorted(self._read))}")


class TomlTable(FieldReader):
    """A TOML table with the line of its header, or of an outer table's; reads the tables in it.

    Args:
        file: The file's name.
        name: The table's dotted name, empty for the whole file.
        values: Its content.
        problems: Collects mistakes.
        lines: Dotted name to line of every table header of the file.
    """

    def __init__(
        self, file: str, name: str, values: Mapping[str, object], problems: Problems, lines: Mapping[str, int]
    ) -> None:
        header = name
        while header and header not in lines:
            header = header.rpartition(".")[0]
        line = f":{lines[header]}" if header else ""
        super().__init__(f"{file}{line} [{name}]" if name else file, values, problems)
        self._file = file
        self._name = name
        self._lines = lines

    def with_values(self, values: Mapping[str, object]) -> TomlTable:
        """This table with other values."""
        return TomlTable(self._file, self._name, values, self.problems, self._lines)

    def table(self, field: str, default: object = _MISSING) -> TomlTable:
        """A table within this one; empty when it is absent."""
        value = self.raw(field, default)
        if value is not None and not isinstance(value, dict):
            self.note(field, "is not a table")
        name = f"{self._name}.{field}" if self._name else field
        return TomlTable(self._file, name, value if isinstance(value, dict) else {}, self.problems, self._lines)

    def array_of_tables(self, field: str) -> Iterator[TomlTable]:
        """The tables of an array (`[[name.field]]`), numbered from 1 in messages; none if it is absent."""
        value = self.raw(field, [])
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            for number, item in enumerate(value, 1):
                yield TomlTable(self._file, f"{self._name}.{field}[{number}]", item, self.problems, self._lines)
        else:
            self.note(field, "is not a list of tables")

    def tables(self) -> Iterator[tuple[str, TomlTable]]:
        """All tables in this one, with their names, which are ids."""
        for name, value in self._values.items():
            inner = self.table(name)
            self.require_id(name, name)
            if isinstance(value, dict):
                yield name, inner


def index_by_id(found: Iterable[tuple[FieldReader, T]], seen: dict[str, str]) -> dict[str, T]:
    """Index things by id; an id that is in `seen` (id to place) already is noted and dropped."""
    things: dict[str, T] = {}
    for fields, thing in found:
        if thing.id in seen:
            fields.note("id", f"{thing.id!r} is already in {seen[thing.id]}")
        elif thing.id:
            things[thing.id] = thing
            seen[thing.id] = fields.where
    return things


def read_csv(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...], problems: Problems
) -> Iterator[FieldReader]:
    """The rows of a CSV file (UTF-8, comma, header in line 1); rows with a wrong number of cells are noted and skipped.

    Args:
        path: The file; its absence is noted.
        required: Columns that must exist and have a value in every row.
        optional: Further columns.
        problems: Collects mistakes.
    """
    text = read_text(path, problems)
    reader = csv.reader(io.StringIO(text, newline=None), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        # A file that could not be read was noted; its header is not worth another line.
        missing = _check_header(f"{path.name}:1", header, (required, optional), problems) if text else frozenset()
        for row in reader:
            where = f"{path.name}:{reader.line_num}"
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if len(cells) != len(header):
                problems.add(where, f"{len(cells)} cells under {len(header)} columns")
                continue
            found = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
            yield FieldReader(where, found, problems, missing)
    except csv.Error as exc:
        problems.add(f"{path.name}:{reader.line_num}", str(exc))


def read_toml(path: Path, problems: Problems, *, name: str = "") -> TomlTable:
    """The top table of a TOML file; empty if it is absent or cannot be parsed, which is noted.

    `name` is the file's name in messages; by default its own.
    """
    text = read_text(path, problems, name=name)
    found: dict[str, Any] = {}
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        problems.add(name or path.name, str(exc))
    headers = ((_HEADER.match(line), number) for number, line in enumerate(text.splitlines(), 1))
    return TomlTable(
        name or path.name, "", found, problems, {header[1]: number for header, number in headers if header}
    )


def read_text(path: Path, problems: Problems, *, name: str = "") -> str:
    """A file's text; empty if it cannot be read, which is noted."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        problems.add(name or path.name, exc.strerror or str(exc))
    except UnicodeDecodeError as exc:
        problems.add(name or path.name, f"not UTF-8 at byte {exc.start}")
    return ""


def to_number(value: object) -> float | None:
    """A finite number out of a cell's text or a TOML number; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _check_header(
    where: str, header: list[str], columns: tuple[tuple[str, ...], tuple[str, ...]], problems: Problems
) -> frozenset[str]:
    required, optional = columns
    for name in _duplicates(header):
        problems.add(f"{where}: {name}", "column twice")
    for name in header:
        if name not in required and name not in optional:
            problems.add(f"{where}: {name}", f"unknown column; known: {', '.join((*required, *optional))}")
    missing = frozenset(required) - frozenset(header)
    for name in sorted(missing):
        problems.add(f"{where}: {name}", "column is missing")
    return missing


def _duplicates(names: Iterable[str]) -> list[str]:
    listed = list(names)
    return sorted({name for name in listed if listed.count(name) > 1})
