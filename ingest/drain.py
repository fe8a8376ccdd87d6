"""From the journal to the store: decode, dead letters, batch, write; the journal is trimmed behind the store.

The order makes every crash harmless: dead letters first (kept once per journal position), then rows and position in
one transaction of the store, then trimming. Whatever was cut off in between is done again and stored once.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog

from broker.contract.errors import RetryLaterError, RowsRejectedError
from ingest import metrics
from ingest.decode import Decoded, Decoder
from ingest.journal import Journal, Journaled
from ingest.store.dead_letters import DeadLetter, DeadLetterBox
from ingest.store.port import TelemetryWriter
from ingest.store.records import Record

log = structlog.get_logger("ingest")

BATCH_MAX: Final = 2_000
SETTLE_S: Final = 0.15
"""Pause between batches, so that a commit of the store carries many readings; a reading is visible well within 1 s."""
RETRY_MAX_S: Final = 30.0
TRIM_EVERY: Final = 1_000
"""Journal rows that may lie behind the store's position before they are deleted."""


class Totals(msgspec.Struct):
    """What has been done since the process started."""

    stored: int = 0
    duplicates: int = 0
    dead: int = 0
    unknown_fields: int = 0
    ignored: int = 0


class Drain:
    """Owns the way from journal to store; `run` blocks and is the store's only writer.

    Args:
        journal: Read from here, behind the store's position.
        decoder: What messages mean.
        writer: Where records go.
        dead_letters: Where the rest goes.
        clock: UTC, for nothing but the age of the oldest waiting message.
    """

    def __init__(
        self,
        journal: Journal,
        decoder: Decoder,
        writer: TelemetryWriter,
        dead_letters: DeadLetterBox,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Start where the store says that it is."""
        self._journal = journal
        self._decoder = decoder
        self._writer = writer
        self._dead_letters = dead_letters
        self._clock = clock
        self._random = random.Random()  # noqa: S311 - spreads retries, hides nothing
        self._wake = threading.Event()
        self._trimmed = 0
        self.totals = Totals()
        self.away = ""
        self._position = writer.position()
        # Positions name dead letters too: a journal begun anew must not give one out again.
        journal.start_after(max(self._position, dead_letters.last_position()))

    def wake(self) -> None:
        """Say that the journal has grown."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Drain until `stop`, then once more what is there."""
        while not stop.is_set():
            self._wake.wait(1.0)
            self._wake.clear()
            self._drain(stop)
            stop.wait(SETTLE_S)
        self._drain(stop)
        self._trim()

    def lag_s(self) -> float:
        """Age of the oldest message that the store does not have."""
        oldest = self._journal.oldest(after=self._position)
        return (self._clock() - oldest).total_seconds() if oldest else 0.0

    def depth(self) -> int:
        """How many messages the store does not have."""
        return self._journal.depth(after=self._position)

    def _drain(self, stop: threading.Event) -> None:
        while batch := self._journal.read(after=self._position, limit=BATCH_MAX):
            if not self._store_patiently(batch, stop):
                return
            if self._position - self._trimmed >= TRIM_EVERY:
                self._trim()

    def _trim(self) -> None:
        self._journal.trim(self._position)
        self._trimmed = self._position

    def _store_patiently(self, batch: Sequence[Journaled], stop: threading.Event) -> bool:
        """Store a batch, waiting for an absent store with jittered backoff; False when stopped before."""
        attempt = 0
        while True:
            try:
                self._store(batch)
            except RetryLaterError as exc:
                if not self.away:
                    log.error("store.away", reason=str(exc))
                self.away = str(exc)
                attempt += 1
                wait_s = exc.retry_after_s or self._random.uniform(0.1, min(RETRY_MAX_S, 0.25 * 2 ** min(attempt, 8)))
                if stop.wait(wait_s):
                    return False
            else:
                if self.away:
                    log.info("store.back")
                self.away = ""
                return True

    def _store(self, batch: Sequence[Journaled]) -> None:
        decoded = [(entry, self._decoder.decode(entry.arrival)) for entry in batch]
        letters = [letter for entry, result in decoded for letter in _letters(entry, result)]
        owners = [(entry, record) for entry, result in decoded for record in result.records]
        position = batch[-1].position
        self._dead_letters.add(letters)
        try:
            written = self._writer.write([record for _, record in owners], position)
        except RowsRejectedError as exc:
            refused = _refused(owners, exc.rejected)
            letters += refused
            self._dead_letters.add(refused)
            kept = [record for index, (_, record) in enumerate(owners) if index not in exc.rejected]
            written = self._writer.write(kept, position)
        self._position = position
        self._count(decoded, len(letters), written.stored, written.duplicates)

    def _count(self, decoded: list[tuple[Journaled, Decoded]], dead: int, stored: int, duplicates: int) -> None:
        unknown = sum(result.unknown_fields for _, result in decoded)
        ignored = sum(result.ignored for _, result in decoded)
        for counter, amount in (
            (metrics.STORED, stored),
            (metrics.DUPLICATES, duplicates),
            (metrics.DEAD, dead),
            (metrics.UNKNOWN_FIELDS, unknown),
            (metrics.IGNORED, ignored),
        ):
            counter.inc(amount)
        self.totals.stored += stored
        self.totals.duplicates += duplicates
        self.totals.dead += dead
        self.totals.unknown_fields += unknown
        self.totals.ignored += ignored


def _letters(entry: Journaled, result: Decoded) -> list[DeadLetter]:
    arrival = entry.arrival
    return [
        DeadLetter(entry.position, part, arrival.topic, rejected.raw, arrival.received_at, rejected.reason)
        for part, rejected in enumerate(result.dead)
    ]


def _refused(owners: list[tuple[Journaled, Record]], rejected: dict[int, str]) -> list[DeadLetter]:
    """Whole messages whose record the store refused; their parts are numbered behind those of the decoder."""
    return [
        DeadLetter(
            owners[index][0].position,
            1_000_000 + index,
            owners[index][0].arrival.topic,
            owners[index][0].arrival.payload,
            owners[index][0].arrival.received_at,
            f"store: {reason}",
        )
        for index, reason in rejected.items()
    ]
