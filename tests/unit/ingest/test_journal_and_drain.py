"""The journal keeps and orders; the drain stores once, keeps the bad aside, and waits for an absent store."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broker.client import Delivery
from broker.contract.errors import RetryLaterError, RowsRejectedError
from city.model import City
from ingest.decode import Decoder
from ingest.drain import Drain
from ingest.intake import Receipts
from ingest.journal import Arrival, Journal
from ingest.lanes import Span
from ingest.replay import replay
from ingest.store.dead_letters import DeadLetterBox
from ingest.store.memory import MemoryStore
from ingest.store.port import Ranges, Written
from ingest.store.records import Reading, Record

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVERYTHING = Span(0, 1 << 62)
BIN = "kota/v1/kupang/bin/bin-1/telemetry"


def arrival(seq: int, topic: str = BIN, **fields: Any) -> Arrival:
    body = {"ts": NOW.isoformat(), "boot": "b1", "seq": seq, "battery_pct": 5, **fields}
    return Arrival(topic, json.dumps(body).encode(), NOW)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite", max_bytes=1 << 20)


@pytest.fixture
def box(tmp_path: Path) -> DeadLetterBox:
    return DeadLetterBox(tmp_path / "dead.sqlite")


def drained(journal: Journal, city: City, store: Any, box: DeadLetterBox) -> Drain:
    """Run a drain over what the journal holds, to its end."""
    drain = Drain(journal, Decoder(city, late_after=timedelta(minutes=15)), store, box, clock=lambda: NOW)
    stop = threading.Event()
    stop.set()
    drain.run(stop)
    return drain


def test_journal_gives_back_in_order_of_arrival_after_reopening(tmp_path: Path) -> None:
    first = Journal(tmp_path / "j.sqlite", max_bytes=1 << 20)
    first.append([arrival(1), arrival(2)])
    first.append([arrival(3)])
    first.close()
    again = Journal(tmp_path / "j.sqlite", max_bytes=1 << 20)
    assert [entry.position for entry in again.read(after=0, limit=9)] == [1, 2, 3]
    assert again.read(after=2, limit=9)[0].arrival == arrival(3)


def test_positions_never_come_again(tmp_path: Path, journal: Journal) -> None:
    journal.append([arrival(1), arrival(2)])
    journal.trim(2)
    journal.append([arrival(3)])
    assert [entry.position for entry in journal.read(after=0, limit=9)] == [3]
    fresh = Journal(tmp_path / "new-disk.sqlite", max_bytes=1 << 20)
    fresh.start_after(41)
    fresh.append([arrival(4)])
    assert [entry.position for entry in fresh.read(after=41, limit=9)] == [42]


def test_at_its_bound_the_journal_refuses_and_drops_nothing(tmp_path: Path) -> None:
    small = Journal(tmp_path / "small.sqlite", max_bytes=40_000)
    small.append([arrival(1), arrival(2)])
    with pytest.raises(RetryLaterError, match="waiting for the store"):
        small.append([arrival(n) for n in range(3, 900)])
    assert len(small.read(after=0, limit=999)) == 2
    small.append([arrival(n) for n in range(3, 100)])
    with pytest.raises(RetryLaterError, match="waiting for the store"):
        small.append([arrival(n) for n in range(100, 260)])
    small.trim(99)
    small.append([arrival(n) for n in range(100, 200)])


def test_drain_stores_and_keeps_the_bad_aside(journal: Journal, city: City, box: DeadLetterBox) -> None:
    store = MemoryStore()
    journal.append([arrival(1), Arrival(BIN, b"{", NOW), arrival(2), arrival(3, battery_pct=500)])
    drain = drained(journal, city, store, box)
    assert [entry.seqs for entry in store.ledger()] == [((1, 2),)]
    assert [(letter.payload[:1], letter.position) for letter in box.find()] == [(b"{", 4), (b"{", 2)]
    assert drain.depth() == 0
    assert journal.first() == 5


def test_what_was_cut_off_before_the_position_is_stored_once(journal: Journal, city: City, box: DeadLetterBox) -> None:
    class Forgetful(MemoryStore):
        """Stores the rows but dies before it has said so."""

        def drained(self) -> Ranges:
            return ()

    store = Forgetful()
    journal.append([arrival(1), Arrival(BIN, b"{", NOW), arrival(2)])
    for _ in range(2):
        drain = Drain(journal, Decoder(city, late_after=timedelta(minutes=15)), store, box, clock=lambda: NOW)
        drain._store(EVERYTHING, journal.read(after=0, limit=9))
    assert [(entry.rows, entry.twice) for entry in store.ledger()] == [(2, 0)]
    assert box.count() == 1


def test_a_journal_begun_anew_never_hides_a_dead_letter(
    tmp_path: Path, journal: Journal, city: City, box: DeadLetterBox
) -> None:
    journal.append([Arrival(BIN, b"{", NOW)])
    drained(journal, city, MemoryStore(), box)
    fresh = Journal(tmp_path / "another-disk.sqlite", max_bytes=1 << 20)
    drain = Drain(fresh, Decoder(city, late_after=timedelta(minutes=15)), MemoryStore(), box, clock=lambda: NOW)
    fresh.append([Arrival(BIN, b"[", NOW)])
    drain._store(EVERYTHING, fresh.read(after=0, limit=9))
    assert [letter.payload for letter in box.find()] == [b"[", b"{"]


class RefusingStore(MemoryStore):
    """Refuses rows with a battery of 13 percent for good, as a database with a type conflict would."""

    def write(self, records: Sequence[Record], drained: Ranges) -> Written:
        bad = {
            index: "column type conflict"
            for index, record in enumerate(records)
            if isinstance(record, Reading) and record.values.get("battery_pct") == 13
        }
        if bad:
            raise RowsRejectedError(bad)
        return super().write(records, drained)


def test_rows_a_store_refuses_become_dead_letters_and_their_neighbours_are_stored(
    journal: Journal, city: City, box: DeadLetterBox
) -> None:
    store = RefusingStore()
    journal.append([arrival(1), arrival(2, battery_pct=13), arrival(3)])
    drained(journal, city, store, box)
    assert [entry.seqs for entry in store.ledger()] == [((1, 1), (3, 3))]
    assert [letter.reason for letter in box.find()] == ["store: column type conflict"]


class AbsentStore(MemoryStore):
    """Is away for the first three writes."""

    tries = 0

    def write(self, records: Sequence[Record], drained: Ranges) -> Written:
        self.tries += 1
        if self.tries <= 3:
            raise RetryLaterError("nobody there", retry_after_s=0.01)
        return super().write(records, drained)


def test_an_absent_store_is_waited_for(journal: Journal, city: City, box: DeadLetterBox) -> None:
    store = AbsentStore()
    journal.append([arrival(1), arrival(2)])
    drain = Drain(journal, Decoder(city, late_after=timedelta(minutes=15)), store, box, clock=lambda: NOW)
    assert drain._patiently(lambda: drain._store(EVERYTHING, journal.read(after=0, limit=9)), threading.Event())
    assert store.ledger()[0].rows == 2
    assert drain.away == ""


def test_a_replayed_letter_is_stored_once_and_as_late_data(journal: Journal, city: City, box: DeadLetterBox) -> None:
    store = MemoryStore()
    unknown = "kota/v1/kupang/bin/bin-7/telemetry"
    journal.append([arrival(1, unknown)])
    drained(journal, city, store, box)
    (letter,) = box.find()
    city.devices["bin-7"] = city.bins["bin-1"]  # the operator has added it to the inventory
    assert replay(box, journal, [letter.id]) == 1
    assert replay(box, journal, [letter.id]) == 0
    drained(journal, city, store, box)
    assert [(entry.device, entry.rows) for entry in store.ledger()] == [("bin-7", 1)]
    assert box.count() == 0


def test_receipts_are_ranges_per_device_and_boot() -> None:
    deliveries = [
        Delivery(one.topic, one.payload, retained=False, mid=1, qos=1, generation=1)
        for one in [
            arrival(1),
            arrival(2),
            arrival(4),
            arrival(9, BIN.replace("bin-1", "bin-2")),
            Arrival("x", b"{", NOW),
        ]
    ]
    receipts = Receipts()
    receipts.add(deliveries[:2])
    receipts.add(deliveries[2:])
    assert [(topic.split("/")[4], receipt.boot, receipt.seqs) for topic, receipt in receipts.take()] == [
        ("bin-1", "b1", [(1, 2), (4, 4)]),
        ("bin-2", "b1", [(9, 9)]),
    ]
