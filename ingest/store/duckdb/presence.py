"""Queries on the embedded store's file: when devices measured, and what statuses they sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import duckdb

from broker.contract.topics import Kind
from ingest.store.duckdb.columns import TABLES, to_naive_utc
from ingest.store.duckdb.reader import aware_utc, to_record
from ingest.store.port import MeasuredRun, RunsQuery, StatusQuery, runs_between
from ingest.store.records import StatusRecord

_PAUSES: Final = """
SELECT device, previous, moment FROM (
  SELECT device, measured_at AS moment, lag(measured_at) OVER (PARTITION BY device ORDER BY measured_at) AS previous
  FROM {table} WHERE measured_at >= $1 AND measured_at < $2 AND ($3 IS NULL OR device = $3)
) WHERE epoch(moment - previous) > $4 ORDER BY device, moment
"""
_ENDS: Final = """
SELECT device, min(measured_at), max(measured_at) FROM {table}
WHERE measured_at >= $1 AND measured_at < $2 AND ($3 IS NULL OR device = $3) GROUP BY device ORDER BY device
"""


def read_runs(db: duckdb.DuckDBPyConnection, query: RunsQuery) -> list[MeasuredRun]:
    """The runs of each device: what the pauses leave between its first and its last measurement."""
    table, where = f"{query.kind}_telemetry", [to_naive_utc(query.start), to_naive_utc(query.end), query.device]
    # Numbering the runs within the query would cost six times as much.
    pauses: defaultdict[str, list[MeasuredRun]] = defaultdict(list)
    for pause in _runs(db, _PAUSES.format(table=table), [*where, query.pause_s]):
        pauses[pause.device].append(pause)
    return [
        run for ends in _runs(db, _ENDS.format(table=table), where) for run in runs_between(ends, pauses[ends.device])
    ]


def read_before(db: duckdb.DuckDBPyConnection, kind: Kind, before: datetime, device: str | None) -> list[MeasuredRun]:
    """The oldest and the newest measurement before a time of each device."""
    statement = (
        f"SELECT device, min(measured_at), max(measured_at) FROM {kind}_telemetry "  # noqa: S608 - our own names
        "WHERE measured_at < $1 AND ($2 IS NULL OR device = $2) GROUP BY device ORDER BY device"
    )
    return _runs(db, statement, [to_naive_utc(before), device])


def _runs(db: duckdb.DuckDBPyConnection, statement: str, parameters: Sequence[object]) -> list[MeasuredRun]:
    rows = db.execute(statement, parameters).fetchall()
    return [MeasuredRun(device, aware_utc(first), aware_utc(last)) for device, first, last in rows]


def read_statuses(db: duckdb.DuckDBPyConnection, query: StatusQuery) -> list[StatusRecord]:
    """Statuses in the order of their arrival."""
    columns = TABLES["statuses"]
    statement = (
        f"SELECT {', '.join(columns)} FROM statuses WHERE kind = $1 AND received_at >= $2 AND received_at < $3 "  # noqa: S608 - our own names
        "AND ($4 IS NULL OR device = $4) ORDER BY received_at, rowid"
    )
    rows = db.execute(
        statement, [query.kind, to_naive_utc(query.start), to_naive_utc(query.end), query.device]
    ).fetchall()
    records = (to_record("statuses", dict(zip(columns, row, strict=True))) for row in rows)
    return [record for record in records if isinstance(record, StatusRecord)]


def read_answer(
    db: duckdb.DuckDBPyConnection, kind: Kind, device: str, measured_after: datetime, after: datetime
) -> datetime | None:
    """When the first reading arrived after a time that was also measured after one."""
    row = db.execute(
        f"SELECT min(received_at) FROM {kind}_telemetry WHERE device = ? AND measured_at > ? AND received_at > ?",  # noqa: S608 - our own names
        [device, to_naive_utc(measured_after), to_naive_utc(after)],
    ).fetchone()
    return aware_utc(row[0]) if row and row[0] else None
