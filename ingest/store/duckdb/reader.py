"""Queries on the embedded store's file; identifiers come from the contract, values are always parameters."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import duckdb
import msgspec

from broker.contract.topics import KINDS, Kind
from city.errors import PayloadError
from ingest.store.duckdb.columns import TABLES, to_naive_utc
from ingest.store.port import (
    MAX_EVENTS,
    MAX_POINTS,
    Aggregate,
    EventQuery,
    FieldValue,
    Latest,
    SeriesPoint,
    SeriesQuery,
    StoredSequences,
    check_series,
)
from ingest.store.records import EventRecord, Reading, Record, RecordOrigin, StatusRecord, time_of
from ingest.store.schema import COLUMNS

FETCHED: Final = 4_000
"""Rows that an export holds in memory at once."""
_TIMES: Final = {
    **{f"{kind}_telemetry": "measured_at" for kind in KINDS},
    "events": "measured_at",
    "statuses": "received_at",
}
"""Table to its time column."""

_AGGREGATES: Final[dict[Aggregate, str]] = {
    "mean": "avg({0})",
    "min": "min({0})",
    "max": "max({0})",
    "last": "arg_max({0}, (measured_at, seq))",
    "sum": "sum({0})",
    "count": "count({0})",
}

_STORED_SEQUENCES: Final = """
WITH rows AS ({tables}),
counted AS (SELECT device, boot, seq, count(*) AS times FROM rows GROUP BY ALL),
grouped AS (SELECT *, seq - row_number() OVER (PARTITION BY device, boot ORDER BY seq) AS run FROM counted)
SELECT device, boot, min(seq), max(seq), sum(times)::BIGINT, sum(times - 1)::BIGINT
FROM grouped GROUP BY device, boot, run ORDER BY device, boot, min(seq)
"""


def read_latest(db: duckdb.DuckDBPyConnection) -> list[Latest]:
    """Last values of every device; one pass over each kind's rows, at start only."""
    latest_by_device = {latest.device: latest for kind in KINDS for latest in _read_latest_of(db, kind)}
    statement = (
        "SELECT device, last(kind ORDER BY seen), last(state ORDER BY seen), last(said_at ORDER BY seen), "
        "max(received_at), last(reason ORDER BY seen), last(next_s ORDER BY seen), "
        "last(outbox_waiting ORDER BY seen) FILTER (outbox_waiting NOTNULL), "
        "last(outbox_dropped ORDER BY seen) FILTER (outbox_dropped NOTNULL) "
        "FROM (SELECT *, (received_at, rowid) AS seen FROM statuses) GROUP BY device"
    )
    for device, kind, state, at, received_at, reason, next_s, waiting, dropped in db.execute(statement).fetchall():
        arrived = aware_utc(received_at)
        base = latest_by_device.get(device) or Latest(kind, device, {}, None, arrived)
        latest_by_device[device] = msgspec.structs.replace(
            base,
            state=state,
            state_at=arrived,
            state_said_at=aware_utc(at) if at else None,
            state_reason=reason,
            next_s=next_s,
            outbox_waiting=waiting,
            outbox_dropped=dropped,
            received_at=max(base.received_at, arrived),
        )
    return list(latest_by_device.values())


def _read_latest_of(db: duckdb.DuckDBPyConnection, kind: Kind) -> list[Latest]:
    newest = ", ".join(
        f"arg_max({f}, measured_at), max(measured_at) FILTER (WHERE {f} IS NOT NULL)" for f in COLUMNS[kind]
    )
    statement = (
        f"SELECT device, max(measured_at), max(received_at), arg_max(quality, measured_at), {newest} "  # noqa: S608 - the contract's names
        f"FROM {kind}_telemetry GROUP BY device"
    )
    latest = []
    for device, measured_at, received_at, quality, *pairs in db.execute(statement).fetchall():
        values = {
            field: FieldValue(pairs[2 * i], aware_utc(pairs[2 * i + 1]))
            for i, field in enumerate(COLUMNS[kind])
            if pairs[2 * i] is not None
        }
        words = tuple(quality.split())
        latest.append(Latest(kind, device, values, aware_utc(measured_at), aware_utc(received_at), words))
    return latest


def read_series(db: duckdb.DuckDBPyConnection, query: SeriesQuery, kind: Kind | None) -> list[SeriesPoint]:
    """Points of one field of a device of a known kind; none when the kind is unknown or lacks the field.

    Raises:
        PayloadError: See `TelemetryReader.series`.
    """
    check_series(query)
    if kind is None or query.field not in COLUMNS[kind]:
        return []
    flag = COLUMNS[kind][query.field] == "flag"
    value = f"CAST({query.field} AS DOUBLE)" if flag and query.every_s else query.field
    where = f"FROM {kind}_telemetry WHERE device = ? AND measured_at >= ? AND measured_at < ? AND {query.field} NOTNULL"
    parameters: list[Any] = [query.device, to_naive_utc(query.start), to_naive_utc(query.end)]
    if query.every_s is None:
        statement = f"SELECT measured_at, {value} {where} ORDER BY measured_at, seq LIMIT {MAX_POINTS + 1}"
    else:
        bucket = "make_timestamp(CAST(floor(epoch(measured_at) / ?) * ? * 1000000 AS BIGINT))"
        aggregate = _AGGREGATES[query.aggregate].format(value)
        statement = f"SELECT {bucket} AS bucket, {aggregate} {where} GROUP BY bucket ORDER BY bucket"
        parameters = [query.every_s, query.every_s, *parameters]
    rows = db.execute(statement, parameters).fetchall()
    if len(rows) > MAX_POINTS:
        raise PayloadError(f"more than {MAX_POINTS} points; ask with buckets")
    return [SeriesPoint(aware_utc(at), point) for at, point in rows]


