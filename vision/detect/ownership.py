"""Who brought a thing, how, and have they gone; pure functions over what is known at one picture."""

from __future__ import annotations

from typing import Final, Literal

import cv2

from vision.detect.frame_context import Candidate, View
from vision.detect.picture import Mask
from vision.detect.regions import Box, Region, cut, gap_px, grown, pixels_near, shared_px
from vision.detect.tracks import LOST_S, Track, kind_of

PERSON_SHARE: Final = 0.8
"""Foreground beside an object, as a share of the object's area, that counts as somebody."""
CROWD_SHARE: Final = 0.25
STANDING_SHARE: Final = 1.2
"""The same for what keeps still: less is the shadow of the object itself."""
SEEN_SHARE: Final = 0.5
BODY_SHARE: Final = 0.2
"""Of somebody's box: a trunk that keeps still is more."""
SHRUNK, BECAME = 0.7, 0.5
"""Of somebody's height, and of his box: a track that ends so small and within a place is of what was left."""
COVERS_SHARE: Final = 0.5
"""Of a place: somebody who stands there was last seen before as much of it."""
EDGE_SHARE: Final = 0.02
"""Of the picture: what comes so near to its edge is cut by it, or was the moment before."""
NAMED_S: Final = 10.0
"""By then whoever brought a thing has come or gone far enough to be told from passers-by."""
CAME_S: Final = 0.6
"""Who was seen for so long before a thing came to rest is not the thing itself."""
BACK_S: Final = 0.4
"""From when on somebody beside a thing has brought it: before, the moving blob is the thing itself, or its owner."""
BEFORE_S: Final = 2.0
LEFT_HEIGHTS: Final = 0.7
"""Of an owner's height: who is farther away than this has left the thing."""
REACH_MIN_PX: Final = 8


def note_carrier(candidate: Candidate, view: View) -> None:
    """Find out who was beside the place when the thing already lay there."""
    region, reach = candidate.region, _reach_px(candidate.region, view)
    if not candidate.brought:
        candidate.brought = any(
            pixels_near(moment.foreground, region.box, reach) >= PERSON_SHARE * region.area_px
            for moment in view.memory.since(candidate.since_s + BACK_S)
        )
    if view.at_s - candidate.since_s < NAMED_S:
        near = view.tracker.near(region.box, candidate.since_s - BEFORE_S, candidate.since_s + BEFORE_S, reach)
        walked = (track for track in near if kind_of(track, view.shape, None) != "thing")
        candidate.carrier = max(walked, key=lambda track: _nearness(track, candidate), default=candidate.carrier)
        candidate.brought = candidate.brought or candidate.carrier is not None


def _nearness(track: Track, candidate: Candidate) -> tuple[int, float]:
    """How well somebody fits as the one who brought a thing: how much of it he stood before, and how large he is."""
    box = track.box_at(candidate.since_s)
    return shared_px(box, candidate.region.box), track.height_px


def owner_has_left(candidate: Candidate, view: View) -> bool:
    """Whether whoever brought a thing is out of sight, or farther from it than somebody who minds it."""
    owner = candidate.carrier
    if owner is None or view.at_s - owner.last_s > LOST_S:
        return True
    return _is_away(owner, candidate.region)


def _is_away(owner: Track, region: Region) -> bool:
    return gap_px(owner.box, region.box) > LEFT_HEIGHTS * owner.height_px


def was_carried(candidate: Candidate, view: View) -> bool:
    """Whether somebody was seen to go on without it: it reaches no higher than his hip, and is smaller than he.

    Who was last seen beside it and no more since has not gone on: he may be what stands there.
    """
    owner, region = candidate.carrier, candidate.region
    if owner is None or not was_left_behind(candidate, view) or is_body(region, candidate.since_s, view):
        return False
    low = region.box[3] <= view.config.carried_height * owner.height_px
    beside = owner.box_at(candidate.since_s)
    return (
        low
        and not _hangs(candidate, owner, view)
        and region.area_px < view.config.carried_height * beside[2] * beside[3]
    )


def is_body(region: Region, since_s: float, view: View) -> bool:
    """Whether somebody, or a car, came to a place and was not seen to leave it: he is what stands there."""
    came = view.tracker.near(region.box, since_s - BEFORE_S, since_s + BEFORE_S, 0)
    covers = COVERS_SHARE * region.box[2] * region.box[3]
    return any(
        track.first_s < since_s - CAME_S
        and shared_px(track.box_at(since_s), region.box) > covers
        and region.area_px > BODY_SHARE * track.box_at(since_s)[2] * track.box_at(since_s)[3]
        and not _has_gone(track, region, view)
        for track in came
    )


def _has_gone(track: Track, region: Region, view: View) -> bool:
    """Whether somebody was last seen away from a place, or at the picture's edge after a walk.

    When two part, it is luck whose track goes on: one that shrinks to what was left has gone with the other.
    """
    if _is_away(track, region) or (kind_of(track, view.shape, None) != "thing" and is_cut(track.box, view)):
        return True
    within = shared_px(track.box, region.box) > BECAME * track.box[2] * track.box[3]
    if not within or track.box[3] >= SHRUNK * track.height_px:
        return False
    return any(
        other.first_s > track.first_s
        and gap_px(other.path[0][1], region.box) <= _reach_px(region, view)
        and other.height_px > view.config.carried_height * track.height_px
        and (_is_away(other, region) or is_cut(other.box, view))
        for other in view.tracker.tracks
    )


def is_cut(box: Box, view: View) -> bool:
    """Whether the picture's edge cuts something off: how large it is cannot be seen, it may be a car that stopped."""
    (left, top, width, height), edge = box, max(2, round(EDGE_SHARE * max(view.shape)))
    return left < edge or top < edge or left + width > view.shape[1] - edge or top + height > view.shape[0] - edge


def _hangs(candidate: Candidate, owner: Track, view: View) -> bool:
    """Whether a place ends higher above its owner's feet than things are set down: a table is, a head is not."""
    box, beside = candidate.region.box, owner.box_at(candidate.since_s)
    return beside[1] + beside[3] - box[1] - box[3] > view.config.carried_height * owner.height_px


def may_be_person(candidate: Candidate, view: View) -> bool:
    """Whether a place may be somebody who stands there: as high as a person, or higher up than things are set down."""
    region, owner = candidate.region, candidate.carrier
    if owner is not None and _hangs(candidate, owner, view):
        return True
    person_px = view.perspective.height_at(region.box[1] + region.box[3]) or (owner.height_px if owner else None)
    return person_px is not None and region.box[3] > view.config.person_height * person_px


def was_left_behind(candidate: Candidate, view: View) -> bool:
    """Whether somebody who is known was seen to go on without it."""
    return candidate.carrier is not None and _has_gone(candidate.carrier, candidate.region, view)


def is_alone(region: Region, alone_s: float, view: View) -> bool:
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


def _is_seen(foreground: Mask, region: Region) -> bool:
    seen = cv2.countNonZero(cv2.bitwise_and(cut(foreground, region.box), region.shape))
    return seen > SEEN_SHARE * cv2.countNonZero(region.shape)


def _reach_px(region: Region, view: View) -> int:
    return max(REACH_MIN_PX, int(view.config.near * max(region.box[2:])))


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
