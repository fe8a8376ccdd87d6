"""The journal keeps and orders; the drain stores once, keeps the bad aside, and waits for an absent store."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broker.client import Delivery
from city.errors import RetryLaterError, RowsRejectedError
from city.inventory.model import City
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.backlog import OffsetRange
from ingest.pipeline.drain import BATCH_MAX, Drain
from ingest.pipeline.intake import Receipts
from ingest.pipeline.journal import Journal
from ingest.pipeline.replay import replay
from ingest.store.duckdb.store import DuckStore
from ingest.store.memory import MemoryStore
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine
from ingest.store.port import Ranges, WriteResult
from ingest.store.records import Reading, Record

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVERYTHING = OffsetRange(0, 1 << 62)
BIN = "kota/v1/kupang/bin/bin-1/telemetry"


def arrival(seq: int, topic: str = BIN, **fields: Any) -> Arrival:
    body = {"ts": NOW.isoformat(), "boot": "b1", "seq": seq, "battery_pct": 5, **fields}
    return Arrival(topic, json.dumps(body).encode(), NOW)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite", max_bytes=1 << 23)


@pytest.fixture
def box(tmp_path: Path) -> DeadLetterQueue:
    return DeadLetterQueue(tmp_path / "dead.sqlite")


def quarantine_beside(box: DeadLetterQueue) -> Quarantine:
    """A quarantine beside the dead letters."""
    return Quarantine(Path(box._db.execute("PRAGMA database_list").fetchone()[2]).with_name("strangers.sqlite"))


def committed_offsets(journal: Journal, city: City, store: Any, box: DeadLetterQueue) -> Drain:
    """Run a drain over what the journal holds, to its end."""
    drain = Drain(
        journal, Decoder(city, late_after=timedelta(minutes=15)), store, box, quarantine_beside(box), clock=lambda: NOW
    )
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
    assert [entry.offset for entry in again.read(after=0, limit=9)] == [1, 2, 3]
    assert again.read(after=2, limit=9)[0].arrival == arrival(3)


def test_positions_never_come_again(tmp_path: Path, journal: Journal) -> None:
    journal.append([arrival(1), arrival(2)])
    journal.trim(2)
    journal.append([arrival(3)])
    assert [entry.offset for entry in journal.read(after=0, limit=9)] == [3]
    fresh = Journal(tmp_path / "new-disk.sqlite", max_bytes=1 << 20)
    fresh.start_after(41)
    fresh.append([arrival(4)])
    assert [entry.offset for entry in fresh.read(after=41, limit=9)] == [42]


def test_at_its_bound_the_journal_refuses_and_drops_nothing(tmp_path: Path) -> None:
    small = Journal(tmp_path / "small.sqlite", max_bytes=60_000)
    small.append([arrival(1), arrival(2)])
    with pytest.raises(RetryLaterError, match="waiting for the store"):
        small.append([arrival(n) for n in range(3, 900)])
    assert len(small.read(after=0, limit=999)) == 2
    kept = 2
    with contextlib.suppress(RetryLaterError):
        for kept in range(2, 900):
            small.append([arrival(kept + 1)])
    assert 50 < kept < 899
    assert [entry.offset for entry in small.read(after=0, limit=999)] == list(range(1, kept + 1))
    assert small.bytes() <= 70_000  # the bound, and a page or two
    small.trim(kept)
    small.append([arrival(kept + 1)])


def test_drain_stores_and_keeps_the_bad_aside(journal: Journal, city: City, box: DeadLetterQueue) -> None:
    store = MemoryStore()
    journal.append([arrival(1), Arrival(BIN, b"{", NOW), arrival(2), arrival(3, battery_pct=500)])
    drain = committed_offsets(journal, city, store, box)
    assert [entry.seqs for entry in store.stored_sequences()] == [((1, 2),)]
    assert [(letter.payload[:1], letter.offset) for letter in box.find()] == [(b"{", 4), (b"{", 2)]
    assert drain.depth() == 0
    assert journal.first() == 5


def test_what_was_cut_off_before_the_position_is_stored_once(
    journal: Journal, city: City, box: DeadLetterQueue
) -> None:
    class Forgetful(MemoryStore):
        """Stores the rows but dies before it has said so."""

        def committed_offsets(self) -> Ranges:
            return ()

    store = Forgetful()
    journal.append([arrival(1), Arrival(BIN, b"{", NOW), arrival(2)])
    for _ in range(2):
        drain = Drain(
            journal,
            Decoder(city, late_after=timedelta(minutes=15)),
            store,
            box,
            quarantine_beside(box),
            clock=lambda: NOW,
        )
        drain._store(EVERYTHING, journal.read(after=0, limit=9))
    assert [(entry.rows, entry.duplicates) for entry in store.stored_sequences()] == [(2, 0)]
    assert box.count() == 1


def test_a_journal_begun_anew_never_hides_a_dead_letter(
    tmp_path: Path, journal: Journal, city: City, box: DeadLetterQueue
) -> None:
    journal.append([Arrival(BIN, b"{", NOW)])
    committed_offsets(journal, city, MemoryStore(), box)
    fresh = Journal(tmp_path / "another-disk.sqlite", max_bytes=1 << 20)
    drain = Drain(
        fresh,
        Decoder(city, late_after=timedelta(minutes=15)),
        MemoryStore(),
        box,
        quarantine_beside(box),
        clock=lambda: NOW,
    )
    fresh.append([Arrival(BIN, b"[", NOW)])
    drain._store(EVERYTHING, fresh.read(after=0, limit=9))
    assert [letter.payload for letter in box.find()] == [b"[", b"{"]


class RefusingStore(MemoryStore):
    """Refuses rows with a battery of 13 percent for good, as a database with a type conflict would."""

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        bad = {
            index: "column type conflict"
            for index, record in enumerate(records)
            if isinstance(record, Reading) and record.values.get("battery_pct") == 13
        }
        if bad:
            raise RowsRejectedError(bad)
        return super().write(records, committed_offsets)


def test_rows_a_store_refuses_become_dead_letters_and_their_neighbours_are_stored(
    journal: Journal, city: City, box: DeadLetterQueue
) -> None:
    store = RefusingStore()
    journal.append([arrival(1), arrival(2, battery_pct=13), arrival(3)])
    committed_offsets(journal, city, store, box)
    assert [entry.seqs for entry in store.stored_sequences()] == [((1, 1), (3, 3))]
    assert [letter.reason for letter in box.find()] == ["store: column type conflict"]


class AbsentStore(MemoryStore):
    """Is away for the first three writes."""

    tries = 0

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        self.tries += 1
        if self.tries <= 3:
            raise RetryLaterError("nobody there", retry_after_s=0.01)
        return super().write(records, committed_offsets)


def test_an_absent_store_is_waited_for(journal: Journal, city: City, box: DeadLetterQueue) -> None:
    store = AbsentStore()
    journal.append([arrival(1), arrival(2)])
    drain = Drain(
        journal, Decoder(city, late_after=timedelta(minutes=15)), store, box, quarantine_beside(box), clock=lambda: NOW
    )
    assert drain._with_retry(lambda: drain._store(EVERYTHING, journal.read(after=0, limit=9)), threading.Event())
    assert store.stored_sequences()[0].rows == 2
    assert drain.store_error == ""


def test_a_replayed_letter_is_stored_once_and_as_late_data(journal: Journal, city: City, box: DeadLetterQueue) -> None:
    store = MemoryStore()
    unknown = "kota/v1/kupang/bin/bin-7/telemetry"
    journal.append([arrival(1, unknown)])
    committed_offsets(journal, city, store, box)
    (letter,) = box.find()
    bin_7 = replace(city.bins["bin-1"], id="bin-7")
    city = city.with_devices({**city.devices, "bin-7": bin_7})  # the operator has added it to the inventory
    assert replay(box, journal, [letter.id]) == 1
    assert replay(box, journal, [letter.id]) == 0
    committed_offsets(journal, city, store, box)
    assert [(entry.device, entry.rows) for entry in store.stored_sequences()] == [("bin-7", 1)]
    assert box.count() == 0


def test_receipts_are_ranges_per_device_and_boot() -> None:
    deliveries = [
        Delivery(reading.topic, reading.payload, retained=False, packet_id=1, qos=1, generation=1)
        for reading in [
            arrival(1),
            arrival(2),
            arrival(4),
            arrival(9, BIN.replace("bin-1", "bin-2")),
            Arrival("x", b"{", NOW),
        ]
    ]
    receipts = Receipts()
    receipts.add(deliveries[:2], 10.0)
    receipts.add(deliveries[2:], 10.1)
    assert receipts.take(10.2) == []
    assert [(topic.split("/")[4], receipt.epoch, receipt.seqs) for topic, receipt in receipts.take(10.7)] == [
        ("bin-1", "b1", [(1, 2), (4, 4)]),
        ("bin-2", "b1", [(9, 9)]),
    ]


class WatchedStore(MemoryStore):
    """Notes what was written when, and lets new readings arrive while a backlog is drained."""

    def __init__(self, on_first_write: Callable[[], None]) -> None:
        super().__init__()
        self._on_first_write = on_first_write
        self.batches: list[list[int]] = []

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        if not self.batches:
            self._on_first_write()
        self.batches.append([record.origin.seq for record in records if isinstance(record, Reading)])
        return super().write(records, committed_offsets)


def test_new_readings_overtake_a_backlog_which_is_drained_in_order(
    journal: Journal, city: City, box: DeadLetterQueue
) -> None:
    old = NOW - timedelta(hours=24)
    for first in range(0, BATCH_MAX + 2_000, 500):
        readings = [arrival(seq) for seq in range(first, first + 500)]
        journal.append([Arrival(reading.topic, reading.payload, old) for reading in readings])
    store = WatchedStore(lambda: journal.append([arrival(90_000), arrival(90_001)]))
    drain = Drain(
        journal, Decoder(city, late_after=timedelta(minutes=15)), store, box, quarantine_beside(box), clock=lambda: NOW
    )
    assert drain.lag_s() == 86_400
    drain._drain(threading.Event())
    drain._drain(threading.Event())
    written = [seq for batch in store.batches for seq in batch]
    assert sorted(written) == [*range(BATCH_MAX + 2_000), 90_000, 90_001]
    assert [seq for seq in written if seq < 90_000] == list(range(BATCH_MAX + 2_000))
    assert drain.depth() == 0


def test_readings_that_arrive_while_a_backlog_is_drained_are_stored_next(
    journal: Journal, city: City, box: DeadLetterQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.pipeline.drain.BATCH_PAUSE_S", 0.0)
    old = NOW - timedelta(hours=24)
    journal.append(
        [Arrival(reading.topic, reading.payload, old) for reading in (arrival(seq) for seq in range(BATCH_MAX + 1_000))]
    )
    store = WatchedStore(lambda: journal.append([arrival(90_000)]))
    drain = Drain(
        journal, Decoder(city, late_after=timedelta(minutes=15)), store, box, quarantine_beside(box), clock=lambda: NOW
    )
    drain._drain(threading.Event())
    assert store.batches[1] == [90_000]
    assert [len(batch) for batch in store.batches] == [BATCH_MAX, 1, 1_000]


def test_a_restart_in_the_middle_of_a_backlog_goes_on_with_both_lanes(
    tmp_path: Path, journal: Journal, city: City, box: DeadLetterQueue
) -> None:
    store = DuckStore(tmp_path / "city.duckdb")
    journal.append([arrival(seq) for seq in range(10)])
    decoder = Decoder(city, late_after=timedelta(minutes=15))
    first = Drain(journal, decoder, store, box, quarantine_beside(box), clock=lambda: NOW)
    first._tracker.skip_to_live(7)
    first._drain_live(threading.Event())
    store.close()
    again = DuckStore(tmp_path / "city.duckdb")
    assert again.committed_offsets() == ((8, 10),)
    second = committed_offsets(journal, city, again, box)
    second._drain(threading.Event())
    assert [(life.rows, life.duplicates, life.seqs) for life in again.stored_sequences()] == [(10, 0, ((0, 9),))]
    assert again.committed_offsets() == ((1, 10),)
    again.close()


def test_a_message_that_the_disk_has_changed_is_a_dead_letter(
    tmp_path: Path, journal: Journal, city: City, box: DeadLetterQueue
) -> None:
    journal.append([arrival(1), arrival(2)])
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db, db:
        (frames,) = db.execute("SELECT frames FROM segments").fetchone()
        db.execute("UPDATE segments SET frames = ?", (frames.replace(b"5", b"6", 1),))
    store = MemoryStore()
    committed_offsets(journal, city, store, box)
    assert [life.seqs for life in store.stored_sequences()] == [((2, 2),)]
    assert [letter.reason for letter in box.find()] == ["the disk has changed this message in the journal"]


def test_a_refused_row_of_an_array_is_buried_alone(journal: Journal, city: City, box: DeadLetterQueue) -> None:
    parts = [arrival(seq, battery_pct=13 if seq == 2 else 5).payload for seq in (1, 2, 3)]
    journal.append([Arrival(BIN, b"[" + b",".join(parts) + b"]", NOW)])
    store = RefusingStore()
    committed_offsets(journal, city, store, box)
    assert [life.seqs for life in store.stored_sequences()] == [((1, 1), (3, 3))]
    assert [letter.payload for letter in box.find()] == [parts[1]]


def test_a_device_with_many_readings_gets_its_receipt_at_once_and_others_wait_their_turn() -> None:
    receipts = Receipts()
    many = [
        Delivery(reading.topic, reading.payload, retained=False, packet_id=1, qos=1, generation=1)
        for reading in map(arrival, range(60))
    ]
    few = arrival(7, BIN.replace("bin-1", "bin-2"))
    receipts.add([Delivery(few.topic, few.payload, retained=False, packet_id=1, qos=1, generation=1), *many], 10.0)
    assert [receipt.seqs for _, receipt in receipts.take(10.1)] == [[(0, 59)]]
    assert [receipt.seqs for _, receipt in receipts.take(10.6)] == [[(7, 7)]]
    assert receipts.take(99.0) == []
    receipts.add(many[:1], 11.0)
    assert [receipt.seqs for _, receipt in receipts.take(None)] == [[(0, 0)]]


def test_a_drained_journal_gives_its_space_back(tmp_path: Path) -> None:
    big = Journal(tmp_path / "big.sqlite", max_bytes=1 << 30)
    for _ in range(12):
        big.append([Arrival(BIN, b"x" * 500, NOW)] * 5_000)
    kept = big.bytes()
    for offset in range(1_000, 60_001, 1_000):
        big.trim(offset)
    assert big.bytes() < kept / 100
    big.close()
    assert (tmp_path / "big.sqlite").stat().st_size < kept / 3


def test_the_last_position_before_a_time_is_found(journal: Journal) -> None:
    for minute in range(20):
        journal.append([Arrival(BIN, b"x", NOW + timedelta(minutes=minute))] * 3)
    journal.trim(10)
    assert journal.last_before(NOW) == 10
    assert journal.last_before(NOW + timedelta(minutes=5)) == 15
    assert journal.last_before(NOW + timedelta(hours=5)) == 60
