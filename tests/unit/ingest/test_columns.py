"""Batches are stored in columns where that is possible: nothing differs from storing them message by message."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from broker.contract.payloads import MAX_PAYLOAD_BYTES
from broker.contract.topics import TOPICS_REMEMBERED
from city.errors import RowsRejectedError
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from city.inventory.provider import LiveInventory
from ingest.decoding.decoder import Decoder
from ingest.decoding.results import DecodeResult
from ingest.messages import Arrival, JournalEntry
from ingest.pipeline.backlog import OffsetRange
from ingest.pipeline.drain import Drain
from ingest.pipeline.journal import Journal
from ingest.store.duckdb.store import DuckStore
from ingest.store.influx.line_protocol import to_line, to_lines
from ingest.store.manifest import StoreManifest
from ingest.store.memory import MemoryStore
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine
from ingest.store.port import Ranges, WriteResult
from ingest.store.record_batch import RecordBatch
from ingest.store.records import Reading, Record
from tests.chaos.fuzz import mutate, seeds

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BIN = "kota/v1/kupang/bin/bin-0001/telemetry"
PLAIN = b'{"ts":"2026-03-01T11:59:58Z","boot":"b1","seq":%d,"distance_mm":400,"battery_pct":80}'
CITY = load_city(builtin_city("kupang"))


@dataclass
class Pipeline:
    """Journal, drain, and all that it writes to."""

    journal: Journal
    store: Any
    letters: DeadLetterQueue
    quarantine: Quarantine
    manifest: StoreManifest
    drain: Drain

    def store_all(self, arrivals: Sequence[Arrival]) -> None:
        self.journal.append(arrivals)
        after = self.drain._tracker.low_watermark()
        limits = cycle((1, 30, 90, 250))
        while batch := self.journal.read(after=after, limit=next(limits)):
            self.drain._store(OffsetRange(after, 1 << 62), batch)
            after = batch[-1].offset

    def state(self) -> dict[str, Any]:
        """Everything that can be seen of what was stored."""
        letters = self.letters.find(state=None, limit=-1)
        return {
            "records": list(self.store.export(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))),
            "latest": self.store.latest(),
            "sequences": self.store.stored_sequences(),
            "offsets": self.store.committed_offsets(),
            "letters": [
                (letter.offset, letter.topic, letter.payload, letter.reason, letter.device, letter.times)
                for letter in letters
            ],
            "unknown": [(device.adapter, device.address, device.messages) for device in self.quarantine.find()],
            "noted": self.manifest.file.execute("SELECT * FROM noted ORDER BY class, day, device, boot").fetchall(),
            "totals": self.drain.totals,
            "alarms": self.drain.error_rate.alarms,
            "temperatures": self.drain._rules._temperatures._committed,
        }


def pipeline(folder: Path, city: City, store: Any, *, in_columns: bool) -> Pipeline:
    letters = DeadLetterQueue(folder / "letters.sqlite", max_bytes=1 << 30)
    quarantine = Quarantine(folder / "quarantine.sqlite", max_bytes=1 << 30)
    manifest = StoreManifest(folder / "manifest.sqlite")
    journal = Journal(folder / "journal.sqlite", max_bytes=1 << 30)
    decoder = Decoder(city, late_after=timedelta(minutes=15), pseudonym_key=b"k" * 32)
    drain = Drain(journal, decoder, store, letters, quarantine, manifest=manifest, clock=lambda: NOW)
    drain._sync_with_store()
    drain._store = partial(drain._store, in_columns=in_columns)  # type: ignore[method-assign]
    return Pipeline(journal, store, letters, quarantine, manifest, drain)


PLAIN_BINS, OTHER_BINS = range(1, 40), range(30, 60)
"""Containers that send plain readings, and those that also send something else."""


def fuzzed(groups: tuple[list[Any], ...], number: int, seed: int) -> list[Arrival]:
    """Messages of every kind: plain ones of some containers, repeated and late ones, hot ones, and the fuzzer's."""
    dice, arrivals = random.Random(seed), list[Arrival]()
    seqs: Counter[tuple[str, str]] = Counter()
    for n in range(number):
        at = NOW + timedelta(seconds=n)
        match dice.randrange(20):
            case 0:
                arrivals.append(event(dice, seqs, at))
            case 1:
                chosen = dice.choice(dice.choice(groups))
                fresh = re.sub(rb'"seq":\s*\d+', b'"seq":%d' % n, chosen.payload)
                arrivals.append(Arrival(chosen.topic, mutate(dice, fresh), at))
            case 2 if arrivals:
                arrivals.append(dice.choice(arrivals[-80:]))
            case 3 | 4:
                arrivals.append(reading(dice, seqs, at, dice.choice(OTHER_BINS), odd=True))
            case _:
                arrivals.append(reading(dice, seqs, at, dice.choice(PLAIN_BINS), odd=False))
    return arrivals


