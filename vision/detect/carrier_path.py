"""Path of who brought an object, over all the tracks into which it was broken, and what it tells; pure functions.

A track breaks where two people meet, where a blob parts from its bag, and where a vehicle stands still for seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from vision.detect.port import Heading
from vision.detect.regions import Box, gap_px, hull_of, iou, shared_px
from vision.detect.tracks import Track

Place = tuple[float, Box]
"""Time in seconds and box, as in the path of a track."""

OBJECT_SHARE: Final = 0.3
"""Intersection over union with the object from which a box is that of the object, if it is lower than the carrier."""
PART_SHARE: Final = 0.6
"""The same for the share of the box that lies inside the object: a blob may be a part of it."""
LOWER: Final = 0.7
"""Height as a share of the carrier's largest below which a box is no longer the carrier's."""
THING_SHARE: Final = 0.4
"""Minimum intersection over union with the region, of all boxes of a track that is the object itself."""
RESUMES_S: Final = 2.5
"""Maximum time between the end of a track and the beginning of the next one of the same body."""
OVERLAPS_S: Final = 0.5
"""Time for which both tracks of one body may be seen: one follows the object for a moment."""
RESUMES_HEIGHTS, RESUMES_HEIGHTS_S = 0.5, 1.0
"""Maximum distance between both, in heights, and what each second adds."""
ALIKE: Final = 0.5
"""Minimum ratio of the heights of both."""
WINDOW_S: Final = 0.4
"""Minimum time over which a speed is measured: from picture to picture the outline of a blob jumps."""
WINDOW_MAX_S: Final = 0.6
PASSES_S: Final = 1.5
"""Time before and after an object came to rest within which its carrier stops, if it does."""
SPEED_S: Final = 4.0
"""Time before and after within which the speed of a rider is measured: who stops has ridden before."""
SPEEDS_MIN: Final = 3
CROSSES_HEIGHTS_S, CROSSES_FROM = 2.5, 0.15
"""Speed from which nobody stops between two pictures, and the least share of the way on either side of an object."""
STANDS_HEIGHTS_S: Final = 0.3
"""Speed in heights a second below which a body stands: it bends, or its outline changes."""
STOPS_BEFORE_S: Final = 3.0
"""A carrier stood so long before its object was seen at most: it hides the object until it goes."""
JITTER_S: Final = 1e-3
EDGE_PX: Final = 2
STOOD_HEIGHTS: Final = 0.2
"""Maximum distance in heights from where a body stood to where it is seen again."""
SHRINKS_S: Final = 2.0
SAME_SHARE: Final = 0.6
"""Share of the smaller of two boxes from which both are of one body, or of a body and what it rides."""
WENT_HEIGHTS, MOVED_HEIGHTS, LEAVES_HEIGHTS = 1.0, 0.5, 0.25
"""Distance in heights at which the direction is taken, the least that gives one, and the least of who leaves the
picture there."""
STAYED_HEIGHTS: Final = 0.25
"""Distance in heights within which somebody stands at one place: who walks away from the camera seems as slow."""


def whole_path(owner: Track, object_box: Box, tracks: Iterable[Track]) -> list[Place]:
    """The boxes of a carrier, oldest first: those of its track, of the tracks before it and of those after it.

    Args:
        owner: Its track.
        object_box: The object; boxes of a track that follows the object are left out.
        tracks: All tracks.
    """
    path = without_object(owner.path, object_box)
    others = [track for track in tracks if track is not owner and not _is_object(track, object_box)]
    parts = [part for track in others if (part := without_object(track.path, object_box))]
    while path and (later := _part_after(path, parts)):
        path += later
    backwards = [_reverse(part) for part in parts]
    path = _reverse(path)
    while path and (earlier := _part_after(path, backwards)):
        path += earlier
    return _reverse(path)


def _reverse(path: Sequence[Place]) -> list[Place]:
    """A path played backwards in time."""
    return [(-at_s, box) for at_s, box in reversed(path)]


def without_object(path: Iterable[Place], object_box: Box) -> list[Place]:
    """The places of a path at which its box is not that of the object itself."""
    places = list(path)
    lowest_px = LOWER * max((box[3] for _, box in places), default=0)
    return [place for place in places if place[1][3] >= lowest_px or not _is_of(place[1], object_box)]


def _is_of(box: Box, object_box: Box) -> bool:
    """Whether a box is that of an object, or of a part of it."""
    return iou(box, object_box) >= OBJECT_SHARE or shared_px(box, object_box) >= PART_SHARE * _area(box)


def _is_object(track: Track, object_box: Box) -> bool:
    return all(iou(box, object_box) >= THING_SHARE for _, box in track.path)


def _part_after(path: Sequence[Place], parts: Iterable[Sequence[Place]]) -> list[Place]:
    """How the body of a path goes on in another track: one that begins there, or was at the same places before."""
    end_s, end = path[-1]
    newest = [number for number, (at_s, _) in enumerate(path) if end_s - at_s <= SHRINKS_S]
    stands = any(_stands(path, number) for number in newest)
    if stands:
        # A blob that becomes static shrinks to a part of its body first.
        end = hull_of(*(path[number][1] for number in newest))
    ways = list[list[Place]]()
    for part in parts:
        later = [place for place in part if place[0] > end_s]
        if later and _resumes(end, later[0][1], later[0][0] - end_s, stands=stands):
            is_own = part[0][0] >= end_s - OVERLAPS_S or shares_places(path, part)
            ways += [later] if is_own else []
    return min(ways, key=lambda way: gap_px(end, way[0][1]) / max(1, end[3]) + way[0][0] - end_s, default=[])


def _resumes(end: Box, start: Box, gone_s: float, *, stands: bool) -> bool:
    """Whether a body whose track ended at one box may be that whose track begins at another.

    Who stands still is no moving blob after two seconds, and is one again at the same place.
    """
    taller, lower, gap = max(end[3], start[3]), min(end[3], start[3]), gap_px(end, start)
    if lower < ALIKE * taller:
        return False
    if stands and gap <= STOOD_HEIGHTS * taller:
        return True
    return gone_s <= RESUMES_S and gap <= (RESUMES_HEIGHTS + RESUMES_HEIGHTS_S * gone_s) * taller


def feet_of(box: Box) -> tuple[float, float]:
    """Middle of the lower side of a box; who bends keeps the feet where they are."""
    return box[0] + box[2] / 2, box[1] + box[3]


def height_of(path: Sequence[Place]) -> float:
    """Median height of a path's boxes in pixels, at least 1."""
    return max(1.0, float(np.median([box[3] for _, box in path]))) if path else 1.0


