"""Who passed too fast to be tracked: pictures of the last seconds, with those that the detector skips, searched once.

A thing that is thrown from a motorbike lies there, and nobody was near it in any two pictures that are processed. The
pictures are small and grey. They are searched only when a static region has no known carrier.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from vision.detect.picture import Image, Levels, gray_of, median_of
from vision.detect.regions import Box, gap_px, hull_of
from vision.detect.tracks import Gate, Track, Tracker

KEPT_S: Final = 6.0
"""A region is static 2 s after it came, and is judged within another second."""
ENTRIES_MAX: Final = 72
HALF: Final = 2
"""Pixels of the detector's small picture a pixel of a recent one, along each side."""
BEFORE_S, AFTER_S = 1.2, 0.8
"""Time searched before and after an object came to rest: it flies for less than a second."""
LEVELS: Final = 25
"""Difference in levels from the median of the pictures from which something moves."""
GATE: Final = Gate(near_heights=0.5, fast_heights_s=12.0, like=0.5)
"""Up to 60 km/h for a rider, whose height is that of a person."""
BOXES_MIN: Final = 3
"""Minimum number of pictures that show a passer: any two blobs lie on a line."""
SPEED_MIN_HEIGHTS_S: Final = 2.5
"""Lower speeds are those of people, whom the tracker follows."""
STEP_MIN_S: Final = 1e-3
"""Pictures of a burst may have one time."""
TURN_SHARE: Final = 0.25
"""Maximum distance of the path's boxes from its straight line, as a share of its length."""
REACH_HEIGHTS: Final = 0.5
"""Maximum distance of the path from the object, in the passer's heights."""


class RecentPictures:
    """Grey pictures of the last `KEPT_S` at half the size of the small picture."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, Levels]] = deque(maxlen=ENTRIES_MAX)

    def add(self, at_s: float, image: Image, scale: float) -> None:
        """Add a picture.

        Args:
            at_s: Its time in seconds.
            image: The source's picture, (height, width, 3) uint8, BGR.
            scale: Pixels of the source a pixel of the small picture.
        """
        size = (max(1, round(image.shape[1] / scale / HALF)), max(1, round(image.shape[0] / scale / HALF)))
        small = cv2.blur(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), (3, 3))
        self._entries.append((at_s, gray_of(small)))
        while self._entries[0][0] < at_s - KEPT_S:
            self._entries.popleft()

    def clear(self) -> None:
        """Delete all pictures."""
        self._entries.clear()

    def passer(self, box: Box, since_s: float, min_area_px: int) -> Track | None:
        """Who passed fast and in a straight line by a box about `since_s` seconds; None if nobody did.

        Args:
            box: What came to rest, in pixels of the small picture.
            since_s: When it came to rest.
            min_area_px: Minimum area of a passer, in pixels of the small picture.
        """
        entries = [(at_s, gray) for at_s, gray in self._entries if since_s - BEFORE_S <= at_s <= since_s + AFTER_S]
        if len(entries) < BOXES_MIN:
            return None
        tracker = Tracker(gate=GATE)
        empty = median_of([gray for _, gray in self._entries])
        for at_s, gray in entries:
            moving = cv2.compare(cv2.absdiff(gray, empty), LEVELS, cv2.CMP_GT).astype(np.uint8, copy=False)
            tracker.step(moving, at_s, min_area_px // HALF**2)
        paths = [_enlarge(track) for track in tracker.tracks]
        passers = [
            track for track in paths if is_fast(track.path) and _gap_px(track, box) <= REACH_HEIGHTS * track.height_px
        ]
        return min(passers, key=lambda track: _gap_px(track, box), default=None)


def is_fast(path: Sequence[tuple[float, Box]]) -> bool:
    """Whether a path of (seconds, box) goes straight on, faster than people, in at least `BOXES_MIN` pictures."""
    if len(path) < BOXES_MIN:
        return False
    feet = np.array([(box[0] + box[2] / 2, box[1] + box[3]) for _, box in path])
    way = feet[-1] - feet[0]
    length_px = float(np.hypot(*way))
    steps_s = np.maximum(np.diff([at_s for at_s, _ in path]), STEP_MIN_S)
    height_px = float(np.median([box[3] for _, box in path]))
    speeds = np.hypot(*np.diff(feet, axis=0).T) / steps_s / max(1.0, height_px)
    if length_px == 0 or float(np.median(speeds)) < SPEED_MIN_HEIGHTS_S:
        return False
    beside = np.abs((feet - feet[0]) @ np.array([way[1], -way[0]])) / length_px
    goes_on = (np.diff(feet, axis=0) @ way > 0).all()
    return bool(goes_on) and float(beside.max()) <= TURN_SHARE * length_px


def _gap_px(track: Track, box: Box) -> int:
    """Distance of a path from a box: between two pictures it was everywhere between its places in them."""
    return min(gap_px(hull_of(before, after), box) for (_, before), (_, after) in pairwise(track.path))


def _enlarge(track: Track) -> Track:
    """A track in pixels of the small picture, of a vehicle: nobody on foot is as fast."""
    larger = Track(track.id, "vehicle")
    larger.path.extend((at_s, (x * HALF, y * HALF, w * HALF, h * HALF)) for at_s, (x, y, w, h) in track.path)
    return larger
