"""When devices measured, day by day; what is over is kept in memory, since few late readings change it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final, NamedTuple, cast

from broker.contract.topics import Kind
from ingest.store.port import MeasuredRun, RunsQuery, TelemetryReader

DAY: Final = timedelta(days=1)
KEPT_MAX: Final = 110
"""Answers of the store that are kept, each of a kind and a day: a month of all kinds, about 15 MB."""
_SETTLED_AFTER: Final = timedelta(days=2)
_SETTLED_S: Final = 6 * 3_600.0
_RECENT_S: Final = 20.0


class RunsOfKind(NamedTuple):
    """By device: the first and the last measurement before a period, and the runs in it."""

    before: dict[str, MeasuredRun]
    runs: dict[str, list[MeasuredRun]]


class KeptRuns:
    """The runs of all devices of a kind. Safe between threads; one of them asks the store at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, object]] = {}

    def read(
        self, reader: TelemetryReader, kind: Kind, pause_s: float, period: tuple[datetime, datetime]
    ) -> RunsOfKind:
        """The runs in a period by device, and what was measured before.

        Whole days (UTC) are read, so the runs begin up to a day before the period.

        Raises:
            RetryLaterError: The store does not answer.
        """
        start, end = period
        first = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        runs: defaultdict[str, list[MeasuredRun]] = defaultdict(list)
        with self._lock:
            before = {run.device: run for run in self._before(reader, kind, first, end)}
            day = first
            while day < end:
                for run in self._of_day(reader, RunsQuery(kind, day, day + DAY, pause_s), end):
                    runs[run.device].append(run)
                day += DAY
        return RunsOfKind(before, dict(runs))

    def _before(self, reader: TelemetryReader, kind: Kind, first: datetime, now: datetime) -> list[MeasuredRun]:
        key = ("before", kind, first)
        if (kept := self._get(key)) is None:
            kept = reader.measured_before(kind, first)
            self._keep(key, kept, _SETTLED_S if now - first > _SETTLED_AFTER else _RECENT_S)
        return kept

    def _of_day(self, reader: TelemetryReader, query: RunsQuery, now: datetime) -> list[MeasuredRun]:
        if (kept := self._get(query)) is None:
            kept = reader.measured_runs(query)
            self._keep(query, kept, _SETTLED_S if now - query.end > _SETTLED_AFTER else _RECENT_S)
        return kept

    def _get(self, key: Hashable) -> list[MeasuredRun] | None:
        until_s, kept = self._kept.get(key, (0.0, None))
        return cast("list[MeasuredRun]", kept) if monotonic() < until_s else None

    def _keep(self, key: Hashable, runs: list[MeasuredRun], lasts_s: float) -> None:
        self._kept.pop(key, None)
        self._kept[key] = (monotonic() + lasts_s, runs)
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
