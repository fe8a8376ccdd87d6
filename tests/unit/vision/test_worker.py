"""From a deposit to an event: the window decides, evidence is on disk first, people are not in it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from city.inventory import builtin_city, load_city
from city.model import Camera
from tests.support.waiting import wait_for
from tests.unit.vision.scenes import BAG, Scene
from vision.capture.opening import open_source
from vision.capture.port import Frame
from vision.demo import DemoSource
from vision.evidence import Recorder, forget_before, pixelate
from vision.sink import Health
from vision.worker import CameraWorker, is_offence

CITY = load_city(builtin_city("kupang"))
ZONE = ZoneInfo("Asia/Makassar")
DEFAULT, LILIBA = CITY.hours["default"], CITY.hours["liliba"]


class FakeSink:
    """Takes note of events, and of what was on disk when they came."""

    def __init__(self, evidence: Path) -> None:
        """Watch a folder."""
        self._evidence = evidence
        self.events: list[tuple[str, dict[str, Any], set[str]]] = []
        self.reports: list[Health] = []

    def event(self, type_: str, state: str, detail: dict[str, Any], at: datetime) -> None:  # noqa: ARG002 - the port
        """Note an event."""
        folder = self._evidence / detail.get("case", "no case")
        self.events.append(
            (f"{type_} {state}", detail, {p.name for p in folder.iterdir()} if folder.is_dir() else set())
        )

    def health(self, values: Health, at: datetime) -> None:  # noqa: ARG002 - the port
        """Note a health report."""
        self.reports.append(values)


def watched(tmp_path: Path, local: str, seconds: float = 30) -> FakeSink:
    """A worker that has looked at the demo scene from a local time on."""
    hour, minute = map(int, local.split(":"))
    start = datetime(2026, 3, 1, hour, minute, tzinfo=ZONE)
    sink = FakeSink(tmp_path)
    source = DemoSource(start_at=start, realtime=False)
    worker = CameraWorker(Camera(id="cam-01", site="tps-oebobo"), DEFAULT, ZONE, source, sink, tmp_path, simulated=True)
    for frame in source.frames(threading.Event()):
        if frame.at_s > seconds:
            break
        worker.look(frame)
    return sink


def test_waste_at_noon_is_reported_with_evidence_that_is_there_already(tmp_path: Path) -> None:
    sink = watched(tmp_path, "12:00")
    ((name, detail, files),) = sink.events
    assert name == "dumping raised"
    assert detail["case"].startswith("cam-01-20260301t0400")
    assert files == {"before.jpg", "after.jpg", "clip.webm", "case.json"}
    assert set(detail["sha256"]) == {"before.jpg", "after.jpg", "clip.webm"}
    assert json.loads((tmp_path / detail["case"] / "case.json").read_text())["sha256"] == detail["sha256"]
    assert not list(tmp_path.glob(".*.part"))


def test_waste_in_the_evening_is_allowed_and_only_counted(tmp_path: Path) -> None:
    ((name, detail, files),) = watched(tmp_path, "18:00").events
    assert (name, detail["within_hours"], files) == ("deposit noted", "17:00-05:00", set())
    assert list(tmp_path.iterdir()) == []


def test_an_object_is_one_event_until_it_is_removed(tmp_path: Path) -> None:
    sink = watched(tmp_path, "12:00", seconds=215)
    assert [name for name, _, _ in sink.events] == ["dumping raised", "dumping cleared"]
    assert sink.events[0][1]["case"] == sink.events[1][1]["case"]


@pytest.mark.parametrize(
    ("local", "default", "liliba"),
    [
        ("04:59:59", False, False),
        ("05:00:00", True, False),
        ("06:00:00", True, True),
        ("12:00:00", True, True),
        ("16:59:59", True, True),
        ("17:00:00", False, True),
        ("18:00:00", False, False),
    ],
)
def test_the_window_of_the_site_decides(local: str, *, default: bool, liliba: bool) -> None:
    at = datetime.fromisoformat(f"2026-03-03T{local}+08:00")
    assert is_offence(at, DEFAULT, ZONE) is default
    assert is_offence(at, LILIBA, ZONE) is liliba


def test_no_unpixelated_person_is_kept() -> None:
    scene = Scene()
    picture = scene.picture(person_x=60, bag=True)
    hidden = pixelate(picture, [(60, 70, 40, 120)], BAG)
    person = np.s_[70:190, 60:100]
    difference = np.abs(hidden[person].astype(int) - picture[person].astype(int)).mean()
    assert difference > 25
    blocks = hidden[person].reshape(-1, 3)
    assert len(np.unique(blocks, axis=0)) < 120
    x, y, w, h = BAG
    assert (hidden[y : y + h, x : x + w] == picture[y : y + h, x : x + w]).all()


def test_whoever_stands_before_the_object_hides_it() -> None:
    scene = Scene()
    picture = scene.picture(person_x=145, bag=True)
    hidden = pixelate(picture, [(145, 70, 40, 120)], BAG)
    x, y, w, h = BAG
    assert not (hidden[y : y + h, x : x + w] == picture[y : y + h, x : x + w]).all()


def test_the_recorder_is_bounded_and_holds_hidden_pictures_only() -> None:
    recorder, scene = Recorder(), Scene()
    picture = scene.picture(person_x=60)
    for index in range(300):
        recorder.add(picture, index / 5, [(60, 70, 40, 120)])
    frames = recorder.clip()
    assert 50 <= len(frames) <= 62
    stored = cv2.imdecode(np.frombuffer(frames[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert stored is not None
    assert np.abs(stored[70:190, 60:100].astype(int) - picture[70:190, 60:100].astype(int)).mean() > 25


def test_the_clip_can_be_played(tmp_path: Path) -> None:
    sink = watched(tmp_path, "12:00")
    source = open_source(
        str(tmp_path / sink.events[0][1]["case"] / "clip.webm"), start_at=datetime.now(UTC), realtime=False
    )
    assert sum(1 for _ in source.frames(threading.Event())) > 20


def test_a_source_that_ends_leaves_a_blind_camera(tmp_path: Path) -> None:
    class Short:
        def frames(self, stop: threading.Event) -> Iterator[Frame]:  # noqa: ARG002 - the port
            scene = Scene()
            for index in range(20):
                yield Frame(scene.picture(), index / 5, datetime.now(UTC))

    sink = FakeSink(tmp_path)
    worker = CameraWorker(Camera(id="cam-01"), DEFAULT, ZONE, Short(), sink, tmp_path, simulated=True)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,), daemon=True)
    thread.start()
    wait_for(lambda: sink.reports and sink.reports[-1]["scene"] == "no_stream", "a camera without a stream")
    stop.set()
    thread.join(5)
    assert sink.reports[-1]["scene_ok"] is False
    assert [name for name, _, _ in sink.events] == []


def test_evidence_is_forgotten_in_time(tmp_path: Path) -> None:
    (tmp_path / "cam-01-old").mkdir()
    assert forget_before(tmp_path, datetime.now(UTC) - timedelta(days=1)) == 0
    assert forget_before(tmp_path, datetime.now(UTC) + timedelta(days=1)) == 1
    assert list(tmp_path.iterdir()) == []
