"""Regions: connected components of a mask with their boxes, and geometry of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detect.picture import Levels, Mask

APART_S: Final = 1.5
"""Parts of a region whose short-term values are this much apart in age are separate objects."""
T = TypeVar("T", bound=np.generic)
Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the small picture."""


@dataclass(frozen=True)
class Region:
    """One connected component; `shape` is its mask inside `box`, (height, width) uint8, 0 or 255."""

    box: Box
    area_px: int
    shape: Mask


def boxes_of(mask: Mask, *, close_px: int, min_area_px: int) -> list[Box]:
    """Boxes of the connected components of a mask, found at half resolution: exact enough for moving blobs."""
    half = cv2.resize(mask, (mask.shape[1] // 2, mask.shape[0] // 2), interpolation=cv2.INTER_AREA)
    coarse = cv2.compare(half, 127, cv2.CMP_GT).astype(np.uint8, copy=False)
    regions = regions_of(coarse, close_px=max(3, close_px // 2), min_area_px=max(4, min_area_px // 4))
    boxes = (region.box for region in regions)
    return [(2 * left, 2 * top, 2 * width, 2 * height) for left, top, width, height in boxes]


def regions_of(mask: Mask, *, close_px: int, min_area_px: int) -> list[Region]:
    """Connected components of at least `min_area_px` after closing gaps of `close_px`, largest first."""
    if cv2.countNonZero(mask) < min_area_px // 2:
        return []
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (close_px, close_px))
    small = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    cleaned = cv2.morphologyEx(mask, cv2.MORPH_OPEN, small)
    closed = cv2.morphologyEx(cleaned, cv2.MORPH_CLOSE, kernel)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    regions = [_region(labels, i, stats[i]) for i in range(1, count) if stats[i][cv2.CC_STAT_AREA] >= min_area_px]
    return sorted(regions, key=lambda region: region.area_px, reverse=True)


def _region(labels: NDArray[np.int32], index: int, stats: NDArray[np.int32]) -> Region:
    left, top, width, height, area = (int(number) for number in stats)
    inside = labels[top : top + height, left : left + width] == index
    return Region((left, top, width, height), area, inside.astype(np.uint8) * 255)


def split_by_age(region: Region, stable_since_s: NDArray[np.float32], min_area_px: int) -> list[Region]:
    """Split a region into parts that came at different times; `[region]` if it came at once.

    Args:
        region: The region.
        stable_since_s: (height, width) float32 of the whole picture, seconds.
        min_area_px: Minimum area of a part.
    """
    ages = cut(stable_since_s, region.box)
    kernel = np.ones((3, 3), np.uint8)
    jumps = cv2.dilate(ages, kernel) - cv2.erode(ages, kernel) >= APART_S
    if not jumps.any():
        return [region]
    return _parts(region, [np.where(jumps, np.uint8(0), region.shape)], min_area_px)


def split_by_light(region: Region, now: Levels, before: Levels, min_area_px: int) -> list[Region]:
    """Split a region by strength and sign of its change of brightness: an object, its shadow, a ghost beside it.

    Args:
        region: The region.
        now: (height, width) uint8, grey, of the whole picture.
        before: The background, as `now`.
        min_area_px: Minimum area of a part.
    """
    new, old = cut(now, region.box), cut(before, region.box)
    change, inside = cv2.absdiff(new, old), region.shape
    level, _ = cv2.threshold(change[inside != 0], 0, 255, cv2.THRESH_OTSU)
    much, brighter = cv2.compare(change, level, cv2.CMP_GT), cv2.compare(new, old, cv2.CMP_GT)
    kinds = [(much, brighter), (much, ~brighter), (~much, brighter), (~much, ~brighter)]
    return _parts(region, [inside & strength & sign for strength, sign in kinds], min_area_px)


def _parts(region: Region, masks: Sequence[Mask], min_area_px: int) -> list[Region]:
    parts = [part for mask in masks for part in regions_of(mask, close_px=3, min_area_px=min_area_px)]
    return [_translate(part, region.box) for part in parts] or [region]


def _translate(region: Region, by: Box) -> Region:
    left, top, width, height = region.box
    return Region((left + by[0], top + by[1], width, height), region.area_px, region.shape)


def union_of(regions: Sequence[Region]) -> Region:
    """One region of all pixels of several."""
    hull = hull_of(*(region.box for region in regions))
    shape = np.zeros((hull[3], hull[2]), np.uint8)
    for region in regions:
        left, top, width, height = region.box
        part = cut(shape, (left - hull[0], top - hull[1], width, height))
        np.maximum(part, region.shape, out=part)
    return Region(hull, cv2.countNonZero(shape), shape)


def hull_of(*boxes: Box) -> Box:
    """The smallest box that holds some boxes."""
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


def median_in(values: NDArray[np.float32] | Levels, region: Region) -> float:
    """Median of a picture's values, (height, width), over the pixels of a region."""
    return float(np.median(cut(values, region.box)[region.shape != 0]))


def cut(picture: NDArray[T], box: Box) -> NDArray[T]:
    """The part of a picture inside a box, as a view of the array."""
    return picture[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]


def iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes."""
    shared = shared_px(first, second)
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def shared_px(first: Box, second: Box) -> int:
    """Area of the intersection of two boxes, in pixels."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    return max(0, width) * max(0, height)


def gap_px(first: Box, second: Box) -> int:
    """Distance of two boxes along the axis on which it is larger, in pixels; 0 if they touch or overlap."""
    across = max(first[0], second[0]) - min(first[0] + first[2], second[0] + second[2])
    down = max(first[1], second[1]) - min(first[1] + first[3], second[1] + second[3])
    return max(0, across, down)


def grow(box: Box, by_px: int, shape: tuple[int, ...]) -> Box:
    """Grow a box on all sides, clipped to the picture's (height, width)."""
    left, top = max(0, box[0] - by_px), max(0, box[1] - by_px)
    right, bottom = min(shape[1], box[0] + box[2] + by_px), min(shape[0], box[1] + box[3] + by_px)
    return left, top, right - left, bottom - top


def pixels_near(mask: Mask, box: Box, by_px: int) -> int:
    """Pixels of a mask within `by_px` around a box, without the box."""
    around = cut(mask, grow(box, by_px, mask.shape))
    return cv2.countNonZero(around) - cv2.countNonZero(cut(mask, box))
