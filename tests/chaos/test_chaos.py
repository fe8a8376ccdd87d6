"""Short chaos runs on both brokers lose nothing and store nothing twice; broken promises turn them red."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.chaos.harness import Harness, Processes, Run, StoreName
from tests.chaos.mutants import MUTANTS
from tests.chaos.schedule import HARMS_BY_NAME, Kind, Target, make_schedule, on_top_of
from tests.support.brokers import BrokerName

NEIGHBOURS_AND_DAMAGES: Final[dict[str, tuple[tuple[Kind, Target, str], ...]]] = {
    "embedded": (
        ("storm", "fleet", "broker killed"),
        ("takeover", "ingest", ""),
        ("forged", "publisher", ""),
        ("damage", "ingest", "store truncated, running"),
        ("damage", "ingest", "journal log deleted, running"),
        ("damage", "broker", "broker's consumers overwritten"),
    ),
    "mosquitto": (
        ("takeover", "publisher", ""),
        ("storm", "fleet", "connections cut"),
        ("damage", "ingest", "store log overwritten, running"),
        ("damage", "broker", "broker's queue deleted"),
        ("forged", "publisher", ""),
    ),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("broker", "store", "processes"),
    [
        ("embedded", "duckdb", "1"),
        ("embedded", "duckdb", "2"),
        ("mosquitto", "duckdb", "2"),
        ("mosquitto", "influx-1", "2"),
        ("mosquitto", "influx-2", "1"),
    ],
)
def test_twenty_kills_lose_nothing_and_store_nothing_twice(
    tmp_path: Path, broker: BrokerName, store: StoreName, processes: Processes
) -> None:
    report = Harness(Run(tmp_path / "city", broker, store, kills=20, seed=7, processes=processes)).run()
    assert report.published == 1_200
    assert report.dead == 100
    assert (report.lost, report.twice) == (0, 0), report
    assert len(report.recoveries) == 20


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("broker", "processes"), [("embedded", "1"), ("mosquitto", "2")])
def test_storms_hostile_neighbours_and_damaged_files_lose_nothing(
    tmp_path: Path, broker: BrokerName, processes: Processes
) -> None:
    on_top = NEIGHBOURS_AND_DAMAGES[broker]
    run = Run(tmp_path / "city", broker, kills=0, seed=7, on_top=on_top, fleet=60, processes=processes)
    report = Harness(run).run()
    assert report.published == 1_200 + 60 * (2 * len(on_top) + 1)
    assert report.holds, report
    assert min(report.attempts["takeover"], report.attempts["forged"]) > 0, report


@pytest.mark.timeout(600)
def test_an_edge_that_believes_any_receipt_turns_the_run_red(tmp_path: Path) -> None:
    run = Run(
        tmp_path / "city", kills=0, seed=3, mutant="believe_any_receipt", on_top=(("forged", "publisher", ""),) * 2
    )
    report = Harness(run).run()
    assert report.lost > 0, report


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", sorted(MUTANTS.keys() - {"believe_any_receipt"}))
def test_a_broken_promise_turns_the_run_red(tmp_path: Path, mutant: str) -> None:
    run = Run(tmp_path / "city", "embedded", kills=8, seed=3, mutant=mutant, targets=("ingest",), kinds=("kill",))
    report = Harness(run).run()
    assert report.lost + report.twice > 0, report


@pytest.mark.timeout(600)
def test_a_promise_that_intakes_own_process_breaks_turns_the_run_red(tmp_path: Path) -> None:
    run = Run(
        tmp_path / "city",
        "mosquitto",
        kills=8,
        seed=3,
        mutant="acknowledge_before_fsync",
        targets=("intake",),
        kinds=("kill",),
        processes="2",
    )
    report = Harness(run).run()
    assert report.lost > 0, report


def test_a_seed_gives_the_same_schedule_again() -> None:
    assert make_schedule(5, 30, 3) == make_schedule(5, 30, 3)
    assert make_schedule(5, 30, 3) != make_schedule(6, 30, 3)
    assert {fault.target for fault in make_schedule(5, 30, 3)} == {"publisher", "broker", "ingest", "replay"}


@pytest.mark.parametrize(("broker", "store"), [("embedded", "duckdb"), ("mosquitto", "influx-2")])
def test_what_comes_on_top_leaves_the_rest_of_a_schedule_as_it_was(broker: str, store: str) -> None:
    on_top = on_top_of(5, {"storm": 2, "takeover": 2, "forged": 1, "damage": 20}, broker, store)
    assert len(on_top) == 25
    assert on_top == on_top_of(5, {"storm": 2, "takeover": 2, "forged": 1, "damage": 20}, broker, store)
    assert all(HARMS_BY_NAME[detail].applies(broker, store) for kind, _, detail in on_top if kind == "damage")
    plain, full = make_schedule(5, 30, 3, long_freezes=2), make_schedule(5, 30, 3, long_freezes=2, on_top=on_top)
    assert [
        msgspec.structs.replace(fault, number=0)
        for fault in full
        if (fault.kind, fault.target, fault.detail) not in on_top
    ] == [msgspec.structs.replace(fault, number=0) for fault in plain]
