"""Recognised bodies: the people, vehicles and animals that a learned detector sees, tracked from look to look.

A look shows the detector one part of the picture: that which holds everything that moves or is being judged, and from
time to time the whole. Nothing is looked at while nothing moves. All boxes are in pixels of the detector's small
picture; a look is taken on the source's own picture, where small people are larger.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from vision.detect.picture import Image, Mask, share_of
from vision.detect.port import BodyKind, ObjectDetector
from vision.detect.regions import Box, cut, gap_px, grow, hull_of, iou, shared_px
from vision.detect.tracks import BODY_GATE, Track, Tracker

LOOK_EVERY_S: Final = 0.5
SLOW_EVERY_S: Final = 2.0
"""Interval of the looks at what is being judged, and at bodies that stand, while nothing moves."""
STILL_AFTER_S: Final = 20.0
STILL_EVERY_S: Final = 6.0
"""Interval after nothing has moved for `STILL_AFTER_S`: further looks show the same again."""
WHOLE_EVERY_S: Final = 5.0
"""Interval at which a look shows the whole picture: somebody may stand where nothing is being judged."""
LOOKS_KEPT_S: Final = 40.0
LOST_S: Final = 2.1
"""A body that four looks in a row have not shown has gone; the small models miss one look in four."""
OCCUPIED_S: Final = 6.0
"""A place is not taken for empty before a body was seen there for the last time so long ago."""
EMPTY_LOOKS: Final = 4
"""Looks in a row after which a body of the background has left its place."""
SETTLED_S: Final = 300.0
"""After this a body of the background that stays (a tree taken for a person) is background as any other."""
CAME_WIDTHS: Final = 1.0
"""Minimum distance, in its widths, that a vehicle or an animal has moved to be one."""
STANDS_OUT_SHARE: Final = 0.15
"""Minimum share of foreground in the box of a body that came; stairs that are taken for a person have none."""
SCORE_MIN: Final = 0.35
"""Minimum score of a body: at lower scores the small models take bags for dogs and cars."""
STILL_SCORE_MIN: Final = 0.5
"""Minimum score of a body that is a part of the background: stairs are taken for a person at lower ones."""
MARGIN_SHARE: Final = 0.25
"""Margin around what is looked at, as a share of its longer side: a body needs its surroundings to be recognised."""
PART_SHARE_MIN: Final = 0.4
"""Minimum side of the part that is looked at, as a share of the picture's shorter side."""
WHOLE_SHARE: Final = 0.7
"""A part that covers more of the picture than this is the whole picture."""
COVERS_SHARE: Final = 0.35
"""Minimum share of the smaller of both boxes that a body and a region share if the region is that body."""
SAME_STILL: Final = 0.5
"""Intersection over union from which two boxes are one body of the background."""
LARGER_MAX: Final = 5.0
"""Maximum ratio of a body's box to the region's: a bag at the feet of a person is no part of the person."""


@dataclass(frozen=True)
class Body:
    """A recognised body at one look; `stands_out` if it is no part of the background. Only then it has a track."""

    kind: BodyKind
    box: Box
    stands_out: bool
    track: Track | None = None

    @property
    def is_there(self) -> bool:
        """Whether it came: people, and vehicles and animals that were seen elsewhere before.

        A bag is taken for an animal or a vehicle now and then, but is recognised at one place only.
        """
        return self.track is not None and (self.kind == "person" or self.track.widths_travelled > CAME_WIDTHS)


@dataclass(frozen=True)
class Look:
    """What one look showed of `part` at `at_s` seconds."""

    at_s: float
    part: Box
    bodies: tuple[Body, ...]


@dataclass
class _Still:
    """A body that is a part of the background; `empty_looks` is in how many looks in a row it was not there."""

    box: Box
    first_s: float
    empty_looks: int = 0


@dataclass(frozen=True)
class Geometry:
    """How the small picture lies in the source's: `scale` source pixels a pixel, after the shift of the sway."""

    scale: float
    shift_px: tuple[float, float] = (0.0, 0.0)

    def to_source(self, box: Box) -> Box:
        """A box in pixels of the source."""
        (left, top, width, height), (x, y) = box, self.shift_px
        return (
            round((left + x) * self.scale),
            round((top + y) * self.scale),
            round(width * self.scale),
            round(height * self.scale),
        )

    def to_small(self, box: Box) -> Box:
        """A box of the source in pixels of the small picture."""
        (left, top, width, height), (x, y) = box, self.shift_px
        return (
            round(left / self.scale - x),
            round(top / self.scale - y),
            max(1, round(width / self.scale)),
            max(1, round(height / self.scale)),
        )


