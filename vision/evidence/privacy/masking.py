"""Person masks: the areas of each picture to hide, from three independent sources, over time around the picture.

The boxes of the abandoned-object detector show people in front of the background. Motion shows everybody who walks or
sways, without a background. The people detector shows those that neither of the two does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.evidence.pictures import Box, Image
from vision.evidence.privacy.mosaic import block_for
from vision.evidence.privacy.motion import HEIGHT_PX, WIDTH_PX, Mask, unpack
from vision.evidence.privacy.stillness import View, is_alike, small_view
from vision.evidence.recorder import RecordedFrame

NEAR_S: Final = 0.9
"""Detections this long before or after a picture are masked in it, so that none is missed between two pictures."""
STAY_S: Final = 6.0
"""Span before and after a picture in which a standing person's swaying is counted."""
STAY_SHARE_MIN: Final = 0.65
"""Minimum share of these seconds with motion; where people pass one after another it is a half."""
STAY_SECONDS_MIN: Final = 4
GONE_S: Final = 1.5
"""Without motion for this long before and after, a standing person has left."""
LIVE_S: Final = 3.0
LIVE_CELLS_MIN: Final = 6
CORE: Final = -0.2
"""Negative margin, a share of each side, that cuts a box down to the body."""
CELLS_MIN: Final = 8
"""Minimum size of a moving blob; a cell is four by four pixels of 640 x 480."""
CLOSE: Final = np.ones((9, 9), np.uint8)
"""Joins head, hands and feet of one body."""
GROW: Final = np.ones((7, 5), np.uint8)
THICKNESS_TO_HEIGHT: Final = 1.6
"""Aspect-ratio limit between a standing person (2.5) and a walking trace (1)."""
BLOB_HEIGHT_MAX_PX: Final = 320.0
"""Cap of a blob's estimated height: thicker blobs are several people side by side, or a shadow."""
MARGIN: Final = 0.15
MARGIN_MIN_PX: Final = 8


