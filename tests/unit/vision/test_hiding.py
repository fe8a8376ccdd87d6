"""Who is hidden in evidence: doubtful small boxes too, and who was recognised once, wherever the place looks alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.bench.vision_hiding import MarkedRecording, measure, share_of
from tests.support.people_marks import MarkedFrame, mask_of, read_marks
from tests.unit.vision.scenes import HEIGHT, WIDTH, Image, Street
from vision.detect.port import Detection
from vision.evidence.privacy.masking import PersonMasks
from vision.evidence.privacy.mosaic import cover, pixelate
from vision.evidence.privacy.people_detector import LARGE_LEAST_SCORE, LEAST_SCORE, PeopleDetector
from vision.evidence.privacy.redaction import areas_of_still
from vision.evidence.privacy.stillness import is_alike, small_view
from vision.evidence.recorder import RecordedFrame, Recorder

STANDING = (200, 70, 40, 120)
FAR_S = 30.0
"""Beyond the reach of a single recognition."""


class FixedDetector:
    """A learned detector with the same answer for each whole picture that is sharp enough."""

    def __init__(self, box: tuple[int, int, int, int], score: float, sharpness_min: float = 0.0) -> None:
        self._detection, self._sharpness_min = Detection("person", box, score), sharpness_min

    def detect(self, image: Image, least_score: float | None = None) -> list[Detection]:
        """The person, if the picture is whole and sharp, and the score reaches the least one."""
        is_shown = image.shape[:2] == (HEIGHT, WIDTH) and sharpness(image) >= self._sharpness_min
        return [self._detection] if is_shown and self._detection.score >= (least_score or 0.3) else []


def sharpness(image: Image) -> float:
    """Spread of the edges of a picture."""
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_64F).std())


def recorded(pictures: list[Image]) -> list[RecordedFrame]:
    """A recording of pictures, five a second."""
    recorder = Recorder()
    for number, picture in enumerate(pictures):
        recorder.add(picture, number / 5, [])
    return recorder.frames()


def standing(street: Street) -> Image:
    """Somebody stands in the street."""
    return street.picture(person_x=STANDING[0], person_y=STANDING[1])


def hidden_share(areas: dict[int, np.ndarray]) -> float:
    """The share of the standing person's box that is hidden."""
    left, top, width, height = STANDING
    return float(cover(areas, WIDTH, HEIGHT)[top : top + height, left : left + width].mean())


@pytest.mark.parametrize(
    ("box", "score", "is_hidden"),
    [
        ((10, 10, 20, 60), LEAST_SCORE, True),
        ((10, 10, 20, 60), LEAST_SCORE - 0.05, False),
        ((10, 10, 200, 200), LARGE_LEAST_SCORE - 0.05, False),
        ((10, 10, 200, 200), LARGE_LEAST_SCORE, True),
    ],
)
def test_a_large_box_needs_a_higher_score_than_a_small_one(
    box: tuple[int, int, int, int], score: float, *, is_hidden: bool
) -> None:
    recognised = PeopleDetector(FixedDetector(box, score)).recognise(Street().picture())
    assert recognised == ([box] if is_hidden else [])


def test_a_person_recognised_once_is_hidden_as_long_as_the_place_looks_the_same() -> None:
    street = Street()
    pictures = [standing(street) for _ in range(10)]
    masks = PersonMasks(recorded(pictures), WIDTH, HEIGHT)
    masks.add_bodies(pictures[0], 0.0, 1.0, (), [STANDING])
    assert hidden_share(masks.areas_at(standing(street), FAR_S)) == 1.0
    assert hidden_share(masks.areas_at(street.picture(), FAR_S)) == 0.0


def test_the_background_hides_whom_it_has_learnt_and_not_who_has_passed() -> None:
    street = Street()
    pictures = [standing(street) for _ in range(10)]
    masks = PersonMasks(recorded(pictures), WIDTH, HEIGHT)
    masks.add_bodies(pictures[0], 0.0, 1.0, (), [STANDING])
    small = cv2.resize(standing(street), (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    learnt = np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert hidden_share(masks.areas_of_background(learnt, ())) == 1.0
    assert hidden_share(masks.areas_of_background(street.picture(), ())) == 0.0


def test_a_still_hides_a_person_who_is_recognised_only_in_the_newest_frame() -> None:
    street = Street()
    pictures = [standing(street) for _ in range(10)]
    blurred = np.asarray(cv2.GaussianBlur(pictures[0], (0, 0), 1.5), np.uint8)
    detector = FixedDetector(STANDING, 0.9, sharpness_min=2 * sharpness(blurred))
    assert PeopleDetector(detector).recognise(blurred) == []
    assert hidden_share(dict(areas_of_still(blurred, recorded(pictures), PeopleDetector(detector)))) == 1.0


def test_a_place_at_the_edge_is_compared_as_well() -> None:
    street = Street()
    view, other = small_view(street.picture()), small_view(street.picture())
    for box in ((-20, -20, 30, 30), (WIDTH - 2, HEIGHT - 2, 50, 50), (WIDTH + 5, 10, 4, 4)):
        assert is_alike(view, other, box, (WIDTH, HEIGHT))


def test_the_cover_is_what_the_mosaic_changes() -> None:
    picture = np.random.default_rng(2).integers(0, 255, (100, 140, 3)).astype(np.uint8)
    small, large = np.zeros((50, 70), np.bool_), np.zeros((120, 160), np.bool_)
    small[10:14, 3:9], large[100:, 130:] = True, True
    areas = {8: small, 32: large}
    changed = (pixelate(picture, areas) != picture).any(axis=2)
    covered = cover(areas, 140, 100)
    assert not changed[~covered].any()
    assert changed[covered].mean() > 0.9


def test_the_bench_counts_a_hidden_and_a_seen_person() -> None:
    street = Street()
    pictures = [standing(street) for _ in range(30)]
    marked = MarkedFrame("street", 3.0, ((STANDING,),))
    size_px = WIDTH, HEIGHT
    recording = MarkedRecording(
        marked, size_px, recorded(pictures), 3.0, pictures[15], street.picture(), pictures[-1], street.picture()
    )
    hiding = measure(recording, PeopleDetector(FixedDetector(STANDING, 0.9)))
    assert [picture.role for picture in hiding.pictures] == ["deposit", "clip", "after"]
    assert share_of(hiding.pictures) == 1.0
    assert share_of(measure(recording, PeopleDetector()).pictures) < 0.5


def test_the_marks_are_many_and_inside_a_picture() -> None:
    marks = read_marks()
    assert sum(len(marked.people) for marked in marks) >= 140
    assert len({marked.clip for marked in marks}) >= 25
    for marked in marks:
        for person in marked.people:
            assert mask_of(person, (1280, 1280), (1280, 1280)).any()
            assert all(min(box[2:]) > 0 <= min(box[:2]) for box in person), marked.clip
