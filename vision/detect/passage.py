"""How an object came: by whom, in which direction, with or without a stop, and how large it is; pure functions."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final, Literal

from vision.detect.frame_context import Candidate, FrameContext
from vision.detect.port import Heading, ObjectArrival
from vision.detect.rapid_passage import is_fast
from vision.detect.regions import Box, Region, gap_px
from vision.detect.tracks import Kind, Track, kind_of

BESIDE_S: Final = 2.0
"""The path of a carrier from so long before an object came to rest, and to so long after, gives the direction."""
PASSING_S: Final = 1.5
SPEEDS_MIN: Final = 2
PASSING_INTERVAL_MAX_S: Final = 0.6
"""Of fewer pictures, one a second for example, nobody can tell whether a carrier stopped."""
MOVED_HEIGHTS: Final = 0.5
"""Minimum distance in heights that gives a direction."""
PASSING_HEIGHTS_S: Final = 0.4
"""Speed in heights a second from which a carrier did not stop: a person who puts something down stands still."""
UNLOADS_GAP_HEIGHTS: Final = 0.5
"""Maximum distance, in the vehicle's heights, of a vehicle from what is unloaded from it."""
GROWTHS_MIN: Final = 2


_BY: Final[dict[Kind, Literal["foot", "vehicle"]]] = {"person": "foot", "vehicle": "vehicle"}


def arrival_of(candidate: Candidate, region: Region, context: FrameContext) -> ObjectArrival:
    """How the object of a candidate came; `region` is all that is reported with it."""
    size = size_heights(region, context)
    owner = candidate.carrier
    if owner is None and candidate.passer is not None:
        heading = heading_of(candidate.passer, candidate.since_s)
        return ObjectArrival(by="vehicle", heading=heading, in_passing=True, size_heights=size)
    if owner is None:
        is_unloaded = _vehicle_beside(region, candidate.since_s, context)
        return ObjectArrival(by="vehicle" if is_unloaded else "unknown", size_heights=size)
    path = _path_about(owner, candidate.since_s, PASSING_S)
    # A rider without a recognised vehicle has the shape of a person.
    kind = "vehicle" if is_fast(path) else kind_of(owner, context.shape, context.person_px(owner.box))
    return ObjectArrival(
        by=_BY.get(kind, "unknown") if path else "unknown",
        heading=heading_of(owner, candidate.since_s),
        in_passing=context.interval_s <= PASSING_INTERVAL_MAX_S
        and _speed_heights_s(owner, candidate.since_s) >= PASSING_HEIGHTS_S,
        size_heights=size,
    )


def _path_about(track: Track, at_s: float, within_s: float) -> list[tuple[float, Box]]:
    """The part of a track's path that is at most `within_s` before or after a time."""
    return [(seen_s, box) for seen_s, box in track.path if abs(seen_s - at_s) <= within_s]


def size_heights(region: Region, context: FrameContext) -> float | None:
    """Longer side of a region in heights of a person on that ground; None while these are unknown."""
    person_px = context.person_px(region.box)
    return None if person_px is None else round(max(region.box[2:]) / person_px, 1)


def heading_of(track: Track, at_s: float) -> Heading:
    """Direction in the picture in which a track moved about `at_s` seconds; empty if it hardly moved."""
    path = _path_about(track, at_s, BESIDE_S)
    if not path:
        return ""
    (_, first), (_, last) = path[0], path[-1]
    across, down = (now - before for now, before in zip(_feet(last), _feet(first), strict=True))
    if max(abs(across), abs(down)) < MOVED_HEIGHTS * max(first[3], last[3]):
        return ""
    if abs(across) >= abs(down):
        return "right" if across > 0 else "left"
    return "towards" if down > 0 else "away"


def _speed_heights_s(track: Track, at_s: float) -> float:
    """Lowest speed of a track about `at_s` seconds, in its heights a second; 0 if it was hardly seen then."""
    path = _path_about(track, at_s, PASSING_S)
    speeds = [
        math.dist(_feet(box), _feet(before)) / max(1, before[3]) / (seen_s - before_s)
        for (before_s, before), (seen_s, box) in pairwise(path)
        if seen_s > before_s
    ]
    # A vehicle that passes within a second is recognised in two pictures.
    least = 1 if track.kind == "vehicle" else SPEEDS_MIN
    return min(speeds) if len(speeds) >= least else 0.0


def _feet(box: Box) -> tuple[float, float]:
    """Middle of the lower side of a box; who bends keeps the feet where they are."""
    return box[0] + box[2] / 2, box[1] + box[3]


def was_unloaded(region: Region, since_s: float, growths: int, context: FrameContext) -> bool:
    """Whether a vehicle stood beside the region when it came, or it grew again and again: it may be large then.

    Never without a learned detector: a person close to the camera is as large.
    """
    if not context.recogniser.is_present:
        return False
    return growths >= GROWTHS_MIN or _vehicle_beside(region, since_s, context)


def _vehicle_beside(region: Region, since_s: float, context: FrameContext) -> bool:
    """Whether a vehicle stood beside a region about a time."""
    return any(
        kind_of(track, context.shape, context.person_px(track.box)) == "vehicle"
        and any(
            gap_px(box, region.box) <= UNLOADS_GAP_HEIGHTS * box[3] for _, box in _path_about(track, since_s, BESIDE_S)
        )
        for track in (*context.recogniser.tracks, *context.tracker.tracks)
    )
