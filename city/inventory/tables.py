"""Reads the inventory's CSV and TOML files into tables, and each table into a type of the inventory, by pydantic.

Every problem is noted with its file, line or table, and field; none hides another one.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import tomllib
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from city.inventory.field_types import References, check_id, show
from city.inventory.problems import InventoryProblem

T = TypeVar("T")
Problems = list[InventoryProblem]
_HEADER: Final = re.compile(r"\[\s*([^\[\]]+?)\s*\]")
_NO_REFERENCES: Final[References] = {}
_MESSAGES: Final = {
    "missing": "is missing",
    "string": "{value} is not a text",
    "bool": "{value} is neither yes nor no",
    "float": "{value} is not a number",
    "finite": "{value} is not a number",
    "int": "{value} is not a whole number",
    "tuple": "{value} is not a list",
    "dict": "is not a table",
}
"""The first word of pydantic's types of errors (`float_parsing`, `float_type`) to plain English."""


class Table:
    """One CSV row or TOML table.

    Args:
        where: File and line, or file and table.
        values: Values of the fields; empty cells are absent.
        problems: Collects problems.
        missing: Columns that the header lacks; noted once, not for every row.
    """

    def __init__(
        self, where: str, values: Mapping[str, object], problems: Problems, missing: Collection[str] = ()
    ) -> None:
        self.where = where
        self.values = values
        self.problems = problems
        self._missing = missing

    def note(self, field: str, message: str) -> None:
        """Note a problem of a field."""
        self.problems.append(InventoryProblem(self.where, field, message))

    def read(
        self,
        type_: type[T],
        references: References = _NO_REFERENCES,
        *,
        also: Collection[str] = (),
        defaults: Mapping[str, object] | None = None,
        **ready: object,
    ) -> T | None:
        """Read the table as a dataclass, or as a dictionary if its keys are free; None if a value is wrong.

        Args:
            type_: The type.
            references: What fields may refer to.
            also: Further keys that the table may have; the caller reads them.
            defaults: Values of absent fields.
            ready: Fields that are not read from the table.
        """
        if dataclasses.is_dataclass(type_):
            self._check_names(_fields(type_), ready, also)
        values = {**(defaults or {}), **self.values, **ready}
        try:
            instance: T = _adapter(cast("Hashable", type_)).validate_python(values, context=references)
        except ValidationError as exc:
            for error in exc.errors(include_url=False):
                self._note_error(type_, error)
            return None
        return instance

    def _check_names(self, fields: Collection[str], ready: Collection[str], also: Collection[str]) -> None:
        for name in self.values:
            if (name not in fields or name in ready) and name not in also:
                known = sorted({*fields} - {*ready} | {*also})
                self.note(name, f"unknown field; known: {', '.join(known)}")

    def _note_error(self, type_: type, error: ErrorDetails) -> None:
        kind, value = error["type"].partition("_")[0], show(error["input"])
        field = ".".join(part for part in error["loc"] if isinstance(part, str) and part != "[key]")
        if kind == "value":
            self.note(field, str(error["ctx"]["error"]))
        elif kind == "literal":
            self.note(field, f"{value} is not one of {', '.join(get_args(get_type_hints(type_)[field]))}")
        elif kind not in _MESSAGES:
            self.note(field, error["msg"])
        elif kind != "missing" or field not in self._missing:
            self.note(field, _MESSAGES[kind].format(value=value))