class Recogniser:
    """The looks of one camera and the tracks of the bodies in them.

    Args:
        detector: The learned detector; None if there is none: then there are no looks and no tracks.
    """

    def __init__(self, detector: ObjectDetector | None) -> None:
        self._detector = detector
        self._tracker = Tracker(lost_s=LOST_S, gate=BODY_GATE)
        self._looks: deque[Look] = deque()
        self._still: list[_Still] = []
        self._looked_s = self._whole_due_s = self._moved_s = -1e9

    @property
    def is_present(self) -> bool:
        """Whether there is a learned detector."""
        return self._detector is not None and self._detector.is_ready

    @property
    def tracks(self) -> list[Track]:
        """Tracks of the bodies, those lost a short while ago too."""
        return self._tracker.tracks

    def clear(self) -> None:
        """Forget all looks and tracks: the camera shows something else."""
        self._looks.clear()
        self._still.clear()
        self._tracker.tracks.clear()
        self._looked_s = self._whole_due_s = -1e9

    def look(
        self,
        image: Image,
        at_s: float,
        moving: Sequence[Box],
        judged: Sequence[Box],
        foreground: Mask,
        geometry: Geometry,
    ) -> bool:
        """Take a look if one is due and there is something to look at; returns whether it was taken.

        Args:
            image: The source's picture, (height, width, 3) uint8, BGR.
            at_s: Its time in seconds.
            moving: What moves.
            judged: What is being judged, and where bodies stand.
            foreground: Where the small picture differs from the background.
            geometry: How the small picture lies in the source's.
        """
        boxes = [*moving, *judged]
        if moving:
            self._moved_s = at_s
        if not self.is_present or not boxes or at_s < self._looked_s + self._interval_s(at_s):
            return False
        picture: Box = (0, 0, foreground.shape[1], foreground.shape[0])
        part = picture if at_s >= self._whole_due_s else part_around(boxes, foreground.shape)
        if part == picture:
            self._whole_due_s = at_s + WHOLE_EVERY_S
        self._looked_s = at_s
        self._add(Look(at_s, part, tuple(self._recognise(image, part, foreground, geometry))))
        return True

    def shows_person(self, image: Image, box: Box, foreground: Mask, geometry: Geometry) -> bool:
        """Take a close look at a region alone: whether it is a person, or a part of one.

        Looks at all that moves show small people too small to be recognised.
        """
        bodies = self._recognise(image, part_around([box], foreground.shape), foreground, geometry)
        return any(body.kind == "person" and _covers(box, body.box) for body in bodies)

    def _interval_s(self, at_s: float) -> float:
        if at_s == self._moved_s:
            return LOOK_EVERY_S
        return SLOW_EVERY_S if at_s - self._moved_s < STILL_AFTER_S else STILL_EVERY_S

    def _recognise(self, image: Image, part: Box, foreground: Mask, geometry: Geometry) -> Iterator[Body]:
        assert self._detector is not None  # noqa: S101 - `look` has asked
        left, top, width, height = geometry.to_source(part)
        left, top = max(0, left), max(0, top)
        shown = image[top : top + height, left : left + width]
        if not shown.size:
            return
        for detection in self._detector.detect(np.ascontiguousarray(shown)):
            if detection.kind != "object" and detection.score >= SCORE_MIN:
                x, y, w, h = detection.box
                box = grow(geometry.to_small((left + x, top + y, w, h)), 0, foreground.shape)
                stands_out = min(box[2:]) > 0 and share_of(cut(foreground, box)) >= STANDS_OUT_SHARE
                if stands_out or detection.score >= STILL_SCORE_MIN:
                    yield Body(detection.kind, box, stands_out)

    def _add(self, look: Look) -> None:
        standing = [body for body in look.bodies if not body.stands_out]
        tracked = list[Body]()
        for kind in ("person", "vehicle", "animal"):
            bodies = [body for body in look.bodies if body.kind == kind and body.stands_out]
            tracks = self._tracker.follow([body.box for body in bodies], look.at_s, kind)
            tracked += [replace(body, track=track) for body, track in zip(bodies, tracks, strict=True)]
        self._looks.append(replace(look, bodies=(*standing, *tracked)))
        self._follow_still(look)
        while self._looks[0].at_s < look.at_s - LOOKS_KEPT_S:
            self._looks.popleft()

    def _follow_still(self, look: Look) -> None:
        """Add the bodies of the background, and drop those that looks at their place do not show any more."""
        boxes = [body.box for body in look.bodies if not body.stands_out]
        for still in self._still:
            if shared_px(look.part, still.box) == still.box[2] * still.box[3]:
                is_there = any(shared_px(box, still.box) > 0 for box in boxes)
                still.empty_looks = 0 if is_there else still.empty_looks + 1
        self._still = [still for still in self._still if still.empty_looks < EMPTY_LOOKS]
        for box in boxes:
            same = next((still for still in self._still if iou(box, still.box) >= SAME_STILL), None)
            if same is None:
                self._still.append(_Still(box, look.at_s))
            else:
                same.box = hull_of(box, same.box)

    def body_share(self, box: Box, since_s: float) -> tuple[float, int]:
        """Share of the looks since `since_s` seconds in which a region is a body, and the number of those looks."""
        looks = [look for look in self._looks if look.at_s >= since_s and shared_px(look.part, box) == box[2] * box[3]]
        if not looks:
            return 0.0, 0
        return sum(any(_is_in(box, body) for body in look.bodies) for look in looks) / len(looks), len(looks)

    def is_near(self, box: Box, reach_px: float, since_s: float, ignored: Mask | None) -> bool:
        """Whether a body was within reach of a box in a look since `since_s` seconds; none whose feet are ignored."""
        return any(
            gap_px(body.box, box) <= reach_px and not _stands_in(body.box, ignored)
            for look in self._looks
            if look.at_s >= since_s
            for body in look.bodies
            if body.is_there
        )

    def near(self, box: Box, from_s: float, to_s: float, reach_px: int) -> list[Track]:
        """Tracks of bodies within reach of a box between two times."""
        return self._tracker.near(box, from_s, to_s, reach_px)

    def recent_boxes(self, at_s: float) -> list[Box]:
        """Where the bodies are that were seen a short while ago, whether they move or not."""
        return [track.box for track in self.tracks if at_s - track.last_s <= LOST_S]

    def is_background(self, box: Box) -> bool:
        """Whether a body that is a part of the background is there."""
        return any(iou(box, still.box) >= SAME_STILL for still in self._still)

    def people(self, at_s: float) -> list[Track]:
        """The people of a look taken at `at_s` seconds."""
        return [track for track in self.tracks if track.kind == "person" and track.last_s == at_s]

    def mask(self, shape: tuple[int, ...], at_s: float) -> Mask:
        """(height, width) uint8, 0 or 255: the bodies that were seen a short while ago, and those of the background."""
        mask = np.zeros(shape[:2], np.uint8)
        for look in reversed(self._looks):
            if look.at_s < at_s - OCCUPIED_S:
                break
            for body in look.bodies:
                if body.stands_out:
                    cut(mask, body.box)[:] = 255
        for still in self._still:
            if at_s - still.first_s <= SETTLED_S:
                cut(mask, still.box)[:] = 255
        return mask


