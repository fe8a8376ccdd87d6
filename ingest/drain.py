"""From the journal to the store: decode, dead letters, batch, write; the journal is trimmed behind the store.

journal -> live lane, then backlog -> decode -> history -> dead letters, strangers -> store (rows, positions) -> trim

The order makes every crash harmless: dead letters and strangers first (the same again changes nothing), then rows and
positions in one transaction of the store, then trimming. Whatever was cut off in between is done again and stored once.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import structlog

from broker.contract.codec import elements_of, stamps_of
from broker.contract.errors import RetryLaterError, RowsRejectedError, TopicError
from broker.contract.payloads import Rejected
from broker.contract.topics import is_native, parse_topic
from ingest import metrics
from ingest.badness import BadShare
from ingest.decode import Decoded, Decoder
from ingest.history import History
from ingest.journal import Journal, Journaled
from ingest.lanes import BEHIND_S, Lanes, Span
from ingest.replay import finish_replays, take_in
from ingest.store.book import Book
from ingest.store.dead_letters import DeadLetter, DeadLetterBox
from ingest.store.patient import PatientStore, StoreChangedError
from ingest.store.port import Ranges, Store
from ingest.store.quarantine import Quarantine, Quarantined
from ingest.store.records import Record, StatusRecord

log = structlog.get_logger("ingest")

BATCH_MAX: Final = 4_000
SETTLE_S: Final = 0.15
"""Pause between batches, so that a commit of the store carries many readings; a reading is visible well within 1 s."""
RETRY_MAX_S: Final = 30.0
TRIM_EVERY: Final = 1_000
"""Journal rows that may lie behind the store's positions before they are deleted."""
TRIM_AFTER_S: Final = 60.0
"""However few there are: what people's phones are called stays no longer than that beside the store."""
BACKLOG_SHARE: Final = 0.9
"""Of the time at most, while a backlog is drained; the rest is for live readings and for who reads."""
LAST_DRAIN_S: Final = 2.0
"""What is live when the service stops is still stored, for so long."""


class Totals(msgspec.Struct):
    """What has been done since the process started."""

    stored: int = 0
    duplicates: int = 0
    dead: int = 0
    unknown_fields: int = 0
    ignored: int = 0
    quarantined: int = 0


