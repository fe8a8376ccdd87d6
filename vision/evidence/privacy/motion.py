"""Motion detection without a background: small motion, once or repeated, is taken for a person.

The detector's background may have learnt a person who stood there from the first picture on, and absorbs a person who
stands for long. Standing people sway: this detects it with a low threshold on a small picture, without a background.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.evidence.pictures import Image

Mask = NDArray[np.bool_]

WIDTH_PX: Final = 160
HEIGHT_PX: Final = 120
STEP_S: Final = 0.4
"""Interval of the comparison that shows steps."""
SWAY_S: Final = 2.0
"""Interval of the comparison that shows the swaying of a standing person."""
LEVELS_MIN: Final = 5.0
"""Minimum threshold in grey levels of the small picture, in which the noise of sixteen pixels is averaged."""
NOISE_TIMES: Final = 5.0
NEIGHBOURS_MIN: Final = 4
"""Minimum of changed pixels among the nine around one: noise is isolated."""


@dataclass(frozen=True)
class MotionMasks:
    """Masks of the pixels that changed over `STEP_S` and over `SWAY_S`; packed, eight pixels a byte."""

    stepped: bytes
    swayed: bytes


class MotionDetector:
    """Compares each picture of one camera with its last two seconds."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, NDArray[np.uint8]]] = deque()

    def step(self, image: Image, at_s: float) -> MotionMasks:
        """Motion masks of the next picture.

        Args:
            image: (height, width, 3) uint8, BGR.
            at_s: Its time in seconds, later than the last.
        """
        large = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        gray = cv2.resize(large, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        motion = MotionMasks(self._since(at_s - STEP_S, gray), self._since(at_s - SWAY_S, gray))
        self._past.append((at_s, gray))
        while len(self._past) > 1 and self._past[1][0] <= at_s - SWAY_S:
            self._past.popleft()
        return motion

    def _since(self, at_s: float, gray: NDArray[np.uint8]) -> bytes:
        old = next((past for past_s, past in reversed(self._past) if past_s <= at_s), gray)
        difference = cv2.absdiff(gray, old)
        # Most of a picture is still, so its middle difference is noise.
        level = max(LEVELS_MIN, NOISE_TIMES * median_level(difference))
        around = cv2.boxFilter((difference > level).astype(np.uint8), -1, (3, 3), normalize=False)
        return np.packbits(around >= NEIGHBOURS_MIN).tobytes()


def median_level(levels: NDArray[np.uint8]) -> float:
    """The median of levels, by their histogram, which takes half of the time of sorting."""
    counts = np.cumsum(cv2.calcHist([levels], [0], None, [256], [0, 256]))
    low, high = np.searchsorted(counts, ((levels.size + 1) // 2, levels.size // 2 + 1))
    return float(low + high) / 2


def unpack(bits: bytes) -> Mask:
    """Unpack a mask of `MotionMasks` to (HEIGHT_PX, WIDTH_PX) bool."""
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=WIDTH_PX * HEIGHT_PX)
    return flat.reshape(HEIGHT_PX, WIDTH_PX).astype(np.bool_)
