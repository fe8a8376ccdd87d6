"""Vehicles from which objects are unloaded: which one stood beside an object, has it driven off, and where to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import cv2

from vision.detect.carrier_path import (
    MOVED_HEIGHTS,
    Place,
    direction_after,
    direction_of,
    is_at_edge,
    without_object,
)
from vision.detect.frame_context import Candidate, FrameContext
from vision.detect.picture import Mask
from vision.detect.port import Heading
from vision.detect.regions import Box, Region, cut, gap_px, grow, iou
from vision.detect.tracks import Track, kind_of

BESIDE_S: Final = 2.0
"""Time before and after an object came to rest within which a vehicle beside it may have brought it."""
UNLOADS_GAP_HEIGHTS: Final = 0.5
"""Maximum distance, in the vehicle's heights, of a vehicle from a load that it tips."""
CARRIES_GAP_HEIGHTS: Final = 1.0
"""Maximum distance, in the vehicle's heights, of a vehicle from what people carry from it."""
GROWTHS_MIN: Final = 2
STOOD_HEIGHTS: Final = 0.3
"""Maximum distance that a vehicle moves in `BESIDE_S` if it stands."""
STOOD_S: Final = 0.4
"""Minimum time for which it is seen there."""
STANDS_SHARE: Final = 0.4
"""Foreground in the box in which a vehicle stood, as a share of it, from which the vehicle is still there."""
SAME_PLACE: Final = 0.3
"""Intersection over union with that box from which a vehicle stands there."""
SEEN_S: Final = 2.1
"""Time for which the last box of a vehicle tells where it is."""


def was_unloaded(region: Region, since_s: float, growths: int, context: FrameContext) -> bool:
    """Whether a vehicle stood beside the region when it came, or it grew again and again: it may be large then.

    Never without a learned detector: a person close to the camera is as large.
    """
    if not context.recogniser.is_present:
        return False
    return growths >= GROWTHS_MIN or is_vehicle_beside(region, since_s, context)


def is_vehicle_beside(region: Region, since_s: float, context: FrameContext) -> bool:
    """Whether a vehicle was beside a region about a time, standing or not."""
    return any(
        gap_px(box, region.box) <= UNLOADS_GAP_HEIGHTS * box[3]
        for track in _vehicles(context)
        if not _is_object(track, region.box)
        for _, box in _about(track.path, since_s)
    )


def standing_vehicle(region: Region, since_s: float, context: FrameContext) -> Box | None:
    """Box of the vehicle that stood beside a region when it came, in pixels of the small picture; None if none did."""
    boxes = (_stop_box(track, since_s) for track in _vehicles(context) if not _is_object(track, region.box))
    beside = [
        box
        for box in boxes
        if box
        and gap_px(box, region.box) <= CARRIES_GAP_HEIGHTS * box[3]
        and not context.recogniser.is_background(box)
        and _was_filled(box, since_s, context)
    ]
    return min(beside, key=lambda box: gap_px(box, region.box), default=None)


def _vehicles(context: FrameContext) -> Iterator[Track]:
    for track in (*context.recogniser.tracks, *context.tracker.tracks):
        if kind_of(track, context.shape, context.person_px(track.box)) == "vehicle":
            yield track


def _about(path: Iterable[Place], at_s: float) -> list[Place]:
    return [place for place in path if abs(place[0] - at_s) <= BESIDE_S]


def _is_object(track: Track, object_box: Box) -> bool:
    return not without_object(track.path, object_box) or all(
        iou(box, object_box) >= SAME_PLACE for _, box in track.path
    )


def _stop_box(track: Track, at_s: float) -> Box | None:
    """Where a vehicle stood about a time; None if it drove then, or had gone.

    A vehicle that stands is no moving blob any more: its last box, filled with foreground, is where it stands.
    """
    about = _about(track.path, at_s)
    if about and about[-1][0] - about[0][0] >= STOOD_S:
        start = about[0][1]
        moved_px = max(_moved_px(start, box) for _, box in about)
        return start if moved_px <= STOOD_HEIGHTS * track.height_px else None
    return track.box if track.first_s < at_s else None


def _moved_px(start: Box, end: Box) -> int:
    """Distance by which both sides of a box have moved, in pixels: a blob that becomes static shrinks from one side."""
    return min(abs(end[0] - start[0]), abs(end[0] + end[2] - start[0] - start[2]))


def _was_filled(box: Box, at_s: float, context: FrameContext) -> bool:
    """Whether a box was filled with foreground after a time: what drives, or is background, fills none."""
    entries = context.history.since(at_s + STOOD_S)
    return any(
        foreground_share(box, entry.foreground) >= STANDS_SHARE for entry in entries if entry.at_s <= at_s + BESIDE_S
    )


def foreground_share(box: Box, foreground: Mask, without: Region | None = None) -> float:
    """Share of a box, without a region in it, that is foreground, 0 to 1."""
    inside = grow(box, 0, foreground.shape)
    place = cut(foreground, inside).copy()
    if without is not None:
        left, top = without.box[0] - inside[0], without.box[1] - inside[1]
        place[max(0, top) : max(0, top + without.box[3]), max(0, left) : max(0, left + without.box[2])] = 0
    return cv2.countNonZero(place) / max(1, place.size)


def vehicle_has_left(candidate: Candidate, context: FrameContext) -> bool:
    """Whether the vehicle that stood beside an object as it came, if any, is no longer there.

    One that stays for `parked_s` has only parked there.
    """
    box = candidate.vehicle
    if box is None or context.at_s - candidate.since_s >= context.config.parked_s:
        return True
    if any(context.at_s - track.last_s <= SEEN_S and iou(track.box, box) >= SAME_PLACE for track in _vehicles(context)):
        return False
    return foreground_share(box, context.backgrounds.foreground, candidate.region) < STANDS_SHARE


def _is_off(last: Box, stop: Box, context: FrameContext) -> bool:
    """Whether a vehicle that stood in a box was seen elsewhere last, or at the edge of the picture."""
    return gap_px(last, stop) > 0 or (is_at_edge(last, context.shape) and iou(last, stop) < SAME_PLACE)


def heading_of_vehicle(box: Box, since_s: float, context: FrameContext) -> Heading:
    """Direction in which the vehicle that stood in a box went off; empty if it was not seen to.

    As it starts, a part of it moves first: that blob begins within the box or beside it.
    """
    for track in _vehicles(context):
        has_gone = _is_off(track.box, box, context) and iou(track.box_at(since_s), box) >= SAME_PLACE
        if has_gone and (heading := direction_after(list(track.path), since_s, context.shape)):
            return heading
    leaving = [
        track
        for track in (*context.recogniser.tracks, *context.tracker.tracks)
        if track.last_s > since_s
        and track.height_px >= MOVED_HEIGHTS * box[3]
        and gap_px(track.path[0][1], box) <= STOOD_HEIGHTS * box[3]
        and _is_off(track.box, box, context)
    ]
    largest = max(leaving, key=lambda track: max(w * h for _, (_, _, w, h) in track.path), default=None)
    return "" if largest is None else direction_of([box, *(place for _, place in largest.path)], box[3], context.shape)
