"""Who looks after the workers: a lost one comes back with its cameras, one that keeps failing is split."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from city.cli.main import main
from city.errors import ConfigError
from city.inventory.model import Camera
from city.inventory.provider import LiveInventory
from city.runtime.secrets import Secrets
from city.runtime.service import Runtime
from city.runtime.settings import load_settings
from tests.support.waiting import wait_for
from vision.workers.camera_group import STUCK_S, CameraGroup, StuckError, camera_lock
from vision.workers.coordinator import Coordinator
from vision.workers.watch_list import WatchList, watched_cameras
from vision.workers.worker_handle import WorkerFailure

CAMERAS = [Camera(id=f"cam-{n:02}", source="demo") for n in range(8)]


class FakeWorkerHandle:
    """A worker whose cameras may be deadly."""

    def __init__(self, cameras: list[str], _environment: object) -> None:
        """Well, but not started."""
        self.cameras = cameras
        self.failures = 0
        self.running = False
        self.pid = 1
        self.deadly = ""
        self.starts = 0
        self.assigned = 0

    def assign(self, cameras: list[str]) -> None:
        """From now on."""
        self.cameras = cameras
        self.assigned += 1

    def start_when_due(self, _now_s: float) -> None:
        """At once."""
        self.starts += not self.running
        self.running = True

    def loads(self, _now_s: float) -> dict[str, float]:
        """A quarter of a core each."""
        return dict.fromkeys(self.cameras, 0.25)

    def failure(self, _now_s: float) -> WorkerFailure | None:
        """Dead when it watches the deadly one."""
        return "ended" if self.running and DEADLY in self.cameras else None

    def forgive(self) -> None:
        """From 0 again."""
        self.failures = 0

    def kill(self, _now_s: float) -> None:
        """Gone."""
        self.running = False
        self.failures += 1


DEADLY = "cam-05"


def coordinator(tmp_path: Path, workers: int = 2) -> Any:
    runtime = Runtime(load_settings(data=tmp_path))
    return Coordinator(runtime, lambda: CAMERAS, workers, spawn=FakeWorkerHandle)


def test_what_crashes_every_worker_ends_alone(tmp_path: Path) -> None:
    made = coordinator(tmp_path)
    for now_s in range(40):
        for worker in list(made.workers):
            made._supervise(worker, float(now_s))
    alone = [worker.cameras for worker in made.workers if DEADLY in worker.cameras]
    assert alone == [[DEADLY]]
    watched = sorted(camera for worker in made.workers for camera in worker.cameras)
    assert watched == [camera.id for camera in CAMERAS]
    assert len(made.workers) <= 5


def test_workers_get_the_cameras_that_the_inventory_has_now(tmp_path: Path) -> None:
    """Only a worker whose cameras change is told."""
    cameras = list(CAMERAS)
    made: Any = Coordinator(Runtime(load_settings(data=tmp_path)), lambda: cameras, 2, spawn=FakeWorkerHandle)
    first, second = made.workers
    before = list(second.cameras)
    cameras.remove(next(camera for camera in cameras if camera.id == first.cameras[0]))
    made.follow()
    assert (len(first.cameras), first.assigned) == (3, 1)
    assert (second.cameras, second.assigned) == (before, 0)
    cameras.append(Camera(id="cam-99", source="demo"))
    made.follow()
    assert first.cameras[-1] == "cam-99"
    assert sorted([*first.cameras, *second.cameras]) == sorted(camera.id for camera in cameras)


def test_a_camera_with_a_wrong_source_is_left_out_while_the_city_runs(tmp_path: Path) -> None:
    runtime = Runtime(load_settings(data=tmp_path))
    runtime.inventory.publish({"cam-00": CAMERAS[0], "cam-01": Camera(id="cam-01", source="rstp://host/sub")})
    assert [camera.id for camera in WatchList(runtime).current()] == ["cam-00"]
    assert WatchList(runtime).among(["cam-01"]) == []


def test_a_group_begins_a_changed_camera_anew_and_leaves_one_that_has_gone(tmp_path: Path) -> None:
    cameras = list(CAMERAS[:3])
    group = CameraGroup(Runtime(load_settings(data=tmp_path)), lambda: cameras)
    begun: list[tuple[Camera, threading.Event]] = []
    group._watch = lambda camera, stop: begun.append((camera, stop))  # type: ignore[method-assign]
    group.follow()
    wait_for(lambda: len(begun) == 3, "three cameras")
    cameras[1] = replace(cameras[1], site="tps-liliba")
    del cameras[0]
    group.follow()
    wait_for(lambda: len(begun) == 4, "the changed one")
    stopped = {camera.id for camera, stop in begun if stop.is_set()}
    assert (begun[3][0], stopped) == (cameras[0], {"cam-00", "cam-01"})
    assert not begun[3][1].is_set()
    group.follow()
    assert len(begun) == 4


def test_loads_are_remembered_for_the_next_start(tmp_path: Path) -> None:
    made = coordinator(tmp_path)
    made._loads = {"cam-00": 3.0, **{f"cam-{n:02}": 0.1 for n in range(1, 8)}}
    made._save_loads()
    assert coordinator(tmp_path).workers[0].cameras == ["cam-00"]
    (tmp_path / "vision" / "loads.json").write_text("[")
    assert [len(worker.cameras) for worker in coordinator(tmp_path).workers] == [4, 4]


def test_a_camera_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    path, stop, order = tmp_path / "edge" / "cam-01.lock", threading.Event(), []

    def second() -> None:
        with camera_lock(path, stop) as is_locked:
            order.append(f"second {is_locked}")

    with camera_lock(path, stop) as is_locked:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append(f"first {is_locked}")
    thread.join(10)
    assert order == ["first True", "second True"]


def test_waiting_for_a_camera_ends_with_the_process(tmp_path: Path) -> None:
    path, stop = tmp_path / "cam-01.lock", threading.Event()
    found: list[bool] = []

    def second() -> None:
        with camera_lock(path, stop) as is_locked:
            found.append(is_locked)

    with camera_lock(path, threading.Event()):
        thread = threading.Thread(target=second)
        thread.start()
        stop.set()
        wait_for(lambda: found == [False], "the wait to end")
        thread.join(10)


def test_a_source_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    runtime = Runtime(load_settings(data=tmp_path))
    misspelt = Camera(id="cam-01", source="rstp://admin:secret@host/sub")
    runtime.inventory.publish({"cam-01": misspelt})
    with pytest.raises(ConfigError, match=r"^rstp://host: an address"):
        watched_cameras(runtime)


@pytest.mark.parametrize(
    ("asked", "made", "encrypted"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_clear_copies_need_the_sites_word_and_the_citys_key(
    tmp_path: Path, *, asked: bool, made: bool, encrypted: bool
) -> None:
    runtime = Runtime(load_settings(data=tmp_path))
    site = replace(runtime.city.sites["tps-oebobo"], clear_copies=asked)
    runtime.inventory = LiveInventory(replace(runtime.city, sites={**runtime.city.sites, site.id: site}))
    if made:
        Secrets.make(tmp_path)
        assert main(["evidence", "clear-key", "--data", str(tmp_path), "--out", str(tmp_path / "clear.key")]) == 0
    group = CameraGroup(runtime, lambda: CAMERAS)
    assert (group._clear_key(Camera(id="cam-01", site=site.id)) is not None) is encrypted
    assert group._clear_key(Camera(id="cam-01")) is None


def test_a_camera_whose_own_thread_hangs_takes_its_process_down(tmp_path: Path) -> None:
    """Nothing else would help; whoever watches the process starts another."""
    group = CameraGroup(Runtime(load_settings(data=tmp_path)), lambda: CAMERAS)

    class Hung:
        """A camera's worker that had its last iteration long ago."""

        iterated_s, cpu_s = 1_000.0, 0.0

    group._workers["cam-03"] = Hung()  # type: ignore[assignment]
    group._check(1_000.0 + STUCK_S)
    with pytest.raises(StuckError, match="cam-03"):
        group._check(1_001.0 + STUCK_S)
