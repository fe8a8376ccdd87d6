"""Stages of the detector that remember: absorption, departure, arrival, and what belongs to one case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vision.detect.absorption import RESTORES_MAX, AbsorbedRegions
from vision.detect.candidates import group_of
from vision.detect.carrier_path import direction_after
from vision.detect.config import DetectorConfig
from vision.detect.dual_background import DualBackground
from vision.detect.frame_context import Candidate, FrameContext
from vision.detect.frame_history import FrameHistory
from vision.detect.ownership import note_carrier, owner_has_left
from vision.detect.passage import size_heights
from vision.detect.picture import Picture
from vision.detect.rapid_passage import RecentPictures
from vision.detect.recognition import Recogniser
from vision.detect.regions import Box, Region, union_of
from vision.detect.tracks import Perspective, Track, Tracker

GROUND, DARK = 120, 20
SHAPE = (60, 80, 3)
PLACE: Box = (20, 20, 30, 20)
BAG: Box = (20, 20, 10, 20)


def region_of(box: Box) -> Region:
    return Region(box, box[2] * box[3], np.full((box[3], box[2]), 255, np.uint8))


def candidate_at(box: Box, since_s: float = 10.0, carrier: Track | None = None, seen_s: float = 20.0) -> Candidate:
    return Candidate(region_of(box), since_s, since_s, seen_s, brought=True, carrier=carrier, object_s=since_s)


def picture_with(*boxes: Box) -> Picture:
    picture = np.full(SHAPE, GROUND, np.uint8)
    for left, top, width, height in boxes:
        picture[top : top + height, left : left + width] = DARK
    return picture


def watch(backgrounds: DualBackground, picture: Picture, seconds: float) -> None:
    for _ in range(round(seconds * 5)):
        backgrounds.step(picture, 0.2, np.zeros(SHAPE[:2], np.uint8))


def context_of(at_s: float, **fields: object) -> FrameContext:
    backgrounds = DualBackground(picture_with())
    perspective = Perspective([(30.0, 50.0), (59.0, 50.0)])
    parts = (backgrounds, FrameHistory(), Tracker(), Recogniser(None), perspective, DetectorConfig(), RecentPictures())
    return FrameContext(at_s, *parts, **fields)  # type: ignore[arg-type]


def test_waste_that_was_absorbed_with_its_owner_is_judged_again_when_the_owner_goes() -> None:
    backgrounds, absorbed = DualBackground(picture_with()), AbsorbedRegions()
    watch(backgrounds, picture_with(), 2)
    watch(backgrounds, picture_with(PLACE), 6)
    absorbed.absorb(candidate_at(PLACE), backgrounds, 8.0)
    watch(backgrounds, picture_with(PLACE), 2)
    assert not backgrounds.static(1.0).any(), "it is background now"
    assert list(absorbed.restore(backgrounds, 10.0)) == []
    watch(backgrounds, picture_with(BAG), 3)
    (candidate,) = absorbed.restore(backgrounds, 13.0)
    assert candidate.brought
    watch(backgrounds, picture_with(BAG), 1)
    still = backgrounds.static(1.0) > 0
    assert still[20:40, 20:30].all(), "the bag stands out again"
    assert not still[20:40, 32:50].any(), "the place of the owner is ground"


def test_a_place_that_was_absorbed_twice_goes_back_one_step() -> None:
    backgrounds, absorbed = DualBackground(picture_with()), AbsorbedRegions()
    bright = picture_with()
    bright[PLACE[1] : PLACE[1] + PLACE[3], PLACE[0] : PLACE[0] + PLACE[2]] = 220
    for at_s, picture in ((8.0, picture_with(PLACE)), (16.0, bright)):
        watch(backgrounds, picture, 6)
        absorbed.absorb(candidate_at(PLACE), backgrounds, at_s)
    watch(backgrounds, picture_with(PLACE), 3)
    (candidate,) = absorbed.restore(backgrounds, 20.0)
    assert candidate.region.box == PLACE
    assert list(absorbed.restore(backgrounds, 20.4)) == []


def test_a_place_that_changes_to_and_fro_stays_absorbed_after_some_times() -> None:
    backgrounds, absorbed, candidate = DualBackground(picture_with()), AbsorbedRegions(), candidate_at(PLACE)
    restores = 0
    for _ in range(RESTORES_MAX + 2):
        watch(backgrounds, picture_with(PLACE), 6)
        absorbed.absorb(candidate, backgrounds, 0.0)
        watch(backgrounds, picture_with(), 4)
        restores += len(list(absorbed.restore(backgrounds, 1.0)))
    assert restores == RESTORES_MAX


def test_what_was_absorbed_long_ago_is_background() -> None:
    backgrounds, absorbed = DualBackground(picture_with()), AbsorbedRegions()
    watch(backgrounds, picture_with(PLACE), 6)
    absorbed.absorb(candidate_at(PLACE), backgrounds, 0.0)
    watch(backgrounds, picture_with(), 4)
    assert list(absorbed.restore(backgrounds, 3600.0)) == []


@pytest.mark.parametrize(("height_px", "has_left"), [(50, False), (20, True)])
def test_who_walks_away_from_the_camera_has_left_by_the_height_of_now(height_px: int, *, has_left: bool) -> None:
    owner = Track(1, "person")
    owner.path.extend((8.0 + number / 5, (22, 0, 20, 50)) for number in range(40))
    owner.path.extend((16.0 + number / 5, (52, 40 - height_px, 8, height_px)) for number in range(3))
    candidate = candidate_at(BAG, carrier=owner)
    assert owner_has_left(candidate, context_of(16.6)) is has_left


@pytest.mark.parametrize(
    ("step", "heading"),
    [((8, 0), "right"), ((-8, 1), "left"), ((1, 8), "towards"), ((0, -8), "away"), ((1, 0), "")],
)
def test_the_direction_is_that_of_the_carrier_about_the_moment(step: tuple[int, int], heading: str) -> None:
    track = Track(1)
    track.path.extend((number / 5, (100 + step[0] * number, 100 + step[1] * number, 20, 50)) for number in range(30))
    assert direction_after(list(track.path), 3.0, (400, 600)) == heading
    assert direction_after(list(track.path), 60.0, (400, 600)) == "", "it was not seen then"


def test_objects_side_by_side_are_one_case_and_one_far_away_is_not() -> None:
    near, far, earlier = (
        candidate_at((33, 22, 8, 16)),
        candidate_at((70, 22, 8, 16)),
        candidate_at((22, 45, 8, 8), -90.0),
    )
    bag = candidate_at(BAG)
    group = group_of(bag, [earlier, far, near, bag], context_of(20.0))
    assert [member.region.box for member in group] == [BAG, near.region.box]
    union = union_of([member.region for member in group])
    assert union.box == (20, 20, 21, 20)
    assert union.area_px == 10 * 20 + 8 * 16


def test_the_place_of_a_carrier_who_has_gone_is_no_object_beside() -> None:
    gone = candidate_at((31, 5, 12, 40), seen_s=18.0)
    bag = candidate_at(BAG)
    assert group_of(bag, [gone, bag], context_of(20.0)) == [bag]


def test_a_body_that_was_always_in_the_place_of_the_object_is_the_object() -> None:
    """A model that takes a bag for a person gives no carrier."""
    context = context_of(12.0)
    context.recogniser.tracks.append(Track(1, "person"))
    (thing,) = context.recogniser.tracks
    thing.path.extend((10.0 + number / 2, (19, 19, 12, 22)) for number in range(4))
    candidate = replace(candidate_at(BAG), brought=False)
    note_carrier(candidate, context)
    assert candidate.carrier is None
    thing.path.appendleft((9.0, (2, 5, 15, 40)))
    note_carrier(candidate, context)
    assert candidate.carrier is thing, "who has come from elsewhere is a carrier"


def test_a_chain_of_objects_through_the_picture_is_no_case() -> None:
    chain = [candidate_at((2 + 12 * number, 15, 10, 30)) for number in range(6)]
    group = group_of(chain[0], chain, context_of(20.0))
    box = union_of([member.region for member in group]).box
    assert 1 < len(group) < len(chain)
    assert box[2] * box[3] <= DetectorConfig().unloaded_area * SHAPE[0] * SHAPE[1]


def test_the_size_is_in_heights_of_a_person_on_that_ground() -> None:
    assert size_heights(region_of((10, 10, 25, 20)), context_of(1.0)) == 0.5
    context = context_of(1.0)
    unknown = FrameContext(
        1.0,
        context.backgrounds,
        context.history,
        context.tracker,
        context.recogniser,
        Perspective(),
        context.config,
        context.recent,
    )
    assert size_heights(region_of(BAG), unknown) is None
