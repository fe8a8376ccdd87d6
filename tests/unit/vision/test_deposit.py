"""The detector reports what was left once its owner has gone, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tests.unit.vision.scenes import BAG, Image, Scene
from vision.detect.detector import AbandonedObjectDetector
from vision.detect.picture import Point, Polygons
from vision.detect.port import AbandonedObject, StepResult
from vision.detect.regions import iou

FPS = 5


def play(
    pictures: Iterator[Image], zone: tuple[Point, ...] = (), ignored: Callable[[], Polygons] = tuple
) -> list[tuple[float, StepResult]]:
    """Every result with its second."""
    detector = AbandonedObjectDetector(zone, ignored=ignored)
    return [(index / FPS, detector.step(picture, index / FPS)) for index, picture in enumerate(pictures)]


def alarms(results: list[tuple[float, StepResult]]) -> list[AbandonedObject]:
    return [deposit for _, result in results for deposit in result.alarms]


def story(
    scene: Scene, *, removed_s: float | None = None, ends_s: float = 30, leaves_s: float = 8.0
) -> Iterator[Image]:
    """Somebody comes in from the left, puts a bag down at 6 s, goes on to the right from `leaves_s`."""
    for index in range(int(ends_s * FPS)):
        at_s = index / FPS
        bag = at_s >= 6 and (removed_s is None or at_s < removed_s)
        if at_s < 3:
            x = None
        elif at_s < 6:
            x = int(-40 + (at_s - 3) / 3 * 145)
        elif at_s < leaves_s:
            x = 105
        else:
            x = int(105 + (at_s - leaves_s) * 70)
        if removed_s is not None and removed_s - 2 <= at_s < removed_s + 2:
            x = int(105 + (at_s - removed_s) * 90) if at_s >= removed_s else 105
        yield scene.picture(person_x=x, bag=bag)


def test_a_bag_left_is_reported_once_where_it_lies_after_its_owner_has_gone() -> None:
    (deposit,) = alarms(play(story(Scene())))
    assert deposit.at_s > 8.0
    assert deposit.at_s < 20.0
    assert abs(deposit.since_s - 6.0) < 2.0
    assert iou(deposit.box, BAG) > 0.5


def test_nobody_goes_nothing_is_reported() -> None:
    assert alarms(play(story(Scene(), leaves_s=1e9))) == []


def coming_and_going(scene: Scene) -> Iterator[Image]:
    """Who brought the bag runs back to the left; from then on others walk to and fro 14 pixels to its right."""
    yield from story(scene, ends_s=7)
    for index in range(FPS):
        yield scene.picture(person_x=105 - 40 * index, bag=True)
    for index in range(30 * FPS):
        yield scene.picture(person_x=190 + 10 * (index % 4), bag=True)


def test_people_in_an_ignored_zone_hold_up_no_report() -> None:
    beside = ((0.58, 0.0), (1.0, 0.0), (1.0, 1.0), (0.58, 1.0))
    assert alarms(play(coming_and_going(Scene()))) == [], "people stand there"
    (deposit,) = alarms(play(coming_and_going(Scene()), ignored=lambda: (beside,)))
    assert iou(deposit.box, BAG) > 0.5


def test_a_zone_that_is_drawn_while_the_camera_runs_is_ignored_from_then_on() -> None:
    beside = ((0.58, 0.0), (1.0, 0.0), (1.0, 1.0), (0.58, 1.0))
    asked: list[int] = []

    def drawn() -> Polygons:
        asked.append(1)
        return (beside,) if len(asked) > 60 else ()

    assert len(alarms(play(coming_and_going(Scene()), ignored=drawn))) == 1


def test_a_bag_outside_the_watch_zone_is_none_of_ours() -> None:
    left_third = ((0.0, 0.0), (0.3, 0.0), (0.3, 1.0), (0.0, 1.0))
    assert alarms(play(story(Scene()), zone=left_third)) == []


def test_removing_the_bag_is_noticed_and_a_second_bag_is_a_second_case() -> None:
    results = play(story(Scene(), removed_s=24, ends_s=40))
    (deposit,) = alarms(results)
    removed = [(at_s, gone.id) for at_s, result in results for gone in result.removed]
    assert [id_ for _, id_ in removed] == [deposit.id]
    assert removed[0][0] >= 24


def test_people_walking_past_are_nothing() -> None:
    scene = Scene(2)
    pictures = (scene.picture(person_x=int((index * 9) % 420) - 40) for index in range(40 * FPS))
    assert alarms(play(pictures)) == []


def test_somebody_who_stands_and_sways_is_nothing() -> None:
    scene, dice = Scene(3), np.random.default_rng(3)

    def pictures() -> Iterator[Image]:
        for index in range(45 * FPS):
            at_s = index / FPS
            x = None if at_s < 3 or at_s > 36 else min(140, int(-40 + (at_s - 3) * 60)) + int(dice.integers(-2, 3))
            if at_s > 33:
                x = int(140 + (at_s - 33) * 70)
            yield scene.picture(person_x=x)

    assert alarms(play(pictures())) == []


def test_a_lamp_is_no_alarm_but_a_reason_not_to_be_armed() -> None:
    scene = Scene(4)
    pictures = (scene.picture(light=1.0 if index < 10 * FPS else 0.55) for index in range(30 * FPS))
    results = play(pictures)
    assert alarms(results) == []
    assert {result.reason for _, result in results if not result.armed} == {"warming_up", "light"}
    assert results[-1][1].armed


def test_a_covered_camera_is_blind_and_says_so() -> None:
    scene = Scene(5)
    black = np.zeros((240, 320, 3), np.uint8)
    results = play(scene.picture() if index < 10 * FPS else black for index in range(20 * FPS))
    assert alarms(results) == []
    assert (results[-1][1].armed, results[-1][1].reason) == (False, "covered")


def test_pictures_faster_than_needed_are_passed_over() -> None:
    detector = AbandonedObjectDetector()
    picture = Scene().picture()
    detector.step(picture, 0.0)
    assert detector.step(picture, 0.01) == StepResult(armed=False, reason="warming_up")
