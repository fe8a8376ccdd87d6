"""From masks to regions: connected places of a mask with their boxes, and how near other things are to them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.layers import Mask

Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the small picture."""


@dataclass(frozen=True)
class Region:
    """One connected place of a mask; `mask` has the size of the whole picture."""

    box: Box
    area_px: int
    mask: Mask


def regions_of(mask: Mask, *, close_px: int, min_area_px: int) -> list[Region]:
    """Connected places after closing gaps of `close_px`, largest first."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (close_px, close_px))
    small = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    cleaned = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, small)
    closed = cv2.morphologyEx(cleaned, cv2.MORPH_CLOSE, kernel)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    found = [
        Region((int(s[0]), int(s[1]), int(s[2]), int(s[3])), int(s[4]), labels == index)
        for index, s in ((i, stats[i]) for i in range(1, count))
        if s[4] >= min_area_px
    ]
    return sorted(found, key=lambda region: region.area_px, reverse=True)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def grown(box: Box, by_px: int, shape: tuple[int, int]) -> Box:
    """A box grown on all sides, cut at the picture's (height, width)."""
    left, top = max(0, box[0] - by_px), max(0, box[1] - by_px)
    right, bottom = min(shape[1], box[0] + box[2] + by_px), min(shape[0], box[1] + box[3] + by_px)
    return left, top, right - left, bottom - top


def pixels_near(mask: NDArray[np.bool_], box: Box, by_px: int) -> int:
    """Pixels of a mask around a box and outside of it."""
    outer = grown(box, by_px, (mask.shape[0], mask.shape[1]))
    around = mask[outer[1] : outer[1] + outer[3], outer[0] : outer[0] + outer[2]]
    inside = mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
    return int(around.sum()) - int(inside.sum())