class TomlTable(Table):
    """A TOML table with the line of its header, or of an outer table's; reads the tables in it.

    Args:
        file: The file's name.
        name: The table's dotted name, empty for the whole file.
        values: Its content.
        problems: Collects problems.
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

    def table(self, field: str) -> TomlTable:
        """A table within this one; empty when it is absent."""
        value = self.values.get(field, {})
        if not isinstance(value, dict):
            self.note(field, "is not a table")
        return self._inner(f"{self._name}.{field}" if self._name else field, value)

    def array_of_tables(self, field: str) -> Iterator[TomlTable]:
        """The tables of an array (`[[name.field]]`), numbered from 1 in messages; none if it is absent."""
        value = self.values.get(field, [])
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            for number, item in enumerate(value, 1):
                yield self._inner(f"{self._name}.{field}[{number}]", item)
        else:
            self.note(field, "is not a list of tables")

    def tables(self) -> Iterator[tuple[str, TomlTable]]:
        """All tables in this one, with their names, which are ids."""
        for name, value in self.values.items():
            inner = self.table(name)
            try:
                check_id(name)
            except ValueError as exc:
                self.note(name, str(exc))
            if isinstance(value, dict):
                yield name, inner

    def _inner(self, name: str, value: object) -> TomlTable:
        return TomlTable(self._file, name, value if isinstance(value, dict) else {}, self.problems, self._lines)


def index_by_id(rows: Iterable[tuple[Table, T | None]], seen: dict[str, str]) -> dict[str, T | None]:
    """Index things by the id of their table; an id that is in `seen` (id to place) already is noted and dropped.

    A thing with a problem is None: its id is known all the same, so that nobody is told of it twice.
    """
    entries: dict[str, T | None] = {}
    for table, entry in rows:
        id_ = table.values.get("id")
        if isinstance(id_, str) and id_ in seen:
            table.note("id", f"{show(id_)} is already in {seen[id_]}")
        elif isinstance(id_, str):
            entries[id_] = entry
            seen[id_] = table.where
    return entries


def read_rows(
    path: Path, type_: type[T], problems: Problems, references: References = _NO_REFERENCES
) -> dict[str, T | None]:
    """The rows of a CSV file as things by their id; None for one with a problem."""
    rows = read_csv(path, *columns_of(type_), problems)
    return index_by_id(((row, row.read(type_, references)) for row in rows), {})


def read_csv(path: Path, required: Collection[str], optional: Collection[str], problems: Problems) -> Iterator[Table]:
    """The rows of a CSV file (UTF-8, comma, header in line 1); rows with a wrong number of cells are noted and skipped.

    Args:
        path: The file; its absence is noted.
        required: Columns that must exist and have a value in every row.
        optional: Further columns.
        problems: Collects problems.
    """
    text = read_text(path, problems)
    if text is None:
        return
    reader = csv.reader(io.StringIO(text, newline=None), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        problems += _header_problems(f"{path.name}:1", header, required, optional)
        missing, known = set(required) - set(header), {*required, *optional}
        for row in reader:
            where = f"{path.name}:{reader.line_num}"
            cells = [cell.strip() for cell in row]
            if len(cells) == len(header):
                values = {name: cell for name, cell in zip(header, cells, strict=True) if cell and name in known}
                if values:
                    yield Table(where, values, problems, missing)
            elif any(cells):
                problems.append(InventoryProblem(where, "", f"{len(cells)} cells under {len(header)} columns"))
    except csv.Error as exc:
        problems.append(InventoryProblem(f"{path.name}:{reader.line_num}", "", str(exc)))


def read_toml(path: Path, problems: Problems, *, name: str = "") -> TomlTable:
    """The top table of a TOML file; empty if it is absent or cannot be parsed, which is noted.

    `name` is the file's name in messages; by default its own.
    """
    return parse_toml(read_text(path, problems, name=name) or "", name or path.name, problems)


def parse_toml(text: str, name: str, problems: Problems) -> TomlTable:
    """The top table of a text of TOML; empty if it cannot be parsed, which is noted with the file's `name`."""
    content: dict[str, Any] = {}
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # a number may have too many digits, tables may be too deep
        problems.append(InventoryProblem(name, "", str(exc)))
    return TomlTable(name, "", content, problems, header_lines(text))


def header_lines(text: str) -> dict[str, int]:
    """Dotted name to line, from 1, of every table header of a text of TOML."""
    headers = ((_HEADER.match(line), number) for number, line in enumerate(text.splitlines(), 1))
    return {header[1]: number for header, number in headers if header}


def read_text(path: Path, problems: Problems, *, name: str = "") -> str | None:
    """A file's text; None if it cannot be read, which is noted."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        message = exc.strerror or str(exc)
    except UnicodeDecodeError as exc:
        message = f"not UTF-8 at byte {exc.start}"
    problems.append(InventoryProblem(name or path.name, "", message))
    return None


def columns_of(type_: type, *, besides: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """The fields of a dataclass without a default, and those with one."""
    fields = [field for field in dataclasses.fields(type_) if field.name not in besides]
    required = [field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING]
    return required, [field.name for field in fields if field.name not in required]


def _header_problems(
    where: str, header: list[str], required: Collection[str], optional: Collection[str]
) -> Iterator[InventoryProblem]:
    for name in sorted(name for name, count in Counter(header).items() if count > 1):
        yield InventoryProblem(where, name, "column twice")
    for name in header:
        if name not in required and name not in optional:
            yield InventoryProblem(where, name, f"unknown column; known: {', '.join((*required, *optional))}")
    for name in sorted(set(required) - set(header)):
        yield InventoryProblem(where, name, "column is missing")


def release_validators() -> None:
    """Free the memory of what reads the types, about 1 MB; the next reading builds it again."""
    _adapter.cache_clear()


@lru_cache(maxsize=32)
def _adapter(type_: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("type", type_))


@lru_cache(maxsize=32)
def _fields(type_: type) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(type_) if field.init)
