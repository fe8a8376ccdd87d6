"""A text of CSV of which single cells are changed: quotes, blanks, line endings and all other rows stay as they are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

_CELL: Final = re.compile(r'("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n|\r|\n|\Z)')
"""A cell as it is written, and what ends it."""
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_BOM: Final = "\ufeff"
_NEEDS_QUOTES: Final = frozenset(',"\r\n')
_ID: Final = "id"


@dataclass(frozen=True)
class CsvRow:
    """One record: its cells as they are written, its line ending, and the line (from 1) on which it begins."""

    cells: tuple[str, ...]
    ending: str
    line: int

    @property
    def values(self) -> tuple[str, ...]:
        """What the cells say, without quotes and without blanks around."""
        return tuple(_value(cell) for cell in self.cells)

    def text(self) -> str:
        """The record as it is written."""
        return ",".join(self.cells) + self.ending


@dataclass(frozen=True)
class CsvText:
    """The records of a text; the first is the header. Rows are found by the column `id`."""

    bom: str
    header: CsvRow
    rows: tuple[CsvRow, ...]

    def text(self) -> str:
        """The whole text."""
        return self.bom + "".join(row.text() for row in (self.header, *self.rows))

    def entries(self) -> Iterator[tuple[dict[str, str], int]]:
        """Column to value of each row, without empty cells, and its line."""
        names = self.header.values
        for row in self.rows:
            values = dict(zip(names, row.values, strict=False))
            if fields := {name: value for name, value in values.items() if value}:
                yield fields, row.line

    def with_row(self, id_: str, fields: Mapping[str, str]) -> CsvText:
        """The text with the row of an id changed to these fields, or with a new row at the end.

        A column that the text lacks is added if its field has a value. Other columns of the row become empty.
        """
        text = _with_columns(self, [name for name, value in fields.items() if value])
        wanted = [{**fields, _ID: id_}.get(name, "") for name in text.header.values]
        index = _index_of(text, id_)
        if index is None:
            return _with_new_row(text, tuple(_cell(value) for value in wanted))
        row = text.rows[index]
        cells = (*row.cells, *[""] * (len(wanted) - len(row.cells)))
        changed = [cell if _value(cell) == value else _cell(value) for cell, value in zip(cells, wanted, strict=False)]
        return replace(text, rows=(*text.rows[:index], replace(row, cells=tuple(changed)), *text.rows[index + 1 :]))

    def without_row(self, id_: str) -> CsvText:
        """The text without the row of an id.

        Raises:
            KeyError: There is none.
        """
        index = _index_of(self, id_)
        if index is None:
            raise KeyError(id_)
        return replace(self, rows=(*self.rows[:index], *self.rows[index + 1 :]))


def _index_of(text: CsvText, id_: str) -> int | None:
    try:
        column = text.header.values.index(_ID)
    except ValueError:
        return None
    return next((n for n, row in enumerate(text.rows) if row.values[column : column + 1] == (id_,)), None)


def _with_columns(text: CsvText, names: Sequence[str]) -> CsvText:
    new = [name for name in names if name not in text.header.values and name != _ID]
    if not new:
        return text
    header = replace(text.header, cells=(*text.header.cells, *map(_cell, new)))
    rows = tuple(replace(row, cells=(*row.cells, *[""] * len(new))) if any(row.cells) else row for row in text.rows)
    return replace(text, header=header, rows=rows)


def _with_new_row(text: CsvText, cells: tuple[str, ...]) -> CsvText:
    ending = text.header.ending or "\n"
    before = list(text.rows)
    if before and not before[-1].ending:
        before[-1] = replace(before[-1], ending=ending)
    header = replace(text.header, ending=ending)
    return replace(text, header=header, rows=(*before, CsvRow(cells, ending, 0)))


def parse_csv(text: str) -> CsvText:
    """The records of a text.

    Raises:
        ValueError: It is no CSV as the inventory reads it; says why.
    """
    bom = _BOM if text.startswith(_BOM) else ""
    records = list(_records(text[len(bom) :]))
    if not records:
        raise ValueError("has no header")
    parsed = CsvText(bom, records[0], tuple(records[1:]))
    reader = csv.reader(io.StringIO(text[len(bom) :], newline=None), strict=True)
    try:
        expected = [tuple(cell.strip() for cell in row) for row in reader]
    except csv.Error as exc:
        raise ValueError(str(exc)) from exc
    if expected != [row.values if row.cells != ("",) else () for row in records]:
        raise ValueError("is written in a way that only a text editor can change")
    return parsed


def _records(text: str) -> Iterator[CsvRow]:
    """The records; a quoted cell may have commas and line ends."""
    cells: list[str] = []
    position, line, first_line, is_open = 0, 1, 1, False
    while position < len(text) or is_open:
        match = _CELL.match(text, position)
        if match is None:
            raise ValueError(f"line {line}: a quote is not closed")
        cell, end = match.groups()
        cells.append(cell)
        position, is_open = match.end(), end == ","
        line += len(_LINE_END.findall(cell + end))
        if not is_open:
            yield CsvRow(tuple(cells), end, first_line)
            cells, first_line = [], line


def _value(cell: str) -> str:
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return (cell[1:-1].replace('""', '"') if is_quoted else cell).strip()


def _cell(value: str) -> str:
    quoted = value.replace('"', '""')
    return f'"{quoted}"' if _NEEDS_QUOTES & set(value) else value
