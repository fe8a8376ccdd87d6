"""Measurements and columns every store shares: one measurement per kind, one column per contract field."""

from __future__ import annotations

from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from broker.contract.payloads import TELEMETRY, fields_of
from broker.contract.topics import KINDS, Kind
from ingest.store.records import Value

ColumnType = Literal["number", "integer", "flag", "text"]

_TYPES: Final[dict[Any, ColumnType]] = {float: "number", int: "integer", bool: "flag"}


def _column_type(annotation: Any) -> ColumnType:  # noqa: ANN401 - a type annotation can be anything
    """The column type behind `Annotated[...] | None`; lists and mappings are kept as JSON text."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    return _TYPES.get(annotation, "text")


def _columns_of(kind: Kind) -> dict[str, ColumnType]:
    hints = get_type_hints(TELEMETRY[kind])
    return {field: _column_type(hints[field]) for field in fields_of(kind)}


COLUMNS: Final[dict[Kind, dict[str, ColumnType]]] = {kind: _columns_of(kind) for kind in KINDS}
"""Kind to field to column type, in the order of the contract."""

_TEXT_COLUMNS: Final = {
    kind: {f for f, type_ in columns.items() if type_ == "text"} for kind, columns in COLUMNS.items()
}


def to_columns(kind: Kind, values: dict[str, Any]) -> dict[str, Value]:
    """Values as they are stored: lists and mappings become JSON text."""
    texts = _TEXT_COLUMNS[kind] & values.keys()
    return {**values, **{name: msgspec.json.encode(values[name]).decode() for name in texts}} if texts else values
