"""The path of a carrier is put together of the tracks into which it was broken, and tells direction, stop and speed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vision.detect.carrier_path import (
    Place,
    crosses,
    direction_after,
    leads_past,
    slowest_heights_s,
    speed_heights_s,
    whole_path,
)
from vision.detect.regions import Box
from vision.detect.tracks import Track

SHAPE = (300, 400)
OBJECT: Box = (196, 182, 16, 18)
PERSON = (30, 80)
FPS = 5


def at(x: float, feet: float = 200, height: int = PERSON[1]) -> Box:
    """A body with the middle of its feet there."""
    width = round(PERSON[0] * height / PERSON[1])
    return round(x - width / 2), round(feet - height), width, height


def places(where: Callable[[float], Box | None], from_s: float, to_s: float) -> list[Place]:
    times = [from_s + number / FPS for number in range(round((to_s - from_s) * FPS))]
    return [(at_s, box) for at_s in times if (box := where(at_s)) is not None]


def track_of(path: list[Place], number: int = 1, kind: str = "") -> Track:
    track = Track(number, kind)
    track.path.extend(path)
    return track


def visit(at_s: float, stop_s: float, goes_s: float, px_s: float) -> Box:
    """Comes from the left at 40 px/s, stands at the object from `stop_s` on, goes on at `px_s` from `goes_s`."""
    x = 200 + 40 * min(0.0, at_s - stop_s) + px_s * max(0.0, at_s - goes_s)
    return at(x)


@pytest.mark.parametrize(("px_s", "heading"), [(40, "right"), (-40, "left")])
@pytest.mark.parametrize("since_s", [10.4, 11.0, 14.0, 14.6])
def test_the_direction_is_that_in_which_the_carrier_goes_off(px_s: int, heading: str, since_s: float) -> None:
    path = places(lambda at_s: visit(at_s, 10, 14, px_s), 6, 17)
    assert direction_after(path, since_s, SHAPE) == heading
    assert direction_after([place for place in path if place[0] < 14], since_s, SHAPE) == "", "it is not seen to go"


@pytest.mark.parametrize(("px_s", "heading"), [(14, "towards"), (-14, "away")])
def test_who_walks_away_or_towards_the_camera_is_told_by_the_feet_and_by_the_size_at_the_edge(
    px_s: int, heading: str
) -> None:
    def where(at_s: float) -> Box:
        feet = 230 + px_s * max(0.0, at_s - 14)
        left, top, width, height = at(200, feet, round(80 + (feet - 230) * 0.3))
        return left, top, width, min(height, SHAPE[0] - top)

    assert direction_after(places(where, 10, 19), 12.0, SHAPE) == heading


def test_who_leaves_at_the_near_edge_of_the_picture_has_a_direction() -> None:
    def where(at_s: float) -> Box | None:
        left, top, width, height = at(30 - 40 * max(0.0, at_s - 14))
        return None if left + width < 4 else (max(0, left), top, width + min(0, left), height)

    assert direction_after(places(where, 10, 19), 12.0, SHAPE) == "left"


def test_a_track_that_follows_the_object_is_continued_by_that_of_the_carrier() -> None:
    first = places(lambda at_s: visit(at_s, 10, 14, 40), 6, 14.4) + places(lambda _: OBJECT, 14.4, 20)
    later = places(lambda at_s: visit(at_s, 10, 14, 40), 14.6, 18)
    other = places(lambda _: at(60), 14.6, 18)
    thing = places(lambda _: OBJECT, 14.6, 18)
    tracks = [track_of(path, number) for number, path in enumerate((first, other, thing, later))]
    path = whole_path(tracks[0], OBJECT, tracks)
    assert direction_after(path, 11.0, SHAPE) == "right"
    assert [box for _, box in path if box == OBJECT] == []
    assert path == sorted(path)
    assert path[-1] == later[-1]


def test_who_stood_so_long_that_the_track_ended_goes_on_in_the_track_that_begins_there() -> None:
    first = places(lambda at_s: visit(at_s, 10, 40, 40), 6, 13)
    later = places(lambda at_s: visit(at_s, 10, 40, 40), 40.2, 44)
    elsewhere = places(lambda at_s: at(320 + 30 * (at_s - 40)), 40.2, 44)
    tracks = [track_of(path, number) for number, path in enumerate((first, elsewhere, later))]
    assert direction_after(whole_path(tracks[0], OBJECT, tracks), 11.0, SHAPE) == "right"
    assert direction_after(whole_path(tracks[0], OBJECT, tracks[:2]), 11.0, SHAPE) == ""


def test_the_tracks_before_belong_to_the_path_as_well() -> None:
    path = places(lambda at_s: visit(at_s, 10, 10, 40), 6, 14)
    early, late = path[:15], path[16:]
    tracks = [track_of(early, 1), track_of(late, 2)]
    assert whole_path(tracks[1], OBJECT, tracks) == [*early, *late]


@pytest.mark.parametrize(("goes_s", "stops"), [(10, False), (10.8, True), (14, True)])
def test_who_stops_beside_the_object_is_slow_there_also_if_the_object_was_seen_later(
    goes_s: float, *, stops: bool
) -> None:
    path = places(lambda at_s: visit(at_s, 10, goes_s, 40), 6, goes_s + 4)
    assert (slowest_heights_s(path, goes_s + 0.4, OBJECT) < 0.3) == stops
    assert leads_past(path, OBJECT)
    assert not leads_past([place for place in path if place[0] < goes_s], OBJECT)


def test_who_was_not_beside_the_object_has_no_speed_there() -> None:
    assert slowest_heights_s(places(lambda _: at(20), 6, 14), 10.0, OBJECT) == 0.0
    assert slowest_heights_s([], 10.0, OBJECT) == 0.0


def test_a_rider_is_faster_than_people_also_one_who_stops() -> None:
    walker = places(lambda at_s: visit(at_s, 10, 12, 60), 8, 14)
    rider = places(lambda at_s: at(200 + 160 * min(0.0, at_s - 10) + 160 * max(0.0, at_s - 12)), 9, 13)
    assert speed_heights_s(walker, 11.0) < 1.0
    assert speed_heights_s(rider, 11.0) > 1.5
    assert speed_heights_s(rider[:2], 11.0) == 0.0


@pytest.mark.parametrize(("px_s", "is_across"), [(500, True), (120, False)])
def test_two_pictures_on_both_sides_of_an_object_tell_that_nobody_stopped(px_s: int, *, is_across: bool) -> None:
    path = places(lambda at_s: at(200 + px_s * (at_s - 10.1)), 9.8, 10.6)
    assert crosses(path, 10.1, OBJECT) == is_across
    assert not crosses(path, 20.0, OBJECT), "at another time"
