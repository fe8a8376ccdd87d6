"""Candidates: static regions matched from picture to picture, and the decision on each: is it an object, was it left.

Pure but for the candidates' own fields: the state at a picture comes as a `FrameContext`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from vision.detect.checks import ADDED, TAKEN, has_own_structure, is_same_but_for_light, rigidity, standing_out
from vision.detect.dual_background import DualBackground
from vision.detect.frame_context import Candidate, FrameContext
from vision.detect.ownership import (
    bodies_at,
    is_alone,
    is_body,
    is_cut,
    is_no_body,
    is_recognised_body,
    may_be_body,
    may_be_person,
    note_carrier,
    owner_has_left,
    was_carried,
    was_left_behind,
)
from vision.detect.picture import gray_of, share_of
from vision.detect.regions import (
    Box,
    Region,
    cut,
    gap_px,
    hull_of,
    iou,
    median_in,
    shared_px,
    split_by_age,
    split_by_light,
)
from vision.detect.tracks import kind_of
from vision.detect.unloading import was_unloaded

Decision = Literal["wait", "background", "abandoned"]

SAME_PLACE: Final = 0.6
"""Intersection over union from which a region is the same candidate, with nearly unchanged shape."""
CHANGED_PLACE: Final = 0.3
"""Minimum overlap as a share of the smaller box: a bag that topples lies partly where it stood."""
GROWN: Final = 1.2
"""Ratio of areas from which a region has grown: something was put beside it."""
ALIKE: Final = 2.0
"""Maximum ratio of areas, either way, between two poses of one object."""
GRACE_S: Final = 8.0
"""A candidate without a region is kept for this long: an object that topples or is shifted is static again by then."""
CALM_SHARE: Final = 0.8
GROUP_PX: Final = 8
GROUP_HEIGHTS: Final = 0.3
GROUP_S: Final = 60.0
"""Objects within so many pixels or heights of a person, and so many seconds, are one case."""
UNKNOWN_S: Final = 1.0
"""What lay there so short a time after the background was learnt was there before: nobody was seen to bring it."""


def match_candidates(known: Sequence[Candidate], regions: Sequence[Region], context: FrameContext) -> list[Candidate]:
    """Match a picture's static regions to known candidates; unmatched candidates are kept for `GRACE_S`."""
    matched = [
        _continue_candidate(known, part, context) for region in regions for part in _split_region(region, context)
    ]
    boxes = [candidate.region.box for candidate in matched]
    lost = [
        old for old in known if context.at_s - old.seen_s <= GRACE_S and not any(_overlaps(old, box) for box in boxes)
    ]
    return matched + lost


def _split_region(region: Region, context: FrameContext) -> list[Region]:
    """Split a region that fails the object test, by age and by light: a bag beside the ghost of a person."""
    since_s = context.at_s - context.backgrounds.unchanged_s(region)
    if _may_be_object(region, since_s, context) or is_body(region, since_s, context):
        return [region]
    backgrounds, parts = context.backgrounds, []
    for part in split_by_age(region, context.backgrounds.stable_since_s, context.min_area_px):
        if _may_be_object(part, since_s, context):
            parts.append(part)
        else:
            now, before = gray_of(backgrounds.short_term), gray_of(backgrounds.background)
            parts += split_by_light(part, now, before, context.min_area_px)
    return parts


def _may_be_object(region: Region, since_s: float, context: FrameContext) -> bool:
    return _may_be_waste(region, since_s, 0, context) and _is_object(region, context)


def _continue_candidate(known: Sequence[Candidate], region: Region, context: FrameContext) -> Candidate:
    for old in known:
        if iou(old.region.box, region.box) > SAME_PLACE:
            return replace(old, region=region, seen_s=context.at_s, growths=_growths(old, region))
    since_s = context.at_s - context.backgrounds.unchanged_s(region)
    fresh = Candidate(region, context.at_s, since_s, context.at_s)
    for old in known:
        if old.brought and _overlaps(old, region.box):
            like = 1 / ALIKE <= old.region.area_px / region.area_px <= ALIKE
            since_s = old.since_s if like else since_s
            fresh = replace(fresh, carrier=old.carrier, vehicle=old.vehicle, growths=_growths(old, region))
            return replace(fresh, brought=True, since_s=since_s)
    return fresh


