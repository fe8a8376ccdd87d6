"""Is it a thing that was put there? Checks of one static place against the background, each a pure function."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.layers import Mask, Picture
from vision.regions import Box, grown

Gray = NDArray[np.float32]

STRUCTURE_SAME: Final = 0.75
"""Correlation of edges above which only the light has changed: a shadow keeps what it falls on."""
EDGE_RATIO: Final = 0.8
"""An object brings edges along its outline; where the background had much stronger ones, something was taken away."""


def gradient(picture: Picture) -> Gray:
    """(height, width) float32: strength of edges."""
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    magnitude: Gray = cv2.magnitude(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    return magnitude


def correlation(one: Gray, other: Gray) -> float:
    """Normalised correlation of two patches of one size, -1 to 1; 1 for two flat ones."""
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 1e-3 else 1.0  # noqa: PLR2004 - flat


def cut(picture: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """The part of a picture inside a box."""
    return picture[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]


def has_own_structure(now: Picture, before: Picture, box: Box) -> bool:
    """Whether a place looks different in its edges, not only in its light."""
    around = grown(box, 2, (now.shape[0], now.shape[1]))
    return correlation(gradient(cut(now, around)), gradient(cut(before, around))) < STRUCTURE_SAME


def is_added(now: Picture, before: Picture, mask: Mask) -> bool:
    """Whether the outline of a place carries edges now that it did not carry before."""
    kernel = np.ones((5, 5), np.uint8)
    whole = mask.astype(np.uint8)
    outline = (cv2.dilate(whole, kernel) - cv2.erode(whole, np.ones((3, 3), np.uint8))).astype(np.bool_)
    return float(gradient(now)[outline].mean()) > EDGE_RATIO * float(gradient(before)[outline].mean())


def rigidity(patches: list[Gray]) -> float:
    """Median correlation of a place with its newest look: a bag keeps still to the pixel, a standing person sways."""
    newest = patches[-1]
    return float(np.median([correlation(patch, newest) for patch in patches[:-1]])) if len(patches) > 1 else 1.0
