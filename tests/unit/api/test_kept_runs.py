"""Days that are over are asked for once; what is recent, anew; and no more is kept than is meant to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from api.queries import kept_runs
from api.queries.kept_runs import DAY, KeptRuns
from broker.contract.topics import Kind
from ingest.store.memory import MemoryStore
from ingest.store.port import MeasuredRun, RunsQuery
from ingest.store.records import Reading, RecordOrigin

END = datetime(2026, 3, 10, 12, tzinfo=UTC)


class CountingStore(MemoryStore):
    """Counts the days that it is asked for."""

    def __init__(self, times: Iterable[datetime] = ()) -> None:
        super().__init__()
        self.asked: Counter[datetime] = Counter()
        for seq, at in enumerate(times):
            self.write([Reading(RecordOrigin("ap", "ap-1", "b", seq, at, at), {"clients": 1})], ())

    def measured_runs(self, query: RunsQuery) -> list[MeasuredRun]:
        self.asked[query.start] += 1
        return super().measured_runs(query)


def read(kept: KeptRuns, store: MemoryStore, days: float, kind: Kind = "ap") -> kept_runs.RunsOfKind:
    return kept.read(store, kind, 180.0, (END - timedelta(days=days), END))


def test_runs_begin_with_what_was_measured_before() -> None:
    times = [END - timedelta(days=days) for days in (9, 5, 1.2, 0.1)]
    answer = read(KeptRuns(), CountingStore(times), 2)
    assert answer.before["ap-1"] == MeasuredRun("ap-1", times[0], times[1])
    assert [run.first_at for run in answer.runs["ap-1"]] == times[2:]


def test_a_day_is_asked_for_once() -> None:
    kept, store = KeptRuns(), CountingStore()
    for _ in range(3):
        read(kept, store, 6)
    assert set(store.asked.values()) == {1}
    assert len(store.asked) == 7
    assert min(store.asked) == datetime(2026, 3, 4, tzinfo=UTC)


def test_no_more_than_the_bound_is_kept() -> None:
    """A long range is answered, and pushes out what was asked for first."""
    kept, store = KeptRuns(), CountingStore()
    read(kept, store, kept_runs.KEPT_MAX + 20)
    assert len(kept._kept) == kept_runs.KEPT_MAX
    read(kept, store, 3)
    assert max(store.asked[END.replace(hour=0) - n * DAY] for n in range(3)) == 1
