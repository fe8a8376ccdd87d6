"""Array types of the detector, and arithmetic that its stages share; pure array work.

A `Picture` is (height, width, 3) uint8, BGR, blurred, about 400 px wide. A `Mask` is (height, width) uint8, 0 or 255,
as OpenCV wants masks. `Levels` are (height, width) uint8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Levels = NDArray[np.uint8]
Image = NDArray[np.uint8]
Point = tuple[float, float]
Polygons = Sequence[Sequence[Point]]

MEDIAN_PICTURES_MAX: Final = 8
"""Number of pictures in a median: enough to remove a person who walks through."""


def scale_of(image: Image, pixels: int) -> float:
    """The image's pixels per pixel of a picture of about `pixels` pixels, along each side."""
    scale: float = (image.shape[0] * image.shape[1] / pixels) ** 0.5
    return scale


def shrink(image: Image, pixels: int) -> tuple[Picture, float]:
    """Scale an image to about `pixels` pixels; returns the picture, and the image's pixels per pixel of it.

    Args:
        image: (height, width, 3) uint8, BGR, of any size.
        pixels: Pixels of the result.
    """
    scale = scale_of(image, pixels)
    size = (round(image.shape[1] / scale), round(image.shape[0] / scale))
    # Averaging over areas is fast for whole numbers only; the rest of the way the blur below does.
    step = int(scale)
    if step > 1:
        coarse = (image.shape[1] // step, image.shape[0] // step)
        image = cv2.resize(image, coarse, interpolation=cv2.INTER_AREA)
    small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    blurred: Picture = cv2.GaussianBlur(small, (5, 5), 0)
    return blurred, scale


def difference(first: Picture, second: Picture) -> Levels:
    """Maximum absolute difference over the channels of two pictures, in levels."""
    blue, green, red = cv2.split(cv2.absdiff(first, second))
    most: Levels = cv2.max(cv2.max(blue, green), red)
    return most


def median_of(pictures: Sequence[Picture]) -> Picture:
    """Median of pictures of one size, pixel by pixel: passers-by are not in it."""
    chosen = pictures[:: max(1, len(pictures) // MEDIAN_PICTURES_MAX)]
    if len(chosen) < 3:  # noqa: PLR2004 - two have no middle, and their mean shows both
        return chosen[0].copy()
    median: Picture = np.median(np.stack(chosen), axis=0).astype(np.uint8)
    return median


def gray_of(picture: Picture) -> Levels:
    """(height, width) uint8: brightness."""
    gray: Levels = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return gray


def spread_of(levels: Levels) -> float:
    """Standard deviation in levels."""
    return float(cv2.meanStdDev(levels)[1].item())


def share_of(mask: Mask) -> float:
    """Share of a mask's pixels that are set, 0 to 1; 0 for a mask without pixels."""
    return cv2.countNonZero(mask) / mask.size if mask.size else 0.0


def polygon_mask(polygons: Polygons, height_px: int, width_px: int) -> Mask:
    """Mask of the union of polygons in normalised coordinates; all pixels if there is none."""
    if not polygons:
        return np.full((height_px, width_px), 255, np.uint8)
    canvas = np.zeros((height_px, width_px), np.uint8)
    for polygon in polygons:
        points = np.array([[round(x * width_px), round(y * height_px)] for x, y in polygon], np.int32)
        cv2.fillPoly(canvas, [points], 255)
    return canvas
