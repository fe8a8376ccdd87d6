"""Drain: reads the journal, decodes, and writes batches to the store; trims the journal behind the store.

journal -> live messages, then backlog -> decode -> stateful rules -> dead letters, quarantine -> store -> trim

The order makes a crash at any point harmless: dead letters and quarantine first (both idempotent), then rows and
committed offsets in one transaction of the store, then trimming. Interrupted work is repeated and stored once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import structlog

from broker.contract.topics import is_native
from city.backoff import Backoff
from city.errors import RetryLaterError, RowsRejectedError
from ingest.decoding.decoder import Decoder
from ingest.messages import JournalEntry
from ingest.pipeline.backlog import LIVE_LAG_MAX_S, OffsetRange, OffsetTracker
from ingest.pipeline.decoded_batch import decode_batch
from ingest.pipeline.error_rate import ErrorRateMonitor
from ingest.pipeline.journal import Journal
from ingest.pipeline.parked_parts import (
    dead_letters_of,
    quarantined_messages,
    store_rejection,
    unknown_fields_of,
)
from ingest.pipeline.replay import finish_replays, release_quarantined
from ingest.pipeline.stateful_rules import StatefulRules
from ingest.pipeline.totals import Totals
from ingest.store.manifest import StoreManifest
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine
from ingest.store.port import Ranges, Store
from ingest.store.record_batch import RecordBatch
from ingest.store.records import EventRecord, Record, device_of
from ingest.store.reopening import ReopeningStore, StoreChangedError

log = structlog.get_logger("ingest")

BATCH_MAX: Final = 6_000
"""Messages of one batch: what a store does once for each device and batch is most of its work in small ones."""
BATCH_PAUSE_S: Final = 0.15
"""Pause between batches, so that one commit of the store carries many readings."""
SMALL_BATCH: Final = 100
SMALL_BATCH_PAUSE_S: Final = 0.4
"""Pause after a batch of fewer messages: a commit costs the same whatever is in it. Latency stays below 1 s."""
RETRY_MIN_S: Final = 0.3
RETRY_MAX_S: Final = 30.0
TRIM_EVERY: Final = 1_000
"""Journal rows behind the committed offsets from which on the journal is trimmed."""
TRIM_AFTER_S: Final = 60.0
"""Trim at least this often: the journal holds client MAC addresses."""
BACKLOG_SHARE: Final = 0.9
"""Largest share of time spent on a backlog; the rest is for live readings and queries."""
LAST_DRAIN_S: Final = 2.0
"""Time limit for storing live messages when the service stops."""


class Drain:
    """Owns the way from journal to store. `run` blocks and is the store's only writer.

    Args:
        journal: Source of messages.
        decoder: Decodes each message.
        store: Target of records, and source of their history.
        dead_letters: Target of messages that cannot be decoded or stored.
        quarantine: Target of messages of unknown devices.
        manifest: Records what the store must have; None records nothing.
        on_third_party: Called with a device of which a third-party message was stored; None calls nothing.
        clock: UTC; used only for the age of the oldest pending message.
    """

    def __init__(
        self,
        journal: Journal,
        decoder: Decoder,
        store: Store,
        dead_letters: DeadLetterQueue,
        quarantine: Quarantine,
        *,
        manifest: StoreManifest | None = None,
        on_third_party: Callable[[str], None] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._journal = journal
        self._decoder = decoder
        self._writer = store
        self._rules = StatefulRules(store, clock, decoder.level_events())
        self._manifest = manifest
        self._on_third_party = on_third_party
        self._dead_letters = dead_letters
        self._quarantine = quarantine
        self._clock = clock
        self._wake = threading.Event()
        self._trimmed, self._trimmed_at = 0, time.monotonic()
        self.totals = Totals()
        self.error_rate = ErrorRateMonitor()
        self.store_error = ""
        self._last_at_start = journal.last()
        self._committed_offsets: Ranges | None = None
        self._compare_at: int | None = None
        self._released_version = 0
        # Until the store is asked: it had everything up to here.
        had = journal.stored_offset()
        self._tracker = OffsetTracker(((1, had),) if had else (), journal.first(), journal.next_after)

    def wake(self) -> None:
        """Signal that the journal has grown."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Drain until `stop`, then once more what is live."""
        self._with_retry(lambda: finish_replays(self._dead_letters, self._journal), stop)
        while not stop.is_set():
            self._wake.wait(1.0)
            self._wake.clear()
            is_small = False
            try:
                self._with_retry(self._sync_with_store, stop)
                self._with_retry(self._release_known, stop)
                drained = self._tracker.live().after
                self._with_retry(lambda: self._drain(stop), stop)
                is_small = self._tracker.live().after - drained < SMALL_BATCH
                self._with_retry(self._report_lost, stop)
            except StoreChangedError as exc:
                log.warning("drain.begins_anew", reason=str(exc))
                self._committed_offsets = None
            stop.wait(SMALL_BATCH_PAUSE_S if is_small else BATCH_PAUSE_S)
        until = time.monotonic() + LAST_DRAIN_S
        with contextlib.suppress(RetryLaterError, StoreChangedError):
            self._sync_with_store()
            while time.monotonic() < until and self._drain_live(stop):
                pass
            self._trim()

    def _sync_with_store(self) -> None:
        """Resume at the store's committed offsets whenever they are not the ones last seen.

        A store that was restored from a copy, or is new, gets again what the journal retains.
        """
        committed_offsets = self._writer.committed_offsets()
        if committed_offsets == self._committed_offsets:
            return
        stored_offset = self._journal.stored_offset()
        # Positions of this journal alone: what the store has beyond, it has of one that is gone.
        known = tuple(
            (first, min(last, self._last_at_start)) for first, last in committed_offsets if first <= self._last_at_start
        )
        # Positions name dead letters too: a journal begun anew must not give one out again.
        self._journal.start_after(max([last for _, last in committed_offsets] + [self._dead_letters.last_offset()]))
        self._tracker = OffsetTracker(known, self._journal.first(), self._journal.next_after)
        if self._tracker.low_watermark() < min(stored_offset, self._journal.last()):
            log.warning(
                "store.set_back", had=stored_offset, has=self._tracker.low_watermark(), kept_from=self._journal.first()
            )
        self._compare_at = self._journal.last()
        self._rules = StatefulRules(self._writer, self._clock, self._decoder.level_events())
        self._committed_offsets = committed_offsets

    def _report_lost(self) -> None:
        """Log the readings that the store must have and lacks, once everything retained is stored again."""
        if self._manifest is None or self._compare_at is None or self._tracker.low_watermark() < self._compare_at:
            return
        if isinstance(self._writer, ReopeningStore):
            lost = self._manifest.compare(self._writer.seen_sequences(), self._dead_letters.seqs)
            if lost:
                readings = sum(missing.last - missing.first + 1 for missing in lost)
                log.error("store.readings_lost", readings=readings, ranges=[*map(msgspec.structs.astuple, lost[:20])])
        self._compare_at = None

    def lag_s(self) -> float:
        """Age in seconds of the oldest message that is not stored."""
        return self._age_s(self._tracker.low_watermark())

    def live_lag_s(self) -> float:
        """Age in seconds of the oldest message that is neither stored nor backlog."""
        return self._age_s(self._tracker.live().after)

    def depth(self) -> int:
        """Number of messages that are not stored."""
        return self._tracker.pending_count(self._journal.last())

    def _age_s(self, after: int) -> float:
        oldest = self._journal.oldest(after=after)
        return max(0.0, (self._clock() - oldest).total_seconds()) if oldest else 0.0

    def _release_known(self) -> None:
        """Release quarantined messages of devices that the inventory has by now."""
        version = self._decoder.inventory_version
        if version != self._released_version:
            release_quarantined(self._quarantine, self._journal, self._decoder.knows)
            self._released_version = version

    def _drain(self, stop: threading.Event) -> None:
        """Drain everything pending: live messages first, then a batch of the backlog, and again."""
        next_live = 0.0
        is_pending = True
        while is_pending and not stop.is_set():
            is_pending = False
            if self._tracker.backlog() is None or time.monotonic() >= next_live:
                is_pending = self._drain_live(stop)
                next_live = time.monotonic() + BATCH_PAUSE_S
            began = time.monotonic()
            if self._drain_backlog(stop):
                is_pending = True
                stop.wait((time.monotonic() - began) * (1 / BACKLOG_SHARE - 1))
            waits = self._tracker.low_watermark() - self._trimmed
            if waits >= TRIM_EVERY or (waits > 0 and time.monotonic() - self._trimmed_at >= TRIM_AFTER_S):
                self._trim()

    def _drain_live(self, stop: threading.Event) -> bool:
        """Store the next live batch; return whether more may be pending than what arrived meanwhile."""
        gap = self._tracker.live()
        batch, is_full = self._journal.read_batch(after=gap.after, limit=BATCH_MAX)
        if is_full and self._clock() - batch[0].arrival.received_at > timedelta(seconds=LIVE_LAG_MAX_S):
            last = self._journal.last_before(self._clock() - timedelta(seconds=LIVE_LAG_MAX_S))
            log.warning("drain.skips_to_live", backlog=last - gap.after)
            self._tracker.skip_to_live(max(last, batch[-1].offset))
            return True
        stored = bool(batch) and self._with_retry(lambda: self._store(gap, batch), stop)
        return stored and is_full

    def _drain_backlog(self, stop: threading.Event) -> bool:
        """Store the next batch of the oldest gap; False when there is none or the service stops."""
        gap = self._tracker.backlog()
        if gap is None:
            return False
        batch = self._journal.read(after=gap.after, before=gap.before, limit=BATCH_MAX)
        if batch:
            return self._with_retry(lambda: self._store(gap, batch), stop)
        last = gap.before - 1  # no longer in the journal: a damaged file has lost them
        self._tracker.commit(self._tracker.offsets_after(gap.after + 1, last), last)
        return True

    def _trim(self) -> None:
        offset = self._tracker.low_watermark()
        with contextlib.suppress(RetryLaterError):  # a full disk; trimmed with a later batch
            self._journal.trim(offset, self._clock())
            self._trimmed, self._trimmed_at = offset, time.monotonic()

    def _with_retry(self, work: Callable[[], object], stop: threading.Event) -> bool:
        """Run `work`, retrying with jittered backoff while store or disk is unavailable; False when stopped before."""
        backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S)
        while True:
            try:
                work()
            except StoreChangedError:
                raise
            except Exception as exc:  # whatever the store does, the intake goes on
                retry_after_s = exc.retry_after_s if isinstance(exc, RetryLaterError) else None
                if not self.store_error:
                    known = isinstance(exc, RetryLaterError)
                    log.error("store.away", reason=str(exc), exc_info=None if known else exc)
                self.store_error = str(exc) or type(exc).__name__
                if stop.wait(backoff.next_s(retry_after_s)):
                    return False
            else:
                if self.store_error:
                    log.info("store.back")
                self.store_error = ""
                return True

    def _store(self, gap: OffsetRange, batch: Sequence[JournalEntry], *, in_columns: bool = True) -> None:
        decoded = decode_batch(self._decoder, batch, in_columns=in_columns)
        dead_letters = [letter for entry, result in decoded.others for letter in dead_letters_of(entry, result)]
        records_with_source = self._apply_rules(decoded.records)
        for block in decoded.columns:
            self._rules.apply_to_columns(block)
        records = RecordBatch([record for _, record in records_with_source], decoded.columns)
        last = batch[-1].offset
        committed_offsets = self._tracker.offsets_after(gap.after + 1, last)
        if self._manifest is not None:
            native = [record for entry, record in records_with_source if is_native(entry.arrival.topic)]
            self._manifest.note(RecordBatch(native, decoded.columns), self._journal.last())
        self._dead_letters.add(dead_letters)
        self._dead_letters.note_unknown_fields(
            [field for entry, result in decoded.others for field in unknown_fields_of(entry, result)]
        )
        self._quarantine.add(
            [message for entry, result in decoded.others for message in quarantined_messages(entry, result)]
        )
        try:
            written = self._writer.write(records, committed_offsets)
        except RowsRejectedError as exc:
            if records.columns:
                # As records, each refused row is known with its message.
                self._store(gap, batch, in_columns=False)
                return
            rejections = [
                store_rejection(*records_with_source[index], reason) for index, reason in exc.rejected.items()
            ]
            dead_letters += rejections
            self._dead_letters.add(rejections)
            kept = [record for index, (_, record) in enumerate(records_with_source) if index not in exc.rejected]
            written = self._writer.write(kept, committed_offsets)
        self._rules.commit()
        self._tracker.commit(committed_offsets, last)
        self._committed_offsets = committed_offsets
        self._last_at_start = max(self._last_at_start, last)
        if self._on_third_party is not None:
            for entry, record in records_with_source:
                if not is_native(entry.arrival.topic):
                    self._on_third_party(device_of(record))
        # A condition that is told again is there already, like a reading that comes again.
        again = _level_events(decoded.records) - _level_events(records_with_source)
        self.totals.without_effect += len(decoded.records) - len(records_with_source) - again
        bad = {entry.offset for entry, result in decoded.others if result.rejected}
        self.error_rate.observe_all([(entry.arrival.topic, entry.offset in bad) for entry in batch])
        self.totals.count(decoded, dead=len(dead_letters), stored=written.stored, duplicates=written.duplicates + again)

    def _apply_rules(self, records_with_source: list[tuple[JournalEntry, Record]]) -> list[tuple[JournalEntry, Record]]:
        """Records after the stateful rules, each with its journal entry; unchanged level events are left out."""
        applied = self._rules.apply([record for _, record in records_with_source])
        return [
            (entry, record)
            for (entry, _), record in zip(records_with_source, applied, strict=True)
            if record is not None
        ]


def _level_events(records_with_source: Iterable[tuple[JournalEntry, Record]]) -> int:
    return sum(isinstance(record, EventRecord) for _, record in records_with_source)
