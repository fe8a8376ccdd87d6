"""Who stands still: a place that looks as it did when a person was recognised there still shows that person."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.evidence.pictures import Box, Image

WIDTH_PX: Final = 320
HEIGHT_PX: Final = 240
BLUR_PX: Final = 1.0
"""The background that a picture is compared with is kept small."""
ALIKE: Final = 0.8
"""Correlation of two views of a place, from which on the same body is there."""
SIDE_MIN_PX: Final = 4

View = NDArray[np.uint8]
"""A small grey picture, (HEIGHT_PX, WIDTH_PX) uint8."""


def small_view(image: Image) -> View:
    """The view of a picture, (height, width, 3) uint8, BGR."""
    small = cv2.resize(image, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (0, 0), BLUR_PX), np.uint8)


def is_alike(view: View, other: View, box: Box, size_px: tuple[int, int]) -> bool:
    """Whether two views show the same in a box.

    Args:
        view: One view.
        other: Another view of the same camera.
        box: Left, top, width, height in pixels of the picture.
        size_px: Width and height of the picture.
    """
    across, down = WIDTH_PX / size_px[0], HEIGHT_PX / size_px[1]
    columns = _span(box[0] * across, box[2] * across, WIDTH_PX)
    rows = _span(box[1] * down, box[3] * down, HEIGHT_PX)
    correlation = cv2.matchTemplate(view[rows, columns], other[rows, columns], cv2.TM_CCOEFF_NORMED)
    return float(correlation[0, 0]) >= ALIKE


def _span(begin: float, length: float, end: int) -> slice:
    """At least `SIDE_MIN_PX` pixels inside the view."""
    first = min(max(0, int(begin)), end - SIDE_MIN_PX)
    return slice(first, min(end, max(first + SIDE_MIN_PX, int(begin + length) + 1)))
