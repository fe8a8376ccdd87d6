"""Static places under observation: who brought them, have they gone, is it a thing; and the verdict on each.

Pure but for the candidates' own notes: everything that is known of a picture comes as a `View`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import cv2
import numpy as np

from vision.detect.checks import ADDED, TAKEN, has_own_structure, is_same_but_for_light, rigidity, standing_out
from vision.detect.config import DetectorConfig
from vision.detect.layers import Layers
from vision.detect.memory import Memory
from vision.detect.picture import Mask, gray_of, share_of
from vision.detect.regions import Box, Region, cut, gap_px, grown, overlap, pixels_near, shared_px, split_by_age, split_by_light
from vision.detect.tracks import LOST_S, Perspective, Track, Tracker, kind_of

Verdict = Literal["wait", "background", "deposit"]

SAME_PLACE: Final = 0.6
"""Overlap of two boxes from which a static place is the same one, its shape nearly unchanged."""
CHANGED_PLACE: Final = 0.3
"""Of the smaller box: a bag that topples over lies partly where it stood."""
ALIKE: Final = 2.0
"""Times as large, or as small, as what is still the same object in another pose."""
GRACE_S: Final = 8.0
"""What topples or is shifted is static again after this long at the most."""
PERSON_SHARE: Final = 0.8
"""Foreground beside an object, as a share of the object's area, that counts as somebody."""
CROWD_SHARE: Final = 0.25
STANDING_SHARE: Final = 1.2
"""The same for what keeps still: less is the shadow of the object itself."""
BODY_SHARE: Final = 0.2
"""Of somebody's box: a trunk that keeps still is more."""
EDGE_SHARE: Final = 0.02
"""Of the picture: what comes so near to its edge is cut by it, or was the moment before."""
STOOD_S: Final = 4.0
"""Within this somebody who stops is no longer seen to move."""
COVERS_SHARE: Final = 0.5
"""Of a place: somebody who stands there was last seen before as much of it."""
CAME_S: Final = 0.6
"""Who was seen for so long before a thing came to rest is not the thing itself."""
CALM_SHARE: Final = 0.8
SEEN_SHARE: Final = 0.5
BACK_S: Final = 0.4
"""From when on somebody beside a thing has brought it: before, the moving blob is the thing itself, or its owner."""
BEFORE_S: Final = 2.0
LEFT_HEIGHTS: Final = 0.7
"""Of an owner's height: who is farther away than this has left the thing."""
REACH_MIN_PX: Final = 8


