"""Rollups on real servers: wide queries answer as if every point had been read, also after what came late."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from city.inventory.loader import builtin_city, load_city
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.influx.http import InfluxAddress, InfluxHttp
from ingest.store.influx.store import InfluxStore
from ingest.store.memory import MemoryStore
from ingest.store.port import Aggregate, SeriesPoint, SeriesQuery, Store
from ingest.store.records import Reading, RecordOrigin
from tests.support.influx import RunningInflux

CITY = load_city(builtin_city("kupang"))
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
START = NOW - timedelta(hours=24)
BINS = list(CITY.bins)[:3]


@pytest.fixture
def address(influx: RunningInflux, request: pytest.FixtureRequest) -> InfluxAddress:
    return influx.database(f"rollup-{abs(hash(request.node.name)) % 10**8}")


@pytest.fixture
def store(address: InfluxAddress, tmp_path: Path) -> Iterator[InfluxStore]:
    made = InfluxStore(InfluxHttp(address), CITY, Checkpoint(tmp_path / "progress.sqlite"))
    yield made
    made.close()


def readings(count: int, seed: int, epoch: str = "b") -> list[Reading]:
    chance = random.Random(seed)
    found = []
    for seq in range(count):
        at = START + timedelta(milliseconds=chance.randrange(24 * 3_600_000))
        values = {"fill_pct": round(chance.uniform(0, 100), 2), "lid_open": chance.random() < 0.5}
        if chance.random() < 0.3:
            del values["fill_pct"]
        found.append(Reading(RecordOrigin("bin", chance.choice(BINS), epoch, seq, at, at), values))
    return found


def asked(store: Store, aggregate: Aggregate, every_s: float = 3600, field: str = "fill_pct") -> list[SeriesPoint]:
    query = SeriesQuery(BINS[0], field, START + timedelta(minutes=7), NOW, every_s, aggregate)
    return store.series(query)


def the_same(ours: list[SeriesPoint], theirs: list[SeriesPoint]) -> bool:
    return [point.at for point in ours] == [point.at for point in theirs] and [
        point.value for point in ours
    ] == pytest.approx([point.value for point in theirs])


@pytest.mark.parametrize("field", ["fill_pct", "lid_open"])
def test_a_wide_query_is_the_same_from_rollups_raw_points_and_both(store: InfluxStore, field: str) -> None:
    expected = MemoryStore()
    first, late = readings(1500, 1), readings(60, 2, "late")
    for target_store in (store, expected):
        target_store.write(first, ())
    aggregates: tuple[Aggregate, ...] = get_args(Aggregate)
    for stage in ("raw", "rolled up", "late arrivals", "rolled up again"):
        if stage.startswith("rolled"):
            assert store.roll_up(NOW + timedelta(hours=1)) > 0
        if stage == "late arrivals":
            for target_store in (store, expected):
                target_store.write(late, ())
        for aggregate in aggregates:
            for every_s in (300, 900, 7200):
                assert the_same(asked(store, aggregate, every_s, field), asked(expected, aggregate, every_s, field)), (
                    stage,
                    aggregate,
                    every_s,
                )
    assert store.roll_up(NOW + timedelta(hours=1)) == 0


def test_rollups_answer_when_the_readings_have_gone(influx_2: RunningInflux, tmp_path: Path) -> None:
    # InfluxDB 1 deletes a measurement of all retention policies or of none, so this is shown on 2.
    address = influx_2.database("gone")
    store = InfluxStore(InfluxHttp(address), CITY, Checkpoint(tmp_path / "progress.sqlite"))
    store.write(readings(500, 3), ())
    before = asked(store, "mean")
    store.roll_up(NOW + timedelta(hours=1))
    http = InfluxHttp(address)
    rolled = http.query('SELECT count(fill_pct_count) FROM "rollup_5m"."bin"')
    http.query("DELETE FROM bin")
    assert http.query("SELECT count(seq) FROM bin") == []
    assert http.query('SELECT count(fill_pct_count) FROM "rollup_5m"."bin"') == rolled
    assert the_same(asked(store, "mean"), before)
    http.close()
    store.close()


def test_areas_are_the_sum_of_their_devices(store: InfluxStore, address: InfluxAddress) -> None:
    store.write(readings(800, 4), ())
    store.roll_up(NOW + timedelta(hours=1))
    http = InfluxHttp(address)
    totals = []
    for source in ("bin", "bin_area"):
        sums = "sum(fill_pct_sum), sum(fill_pct_count), min(fill_pct_min), max(fill_pct_max)"
        totals += http.query(f'SELECT {sums} FROM "rollup_5m".{source}')  # noqa: S608
    assert totals[0].values[0][1:] == pytest.approx(totals[1].values[0][1:])
    (area,) = http.query('SELECT * FROM "rollup_5m".bin_area LIMIT 1')
    assert {"city", "kelurahan", "waste_kind"} <= set(area.columns)
    assert "device" not in area.columns
    http.close()


def test_a_window_that_has_not_ended_is_left_for_later(store: InfluxStore) -> None:
    store.write(readings(50, 5), ())
    waiting = store.rollups_waiting()
    assert store.roll_up(START) == 0
    assert store.rollups_waiting() == waiting


def test_what_becomes_stale_while_it_is_rolled_up_stays_stale(tmp_path: Path) -> None:
    progress = Checkpoint(tmp_path / "progress.sqlite")
    progress.commit({}, (), [("bin", 300), ("bin", 600)])
    seen = progress.stale()
    progress.commit({}, (), [("bin", 600)])
    progress.clear_stale(seen)
    assert [(window.kind, window.start_s) for window in progress.stale()] == [("bin", 600)]
    progress.close()


def test_a_database_filled_before_has_no_rollups_and_is_read_point_by_point(
    store: InfluxStore, address: InfluxAddress, tmp_path: Path
) -> None:
    store.write(readings(300, 6), ())
    before = asked(store, "mean")
    newcomer = InfluxStore(InfluxHttp(address), CITY, Checkpoint(tmp_path / "other.sqlite"))
    assert the_same(asked(newcomer, "mean"), before)
    newcomer.close()