def direction_after(path: Sequence[Place], since_s: float, shape: tuple[int, ...]) -> Heading:
    """Direction in the picture in which a body went off from where it was at a time, or stood last near there.

    Args:
        path: Where it was.
        since_s: The time.
        shape: (height, width) of the picture.
    """
    if not path:
        return ""
    begin = min(range(len(path)), key=lambda number: abs(path[number][0] - since_s))
    begin = last_stop(path, begin)
    return direction_of([box for _, box in path[begin:]], height_of(path), shape)


def last_stop(path: Sequence[Place], number: int) -> int:
    """Number of the last place at which a body stood that was at the place `number`; that number if it did not."""
    at_s, box = path[number]
    reach_px = STAYED_HEIGHTS * height_of(path)
    for later in range(len(path) - 1, 0, -1):
        if path[later][0] < at_s - STOPS_BEFORE_S:
            break
        if math.dist(feet_of(path[later][1]), feet_of(box)) <= reach_px and _stands(path, later):
            return later
    return number


def _stands(path: Sequence[Place], number: int) -> bool:
    """Whether a body stood for the `WINDOW_S` before a place."""
    end = path[number]
    before = next((place for place in reversed(path[:number]) if end[0] - place[0] >= WINDOW_S - JITTER_S), None)
    return before is not None and _speed(before, end, path, feet_distance_px) < STANDS_HEIGHTS_S


def direction_of(boxes: Sequence[Box], height_px: float, shape: tuple[int, ...]) -> Heading:
    """Direction from the first of some boxes to where they are first `WENT_HEIGHTS` away, or to the farthest."""
    start = feet_of(boxes[0])
    ends = [feet_of(_uncut(box, boxes[0], shape)) for box in boxes]
    far = max(ends, key=lambda end: math.dist(start, end))
    end = next((end for end in ends if math.dist(start, end) >= WENT_HEIGHTS * height_px), far)
    across, down = end[0] - start[0], end[1] - start[1]
    least = LEAVES_HEIGHTS if is_at_edge(boxes[-1], shape) else MOVED_HEIGHTS
    if max(abs(across), abs(down)) < least * height_px:
        return ""
    if abs(across) >= abs(down):
        return "right" if across > 0 else "left"
    return "towards" if down > 0 else "away"


