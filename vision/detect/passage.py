"""How an object came: by whom, in which direction, with or without a stop, and how large it is; pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import numpy as np

from vision.detect.carrier_path import (
    ALIKE,
    PASSES_S,
    SPEED_S,
    STANDS_HEIGHTS_S,
    Place,
    crosses,
    direction_after,
    direction_of,
    height_of,
    leads_past,
    shared_places,
    shares_places,
    slowest_heights_s,
    speed_heights_s,
    whole_path,
)
from vision.detect.frame_context import Candidate, FrameContext
from vision.detect.ownership import is_hardly_seen
from vision.detect.port import Heading, ObjectArrival
from vision.detect.rapid_passage import is_fast
from vision.detect.regions import Region
from vision.detect.tracks import Kind, Track, kind_of
from vision.detect.unloading import heading_of_vehicle, is_vehicle_beside

PASSING_INTERVAL_MAX_S: Final = 0.6
"""Of fewer pictures, one a second for example, nobody can tell whether a carrier stopped."""
RIDES_HEIGHTS_S: Final = 1.5
"""Speed from which a carrier rides, 9 km/h: nobody who carries waste runs."""
BROAD_RIDES_HEIGHTS_S: Final = 1.0
BROAD: Final = 0.9
"""The same for who is nearly as broad as high: a motorbike or bicycle with its rider."""
RIDDEN_LOOKS_MIN: Final = 2
"""Minimum number of looks that show a vehicle at the place of a person who rides it."""


_BY: Final[dict[Kind, Literal["foot", "vehicle"]]] = {"person": "foot", "vehicle": "vehicle"}


def arrival_of(candidate: Candidate, region: Region, context: FrameContext) -> ObjectArrival:
    """How the object of a candidate came; `region` is all that is reported with it."""
    size = size_heights(region, context)
    owner = candidate.carrier
    if candidate.vehicle is not None:
        heading = heading_of_vehicle(candidate.vehicle, candidate.since_s, context)
        if heading or owner is None:
            return ObjectArrival(by="vehicle", heading=heading, size_heights=size)
    if is_hardly_seen(candidate) and (passer := candidate.passer) is not None:
        heading = direction_of([box for _, box in passer.path], passer.height_px, context.shape)
        return ObjectArrival(by="vehicle", heading=heading, in_passing=True, size_heights=size)
    if owner is None:
        is_unloaded = is_vehicle_beside(region, candidate.since_s, context)
        return ObjectArrival(by="vehicle" if is_unloaded else "unknown", size_heights=size)
    paths = _paths_of(owner, candidate, context)
    in_passing = _is_passing(paths, candidate, context)
    return ObjectArrival(
        by=_by(owner, paths, candidate.since_s, context),
        heading=_heading(paths, candidate.since_s, context, in_passing=in_passing),
        in_passing=in_passing,
        size_heights=size,
    )


def _paths_of(owner: Track, candidate: Candidate, context: FrameContext) -> list[list[Place]]:
    """Paths of a carrier: as it was recognised, and as its blob, which every picture shows; the owner's first."""
    box, tracks = candidate.region.box, _tracks(context)
    path = whole_path(owner, box, tracks)
    if not owner.kind:
        return [path]
    blobs = [
        track
        for track in context.tracker.tracks
        if track.height_px >= ALIKE * height_of(path) and shares_places(path, list(track.path))
    ]
    return [path, *(whole_path(blob, box, context.tracker.tracks) for blob in blobs)]


def _heading(paths: Sequence[Sequence[Place]], since_s: float, context: FrameContext, *, in_passing: bool) -> Heading:
    """Direction in which a carrier went off, or passed by; empty if it was not seen to."""
    headings = [direction_after(path, since_s, context.shape) for path in paths]
    if in_passing:
        about = [[box for _, box in _about(path, since_s, SPEED_S)] for path in paths]
        headings += [direction_of(boxes, height_of(paths[0]), context.shape) for boxes in about if boxes]
    return next((heading for heading in headings if heading), "")


def _tracks(context: FrameContext) -> list[Track]:
    return [*context.recogniser.tracks, *context.tracker.tracks]


def _about(path: Iterable[Place], at_s: float, within_s: float) -> list[Place]:
    """The part of a path that is at most `within_s` before or after a time."""
    return [place for place in path if abs(place[0] - at_s) <= within_s]


def _by(
    owner: Track, paths: Sequence[Sequence[Place]], at_s: float, context: FrameContext
) -> Literal["foot", "vehicle", "unknown"]:
    """On foot or by vehicle; a rider without a recognised vehicle has the shape of a person."""
    if not _about(owner.path, at_s, PASSES_S):
        return "unknown"
    kind = kind_of(owner, context.shape, context.person_px(owner.box))
    is_rider = kind == "person" and any(_rides(path, at_s, context) for path in paths)
    return "vehicle" if is_rider else _BY.get(kind, "unknown")


def _rides(path: Sequence[Place], at_s: float, context: FrameContext) -> bool:
    """Whether a person is faster than on foot, or a vehicle is recognised at the person's place and moves along."""
    speed, outlines = speed_heights_s(path, at_s), _about(path, at_s, SPEED_S)
    if not outlines:
        return False
    if speed >= RIDES_HEIGHTS_S or is_fast(outlines):
        return True
    for track in _tracks(context):
        boxes = shared_places(path, track.path)
        is_ridden = track.kind == "vehicle" and len(boxes) >= RIDDEN_LOOKS_MIN
        if is_ridden and direction_of(boxes, height_of(path), context.shape):
            return True
        outlines += [] if track.kind else [(at_s, box) for box in boxes]
    broad = float(np.median([box[2] / box[3] for _, box in outlines])) >= BROAD
    return broad and speed >= BROAD_RIDES_HEIGHTS_S


def _is_passing(paths: Sequence[Sequence[Place]], candidate: Candidate, context: FrameContext) -> bool:
    """Whether a carrier was seen to come and to go on, and stopped at no time about that of the object."""
    if context.interval_s > PASSING_INTERVAL_MAX_S:
        return False
    since_s, box = candidate.since_s, candidate.region.box
    for path in paths:
        about = _about(path, since_s, PASSES_S)
        if (is_fast(about) and leads_past(about, box)) or crosses(path, since_s, box):
            return True
    most = max((path for path in paths if leads_past(path, box)), key=len, default=[])
    return slowest_heights_s(most, since_s, box) >= STANDS_HEIGHTS_S


def size_heights(region: Region, context: FrameContext) -> float | None:
    """Longer side of a region in heights of a person on that ground; None while these are unknown."""
    person_px = context.person_px(region.box)
    return None if person_px is None else round(max(region.box[2:]) / person_px, 1)
