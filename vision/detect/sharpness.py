"""Is a picture out of focus? Its fine detail beside its coarse, where the view has both: light and noise cancel out."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from vision.detect.checks import Gray
from vision.detect.picture import Levels

TILES: Final = (8, 6)
FINE_PX, COARSE_PX = 1.2, 4.0
"""Standard deviations of blurs in the detector's picture: the first takes fine detail away, the second coarse."""
RICH: Final = 0.25
"""Of the mean detail: a part of the picture with less has nothing to lose."""
RICH_TILES: Final = 12
NOISE_PERCENTILE: Final = 10
"""The plainest parts of a picture hold noise alone."""
DETAIL_PERCENTILE: Final = 90
DETAIL_LEVELS: Final = 0.4
"""Grey levels of fine detail in a picture's richest parts: plastic over the lens leaves 0.2, dusk and fog 0.7."""


class Sharpness:
    """How sharp pictures are beside the background of their view: 1 as sharp, 0.5 blurred by 0.6 % of the width."""

    def __init__(self, background: Levels) -> None:
        """Take a view for reference."""
        fine, self._coarse = _energies(background)
        self._fine = _without_noise(fine)
        self._rich = (self._fine > RICH * self._fine.mean()) & (self._coarse > RICH * self._coarse.mean())

    def of(self, gray: Levels) -> float | None:
        """Of a picture of this view, also where it has shifted; None where the view is too plain to tell.

        Args:
            gray: (height, width) uint8, of the background's size.
        """
        if np.count_nonzero(self._rich) < RICH_TILES:
            return None
        fine, coarse = _energies(gray)
        signal = _without_noise(fine)
        if np.percentile(signal, DETAIL_PERCENTILE) < DETAIL_LEVELS**2:
            return 0.0
        there, usual = (np.maximum(1e-3, one)[self._rich] for one in (coarse, self._coarse))
        return float(np.median(np.sqrt(signal[self._rich] / self._fine[self._rich] / (there / usual))))


def _energies(gray: Levels) -> tuple[Gray, Gray]:
    """Mean square of fine and of coarse detail, tile by tile."""
    picture = gray.astype(np.float32)
    smooth = cv2.GaussianBlur(picture, (0, 0), FINE_PX)
    return _tiles(picture - smooth), _tiles(smooth - cv2.GaussianBlur(smooth, (0, 0), COARSE_PX))


def _without_noise(fine: Gray) -> Gray:
    return np.asarray(np.maximum(0.0, fine - np.percentile(fine, NOISE_PERCENTILE)), np.float32)


def _tiles(detail: Gray) -> Gray:
    return np.asarray(cv2.resize(cv2.multiply(detail, detail), TILES, interpolation=cv2.INTER_AREA), np.float32)
