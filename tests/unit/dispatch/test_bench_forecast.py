"""The bench that is judged: a row for each observation with a past, from what was known before it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from city.errors import ConfigError
from tests.bench.forecast import run

HEAD = "bin,date,level,lat_deg,lon_deg\n"


def levels(folder: Path, changed_from: int = 99, value: float = 9.0) -> Path:
    """A folder with levels of two containers for 60 days; days from a number on may have another value."""
    folder.mkdir()
    rows = []
    for day in range(60):
        for name in ("a", "b"):
            level = value if day >= changed_from else float((day * 2 + (name == "b")) % 10)
            rows.append(f"{name},2026-{1 + day // 28:02}-{1 + day % 28:02},{level},-10.1,123.6\n")
    (folder / "wyndham-daily.csv").write_text(HEAD + "".join(rows))
    return folder


def written(folder: Path, name: str = "wyndham") -> list[dict[str, str]]:
    """The rows that the bench writes."""
    out = folder / "out.csv"
    assert run(["--set", name, "--out", str(out), "--data", str(folder)]) == 0
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_day_but_the_first_three_is_forecast(tmp_path: Path) -> None:
    rows = written(levels(tmp_path / "set"))
    assert list(rows[0]) == ["bin", "date", "mean", "median", "lo80", "hi80"]
    assert len({(row["bin"], row["date"]) for row in rows}) == len(rows) == 2 * (60 - 3)
    for row in rows:
        assert float(row["lo80"]) <= float(row["hi80"])


def test_later_levels_change_no_earlier_row(tmp_path: Path) -> None:
    rows, changed = written(levels(tmp_path / "one")), written(levels(tmp_path / "other", changed_from=40))
    early = [row for row in rows if row["date"] <= "2026-02-13"]
    assert len(early) == 2 * (41 - 3)
    assert changed[: len(early)] == early
    assert changed != rows


def test_a_level_that_is_none_is_forecast_and_not_learnt(tmp_path: Path) -> None:
    rows = written(levels(tmp_path / "set", changed_from=50, value=-1.0))
    assert len(rows) == 2 * (60 - 3)
    assert all(float(row["mean"]) >= 0 for row in rows)


def test_visits_have_a_row_for_each_stream(tmp_path: Path) -> None:
    columns = "point,visited_at,paper_bins,paper_fill,plastic_bins,plastic_fill\n"
    visits = [f"p,2026-01-{day:02} 08:00:00,2,0.5,{'' if day == 9 else 1},1.0\n" for day in range(1, 20)]
    (tmp_path / "visits.csv").write_text(columns + "".join(visits))
    (tmp_path / "visits-places.csv").write_text("point,lat_deg,lon_deg\n")
    rows = written(tmp_path, "visits")
    assert {row["stream"]: float(row["median"]) for row in rows} == {"paper": 1.0, "plastic": 1.0}
    assert [sum(row["stream"] == stream for row in rows) for stream in ("paper", "plastic")] == [16, 15]


def test_a_folder_without_the_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"wyndham-daily\.csv"):
        run(["--set", "wyndham", "--out", str(tmp_path / "out.csv"), "--data", str(tmp_path)])
