"""People by their shape: OpenCV's own detector of upright bodies, set to see too many rather than too few."""

from __future__ import annotations

from typing import Final

import cv2

from vision.evidence.pictures import Box, Image

SCALE_UP: Final = 2.0
"""Its window is 128 pixels high; people far from a camera are 50."""
HIT_THRESHOLD: Final = 0.0
"""OpenCV's own; a wall that looks like somebody is told by what moves (`masking.py`)."""
STEP: Final = 1.1
PIXELS_MAX: Final = 1_300_000


class Bodies:
    """The detector of bodies; made when first used."""

    def __init__(self) -> None:
        """Load the weights that OpenCV brings."""
        self._descriptor = cv2.HOGDescriptor()
        self._descriptor.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())

    def find(self, image: Image) -> list[Box]:
        """Boxes in the picture's pixels; about 0.2 s for 640 x 480."""
        height, width = image.shape[:2]
        up = min(SCALE_UP, (PIXELS_MAX / (height * width)) ** 0.5)
        large = cv2.resize(image, (round(width * up), round(height * up)), interpolation=cv2.INTER_LINEAR)
        found, _ = self._descriptor.detectMultiScale(
            large, hitThreshold=HIT_THRESHOLD, winStride=(8, 8), padding=(16, 16), scale=STEP
        )
        return [(int(x / up), int(y / up), int(w / up), int(h / up)) for x, y, w, h in found]