def is_at_edge(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether the left, right or lower edge of the picture cuts a box off."""
    left, top, width, height = box
    return left <= EDGE_PX or left + width >= shape[1] - EDGE_PX or top + height >= shape[0] - EDGE_PX


def _uncut(box: Box, unhidden: Box, shape: tuple[int, ...]) -> Box:
    """A box as it was before the picture's edge cut it off: as large as the whole one."""
    left, top, width, height = box
    if left <= EDGE_PX and width < unhidden[2]:
        left, width = left + width - unhidden[2], unhidden[2]
    elif left + width >= shape[1] - EDGE_PX:
        width = max(width, unhidden[2])
    if top + height >= shape[0] - EDGE_PX:
        height = max(height, unhidden[3])
    return left, top, width, height


def _speed(start: Place, end: Place, path: Sequence[Place], measure: Callable[[Box, Box], float]) -> float:
    """Speed between two places in heights a second."""
    return measure(start[1], end[1]) / height_of(path) / (end[0] - start[0])


def speeds_heights_s(path: Sequence[Place], measure: Callable[[Box, Box], float] | None = None) -> list[float]:
    """Speeds along a path in heights a second, each over at least `WINDOW_S`.

    Args:
        path: The path.
        measure: Distance in pixels of two boxes; None for that of their feet.
    """
    speeds = list[float]()
    for number, start in enumerate(path):
        end = next((place for place in path[number + 1 :] if place[0] - start[0] >= WINDOW_S - JITTER_S), None)
        if end is not None:
            speeds.append(_speed(start, end, path, measure or feet_distance_px))
    return speeds


def feet_distance_px(start: Box, end: Box) -> float:
    """Distance of the feet of two boxes in pixels."""
    return math.dist(feet_of(start), feet_of(end))


def _edge_distance_px(start: Box, end: Box) -> float:
    """Distance by which the left, the right or the lower edge has moved, in pixels.

    One edge of a blob that touches the object stands still while its carrier walks on.
    """
    right, bottom = end[0] + end[2] - start[0] - start[2], end[1] + end[3] - start[1] - start[3]
    return max(abs(end[0] - start[0]), abs(right), abs(bottom))


def slowest_heights_s(path: Sequence[Place], at_s: float, object_box: Box) -> float:
    """Lowest speed beside an object about a time, in heights a second; 0 if the body was hardly seen there.

    A body hides its object until it goes on: the time at which the object was seen may be after the stop.
    """
    reach_px = WENT_HEIGHTS * height_of(path)
    beside = [
        number
        for number, (seen_s, box) in enumerate(path)
        if abs(seen_s - at_s) <= SPEED_S and _distance_px(box, object_box) <= reach_px
    ]
    if not beside:
        return 0.0
    return min(speeds_heights_s(path[max(0, beside[0] - 1) : beside[-1] + 2], _edge_distance_px), default=0.0)


def crosses(path: Sequence[Place], at_s: float, object_box: Box) -> bool:
    """Whether a body was on one side of an object in one picture and on the other in the next, faster than people."""
    target = np.array(feet_of(object_box))
    for (from_s, start), (to_s, end) in pairwise(path):
        if abs(from_s - at_s) > PASSES_S or to_s - from_s > WINDOW_MAX_S:
            continue
        begin, way = np.array(feet_of(start)), np.array(feet_of(end)) - np.array(feet_of(start))
        length_px = float(np.hypot(*way))
        share = float((target - begin) @ way) / max(1.0, length_px**2)
        is_fast = length_px / height_of(path) >= CROSSES_HEIGHTS_S * (to_s - from_s)
        if is_fast and length_px >= WENT_HEIGHTS * height_of(path) and CROSSES_FROM < share < 1 - CROSSES_FROM:
            return True
    return False


def leads_past(path: Sequence[Place], object_box: Box) -> bool:
    """Whether a path leads to an object and away from it, both from `MOVED_HEIGHTS` at least."""
    if not path:
        return False
    reach_px = MOVED_HEIGHTS * height_of(path)
    nearest = min(range(len(path)), key=lambda number: _distance_px(path[number][1], object_box))
    return any(_distance_px(box, object_box) >= reach_px for _, box in path[:nearest]) and any(
        _distance_px(box, object_box) >= reach_px for _, box in path[nearest + 1 :]
    )


def _distance_px(box: Box, object_box: Box) -> float:
    return math.dist(feet_of(box), feet_of(object_box))


def speed_heights_s(path: Sequence[Place], at_s: float) -> float:
    """Median of the speeds about a time while a body moves, in heights a second; 0 if it hardly did."""
    about = [place for place in path if abs(place[0] - at_s) <= SPEED_S]
    moving = [speed for speed in speeds_heights_s(about) if speed >= STANDS_HEIGHTS_S]
    return float(np.median(moving)) if len(moving) >= SPEEDS_MIN else 0.0


def shared_places(path: Sequence[Place], other: Iterable[Place]) -> list[Box]:
    """The boxes of another path that share most of the smaller one with the path's box of the same time."""
    own = {round(at_s, 2): box for at_s, box in path}
    return [
        box
        for at_s, box in other
        if (same := own.get(round(at_s, 2))) and shared_px(box, same) >= SAME_SHARE * min(_area(box), _area(same))
    ]


def shares_places(path: Sequence[Place], other: Sequence[Place]) -> bool:
    """Whether two paths are of one body: both were at one place at the same time."""
    return bool(shared_places(path, other))


def _area(box: Box) -> int:
    return box[2] * box[3]
