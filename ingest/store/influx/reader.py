"""InfluxQL queries; identifiers come from the contract, values are quoted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, get_args

import msgspec
from prometheus_client import Counter as CounterMetric

from broker.contract.topics import KINDS, Kind
from city.errors import PayloadError
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.influx.http import InfluxHttp, Series, quote_value
from ingest.store.influx.line_protocol import NANOSECONDS
from ingest.store.influx.rollup import RangeSegment, read_rollups, split_range
from ingest.store.intervals import IntervalSet
from ingest.store.latest import LastValueCache
from ingest.store.port import (
    MAX_EVENTS,
    MAX_POINTS,
    EventQuery,
    FieldValue,
    Latest,
    SeriesPoint,
    SeriesQuery,
    StoredSequences,
    check_series,
)
from ingest.store.records import Connectivity, EventRecord, Reading, Record, RecordOrigin, StatusRecord, Value, time_of
from ingest.store.schema import COLUMNS, EVENTS, WINDOW_S

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EVENT: Final = f'"{EVENTS}"."event"'
_SEQUENCED: Final = ", ".join((*KINDS, _EVENT))
FOREIGN_POINTS: Final = CounterMetric(
    "store_foreign_points", "Points of other programs in the city's measurements, passed over when read"
)
T = TypeVar("T")
EXPORTED_AT_ONCE: Final = timedelta(hours=1)
ONE_DEVICE_AT_ONCE: Final = timedelta(days=1)
ROLLUP_FROM: Final = timedelta(hours=12)
"""Range from which on a query reads rollups where possible."""
SEGMENTS_MAX: Final = 40
"""With more alternations between rollups and raw points, reading all raw points is faster."""


def read_latest(http: InfluxHttp) -> list[Latest]:
    """Last values of every device: one query per field, at start only, because each field has its own time."""
    cache = LastValueCache()
    for kind in KINDS:
        cache.update(_newest_rows(http, kind))
        for latest in cache.find(kind=kind, device=None, changed_since=None):
            cache.restore(latest)
        for field in COLUMNS[kind]:
            for series in http.query(f'SELECT last("{field}") AS value FROM {kind} GROUP BY device'):  # noqa: S608
                _restore_field(cache, kind, series, field)
    cache.update(_newest_statuses(http))
    return cache.find(kind=None, device=None, changed_since=None)


def _own(rows: Iterable[tuple[Series, dict[str, Any]]], read: Callable[[Series, dict[str, Any]], T]) -> Iterator[T]:
    """What is read of the rows that the city wrote; rows of other programs in its measurements are counted."""
    for series, row in rows:
        try:
            record = read(series, row)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, msgspec.MsgspecError):
            FOREIGN_POINTS.inc()
        else:
            yield record


def _rows(http: InfluxHttp, statement: str) -> Iterator[tuple[Series, dict[str, Any]]]:
    for series in http.query(statement):
        for row in series.rows():
            yield series, row


def _device_of(series: Series) -> str:
    """The device of a series.

    Raises:
        KeyError: It has none: another program wrote it.
    """
    device = series.tags["device"]
    if not device:
        raise KeyError("device")
    return device


def _newest_rows(http: InfluxHttp, kind: Kind) -> list[Reading]:
    """The newest reading of each device, for its times and quality flags."""
    statement = f"SELECT boot, seq, received_at, quality FROM {kind} GROUP BY device ORDER BY time DESC LIMIT 1"  # noqa: S608
    return [*_own(_rows(http, statement), lambda series, row: Reading(_origin(kind, _device_of(series), row), {}))]


def _restore_field(cache: LastValueCache, kind: Kind, series: Series, field: str) -> None:
    time, value = series.values[0]
    if not _is_of_type(kind, field, value):
        FOREIGN_POINTS.inc()
        return
    for known in cache.find(kind=kind, device=series.tags.get("device", ""), changed_since=None):
        values = {**known.values, field: FieldValue(_value(kind, field, value), measured_at_of(time))}
        cache.restore(msgspec.structs.replace(known, values=values))


def _newest_statuses(http: InfluxHttp) -> list[StatusRecord]:
    return own_statuses(http, "GROUP BY device, kind ORDER BY time DESC LIMIT 1")


def own_statuses(http: InfluxHttp, which: str) -> list[StatusRecord]:
    """The statuses that the city wrote, of a clause with conditions and order."""
    rows = _rows(http, f"SELECT * FROM status {which}")  # noqa: S608 - our own words
    return [*_own(rows, _status)]


def _status(series: Series, row: dict[str, Any]) -> StatusRecord:
    if row["state"] not in get_args(Connectivity):
        raise ValueError(row["state"])
    return StatusRecord(
        series.tags["kind"],  # type: ignore[arg-type]
        _device_of(series),
        row["state"],
        _at(row["said_at"]) if row.get("said_at") is not None else None,
        EPOCH + timedelta(microseconds=row["time"] // 1_000),
        row.get("reason") or "",
        row.get("next_s"),
        row.get("firmware") or "",
        row.get("model") or "",
        row.get("outbox_waiting"),
        row.get("outbox_dropped"),
    )


def read_since(http: InfluxHttp, start: datetime) -> list[Record]:
    """Readings measured since a time, and statuses received since."""
    readings = (reading for kind in KINDS for reading in _readings(http, kind, f"time >= {nanoseconds_of(start)}"))
    return [*_newest_statuses(http), *readings]


def _readings(http: InfluxHttp, kind: Kind, when: str) -> Iterator[Reading]:
    def read(series: Series, row: dict[str, Any]) -> Reading:
        fields = {field: row[field] for field in COLUMNS[kind] if row.get(field) is not None}
        values = {f: _value(kind, f, value) for f, value in fields.items() if _is_of_type(kind, f, value)}
        return Reading(_origin(kind, _device_of(series), row), values)

    yield from _own(_rows(http, f"SELECT * FROM {kind} WHERE {when} GROUP BY device"), read)  # noqa: S608 - our own words


def read_span(http: InfluxHttp) -> tuple[datetime, datetime] | None:
    """Time of measurement of the oldest and the newest record; statuses count by their arrival."""
    times = [measured_at_of(time) for source in _SEQUENCED.split(", ") for time in _ends(http, "seq", source)]
    times += [EPOCH + timedelta(microseconds=time // 1_000) for time in _ends(http, "state", "status")]
    return (min(times), max(times)) if times else None


def _ends(http: InfluxHttp, field: str, source: str) -> list[int]:
    """The times of the first and the last point of a measurement."""
    return [
        int(row[0])
        for selector in ("first", "last")
        for series in http.query(f"SELECT {selector}({field}) FROM {source}")  # noqa: S608 - our own names
        for row in series.values
    ]


def read_all(http: InfluxHttp, start: datetime, end: datetime, device: str | None = None) -> Iterator[Record]:
    """Every record of `[start, end)` in order of time; holds an hour of all devices, or a day of one, in memory."""
    at = start
    while at < end:
        upto = min(at + (EXPORTED_AT_ONCE if device is None else ONE_DEVICE_AT_ONCE), end)
        when = between(at, upto) + ("" if device is None else f" AND device = {quote_value(device)}")
        records: list[Record] = [reading for kind in KINDS for reading in _readings(http, kind, when)]
        records += _events(http, f"WHERE {when}")
        records += own_statuses(http, f"WHERE {when} GROUP BY device, kind")
        yield from sorted(records, key=time_of)
        at = upto


def read_series(http: InfluxHttp, query: SeriesQuery, kind: Kind | None, checkpoint: Checkpoint) -> list[SeriesPoint]:
    """Points of one field of a device of a known kind; none when the kind is unknown or lacks the field.

    Long ranges read rollups where these are complete; raw points of long ago are deleted.

    Raises:
        PayloadError: See `TelemetryReader.series`.
    """
    check_series(query)
    if kind is None or query.field not in COLUMNS[kind]:
        return []
    if query.every_s is not None and query.every_s % WINDOW_S == 0 and query.end - query.start >= ROLLUP_FROM:
        return _read_rollups_series(http, query, kind, checkpoint)
    where = f"FROM {kind} WHERE device = {quote_value(query.device)} AND {between(query.start, query.end)}"
    if query.every_s is None:
        statement = f'SELECT "{query.field}" {where} ORDER BY time LIMIT {MAX_POINTS + 1}'
    else:
        every_ms = round(query.every_s * 1000)
        statement = f'SELECT {query.aggregate}("{query.field}") {where} GROUP BY time({every_ms}ms) fill(none)'
    rows = [row for series in http.query(statement) for row in series.values if _is_of_type(kind, query.field, row[1])]
    if len(rows) > MAX_POINTS:
        raise PayloadError(f"more than {MAX_POINTS} points; ask with buckets")
    if query.every_s is None:
        return [SeriesPoint(measured_at_of(time), _value(kind, query.field, value)) for time, value in rows]
    return [SeriesPoint(EPOCH + timedelta(microseconds=time // 1_000), value) for time, value in rows]


def _read_rollups_series(http: InfluxHttp, query: SeriesQuery, kind: Kind, checkpoint: Checkpoint) -> list[SeriesPoint]:
    stale = [window.start_s for window in checkpoint.stale() if window.kind == kind]
    segments = split_range(query.start.timestamp(), query.end.timestamp(), stale, checkpoint.covered_since_s())
    if len(segments) > SEGMENTS_MAX:
        segments = [RangeSegment(segments[0].start_s, segments[-1].end_s, rolled=False)]
    buckets = read_rollups(http, query, kind, segments)
    return [
        SeriesPoint(
            EPOCH + timedelta(microseconds=time // 1_000),
            parts["sum"] / parts["count"] if query.aggregate == "mean" else parts[query.aggregate],
        )
        for time, parts in buckets.items()
    ]


def read_states(http: InfluxHttp, start: datetime) -> list[dict[str, Any]]:
    """The newest `device_state` of each device since a time, with its device."""
    fields = '"state", "since", "trip_since", "trip_km", "emptied_at"'
    when = f"time >= {nanoseconds_of(start)}"
    statement = f"SELECT last(severity), {fields} FROM device_state WHERE {when} GROUP BY device"  # noqa: S608

    def read(series: Series, row: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(row["state"], str) or not isinstance(row["since"], int):
            raise TypeError(row)
        return {**row, "device": _device_of(series)}

    return [*_own(_rows(http, statement), read)]


def read_events_since(http: InfluxHttp, types: Sequence[str], start: datetime) -> list[EventRecord]:
    """All events of some types since a time, oldest first."""
    return _events(http, f"WHERE {_one_of(types)} AND time >= {nanoseconds_of(start)}")


def _one_of(types: Sequence[str]) -> str:
    return "(" + " OR ".join(f"type = {quote_value(type_)}" for type_ in types) + ")"


def read_events(http: InfluxHttp, query: EventQuery) -> list[EventRecord]:
    """Events that match, newest first."""
    wishes = [between(query.start, query.end)]
    if query.device is not None:
        wishes.append(f"device = {quote_value(query.device)}")
    if query.kind is not None:
        wishes.append(f"kind = {quote_value(query.kind)}")
    if query.types:
        wishes.append(_one_of(query.types))
    limit = min(query.limit, MAX_EVENTS)
    return _events(http, f"WHERE {' AND '.join(wishes)} ORDER BY time DESC LIMIT {limit}")


def _events(http: InfluxHttp, which: str) -> list[EventRecord]:
    return [*_own(_rows(http, f"SELECT * FROM {_EVENT} {which}"), _event)]  # noqa: S608 - quoted


def _event(_series: Series, row: dict[str, Any]) -> EventRecord:
    origin = _origin(row["kind"], row["device"], row)
    return EventRecord(origin, row["type"], row["state"], msgspec.json.decode(row["detail"], type=dict[str, Any]))


def read_stored_sequences(http: InfluxHttp) -> list[StoredSequences]:
    """Ranges, points and duplicates per device and epoch."""
    seqs: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for series in http.query(f"SELECT boot, seq FROM {_SEQUENCED} GROUP BY device"):  # noqa: S608 - our own names
        for _, epoch, seq in series.values:
            if isinstance(epoch, str) and isinstance(seq, int):
                seqs[series.tags.get("device", ""), epoch][seq] += 1
            else:
                FOREIGN_POINTS.inc()
    return [
        StoredSequences(
            device,
            epoch,
            tuple(IntervalSet((seq, seq) for seq in sorted(counts))),
            counts.total(),
            counts.total() - len(counts),
        )
        for (device, epoch), counts in sorted(seqs.items())
    ]


def between(start: datetime, end: datetime) -> str:
    """The condition that a point lies in `[start, end)`."""
    return f"time >= {nanoseconds_of(start)} AND time < {nanoseconds_of(end)}"


def nanoseconds_of(at: datetime) -> int:
    """A time as InfluxDB counts it."""
    return (at - EPOCH) // timedelta(microseconds=1) * 1_000


def _at(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def measured_at_of(time_ns: int) -> datetime:
    """Time of measurement; digits below a millisecond only distinguish readings."""
    return EPOCH + timedelta(milliseconds=time_ns // NANOSECONDS)


def _value(kind: Kind, field: str, value: Any) -> Value:  # noqa: ANN401 - JSON
    flag: Value = bool(value) if COLUMNS[kind][field] == "flag" else value
    return flag


def _is_of_type(kind: Kind, field: str, value: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether a value is of its column's type: another program may have written a text where we write numbers."""
    if COLUMNS[kind][field] == "text":
        return isinstance(value, str)
    return isinstance(value, int | float)


def _origin(kind: Kind, device: str, row: dict[str, Any]) -> RecordOrigin:
    return RecordOrigin(
        kind,
        device,
        msgspec.convert(row["boot"], str),
        msgspec.convert(row["seq"], int),
        measured_at_of(row["time"]),
        _at(row["received_at"]),
        _at(row["device_at"]) if row.get("device_at") is not None else None,
        tuple((row.get("quality") or "").split()),
    )
