"""The ledger of a chaos run: every reading that was published, held against where it is now."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from broker.contract.codec import sequence_ids_of
from edge.outbox import Outbox
from ingest.store.factory import open_manifest
from ingest.store.intervals import IntervalSet
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.port import StoredSequences
from tests.chaos.fleet import read_lives

Life = tuple[str, str]
"""Device and boot."""


class Counts(NamedTuple):
    """Readings: `lost` are nowhere, `twice` are in two places or two times in one, `said_lost` ingest says are lost."""

    published: int
    stored: int
    dead: int
    lost: int
    twice: int
    said_lost: int


def outboxes(data: Path) -> list[Path]:
    """The publishers' outboxes."""
    return sorted((data / "edge").glob("*.sqlite"))


def published_in(data: Path) -> dict[Life, int]:
    """What publishers and fleet have given out: so many seqs of each life, from 0 on."""
    published = {(life.device, life.epoch): life.seqs for life in read_lives(data)}
    for path in outboxes(data):
        with closing(Outbox(path, max_bytes=1 << 40)) as outbox:
            published.update({(life.device, life.epoch): life.seqs for life in outbox.stats()})
    return published


def counted(data: Path, published: dict[Life, int], stored: Sequence[StoredSequences]) -> Counts:
    """Hold what was published against the store and the dead letters."""
    ledger = {(sequences.device, sequences.epoch): sequences for sequences in stored}
    dead, twice = _buried(data)
    lost = kept_in_all = buried = 0
    for life, seqs in published.items():
        kept, refused = _numbers(ledger[life].seqs if life in ledger else ()), _numbers(dead.get(life, ()))
        lost += len(set(range(seqs)) - kept - refused)
        twice += len(kept & refused) + (ledger[life].duplicates if life in ledger else 0)
        kept_in_all += len(kept)
        buried += len(refused)
    with closing(open_manifest(data)) as book:
        said_lost = sum(range_.last - range_.first + 1 for range_ in book.lost_ranges())
    return Counts(sum(published.values()), kept_in_all, buried, lost, twice, said_lost)


def _buried(data: Path) -> tuple[dict[Life, IntervalSet], int]:
    """The seqs of dead letters by device and boot, and how many of them lie there more than once."""
    with closing(DeadLetterQueue(data / "store" / "dead_letters.sqlite")) as box:
        seqs = box.seqs()
        letters = sum(len(sequence_ids_of(letter.payload)) for letter in box.find(limit=-1))
        letters += sum(len(sequence_ids_of(letter.payload)) for letter in box.find(state="replaying", limit=-1))
    return seqs, letters - sum(intervals.count() for intervals in seqs.values())


def _numbers(ranges: tuple[tuple[int, int], ...] | IntervalSet) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}