def read_events(db: duckdb.DuckDBPyConnection, query: EventQuery) -> list[EventRecord]:
    """Events that match, newest first."""
    statement = (
        "SELECT kind, device, boot, seq, measured_at, received_at, device_at, quality, type, state, detail FROM events "
        "WHERE measured_at >= $1 AND measured_at < $2 AND ($3 IS NULL OR device = $3) AND ($4 IS NULL OR kind = $4) "
        "AND (len($5::VARCHAR[]) = 0 OR type IN (SELECT unnest($5::VARCHAR[]))) "
        "ORDER BY measured_at DESC, seq DESC LIMIT $6"
    )
    limit = min(query.limit, MAX_EVENTS)
    parameters = [
        to_naive_utc(query.start),
        to_naive_utc(query.end),
        query.device,
        query.kind,
        list(query.types),
        limit,
    ]
    return [_event(row) for row in db.execute(statement, parameters).fetchall()]


def read_span(db: duckdb.DuckDBPyConnection) -> tuple[datetime, datetime] | None:
    """Time of measurement of the oldest and the newest record; statuses count by their arrival."""
    times = " UNION ALL ".join(f"SELECT {column} AS moment FROM {table}" for table, column in _TIMES.items())  # noqa: S608 - our own names
    row = db.execute(f"SELECT min(moment), max(moment) FROM ({times})").fetchone()  # noqa: S608 - our own names
    return (aware_utc(row[0]), aware_utc(row[1])) if row and row[0] else None


def read_all(
    db: duckdb.DuckDBPyConnection, start: datetime, end: datetime, device: str | None = None
) -> Iterator[Record]:
    """Every record of `[start, end)`, of one device or all; merged from the tables in order of time."""
    return heapq.merge(*(_read_table(db, table, start, end, device) for table in _TIMES), key=time_of)


def _read_table(
    db: duckdb.DuckDBPyConnection, table: str, start: datetime, end: datetime, device: str | None
) -> Iterator[Record]:
    time, columns = _TIMES[table], TABLES[table]
    order = f"{time}, rowid" if table == "statuses" else f"{time}, device, boot, seq"
    rows = db.cursor().execute(
        f"SELECT {', '.join(columns)} FROM {table} WHERE {time} >= $1 AND {time} < $2 "  # noqa: S608 - our own names
        f"AND ($3 IS NULL OR device = $3) ORDER BY {order}",
        [to_naive_utc(start), to_naive_utc(end), device],
    )
    while fetched := rows.fetchmany(FETCHED):
        for row in fetched:
            yield to_record(table, dict(zip(columns, row, strict=True)))


def to_record(table: str, row: dict[str, Any]) -> Record:
    """A row of a table as a record."""
    if table == "statuses":
        said_at, received_at = row.pop("said_at"), row.pop("received_at")
        return StatusRecord(at=aware_utc(said_at) if said_at else None, received_at=aware_utc(received_at), **row)
    if table == "events":
        return _event(tuple(row.values()))
    kind: Kind = table.removesuffix("_telemetry")  # type: ignore[assignment]
    head = [row.pop(name) for name in ("device", "boot", "seq", "measured_at", "received_at", "device_at", "quality")]
    return Reading(_origin(kind, *head), {name: value for name, value in row.items() if value is not None})


def read_stored_sequences(db: duckdb.DuckDBPyConnection) -> list[StoredSequences]:
    """Ranges, rows and duplicates per device and epoch, by window functions over all rows."""
    tables = " UNION ALL ".join(
        f"SELECT device, boot, seq FROM {table}"  # noqa: S608 - our own names
        for table in (*(f"{kind}_telemetry" for kind in KINDS), "events")
    )
    statement = _STORED_SEQUENCES.format(tables=tables)
    epochs: defaultdict[tuple[str, str], list[tuple[int, int, int, int]]] = defaultdict(list)
    for device, epoch, *run in db.execute(statement).fetchall():
        epochs[device, epoch].append((run[0], run[1], run[2], run[3]))
    return [
        StoredSequences(
            device, epoch, tuple((r[0], r[1]) for r in runs), sum(r[2] for r in runs), sum(r[3] for r in runs)
        )
        for (device, epoch), runs in epochs.items()
    ]


def _event(row: tuple[Any, ...]) -> EventRecord:
    *head, type_, state, detail = row
    return EventRecord(_origin(*head), type_, state, msgspec.json.decode(detail))


def _origin(
    kind: Kind,
    device: str,
    epoch: str,
    seq: int,
    measured_at: datetime,
    received_at: datetime,
    device_at: datetime | None,
    quality: str,
) -> RecordOrigin:
    device_clock = aware_utc(device_at) if device_at else None
    words = tuple(quality.split())
    return RecordOrigin(kind, device, epoch, seq, aware_utc(measured_at), aware_utc(received_at), device_clock, words)


def aware_utc(at: datetime) -> datetime:
    """A time of the file, which has no zone."""
    return at.replace(tzinfo=UTC)
