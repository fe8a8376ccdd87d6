"""Rollups: what InfluxDB has of each five minutes, so that a week of a city is not read reading by reading.

Made by us from the raw points of a window, again whenever something arrives for it: the database's own continuous
queries and tasks never see what comes late, and after an outage everything comes late.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

from broker.contract.topics import Kind
from ingest.store.influx_http import InfluxHttp, quote_value
from ingest.store.line_protocol import encode_tags
from ingest.store.port import SeriesQuery
from ingest.store.progress import Progress, StaleWindow
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
"""Windows of one query."""
LINES_MAX: Final = 5_000
SECOND_NS: Final = 1_000_000_000

WINDOW_NS: Final = WINDOW_S * SECOND_NS
AREA_PARTS: Final = tuple(part for part in ROLLUP_PARTS if part != "last")
"""The last value of many devices is nobody's."""

Parts = dict[str, float]
"""Sum, count, least, greatest and last of a field in a bucket."""
Windows = dict[tuple[int, tuple[str, ...]], dict[str, Parts]]
"""Number of the window and values of the tags to field to parts."""


def roll_up(http: InfluxHttp, progress: Progress, *, until_s: float) -> int:
    """Make the rollups of all stale windows that have ended; how many there were.

    Raises:
        RetryLaterError: The database is away; what is not made stays stale.
    """
    due = [window for window in progress.stale() if window.start_s + WINDOW_S <= until_s]
    by_kind: defaultdict[Kind, list[StaleWindow]] = defaultdict(list)
    for window in due:
        by_kind[window.kind].append(window)
    for kind, windows in by_kind.items():
        for span in _spans(windows):
            roll_up_span(http, kind, span[0].start_s, span[-1].start_s + WINDOW_S)
            progress.rolled_up(span)
    return len(due)


def _spans(windows: list[StaleWindow]) -> Iterator[list[StaleWindow]]:
    """Windows that follow each other, at most `AT_ONCE` together."""
    for _, group in groupby(enumerate(windows), lambda pair: pair[1].start_s - pair[0] * WINDOW_S):
        following = [window for _, window in group]
        for first in range(0, len(following), AT_ONCE):
            yield following[first : first + AT_ONCE]


def roll_up_span(http: InfluxHttp, kind: Kind, start_s: int, end_s: int) -> int:
    """Make the rollups of whole windows in `[start_s, end_s)` from what is stored now; how many points.

    Raises:
        RetryLaterError: The database is away.
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
    for first in range(0, len(lines), LINES_MAX):
        http.write(b"\n".join(lines[first : first + LINES_MAX]), ROLLUP)
    return len(lines)


def _lines(measurement: str, names: tuple[str, ...], windows: Windows, kept: tuple[str, ...]) -> Iterator[bytes]:
    """Counts are integers, everything else floats, so that a field never changes its type."""
    for (window_start, tags), by_field in windows.items():
        head = measurement.encode() + encode_tags(dict(zip(names, tags, strict=True)))
        parts = (
            f"{field}_{part}={f'{int(value[part])}i' if part == 'count' else repr(float(value[part]))}"
            for field, value in by_field.items()
            for part in kept
        )
        if by_field:
            yield b"%s %s %d" % (head, ",".join(parts).encode(), window_start * WINDOW_NS)


class Stretch(NamedTuple):
    """Time in `[start_s, end_s)`, and whether the rollups have all of it."""

    start_s: float
    end_s: float
    rolled: bool


def stretches(start_s: float, end_s: float, stale: Iterable[int], covered_since_s: int | None) -> list[Stretch]:
    """A range of time cut into what the rollups have and what only the raw points have, in order.

    Args:
        start_s: Start, seconds since 1970.
        end_s: End.
        stale: Starts of windows whose rollups lack something.
        covered_since_s: From when on there are rollups at all.
    """
    if covered_since_s is None:
        return [Stretch(start_s, end_s, rolled=False)]
    first = max(-(-start_s // WINDOW_S) * WINDOW_S, -(-covered_since_s // WINDOW_S) * WINDOW_S)
    last = end_s // WINDOW_S * WINDOW_S
    cut: list[Stretch] = []
    at = start_s
    for hole in sorted(window for window in stale if first <= window < last):
        cut += [Stretch(at, max(at, first), rolled=False), Stretch(max(at, first), hole, rolled=True)]
        cut.append(Stretch(hole, hole + WINDOW_S, rolled=False))
        at = hole + WINDOW_S
    cut += [Stretch(at, max(at, min(first, end_s)), rolled=False)]
    at = max(at, min(first, end_s))
    cut += [Stretch(at, max(at, last), rolled=True), Stretch(max(at, last), end_s, rolled=False)]
    return _joined(stretch for stretch in cut if stretch.start_s < stretch.end_s)


def _joined(cut: Iterable[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for stretch in cut:
        if joined and joined[-1].rolled == stretch.rolled:
            joined[-1] = joined[-1]._replace(end_s=stretch.end_s)
        else:
            joined.append(stretch)
    return joined


def read_wide(http: InfluxHttp, query: SeriesQuery, kind: Kind, cut: Iterable[Stretch]) -> dict[int, Parts]:
    """What each bucket of a wide query holds, by the bucket's start in nanoseconds since 1970, in order.

    Args:
        http: The database.
        query: Its `every_s` is a multiple of `WINDOW_S`.
        kind: The device's.
        cut: The range, as `stretches` cuts it.
    """
    assert query.every_s is not None  # noqa: S101 - the caller's condition
    buckets: dict[int, Parts] = {}
    for stretch in cut:
        # Of raw points the parts are asked for, of rollups the parts of the parts.
        fields = [query.field if not stretch.rolled else f"{query.field}_{part}" for part in ROLLUP_PARTS]
        asked = zip(("sum", "sum" if stretch.rolled else "count", "min", "max", "last"), fields, strict=True)
        selected = ", ".join(f'{aggregate}("{field}")' for aggregate, field in asked)
        source = f'"{ROLLUP}"."{kind}"' if stretch.rolled else kind
        statement = (
            f"SELECT {selected} FROM {source} WHERE device = {quote_value(query.device)} "  # noqa: S608 - quoted
            f"AND time >= {round(stretch.start_s * SECOND_NS)} AND time < {round(stretch.end_s * SECOND_NS)} "
            f"GROUP BY time({round(query.every_s * 1000)}ms) fill(none)"
        )
        for series in http.query(statement):
            for time_ns, *values in series.values:
                if values[1]:
                    _merge(buckets.setdefault(time_ns, {}), dict(zip(ROLLUP_PARTS, values, strict=True)))
    return dict(sorted(buckets.items()))


def _merge(known: Parts, later: Parts) -> None:
    """Take what is later into what is known."""
    if not known:
        known |= later
        return
    known["sum"] += later["sum"]
    known["count"] += later["count"]
    known["min"] = min(known["min"], later["min"])
    known["max"] = max(known["max"], later["max"])
    known["last"] = later["last"]
