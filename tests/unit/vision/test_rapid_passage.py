"""Who passes too fast to be tracked: found in the pictures of the last seconds, with those that are not processed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from tests.unit.vision.test_recognition import SeesColours, Stage, walk
from vision.detect.detector import AbandonedObjectDetector
from vision.detect.picture import Image
from vision.detect.port import AbandonedObject
from vision.detect.rapid_passage import RecentPictures, is_fast

RIDER = (46, 60)
BAG = (150, 158, 22, 18)
WIDTH_PX = 320
FROM_S = 8.03


def passing_s(speed_px_s: float) -> float:
    """When a rider passes by the bag's place."""
    return FROM_S + (BAG[0] - 20 + RIDER[0]) / speed_px_s


def rides(speed_px_s: float, bag_s: float) -> Callable[[float], Image]:
    """A rider crosses the picture to the right; a bag lies there from second `bag_s` on."""
    stage = Stage(13)

    def draw(at_s: float) -> Image:
        x = round(walk(at_s, FROM_S, -RIDER[0], speed_px_s))
        is_there = at_s >= FROM_S and x < WIDTH_PX
        riders = [("vehicle", (x, 100, *RIDER))] if is_there else []
        return stage.picture(*riders, bags=[BAG] if at_s > bag_s else [])  # type: ignore[arg-type]

    return draw


def alarms_at(draw: Callable[[float], Image], fps: int, seconds: int, *, sees: bool) -> list[AbandonedObject]:
    """Alarms of a detector that is given `fps` pictures a second, of which it processes five."""
    detector = AbandonedObjectDetector(object_detector=SeesColours(is_ready=sees))
    return [a for number in range(seconds * fps) for a in detector.step(draw(number / fps), number / fps).alarms]


@pytest.mark.parametrize("sees", [True, False])
@pytest.mark.parametrize(("speed_px_s", "fps"), [(260, 5), (400, 5), (520, 5), (400, 10), (800, 10)])
def test_who_throws_in_passing_is_a_vehicle_with_a_direction_however_fast(
    speed_px_s: int, fps: int, *, sees: bool
) -> None:
    thrown_s = passing_s(speed_px_s)
    (waste,) = alarms_at(rides(speed_px_s, thrown_s), fps, 30, sees=sees)
    assert (waste.arrival.by, waste.arrival.heading, waste.arrival.in_passing) == ("vehicle", "right", True)
    assert abs(waste.since_s - thrown_s) < 0.6
    assert waste.at_s - thrown_s < 14


@pytest.mark.parametrize("bag_s", [FROM_S - 2, FROM_S + 3, 1e9], ids=["before", "afterwards", "never"])
def test_what_comes_at_another_time_than_who_passes_is_no_case(bag_s: float) -> None:
    assert not alarms_at(rides(520, bag_s), 10, 30, sees=False)


def recent(places: Callable[[float], tuple[int, int]], fps: int = 10) -> RecentPictures:
    """Pictures of 4 s in which a rider is at a place (left, top); the bag lies there from second 2 on."""
    stage, pictures = Stage(4), RecentPictures()
    for number in range(4 * fps):
        at_s = number / fps
        box = (*places(at_s), *RIDER)
        pictures.add(at_s, stage.picture(("vehicle", box), bags=[BAG] if at_s >= 2 else []), 1.0)
    return pictures


@pytest.mark.parametrize(
    ("places", "passes"),
    [
        (lambda at_s: (round(400 * (at_s - 1.6)), 100), True),
        (lambda at_s: (round(320 - 400 * (at_s - 1.6)), 100), True),
        (lambda at_s: (round(80 * (at_s - 0.2)), 100), False),
        (lambda at_s: (round(400 * (at_s - 1.6)), 5), False),
        (lambda at_s: (round(400 * (at_s - 3.0)), 100), False),
        (lambda at_s: (120 + 60 * (round(at_s * 10) % 2), 100), False),
    ],
    ids=["to the right", "to the left", "at a walk", "far above", "a second later", "to and fro"],
)
def test_a_passer_is_fast_goes_straight_on_and_is_there_when_the_thing_comes(
    places: Callable[[float], tuple[int, int]], *, passes: bool
) -> None:
    passer = recent(places).passer(BAG, 2.0, 80)
    assert (passer is not None) == passes
    if passer is not None:
        assert passer.kind == "vehicle"
        heights = [box[3] for _, box in passer.path]
        assert abs(float(np.median(heights)) - RIDER[1]) <= 8, "the boxes are in pixels of the small picture"
        assert all(later > earlier for (earlier, _), (later, _) in pairwise(passer.path))


def test_too_few_pictures_or_none_show_nobody() -> None:
    assert RecentPictures().passer(BAG, 2.0, 80) is None
    assert not is_fast([(0.0, (0, 0, *RIDER)), (0.2, (200, 0, *RIDER))])
    assert not is_fast([(t / 5, (10, 0, *RIDER)) for t in range(5)])
    assert is_fast([(t // 2 / 5, (60 * t, 0, *RIDER)) for t in range(5)]), "two pictures of one time"


def test_pictures_are_kept_for_seconds_and_their_number_is_bounded() -> None:
    stage, pictures = Stage(5), RecentPictures()
    for number in range(400):
        pictures.add(number / 50, stage.picture(), 1.0)
    kept = pictures._entries
    assert len(kept) <= 72
    assert kept[-1][0] - kept[0][0] <= 6.0