@dataclass(frozen=True)
class View:
    """What is known at one picture."""

    at_s: float
    layers: Layers
    memory: Memory
    tracker: Tracker
    perspective: Perspective
    config: DetectorConfig

    @property
    def min_area_px(self) -> int:
        """Of a place worth looking at."""
        return int(self.config.min_area * self.layers.foreground.size)

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width) of the picture."""
        return self.layers.foreground.shape


@dataclass
class Candidate:
    """A static place. `since_s` is when it settled, `carrier` who is known to have brought it."""

    region: Region
    first_s: float
    since_s: float
    seen_s: float
    brought: bool = False
    carrier: Track | None = None
    refused_s: float | None = None


def follow(known: Sequence[Candidate], regions: Sequence[Region], view: View) -> list[Candidate]:
    """The candidates carried on to the static places of a picture; those without one are kept for `GRACE_S`."""
    found = [_carried_on(known, part, view) for region in regions for part in _apart(region, view)]
    boxes = [candidate.region.box for candidate in found]
    lost = [old for old in known if view.at_s - old.seen_s <= GRACE_S and not any(_related(old, box) for box in boxes)]
    return found + lost


def _apart(region: Region, view: View) -> list[Region]:
    """A place that is no thing as a whole in its parts: a bag, and the ghost of who stood beside it."""
    if _stands(region, view) or _is_body(region, view.at_s - view.layers.shown_s(region), view):
        return [region]
    layers, parts = view.layers, []
    for part in split_by_age(region, view.layers.settled_at, view.min_area_px):
        if _stands(part, view):
            parts.append(part)
        else:
            now, before = gray_of(layers.settled), gray_of(layers.background)
            parts += split_by_light(part, now, before, view.min_area_px)
    return parts


def _stands(region: Region, view: View) -> bool:
    return _may_be_waste(region, view) and _is_thing(region, view)


def _carried_on(known: Sequence[Candidate], region: Region, view: View) -> Candidate:
    for old in known:
        if overlap(old.region.box, region.box) > SAME_PLACE:
            return replace(old, region=region, seen_s=view.at_s)
    since_s = view.at_s - view.layers.shown_s(region)
    fresh = Candidate(region, view.at_s, since_s, view.at_s)
    for old in known:
        if old.brought and _related(old, region.box):
            like = 1 / ALIKE <= old.region.area_px / region.area_px <= ALIKE
            return replace(fresh, brought=True, carrier=old.carrier, since_s=old.since_s if like else since_s)
    return fresh


def _related(old: Candidate, box: Box) -> bool:
    smaller = min(old.region.box[2] * old.region.box[3], box[2] * box[3])
    return shared_px(old.region.box, box) > CHANGED_PLACE * smaller


def settled_s(region: Region, layers: Layers) -> float:
    """For how long half of a place has been showing the same."""
    return float(np.median(cut(layers.settled_s, region.box)[region.shape != 0]))


def judge(candidate: Candidate, view: View) -> Verdict:
    """Whether a static place is left waste, should become background, or must be watched longer."""
    config, region = view.config, candidate.region
    if candidate.seen_s < view.at_s:
        return "wait"
    if _is_body(region, candidate.since_s, view) and view.at_s - candidate.first_s < config.parked_s:
        return "wait"
    what = _what(region, view)
    if what == "nothing":
        return _refuse(candidate, view)
    candidate.refused_s = None
    if what == "unclear" or not _may_be_waste(region, view):
        return "background" if view.at_s - candidate.first_s > config.parked_s else "wait"
    _note_carrier(candidate, view)
    if not candidate.brought:
        return "background" if view.at_s - candidate.first_s > config.give_up_s else "wait"
    return "deposit" if _is_left(candidate, view) else "wait"


def _refuse(candidate: Candidate, view: View) -> Verdict:
    if candidate.refused_s is None:
        candidate.refused_s = view.at_s
    long_enough = view.at_s - candidate.refused_s >= view.config.alone_s
    long_enough = long_enough and settled_s(candidate.region, view.layers) >= view.config.hold_s
    return "background" if long_enough and _is_calm(candidate.region, view) else "wait"


def _may_be_waste(region: Region, view: View) -> bool:
    """Whether a place has the size and shape of something that people carry."""
    config, (shorter, longer) = view.config, sorted(region.box[2:])
    height_px, width_px = view.shape
    if region.area_px > config.max_area * height_px * width_px or longer > config.max_side * max(height_px, width_px):
        return False
    person_px = view.perspective.height_at(region.box[1] + region.box[3])
    if person_px is not None and longer < config.min_of_person * person_px:
        return False
    compact = region.area_px >= config.min_fill * shorter * longer
    return compact and longer <= config.max_aspect * shorter


def _is_thing(region: Region, view: View) -> bool:
    return _what(region, view) == "thing"


def _what(region: Region, view: View) -> Literal["thing", "nothing", "unclear"]:
    """Whether something was added, or it is only the ghost of what went away, light or shadow."""
    now, before = view.layers.settled, view.layers.background
    inside = region.shape != 0
    if np.median(cut(view.layers.confirmed_s, region.box)[inside]) < view.config.confirmed_s:
        return "nothing"
    if share_of(cut(view.layers.static(0.0), region.box)[inside]) < view.config.min_solid:
        return "nothing"
    threshold = int(np.median(cut(view.layers.threshold, region.box)))
    lit = is_same_but_for_light(now, before, region, threshold) or not has_own_structure(now, before, region.box)
    stands_out = standing_out(now, before, region)
    if lit or stands_out < TAKEN:
        return "nothing"
    return "thing" if stands_out > ADDED else "unclear"


def _reach_px(region: Region, view: View) -> int:
    return max(REACH_MIN_PX, int(view.config.near * max(region.box[2:])))


def _note_carrier(candidate: Candidate, view: View) -> None:
    """Find out who was beside the place when the thing already lay there."""
    region, reach = candidate.region, _reach_px(candidate.region, view)
    if not candidate.brought:
        candidate.brought = any(
            pixels_near(moment.foreground, region.box, reach) >= PERSON_SHARE * region.area_px
            for moment in view.memory.since(candidate.since_s + BACK_S)
        )
    if candidate.carrier is None:
        near = view.tracker.near(region.box, candidate.since_s - BEFORE_S, candidate.since_s + BEFORE_S, reach)
        walked = (track for track in near if kind_of(track, view.shape, None) != "thing")
        candidate.carrier = max(walked, key=lambda track: _nearness(track, candidate), default=None)
        candidate.brought = candidate.brought or candidate.carrier is not None


def _nearness(track: Track, candidate: Candidate) -> tuple[int, float]:
    """How well somebody fits as the one who brought a thing: how much of it he stood before, and how large he is."""
    box = track.box_at(candidate.since_s)
    return shared_px(box, candidate.region.box), track.height_px


def _is_left(candidate: Candidate, view: View) -> bool:
    """Whether it has lain still and alone for long enough."""
    config, region = view.config, candidate.region
    if not _owner_has_left(candidate, view):
        return False
    hold_s, alone_s = config.hold_s, config.alone_s
    carried = _was_carried(candidate, view)
    if _is_cut(region.box, view) and not carried:
        return False
    if carried:
        hold_s, alone_s = config.quick_hold_s, config.quick_alone_s
    elif _may_be_person(candidate, view):
        hold_s = config.large_hold_s
    if settled_s(region, view.layers) < hold_s or not _is_alone(region, alone_s, view):
        return False
    patches = [cut(moment.gray, region.box) for moment in view.memory.since(view.at_s - hold_s)]
    return rigidity(patches) >= config.rigid if patches else False


def _owner_has_left(candidate: Candidate, view: View) -> bool:
    owner = candidate.carrier
    if owner is None or view.at_s - owner.last_s > LOST_S:
        return True
    return _is_away(owner, candidate.region)


def _is_away(owner: Track, region: Region) -> bool:
    return gap_px(owner.box, region.box) > LEFT_HEIGHTS * owner.height_px


def _was_carried(candidate: Candidate, view: View) -> bool:
    """Whether somebody was seen to go on without it: it reaches no higher than his hip, and is smaller than he.

    Who was last seen beside it and no more since has not gone on: he may be what stands there.
    """
    owner, region = candidate.carrier, candidate.region
    if owner is None or _is_body(region, candidate.since_s, view):
        return False
    low = region.box[3] <= view.config.carried_height * owner.height_px
    beside = owner.box_at(candidate.since_s)
    return low and region.area_px < view.config.carried_height * beside[2] * beside[3]


def _is_body(region: Region, since_s: float, view: View) -> bool:
    """Whether somebody, or a car, came to a place and vanished there when it came to rest: he is what stands there."""
    came = view.tracker.near(region.box, since_s - BEFORE_S, since_s + BEFORE_S, 0)
    covers = COVERS_SHARE * region.box[2] * region.box[3]
    return any(
        track.first_s < since_s - CAME_S
        and track.last_s <= since_s + STOOD_S
        and region.area_px > BODY_SHARE * track.box[2] * track.box[3]
        and shared_px(track.box, region.box) > covers
        and not _has_gone_out(track, view)
        for track in came
    )


def _has_gone_out(track: Track, view: View) -> bool:
    return kind_of(track, view.shape, None) != "thing" and _is_cut(track.box, view)


def _is_cut(box: Box, view: View) -> bool:
    """Whether the picture's edge cuts something off: how large it is cannot be seen, it may be a car that stopped."""
    (left, top, width, height), edge = box, max(2, round(EDGE_SHARE * max(view.shape)))
    return (
        left < edge or top < edge or left + width > view.shape[1] - edge or top + height > view.shape[0] - edge
    )


