"""A mosaic that hides people: coarse against a person, on a grid that is fixed in the picture.

Blocks lie on the same grid in every picture of a camera and their colours are rounded, so that pictures laid over each
other give the same blocks again, and not a face.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.evidence.pictures import Image

BLOCKS_PX: Final = (8, 16, 32, 64)
"""Block sizes; the lines of each grid are lines of the next finer one."""
BLOCKS_ACROSS: Final = 10
"""Maximum number of blocks along a person: a face is little more than one."""
COLOUR_STEP: Final = 16

Areas = Mapping[int, NDArray[np.bool_]]
"""Block size in pixels to a mask, of any size, of the areas hidden with it."""


def block_for(height_px: float) -> int:
    """The block size for a person of this height."""
    return next((block for block in BLOCKS_PX if block * BLOCKS_ACROSS >= height_px), BLOCKS_PX[-1])


def pixelate(image: Image, areas: Areas) -> Image:
    """Hide areas of a picture: each block they touch gets one colour; where areas overlap, the coarser block counts.

    Args:
        image: (height, width, 3) uint8, BGR; not changed.
        areas: Areas to hide.
    """
    hidden = image.copy()
    for block in sorted(areas):
        where = _blocks_touched(areas[block], image.shape[0], image.shape[1], block)
        hidden[where] = pixelate_all(image, block)[where]
    return hidden


def cover(areas: Areas, width_px: int, height_px: int) -> NDArray[np.bool_]:
    """The pixels that `pixelate` hides in a picture of this size, (height, width) bool."""
    where = np.zeros((height_px, width_px), np.bool_)
    for block, area in areas.items():
        where |= _blocks_touched(area, height_px, width_px, block)
    return where


def pixelate_all(image: Image, block: int) -> Image:
    """Pixelate the whole picture: each block in its mean colour, rounded."""
    height, width = image.shape[:2]
    padded = cv2.copyMakeBorder(image, 0, -height % block, 0, -width % block, cv2.BORDER_REPLICATE)
    size = (padded.shape[1] // block, padded.shape[0] // block)
    small: NDArray[np.uint8] = cv2.resize(padded, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    rounded = (small // COLOUR_STEP * COLOUR_STEP + COLOUR_STEP // 2).astype(np.uint8)
    return np.repeat(np.repeat(rounded, block, axis=0), block, axis=1)[:height, :width]


def _blocks_touched(mask: NDArray[np.bool_], height: int, width: int, block: int) -> NDArray[np.bool_]:
    full = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    padded = np.pad(full, ((0, -height % block), (0, -width % block)))
    rows, columns = padded.shape[0] // block, padded.shape[1] // block
    touched = padded.reshape(rows, block, columns, block).any(axis=(1, 3))
    return np.repeat(np.repeat(touched, block, axis=0), block, axis=1)[:height, :width]
