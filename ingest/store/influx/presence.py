"""InfluxQL queries: when devices measured, and what statuses they sent."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from broker.contract.topics import Kind
from ingest.store.influx.http import InfluxHttp, quote_value
from ingest.store.influx.reader import EPOCH, between, measured_at_of, nanoseconds_of, own_statuses
from ingest.store.port import MeasuredRun, RunsQuery, StatusQuery, runs_between
from ingest.store.records import StatusRecord


def read_runs(http: InfluxHttp, query: RunsQuery) -> list[MeasuredRun]:
    """The runs of each device: what the pauses leave between its first and its last measurement."""
    when = between(query.start, query.end) + _of(query.device)
    pauses = _pauses(http, query, when)
    return [run for ends in _ends(http, query.kind, when) for run in runs_between(ends, pauses[ends.device])]


def _pauses(http: InfluxHttp, query: RunsQuery, when: str) -> defaultdict[str, list[MeasuredRun]]:
    """The pauses by device, in order of time: each from the measurement before it to the one after it."""
    inner = f'SELECT elapsed("seq", 1ms) AS pause FROM {query.kind} WHERE {when} GROUP BY device'  # noqa: S608 - quoted
    # Two measurements of one millisecond differ below it, which makes a pause up to a millisecond longer.
    statement = f"SELECT pause FROM ({inner}) WHERE pause > {round(query.pause_s * 1000)} GROUP BY device"  # noqa: S608
    pauses: defaultdict[str, list[MeasuredRun]] = defaultdict(list)
    for series in http.query(statement):
        for time, pause_ms in series.values:
            at, device = measured_at_of(time), series.tags["device"]
            pauses[device].append(MeasuredRun(device, at - timedelta(milliseconds=pause_ms), at))
    return pauses


def read_before(http: InfluxHttp, kind: Kind, before: datetime, device: str | None) -> list[MeasuredRun]:
    """The oldest and the newest measurement before a time of each device."""
    return _ends(http, kind, f"time < {nanoseconds_of(before)}{_of(device)}")


def _ends(http: InfluxHttp, kind: Kind, when: str) -> list[MeasuredRun]:
    ends: defaultdict[str, list[datetime]] = defaultdict(list)
    for selector in ("first", "last"):
        # A selector alone answers with the time of the point; beside another one it does not.
        for series in http.query(f"SELECT {selector}(seq) FROM {kind} WHERE {when} GROUP BY device"):  # noqa: S608
            if device := series.tags.get("device"):
                ends[device].append(measured_at_of(series.values[0][0]))
    return [MeasuredRun(device, times[0], times[-1]) for device, times in sorted(ends.items())]


def read_statuses(http: InfluxHttp, query: StatusQuery) -> list[StatusRecord]:
    """Statuses in the order of their arrival."""
    when = f"{between(query.start, query.end)} AND kind = {quote_value(query.kind)}{_of(query.device)}"
    return sorted(own_statuses(http, f"WHERE {when} GROUP BY device, kind"), key=lambda status: status.received_at)


def read_answer(
    http: InfluxHttp, kind: Kind, device: str, measured_after: datetime, after: datetime
) -> datetime | None:
    """When the first reading arrived after a time that was also measured after one."""
    received = f"received_at > {nanoseconds_of(after) // 1_000}"
    when = f"time > {nanoseconds_of(measured_after)} AND device = {quote_value(device)} AND {received}"
    for series in http.query(f"SELECT min(received_at) FROM {kind} WHERE {when}"):  # noqa: S608 - quoted
        (_, received_us) = series.values[0]
        return EPOCH + timedelta(microseconds=received_us)
    return None


def _of(device: str | None) -> str:
    return "" if device is None else f" AND device = {quote_value(device)}"