def _growths(old: Candidate, region: Region) -> int:
    return old.growths + (region.area_px > GROWN * old.region.area_px)


def _overlaps(old: Candidate, box: Box) -> bool:
    smaller = min(old.region.box[2] * old.region.box[3], box[2] * box[3])
    return shared_px(old.region.box, box) > CHANGED_PLACE * smaller


def median_stable_s(region: Region, backgrounds: DualBackground) -> float:
    """Median time in seconds for which the pixels of a region have shown their short-term value."""
    return median_in(backgrounds.stable_s, region)


def decide(candidate: Candidate, context: FrameContext) -> Decision:
    """Decide on a candidate: abandoned waste, to be absorbed into the background, or to be watched longer."""
    config, region = context.config, candidate.region
    if candidate.seen_s < context.at_s:
        return "wait"
    if context.at_s - candidate.first_s < config.parked_s and _stands_there(candidate, context):
        return "wait"
    kind = _classify(region, context)
    if kind == "nothing":
        candidate.object_s = None
        return _decide_refused(candidate, context)
    candidate.refused_s = None
    candidate.object_s = (candidate.object_s or context.at_s) if kind == "object" else None
    if kind == "unclear" or not _may_be_waste(region, candidate.since_s, candidate.growths, context):
        return "background" if context.at_s - candidate.first_s > config.parked_s else "wait"
    note_carrier(candidate, context)
    if not candidate.brought:
        return "background" if context.at_s - candidate.first_s > config.give_up_s else "wait"
    return "abandoned" if _is_abandoned(candidate, context) else "wait"


def _stands_there(candidate: Candidate, context: FrameContext) -> bool:
    """Whether the region is, or may be, a person or vehicle that stands there: it is not judged then."""
    if is_recognised_body(candidate.region, context):
        return True
    bodies = bodies_at(candidate.region, candidate.since_s, context)
    # A learned detector does not see every vehicle: what drove and has the shape of one is one.
    if any(kind_of(track, context.shape, context.person_px(track.box)) == "vehicle" for track in bodies):
        return True
    return bool(bodies) and not is_no_body(candidate.region, context)


def _decide_refused(candidate: Candidate, context: FrameContext) -> Decision:
    if candidate.refused_s is None:
        candidate.refused_s = context.at_s
    long_enough = context.at_s - candidate.refused_s >= context.config.alone_s
    long_enough = long_enough and median_stable_s(candidate.region, context.backgrounds) >= context.config.hold_s
    return "background" if long_enough and _is_calm(candidate.region, context) else "wait"


def _may_be_waste(region: Region, since_s: float, growths: int, context: FrameContext) -> bool:
    """Whether a region has the size and shape of something that people carry, or vehicles unload."""
    config, (shorter, longer) = context.config, sorted(region.box[2:])
    if shorter * context.scale < config.min_side_px:
        return False
    height_px, width_px = context.shape
    if region.area_px > config.max_area * height_px * width_px or longer > config.max_side * max(height_px, width_px):
        is_possible = region.area_px <= config.unloaded_area * height_px * width_px
        if not (is_possible and was_unloaded(region, since_s, growths, context)):
            return False
    person_px = context.person_px(region.box)
    if person_px is not None and longer < config.min_of_person * person_px:
        return False
    compact = region.area_px >= config.min_fill * shorter * longer
    return compact and longer <= config.max_aspect * shorter


