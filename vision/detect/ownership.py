"""Ownership of an object: who brought it and how, and has that person left; pure functions of a `FrameContext`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2

from vision.detect import recognition
from vision.detect.frame_context import Candidate, FrameContext
from vision.detect.picture import Mask
from vision.detect.recognition import LOOK_EVERY_S
from vision.detect.regions import Box, Region, cut, gap_px, grow, iou, pixels_near, shared_px
from vision.detect.tracks import LOST_S, Track, kind_of
from vision.detect.unloading import standing_vehicle

PERSON_SHARE: Final = 0.8
"""Foreground beside an object, as a share of the object's area, from which it is a person."""
CROWD_SHARE: Final = 0.25
STANDING_SHARE: Final = 1.2
"""`CROWD_SHARE` for static foreground: less is the object's own shadow."""
STILL_THERE_SHARE: Final = 0.2
"""Foreground in the last box of a person, as a share of the box, from which the person still stands there."""
THING_SHARE: Final = 0.4
"""Minimum intersection over union with the region, of all boxes of a track that is the object itself."""
CARRIER_LOOKS_MIN: Final = 2
"""A body that one look alone shows may be none."""
PICTURES_MIN: Final = 4
"""Minimum number of pictures in which a carrier is seen that does not pass fast."""
BODY_LOOKS_MIN: Final = 3
BODY_LOOKS_S: Final = 6.5
"""The looks of this time tell whether a region is a person, a vehicle or an animal."""
BODY_LOOKS_SHARE: Final = 0.34
"""Share of those looks from which it is: a model now and then takes a bag for a dog."""
PASSER_HEIGHTS: Final = 0.6
"""Maximum reach of a person beside an object, in heights of a person on that ground."""
SEEN_SHARE: Final = 0.5
BODY_SHARE: Final = 0.2
"""Minimum share of a person's box that the region of a standing trunk covers."""
SHRUNK, BECAME = 0.7, 0.5
"""A track that shrank to 70 % height inside the region follows the object, not the person; the second is the share of
the track's box that lies inside."""
COVERS_SHARE: Final = 0.5
"""Share of the region's box: a person who stands there was last seen covering at least this much of it."""
EDGE_SHARE: Final = 0.02
"""Margin as a share of the picture's longer side: a box so near to the edge is cut off, or was one picture ago."""
NAMED_S: Final = 10.0
"""Time within which the track of the carrier is chosen; by then it differs from those of passers-by."""
CAME_S: Final = 0.6
"""A track seen for so long before an object came to rest is not the object itself."""
BACK_S: Final = 0.4
"""Ignore foreground beside the region in the first 0.4 s: it is the object or its carrier."""
BEFORE_S: Final = 2.0
LEFT_HEIGHTS: Final = 0.7
"""Distance in heights of the owner beyond which the owner has left the object."""
REACH_MIN_PX: Final = 8


def note_carrier(candidate: Candidate, context: FrameContext) -> None:
    """Set `brought` and `carrier` of a candidate from the foreground and the tracks beside its region.

    A recognised person or vehicle is the carrier rather than a blob: a blob may be a hand, a shadow, or two people.
    """
    region, reach = candidate.region, _reach_px(candidate.region, context)
    if not candidate.brought:
        candidate.brought = any(
            pixels_near(entry.foreground, region.box, reach) >= PERSON_SHARE * region.area_px
            for entry in context.history.since(candidate.since_s + BACK_S)
        )
    if context.at_s - candidate.since_s < NAMED_S:
        window = (candidate.since_s - BEFORE_S, candidate.since_s + BEFORE_S, reach)
        recognised = [
            track
            for track in context.recogniser.near(region.box, *window)
            if kind_of(track, context.shape, None) != "thing"
            and len(track.path) >= CARRIER_LOOKS_MIN
            and track.first_s <= candidate.since_s + LOOK_EVERY_S
            and not _is_thing(track, region)
        ]
        blobs = (
            track
            for track in context.tracker.near(region.box, *window)
            if kind_of(track, context.shape, None) != "thing"
        )
        nearest = max(recognised or blobs, key=lambda track: _nearness(track, candidate), default=None)
        if nearest is not None and (nearest.kind or candidate.carrier is None or not candidate.carrier.kind):
            candidate.carrier = nearest
        if is_hardly_seen(candidate) and not candidate.is_searched:
            candidate.passer = context.recent.passer(region.box, candidate.since_s, context.min_area_px)
            candidate.is_searched = True
        candidate.vehicle = candidate.vehicle or standing_vehicle(region, candidate.since_s, context)
        is_known = candidate.carrier is not None or candidate.passer is not None
        candidate.brought = candidate.brought or is_known


def is_hardly_seen(candidate: Candidate) -> bool:
    """Whether no carrier is known, or one that so few pictures show that it may have passed fast."""
    return candidate.carrier is None or len(candidate.carrier.path) < PICTURES_MIN


