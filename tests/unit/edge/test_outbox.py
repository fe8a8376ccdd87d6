"""The outbox keeps what it was given until a receipt, over restarts, within its bound, and never mixes lives."""

from __future__ import annotations

import json
import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.contract.payloads import Receipt
from city.errors import PayloadError, RetryLaterError, StorageError
from edge.outbox import EventEntry, Outbox, TelemetryEntry
from tests.support.disks import no_file_grows

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def measured(value: float = 5.0, device: str = "bin-1") -> TelemetryEntry:
    return TelemetryEntry(device, "bin", NOW, {"battery_pct": value})


def occurred() -> EventEntry:
    return EventEntry("bin-1", "bin", NOW, "fire", "raised", {"temperature_c": 90})


def make(path: Path, max_bytes: int = 1 << 20) -> Outbox:
    return Outbox(path / "outbox.sqlite", max_bytes=max_bytes)


def test_seqs_count_per_device_over_telemetry_and_events(tmp_path: Path) -> None:
    outbox = make(tmp_path)
    outbox.append([measured(), occurred(), measured(device="bin-2"), measured()])
    rows = outbox.waiting(after_id=0, limit=10)
    assert [(r.device, r.seq, r.channel) for r in rows] == [
        ("bin-1", 0, "telemetry"),
        ("bin-1", 1, "event"),
        ("bin-2", 0, "telemetry"),
        ("bin-1", 2, "telemetry"),
    ]
    assert json.loads(rows[0].payload) == {
        "ts": "2026-03-01T12:00:00Z",
        "boot": outbox.epoch,
        "seq": 0,
        "battery_pct": 5.0,
    }


def test_everything_is_there_after_reopening_and_the_count_goes_on(tmp_path: Path) -> None:
    first = make(tmp_path)
    first.append([measured(1), measured(2)])
    epoch = first.epoch
    first.close()
    again = make(tmp_path)
    again.append([measured(3)])
    assert again.epoch == epoch
    assert [row.seq for row in again.waiting(after_id=0, limit=10)] == [0, 1, 2]


def test_a_new_card_starts_a_new_life(tmp_path: Path) -> None:
    assert make(tmp_path / "a").epoch != make(tmp_path / "b").epoch


def test_exactly_the_receipted_readings_are_forgotten(tmp_path: Path) -> None:
    outbox = make(tmp_path)
    outbox.append([measured(n) for n in range(6)])
    outbox.append([measured(9, device="bin-2")])
    gone = outbox.forget([("bin-1", Receipt(epoch=outbox.epoch, seqs=[(0, 1), (4, 4)]))])
    assert len(gone) == 3
    assert [(r.device, r.seq) for r in outbox.waiting(after_id=0, limit=10)] == [
        ("bin-1", 2),
        ("bin-1", 3),
        ("bin-1", 5),
        ("bin-2", 0),
    ]


def test_receipts_of_another_boot_forget_nothing(tmp_path: Path) -> None:
    outbox = make(tmp_path)
    outbox.append([measured()])
    assert outbox.forget([("bin-1", Receipt(epoch="other", seqs=[(0, 10)]))]) == []
    assert outbox.pending() == 1


def test_at_the_bound_old_telemetry_gives_way_counted_and_events_stay(tmp_path: Path) -> None:
    outbox = make(tmp_path, max_bytes=1_000)
    outbox.append([occurred()])
    for n in range(50):
        outbox.append([measured(n)])
    rows = outbox.waiting(after_id=0, limit=100)
    assert rows[0].channel == "event"
    assert rows[-1].seq == 50
    assert sum(len(row.payload) for row in rows) <= 1_000
    assert outbox.dropped_count() == 51 - len(rows)


def test_full_of_events_refuses_and_keeps_them(tmp_path: Path) -> None:
    outbox = make(tmp_path, max_bytes=300)
    outbox.append([occurred(), occurred()])
    with pytest.raises(RetryLaterError, match="full of events"):
        outbox.append([occurred()])
    assert outbox.pending() == 2
    outbox.forget([("bin-1", Receipt(epoch=outbox.epoch, seqs=[(0, 1)]))])
    outbox.append([occurred()])
    assert [row.seq for row in outbox.waiting(after_id=0, limit=9)] == [2]


