"""The balance of what was published and what is kept."""

from __future__ import annotations

from edge.outbox import OutboxStats
from edge.reconcile import Reconciliation, StoredEpoch, reconcile


def stored(*lives: StoredEpoch) -> dict[tuple[str, str], StoredEpoch]:
    return {(life.device, life.epoch): life for life in lives}


def test_stored_waiting_and_dead_readings_are_accounted_for() -> None:
    issued = [OutboxStats("bin-1", "b", 10, 2)]
    kept = stored(StoredEpoch("bin-1", "b", [(0, 4), (6, 6)], 6, 0, [(5, 5), (7, 7)]))
    assert reconcile(issued, kept) == Reconciliation(
        10, stored=6, dead=2, waiting=2, dropped=0, missing=0, duplicates=0
    )


def test_what_is_nowhere_is_missing_and_what_is_there_twice_is_said() -> None:
    issued = [OutboxStats("bin-1", "b", 10, 0), OutboxStats("bin-2", "b", 3, 0)]
    found = reconcile(issued, stored(StoredEpoch("bin-1", "b", [(0, 7)], 9, 1)))
    assert (found.missing, found.duplicates) == (5, 1)


def test_another_boot_is_another_life() -> None:
    found = reconcile([OutboxStats("bin-1", "new", 2, 0)], stored(StoredEpoch("bin-1", "old", [(0, 9)], 10, 0)))
    assert (found.stored, found.missing) == (0, 2)


def test_what_gave_way_in_a_full_outbox_is_not_missing() -> None:
    found = reconcile([OutboxStats("bin-1", "b", 10, 2, 3)], stored(StoredEpoch("bin-1", "b", [(5, 9)], 5, 0)))
    assert (found.dropped, found.missing) == (3, 0)
