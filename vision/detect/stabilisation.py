"""Bring a picture back to where the background is: a pole that sways in the wind, a bracket that has slipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detect.picture import Levels, Mask, Picture, gray_of

Small = NDArray[np.float32]

WIDTH_PX: Final = 192
"""Of the grey picture that shifts are measured on; they come out to about a fifth of its pixels."""
SWAY_SHARE: Final = 0.1
"""Of the picture's width: a pole in the wind sways by less, who turns a camera turns it further."""
BETTER, FAR_BETTER = 0.9, 0.6
"""A shift is real when, taken back, it leaves less than this of the difference; a passing car pulls it elsewhere."""
SURE: Final = 0.12
"""Response of the phase correlation below which two pictures have too little in common to say."""
EDGES_FROM: Final = 85.0
"""Percentile: the strongest edges of the view say whether it has shifted."""
EDGE_LEVELS: Final = 20.0
EDGES_MIN: Final = 300
"""A view with fewer pixels of edges is too plain to tell."""
PASSER_LEVELS: Final = 30.0
"""Who passes differs by more from what he hides, and must not outweigh the edges of the view."""
STILL_PX: Final = 0.4
"""Of the detector's picture: less is the measurement's own noise."""
REFER_EVERY_S: Final = 2.0


@dataclass(frozen=True)
class Shift:
    """How far a picture lies from its reference, in its own pixels; `sure` a sway to take back, `far` another view."""

    x_px: float = 0.0
    y_px: float = 0.0
    sure: bool = False
    far: bool = False


class Sway:
    """Measures how far the pictures of one view lie from it; `shift` is the newest answer."""

    def __init__(self, view: Picture, at_s: float) -> None:
        """Measure against this picture."""
        self._scale = view.shape[1] / WIDTH_PX
        self._size = (WIDTH_PX, max(16, round(view.shape[0] / self._scale)))
        self._window = cv2.createHanningWindow(self._size, cv2.CV_32F)
        self.shift = Shift()
        self.refer_to(view, at_s)

    def refer_to(self, view: Picture, at_s: float) -> None:
        """Measure against this picture from now on."""
        self._reference = self._small(gray_of(view))
        self._due_s = at_s + REFER_EVERY_S
        across, down = (cv2.Sobel(self._reference, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
        edges = cv2.magnitude(across, down)
        strong = float(np.percentile(edges, EDGES_FROM))
        self._edges: Mask = cv2.compare(edges, max(EDGE_LEVELS, strong), cv2.CMP_GE)

    def steadied(self, picture: Picture, background: Picture, at_s: float) -> Picture:
        """The picture where the background is; the background is what the next ones are measured against."""
        if at_s >= self._due_s:
            self.refer_to(background, at_s)
        self.shift = self._measure(gray_of(picture))
        return _back(picture, self.shift) if self.shift.sure else picture

    def cut_border(self, mask: Mask) -> None:
        """Clear what a picture that was brought back does not show."""
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
        left_over = self._unlike(back, x, y) / max(1.0, self._unlike(small, x, y))
        far = length > SWAY_SHARE * WIDTH_PX
        if left_over > (FAR_BETTER if far else BETTER):
            return Shift()
        return Shift(x * self._scale, y * self._scale, sure=not far, far=far)

    def _unlike(self, small: Small, x_px: float, y_px: float) -> float:
        """Mean difference from the reference along its edges, where a shift leaves both in view."""
        across, down = int(abs(x_px)) + 1, int(abs(y_px)) + 1
        inner = (slice(down, self._size[1] - down), slice(across, self._size[0] - across))
        apart = cv2.min(cv2.absdiff(small[inner], self._reference[inner]), PASSER_LEVELS)
        return float(cv2.mean(apart, self._edges[inner])[0])

    def _small(self, gray: Levels) -> Small:
        small: Small = cv2.resize(gray, self._size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
        return small


def _back(picture: Picture, shift: Shift) -> Picture:
    matrix = np.array([[1, 0, -shift.x_px], [0, 1, -shift.y_px]], np.float32)
    size = (picture.shape[1], picture.shape[0])
    back: Picture = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return back
