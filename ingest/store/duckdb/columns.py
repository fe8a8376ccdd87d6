"""Tables of the embedded store, and records as numpy arrays per column for DuckDB.

Binding a list parameter costs DuckDB more than the rest of a write together; arrays cost a tenth of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
import numpy as np

from broker.contract.topics import KINDS
from ingest.store.record_batch import ReadingColumns
from ingest.store.records import EventRecord, Reading, Record, RecordOrigin
from ingest.store.schema import COLUMNS

SqlType = Literal["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP"]
Row = tuple[Any, ...]
Rows = dict[str, list[Row]]
"""Table to rows, in the order of the table's columns; times are aware datetimes, None is NULL."""

_SQL_TYPES: Final[dict[str, SqlType]] = {
    "number": "DOUBLE",
    "integer": "BIGINT",
    "flag": "BOOLEAN",
    "text": "VARCHAR",
}
_ORIGIN: Final[dict[str, SqlType]] = {
    "device": "VARCHAR",
    "boot": "VARCHAR",
    "seq": "BIGINT",
    "measured_at": "TIMESTAMP",
    "received_at": "TIMESTAMP",
    "device_at": "TIMESTAMP",
    "quality": "VARCHAR",
}
TABLES: Final[dict[str, dict[str, SqlType]]] = {
    **{f"{kind}_telemetry": {**_ORIGIN, **{f: _SQL_TYPES[t] for f, t in COLUMNS[kind].items()}} for kind in KINDS},
    "events": {"kind": "VARCHAR", **_ORIGIN, "type": "VARCHAR", "state": "VARCHAR", "detail": "VARCHAR"},
    "statuses": {
        "kind": "VARCHAR",
        "device": "VARCHAR",
        "state": "VARCHAR",
        "said_at": "TIMESTAMP",
        "received_at": "TIMESTAMP",
        "reason": "VARCHAR",
        "next_s": "DOUBLE",
        "firmware": "VARCHAR",
        "model": "VARCHAR",
        "outbox_waiting": "BIGINT",
        "outbox_dropped": "BIGINT",
    },
    "seen": {"device": "VARCHAR", "boot": "VARCHAR", "ranges": "VARCHAR"},
    "drained": {"first_position": "BIGINT", "last_position": "BIGINT"},
    "meta": {"name": "VARCHAR", "value": "VARCHAR"},
}


def to_rows(records: Iterable[Record]) -> Rows:
    """Records as rows of their tables."""
    tables: Rows = {}
    for record in records:
        if isinstance(record, Reading):
            kind = record.origin.kind
            table, row = f"{kind}_telemetry", (*_origin(record.origin), *map(record.values.get, COLUMNS[kind]))
        elif isinstance(record, EventRecord):
            detail = msgspec.json.encode(record.detail).decode()
            table = "events"
            row = (record.origin.kind, *_origin(record.origin), record.type, record.state, detail)
        else:
            table = "statuses"
            row = (record.kind, record.device, record.state, record.at, record.received_at, record.reason)
            row = (*row, record.next_s, record.firmware, record.model, record.outbox_waiting, record.outbox_dropped)
        tables.setdefault(table, []).append(row)
    return tables


def _origin(origin: RecordOrigin) -> Row:
    quality = " ".join(origin.quality)
    return (origin.device, origin.epoch, origin.seq, origin.measured_at, origin.received_at, origin.device_at, quality)


def to_arrays(table: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Rows as one array per column: a name for each, `(rows,)` float64, int64, bool, datetime64[us] or object."""
    columns = zip(*rows, strict=True)
    return {name: _ARRAYS[type_](values) for (name, type_), values in zip(TABLES[table].items(), columns, strict=True)}


def arrays_of(columns: ReadingColumns) -> dict[str, Any]:
    """Readings in columns as arrays, as `to_arrays` gives them; fields that no reading has are left out."""
    types = TABLES[f"{columns.kind}_telemetry"]
    origins: dict[str, Sequence[Any]] = {
        "device": columns.devices,
        "boot": columns.epochs,
        "seq": columns.seqs,
        "measured_at": columns.measured_at,
        "received_at": columns.received_at,
        "quality": [" ".join(flags) for flags in columns.qualities],
    }
    return {name: _ARRAYS[types[name]](values) for name, values in {**origins, **columns.values}.items()}


def _nullable_array(type_: type, values: Sequence[Any]) -> Any:  # noqa: ANN401 - numpy's own types say no more
    absent = [value is None for value in values]
    if any(absent):
        return np.ma.array([value or 0 for value in values], mask=absent, dtype=type_)
    return np.array(values, dtype=type_)


def _times(values: Sequence[datetime | None]) -> Any:  # noqa: ANN401
    if None in values:
        return np.array([value and value.astimezone(UTC).replace(tzinfo=None) for value in values], "datetime64[us]")
    # Exact: a double holds today's seconds to a quarter of a microsecond.
    seconds = np.array([value.timestamp() for value in values])  # type: ignore[union-attr]
    return np.rint(seconds * 1e6).astype(np.int64).view("datetime64[us]")


_ARRAYS: Final[dict[SqlType, Callable[[Sequence[Any]], Any]]] = {
    "VARCHAR": lambda values: np.array(values, dtype=object),
    "BIGINT": lambda values: _nullable_array(np.int64, values),
    "DOUBLE": lambda values: np.array(values, dtype=np.float64),  # None becomes NaN, which DuckDB reads as NULL
    "BOOLEAN": lambda values: _nullable_array(np.bool_, values),
    "TIMESTAMP": _times,
}


def to_naive_utc(at: datetime) -> datetime:
    """A time as DuckDB's TIMESTAMP columns have it: UTC without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None)
