"""A bad message is one dead letter however often it comes, is replayed once, and gives way only at a stated bound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from city.errors import RetryLaterError
from ingest.pipeline.journal import Journal
from ingest.pipeline.replay import finish_replays, replay
from ingest.store.parked.dead_letters import DeadLetter, DeadLetterQueue

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOPIC = "kota/v1/kupang/bin/bin-1/telemetry"


def letter(offset: int, payload: bytes = b"{", minutes: int = 0) -> DeadLetter:
    return DeadLetter(offset, TOPIC, payload, NOW + timedelta(minutes=minutes), "not JSON")


@pytest.fixture
def box(tmp_path: Path) -> DeadLetterQueue:
    return DeadLetterQueue(tmp_path / "dead.sqlite")


def test_the_same_bytes_are_one_letter_that_counts(box: DeadLetterQueue) -> None:
    box.add([letter(1), letter(2, b"[")])
    box.add([letter(3, minutes=5)])
    first, other = sorted(box.find(), key=lambda dead_letter: dead_letter.id)
    assert (first.times, first.offset, first.received_at, first.last_at) == (2, 3, NOW, NOW + timedelta(minutes=5))
    assert other.times == 1


def test_doing_a_batch_again_after_a_crash_counts_nothing_twice(box: DeadLetterQueue) -> None:
    batch = [letter(1), letter(2, b"["), letter(3)]
    box.add(batch)
    box.add(batch)
    assert sorted(dead_letter.times for dead_letter in box.find()) == [1, 2]


def test_a_replayed_letter_that_fails_again_is_dead_once_more(box: DeadLetterQueue, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", max_bytes=1 << 20)
    box.add([letter(1)])
    assert replay(box, journal, [1]) == 1
    assert box.count() == 0
    (entry,) = journal.read(after=0, limit=9)
    box.add([DeadLetter(entry.offset + 1, TOPIC, entry.arrival.payload, NOW, "still not JSON")])
    (again,) = box.find()
    assert (again.id, again.reason, again.times) == (1, "still not JSON", 2)


def test_a_letter_that_fails_before_its_replay_is_noted_stays_dead(box: DeadLetterQueue, tmp_path: Path) -> None:
    class Eager(Journal):
        """Ingest drains what is appended before the append has returned."""

        def append(self, arrivals: object) -> None:
            super().append(arrivals)  # type: ignore[arg-type]
            box.add([letter(7)])

    box.add([letter(1)])
    replay(box, Eager(tmp_path / "j.sqlite", max_bytes=1 << 20), [1])
    assert [dead_letter.state for dead_letter in box.find(state=None)] == ["dead"]


def test_a_replay_cut_off_by_a_crash_is_finished(box: DeadLetterQueue, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", max_bytes=1 << 20)
    box.add([letter(1), letter(2, b"[")])
    box.mark([1], "dead", "replaying")
    assert finish_replays(box, journal) == 1
    assert [entry.arrival.payload for entry in journal.read(after=0, limit=9)] == [b"{"]
    assert [dead_letter.id for dead_letter in box.find()] == [2]
    assert finish_replays(box, journal) == 0


def test_a_replay_into_a_full_journal_leaves_the_letter_dead(box: DeadLetterQueue, tmp_path: Path) -> None:
    box.add([letter(1)])
    with pytest.raises(RetryLaterError):
        replay(box, Journal(tmp_path / "j.sqlite", max_bytes=1), [1])
    assert box.count() == 1


def test_at_the_bound_the_replayed_go_first_and_what_goes_is_counted(tmp_path: Path) -> None:
    box = DeadLetterQueue(tmp_path / "small.sqlite", max_bytes=200_000)
    box.add([letter(n, b"%d" % n + b"x" * 1_000) for n in range(1, 101)])
    box.mark([50], "dead", "replaying")
    box.mark([50], "replaying", "replayed")
    for n in range(101, 301):
        box.add([letter(n, b"%d" % n + b"x" * 1_000)])
    left = {dead_letter.id for dead_letter in box.find(state=None, limit=-1)}
    assert 50 not in left
    assert 300 in left
    assert len(left) + box.dropped_count() == 300


def test_retention_forgets_by_the_last_time(box: DeadLetterQueue) -> None:
    box.add([letter(1), letter(2, b"[", minutes=10)])
    box.add([letter(3, minutes=20)])
    assert box.forget_before(NOW + timedelta(minutes=15)) == 1
    assert [dead_letter.payload for dead_letter in box.find()] == [b"{"]
