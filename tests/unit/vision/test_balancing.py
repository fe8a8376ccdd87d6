"""Cameras are shared by what they cost, and nobody is idle."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from vision.service import cores_to_use
from vision.workers.balancing import balance, expected_loads, worker_count


@pytest.mark.parametrize(
    ("asked", "cores", "cameras", "workers"),
    [(0, 2, 25, 1), (0, 1, 25, 1), (0, 8, 25, 7), (0, 8, 3, 3), (4, 2, 25, 4), (4, 2, 1, 1), (0, 8, 0, 1)],
)
def test_how_many_workers(asked: int, cores: int, cameras: int, workers: int) -> None:
    assert worker_count(asked, cores, cameras) == workers


@pytest.mark.parametrize(
    ("said", "cores"), [("50000 100000", 1), ("100000 100000", 1), ("max 100000", None), ("", None), (None, None)]
)
def test_a_container_uses_its_share_of_the_cores(tmp_path: Path, said: str | None, cores: int | None) -> None:
    path = tmp_path / "cpu.max"
    if said is not None:
        path.write_text(said)
    assert cores_to_use(path) == (cores or len(os.sched_getaffinity(0)))


def test_heavy_cameras_are_kept_apart() -> None:
    assert balance({"a": 4.0, "b": 1.0, "c": 4.0, "d": 1.0}, 2) == [["a", "b"], ["c", "d"]]


def test_cameras_that_cost_nothing_are_shared_by_number() -> None:
    assert [len(share) for share in balance({f"cam-{n:02}": 0.0 for n in range(7)}, 3)] == [3, 2, 2]


@pytest.mark.parametrize("seed", range(20))
def test_every_camera_is_watched_once_and_no_worker_has_much_more_than_another(seed: int) -> None:
    dice = random.Random(seed)
    loads = {f"cam-{n:03}": dice.uniform(0.01, 0.2) for n in range(dice.randint(1, 60))}
    workers = dice.randint(1, len(loads))
    shares = balance(loads, workers)
    assert sorted(camera for share in shares for camera in share) == sorted(loads)
    assert all(shares)
    totals = [sum(loads[camera] for camera in share) for share in shares]
    assert max(totals) - min(totals) <= max(loads.values()) + 1e-9


def test_the_same_loads_are_shared_the_same_way() -> None:
    loads = {f"cam-{n}": 1.0 for n in range(9)}
    assert balance(loads, 4) == balance(dict(reversed(loads.items())), 4)


def test_a_camera_never_measured_is_taken_for_an_average_one() -> None:
    assert expected_loads(["a", "b", "c"], {"a": 1.0, "b": 3.0, "gone": 9.0}) == {"a": 1.0, "b": 3.0, "c": 2.0}
    assert expected_loads(["a", "b"], {}) == {"a": 1.0, "b": 1.0}
