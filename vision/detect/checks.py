"""Checks of one static region against the background: is it an added object. Each is a pure function."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detect.picture import Levels, Mask, Picture, difference, gray_of
from vision.detect.regions import Box, Region, cut, grow

Gray = NDArray[np.float32]

STRUCTURE_SAME: Final = 0.75
"""Edge correlation above which only the light has changed: a shadow keeps the edges of the ground."""
ADDED, TAKEN = 1.2, 0.9
"""Ratio of saliency from which something was added (first) or below which something was taken away (second). Bags show
1.9 and more, ghosts 0.8 and less."""
BASE_LEVELS: Final = 5.0
"""Levels added to both sides of a ratio: two places of one surface differ by so much."""
SAME_SHARE: Final = 0.7
"""Share of a region that must look as before for the region to be unchanged."""
FLAT: Final = 1e-3
MARGIN_PX: Final = 4


def gradient(picture: Picture) -> Gray:
    """(height, width) float32: edge strength of a colour picture."""
    return edges_of(gray_of(picture))


def edges_of(gray: Levels) -> Gray:
    """(height, width) float32: edge strength of a grey picture."""
    across, down = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
    strength: Gray = cv2.magnitude(across, down)
    return strength


def correlation(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """Normalised correlation of two patches of one size, -1 to 1; 1 if both are flat."""
    a, b = first.astype(np.float32), second.astype(np.float32)
    a -= a.mean()
    b -= b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > FLAT else 1.0


def has_own_structure(now: Picture, before: Picture, box: Box) -> bool:
    """Whether the edges inside a box have changed, not only the light."""
    around = grow(box, 2, now.shape)
    return correlation(gradient(cut(now, around)), gradient(cut(before, around))) < STRUCTURE_SAME


def standing_out(now: Picture, before: Picture, region: Region) -> float:
    """Ratio, now to before, of how much a region stands out from its surroundings, by outline and by colour."""
    around = grow(region.box, MARGIN_PX, now.shape)
    mask = np.zeros((around[3], around[2]), np.uint8)
    left, top = region.box[0] - around[0], region.box[1] - around[1]
    mask[top : top + region.box[3], left : left + region.box[2]] = region.shape
    wider, narrower = cv2.dilate(mask, np.ones((5, 5), np.uint8)), cv2.erode(mask, np.ones((3, 3), np.uint8))
    outline = (wider > 0) & (narrower == 0)
    edges_now, edges_before = gradient(cut(now, around)), gradient(cut(before, around))
    edges = (float(edges_now[outline].mean()) + BASE_LEVELS) / (float(edges_before[outline].mean()) + BASE_LEVELS)
    stands_out = _contrast(cut(now, around), mask) / _contrast(cut(before, around), mask)
    return float(np.sqrt(edges * stands_out))


def _contrast(picture: Picture, mask: Mask) -> float:
    """Difference in levels between the median colours inside and outside of a mask."""
    inside, outside = np.median(picture[mask > 0], axis=0), np.median(picture[mask == 0], axis=0)
    return float(np.abs(inside - outside).max()) + BASE_LEVELS


def is_same_but_for_light(now: Picture, before: Picture, region: Region, threshold: int) -> bool:
    """Whether a region looks as before after its brightness is matched to that of its surroundings.

    Args:
        now: The picture.
        before: The background, or the part of it inside the region's box grown by `MARGIN_PX`.
        region: The region.
        threshold: Levels by which noise may differ.
    """
    around = grow(region.box, MARGIN_PX, now.shape)
    inside = np.zeros((around[3], around[2]), np.bool_)
    left, top = region.box[0] - around[0], region.box[1] - around[1]
    inside[top : top + region.box[3], left : left + region.box[2]] = region.shape != 0
    new = cut(now, around)
    old = before if before.shape == new.shape else cut(before, around)
    ratio = float(new[~inside].mean()) / max(1.0, float(old[~inside].mean())) if not inside.all() else 1.0
    matched = cv2.convertScaleAbs(old, alpha=ratio).astype(np.uint8, copy=False)
    return float((difference(new, matched)[inside] > threshold).mean()) < 1.0 - SAME_SHARE


def rigidity(patches: list[Levels]) -> float:
    """Median correlation of a region's patches with the newest one: a bag is still, a standing person sways."""
    newest = patches[-1]
    return float(np.median([correlation(patch, newest) for patch in patches[:-1]])) if len(patches) > 1 else 1.0