def reading(dice: random.Random, seqs: Counter[tuple[str, str]], at: datetime, number: int, *, odd: bool) -> Arrival:
    """A reading of a container; odd ones may be anything that a check or a rule changes."""
    device, epoch = f"bin-{number:04}", dice.choice("aaab")
    seqs[device, epoch] += dice.choice([1, 1, 1, 1, 1, 1, 2, 0])
    measured = at - timedelta(seconds=dice.choice([0, 0, 0, 5, 50, 1_000, 90_000]))
    fields: dict[str, Any] = {"distance_mm": dice.choice([400, 400.5, 900.25])} if dice.random() < 0.8 else {}
    others = {"battery_pct": 80, "tilt_deg": 2.5, "lid_open": True, "fill_pct": 12, "temperature_c": 50}
    fields |= {name: value for name, value in others.items() if dice.random() < 0.4}
    if odd:
        ahead = at + timedelta(seconds=200)
        measured = dice.choice([measured, ahead, at + timedelta(days=1), datetime(1999, 1, 1, tzinfo=UTC)])
        fields |= dice.choice([{}, {"temperature_c": dice.choice([69.9, 70, 85, 120])}])
        fields |= dice.choice([{}, {"distance_mm": dice.choice([0, 5_000, 20_000])}, {"tilt_deg": 999}, {"new": 1}])
        fields |= dice.choice([{}, {"lat_deg": -10.1, "lon_deg": 123.6}, {"lat_deg": -10.1}])
    body = {"ts": measured.isoformat(), "boot": epoch, "seq": seqs[device, epoch], **fields}
    if odd and dice.random() < 0.2:
        body.pop(dice.choice(list(body)))
    payload = json.dumps([body] if odd and dice.random() < 0.2 else body).encode()
    return Arrival(f"kota/v1/kupang/bin/{device}/telemetry", payload, at)


def event(dice: random.Random, seqs: Counter[tuple[str, str]], at: datetime) -> Arrival:
    """A fire that begins or ends; its number counts with those of the readings."""
    device = f"bin-{dice.choice(OTHER_BINS):04}"
    seqs[device, "a"] += 1
    state = dice.choice(["raised", "cleared"])
    body = {"ts": at.isoformat(), "boot": "a", "seq": seqs[device, "a"], "type": "fire", "state": state}
    return Arrival(f"kota/v1/kupang/bin/{device}/event", json.dumps(body).encode(), at)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mixed_batches_of_everything_are_stored_as_they_are_message_by_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    city, groups = seeds(CITY)
    arrivals = fuzzed(groups, 2_500, seed)
    states, rows_in_columns = [], []
    for in_columns in (True, False):
        folder = tmp_path / str(in_columns)
        store = DuckStore(folder / "city.duckdb")
        whole = pipeline(folder, city, store, in_columns=in_columns)
        rows_in_columns.append(0)

        def count(records: RecordBatch, offsets: Ranges, write: Any = store.write) -> WriteResult:
            rows_in_columns[-1] += sum(map(len, records.columns))
            return write(records, offsets)  # type: ignore[no-any-return]

        monkeypatch.setattr(store, "write", count)
        for first in range(0, len(arrivals), 900):
            whole.store_all(arrivals[first : first + 900])
        states.append(whole.state())
        whole.store.close()
    assert states[0].keys() == states[1].keys()
    for name, state in states[0].items():
        assert state == states[1][name], name
    assert states[0]["totals"].stored > 1_000
    assert states[0]["totals"].duplicates > 50
    assert rows_in_columns[0] > 500
    assert rows_in_columns[1] == 0


def test_a_batch_of_columns_is_to_any_other_store_a_sequence_of_records(tmp_path: Path) -> None:
    city, groups = seeds(CITY)
    arrivals = fuzzed(groups, 1_500, 4)
    states = []
    for in_columns in (True, False):
        whole = pipeline(tmp_path / str(in_columns), city, MemoryStore(), in_columns=in_columns)
        whole.store_all(arrivals)
        state = whole.state()
        state["records"].sort(key=repr)
        states.append(state)
    assert states[0] == states[1]


def test_what_the_fuzzer_sends_gives_the_records_of_the_general_way() -> None:
    city, groups = seeds(CITY)
    decoder = Decoder(city, late_after=timedelta(minutes=15), pseudonym_key=b"k" * 32)
    arrivals = fuzzed(groups, 6_000, 5)
    entries = [JournalEntry(n, arrival, damaged=n % 97 == 0) for n, arrival in enumerate(arrivals)]
    batch = decoder.decode_batch(entries)
    others = dict(batch.others)
    rows = {block.places[row]: block.reading(row) for block in batch.columns for row in range(len(block))}
    assert not rows.keys() & others.keys()
    assert rows.keys() | others.keys() == set(range(len(entries)))
    assert len(rows) > 500
    for place, entry in enumerate(entries):
        if entry.damaged:
            assert others[place].rejected
        else:
            result = DecodeResult([rows[place]], []) if place in rows else others[place]
            assert result == decoder.decode(entry.arrival), entry.arrival


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (BIN, b"[" + PLAIN % 1 + b"]"),
        (BIN, PLAIN % 1 + b"x"),
        (BIN, (PLAIN % 1)[:-1] + b',"firmware":"1.2"}'),
        (BIN, PLAIN % 1 + b" " * MAX_PAYLOAD_BYTES),
        (BIN, b"{}"),
        (BIN, b""),
        (BIN.replace("bin-0001", "bin-9999"), PLAIN % 1),
        (BIN.replace("kupang", "ende"), PLAIN % 1),
        (BIN.replace("/bin/", "/truck/"), PLAIN % 1),
        (BIN.replace("telemetry", "event"), PLAIN % 1),
        (BIN.replace("telemetry", "receipt"), PLAIN % 1),
        ("$kota/v1/kupang/camera/cam-01/review", PLAIN % 1),
        ("owntracks/x/y", PLAIN % 1),
        ("kota/v1", PLAIN % 1),
        ("", PLAIN % 1),
    ],
)
def test_only_plain_readings_of_known_devices_stand_in_columns(topic: str, payload: bytes) -> None:
    batch = Decoder(CITY, late_after=timedelta(minutes=15)).decode_batch(
        [JournalEntry(1, Arrival(topic, payload, NOW))]
    )
    assert (batch.columns, [place for place, _ in batch.others]) == ([], [0])


