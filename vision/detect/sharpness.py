"""Sharpness of a picture: ratio of fine to coarse detail, where the view has both; light and noise cancel out."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from vision.detect.checks import Gray
from vision.detect.picture import Levels

TILES: Final = (8, 6)
FINE_PX, COARSE_PX = 1.2, 4.0
"""Standard deviations in pixels of two blurs: the first removes fine detail, the second coarse."""
RICH: Final = 0.25
"""Share of the mean detail below which a tile is not used."""
RICH_TILES: Final = 12
NOISE_PERCENTILE: Final = 10
"""Percentile of fine detail that is taken for the noise: the plainest tiles hold nothing else."""
DETAIL_PERCENTILE: Final = 90
DETAIL_LEVELS: Final = 0.4
"""Minimum fine detail in the richest tiles, in grey levels: plastic over the lens leaves 0.2, dusk and fog 0.7."""


class Sharpness:
    """Sharpness of pictures relative to their background: 1 is equal, 0.5 a blur of 0.6 % of the width."""

    def __init__(self, background: Levels) -> None:
        fine, self._coarse = _energies(background)
        self._fine = _without_noise(fine)
        self._rich = (self._fine > RICH * self._fine.mean()) & (self._coarse > RICH * self._coarse.mean())

    def measure(self, gray: Levels) -> float | None:
        """Relative sharpness of a picture of this view, shifted or not; None if the view is too plain.

        Args:
            gray: (height, width) uint8, of the background's size.
        """
        if np.count_nonzero(self._rich) < RICH_TILES:
            return None
        fine, coarse = _energies(gray)
        signal = _without_noise(fine)
        if np.percentile(signal, DETAIL_PERCENTILE) < DETAIL_LEVELS**2:
            return 0.0
        there, usual = (np.maximum(1e-3, energy)[self._rich] for energy in (coarse, self._coarse))
        return float(np.median(np.sqrt(signal[self._rich] / self._fine[self._rich] / (there / usual))))


def _energies(gray: Levels) -> tuple[Gray, Gray]:
    """Mean square of fine and of coarse detail of each tile."""
    picture = gray.astype(np.float32)
    smooth = cv2.GaussianBlur(picture, (0, 0), FINE_PX)
    return _tiles(picture - smooth), _tiles(smooth - cv2.GaussianBlur(smooth, (0, 0), COARSE_PX))


def _without_noise(fine: Gray) -> Gray:
    return np.asarray(np.maximum(0.0, fine - np.percentile(fine, NOISE_PERCENTILE)), np.float32)


def _tiles(detail: Gray) -> Gray:
    return np.asarray(cv2.resize(cv2.multiply(detail, detail), TILES, interpolation=cv2.INTER_AREA), np.float32)
