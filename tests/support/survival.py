"""How much of what is in a box can still be made out in another picture of it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

WINDOW_PX: Final = 12
DETAIL_MIN: Final = 4.0
"""Grey levels a window varies by; in a plain one there is nothing to make out."""
ALIKE: Final = 0.7

Image = NDArray[np.uint8]


def survived(before: Image, after: Image, box: tuple[int, int, int, int]) -> float:
    """The share of a box's windows whose fine detail is the same in both pictures, 0..1.

    Args:
        before: (height, width, 3) uint8.
        after: The same, of the same size.
        box: Left, top, width, height in pixels.
    """
    ours, theirs = _detail(before), _detail(after)
    left, top, width, height = box
    rows = range(max(0, top), min(before.shape[0], top + height) - WINDOW_PX + 1, WINDOW_PX // 2)
    columns = range(max(0, left), min(before.shape[1], left + width) - WINDOW_PX + 1, WINDOW_PX // 2)
    windows = [(slice(y, y + WINDOW_PX), slice(x, x + WINDOW_PX)) for y in rows for x in columns]
    told = [window for window in windows if ours[window].std() >= DETAIL_MIN]
    return sum(_alike(ours[window], theirs[window]) for window in told) / max(1, len(told))


def _detail(picture: Image) -> NDArray[np.float32]:
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.asarray(gray - cv2.GaussianBlur(gray, (0, 0), 3), np.float32)


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return bool(other.std() > 0.1 and np.corrcoef(one.ravel(), other.ravel())[0, 1] > ALIKE)