class Drain:
    """Owns the way from journal to store; `run` blocks and is the store's only writer.

    Args:
        journal: Read from here, behind the store's position.
        decoder: What messages mean.
        store: Where records go, and where their past is.
        dead_letters: Where goes what cannot be read.
        quarantine: Where goes what comes from devices that nobody knows.
        book: Where is noted what the store must have; None notes nothing.
        clock: UTC, for nothing but the age of the oldest waiting message.
    """

    def __init__(
        self,
        journal: Journal,
        decoder: Decoder,
        store: Store,
        dead_letters: DeadLetterBox,
        quarantine: Quarantine,
        *,
        book: Book | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; the store is asked where it is when the drain runs, because it may be away."""
        self._journal = journal
        self._decoder = decoder
        self._writer = store
        self._history = History(store, clock)
        self._book = book
        self._dead_letters = dead_letters
        self._quarantine = quarantine
        self._clock = clock
        self._random = random.Random()  # noqa: S311 - spreads retries, hides nothing
        self._wake = threading.Event()
        self._trimmed, self._trimmed_at = 0, time.monotonic()
        self.totals = Totals()
        self.bad = BadShare()
        self.away = ""
        self._last_at_start = journal.last()
        self._drained: Ranges | None = None
        self._compare_at: int | None = None
        # Until the store is asked: it had everything up to here.
        had = journal.handed_on()
        self._lanes = Lanes(((1, had),) if had else (), journal.first(), journal.next_after)

    def wake(self) -> None:
        """Say that the journal has grown."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Drain until `stop`, then once more what is live."""
        self._patiently(lambda: finish_replays(self._dead_letters, self._journal), stop)
        while not stop.is_set():
            self._wake.wait(1.0)
            self._wake.clear()
            try:
                self._patiently(self._begin, stop)
                self._patiently(self._take_in_known, stop)
                self._patiently(lambda: self._drain(stop), stop)
                self._patiently(self._compare, stop)
            except StoreChangedError as exc:
                log.warning("drain.begins_anew", reason=str(exc))
                self._drained = None
            stop.wait(SETTLE_S)
        until = time.monotonic() + LAST_DRAIN_S
        with contextlib.suppress(RetryLaterError, StoreChangedError):
            self._begin()
            while time.monotonic() < until and self._drain_live(stop):
                pass
            self._trim()

    def _begin(self) -> None:
        """Go on where the store says that it is, whenever that is not where it was left.

        A store that was set back, or begun anew, gets again what the journal has kept behind it.
        """
        said = self._writer.drained()
        if said == self._drained:
            return
        handed_on = self._journal.handed_on()
        # Positions of this journal alone: what the store has beyond, it has of one that is gone.
        drained = tuple((first, min(last, self._last_at_start)) for first, last in said if first <= self._last_at_start)
        # Positions name dead letters too: a journal begun anew must not give one out again.
        self._journal.start_after(max([last for _, last in said] + [self._dead_letters.last_position()]))
        self._lanes = Lanes(drained, self._journal.first(), self._journal.next_after)
        if self._lanes.trimmable() < min(handed_on, self._journal.last()):
            log.warning("store.set_back", had=handed_on, has=self._lanes.trimmable(), kept_from=self._journal.first())
        self._compare_at = self._journal.last()
        self._history = History(self._writer, self._clock)
        self._drained = said

    def _compare(self) -> None:
        """Say which readings the store must have and has not, once everything that was kept is in it again."""
        if self._book is None or self._compare_at is None or self._lanes.trimmable() < self._compare_at:
            return
        if isinstance(self._writer, PatientStore):
            lost = self._book.compare(self._writer.seen(), self._dead_letters.seqs)
            if lost:
                readings = sum(one.last - one.first + 1 for one in lost)
                log.error("store.readings_lost", readings=readings, ranges=[*map(msgspec.structs.astuple, lost[:20])])
        self._compare_at = None

    def lag_s(self) -> float:
        """Age of the oldest message that the store does not have."""
        return self._age_s(self._lanes.trimmable())

    def live_lag_s(self) -> float:
        """Age of the oldest message that is not backlog and that the store does not have."""
        return self._age_s(self._lanes.live().after)

    def depth(self) -> int:
        """How many messages the store does not have."""
        return self._lanes.waiting(self._journal.last())

    def _age_s(self, after: int) -> float:
        oldest = self._journal.oldest(after=after)
        return max(0.0, (self._clock() - oldest).total_seconds()) if oldest else 0.0

    def _take_in_known(self) -> None:
        """Give back what waits of strangers that the inventory has by now."""
        if self._decoder.inventory_changed():
            take_in(self._quarantine, self._journal, self._decoder.knows)

    def _drain(self, stop: threading.Event) -> None:
        """All that waits, live readings first, then a batch of the backlog, and again."""
        next_live = 0.0
        more = True
        while more and not stop.is_set():
            more = False
            if self._lanes.backlog() is None or time.monotonic() >= next_live:
                more = self._drain_live(stop)
                next_live = time.monotonic() + SETTLE_S
            began = time.monotonic()
            if self._drain_backlog(stop):
                more = True
                stop.wait((time.monotonic() - began) * (1 / BACKLOG_SHARE - 1))
            waits = self._lanes.trimmable() - self._trimmed
            if waits >= TRIM_EVERY or (waits > 0 and time.monotonic() - self._trimmed_at >= TRIM_AFTER_S):
                self._trim()

    def _drain_live(self, stop: threading.Event) -> bool:
        """Store the next live batch; whether there may be more than what came meanwhile."""
        span = self._lanes.live()
        batch = self._journal.read(after=span.after, limit=BATCH_MAX)
        if len(batch) == BATCH_MAX and self._clock() - batch[0].arrival.received_at > timedelta(seconds=BEHIND_S):
            last = self._journal.last_before(self._clock() - timedelta(seconds=BEHIND_S))
            log.warning("drain.overtakes", backlog=last - span.after)
            self._lanes.overtake(max(last, batch[-1].position))
            return True
        stored = bool(batch) and self._patiently(lambda: self._store(span, batch), stop)
        return stored and len(batch) == BATCH_MAX

    def _drain_backlog(self, stop: threading.Event) -> bool:
        """Store the next batch of the oldest gap; False when there is none or the service stops."""
        span = self._lanes.backlog()
        if span is None:
            return False
        batch = self._journal.read(after=span.after, before=span.before, limit=BATCH_MAX)
        if batch:
            return self._patiently(lambda: self._store(span, batch), stop)
        last = span.before - 1  # no longer in the journal: a damaged file has lost them
        self._lanes.commit(self._lanes.done_with(span.after + 1, last), last)
        return True

    def _trim(self) -> None:
        position = self._lanes.trimmable()
        with contextlib.suppress(RetryLaterError):  # a full disk; trimmed with a later batch
            self._journal.trim(position, self._clock())
            self._trimmed, self._trimmed_at = position, time.monotonic()

    def _patiently(self, work: Callable[[], object], stop: threading.Event) -> bool:
        """Do something, waiting for an absent store or disk with jittered backoff; False when stopped before."""
        attempt = 0
        while True:
            try:
                work()
            except StoreChangedError:
                raise
            except Exception as exc:  # whatever the store does, the intake goes on
                retry_after_s = exc.retry_after_s if isinstance(exc, RetryLaterError) else None
                if not self.away:
                    known = isinstance(exc, RetryLaterError)
                    log.error("store.away", reason=str(exc), exc_info=None if known else exc)
                self.away = str(exc) or type(exc).__name__
                attempt += 1
                wait_s = retry_after_s or self._random.uniform(0.1, min(RETRY_MAX_S, 0.25 * 2 ** min(attempt, 8)))
                if stop.wait(wait_s):
                    return False
            else:
                if self.away:
                    log.info("store.back")
                self.away = ""
                return True

    def _store(self, span: Span, batch: Sequence[Journaled]) -> None:
        decoded = [(entry, self._decode(entry)) for entry in batch]
        letters = [letter for entry, result in decoded for letter in _letters(entry, result)]
        told = [(entry, record) for entry, result in decoded for record in result.records]
        owners = self._settled(told)
        last = batch[-1].position
        drained = self._lanes.done_with(span.after + 1, last)
        self._note(record for entry, record in owners if is_native(entry.arrival.topic))
        self._dead_letters.add(letters)
        self._quarantine.add([one for entry, result in decoded for one in _strangers(entry, result)])
        try:
            written = self._writer.write([record for _, record in owners], drained)
        except RowsRejectedError as exc:
            refused = [_refused(*owners[index], reason) for index, reason in exc.rejected.items()]
            letters += refused
            self._dead_letters.add(refused)
            kept = [record for index, (_, record) in enumerate(owners) if index not in exc.rejected]
            written = self._writer.write(kept, drained)
        self._history.commit()
        self._lanes.commit(drained, last)
        self._drained = drained
        self._last_at_start = max(self._last_at_start, last)
        # A condition that is told again is there already, like a reading that comes again.
        again = len(told) - len(owners)
        self._count(decoded, len(letters), written.stored, written.duplicates + again)

    def _note(self, records: Iterable[Record]) -> None:
        if self._book is not None:
            self._book.note(records, self._journal.last())

    def _settled(self, owners: list[tuple[Journaled, Record]]) -> list[tuple[Journaled, Record]]:
        """Records as they are to be stored, each with the message it came from."""
        settled = self._history.settle([record for _, record in owners])
        return [(entry, record) for (entry, _), record in zip(owners, settled, strict=True) if record is not None]

    def _decode(self, entry: Journaled) -> Decoded:
        if entry.damaged:
            return Decoded([], [Rejected(entry.arrival.payload, "the disk has changed this message in the journal")])
        return self._decoder.decode(entry.arrival)

    def _count(self, decoded: list[tuple[Journaled, Decoded]], dead: int, stored: int, duplicates: int) -> None:
        for entry, result in decoded:
            self.bad.observe(entry.arrival.topic, bad=bool(result.dead))
        unknown = sum(result.unknown_fields for _, result in decoded)
        ignored = sum(result.ignored for _, result in decoded)
        quarantined = sum(len(result.strangers) for _, result in decoded)
        for counter, amount in (
            (metrics.STORED, stored),
            (metrics.DUPLICATES, duplicates),
            (metrics.DEAD, dead),
            (metrics.UNKNOWN_FIELDS, unknown),
            (metrics.IGNORED, ignored),
            (metrics.QUARANTINED, quarantined),
        ):
            counter.inc(amount)
        self.totals.stored += stored
        self.totals.duplicates += duplicates
        self.totals.dead += dead
        self.totals.unknown_fields += unknown
        self.totals.ignored += ignored
        self.totals.quarantined += quarantined


def _letters(entry: Journaled, result: Decoded) -> list[DeadLetter]:
    arrival = entry.arrival
    return [
        DeadLetter(
            entry.position,
            arrival.topic,
            rejected.raw,
            arrival.received_at,
            rejected.reason,
            device=rejected.device or _device_of(arrival.topic),
        )
        for rejected in result.dead
    ]


def _device_of(topic: str) -> str:
    """Who sent a message under the contract's own topics; empty for others."""
    try:
        return parse_topic(topic).device
    except TopicError:
        return ""


def _strangers(entry: Journaled, result: Decoded) -> list[Quarantined]:
    arrival = entry.arrival
    return [
        Quarantined(
            one.adapter,
            one.names,
            arrival.topic,
            one.raw,
            arrival.received_at,
            arrival.retained,
            one.hint.model,
            one.hint.label,
            one.hint.place.get("lat_deg"),
            one.hint.place.get("lon_deg"),
            one.frame_port,
        )
        for one in result.strangers
    ]


def _refused(entry: Journaled, record: Record, reason: str) -> DeadLetter:
    """The element of the message that a record came from, with the store's reason."""
    arrival = entry.arrival
    stamp = [] if isinstance(record, StatusRecord) else [(record.origin.boot, record.origin.seq)]
    found = (raw for raw in elements_of(arrival.payload) if stamp and stamps_of(raw) == stamp)
    raw = next(found, arrival.payload)
    return DeadLetter(
        entry.position, arrival.topic, raw, arrival.received_at, f"store: {reason}", device=_device_of(arrival.topic)
    )