def test_a_failure_of_the_columns_costs_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("ingest.decoding.columns._add_fill_levels", fail)
    decoder = Decoder(CITY, late_after=timedelta(minutes=15))
    entries = [JournalEntry(seq, Arrival(BIN, PLAIN % seq, NOW)) for seq in range(3)]
    batch = decoder.decode_batch(entries)
    assert batch.columns == []
    assert [(place, len(result.records)) for place, result in batch.others] == [(0, 1), (1, 1), (2, 1)]


def test_a_topic_is_judged_anew_when_the_inventory_changes() -> None:
    inventory = LiveInventory(CITY)
    decoder = Decoder(inventory, late_after=timedelta(minutes=15))
    known = [JournalEntry(1, Arrival(BIN, PLAIN % 1, NOW))]
    assert len(decoder.decode_batch(known).columns) == 1
    assert inventory.publish({id_: device for id_, device in CITY.devices.items() if id_ != "bin-0001"})
    assert decoder.decode_batch(known).columns == []


def test_topics_that_senders_invent_are_remembered_up_to_a_bound() -> None:
    decoder = Decoder(CITY, late_after=timedelta(minutes=15))
    decoder.decode_batch(
        [JournalEntry(n, Arrival(f"kota/v1/kupang/bin/x-{n}/telemetry", PLAIN % 1, NOW)) for n in range(40_000)]
    )
    assert len(decoder._newest._telemetry_topics) <= TOPICS_REMEMBERED
    assert decoder.decode_batch([JournalEntry(1, Arrival(BIN, PLAIN % 1, NOW))]).columns


class Refusing(MemoryStore):
    """Refuses readings of one battery level, as a store refuses a row."""

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        bad = {
            index: "too low"
            for index, record in enumerate(records)
            if isinstance(record, Reading) and record.values.get("battery_pct") == 13
        }
        if bad:
            raise RowsRejectedError(bad)
        return super().write(records, committed_offsets)


def test_a_row_that_the_store_refuses_is_a_dead_letter_and_its_neighbours_are_stored(tmp_path: Path) -> None:
    whole = pipeline(tmp_path, CITY, Refusing(), in_columns=True)
    payloads = [PLAIN % seq for seq in range(5)]
    payloads[3] = payloads[3].replace(b"80", b"13")
    whole.store_all([Arrival(BIN, payload, NOW) for payload in payloads])
    assert [life.seqs for life in whole.store.stored_sequences()] == [((0, 2), (4, 4))]
    assert [(letter.payload, letter.reason) for letter in whole.letters.find()] == [(payloads[3], "store: too low")]
    assert (whole.drain.totals.stored, whole.drain.totals.dead_letters) == (4, 1)


def test_a_batch_is_a_sequence() -> None:
    entries = [JournalEntry(seq, Arrival(BIN, PLAIN % seq, NOW)) for seq in range(4)]
    decoder = Decoder(CITY, late_after=timedelta(minutes=15))
    batch = RecordBatch([], decoder.decode_batch(entries).columns)
    assert len(batch) == 4
    assert [record.origin.seq for record in batch if isinstance(record, Reading)] == [0, 1, 2, 3]
    assert batch[1] == list(batch)[1]
    assert batch[1:3] == list(batch)[1:3]


def test_lines_of_columns_say_what_the_lines_of_their_records_say() -> None:
    city, groups = seeds(CITY)
    decoder = Decoder(city, late_after=timedelta(minutes=15))
    entries = [JournalEntry(n, arrival) for n, arrival in enumerate(fuzzed(groups, 3_000, 6))]

    def tags_of(device: str) -> bytes:
        return f",device={device},site=a\\ b".encode()

    (block,) = decoder.decode_batch(entries).columns
    assert len(block) > 1_000
    for row, line in enumerate(to_lines(block, tags_of)):
        expected = to_line(block.reading(row), tags_of)
        assert parts_of(line) == parts_of(expected)


def parts_of(line: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Measurement and tags, fields in any order, and time."""
    head, fields, at = re.split(rb"(?<!\\) ", line)
    return head, sorted(fields.split(b",")), at
