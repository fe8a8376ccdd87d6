"""A copy of the embedded store is the store as it was when the copy was begun, whatever is written meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from city.errors import RetryLaterError
from ingest.store.duckdb.store import DuckStore
from ingest.store.records import Reading, RecordOrigin
from tests.support.disks import small_disk

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def reading(seq: int) -> Reading:
    at = NOW + timedelta(seconds=seq)
    return Reading(RecordOrigin("bin", "bin-0001", "b1", seq, at, at), {"distance_mm": 480.0})


def test_a_copy_is_of_the_moment_it_was_begun(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "city.duckdb")
    store.write([reading(seq) for seq in range(100)], ((1, 100),))
    with store.copying() as copy:
        store.write([reading(100)], ((1, 101),))
        copy(tmp_path / "it's a copy.duckdb")
        store.write([reading(101)], ((1, 102),))
    assert [life.seqs for life in store.stored_sequences()] == [((0, 101),)]
    store.close()
    again = DuckStore(tmp_path / "it's a copy.duckdb")
    assert again.committed_offsets() == ((1, 100),)
    assert [(life.rows, life.seqs, life.duplicates) for life in again.stored_sequences()] == [(100, ((0, 99),), 0)]
    assert again.latest()[0].device == "bin-0001"
    # What came after the copy is new to it, once.
    assert again.write([reading(99), reading(100)], ((1, 101),)).stored == 1
    again.close()


def test_a_store_can_be_copied_again_and_after_a_failure(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "city.duckdb")
    store.write([reading(seq) for seq in range(5_000)], ((1, 5_000),))
    with (
        small_disk(tmp_path / "disk", 64) as disk,
        pytest.raises(RetryLaterError, match="duckdb"),
        store.copying() as copy,
    ):
        copy(disk / "copy.duckdb")
    for number in range(2):
        store.write([reading(5_000 + number)], ((1, 5_001 + number),))
        with store.copying() as copy:
            copy(tmp_path / f"copy-{number}.duckdb")
        again = DuckStore(tmp_path / f"copy-{number}.duckdb")
        assert [life.rows for life in again.stored_sequences()] == [5_001 + number]
        again.close()
    store.close()
