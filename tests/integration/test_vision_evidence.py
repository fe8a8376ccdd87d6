"""Evidence of real footage: of people marked by hand no detail survives, the scene around them and the waste do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.require import require_shared
from tests.support.survival import survived
from tests.support.waiting import wait_for
from vision.capture.sources import open_source
from vision.detect.detector import AbandonedObjectDetector
from vision.evidence.collector import EvidenceCollector
from vision.evidence.custody.keys import CustodySigner
from vision.evidence.pictures import Image, from_jpeg, limit_size
from vision.evidence.store import EvidenceStore

Box = tuple[int, int, int, int]

PEOPLE: dict[tuple[str, float], list[Box]] = {
    ("aboda-v1-excerpt.mp4", 9.0): [(38, 185, 85, 228), (138, 168, 88, 200)],
    ("aboda-v1-excerpt.mp4", 14.0): [(32, 185, 65, 235), (105, 180, 115, 210)],
    ("alley-bag-drop-1.mp4", 4.0): [(445, 205, 85, 190)],
    ("pets2009-vtest.avi", 20.0): [(302, 90, 20, 50), (382, 164, 22, 68), (438, 156, 26, 66)],
    ("aboda-1fps-video2", 70.0): [(180, 220, 50, 235), (380, 5, 40, 140)],
    ("aboda-1fps-video5", 56.0): [(68, 148, 45, 145), (215, 215, 60, 180)],
    ("aboda-1fps-video6", 116.0): [(98, 228, 38, 155)],
    ("aboda-1fps-video7", 119.0): [(145, 5, 65, 285)],
}
"""Clip and second to boxes of people in it, drawn by eye."""
AFTER_S = 12.0
CHANCE = 0.06
"""Windows of a mosaic that resemble the original by accident."""


class InMemory(EvidenceStore):
    """Keeps what it is given where a test can see it."""

    def keep(self, case: str, files: Mapping[str, bytes], about: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG002 - the port
        """Keep."""
        self.files = dict(files)
        return dict.fromkeys(files, "")


@pytest.mark.parametrize(("clip", "second"), list(PEOPLE))
def test_nobody_can_be_made_out(tmp_path: Path, clip: str, second: float) -> None:
    seen, kept = kept_at(require_shared(f"clips/{clip}"), second, tmp_path)
    for box in PEOPLE[clip, second]:
        assert survived(seen, seen, box) > 0.99
        assert survived(seen, kept, box) < CHANCE, box
    whole = (0, 0, seen.shape[1], seen.shape[0])
    assert survived(seen, kept, whole) > 0.2, "a picture that shows nothing proves nothing"


def kept_at(clip: Path, second: float, folder: Path) -> tuple[Image, Image]:
    """What a camera saw at a second, and what is kept of it when something is reported later."""
    store = InMemory(folder, CustodySigner(b"k" * 32), 1 << 30)
    collector, detector = EvidenceCollector(store, lambda: ()), AbandonedObjectDetector()
    source = open_source(str(clip), start_at=datetime.now(UTC), realtime=False, fps=10.0)
    last = None
    for frame in source.frames(threading.Event()):
        if frame.at_s > second + AFTER_S:
            break
        result = detector.step(frame.image, frame.at_s)
        if result.armed:
            collector.add(frame.image, frame.at_s, result.people)
            last = frame
    assert last is not None
    assert detector.background is not None
    collector.begin("c-1", {}, box=(0, 0, 4, 4), since_s=second, image=last.image, background=detector.background)
    seen = from_jpeg(_at(collector, second))
    wait_for(collector.ready, "the evidence")
    return seen, from_jpeg(store.files["deposit.jpg"])


def _at(collector: EvidenceCollector, second: float) -> bytes:
    """The newest picture in memory that is no later than a second."""
    return max(
        (frame for frame in collector._recorder.frames() if frame.at_s <= second), key=lambda frame: frame.at_s
    ).jpeg


def test_the_waste_itself_is_to_be_seen(tmp_path: Path) -> None:
    clip = require_shared("clips/aboda-v1-excerpt.mp4")
    store = InMemory(tmp_path, CustodySigner(b"k" * 32), 1 << 30)
    collector, detector = EvidenceCollector(store, lambda: ()), AbandonedObjectDetector()
    for frame in open_source(str(clip), start_at=datetime.now(UTC), realtime=False).frames(threading.Event()):
        result = detector.step(frame.image, frame.at_s)
        if result.armed:
            collector.add(frame.image, frame.at_s, result.people)
        for deposit in result.alarms:
            background = detector.background
            assert background is not None
            image, box = frame.image, deposit.box
            collector.begin("c-1", {}, box=box, since_s=deposit.since_s, image=image, background=background)
        if result.alarms:
            break
    wait_for(collector.ready, "the evidence")
    assert survived(limit_size(image), from_jpeg(store.files["after.jpg"]), box) > 0.5
