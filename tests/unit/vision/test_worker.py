"""From a deposit to an event: the window decides, evidence is on disk first, people are not in it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from city.errors import RetryLaterError
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Camera
from city.inventory.windows import parse_window
from city.storage.signatures import Signer, read_public
from tests.support.evidence_stores import evidence_store_in
from tests.support.waiting import wait_for
from tests.unit.vision.scenes import Scene
from vision.camera.pending_cases import PendingCase, PendingCases
from vision.camera.sink import Health
from vision.camera.worker import CameraWorker, is_offence
from vision.capture.demo import DemoSource
from vision.capture.port import Frame, FrameSource
from vision.capture.sources import open_source
from vision.evidence.custody.verify import verify
from vision.evidence.store import EvidenceStore

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
    camera = Camera(id="cam-01", site="tps-oebobo")
    look_at(
        source,
        CameraWorker(camera, lambda: DEFAULT, ZONE, source, sink, evidence_store_in(tmp_path), simulated=True),
        seconds,
    )
    return sink


def look_at(source: FrameSource, worker: CameraWorker, seconds: float) -> None:
    """Show a worker so much of a source."""
    for frame in source.frames(threading.Event()):
        if frame.at_s > seconds:
            break
        worker.process(frame)
    worker.close()


def test_waste_at_noon_is_reported_with_evidence_that_is_there_already(tmp_path: Path) -> None:
    sink = watched(tmp_path, "12:00")
    ((name, detail, files),) = sink.events
    assert name == "dumping raised"
    assert detail["case"].startswith("cam-01-20260301t0400")
    assert (detail["by"], detail["in_passing"]) == ("foot", False)
    assert 0.1 < detail["size_person_heights"] < 1.0
    pictures = {"before.jpg", "deposit.jpg", "after.jpg", "clip.webm"}
    assert files == {*pictures, "case.json"}
    assert set(detail["sha256"]) == set(detail["evidence"].values()) == pictures
    assert json.loads((tmp_path / detail["case"] / "case.json").read_text())["sha256"] == detail["sha256"]
    assert not list(tmp_path.glob(".*.part"))
    assert verify(tmp_path, read_public(tmp_path / "custody.pub")).intact


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


def test_the_clip_can_be_played(tmp_path: Path) -> None:
    sink = watched(tmp_path, "12:00")
    source = open_source(
        str(tmp_path / sink.events[0][1]["case"] / "clip.webm"), start_at=datetime.now(UTC), realtime=False
    )
    assert sum(1 for _ in source.frames(threading.Event())) > 20


def test_a_deposit_is_judged_by_the_hours_of_its_moment(tmp_path: Path) -> None:
    """Hours that change while a camera is watched hold from the next deposit on."""
    start = datetime(2026, 3, 1, 12, tzinfo=ZONE)
    in_force = [DEFAULT]
    open_at_noon = replace(DEFAULT, weekly=((parse_window("11:00-13:00"),),) * 7)
    for hours, expected in ((DEFAULT, "dumping raised"), (open_at_noon, "deposit noted")):
        in_force[0] = DEFAULT
        sink, source = FakeSink(tmp_path / expected), DemoSource(start_at=start)
        store = evidence_store_in(tmp_path / expected)
        worker = CameraWorker(Camera(id="cam-01"), lambda: in_force[0], ZONE, source, sink, store, simulated=True)
        in_force[0] = hours
        look_at(source, worker, 30)
        assert sink.events[0][0] == expected


def test_a_source_that_ends_leaves_a_blind_camera(tmp_path: Path) -> None:
    class Short:
        def frames(self, stop: threading.Event) -> Iterator[Frame]:  # noqa: ARG002 - the port
            scene = Scene()
            for index in range(20):
                yield Frame(scene.picture(), index / 5, datetime.now(UTC))

    sink = FakeSink(tmp_path)
    worker = CameraWorker(
        Camera(id="cam-01"), lambda: DEFAULT, ZONE, Short(), sink, evidence_store_in(tmp_path), simulated=True
    )
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,), daemon=True)
    thread.start()
    wait_for(lambda: sink.reports and sink.reports[-1]["scene"] == "no_stream", "a camera without a stream")
    stop.set()
    thread.join(5)
    assert sink.reports[-1]["scene_ok"] is False
    assert [name for name, _, _ in sink.events] == []


class BrokenStore(EvidenceStore):
    """Its disk is full."""

    def keep(self, case: str, files: Mapping[str, bytes], about: Mapping[str, Any]) -> dict[str, str]:
        """Refuse."""
        raise RetryLaterError(f"no space for {len(files)} files of {case}: {about['camera']}")


def test_a_disk_that_refuses_evidence_does_not_silence_the_alarm(tmp_path: Path) -> None:
    sink = FakeSink(tmp_path)
    source = DemoSource(start_at=datetime(2026, 3, 1, 12, tzinfo=ZONE), realtime=False)
    store = BrokenStore(tmp_path, Signer(b"k" * 32), 256 << 20)
    look_at(source, CameraWorker(Camera(id="cam-01"), lambda: DEFAULT, ZONE, source, sink, store, simulated=True), 30)
    ((name, detail, files),) = sink.events
    assert (name, detail["evidence"], detail["sha256"], files) == ("dumping raised", {}, {}, set())


@pytest.mark.parametrize("kept", [True, False])
def test_a_case_that_a_crash_has_interrupted_is_reported_by_the_next_life(tmp_path: Path, *, kept: bool) -> None:
    store, sink = evidence_store_in(tmp_path / "evidence"), FakeSink(tmp_path / "evidence")
    path = tmp_path / "vision" / "cam-01.waiting.json"
    at = datetime(2026, 3, 1, 4, tzinfo=UTC)
    waiting = PendingCases(path)
    waiting.add("cam-01-x", PendingCase({"case": "cam-01-x", "camera": "cam-01"}, at))
    waiting.note_removed("cam-01-x", at)
    if kept:
        store.keep("cam-01-x", {"after.jpg": b"jpeg"}, {})

    class Nothing:
        def frames(self, stop: threading.Event) -> Iterator[Frame]:
            stop.wait()
            yield from ()

    camera = Camera(id="cam-01")
    worker = CameraWorker(camera, lambda: DEFAULT, ZONE, Nothing(), sink, store, simulated=True, pending=path)
    stop = threading.Event()
    stop.set()
    worker.run(stop)
    (name, detail, _), (cleared, _, _) = sink.events
    assert (name, cleared) == ("dumping raised", "dumping cleared")
    assert detail["evidence"] == ({"after": "after.jpg"} if kept else {})
    assert PendingCases(path).case_ids() == [], "told once"


def test_waiting_cases_that_cannot_be_read_are_no_reason_to_be_blind(tmp_path: Path) -> None:
    path = tmp_path / "cam-01.waiting.json"
    path.write_bytes(b'{"cam-01-x": {"deta')
    assert PendingCases(path).case_ids() == []