def part_around(boxes: Sequence[Box], shape: tuple[int, ...]) -> Box:
    """The part of a picture of (height, width) that shows all boxes with a margin: nearly square, not too small."""
    left, top, across, down = hull_of(*boxes)
    side = max(across, down) * (1 + 2 * MARGIN_SHARE)
    side = max(side, PART_SHARE_MIN * min(shape[:2]))
    width, height = (min(round(side), shape[1]), min(round(side), shape[0]))
    x = min(max(0, round(left + (across - width) / 2)), shape[1] - width)
    y = min(max(0, round(top + (down - height) / 2)), shape[0] - height)
    if width * height > WHOLE_SHARE * shape[0] * shape[1]:
        return 0, 0, shape[1], shape[0]
    return x, y, width, height


def _is_in(box: Box, body: Body) -> bool:
    """Whether a region is a body that came, or a part of it that is not small."""
    return body.is_there and _covers(box, body.box)


def _covers(box: Box, body: Box) -> bool:
    area, of_body = box[2] * box[3], body[2] * body[3]
    return of_body <= LARGER_MAX * area and shared_px(body, box) >= COVERS_SHARE * min(area, of_body)


def _stands_in(box: Box, mask: Mask | None) -> bool:
    """Whether the point on which a body stands is in a mask."""
    if mask is None:
        return False
    row, column = min(box[1] + box[3], mask.shape[0]) - 1, min(box[0] + box[2] // 2, mask.shape[1] - 1)
    return bool(mask[row, column])
