"""The bench of collection problems: its files are read as their authors mean them, and its plans are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from city.cli.main import main
from city.errors import ConfigError
from dispatch.planning.checker import check_plan
from dispatch.planning.planner import make_plan
from tests.bench.kim import read_kim

TEXT = """280.0 \t\t// vehicle capacity (yards), real number
400.0 // total yardage allowed for a vehicle per day, real number
500 // total number of regular stops for a vehicle allowed per day
3600 // lunch time duration in second
40 // speed: MPH
Stop_ID X(feet) Y(feet) Early_St_Time (HHMM) Late_St_Time (HHMM) Svice_Time(Sec) Load (Yards) Stop_Type
0   0.00   0.00  0400 1675 0  9999.00 0
7   5280.00   0.00  0000 2400 1600  9999.00 2
3   0.00   5280.00  0700 2400 180    12.00 1
4   -5280.00   5280.00  0000 0730 30     4.50 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kim-102.txt"
    path.write_text(TEXT)
    return path


def test_a_file_is_read_as_a_problem(file: Path) -> None:
    problem = read_kim(file, 3)
    truck, stop, landfill = problem.trucks[0], problem.stops[1], problem.landfills[0]
    assert (len(problem.trucks), truck.compartments[0].capacity, truck.day_load, truck.day_stops) == (3, 280, 400, 500)
    assert (truck.starts_s, truck.ends_s) == (4 * 3600, 17.25 * 3600)
    assert (stop.id, stop.load, stop.opens_s, stop.closes_s, stop.service_s) == ("4", 4.5, 0, 7.5 * 3600, 30)
    assert (landfill.id, landfill.service_s, landfill.closes_s) == ("7", 1600, 24 * 3600)
    plan = make_plan(problem, 0.1)
    assert check_plan(problem, plan) == []
    assert [visit.id for route in plan.routes for visit in route.visits] in (["4", "3", "7"], ["3", "4", "7"])
    assert plan.metres == pytest.approx(6 * 1609.344)


@pytest.mark.parametrize("text", ["", "280 // volume", TEXT.replace("280.0", "much"), TEXT.replace("4.50", "4,5")])
def test_a_file_that_cannot_be_read_is_told(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"kim-102\.txt"):
        read_kim(file, 3)


def test_the_bench_writes_what_the_judge_reads(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plans.json"
    options = ["--instances", "kim-102", "--seconds", "1", "--folder", str(file.parent), "--out", str(out)]
    assert main(["bench", "routes", *options]) == 0
    assert sorted(json.loads(out.read_text())["kim-102"]["routes"][0]) == [3, 4, 7]
    assert "kim-102" in capsys.readouterr().out


def test_an_unknown_instance_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "routes", "--instances", "kim-9", "--out", str(tmp_path / "plans.json")]) == 2
    assert "unknown instances: kim-9" in capsys.readouterr().err
