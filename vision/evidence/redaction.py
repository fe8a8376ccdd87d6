"""From memory to files: what a case keeps of a deposit, with nobody in it who could be known again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from city.zones import Zone
from vision.detect.regions import overlap, shared_px
from vision.evidence.masking import Hiding
from vision.evidence.mosaic import BLOCKS_PX, in_blocks, pixelated
from vision.evidence.people_detector import Bodies
from vision.evidence.pictures import CLIP_FPS, Box, Image, framed, from_jpeg, to_jpeg, to_webm
from vision.evidence.recorder import Moment
from vision.stills import burn_masks

CLIP_BEFORE_S: Final = 10.0
CLIP_AFTER_S: Final = 10.0
SEARCH_EVERY_S: Final = 1.9
"""Bodies are looked for in pictures so far apart."""
SEARCH_REACH_S: Final = 1.2
SAME_LEVELS: Final = 16.0
"""Mean difference of a block of the object to what it looks like when nobody is near."""
SAME_BLOCK_PX: Final = 8
OWN_SHARE: Final = 0.3
"""A box that overlaps the object's by so much is the object itself, seen before it was reported."""
COVERED_SHARE: Final = 0.25


@dataclass(frozen=True)
class Alarm:
    """What is known when a deposit is reported; boxes in the pixels of `picture`.

    `picture` is the scene with the object alone, `background` the one without it: (height, width, 3) uint8, BGR, of
    one size.
    """

    box: Box
    since_s: float
    at_s: float
    picture: Image
    background: Image
    people: tuple[Box, ...]


@dataclass(frozen=True)
class Developed:
    """Files by name: without people, and with them where that was asked for; these may only be stored sealed."""

    files: Mapping[str, bytes]
    clear: Mapping[str, bytes]


class Darkroom:
    """Develops one case. Where there is no time to look for bodies, all but the object is mosaic.

    Args:
        alarm: What was reported.
        moments: The record, oldest first, at least one, of the size of the alarm's picture.
        masks: Zones of the camera; those of kind mask are black in everything.
        hurried: Whether there is no time left.
    """

    def __init__(
        self, alarm: Alarm, moments: Sequence[Moment], masks: Sequence[Zone], hurried: Callable[[], bool]
    ) -> None:
        """Look at the record; nothing is developed yet."""
        self._alarm = alarm
        self._masks = masks
        self._hurried = hurried
        self._moments = list(moments)
        self._times = [moment.at_s for moment in moments]
        self._height, self._width = alarm.picture.shape[:2]
        self._hiding = Hiding(moments, self._width, self._height)
        self._bodies = Bodies()
        self._searched: list[float] = []

    def develop(self, *, clear: bool) -> Developed:
        """Everything that is kept; with `clear`, also the pictures with their people.

        Raises:
            OSError: The clip could not be encoded.
        """
        alarm, deposit = self._alarm, self._at(self._alarm.since_s)
        put_down = from_jpeg(deposit.jpeg)
        self._search(put_down, deposit.at_s)
        self._search(alarm.picture, alarm.at_s)
        before = self._before()
        for moment in self._clip_moments():
            if all(abs(moment.at_s - at_s) >= SEARCH_EVERY_S for at_s in self._searched):
                self._search(from_jpeg(moment.jpeg), moment.at_s)
        files = {
            "before.jpg": to_jpeg(before),
            "deposit.jpg": to_jpeg(self._hidden(put_down, deposit.at_s)),
            "after.jpg": to_jpeg(framed(self._hidden(alarm.picture, alarm.at_s), alarm.box)),
            "clip.webm": to_webm(self._clip(self._hidden), self._width, self._height),
        }
        return Developed(files, self._clear(put_down) if clear else {})

    def _clear(self, put_down: Image) -> dict[str, bytes]:
        def as_it_was(picture: Image, _at_s: float) -> Image:
            return burn_masks(picture, self._masks)

        return {
            "deposit.jpg": to_jpeg(as_it_was(put_down, 0.0)),
            "after.jpg": to_jpeg(framed(as_it_was(self._alarm.picture, 0.0), self._alarm.box)),
            "clip.webm": to_webm(self._clip(as_it_was), self._width, self._height),
        }

    def _at(self, at_s: float) -> Moment:
        """What was seen last at a second; the oldest where nothing was yet."""
        return self._moments[max(0, bisect_right(self._times, at_s) - 1)]

    def _clip_moments(self) -> list[Moment]:
        """The pictures of the clip; one that was held for lack of another comes again, so that time is not bent."""
        since_s = self._alarm.since_s
        begin_s = max(since_s - CLIP_BEFORE_S, self._times[0])
        end_s = max(begin_s, min(since_s + CLIP_AFTER_S, self._times[-1]))
        count = int((end_s - begin_s) * CLIP_FPS) + 1
        return [self._at(begin_s + index / CLIP_FPS) for index in range(count)]

    def _clip(self, treat: Callable[[Image, float], Image]) -> Iterator[Image]:
        last: Moment | None = None
        picture = self._alarm.picture
        for moment in self._clip_moments():
            if moment is not last:
                last, picture = moment, treat(from_jpeg(moment.jpeg), moment.at_s)
            yield picture

    def _search(self, picture: Image, at_s: float) -> None:
        if not self._hurried():
            self._hiding.add_bodies(at_s, SEARCH_REACH_S, self._bodies.find(picture))
            self._searched.append(at_s)

    def _hidden(self, picture: Image, at_s: float) -> Image:
        """A picture as it may be stored."""
        if any(abs(at_s - searched_s) <= SEARCH_REACH_S for searched_s in self._searched):
            shown = pixelated(picture, self._hiding.areas_at(at_s))
        else:
            shown = in_blocks(picture, BLOCKS_PX[-1])
        if self._object_is_free(picture, at_s):
            where = self._object()
            shown[where] = picture[where]
        return burn_masks(shown, self._masks)

    def _before(self) -> Image:
        """The background as it may be stored: it may have learnt somebody who stood still, or has gone meanwhile."""
        background, alarm = self._alarm.background, self._alarm
        if self._hurried():
            return burn_masks(in_blocks(background, BLOCKS_PX[-1]), self._masks)
        others = [box for box in alarm.people if overlap(box, alarm.box) < OWN_SHARE]
        areas = self._hiding.areas_of_background(self._bodies.find(background), others)
        return burn_masks(pixelated(background, areas), self._masks)

    def _object(self) -> tuple[slice, slice]:
        left, top, width, height = self._alarm.box
        return slice(max(0, top), top + height), slice(max(0, left), left + width)

    def _object_is_free(self, picture: Image, at_s: float) -> bool:
        """Whether nobody stands before the object: it looks as when nobody was near, and no one's box covers it."""
        box = self._alarm.box
        others = [one for one in self._hiding.people_at(at_s) if overlap(one, box) < OWN_SHARE]
        if any(shared_px(one, box) > COVERED_SHARE * box[2] * box[3] for one in others):
            return False
        seen, known = (cv2.blur(one[self._object()], (3, 3)) for one in (picture, self._alarm.picture))
        differs = np.asarray(cv2.absdiff(seen, known), np.float32).mean(axis=2)
        rows, columns = (max(1, side // SAME_BLOCK_PX) for side in differs.shape)
        return float(cv2.resize(differs, (columns, rows), interpolation=cv2.INTER_AREA).max()) < SAME_LEVELS
