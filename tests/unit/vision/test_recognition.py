"""What changes when people, vehicles and animals are recognised: each cause of a miss or a false alarm by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

from tests.unit.vision.scenes import HEIGHT, WIDTH, Image, Street
from vision.detect.detector import AbandonedObjectDetector
from vision.detect.picture import Mask
from vision.detect.port import AbandonedObject, BodyKind, Detection
from vision.detect.recognition import LOOK_EVERY_S, Geometry, Recogniser, part_around
from vision.detect.regions import Box, iou

FPS = 5
CHANNELS: dict[BodyKind, int] = {"vehicle": 0, "animal": 1, "person": 2}
PERSON, CART = (36, 100), (150, 90)
BAG = (150, 150, 26, 24)


@dataclass
class SeesColours:
    """A learned detector for drawn scenes: red is a person, blue a vehicle, green an animal.

    Attributes:
        is_ready: Whether it is there.
        blind_to: Kinds that it never recognises.
        mistakes: What it takes a bag for, and a part of the street.
        sizes: Height and width of each picture that it was shown.
    """

    is_ready: bool = True
    blind_to: frozenset[str] = frozenset()
    mistakes: tuple[BodyKind, ...] = ()
    sizes: list[tuple[int, ...]] = field(default_factory=list)

    def detect(self, image: Image, least_score: float | None = None) -> list[Detection]:
        del least_score
        self.sizes.append(image.shape[:2])
        detections = []
        for kind, channel in CHANNELS.items():
            others = np.max(np.delete(image, channel, axis=2), axis=2).astype(int)
            mask = (image[:, :, channel] > others + 60).astype(np.uint8)
            mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)).astype(np.uint8)
            detections += [Detection(kind, box, 0.8) for box in boxes_in(mask) if kind not in self.blind_to]
        dark = (image.max(axis=2) < 60).astype(np.uint8)
        detections += [Detection(kind, box, 0.8) for kind in self.mistakes for box in boxes_in(dark)]
        return detections


def boxes_in(mask: Mask) -> Iterable[Box]:
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    for left, top, width, height, area in stats[1:].tolist():
        if area > 120:
            yield left, top, width, height


class Stage:
    """A street on which bodies and bags are drawn."""

    def __init__(self, seed: int = 1) -> None:
        self._street = Street(seed)
        self._dice = np.random.default_rng(seed)

    def picture(self, *bodies: tuple[BodyKind, Box], bags: Iterable[Box] = ()) -> Image:
        street = self._street.picture()
        grey = street.mean(axis=2, keepdims=True)
        image = np.clip(grey + 0.3 * (street - grey), 0, 255).astype(np.uint8)
        for box in bags:
            fill(image, box, (40, 30, 35))
            left, top, width, _ = box
            fill(image, (left + 4, top + 4, width - 8, 4), (100, 90, 95))
        for kind, box in bodies:
            colour = [50, 50, 50]
            colour[CHANNELS[kind]] = 190
            fill(image, box, colour, self._dice)
        return image


def fill(image: Image, box: Box, colour: Iterable[int], dice: np.random.Generator | None = None) -> None:
    left, top, width, height = box
    part = image[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
    noise = dice.normal(0, 6, part.shape) if dice else 0
    part[:] = np.clip(np.array(list(colour)) + noise, 0, 255)


def person(x: float, feet: int = 172) -> tuple[BodyKind, Box]:
    return "person", (round(x), feet - PERSON[1], *PERSON)


def alarms_of(draw: Callable[[float], Image], ends_s: float, detector: SeesColours | None) -> list[AbandonedObject]:
    watcher = AbandonedObjectDetector(object_detector=detector)
    return [
        waste
        for number in range(round(ends_s * FPS))
        for waste in watcher.step(draw(number / FPS), number / FPS).alarms
    ]


def walk(at_s: float, from_s: float, from_x: float, px_s: float) -> float:
    return from_x + max(0.0, at_s - from_s) * px_s


def test_an_owner_who_stands_beside_the_bag_for_long_is_waited_for() -> None:
    """The owner becomes part of the static region, which is neither reported nor absorbed with the bag."""
    stage = Stage()

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 4, -40, 30), 120) if at_s < 50 else walk(at_s, 50, 120, 60)
        return stage.picture(person(x), bags=[BAG] if at_s > 10 else [])

    (waste,) = alarms_of(draw, 75, SeesColours())
    assert waste.at_s > 51
    assert iou(waste.box, BAG) > 0.3
    assert waste.arrival.by == "foot"


def test_a_place_where_somebody_stood_while_it_was_learnt_is_learnt_when_it_is_empty() -> None:
    stage = Stage(2)

    def draw(at_s: float) -> Image:
        bodies = [person(140 if at_s < 12 else walk(at_s, 12, 140, 60))]
        bodies += [person(walk(at_s, 40, -40, 40))] if at_s < 45 else [person(walk(at_s, 45, 160, 60))]
        return stage.picture(*bodies, bags=[BAG] if at_s > 44 else [])

    (waste,) = alarms_of(draw, 65, SeesColours())
    assert waste.since_s > 43, "where the person stood there was nothing"
    assert iou(waste.box, BAG) > 0.3


@pytest.mark.parametrize("kind", ["vehicle", "animal"])
def test_what_comes_and_stays_is_no_waste_if_it_is_recognised(kind: BodyKind) -> None:
    """A scooter that is parked, a dog that lies down."""
    stage = Stage(3)
    size = (40, 34)

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 5, -40, 40), 150)
        rider = [person(walk(at_s, 12, 170, 60))] if kind == "vehicle" and at_s > 11 else []
        return stage.picture((kind, (round(x), 140, *size)), *rider)

    assert alarms_of(draw, 60, SeesColours()) == []


def test_a_bag_that_is_taken_for_an_animal_where_it_lies_is_reported() -> None:
    stage = Stage(4)

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 4, -40, 40), 120) if at_s < 12 else walk(at_s, 12, 120, 60)
        return stage.picture(person(x), bags=[BAG] if at_s > 9 else [])

    detector = SeesColours(mistakes=("animal",))
    (waste,) = alarms_of(draw, 45, detector)
    assert iou(waste.box, BAG) > 0.3


def test_a_part_of_the_street_that_is_taken_for_a_person_hides_nothing() -> None:
    stage = Stage(5)
    stairs = (100, 40, 70, 140)

    class SeesStairs(SeesColours):
        def detect(self, image: Image, least_score: float | None = None) -> list[Detection]:
            detections = super().detect(image, least_score)
            return [*detections, Detection("person", stairs, 0.4)] if image.shape[:2] == (HEIGHT, WIDTH) else detections

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 4, -40, 40), 120) if at_s < 12 else walk(at_s, 12, 120, 60)
        return stage.picture(person(x), bags=[BAG] if at_s > 9 else [])

    assert len(alarms_of(draw, 40, SeesStairs())) == 1


def test_who_passes_on_does_not_hold_up_the_case_once_the_owner_has_gone() -> None:
    stage = Stage(6)

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 4, -40, 40), 120) if at_s < 10 else walk(at_s, 10, 120, 60)
        # Behind the bag, two people at any time, one after the other.
        passers = [person((at_s * 60 + offset) % 400 - 40, feet=118) for offset in (0, 200)] if at_s > 14 else []
        return stage.picture(person(x), *passers, bags=[BAG] if at_s > 8 else [])

    (waste,) = alarms_of(draw, 40, SeesColours())
    assert waste.at_s < 30
    assert iou(waste.box, BAG) > 0.3


def test_two_bags_of_an_owner_side_by_side_are_one_case() -> None:
    stage = Stage(7)
    bags = [BAG, (182, 150, 24, 22)]

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 4, -40, 40), 130) if at_s < 14 else walk(at_s, 14, 130, 60)
        return stage.picture(person(x), bags=bags[: (at_s > 8) + (at_s > 11)])

    (waste,) = alarms_of(draw, 60, SeesColours())
    assert waste.box[2] > 48, "both are in the box"
    assert waste.arrival.size_heights is not None
    assert 0.3 < waste.arrival.size_heights < 1.0


@pytest.mark.parametrize("by_vehicle", [True, False])
def test_a_load_that_is_tipped_is_a_case_and_something_as_large_without_a_vehicle_none(*, by_vehicle: bool) -> None:
    stage = Stage(8)
    pile = (150, 120, 120, 80)

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 5, -150, 60), 10) if at_s < 20 else walk(at_s, 20, 10, -60)
        bodies: list[tuple[BodyKind, Box]] = [("vehicle", (round(x), 90, *CART))] if by_vehicle else []
        image = stage.picture(*bodies)
        if at_s > 14:
            layer = np.random.default_rng(1).integers(20, 90, (pile[3] // 8, pile[2] // 8, 3)).astype(np.uint8)
            left, top, width, height = pile
            image[top : top + height, left : left + width] = cv2.resize(layer, (width, height), interpolation=0)
        return image

    alarms = alarms_of(draw, 60, SeesColours())
    assert len(alarms) == by_vehicle
    if alarms:
        assert iou(alarms[0].box, pile) > 0.5
        assert alarms[0].arrival.by == "vehicle"


def test_what_is_thrown_from_a_vehicle_says_how_it_passed() -> None:
    stage = Stage(9)
    cart = (70, 46)

    def draw(at_s: float) -> Image:
        x = walk(at_s, 8, -70, 70)
        return stage.picture(("vehicle", (round(x), 110, *cart)), bags=[(150, 150, 26, 24)] if at_s > 11.6 else [])

    (waste,) = alarms_of(draw, 40, SeesColours())
    assert (waste.arrival.by, waste.arrival.heading, waste.arrival.in_passing) == ("vehicle", "right", True)
    assert abs(waste.since_s - 11.6) < 1.5


@pytest.mark.parametrize("blind", [False, True])
def test_a_motorbike_that_passes_within_a_second_is_the_carrier(*, blind: bool) -> None:
    """It moves by more than its length from picture to picture."""
    stage, rider = Stage(13), (46, 60)

    def draw(at_s: float) -> Image:
        x = walk(at_s, 8, -46, 260)
        bodies: list[tuple[BodyKind, Box]] = [("vehicle", (round(x), 100, *rider))] if 8 <= at_s < 9.6 else []
        return stage.picture(*bodies, bags=[(150, 158, 22, 18)] if at_s > 8.9 else [])

    (waste,) = alarms_of(draw, 30, SeesColours(is_ready=not blind))
    assert waste.arrival.by != "unknown"
    assert (waste.arrival.heading, waste.arrival.in_passing) == ("right", True)
    assert waste.at_s < 15


def test_without_a_model_the_classical_way_goes_on_and_a_model_may_come_and_go() -> None:
    stage = Stage(10)

    def draw(at_s: float) -> Image:
        x = min(walk(at_s, 4, -40, 40), 120) if at_s < 10 else walk(at_s, 10, 120, 60)
        return stage.picture(person(x), bags=[BAG] if at_s > 8 else [])

    assert len(alarms_of(draw, 45, SeesColours(is_ready=False))) == 1
    assert len(alarms_of(draw, 45, None)) == 1
    comes_and_goes = SeesColours()
    watcher = AbandonedObjectDetector(object_detector=comes_and_goes)
    alarms = []
    for number in range(45 * FPS):
        comes_and_goes.is_ready = number % 50 < 25
        alarms += watcher.step(draw(number / FPS), number / FPS).alarms
    assert len(alarms) == 1


def test_the_model_is_asked_only_while_something_moves_and_twice_a_second_at_most() -> None:
    stage, detector = Stage(11), SeesColours()
    watcher = AbandonedObjectDetector(object_detector=detector)
    moving_s = (10.0, 20.0)
    counts = {"before": 0, "moving": 0, "after": 0}
    for number in range(40 * FPS):
        at_s = number / FPS
        moves = moving_s[0] <= at_s < moving_s[1]
        before = len(detector.sizes)
        watcher.step(stage.picture(*([person((at_s - 10) * 40 - 40)] if moves else [])), at_s)
        part = "moving" if moves else "before" if at_s < moving_s[0] else "after"
        counts[part] += (len(detector.sizes) - before) if at_s > 2 else 0
    assert counts["before"] == 0
    assert 8 <= counts["moving"] <= (moving_s[1] - moving_s[0]) / LOOK_EVERY_S + 1
    assert counts["after"] <= 6, "the last places are looked at for two seconds"
    assert min(height * width for height, width in detector.sizes) < HEIGHT * WIDTH * 0.7, "parts, not always the whole"


def test_a_part_shows_all_boxes_inside_the_picture() -> None:
    shape = (300, 400)
    for boxes in ([(0, 0, 10, 10)], [(390, 290, 10, 10)], [(20, 30, 60, 120), (100, 90, 40, 80)]):
        left, top, width, height = part_around(boxes, shape)
        assert left >= 0
        assert top >= 0
        assert left + width <= shape[1]
        assert top + height <= shape[0]
        assert min(width, height) >= 0.4 * shape[0] - 1
        assert all(x >= left and y >= top and x + w <= left + width and y + h <= top + height for x, y, w, h in boxes)
    assert part_around([(0, 0, 10, 10), (380, 280, 10, 10)], shape) == (0, 0, 400, 300)


def test_boxes_go_to_the_source_and_back() -> None:
    geometry = Geometry(2.5, (3.0, -2.0))
    assert geometry.to_source((10, 20, 30, 40)) == (32, 45, 75, 100)
    assert geometry.to_small(geometry.to_source((10, 20, 30, 40))) == (10, 20, 30, 40)


def test_tracks_hold_the_kind_and_a_vehicle_that_never_moved_is_not_there() -> None:
    recogniser, foreground = Recogniser(SeesColours()), np.full((HEIGHT, WIDTH), 255, np.uint8)
    stage, picture_box = Stage(1), (0, 0, WIDTH, HEIGHT)
    for number in range(8):
        image = stage.picture(person(20 + 12 * number), ("vehicle", (200, 100, 60, 40)))
        assert recogniser.look(image, number * LOOK_EVERY_S, [picture_box], [], foreground, Geometry(1.0))
    assert sorted(track.kind for track in recogniser.tracks) == ["person", "vehicle"]
    share, looks = recogniser.body_share((205, 105, 50, 30), 0.0)
    assert (share, looks) == (0.0, 8), "it stood there all the time"
    assert recogniser.is_near((100, 150, 10, 10), 20, 3.0, None)
    assert not recogniser.is_near((205, 105, 50, 30), 0, 0.0, None)
    recogniser.clear()
    assert recogniser.tracks == []


class SeesOnlyClose(SeesColours):
    """A small model: people are too small for it in pictures of the whole street."""

    def detect(self, image: Image, least_score: float | None = None) -> list[Detection]:
        return super().detect(image, least_score) if max(image.shape[:2]) < WIDTH // 2 else []


def test_who_stands_still_far_from_all_that_moves_is_seen_in_a_close_look() -> None:
    stage = Stage(11)

    def draw(at_s: float) -> Image:
        waiting = person(min(walk(at_s, 4, -40, 40), 60))
        passing = person(330 + 40 * np.sin(at_s), feet=280)
        return stage.picture(waiting, passing)

    assert alarms_of(draw, 60, SeesColours(blind_to=frozenset({"person"}))), "nothing else holds it up"
    assert alarms_of(draw, 60, SeesOnlyClose()) == []


def test_a_bag_as_tall_as_half_a_person_is_reported_after_a_close_look() -> None:
    stage, trunk = Stage(12), (150, 112, 40, 60)

    def draw(at_s: float) -> Image:
        return stage.picture(person(walk(at_s, 4, -40, 40)), bags=[trunk] if at_s > 9 else [])

    (waste,) = alarms_of(draw, 60, SeesOnlyClose())
    assert iou(waste.box, trunk) > 0.5


@pytest.mark.parametrize("size", [(150, 90), (110, 70)])
def test_a_vehicle_that_parks_and_that_the_model_does_not_see_is_no_case(size: tuple[int, int]) -> None:
    stage, (width, height) = Stage(15), size
    paint = np.clip(np.random.default_rng(3).normal(60, 25, (height, width, 3)), 0, 255).astype(np.uint8)

    def draw(at_s: float) -> Image:
        image = stage.picture()
        left = min(round(walk(at_s, 5, -width, 60)), 90)
        shown = image[100 : 100 + height, max(0, left) : max(0, left + width)]
        shown[:] = paint[:, width - shown.shape[1] :]
        return image

    assert not alarms_of(draw, 60, SeesColours())
