"""Each stage of the detector by itself: what its docstring promises, on arrays made for it."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.vision.scenes import BAG, HEIGHT, WIDTH, Image, Street
from vision.detect.checks import ADDED, TAKEN, is_same_but_for_light, rigidity, standing_out
from vision.detect.detector import AbandonedObjectDetector
from vision.detect.dual_background import DualBackground
from vision.detect.exposure import ContrastStretch, match_exposure, stretch_for
from vision.detect.picture import gray_of, polygon_mask, shrink
from vision.detect.port import StepResult
from vision.detect.regions import Region, boxes_of, gap_px, iou, regions_of, shared_px
from vision.detect.scene import SceneWatch
from vision.detect.sharpness import Sharpness
from vision.detect.stabilisation import Stabiliser
from vision.detect.tracks import Tracker, kind_of

NOBODY = np.zeros((HEIGHT, WIDTH), np.uint8)
FPS = 5


def moved(picture: Image, across: float, down: float) -> Image:
    matrix = np.array([[1, 0, across], [0, 1, down]], np.float32)
    return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.uint8)


@settings(max_examples=25, deadline=None)
@given(across=st.floats(-20, 20), down=st.floats(-14, 14))
def test_sway_is_measured_and_taken_back(across: float, down: float) -> None:
    street = Street()
    view = street.picture()
    swayed = moved(street.picture(), across, down)
    before = view.copy(), swayed.copy()
    sway = Stabiliser(view, 0.0)
    steady = sway.stabilise(swayed, view, 0.2)
    assert (view == before[0]).all(), "what is measured is left alone"
    assert (swayed == before[1]).all()
    if np.hypot(across, down) > 2:
        assert sway.shift.sure
        assert abs(sway.shift.x_px - across) < 1
        assert abs(sway.shift.y_px - down) < 1
        inner = np.s_[30:-30, 40:-40]
        assert np.abs(steady[inner].astype(int) - view[inner]).mean() < 9


def test_a_turned_camera_is_no_sway() -> None:
    street = Street()
    sway = Stabiliser(street.picture(), 0.0)
    sway.stabilise(moved(street.picture(), 70, 20), street.picture(), 0.2)
    assert not sway.shift.sure


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(0.7, 1.4))
def test_exposure_is_evened_out(gain: float) -> None:
    view = Street().picture()
    bright = np.clip(view * gain, 0, 255).astype(np.uint8)
    even = match_exposure(bright, view, NOBODY)
    assert np.abs(even.astype(int) - view).mean() < 6


def test_a_dull_view_is_stretched_and_black_stays_black() -> None:
    dull = (Street().picture() * 0.2 + 90).astype(np.uint8)
    stretch = stretch_for(dull)
    assert stretch.alpha > 1.5
    assert gray_of(stretch.apply(dull)).std() > 1.4 * gray_of(dull).std()
    assert (stretch.apply(np.zeros_like(dull)) == 0).all(), "in all three channels"
    assert np.abs(stretch.undo(stretch.apply(dull)).astype(int) - dull).mean() < 2
    assert stretch.clipped_share(np.full((HEIGHT, WIDTH), 250, np.uint8)) == 1.0
    assert stretch_for(Street().picture() * 2) == ContrastStretch(), "one with contrast enough is left as it is"


def blurred(picture: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 3), np.uint8)


@pytest.mark.parametrize(
    ("change", "sharp"),
    [
        (lambda one: one, True),
        (lambda one: (one * 0.5).astype(np.uint8), True),
        (lambda one: (one * 0.5 + 90).astype(np.uint8), True),
        (lambda one: moved(one, 9, 5), True),
        (blurred, False),
        (lambda one: (blurred(one) * 0.5 + 60).astype(np.uint8), False),
    ],
    ids=["as it is", "half as bright", "fog", "swaying", "blurred", "blurred in fog"],
)
def test_sharpness_knows_neither_light_nor_place(change: object, *, sharp: bool) -> None:
    street = Street()
    sharpness = Sharpness(gray_of(street.picture()))
    found = sharpness.measure(gray_of(change(street.picture())))  # type: ignore[operator]
    assert found is not None
    assert (found > 0.75) is sharp


def test_a_wall_has_no_sharpness_to_lose() -> None:
    wall = np.full((HEIGHT, WIDTH), 120, np.uint8)
    assert Sharpness(wall).measure(wall) is None


def test_a_crowd_is_no_other_view() -> None:
    street, watch = Street(), SceneWatch()
    watch.learn(gray_of(street.picture()))
    crowd = street.picture()
    for x in range(0, 160, 45):
        crowd[70:190, x : x + 40] = street.picture(person_x=x)[70:190, x : x + 40]
    assert not any(watch.is_another_view(gray_of(crowd), 0.3, 1.0) for _ in range(20))
    other = gray_of(Street(5).picture())
    assert [watch.is_another_view(other, 0.3, 1.0) for _ in range(6)] == [False] * 4 + [True] * 2


def layers_after(pictures: Iterator[Image], *, held: Image | None = None) -> DualBackground:
    layers = None
    for picture in pictures:
        if layers is None:
            layers = DualBackground(picture)
        layers.step(picture, 1 / FPS, NOBODY if held is None else held)
    assert layers is not None
    return layers


def test_layers_tell_what_has_settled_from_what_moves() -> None:
    street = Street()
    pictures = [street.picture() for _ in range(5 * FPS)]
    pictures += [street.picture(bag=True, person_x=5 * number) for number in range(8 * FPS)]
    layers = layers_after(iter(pictures))
    x, y, w, h = BAG
    static = layers.static(4.0)
    assert (static[y + 2 : y + h - 2, x + 2 : x + w - 2] > 0).mean() > 0.95
    elsewhere = static.copy()
    elsewhere[y - 4 : y + h + 4, x - 4 : x + w + 4] = 0
    assert (elsewhere > 0).mean() < 0.02


def bag_region() -> Region:
    (region,) = regions_of(bag_mask(), close_px=3, min_area_px=20)
    return region


def bag_mask() -> Image:
    mask = NOBODY.copy()
    x, y, w, h = BAG
    mask[y : y + h, x : x + w] = 255
    return mask


def test_what_was_added_stands_out_and_a_ghost_does_not() -> None:
    street = Street()
    empty, with_bag = street.picture(), street.picture(bag=True)
    assert standing_out(with_bag, empty, bag_region()) > ADDED
    assert standing_out(empty, with_bag, bag_region()) < TAKEN


def test_a_shadow_is_the_same_but_for_light() -> None:
    street = Street()
    shadow = street.picture()
    x, y, w, h = BAG
    around = np.s_[y - 20 : y + h + 20, x - 20 : x + w + 20]
    shadow[around] = (shadow[around] * 0.6).astype(np.uint8)
    assert is_same_but_for_light(shadow, street.picture(), bag_region(), 16)
    assert not is_same_but_for_light(street.picture(bag=True), street.picture(), bag_region(), 16)


def test_a_bag_is_rigid_and_cloth_is_not() -> None:
    street = Street()
    x, y, w, h = BAG
    bag = [gray_of(street.picture(bag=True))[y : y + h, x : x + w] for _ in range(10)]
    cloth = [gray_of(street.picture(person_x=120 + number % 4))[y : y + h, 130:150] for number in range(10)]
    assert rigidity(bag) > 0.9
    assert rigidity(cloth) < 0.9
    assert rigidity(bag[:1]) == 1.0


def test_regions_join_what_touches_and_drop_specks() -> None:
    mask = NOBODY.copy()
    mask[20:40, 20:40] = mask[20:40, 43:60] = mask[20:40, 80:100] = mask[100:102, 100:102] = 255
    assert sorted(boxes_of(mask, close_px=7, min_area_px=50)) == [(20, 20, 40, 20), (80, 20, 20, 20)]


def test_boxes_overlap_share_and_keep_apart() -> None:
    assert iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert shared_px((0, 0, 10, 10), (5, 5, 10, 10)) == 25
    assert shared_px((0, 0, 10, 10), (20, 0, 5, 5)) == 0
    assert gap_px((0, 0, 10, 10), (20, 0, 5, 5)) == 10


def test_a_polygon_is_a_mask_and_none_is_everywhere() -> None:
    assert (polygon_mask([], 10, 20) == 255).all()
    half = polygon_mask([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]], 10, 20)
    assert half[:, :9].all()
    assert not half[:, 12:].any()


@pytest.mark.parametrize("shape", [(240, 320), (1080, 1920), (100, 178), (1280, 720)])
def test_every_picture_comes_down_to_about_one_size(shape: tuple[int, int]) -> None:
    small, scale = shrink(np.zeros((*shape, 3), np.uint8), 120_000)
    assert 0.9 < small.shape[0] * small.shape[1] / 120_000 < 1.1
    assert abs(small.shape[1] * scale - shape[1]) < 2 * scale


@pytest.mark.parametrize(("box", "kind"), [((30, 90), "person"), ((90, 60), "vehicle")])
def test_a_blob_that_walks_is_one_track_of_a_kind(box: tuple[int, int], kind: str) -> None:
    tracker, width, height = Tracker(), *box
    for number in range(15):
        mask = NOBODY.copy()
        mask[100 : 100 + height, 5 + 12 * number : 5 + 12 * number + width] = 255
        tracks = tracker.step(mask, number / FPS, 50)
    (track,) = tracks
    assert track.has_travelled
    assert track.first_s == 0.0
    assert kind_of(track, NOBODY.shape, None) == kind


def thrown() -> Iterator[Image]:
    """Somebody walks through without a stop; a bag leaves his hand half way, flies on a little and lies."""
    street = Street()
    x, y, w, h = BAG
    bag = street.picture(bag=True)[y : y + h, x : x + w].copy()
    for number in range(40 * FPS):
        at_s = number / FPS
        going = int(55 * (at_s - 8)) - 30
        picture = street.picture(person_x=going if at_s > 8 else None, bag=at_s > 12)
        if 11.4 <= at_s <= 12:
            fly = int(20 * (12 - at_s))
            picture[y - fly : y - fly + h, x - fly : x - fly + w] = bag
        yield picture


def test_what_is_thrown_in_passing_is_found() -> None:
    detector = AbandonedObjectDetector()
    alarms = [alarm for number, picture in enumerate(thrown()) for alarm in detector.step(picture, number / FPS).alarms]
    (deposit,) = alarms
    assert 11 < deposit.since_s < 13.5
    assert deposit.at_s - deposit.since_s < 10


def from_a_cart() -> Iterator[Image]:
    """A cart comes in, stands, and drives on; where it stood lies a bag."""
    street = Street()
    dice = np.random.default_rng(3)
    cart = np.clip(dice.normal(60, 25, (90, 150, 3)), 0, 255).astype(np.uint8)
    cart = np.asarray(cv2.GaussianBlur(cart, (0, 0), 2), np.uint8)
    for number in range(45 * FPS):
        at_s = number / FPS
        left = int(60 * (at_s - 8)) - 150 if at_s < 11 else 30 if at_s < 16 else 30 + int(70 * (at_s - 16))
        picture = street.picture(bag=at_s > 13)
        if at_s > 8 and left < WIDTH:
            begin, end = max(0, left), min(WIDTH, left + 150)
            picture[95:185, begin:end] = cart[:, begin - left : end - left]
        yield picture


def test_waste_from_a_vehicle_is_one_case_that_no_walker_is_said_to_have_brought() -> None:
    """Without a learned detector the vehicle itself is not always told: its parts become tracks of their own."""
    detector = AbandonedObjectDetector()
    alarms = [
        alarm for number, picture in enumerate(from_a_cart()) for alarm in detector.step(picture, number / FPS).alarms
    ]
    (case,) = alarms
    assert case.arrival.by in ("vehicle", "unknown")


def test_pictures_of_an_empty_place_are_skipped_and_whoever_comes_is_seen_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = []
    process = AbandonedObjectDetector._detect

    def count(self: AbandonedObjectDetector, picture: Image, image: Image, at_s: float, elapsed_s: float) -> StepResult:
        steps.append(at_s)
        return process(self, picture, image, at_s, elapsed_s)

    monkeypatch.setattr(AbandonedObjectDetector, "_detect", count)
    street, detector = Street(), AbandonedObjectDetector()
    for number in range(20 * FPS):
        at_s = number / FPS
        detector.step(street.picture(person_x=int(50 * (at_s - 14)) if at_s >= 14 else None), at_s)
    empty, busy = [at_s for at_s in steps if 4 < at_s < 14], [at_s for at_s in steps if 14.5 < at_s < 18]
    assert len(empty) <= 10 * FPS / 2
    assert len(empty) >= 10 / 0.7, "times are kept while nobody comes"
    assert len(busy) >= 3.5 * FPS - 2
    assert min(at_s for at_s in steps if at_s >= 14) <= 14.5