def _may_be_person(candidate: Candidate, view: View) -> bool:
    """Whether a static place is as large as a person who stands there would be, or nobody was seen to bring it."""
    region, config = candidate.region, view.config
    if candidate.carrier is None:
        return True
    person_px = view.perspective.height_at(region.box[1] + region.box[3]) or candidate.carrier.height_px
    return region.box[3] > config.person_height * person_px


def _is_alone(region: Region, alone_s: float, view: View) -> bool:
    """Whether nobody has been near, and the thing has been in plain view, for `alone_s`."""
    reach = _reach_px(region, view)
    around = grown(region.box, reach, view.shape)
    stirs = cv2.bitwise_not(cut(view.layers.static(view.config.hold_s), around))
    own = (region.box[0] - around[0], region.box[1] - around[1], region.box[2], region.box[3])
    cut(stirs, own)[:] = 0
    return all(
        cv2.countNonZero(cv2.bitwise_and(cut(moment.foreground, around), stirs)) < CROWD_SHARE * region.area_px
        and pixels_near(moment.foreground, region.box, reach) < STANDING_SHARE * region.area_px
        and _is_seen(moment.foreground, region)
        for moment in view.memory.since(view.at_s - alone_s)
    )


def _is_calm(region: Region, view: View) -> bool:
    """Whether the place itself shows now what it has settled on."""
    now = cut(view.layers.settles, region.box)[region.shape != 0]
    return float((now != 0).mean()) > CALM_SHARE


def _is_seen(foreground: Mask, region: Region) -> bool:
    seen = cv2.countNonZero(cv2.bitwise_and(cut(foreground, region.box), region.shape))
    return seen > SEEN_SHARE * cv2.countNonZero(region.shape)


def left_s(candidate: Candidate, view: View) -> float | None:
    """When somebody was last within reach of it; None when nobody is remembered."""
    region, reach = candidate.region, _reach_px(candidate.region, view)
    near = (
        moment.at_s
        for moment in view.memory.since(candidate.since_s)
        if pixels_near(moment.foreground, region.box, reach) >= CROWD_SHARE * region.area_px
    )
    return max(near, default=None)


def came_by(candidate: Candidate, view: View) -> Literal["foot", "vehicle", "unknown"]:
    """How whoever brought it came."""
    if candidate.carrier is None:
        return "unknown"
    box = candidate.carrier.box
    kind = kind_of(candidate.carrier, view.shape, view.perspective.height_at(box[1] + box[3]))
    return "vehicle" if kind == "vehicle" else "foot"
