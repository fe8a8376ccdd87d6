"""Whether the drain goes on is told by its counters: work, no work and an absent store are progress, a hang is none."""

from __future__ import annotations

from dataclasses import dataclass, field

from city.errors import RetryLaterError
from ingest.pipeline.totals import Totals
from ingest.service import DrainProgress


@dataclass
class Counters:
    """What a drain says of itself."""

    waiting: int = 0
    store_error: str = ""
    totals: Totals = field(default_factory=Totals)
    full: bool = False

    def depth(self) -> int:
        """Messages that the store does not have."""
        if self.full:
            raise RetryLaterError("disk full")
        return self.waiting


def test_a_drain_with_nothing_to_do_goes_on() -> None:
    progress = DrainProgress(Counters())  # type: ignore[arg-type]
    assert progress.goes_on()
    assert progress.goes_on()


def test_a_drain_that_stores_goes_on() -> None:
    counters = Counters(waiting=5)
    progress = DrainProgress(counters)  # type: ignore[arg-type]
    counters.totals.stored += 3
    assert progress.goes_on()
    assert not progress.goes_on()
    counters.totals.dead_letters += 1
    assert progress.goes_on()
    counters.waiting = 4
    assert progress.goes_on()
    assert progress.doing == "4 waiting"


def test_messages_that_only_come_in_are_no_progress_of_the_drain() -> None:
    counters = Counters(waiting=5)
    progress = DrainProgress(counters)  # type: ignore[arg-type]
    progress.goes_on()
    for _ in range(3):
        counters.waiting += 100
        assert not progress.goes_on()


def test_a_drain_that_waits_for_the_store_or_for_the_disk_goes_on() -> None:
    counters = Counters(waiting=5, store_error="no route")
    progress = DrainProgress(counters)  # type: ignore[arg-type]
    progress.goes_on()
    assert progress.goes_on()
    assert progress.doing == "waiting for the store"
    counters.store_error, counters.full = "", True
    assert progress.goes_on()