class PersonMasks:
    """Person masks of a recording, at any second.

    Args:
        frames: The recording, oldest first.
        width_px: Width of its pictures.
        height_px: Height of its pictures.
    """

    def __init__(self, frames: Sequence[RecordedFrame], width_px: int, height_px: int) -> None:
        self._at_s = np.array([frame.at_s for frame in frames])
        self._people = [frame.people for frame in frames]
        self._stepped = np.array([unpack(frame.motion.stepped) for frame in frames])
        self._swayed = np.array([unpack(frame.motion.swayed) for frame in frames])
        self._cell = (width_px / WIDTH_PX, height_px / HEIGHT_PX)
        self._size_px = (width_px, height_px)
        self._shapes: list[tuple[float, float, Box]] = []
        self._recognised: list[tuple[float, float, Box]] = []
        self._views: dict[float, View] = {}

    def add_bodies(
        self, picture: Image, at_s: float, reach_s: float, shapes: Sequence[Box], recognised: Sequence[Box] = ()
    ) -> None:
        """Add boxes of people detected in one picture, to be hidden up to `reach_s` before and after it.

        Args:
            picture: The picture, (height, width, 3) uint8, BGR.
            at_s: Its time in seconds.
            reach_s: Seconds before and after it.
            shapes: Shapes like people; hidden where something moves inside.
            recognised: People recognised by a learned detector; hidden always, and at any time where the picture looks
                the same.
        """
        self._shapes += [(at_s, reach_s, box) for box in shapes]
        self._recognised += [(at_s, reach_s, box) for box in recognised]
        self._views[at_s] = small_view(picture)

    @property
    def person_boxes(self) -> list[Box]:
        """Boxes of all people whom the learned detector has recognised, in any picture."""
        return [box for _, _, box in self._recognised]

    def people_at(self, at_s: float) -> list[Box]:
        """Boxes of people in front of the background, up to `NEAR_S` before and after a picture."""
        return sorted({box for index in self._within(NEAR_S, at_s) for box in self._people[index]})

    def areas_at(self, picture: Image, at_s: float) -> dict[int, Mask]:
        """All areas to hide in the picture at `at_s`, by size of the mosaic's blocks."""
        shapes = [box for box in _near(self._shapes, at_s) if self._lives(box, self._within(LIVE_S, at_s))]
        recognised = [*_near(self._recognised, at_s), *self._standing(picture)]
        areas = self._areas_of([*self.people_at(at_s), *shapes, *recognised])
        self._add_blobs(areas, self._any(self._stepped, NEAR_S, at_s))
        recently = self._any(self._swayed, GONE_S, at_s)
        self._add_blobs(areas, self._moving_most(self._within(STAY_S, at_s)), recently)
        return areas

    def areas_of_background(
        self, background: Image, shapes: Sequence[Box], certain: Sequence[Box] = ()
    ) -> dict[int, Mask]:
        """Areas to hide in a picture of the background, which may have learnt a person who stood still.

        Args:
            background: (height, width, 3) uint8, BGR.
            shapes: Boxes of shapes like people in it.
            certain: Boxes that are hidden always: people recognised in it, and where it differs from the present.
        """
        everything = np.arange(len(self._at_s))
        alive = [box for box in shapes if self._lives(box, everything)]
        areas = self._areas_of([*certain, *alive, *self._standing(background)])
        self._add_blobs(areas, self._moving_most(everything))
        return areas

    def _standing(self, picture: Image) -> list[Box]:
        """Boxes of people recognised at any time whose place looks the same in a picture."""
        view = small_view(picture) if self._recognised else None
        return [
            box
            for at_s, _, box in self._recognised
            if view is not None and is_alike(view, self._views[at_s], box, self._size_px)
        ]

    def _lives(self, box: Box, frames: NDArray[np.intp]) -> bool:
        """Whether anything inside a box moves in some frames: a body shape that never sways is a wall."""
        rows, columns = self._cells(box, CORE)
        return int(self._swayed[frames, rows, columns].any(axis=0).sum()) >= LIVE_CELLS_MIN

    def _within(self, reach_s: float, at_s: float) -> NDArray[np.intp]:
        return np.flatnonzero(np.abs(self._at_s - at_s) <= reach_s)

    def _any(self, masks: NDArray[np.bool_], reach_s: float, at_s: float) -> Mask:
        return np.asarray(masks[self._within(reach_s, at_s)].any(axis=0), np.bool_)

    def _moving_most(self, frames: NDArray[np.intp]) -> Mask:
        """Cells with motion in most seconds of some frames."""
        seconds = np.floor(self._at_s[frames])
        distinct_s = np.unique(seconds)
        times = np.zeros((HEIGHT_PX, WIDTH_PX), np.int16)
        for second in distinct_s:
            times += self._swayed[frames[seconds == second]].any(axis=0)
        return np.asarray(times >= max(STAY_SECONDS_MIN, STAY_SHARE_MIN * len(distinct_s)), np.bool_)

    def _areas_of(self, boxes: Sequence[Box]) -> dict[int, Mask]:
        areas: dict[int, Mask] = {}
        for box in boxes:
            _area(areas, block_for(max(box[2:])))[self._cells(box, MARGIN)] = True
        return areas

    def _cells(self, box: Box, margin: float) -> tuple[slice, slice]:
        """Cells of a box with a margin, a share of its sides; a negative margin is taken off."""
        (left, top, width, height), (across, down) = box, self._cell
        x, y = (margin * side if margin < 0 else max(MARGIN_MIN_PX, margin * side) for side in (width, height))
        rows = slice(max(0, int((top - y) / down)), max(0, int((top + height + y) / down) + 1))
        return rows, slice(max(0, int((left - x) / across)), max(0, int((left + width + x) / across) + 1))

    def _add_blobs(self, areas: dict[int, Mask], motion: Mask, where: Mask | None = None) -> None:
        """Hide moving blobs, filled and grown; with `where`, only those that reach into it."""
        joined = cv2.morphologyEx(motion.astype(np.uint8), cv2.MORPH_CLOSE, CLOSE)
        outlines, _ = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for outline in outlines:
            blob = cv2.drawContours(np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8), [outline], -1, 1, cv2.FILLED)
            if np.count_nonzero(blob) < CELLS_MIN or (where is not None and not where[blob > 0].any()):
                continue
            # Padded, since somebody cut off by the picture's edge is no thinner for it.
            inner = cv2.distanceTransform(np.pad(blob, 1, mode="edge"), cv2.DIST_L2, 3)
            thickness_px = 2 * float(inner.max()) * max(self._cell)
            height_px = min(BLOB_HEIGHT_MAX_PX, THICKNESS_TO_HEIGHT * thickness_px)
            _area(areas, block_for(height_px))[cv2.dilate(blob, GROW) > 0] = True


def _near(boxes: Sequence[tuple[float, float, Box]], at_s: float) -> list[Box]:
    """Boxes whose time is within their reach."""
    return [box for box_s, reach_s, box in boxes if abs(box_s - at_s) <= reach_s]


def _area(areas: dict[int, Mask], block: int) -> Mask:
    return areas.setdefault(block, np.zeros((HEIGHT_PX, WIDTH_PX), np.bool_))
