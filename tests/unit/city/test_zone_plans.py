"""Drawn zones: in force as soon as they are saved, durable, and never lost to a bad file."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from city.errors import ConfigError, StorageError
from city.inventory.zone_plans import ZonePlanFile, plan_path, plan_version, read_plan, save_plan
from city.inventory.zones import Zone, ZonePlan

SQUARE = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8))
INVENTORY = ZonePlan((Zone("watch", "zone", SQUARE),))
FIRST = ZonePlan((Zone("ignore", "Pohon", SQUARE),), ((0.4, 0.1), (0.9, 0.3)))
SECOND = ZonePlan((Zone("mask", "Rumah", SQUARE),))


def test_what_is_drawn_takes_the_place_of_the_inventory_while_it_is_there(tmp_path: Path) -> None:
    drawn = ZonePlanFile(tmp_path, "cam-01", INVENTORY)
    assert drawn.current() is INVENTORY
    save_plan(tmp_path, "cam-01", FIRST)
    assert drawn.current() == FIRST
    assert drawn.current() is drawn.current(), "it is not read again"
    save_plan(tmp_path, "cam-01", SECOND)
    assert drawn.current() == SECOND
    plan_path(tmp_path, "cam-01").unlink()
    assert drawn.current() is INVENTORY
    assert ZonePlanFile(tmp_path, "cam-02", INVENTORY).current() is INVENTORY


def test_the_plan_before_stays_beside_it(tmp_path: Path) -> None:
    for plan in (FIRST, SECOND, SECOND):
        save_plan(tmp_path, "cam-01", plan)
    assert read_plan(tmp_path / "zones" / "cam-01.previous.json") == FIRST
    assert {path.name for path in (tmp_path / "zones").iterdir()} == {"cam-01.json", "cam-01.previous.json"}
    assert plan_path(tmp_path, "cam-01").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"zones":[{"kind":"near","name":"x","polygon":[]}]}',
        b'{"zones":[[]]}',
        b'{"zones":[{"kind":"watch","name":"x","polygon":[[0,0],[1,1]]}]}',
    ],
)
def test_a_bad_file_changes_nothing_and_is_told_once(tmp_path: Path, content: bytes) -> None:
    save_plan(tmp_path, "cam-01", FIRST)
    drawn = ZonePlanFile(tmp_path, "cam-01", INVENTORY)
    assert drawn.current() == FIRST
    plan_path(tmp_path, "cam-01").write_bytes(content)
    with capture_logs() as logs:
        assert [drawn.current(), drawn.current()] == [FIRST, FIRST]
    assert [entry["event"] for entry in logs] == ["zones.unreadable"]
    with pytest.raises(ConfigError, match=r"cam-01\.json"):
        read_plan(plan_path(tmp_path, "cam-01"))


def test_every_drawing_has_a_version(tmp_path: Path) -> None:
    versions = [plan_version(tmp_path, "cam-01")]
    for plan in (FIRST, SECOND, FIRST):
        save_plan(tmp_path, "cam-01", plan)
        versions.append(plan_version(tmp_path, "cam-01"))
    assert versions[0] == ""
    assert versions[1] == versions[3] != versions[2]


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "zones").write_text("in the way")
    with pytest.raises(StorageError, match=r"cam-01\.json"):
        save_plan(tmp_path, "cam-01", FIRST)