def test_a_value_outside_the_contract_is_refused_and_takes_no_seq(tmp_path: Path) -> None:
    outbox = make(tmp_path)
    with pytest.raises(PayloadError, match="battery_pct"):
        outbox.append([measured(1), measured(500)])
    outbox.append([measured(2)])
    assert [(row.seq, json.loads(row.payload)["battery_pct"]) for row in outbox.waiting(after_id=0, limit=9)] == [
        (0, 2.0)
    ]


def test_issued_tells_what_was_given_out_and_what_waits(tmp_path: Path) -> None:
    outbox = make(tmp_path)
    outbox.append([measured(), measured(), measured(device="bin-2")])
    outbox.forget([("bin-1", Receipt(epoch=outbox.epoch, seqs=[(0, 0)]))])
    assert [(i.device, i.seqs, i.pending) for i in outbox.stats()] == [("bin-1", 2, 1), ("bin-2", 1, 1)]


def test_what_gives_way_is_counted_by_device_and_kept_over_a_restart(tmp_path: Path) -> None:
    outbox = make(tmp_path, max_bytes=1_000)
    for _ in range(20):
        outbox.append([measured(), measured(device="bin-2"), measured(device="bin-2")])
    outbox.close()
    again = make(tmp_path, max_bytes=1_000)
    lives = {life.device: life for life in again.stats()}
    assert lives["bin-1"].dropped > 0
    assert lives["bin-2"].dropped > lives["bin-1"].dropped
    assert all(life.pending + life.dropped == life.seqs for life in lives.values())
    assert again.dropped_count() == sum(life.dropped for life in lives.values())


def test_a_disk_that_refuses_keeps_nothing_of_the_call_and_goes_on_later(tmp_path: Path) -> None:
    outbox = make(tmp_path)
    outbox.append([measured()])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(RetryLaterError, match="outbox"):
            outbox.append([measured(), measured()])
        with pytest.raises(RetryLaterError, match="outbox"):
            outbox.forget([("bin-1", Receipt(epoch=outbox.epoch, seqs=[(0, 0)]))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    outbox.append([measured()])
    assert [row.seq for row in outbox.waiting(after_id=0, limit=9)] == [0, 1]


@pytest.mark.parametrize("harm", ["deleted", "replaced"])
def test_a_file_that_is_taken_away_while_it_is_in_use_loses_nothing(tmp_path: Path, harm: str) -> None:
    outbox = make(tmp_path)
    outbox.append([measured(1), measured(2)])
    for path in tmp_path.glob("outbox.sqlite*"):
        path.unlink()
    if harm == "replaced":
        make(tmp_path / "other").append([measured(9)])
        (tmp_path / "other" / "outbox.sqlite").rename(tmp_path / "outbox.sqlite")
    outbox.append([measured(3)])
    epoch = outbox.epoch
    outbox.close()
    again = make(tmp_path)
    assert again.epoch == epoch
    assert [row.seq for row in again.waiting(after_id=0, limit=10)] == [0, 1, 2]
    assert again.forget([("bin-1", Receipt(epoch=epoch, seqs=[(0, 1)]))]) == [1, 2]


def test_a_commit_that_fails_leaves_the_count_as_it_was(tmp_path: Path) -> None:
    outbox = make(tmp_path, max_bytes=400)
    outbox.append([measured()])
    with no_file_grows():
        for _ in range(20):
            with pytest.raises(StorageError):
                outbox.append([measured(), measured(), measured()])
    outbox.append([measured(), measured(), measured()])
    rows = outbox.waiting(after_id=0, limit=9)
    assert [row.seq for row in rows] == [0, 1, 2, 3]
    assert sum(stats.dropped for stats in outbox.stats()) == 0
