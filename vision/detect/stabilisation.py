"""Stabilisation: shifts a picture back onto the background if the pole sways or the bracket has slipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detect.picture import Levels, Mask, Picture, gray_of

Small = NDArray[np.float32]

WIDTH_PX: Final = 192
"""Width of the grey picture on which shifts are measured, to about a fifth of a pixel."""
SWAY_SHARE: Final = 0.1
"""Share of the picture's width: a pole in the wind sways by less, a turned camera moves by more."""
BETTER, FAR_BETTER = 0.9, 0.6
"""A shift is valid if undoing it leaves less than this share of the difference; a passing car gives a false one."""
SURE: Final = 0.12
"""Minimum response of the phase correlation; below it the shift is not reliable."""
EDGES_FROM: Final = 85.0
"""Percentile of edge strength: only the strongest edges decide on a shift."""
EDGE_LEVELS: Final = 20.0
EDGES_MIN: Final = 300
"""Minimum number of edge pixels; a plainer view is not stabilised."""
PASSER_LEVELS: Final = 30.0
"""Cap of a pixel's difference in levels, so that passers-by do not outweigh the edges of the view."""
STILL_PX: Final = 0.4
"""Shifts below this, in pixels of the detector's picture, are measurement noise."""
REFER_EVERY_S: Final = 2.0


@dataclass(frozen=True)
class Shift:
    """Offset of a picture from its reference in pixels: `sure` is a sway to undo, `far` a camera that was turned."""

    x_px: float = 0.0
    y_px: float = 0.0
    sure: bool = False
    far: bool = False


class Stabiliser:
    """Measures the shift of each picture of a view and undoes it; `shift` is that of the newest picture."""

    def __init__(self, view: Picture, at_s: float) -> None:
        self._scale = view.shape[1] / WIDTH_PX
        self._size = (WIDTH_PX, max(16, round(view.shape[0] / self._scale)))
        self._window = cv2.createHanningWindow(self._size, cv2.CV_32F)
        self.shift = Shift()
        self.refer_to(view, at_s)

    def refer_to(self, view: Picture, at_s: float) -> None:
        """Take a picture as the new reference."""
        self._reference = self._small(gray_of(view))
        self._due_s = at_s + REFER_EVERY_S
        across, down = (cv2.Sobel(self._reference, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
        edges = cv2.magnitude(across, down)
        strong = float(np.percentile(edges, EDGES_FROM))
        self._edges: Mask = cv2.compare(edges, max(EDGE_LEVELS, strong), cv2.CMP_GE)

    def stabilise(self, picture: Picture, background: Picture, at_s: float) -> Picture:
        """Shift a picture back onto the background, which becomes the reference from time to time."""
        if at_s >= self._due_s:
            self.refer_to(background, at_s)
        self.shift = self._measure(gray_of(picture))
        return _shift_back(picture, self.shift) if self.shift.sure else picture

    def cut_border(self, mask: Mask) -> None:
        """Clear a mask at the border that a shifted picture does not show."""
        if self.shift.sure:
            across, down = (int(abs(px)) + 1 for px in (self.shift.x_px, self.shift.y_px))
            mask[:down] = mask[-down:] = 0
            mask[:, :across] = mask[:, -across:] = 0

    def _measure(self, gray: Levels) -> Shift:
        small = self._small(gray)
        # OpenCV multiplies its arguments by the window in place when their size suits its transform.
        (x, y), response = cv2.phaseCorrelate(self._reference.copy(), small.copy(), self._window)
        length = float(np.hypot(x, y))
        if response < SURE or cv2.countNonZero(self._edges) < EDGES_MIN or length * self._scale < STILL_PX:
            return Shift()
        back = cv2.warpAffine(small, np.array([[1, 0, -x], [0, 1, -y]], np.float32), self._size)
        left_over = self._difference(back, x, y) / max(1.0, self._difference(small, x, y))
        far = length > SWAY_SHARE * WIDTH_PX
        if left_over > (FAR_BETTER if far else BETTER):
            return Shift()
        return Shift(x * self._scale, y * self._scale, sure=not far, far=far)

    def _difference(self, small: Small, x_px: float, y_px: float) -> float:
        """Mean difference from the reference at its edges, inside the area that both show."""
        across, down = int(abs(x_px)) + 1, int(abs(y_px)) + 1
        inner = (slice(down, self._size[1] - down), slice(across, self._size[0] - across))
        apart = cv2.min(cv2.absdiff(small[inner], self._reference[inner]), PASSER_LEVELS)
        return float(cv2.mean(apart, self._edges[inner])[0])

    def _small(self, gray: Levels) -> Small:
        small: Small = cv2.resize(gray, self._size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
        return small


def _shift_back(picture: Picture, shift: Shift) -> Picture:
    matrix = np.array([[1, 0, -shift.x_px], [0, 1, -shift.y_px]], np.float32)
    size = (picture.shape[1], picture.shape[0])
    back: Picture = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return back
