"""The balance of what was published and what is kept."""

from __future__ import annotations

from edge.reconcile import Kept, Published, Reconciliation, StoredEpoch, reconcile, reconcile_settled


def published(device: str, seqs: int, *pending: int, epoch: str = "b", dropped: int = 0) -> Published:
    return Published(device, epoch, seqs, frozenset(pending), dropped)


def test_stored_waiting_and_dead_readings_are_accounted_for() -> None:
    kept = Kept([StoredEpoch("bin-1", "b", [(0, 4), (6, 6)], 6, 0, [(5, 5), (7, 7)])])
    assert reconcile([published("bin-1", 10, 8, 9)], kept) == Reconciliation(
        10, stored=6, dead=2, waiting=2, dropped=0, missing=0, duplicates=0
    )


def test_what_is_nowhere_is_missing_and_what_is_there_twice_is_said() -> None:
    issued = [published("bin-1", 10), published("bin-2", 3)]
    found = reconcile(issued, Kept([StoredEpoch("bin-1", "b", [(0, 7)], 9, 1)]))
    assert (found.missing, found.duplicates) == (5, 1)


def test_another_boot_is_another_life() -> None:
    kept = Kept([StoredEpoch("bin-1", "old", [(0, 9)], 10, 0)])
    found = reconcile([published("bin-1", 2, epoch="new")], kept)
    assert (found.stored, found.missing) == (0, 2)


def test_what_gave_way_in_a_full_outbox_is_not_missing() -> None:
    kept = Kept([StoredEpoch("bin-1", "b", [(5, 9)], 5, 0)])
    found = reconcile([published("bin-1", 10, 3, 4, dropped=3)], kept)
    assert (found.dropped, found.missing) == (3, 0)


def test_a_reading_that_is_stored_while_it_still_waits_hides_no_missing_one() -> None:
    kept = Kept([StoredEpoch("bin-1", "b", [(0, 3), (8, 9)], 6, 0)])
    found = reconcile([published("bin-1", 8, 2, 3)], kept)
    assert (found.stored, found.waiting, found.missing) == (4, 0, 4)


def test_what_may_wait_in_the_journal_is_under_way_and_the_rest_is_missing() -> None:
    kept = Kept([StoredEpoch("bin-1", "b", [(0, 3)], 4, 0)], journal_depth=4)
    found = reconcile([published("bin-1", 10)], kept)
    assert (found.under_way, found.missing) == (4, 2)


class City:
    """Answers in turn; the last one for ever."""

    def __init__(self, *answers: Kept) -> None:
        self.answers = list(answers)
        self.asked = 0

    def ask(self) -> Kept:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def up_to(last: int, depth: int) -> Kept:
    return Kept([StoredEpoch("bin-1", "b", [(0, last)], last + 1, 0)], journal_depth=depth)


def test_a_running_city_is_asked_until_what_was_under_way_is_stored() -> None:
    city = City(up_to(3, 0), up_to(6, 3), up_to(9, 0))
    found = reconcile_settled([published("bin-1", 10)], city.ask, lambda _: None)
    assert (found.missing, found.under_way, found.stored) == (0, 0, 10)
    assert city.asked == 3


def test_what_does_not_come_although_the_journal_stays_empty_is_missing() -> None:
    city = City(up_to(7, 0))
    found = reconcile_settled([published("bin-1", 10)], city.ask, lambda _: None)
    assert (found.missing, found.under_way) == (2, 0)
    assert city.asked == 3


def test_a_store_that_is_away_leaves_readings_under_way() -> None:
    city = City(up_to(7, 500))
    found = reconcile_settled([published("bin-1", 10)], city.ask, lambda _: None)
    assert (found.missing, found.under_way) == (0, 2)
