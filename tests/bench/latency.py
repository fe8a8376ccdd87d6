"""How long readings take until they can be queried: a store that notes their age after each write to another one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from ingest.store.port import Ranges, Store, WriteResult
from ingest.store.record_batch import RecordBatch
from ingest.store.records import Reading, Record


class Latencies(msgspec.Struct, frozen=True):
    """Seconds until `readings` readings could be queried."""

    readings: int
    median_s: float
    p99_s: float
    worst_s: float


class TimedStore:
    """A store that notes how old each reading is once it is stored.

    Args:
        store: The store.
        since: Readings of before are not noted.
        clock: Whether the age is from measurement or from receipt.
    """

    def __init__(self, store: Store, since: datetime, clock: Literal["measured", "received"]) -> None:
        self._store = store
        self.since = since
        self._clock = clock
        self._ages_s: list[float] = []

    def __getattr__(self, name: str) -> object:
        """Everything else is the store's."""
        return getattr(self._store, name)

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        """Write, and note the ages."""
        written = self._store.write(records, committed_offsets)
        now, batch = datetime.now(UTC), RecordBatch.of(records)
        origins = [record.origin for record in batch.records if isinstance(record, Reading)]
        if self._clock == "measured":
            times = [at for block in batch.columns for at in block.measured_at]
            times += [origin.measured_at for origin in origins]
        else:
            times = [at for block in batch.columns for at in block.received_at]
            times += [origin.received_at for origin in origins]
        self._ages_s += [(now - at).total_seconds() for at in times if at >= self.since]
        return written

    def take(self) -> Latencies:
        """What was noted since the last call."""
        ages, self._ages_s = sorted(self._ages_s) or [0.0], []
        return Latencies(
            len(ages), round(ages[len(ages) // 2], 3), round(ages[len(ages) * 99 // 100], 3), round(ages[-1], 3)
        )