def _is_thing(track: Track, region: Region) -> bool:
    """Whether a recognised body is the object itself, which the learned detector takes for one: it was always there."""
    return all(iou(box, region.box) >= THING_SHARE for _, box in track.path)


def _nearness(track: Track, candidate: Candidate) -> tuple[int, float]:
    """Sort key of a possible carrier: pixels of the region that the track covered, then its height."""
    box = track.box_at(candidate.since_s)
    return shared_px(box, candidate.region.box), track.height_px


def owner_has_left(candidate: Candidate, context: FrameContext) -> bool:
    """Whether the carrier is out of sight, or farther away than a person who minds the object."""
    owner = candidate.carrier
    if owner is None or (not owner.kind and context.at_s - owner.last_s > LOST_S):
        return True
    return _is_away(owner, candidate.region) or (bool(owner.kind) and _is_lost(owner, candidate.region, context))


def _is_away(owner: Track, region: Region) -> bool:
    """Whether an owner is farther away than a person who minds the object.

    The height of a body is that of now: who walks away from the camera shrinks. A blob also shrinks when its person
    sits down.
    """
    height_px = owner.present_height_px if owner.kind else owner.height_px
    return gap_px(owner.box, region.box) > LEFT_HEIGHTS * height_px


def _is_lost(owner: Track, region: Region, context: FrameContext) -> bool:
    """Whether a recognised owner is seen no more, and nothing is where the owner was, beside the region."""
    if context.at_s - owner.last_s <= recognition.LOST_S:
        return False
    box = grow(owner.box, 0, context.shape)
    place = cut(context.backgrounds.foreground, box).copy()
    left, top = region.box[0] - box[0], region.box[1] - box[1]
    place[max(0, top) : max(0, top + region.box[3]), max(0, left) : max(0, left + region.box[2])] = 0
    return cv2.countNonZero(place) < STILL_THERE_SHARE * place.size


def was_carried(candidate: Candidate, context: FrameContext) -> bool:
    """Whether the carrier went on without the object, which is hip-high at most and smaller than the carrier.

    A carrier last seen beside the object may be what stands there.
    """
    owner, region = candidate.carrier, candidate.region
    if owner is None or not was_left_behind(candidate, context) or may_be_body(candidate, context):
        return False
    low = region.box[3] <= context.config.carried_height * owner.height_px
    beside = owner.box_at(candidate.since_s)
    return (
        low
        and not _hangs(candidate, owner, context)
        and region.area_px < context.config.carried_height * beside[2] * beside[3]
    )


def may_be_body(candidate: Candidate, context: FrameContext) -> bool:
    """Whether the region may be the body of who came: not if a recognised owner has gone and no body is recognised."""
    owner, region = candidate.carrier, candidate.region
    if owner is not None and owner.kind and was_left_behind(candidate, context) and is_no_body(region, context):
        return False
    return is_body(region, candidate.since_s, context)


def is_body(region: Region, since_s: float, context: FrameContext) -> bool:
    """Whether a person or car came to the region and was not seen to leave: the region is then that body."""
    return bool(bodies_at(region, since_s, context))


def bodies_at(region: Region, since_s: float, context: FrameContext) -> list[Track]:
    """The tracks that came to a region about a time and were not seen to leave it."""
    near = context.tracker.near(region.box, since_s - BEFORE_S, since_s + BEFORE_S, 0)
    return [track for track in near if _stayed(track, region, since_s, context)]


def _stayed(track: Track, region: Region, since_s: float, context: FrameContext) -> bool:
    """Whether a track came to a region, covered it, and was not seen to leave."""
    box = track.box_at(since_s)
    return (
        track.first_s < since_s - CAME_S
        and shared_px(box, region.box) > COVERS_SHARE * region.box[2] * region.box[3]
        and region.area_px > BODY_SHARE * box[2] * box[3]
        and not _has_gone(track, region, context)
    )


def _has_gone(track: Track, region: Region, context: FrameContext) -> bool:
    """Whether a track was last seen away from a region, or at the picture's edge after a walk.

    When two people part, either track may go on: one that shrinks to the object has lost its person to another.
    """
    if track.kind:
        return _is_away(track, region) or _is_lost(track, region, context)
    if _is_away(track, region) or (kind_of(track, context.shape, None) != "thing" and is_cut(track.box, context)):
        return True
    within = shared_px(track.box, region.box) > BECAME * track.box[2] * track.box[3]
    if not within or track.box[3] >= SHRUNK * track.height_px:
        return False
    return any(
        other.first_s > track.first_s
        and gap_px(other.path[0][1], region.box) <= _reach_px(region, context)
        and other.height_px > context.config.carried_height * track.height_px
        and (_is_away(other, region) or is_cut(other.box, context))
        for other in context.tracker.tracks
    )


