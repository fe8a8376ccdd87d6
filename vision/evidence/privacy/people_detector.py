"""Detects people in a picture: by OpenCV's HOG detector of upright people, and by a learned detector if there is one.

HOG is tuned to too many detections, not too few; false ones on walls are dropped for want of motion (`masking.py`).
What the learned detector recognises is hidden whether it moves or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2

from vision.detect.port import ObjectDetector
from vision.evidence.pictures import Box, Image

SCALE_UP: Final = 2.0
"""HOG's window is 128 pixels high; people far from a camera are 50."""
HIT_THRESHOLD: Final = 0.0
"""OpenCV's default."""
STEP: Final = 1.1
PIXELS_MAX: Final = 1_300_000
LEAST_SCORE: Final = 0.2
"""Minimum score of a recognised person: a wall that is hidden costs less than a person who is seen."""
LARGE_SHARE: Final = 0.1
"""Share of the picture from which on a box is large."""
LARGE_LEAST_SCORE: Final = 0.55
"""Minimum score of a large box. A person so near is recognised well; doubtful large boxes are walls and floors."""
TILE_SHARE: Final = 0.6
"""Side of a tile as a share of the picture's: four overlapping ones show small people larger."""


class PeopleDetector:
    """OpenCV's HOG detector with its own weights, beside a learned detector.

    Args:
        learned: The learned detector; None if there is none.
    """

    def __init__(self, learned: ObjectDetector | None = None) -> None:
        self._learned = learned
        self._descriptor = cv2.HOGDescriptor()
        self._descriptor.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())

    def detect_shapes(self, image: Image) -> list[Box]:
        """Boxes of shapes like people, in the picture's pixels; takes about 0.2 s for 640 x 480."""
        height, width = image.shape[:2]
        up = min(SCALE_UP, (PIXELS_MAX / (height * width)) ** 0.5)
        large = cv2.resize(image, (round(width * up), round(height * up)), interpolation=cv2.INTER_LINEAR)
        boxes, _ = self._descriptor.detectMultiScale(
            large, hitThreshold=HIT_THRESHOLD, winStride=(8, 8), padding=(16, 16), scale=STEP
        )
        return [(int(x / up), int(y / up), int(w / up), int(h / up)) for x, y, w, h in boxes]

    def recognise(self, image: Image, large_least_score: float = LARGE_LEAST_SCORE) -> list[Box]:
        """Boxes of people that the learned detector recognises, in the whole picture and in parts of it.

        `large_least_score` is the minimum score of a large box.
        """
        if self._learned is None:
            return []
        pixels = image.shape[0] * image.shape[1]
        return [
            (left + detection.box[0], top + detection.box[1], *detection.box[2:])
            for left, top, part in _parts(image)
            for detection in self._learned.detect(part, LEAST_SCORE)
            if detection.kind == "person"
            and detection.score >= (large_least_score if _is_large(detection.box, pixels) else LEAST_SCORE)
        ]


def _is_large(box: Box, pixels: int) -> bool:
    return box[2] * box[3] >= LARGE_SHARE * pixels


def _parts(image: Image) -> Iterator[tuple[int, int, Image]]:
    """The picture and four overlapping parts of it, each with the pixels left of it and above it."""
    yield 0, 0, image
    height, width = image.shape[:2]
    down, across = round(height * TILE_SHARE), round(width * TILE_SHARE)
    for top in (0, height - down):
        for left in (0, width - across):
            yield left, top, image[top : top + down, left : left + across]
