"""Redacts one photo: scaled down, people hidden, encoded anew, so that no metadata of its file is kept.

A photo is a single picture without a background and without motion: the only source is the learned detector. Without
one, nobody knows where people are, and everything is pixelated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from vision.capture.picture_size import PIXELS_MAX, is_too_large, size_of
from vision.evidence.photos import RedactedPhoto
from vision.evidence.pictures import Box, Image, limit_size, to_jpeg
from vision.evidence.privacy.masking import MARGIN, MARGIN_MIN_PX
from vision.evidence.privacy.mosaic import Areas, block_for, pixelate, pixelate_all
from vision.evidence.privacy.people_detector import LEAST_SCORE, PeopleDetector

JPEG_START: Final = b"\xff\xd8\xff"


def redact_photo(content: bytes, detector: PeopleDetector | None) -> RedactedPhoto:
    """The photo of a JPEG as it may be kept, or the reason why it is refused.

    Args:
        content: The JPEG.
        detector: Recognises people; None if there is no learned detector.
    """
    size = size_of(content) if content.startswith(JPEG_START) else None
    if size is None:
        return RedactedPhoto(refused="this is not a JPEG")
    if is_too_large(size):
        return RedactedPhoto(refused=f"a photo has at most {PIXELS_MAX} pixels")
    image = _decode(content)
    if image is None:
        return RedactedPhoto(refused="this JPEG cannot be decoded")
    small = limit_size(image)
    if detector is None:
        # Somebody may fill the whole picture.
        return RedactedPhoto(to_jpeg(pixelate_all(small, block_for(max(small.shape[:2])))), "everything")
    # The large photo is searched, in which people far away are larger.
    people = detector.recognise(image, large_least_score=LEAST_SCORE)
    return RedactedPhoto(to_jpeg(pixelate(small, _areas_of(people, image, small))), "people")


def _decode(content: bytes) -> Image | None:
    """(height, width, 3) uint8, BGR, turned upright; None if it is damaged."""
    image: Image | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return image


def _areas_of(people: Sequence[Box], image: Image, small: Image) -> Areas:
    """Masks of `small` with the boxes of people in `image`, each with a margin, by block size."""
    height, width = small.shape[:2]
    scale = height / image.shape[0]
    areas: dict[int, np.ndarray] = {}
    for left, top, across, down in ((round(side * scale) for side in box) for box in people):
        x, y = (max(MARGIN_MIN_PX, round(MARGIN * side)) for side in (across, down))
        mask = areas.setdefault(block_for(max(across, down)), np.zeros((height, width), np.bool_))
        mask[max(0, top - y) : top + down + y, max(0, left - x) : left + across + x] = True
    return areas
