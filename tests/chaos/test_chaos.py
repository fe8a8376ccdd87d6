"""Short chaos runs on both brokers lose nothing and store nothing twice; broken promises turn them red."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import Harness, Run, StoreName
from tests.chaos.mutants import MUTANTS
from tests.chaos.schedule import make_schedule
from tests.support.brokers import BrokerName


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("broker", "store"),
    [("embedded", "duckdb"), ("mosquitto", "duckdb"), ("mosquitto", "influx-1"), ("mosquitto", "influx-2")],
)
def test_twenty_kills_lose_nothing_and_store_nothing_twice(
    tmp_path: Path, broker: BrokerName, store: StoreName
) -> None:
    report = Harness(Run(tmp_path / "city", broker, store, kills=20, seed=7)).run()
    assert report.published == 1_200
    assert report.dead == 100
    assert (report.lost, report.twice) == (0, 0), report
    assert len(report.recoveries) == 20


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_a_broken_promise_turns_the_run_red(tmp_path: Path, mutant: str) -> None:
    run = Run(tmp_path / "city", "embedded", kills=8, seed=3, mutant=mutant, targets=("ingest",), kinds=("kill",))
    report = Harness(run).run()
    assert report.lost + report.twice > 0, report


def test_a_seed_gives_the_same_schedule_again() -> None:
    assert make_schedule(5, 30, 3) == make_schedule(5, 30, 3)
    assert make_schedule(5, 30, 3) != make_schedule(6, 30, 3)
    assert {fault.target for fault in make_schedule(5, 30, 3)} == {"publisher", "broker", "ingest", "replay"}
