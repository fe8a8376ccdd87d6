"""Which parts of each picture must be hidden: three sources that know nothing of each other, over time around it.

The detector's boxes show who is in front of the background; what moves shows everybody who walks or sways, without any
background; bodies recognised by their shape show those who do neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.evidence.mosaic import block_for
from vision.evidence.motion import HEIGHT_PX, WIDTH_PX, Mask, unpacked
from vision.evidence.pictures import Box
from vision.evidence.recorder import Moment

NEAR_S: Final = 0.9
"""What is seen this long before or after a picture is hidden in it: nothing is missed between two pictures."""
STAY_S: Final = 6.0
"""Who stands sways: something moves again and again so long before and after."""
STAY_SHARE_MIN: Final = 0.65
"""In what share of these seconds; where people pass one after another it is a half."""
STAY_SECONDS_MIN: Final = 4
GONE_S: Final = 1.5
"""Where nothing has moved this long before and after, nobody stands any more."""
LIVE_S: Final = 3.0
LIVE_CELLS_MIN: Final = 6
CORE: Final = -0.2
"""Of a box that only frames a body: so much less of it on every side."""
CELLS_MIN: Final = 8
"""Of what moves together; a cell is four by four pixels of 640 x 480."""
CLOSE: Final = np.ones((9, 9), np.uint8)
"""Joins head, hands and feet of one body."""
GROW: Final = np.ones((7, 5), np.uint8)
THICKNESS_TO_HEIGHT: Final = 1.6
"""Between somebody who stands, 2.5 times as high as thick, and the path of a walker, as thick as he is high."""
BLOB_HEIGHT_MAX_PX: Final = 320.0
"""What is thicker is several people beside each other, or a shadow."""
MARGIN: Final = 0.15
MARGIN_MIN_PX: Final = 8


class Hiding:
    """What to hide at any second of a record.

    Args:
        moments: The record, oldest first.
        width_px: Of its pictures.
        height_px: The same.
    """

    def __init__(self, moments: Sequence[Moment], width_px: int, height_px: int) -> None:
        """Unpack what moved."""
        self._at_s = np.array([moment.at_s for moment in moments])
        self._people = [moment.people for moment in moments]
        self._stepped = np.array([unpacked(moment.moved.stepped) for moment in moments])
        self._swayed = np.array([unpacked(moment.moved.swayed) for moment in moments])
        self._cell = (width_px / WIDTH_PX, height_px / HEIGHT_PX)
        self._bodies: list[tuple[float, float, Box]] = []

    def add_bodies(self, at_s: float, reach_s: float, boxes: Sequence[Box]) -> None:
        """Hide bodies that were recognised in one picture, in those up to `reach_s` around it too."""
        self._bodies += [(at_s, reach_s, box) for box in boxes]

    def people_at(self, at_s: float) -> list[Box]:
        """Boxes of who is or was just now in front of the background."""
        return sorted({box for index in self._within(NEAR_S, at_s) for box in self._people[index]})

    def areas_at(self, at_s: float) -> dict[int, Mask]:
        """Everything to hide in the picture of a second."""
        bodies = [box for body_s, reach_s, box in self._bodies if abs(body_s - at_s) <= reach_s]
        bodies = [box for box in bodies if self._lives(box, self._within(LIVE_S, at_s))]
        areas = self._areas_of([*self.people_at(at_s), *bodies])
        self._add_blobs(areas, self._any(self._stepped, NEAR_S, at_s))
        recently = self._any(self._swayed, GONE_S, at_s)
        self._add_blobs(areas, self._moving_most(self._within(STAY_S, at_s)), recently)
        return areas

    def areas_of_background(self, bodies: Sequence[Box], differing: Sequence[Box] = ()) -> dict[int, Mask]:
        """What to hide in a picture of the background, which may have learnt whoever stood still.

        Args:
            bodies: Recognised in it.
            differing: Where it differs from the present.
        """
        everything = np.arange(len(self._at_s))
        areas = self._areas_of([*differing, *(box for box in bodies if self._lives(box, everything))])
        self._add_blobs(areas, self._moving_most(everything))
        return areas

    def _lives(self, box: Box, moments: NDArray[np.intp]) -> bool:
        """Whether anything in a box moves in a stretch: what looks like a body and never sways is a wall."""
        rows, columns = self._cells(box, CORE)
        return int(self._swayed[moments, rows, columns].any(axis=0).sum()) >= LIVE_CELLS_MIN

    def _within(self, reach_s: float, at_s: float) -> NDArray[np.intp]:
        return np.flatnonzero(np.abs(self._at_s - at_s) <= reach_s)

    def _any(self, masks: NDArray[np.bool_], reach_s: float, at_s: float) -> Mask:
        return np.asarray(masks[self._within(reach_s, at_s)].any(axis=0), np.bool_)

    def _moving_most(self, moments: NDArray[np.intp]) -> Mask:
        """Where something moves in most seconds of a stretch."""
        seconds = np.floor(self._at_s[moments])
        stretch = np.unique(seconds)
        times = np.zeros((HEIGHT_PX, WIDTH_PX), np.int16)
        for one in stretch:
            times += self._swayed[moments[seconds == one]].any(axis=0)
        return np.asarray(times >= max(STAY_SECONDS_MIN, STAY_SHARE_MIN * len(stretch)), np.bool_)

    def _areas_of(self, boxes: Sequence[Box]) -> dict[int, Mask]:
        areas: dict[int, Mask] = {}
        for box in boxes:
            _area(areas, block_for(max(box[2:])))[self._cells(box, MARGIN)] = True
        return areas

    def _cells(self, box: Box, margin: float) -> tuple[slice, slice]:
        """The cells of a box and of a margin around it, in shares of its sides; a negative one is taken off."""
        (left, top, width, height), (across, down) = box, self._cell
        x, y = (margin * side if margin < 0 else max(MARGIN_MIN_PX, margin * side) for side in (width, height))
        rows = slice(max(0, int((top - y) / down)), max(0, int((top + height + y) / down) + 1))
        return rows, slice(max(0, int((left - x) / across)), max(0, int((left + width + x) / across) + 1))

    def _add_blobs(self, areas: dict[int, Mask], moved: Mask, where: Mask | None = None) -> None:
        """Hide what moves together, filled and grown; with `where`, only what reaches into that."""
        joined = cv2.morphologyEx(moved.astype(np.uint8), cv2.MORPH_CLOSE, CLOSE)
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


def _area(areas: dict[int, Mask], block: int) -> Mask:
    return areas.setdefault(block, np.zeros((HEIGHT_PX, WIDTH_PX), np.bool_))
