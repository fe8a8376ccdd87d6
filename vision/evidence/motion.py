"""Who may be there, judged without a background: what moves a little, now or again and again, is taken for somebody.

The detector's background may have learnt a person who stood there from the first picture on, and forgets one who stands
for long. People sway; this sees it at a low threshold on a small picture and knows nothing of what a place looks like.
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
"""Over this, steps are seen."""
SWAY_S: Final = 2.0
"""Over this, the swaying of somebody who stands."""
LEVELS_MIN: Final = 5.0
"""Grey levels of the small picture, where sixteen pixels' noise is averaged."""
NOISE_TIMES: Final = 5.0
NEIGHBOURS_MIN: Final = 4
"""Of the nine pixels around one: noise comes alone."""


@dataclass(frozen=True)
class Moved:
    """Where a picture differs from a moment ago: over `STEP_S` and over `SWAY_S`; packed, an eighth of their size."""

    stepped: bytes
    swayed: bytes


class Presence:
    """One camera's last two seconds in small; tells where a picture differs from them."""

    def __init__(self) -> None:
        """Start without a past."""
        self._past: deque[tuple[float, NDArray[np.uint8]]] = deque()

    def step(self, image: Image, at_s: float) -> Moved:
        """Where something has moved since a moment ago.

        Args:
            image: (height, width, 3) uint8, BGR.
            at_s: Its time in seconds; later than the last.
        """
        small = cv2.resize(image, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
        gray: NDArray[np.uint8] = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.uint8)
        moved = Moved(self._since(at_s - STEP_S, gray), self._since(at_s - SWAY_S, gray))
        self._past.append((at_s, gray))
        while len(self._past) > 1 and self._past[1][0] <= at_s - SWAY_S:
            self._past.popleft()
        return moved

    def _since(self, at_s: float, gray: NDArray[np.uint8]) -> bytes:
        old = next((past for past_s, past in reversed(self._past) if past_s <= at_s), gray)
        difference = cv2.absdiff(gray, old)
        # Most of a picture is still, so its middle difference is noise.
        level = max(LEVELS_MIN, NOISE_TIMES * float(np.median(difference)))
        around = cv2.boxFilter((difference > level).astype(np.uint8), -1, (3, 3), normalize=False)
        return np.packbits(around >= NEIGHBOURS_MIN).tobytes()


def unpacked(bits: bytes) -> Mask:
    """(HEIGHT_PX, WIDTH_PX) bool: a mask of `Moved`."""
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=WIDTH_PX * HEIGHT_PX)
    return flat.reshape(HEIGHT_PX, WIDTH_PX).astype(np.bool_)
