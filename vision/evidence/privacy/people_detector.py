"""Detects people by their shape: OpenCV's HOG detector of upright people, tuned to too many detections, not too few."""

from __future__ import annotations

from typing import Final

import cv2

from vision.evidence.pictures import Box, Image

SCALE_UP: Final = 2.0
"""Its window is 128 pixels high; people far from a camera are 50."""
HIT_THRESHOLD: Final = 0.0
"""OpenCV's default; false detections on walls are dropped for want of motion (`masking.py`)."""
STEP: Final = 1.1
PIXELS_MAX: Final = 1_300_000


class PeopleDetector:
    """OpenCV's HOG detector with its own weights."""

    def __init__(self) -> None:
        self._descriptor = cv2.HOGDescriptor()
        self._descriptor.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())

    def detect(self, image: Image) -> list[Box]:
        """Boxes of people in the picture's pixels; takes about 0.2 s for 640 x 480."""
        height, width = image.shape[:2]
        up = min(SCALE_UP, (PIXELS_MAX / (height * width)) ** 0.5)
        large = cv2.resize(image, (round(width * up), round(height * up)), interpolation=cv2.INTER_LINEAR)
        boxes, _ = self._descriptor.detectMultiScale(
            large, hitThreshold=HIT_THRESHOLD, winStride=(8, 8), padding=(16, 16), scale=STEP
        )
        return [(int(x / up), int(y / up), int(w / up), int(h / up)) for x, y, w, h in boxes]
