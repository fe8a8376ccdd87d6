"""Zones in a camera worker: which waste is reported, by which rule, and what is black in everything that is kept."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from city.inventory.model import Camera
from city.inventory.windows import DumpingHours
from city.inventory.zone_plans import ZonePlanFile, save_plan, still_path
from city.inventory.zones import Zone, ZoneKind, ZonePlan
from tests.support.evidence_stores import evidence_store_in
from tests.unit.vision.test_worker import DEFAULT, LILIBA, ZONE, FakeSink, look_at
from vision.camera.worker import CameraWorker, is_offence
from vision.capture.demo import DemoSource
from vision.evidence.stills import StillWriter, burn_masks

BAG = ((0.5, 0.7), (0.75, 0.7), (0.75, 0.95), (0.5, 0.95))
"""Where the demo scene's bag lies."""
AWAY = ((0.0, 0.0), (0.3, 0.0), (0.3, 0.3))


def watched(tmp_path: Path, local: str, *zones: Zone) -> FakeSink:
    """A worker that has looked at the demo scene, in which somebody leaves a bag."""
    hour, minute = map(int, local.split(":"))
    sink = FakeSink(tmp_path / "evidence")
    source = DemoSource(start_at=datetime(2026, 3, 1, hour, minute, tzinfo=ZONE), realtime=False)
    camera = Camera(id="cam-01", site="tps-oebobo", zones=zones)
    still = still_path(tmp_path, "cam-01")
    store = evidence_store_in(tmp_path / "evidence")
    look_at(source, CameraWorker(camera, lambda: DEFAULT, ZONE, source, sink, store, simulated=True, still=still), 30)
    return sink


@pytest.mark.parametrize(
    ("local", "kind", "expected"),
    [
        ("12:00", "watch", "dumping raised"),
        ("20:00", "watch", "deposit noted"),
        ("12:00", "container", "dumping raised"),
        ("20:00", "container", "deposit noted"),
        ("20:00", "beside", "dumping raised"),
        ("12:00", "ignore", None),
        ("20:00", "mask", None),
    ],
)
def test_the_zone_decides_together_with_the_hours(
    tmp_path: Path, local: str, kind: ZoneKind, expected: str | None
) -> None:
    events = watched(tmp_path, local, Zone(kind, "sini", BAG)).events
    assert [name for name, _, _ in events] == ([expected] if expected else [])
    assert [detail["zone"] for _, detail, _ in events] == ([kind] if expected else [])


def test_outside_of_the_watched_zones_nothing_is_reported(tmp_path: Path) -> None:
    assert watched(tmp_path, "12:00", Zone("watch", "jauh", AWAY)).events == []


def test_a_case_says_how_large_its_picture_is(tmp_path: Path) -> None:
    ((_, detail, _),) = watched(tmp_path, "12:00").events
    assert detail["frame"] == [480, 270]


@pytest.mark.parametrize(
    ("clock", "hours", "place", "offence"),
    [
        ("2026-03-03T20:00:00", DEFAULT, "beside", True),
        ("2026-03-03T20:00:00", DEFAULT, "watch", False),
        ("2026-03-03T04:59:59", DEFAULT, "container", False),
        ("2026-03-03T05:00:00", DEFAULT, "container", True),
        ("2026-03-03T17:30:00", LILIBA, "watch", True),
        ("2026-03-03T12:00:00", DEFAULT, "ignore", False),
        ("2026-03-03T12:00:00", DEFAULT, "mask", False),
    ],
)
def test_beside_a_container_it_is_an_offence_at_any_hour(
    clock: str, hours: DumpingHours, place: ZoneKind, *, offence: bool
) -> None:
    assert is_offence(datetime.fromisoformat(f"{clock}+08:00"), hours, ZONE, place) is offence


def test_a_mask_is_black_in_every_picture_that_is_kept(tmp_path: Path) -> None:
    ((_, detail, _),) = watched(tmp_path, "12:00", Zone("mask", "rumah", AWAY)).events
    folder = tmp_path / "evidence" / detail["case"]
    clip = cv2.VideoCapture(str(folder / "clip.webm"))
    pictures = [cv2.imread(str(folder / name)) for name in ("before.jpg", "deposit.jpg", "after.jpg")]
    pictures += [cv2.imread(str(still_path(tmp_path, "cam-01"))), clip.read()[1]]
    clip.release()
    for picture in pictures:
        assert picture is not None
        height, width = picture.shape[:2]
        assert picture[: height // 20, width // 6 : width // 4].max() < 30
        assert picture[height // 2 :, width // 2 :].mean() > 60


def test_masks_leave_the_picture_itself_alone() -> None:
    picture = np.full((90, 160, 3), 200, np.uint8)
    assert burn_masks(picture, [Zone("ignore", "a", AWAY)]) is picture
    assert burn_masks(picture, [Zone("mask", "a", AWAY)])[5, 30].max() == 0
    assert picture.min() == 200


def test_a_still_is_saved_once_a_minute_and_when_the_drawing_changes(tmp_path: Path) -> None:
    path = tmp_path / "stills" / "cam-01.jpg"
    stills, plan = StillWriter(path), ZonePlan()
    saved: list[bool] = []
    for at_s, drawn in [(0, plan), (59, plan), (60, plan), (61, ZonePlan((Zone("mask", "a", AWAY),))), (62, plan)]:
        saved.append(stills.is_due(drawn, at_s))
        if saved[-1]:
            path.unlink(missing_ok=True)
            stills.save(np.full((90, 160, 3), 200, np.uint8), drawn, at_s)
            assert path.is_file()
    assert saved == [True, False, True, True, True]


def test_a_disk_that_refuses_stills_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "stills").write_text("in the way")
    StillWriter(tmp_path / "stills" / "cam-01.jpg").save(np.zeros((90, 160, 3), np.uint8), ZonePlan(), 0)


def test_a_zone_that_is_drawn_is_in_force_with_the_next_picture(tmp_path: Path) -> None:
    sink = FakeSink(tmp_path)
    source = DemoSource(start_at=datetime(2026, 3, 1, 12, tzinfo=ZONE), realtime=False)
    camera = Camera(id="cam-01", site="tps-oebobo")
    drawn = ZonePlanFile(tmp_path, camera.id, camera.plan).current
    worker = CameraWorker(camera, lambda: DEFAULT, ZONE, source, sink, tmp_path, simulated=True, plan=drawn)
    for frame in source.frames(threading.Event()):
        if frame.at_s > 30:
            break
        if frame.at_s == 10:
            save_plan(tmp_path, camera.id, ZonePlan((Zone("ignore", "sini", BAG),)))
        worker.process(frame)
    assert sink.events == []
