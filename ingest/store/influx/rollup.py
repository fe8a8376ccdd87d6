"""Rollups: aggregates over windows of five minutes, so that a week of a city is not read point by point.

They are computed here from a window's raw points, again whenever something arrives for it: the database's continuous
queries and tasks miss late points, and after an outage all points are late.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

from broker.contract.topics import Kind
from ingest.store.influx.checkpoint import Checkpoint, StaleWindow
from ingest.store.influx.http import InfluxHttp, quote_value
from ingest.store.influx.line_protocol import encode_tags
from ingest.store.port import SeriesQuery
from ingest.store.schema import (
    AREA_KINDS,
    AREA_TAGS,
    DEVICE_TAGS,
    ROLLUP,
    ROLLUP_PARTS,
    WINDOW_S,
    numeric_fields,
)

AT_ONCE: Final = 12
"""Windows per query."""
SECOND_NS: Final = 1_000_000_000

WINDOW_NS: Final = WINDOW_S * SECOND_NS
AREA_PARTS: Final = tuple(part for part in ROLLUP_PARTS if part != "last")
"""The last value over many devices has no meaning."""

Parts = dict[str, float]
"""Sum, count, minimum, maximum and last value of a field in a bucket."""
Windows = dict[tuple[int, tuple[str, ...]], dict[str, Parts]]
"""(window number, tag values) to field to parts."""


def roll_up(http: InfluxHttp, checkpoint: Checkpoint, *, until_s: float) -> int:
    """Roll up all stale windows that have ended; return how many.

    Raises:
        RetryLaterError: The database is unavailable; windows that are not rolled up stay stale.
    """
    due = [window for window in checkpoint.stale() if window.start_s + WINDOW_S <= until_s]
    by_kind: defaultdict[Kind, list[StaleWindow]] = defaultdict(list)
    for window in due:
        by_kind[window.kind].append(window)
    for kind, windows in by_kind.items():
        for span in _spans(windows):
            roll_up_span(http, kind, span[0].start_s, span[-1].start_s + WINDOW_S)
            checkpoint.clear_stale(span)
    return len(due)


def _spans(windows: list[StaleWindow]) -> Iterator[list[StaleWindow]]:
    """Groups of consecutive windows, at most `AT_ONCE` each."""
    for _, group in groupby(enumerate(windows), lambda pair: pair[1].start_s - pair[0] * WINDOW_S):
        following = [window for _, window in group]
        for first in range(0, len(following), AT_ONCE):
            yield following[first : first + AT_ONCE]


def roll_up_span(http: InfluxHttp, kind: Kind, start_s: int, end_s: int) -> int:
    """Roll up the whole windows in `[start_s, end_s)` from the stored points; return the number of rollup points.

    Raises:
        RetryLaterError: The database is unavailable.
    """
    fields = numeric_fields(kind)
    # Aggregates of every field of every series cost the database ten times what reading the points costs.
    statement = (
        f"SELECT {', '.join(fields)} FROM {kind} WHERE time >= {start_s}s AND time < {end_s}s "  # noqa: S608 - our own names
        f"GROUP BY {', '.join(DEVICE_TAGS)}"
    )
    devices: Windows = {}
    areas: Windows = {}
    for series in http.query(statement):
        tags = tuple(series.tags.get(tag, "") for tag in DEVICE_TAGS)
        for time_ns, *values in series.values:
            window = devices.setdefault((time_ns // WINDOW_NS, tags), {})
            for field, value in zip(fields, values, strict=True):
                if value is not None:
                    _merge(window.setdefault(field, {}), dict.fromkeys(ROLLUP_PARTS, value) | {"count": 1})
    if kind in AREA_KINDS:
        for (window_start, tags), by_field in devices.items():
            area = areas.setdefault((window_start, tuple(tags[DEVICE_TAGS.index(tag)] for tag in AREA_TAGS)), {})
            for field, parts in by_field.items():
                _merge(area.setdefault(field, {}), parts)
    lines = [*_lines(kind, DEVICE_TAGS, devices, ROLLUP_PARTS), *_lines(f"{kind}_area", AREA_TAGS, areas, AREA_PARTS)]
    http.write_all(lines, ROLLUP)
    return len(lines)


def _lines(measurement: str, names: tuple[str, ...], windows: Windows, kept: tuple[str, ...]) -> Iterator[bytes]:
    """Counts are integers and everything else floats, so that a field never changes its type."""
    for (window_start, tags), by_field in windows.items():
        head = measurement.encode() + encode_tags(dict(zip(names, tags, strict=True)))
        parts = (
            f"{field}_{part}={f'{int(value[part])}i' if part == 'count' else repr(float(value[part]))}"
            for field, value in by_field.items()
            for part in kept
        )
        if by_field:
            yield b"%s %s %d" % (head, ",".join(parts).encode(), window_start * WINDOW_NS)


class RangeSegment(NamedTuple):
    """A segment `[start_s, end_s)`; `rolled`: the rollups cover all of it."""

    start_s: float
    end_s: float
    rolled: bool


def split_range(start_s: float, end_s: float, stale: Iterable[int], covered_since_s: int | None) -> list[RangeSegment]:
    """Split a time range into segments that rollups cover and segments that only raw points cover, in order.

    Args:
        start_s: Start, seconds since 1970.
        end_s: End.
        stale: Starts of windows whose rollups are out of date.
        covered_since_s: From when on rollups exist; None when none do.
    """
    if covered_since_s is None:
        return [RangeSegment(start_s, end_s, rolled=False)]
    first = max(-(-start_s // WINDOW_S) * WINDOW_S, -(-covered_since_s // WINDOW_S) * WINDOW_S)
    last = end_s // WINDOW_S * WINDOW_S
    segments: list[RangeSegment] = []
    at = start_s
    for hole in sorted(window for window in stale if first <= window < last):
        segments += [RangeSegment(at, max(at, first), rolled=False), RangeSegment(max(at, first), hole, rolled=True)]
        segments.append(RangeSegment(hole, hole + WINDOW_S, rolled=False))
        at = hole + WINDOW_S
    segments += [RangeSegment(at, max(at, min(first, end_s)), rolled=False)]
    at = max(at, min(first, end_s))
    segments += [RangeSegment(at, max(at, last), rolled=True), RangeSegment(max(at, last), end_s, rolled=False)]
    return _merge_segments(segment for segment in segments if segment.start_s < segment.end_s)


def _merge_segments(segments: Iterable[RangeSegment]) -> list[RangeSegment]:
    joined: list[RangeSegment] = []
    for segment in segments:
        if joined and joined[-1].rolled == segment.rolled:
            joined[-1] = joined[-1]._replace(end_s=segment.end_s)
        else:
            joined.append(segment)
    return joined


def read_rollups(
    http: InfluxHttp, query: SeriesQuery, kind: Kind, segments: Iterable[RangeSegment]
) -> dict[int, Parts]:
    """Parts of each bucket of a long-range query, by the bucket's start in nanoseconds since 1970, in order.

    Args:
        http: The database.
        query: Its `every_s` is a multiple of `WINDOW_S`.
        kind: The device's kind.
        segments: The range, as `split_range` returns it.
    """
    assert query.every_s is not None  # noqa: S101 - the caller's condition
    buckets: dict[int, Parts] = {}
    for segment in segments:
        # Of raw points the parts are asked for, of rollups the parts of the parts.
        fields = [query.field if not segment.rolled else f"{query.field}_{part}" for part in ROLLUP_PARTS]
        aggregates = zip(("sum", "sum" if segment.rolled else "count", "min", "max", "last"), fields, strict=True)
        selected = ", ".join(f'{aggregate}("{field}")' for aggregate, field in aggregates)
        source = f'"{ROLLUP}"."{kind}"' if segment.rolled else kind
        statement = (
            f"SELECT {selected} FROM {source} WHERE device = {quote_value(query.device)} "  # noqa: S608 - quoted
            f"AND time >= {round(segment.start_s * SECOND_NS)} AND time < {round(segment.end_s * SECOND_NS)} "
            f"GROUP BY time({round(query.every_s * 1000)}ms) fill(none)"
        )
        for series in http.query(statement):
            for time_ns, *values in series.values:
                if values[1]:
                    _merge(buckets.setdefault(time_ns, {}), dict(zip(ROLLUP_PARTS, values, strict=True)))
    return dict(sorted(buckets.items()))


def _merge(known: Parts, later: Parts) -> None:
    """Merge later parts into known ones, in place."""
    if not known:
        known |= later
        return
    known["sum"] += later["sum"]
    known["count"] += later["count"]
    known["min"] = min(known["min"], later["min"])
    known["max"] = max(known["max"], later["max"])
    known["last"] = later["last"]