def group_of(candidate: Candidate, candidates: Sequence[Candidate], context: FrameContext) -> list[Candidate]:
    """A candidate and the objects beside it that were brought too: what is tipped in parts is one case.

    Together they are no larger than a load: a chain of objects through the whole picture is no group.
    """
    reach = reach_of_group_px(candidate.region, context)
    largest_px = context.config.unloaded_area * context.shape[0] * context.shape[1]
    group, hull = [candidate], candidate.region.box
    for member in group:
        for other in candidates:
            around = hull_of(hull, other.region.box)
            is_new = all(other is not joined for joined in group)
            if is_new and _is_beside(other, member, reach, context) and around[2] * around[3] <= largest_px:
                group.append(other)
                hull = around
    return group


def reach_of_group_px(region: Region, context: FrameContext) -> float:
    """Distance in pixels within which objects beside a region belong to it."""
    return max(GROUP_PX, GROUP_HEIGHTS * (context.person_px(region.box) or 0.0))


def _is_beside(other: Candidate, member: Candidate, reach_px: float, context: FrameContext) -> bool:
    """Whether another object lies beside a member now: the place of a carrier who has gone is none."""
    if other.seen_s < context.at_s or other.object_s is None or not other.brought:
        return False
    is_near = gap_px(other.region.box, member.region.box) <= reach_px
    return is_near and abs(other.since_s - member.since_s) <= GROUP_S and not _stands_there(other, context)


def _is_object(region: Region, context: FrameContext) -> bool:
    return _classify(region, context) == "object"


def _classify(region: Region, context: FrameContext) -> Literal["object", "nothing", "unclear"]:
    """Whether something was added, or the region is a ghost, light or shadow."""
    now, before = context.backgrounds.short_term, context.backgrounds.background
    inside = region.shape != 0
    if median_in(context.backgrounds.stable_since_s, region) < UNKNOWN_S:
        return "nothing"
    if median_in(context.backgrounds.confirmed_s, region) < context.config.confirmed_s:
        return "nothing"
    if share_of(cut(context.backgrounds.static(0.0), region.box)[inside]) < context.config.min_solid:
        return "nothing"
    threshold = int(np.median(cut(context.backgrounds.threshold, region.box)))
    lit = is_same_but_for_light(now, before, region, threshold) or not has_own_structure(now, before, region.box)
    stands_out = standing_out(now, before, region)
    if lit or stands_out < TAKEN:
        return "nothing"
    return "object" if stands_out > ADDED else "unclear"


def _is_abandoned(candidate: Candidate, context: FrameContext) -> bool:
    """Whether the object has been still and unattended for long enough."""
    config, region = context.config, candidate.region
    if not owner_has_left(candidate, context) or (context.recogniser.is_present and not is_no_body(region, context)):
        return False
    carried = was_carried(candidate, context)
    if is_cut(region.box, context) and not carried:
        return False
    hold_s = _hold_s(candidate, context, carried=carried)
    alone_s = config.quick_alone_s if carried else config.alone_s
    patches = [cut(entry.gray, region.box) for entry in context.history.since(context.at_s - hold_s)]
    # What nobody was seen to bring must have looked like an object all the time: drift and light come and go.
    if candidate.carrier is None and (candidate.object_s or context.at_s) > context.at_s - hold_s + config.quick_hold_s:
        return False
    return (
        median_stable_s(region, context.backgrounds) >= hold_s
        and is_alone(candidate, alone_s, context)
        and bool(patches)
        and rigidity(patches) >= config.rigid
    )


def _hold_s(candidate: Candidate, context: FrameContext, *, carried: bool) -> float:
    """Minimum time in seconds for which the object must have been still."""
    config, region = context.config, candidate.region
    if carried:
        return max(config.quick_hold_s, config.hold_pictures * context.interval_s)
    if may_be_body(candidate, context):
        return config.person_hold_s
    if may_be_person(candidate, context) and not is_no_body(region, context):
        return config.person_hold_s
    return config.hold_s if was_left_behind(candidate, context) else config.unknown_hold_s


def _is_calm(region: Region, context: FrameContext) -> bool:
    """Whether most of the region shows its short-term background now."""
    now = cut(context.backgrounds.matches_short_term, region.box)[region.shape != 0]
    return float((now != 0).mean()) > CALM_SHARE
