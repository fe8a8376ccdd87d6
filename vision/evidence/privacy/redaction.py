"""Redaction: the files of a case, made from the recorded frames, with every person masked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from city.inventory.zones import Zone
from vision.detect.regions import iou, shared_px
from vision.evidence.pictures import CLIP_FPS, Box, Image, draw_box, from_jpeg, resize, to_jpeg, to_webm
from vision.evidence.privacy.masking import PersonMasks
from vision.evidence.privacy.mosaic import BLOCKS_PX, Areas, pixelate, pixelate_all
from vision.evidence.privacy.people_detector import PeopleDetector
from vision.evidence.recorder import RecordedFrame
from vision.evidence.stills import burn_masks

CLIP_BEFORE_S: Final = 10.0
CLIP_AFTER_S: Final = 10.0
SEARCH_EVERY_S: Final = 1.9
"""Interval of the pictures in which the people detector is run."""
SEARCH_REACH_S: Final = 1.2
SAME_LEVELS: Final = 16.0
"""Mean difference of a block, in levels, above which the object is hidden by somebody."""
SAME_BLOCK_PX: Final = 8
OWN_SHARE: Final = 0.3
"""Intersection over union from which a box is the object itself, seen before it was reported."""
COVERED_SHARE: Final = 0.25
PERSON_HEIGHTS_MIN: Final = 0.5
"""Minimum size of an object, in heights of a person, in which somebody may be: who crouches is that high."""


@dataclass(frozen=True)
class ObjectAlarm:
    """State at the time of an alarm; boxes in the pixels of `picture`.

    `picture` is the scene with the object, `background` the scene without it: (height, width, 3) uint8, BGR, of one
    size.
    """

    box: Box
    since_s: float
    at_s: float
    picture: Image
    background: Image
    people: tuple[Box, ...]
    size_heights: float | None = None
    """Longer side of the object in heights of a person on that ground; None if these are unknown."""


@dataclass(frozen=True)
class RedactedEvidence:
    """Files by name: `files` are redacted, `clear` are not and may be stored encrypted only."""

    files: Mapping[str, bytes]
    clear: Mapping[str, bytes]


class Redactor:
    """Redacts one case. If there is no time for the people detector, everything but the object is pixelated.

    Args:
        alarm: The alarm.
        frames: The recording, oldest first, at least one frame, of the size of the alarm's picture.
        masks: Zones of the camera; those of kind mask are black in every file.
        hurried: Whether there is no time left.
        people_detector: Detects the people of a picture.
    """

    def __init__(
        self,
        alarm: ObjectAlarm,
        frames: Sequence[RecordedFrame],
        masks: Sequence[Zone],
        hurried: Callable[[], bool],
        people_detector: PeopleDetector,
    ) -> None:
        self._alarm = alarm
        self._masks = masks
        self._hurried = hurried
        self._frames = list(frames)
        self._times = [frame.at_s for frame in frames]
        self._height, self._width = alarm.picture.shape[:2]
        self._masks_of_people = PersonMasks(frames, self._width, self._height)
        self._people_detector = people_detector
        self._searched: list[float] = []

    def redact(self, *, clear: bool) -> RedactedEvidence:
        """All files of the case; with `clear`, also the unredacted ones.

        Raises:
            OSError: The clip could not be encoded.
        """
        alarm, put_down_frame = self._alarm, self._at(self._alarm.since_s)
        put_down = from_jpeg(put_down_frame.jpeg)
        self._search(put_down, put_down_frame.at_s)
        self._search(alarm.picture, alarm.at_s)
        before = self._before()
        self._search_clip()
        files = {
            "before.jpg": to_jpeg(before),
            "deposit.jpg": to_jpeg(self._redact(put_down, put_down_frame.at_s)),
            "after.jpg": to_jpeg(draw_box(self._redact(alarm.picture, alarm.at_s), alarm.box)),
            "clip.webm": to_webm(self._clip(self._redact), self._width, self._height),
        }
        return RedactedEvidence(files, self._clear(put_down) if clear else {})

    def _clear(self, put_down: Image) -> dict[str, bytes]:
        def mask_zones(picture: Image, _at_s: float) -> Image:
            return burn_masks(picture, self._masks)

        return {
            "deposit.jpg": to_jpeg(mask_zones(put_down, 0.0)),
            "after.jpg": to_jpeg(draw_box(mask_zones(self._alarm.picture, 0.0), self._alarm.box)),
            "clip.webm": to_webm(self._clip(mask_zones), self._width, self._height),
        }

    def _at(self, at_s: float) -> RecordedFrame:
        """The newest frame at `at_s`; the oldest one if there is none."""
        return self._frames[max(0, bisect_right(self._times, at_s) - 1)]

    def _clip_frames(self) -> list[RecordedFrame]:
        """Frames of the clip at `CLIP_FPS`; a frame is repeated until the next one, so that the speed stays true."""
        since_s = self._alarm.since_s
        begin_s = max(since_s - CLIP_BEFORE_S, self._times[0])
        end_s = max(begin_s, min(since_s + CLIP_AFTER_S, self._times[-1]))
        count = int((end_s - begin_s) * CLIP_FPS) + 1
        return [self._at(begin_s + index / CLIP_FPS) for index in range(count)]

    def _clip(self, process: Callable[[Image, float], Image]) -> Iterator[Image]:
        last: RecordedFrame | None = None
        picture = self._alarm.picture
        for frame in self._clip_frames():
            if frame is not last:
                last, picture = frame, process(from_jpeg(frame.jpeg), frame.at_s)
            yield picture

    def _search_clip(self) -> None:
        """Search pictures of the clip until none is farther than `SEARCH_REACH_S` from a searched one."""
        frames = self._clip_frames()
        while not self._hurried():
            far = next((frame for frame in frames if not self._is_searched(frame.at_s)), None)
            if far is None:
                return
            reached = [frame for frame in frames if far.at_s <= frame.at_s <= far.at_s + SEARCH_EVERY_S / 2]
            self._search(from_jpeg(reached[-1].jpeg), reached[-1].at_s)

    def _is_searched(self, at_s: float) -> bool:
        """Whether a picture near enough was searched."""
        return any(abs(at_s - searched_s) <= SEARCH_REACH_S for searched_s in self._searched)

    def _search(self, picture: Image, at_s: float) -> None:
        if not self._hurried():
            detector = self._people_detector
            shapes, recognised = detector.detect_shapes(picture), detector.recognise(picture)
            self._masks_of_people.add_bodies(picture, at_s, SEARCH_REACH_S, shapes, recognised)
            self._searched.append(at_s)

    def areas_at(self, picture: Image, at_s: float) -> Areas:
        """Areas hidden in the picture at `at_s`, after `redact`; everything if no search was near for want of time."""
        if self._is_searched(at_s):
            return self._masks_of_people.areas_at(picture, at_s)
        return {BLOCKS_PX[-1]: np.ones((self._height, self._width), np.bool_)}

    def _redact(self, picture: Image, at_s: float) -> Image:
        """Hide the people of a picture."""
        shown = pixelate(picture, self.areas_at(picture, at_s))
        if self._is_object_visible(picture, at_s):
            visible = self._object_mask()
            shown[visible] = picture[visible]
        return burn_masks(shown, self._masks)

    def _before(self) -> Image:
        """The redacted background: it may have learnt a person who stood still, or who has left meanwhile."""
        background = self._alarm.background
        if self._hurried():
            return burn_masks(pixelate_all(background, BLOCKS_PX[-1]), self._masks)
        return burn_masks(pixelate(background, self.areas_of_background()), self._masks)

    def areas_of_background(self) -> Areas:
        """Areas hidden in the picture of the background; searches it for people."""
        background, alarm, detector = self._alarm.background, self._alarm, self._people_detector
        others = [box for box in alarm.people if iou(box, alarm.box) < OWN_SHARE]
        shapes, recognised = detector.detect_shapes(background), detector.recognise(background)
        return self._masks_of_people.areas_of_background(background, shapes, [*others, *recognised])

    def _object_mask(self) -> NDArray[np.bool_]:
        """(height, width) bool: the object without the people who were recognised in its place in any picture.

        What is too low for a person is the object itself, which the learned detector has taken for one.
        """
        mask = np.zeros((self._height, self._width), np.bool_)
        mask[self._object()] = True
        size = self._alarm.size_heights
        if size is None or size >= PERSON_HEIGHTS_MIN:
            for left, top, width, height in self._masks_of_people.person_boxes:
                mask[max(0, top) : top + height, max(0, left) : left + width] = False
        return mask

    def _object(self) -> tuple[slice, slice]:
        left, top, width, height = self._alarm.box
        return slice(max(0, top), top + height), slice(max(0, left), left + width)

    def _is_object_visible(self, picture: Image, at_s: float) -> bool:
        """Whether the object is in plain view: it looks as in the alarm's picture, and no other box covers it."""
        box = self._alarm.box
        others = [person for person in self._masks_of_people.people_at(at_s) if iou(person, box) < OWN_SHARE]
        if any(shared_px(person, box) > COVERED_SHARE * box[2] * box[3] for person in others):
            return False
        seen, known = (cv2.blur(image[self._object()], (3, 3)) for image in (picture, self._alarm.picture))
        differs = np.asarray(cv2.absdiff(seen, known), np.float32).mean(axis=2)
        rows, columns = (max(1, side // SAME_BLOCK_PX) for side in differs.shape)
        return float(cv2.resize(differs, (columns, rows), interpolation=cv2.INTER_AREA).max()) < SAME_LEVELS


def areas_of_still(background: Image, frames: Sequence[RecordedFrame], people_detector: PeopleDetector) -> Areas:
    """Areas hidden in a still of the background; the newest frame is searched too, in which people are sharper.

    Args:
        background: (height, width, 3) uint8, BGR.
        frames: The recording, oldest first.
        people_detector: Detects the people of a picture.
    """
    height, width = background.shape[:2]
    masks = PersonMasks(frames, width, height)
    if frames:
        newest = resize(from_jpeg(frames[-1].jpeg), width, height)
        masks.add_bodies(newest, frames[-1].at_s, 0.0, (), people_detector.recognise(newest))
    shapes, recognised = people_detector.detect_shapes(background), people_detector.recognise(background)
    return masks.areas_of_background(background, shapes, recognised)