def is_cut(box: Box, context: FrameContext) -> bool:
    """Whether the picture's edge cuts a box off: its size is unknown then, it may be a car that stopped."""
    (left, top, width, height), edge = box, max(2, round(EDGE_SHARE * max(context.shape)))
    return left < edge or top < edge or left + width > context.shape[1] - edge or top + height > context.shape[0] - edge


def _hangs(candidate: Candidate, owner: Track, context: FrameContext) -> bool:
    """Whether a region ends higher above its owner's feet than objects are set down: a head does, a table not."""
    box, beside = candidate.region.box, owner.box_at(candidate.since_s)
    return beside[1] + beside[3] - box[1] - box[3] > context.config.carried_height * owner.height_px


def may_be_person(candidate: Candidate, context: FrameContext) -> bool:
    """Whether a region may be a standing person: as high as a person, or higher up than objects are set down."""
    region, owner = candidate.region, candidate.carrier
    if owner is not None and _hangs(candidate, owner, context):
        return True
    person_px = context.person_px(region.box) or (owner.height_px if owner else None)
    return person_px is not None and region.box[3] > context.config.person_height * person_px


def was_left_behind(candidate: Candidate, context: FrameContext) -> bool:
    """Whether the known carrier was seen to go on without the object."""
    return candidate.carrier is not None and _has_gone(candidate.carrier, candidate.region, context)


def is_recognised_body(region: Region, context: FrameContext) -> bool:
    """Whether the learned detector sees a person, a vehicle or an animal in the region."""
    share, _ = context.recogniser.body_share(region.box, context.at_s - BODY_LOOKS_S)
    return share > BODY_LOOKS_SHARE


def is_no_body(region: Region, context: FrameContext) -> bool:
    """Whether the learned detector has looked often enough and sees neither a person, a vehicle nor an animal."""
    share, looks = context.recogniser.body_share(region.box, context.at_s - BODY_LOOKS_S)
    return looks >= BODY_LOOKS_MIN and share <= BODY_LOOKS_SHARE


def is_alone(candidate: Candidate, alone_s: float, context: FrameContext) -> bool:
    """Whether for `alone_s` nobody was near the object and nothing hid it.

    Where people are recognised, once the owner was seen to go, only who touches the object is near. What moves where
    movement is ignored is not near.
    """
    region, owner = candidate.region, candidate.carrier
    is_left = context.recogniser.is_present and owner is not None
    is_left = is_left and (was_left_behind if owner and owner.kind else was_carried)(candidate, context)
    reach = REACH_MIN_PX if is_left else _reach_px(region, context)
    if context.recogniser.is_near(region.box, 0 if is_left else reach, context.at_s - alone_s, context.ignored):
        return False
    around = grow(region.box, reach, context.shape)
    stirs = cv2.bitwise_not(cut(context.backgrounds.static(context.config.hold_s), around))
    own = (region.box[0] - around[0], region.box[1] - around[1], region.box[2], region.box[3])
    cut(stirs, own)[:] = 0
    return all(
        cv2.countNonZero(cv2.bitwise_and(cut(counted, around), stirs)) < CROWD_SHARE * region.area_px
        and pixels_near(counted, region.box, reach) < STANDING_SHARE * region.area_px
        and _is_seen(foreground, region)
        for foreground, counted in _foregrounds_since(context.at_s - alone_s, context)
    )


def _foregrounds_since(from_s: float, context: FrameContext) -> Iterator[tuple[Mask, Mask]]:
    """Foregrounds since a time, each with the part in which movement counts."""
    for entry in context.history.since(from_s):
        counted = entry.foreground if context.ignored is None else entry.foreground & ~context.ignored
        yield entry.foreground, counted


def _is_seen(foreground: Mask, region: Region) -> bool:
    seen = cv2.countNonZero(cv2.bitwise_and(cut(foreground, region.box), region.shape))
    return seen > SEEN_SHARE * cv2.countNonZero(region.shape)


def _reach_px(region: Region, context: FrameContext) -> int:
    """Reach of a person beside an object: by the object's size, at most as far as a person on that ground reaches."""
    reach = context.config.near * max(region.box[2:])
    person_px = context.person_px(region.box)
    return max(REACH_MIN_PX, int(reach if person_px is None else min(reach, PASSER_HEIGHTS * person_px)))


def left_s(candidate: Candidate, context: FrameContext) -> float | None:
    """Time in seconds at which somebody was last within reach of the object; None if nobody is in the history."""
    region, reach = candidate.region, _reach_px(candidate.region, context)
    near = (
        entry.at_s
        for entry in context.history.since(candidate.since_s)
        if pixels_near(entry.foreground, region.box, reach) >= CROWD_SHARE * region.area_px
    )
    return max(near, default=None)
