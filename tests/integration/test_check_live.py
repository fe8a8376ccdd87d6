"""`kota check --live` against the server as the service starts it: containers whose depth does not fit are named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from city.cli.check import SHOWN_MAX, run
from ingest.store.records import QUALITY_GEOMETRY, Reading, RecordOrigin
from tests.support.brokers import free_port
from tests.support.raw_http import served
from tests.unit.api.conftest import CITY, NOW, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def port(stage: Stage) -> Iterator[int]:
    """A city that asks for a sign-in."""
    with served(create_app(stage.context(demo=False))) as found:
        yield found


def too_deep(stage: Stage, devices: list[str]) -> None:
    at = NOW - timedelta(seconds=30)
    for number, device in enumerate(devices, 1):
        origin = RecordOrigin("bin", device, "deep", number, at, at, quality=(QUALITY_GEOMETRY,))
        stage.store.write([Reading(origin, {"distance_mm": 2900.0})], ())


def finding(stage: Stage, port: int, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = run(["--live", "--json", "--data", str(stage.folder), "--port", str(port)])
    (found,) = [entry for entry in json.loads(capsys.readouterr().out) if entry["name"] == "depths"]
    return code, found


def test_containers_less_deep_than_their_sensor_measures_are_named(
    stage: Stage, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.measure("bin-0451", fill_pct=20.0)
    assert finding(stage, port, capsys)[1]["ok"]
    too_deep(stage, ["bin-0452", "bin-0453"])
    code, found = finding(stage, port, capsys)
    assert (code, found["ok"], found["fatal"]) == (0, False, False)
    assert "bin-0452, bin-0453" in found["detail"]
    assert "bin-0451" not in found["detail"]


def test_a_list_of_many_says_how_many(stage: Stage, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    bins = sorted(CITY.bins)[: SHOWN_MAX + 107]
    too_deep(stage, bins)
    detail = finding(stage, port, capsys)[1]["detail"]
    assert bins[0] in detail
    assert "and 107 more" in detail


def test_a_city_that_does_not_answer_is_a_failure(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = finding(stage, free_port(), capsys)
    assert (code, found["ok"], found["fatal"]) == (1, False, True)


def test_without_the_option_the_city_is_not_asked(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--json", "--data", str(stage.folder), "--port", str(free_port())]) == 0
    assert "depths" not in capsys.readouterr().out
