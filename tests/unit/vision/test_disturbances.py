"""What happens to cameras: covered, turned, unfocused, frozen, in another light; said in time and never an alarm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from city.inventory.model import Camera
from tests.support.evidence_stores import evidence_store_in
from tests.unit.vision.scenes import HEIGHT, WIDTH, Image, Street
from tests.unit.vision.test_worker import DEFAULT, ZONE, FakeSink
from vision.camera.worker import CameraWorker
from vision.capture.port import Frame
from vision.detect.detector import AbandonedObjectDetector

FPS = 4
BEGINS_S, ENDS_S, OVER_S = 12.0, 40.0, 60.0
WITHIN_S = 60.0

Change = Callable[[Image], Image]


def passing(at_s: float) -> int | None:
    """Where somebody walks through the street, every twenty seconds."""
    return int(40 * (at_s % 20)) - 40 if at_s % 20 < 9 else None


def pictures(change: Change) -> Iterator[tuple[float, Image]]:
    """A street where people pass; something happens to the camera and is over after a while."""
    scene = Street()
    for number in range(int(OVER_S * FPS)):
        at_s = number / FPS
        picture = scene.picture(person_x=passing(at_s))
        yield at_s, change(picture) if BEGINS_S <= at_s < ENDS_S else picture


def noisy(picture: Image) -> Image:
    dice = np.random.default_rng(int(picture.sum()) % 1_000)
    return np.clip(picture + dice.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def shifted(picture: Image, across: float, down: float = 0.0) -> Image:
    matrix = np.array([[1, 0, across * WIDTH], [0, 1, down * HEIGHT]], np.float32)
    return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.uint8)


def turned(picture: Image) -> Image:
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 8, 1)
    return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.uint8)


OTHER = Street(7)


def elsewhere(picture: Image) -> Image:
    del picture
    return OTHER.picture()


def unfocused(picture: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), WIDTH / 100), np.uint8)


def plastic(picture: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 20) // 2 + 60, np.uint8)


def infrared(picture: Image) -> Image:
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.asarray(cv2.cvtColor(np.clip(gray * 0.6 + 75, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        pytest.param(lambda one: noisy(np.zeros_like(one)), {"covered"}, id="black plastic"),
        pytest.param(lambda one: noisy(np.full_like(one, (60, 80, 120))), {"covered"}, id="a hand"),
        pytest.param(plastic, {"covered", "defocused"}, id="clear plastic"),
        pytest.param(lambda one: noisy((one * 0.02).astype(np.uint8)), {"covered"}, id="lights out"),
        pytest.param(lambda one: shifted(one, 0.15), {"moved"}, id="knocked"),
        pytest.param(lambda one: shifted(one, 0.4, 0.2), {"moved"}, id="turned aside"),
        pytest.param(turned, {"moved"}, id="tilted"),
        pytest.param(elsewhere, {"moved"}, id="another street"),
        pytest.param(unfocused, {"defocused"}, id="out of focus"),
        pytest.param(infrared, {"light"}, id="infrared"),
        pytest.param(lambda one: np.clip(one * 0.5 + 110, 0, 255).astype(np.uint8), {"light"}, id="a lamp"),
    ],
)
def test_what_happens_to_a_camera_is_said_and_raises_no_alarm(change: Change, reasons: set[str]) -> None:
    detector = AbandonedObjectDetector()
    said: dict[float, str] = {}
    for at_s, picture in pictures(change):
        result = detector.step(picture, at_s)
        said[at_s] = result.reason
        assert result.alarms == [], at_s
    before = {reason for at_s, reason in said.items() if 3 < at_s < BEGINS_S}
    first = next(at_s for at_s, reason in said.items() if at_s >= BEGINS_S and reason)
    meanwhile = {reason for at_s, reason in said.items() if BEGINS_S <= at_s < ENDS_S}
    assert before == {""}
    assert first - BEGINS_S < WITHIN_S
    assert reasons & meanwhile
    assert said[max(said)] == "", "it watches again"


def test_a_frozen_picture_is_said_within_a_minute() -> None:
    detector, scene = AbandonedObjectDetector(), Street()
    for number in range(20 * FPS):
        detector.step(scene.picture(), number / FPS)
    frozen = scene.picture()
    reasons = [detector.step(frozen, 20 + number / FPS).reason for number in range(60 * FPS)]
    assert reasons.index("frozen") / FPS < WITHIN_S
    assert detector.step(scene.picture(), 81.0).reason == ""


def bag_story(before: Change = lambda one: one, *, put_s: float = 24.0) -> Iterator[tuple[float, Image]]:
    """Somebody comes, puts a bag down and goes; something may happen to the camera long before."""
    scene = Street()
    for number in range(int((put_s + 26) * FPS)):
        at_s = number / FPS
        person_x = None
        if put_s - 6 < at_s < put_s + 6:
            person_x = int(20 * (at_s - put_s + 6)) if at_s < put_s else 120 + int(40 * (at_s - put_s))
        picture = scene.picture(person_x=person_x, bag=at_s >= put_s)
        yield at_s, before(picture) if at_s >= 10 else picture


@pytest.mark.parametrize(
    "change", [lambda one: one, lambda one: shifted(one, 0.15), infrared], ids=["no", "probe", "ir"]
)
def test_after_a_disturbance_a_bag_is_found_again(change: Change) -> None:
    detector = AbandonedObjectDetector()
    alarms = [alarm for at_s, picture in bag_story(change) for alarm in detector.step(picture, at_s).alarms]
    assert len(alarms) == 1
    assert 23 < alarms[0].since_s < 26


def test_another_resolution_starts_anew_and_goes_on() -> None:
    detector = AbandonedObjectDetector()
    alarms = []
    for at_s, picture in bag_story():
        shown = picture if at_s < 10 else np.asarray(cv2.resize(picture[30:-30], (640, 360)), np.uint8)
        result = detector.step(shown, at_s)
        if 10 <= at_s < 11:
            assert result.reason == "warming_up"
        alarms += result.alarms
    (alarm,) = alarms
    assert alarm.box[0] > 250, "in the pixels of the new resolution"


def test_who_stands_in_the_first_picture_leaves_no_case() -> None:
    detector, scene = AbandonedObjectDetector(), Street()
    for number in range(40 * FPS):
        at_s = number / FPS
        going = 100 + int(30 * (at_s - 12)) if at_s > 12 else 100 + number % 3
        result = detector.step(scene.picture(person_x=going), at_s)
        assert result.alarms == [], at_s


def test_an_object_is_one_case_also_in_another_light_and_ends_when_it_is_taken() -> None:
    detector, scene = AbandonedObjectDetector(), Street()
    alarms, removed = [], []
    for at_s, picture in bag_story():
        result = detector.step(infrared(picture) if at_s > 40 else picture, at_s)
        alarms += result.alarms
        removed += result.removed
    for number in range(12 * FPS):
        result = detector.step(infrared(scene.picture()), 50 + number / FPS)
        alarms += result.alarms
        removed += result.removed
    assert len(alarms) == 1
    assert [reported_object.id for reported_object in removed] == [alarms[0].id]


@pytest.mark.parametrize(("size", "level"), [((1, 1), 0), ((2, 300), 255), ((240, 320), 0), ((240, 320), 255)])
def test_pictures_that_show_nothing_harm_nothing(size: tuple[int, int], level: int) -> None:
    detector = AbandonedObjectDetector()
    for number in range(10):
        result = detector.step(np.full((*size, 3), level, np.uint8), number / FPS)
        assert not result.armed
        assert result.alarms == []
    for at_s, picture in bag_story():
        result = detector.step(picture, 2 + at_s)
    assert result.armed


@pytest.mark.parametrize(
    ("put_at", "expected"),
    [
        ("04:59:55", "deposit noted"),
        ("05:00:05", "dumping raised"),
        ("16:59:50", "dumping raised"),
        ("17:00:05", "deposit noted"),
    ],
)
def test_the_moment_of_the_deposit_decides_and_not_that_of_the_alarm(
    tmp_path: Path, put_at: str, expected: str
) -> None:
    put = datetime.fromisoformat(f"2026-03-03T{put_at}+08:00")
    sink = FakeSink(tmp_path)

    class Nothing:
        def frames(self, stop: object) -> Iterator[Frame]:
            del stop
            yield from ()

    camera = Camera(id="cam-01", site="tps-oebobo")
    worker = CameraWorker(camera, lambda: DEFAULT, ZONE, Nothing(), sink, evidence_store_in(tmp_path), simulated=True)
    for at_s, picture in bag_story():
        worker.process(Frame(picture, at_s, put + timedelta(seconds=at_s - 24)))
    worker.close()
    assert [name for name, _, _ in sink.events] == [expected]
