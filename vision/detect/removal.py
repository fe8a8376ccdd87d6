"""Objects that have been reported, watched until they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from vision.detect.checks import TAKEN, correlation, edges_of, is_same_but_for_light, standing_out
from vision.detect.dual_background import Layers
from vision.detect.picture import Mask, Picture, gray_of, share_of
from vision.detect.port import Deposit
from vision.detect.regions import Region, cut, grown, shared_px

GONE_S: Final = 2.0
STILL_SHARE: Final = 0.6
MARGIN_PX: Final = 4
SAME_OBJECT: Final = 0.3
"""Of the smaller box: a static place that shares this with an object that has partly gone is that object, toppled."""
STILL_THERE: Final = 0.6
"""Correlation of edges with its first look from which an object stands as it stood."""


@dataclass
class Held:
    """An object under watch; `before` and `look` are the background and the object inside the region's grown box.

    `relit` once the view was learnt in another light, with the object in it: `before` is then of no use.
    """

    deposit: Deposit
    region: Region
    before: Picture
    look: Picture
    gone_s: float = 0.0
    relit: bool = False


def hold(deposit: Deposit, region: Region, layers: Layers) -> Held:
    """Begin to watch an object that has just been reported."""
    around = grown(region.box, MARGIN_PX, layers.background.shape)
    return Held(deposit, region, cut(layers.background, around).copy(), cut(layers.settled, around).copy())


def mask_of(held: Sequence[Held], shape: tuple[int, ...]) -> Mask:
    """(height, width): the places of objects under watch, a little grown."""
    mask = np.zeros(shape[:2], np.uint8)
    for one in held:
        place = cut(mask, one.region.box)
        np.maximum(place, one.region.shape, out=place)
    return cv2.dilate(mask, np.ones((9, 9), np.uint8)).astype(np.uint8, copy=False) if held else mask


def watch(held: Sequence[Held], picture: Picture, layers: Layers, elapsed_s: float) -> list[Held]:
    """Note which objects' places look as they did before; those that have for `GONE_S`."""
    threshold = int(np.median(layers.threshold)) if held else 0
    for one in held:
        gone = is_same_but_for_light(picture, one.before, one.region, threshold)
        one.gone_s = one.gone_s + elapsed_s if gone or (one.relit and _was_taken(one.region, layers)) else 0.0
    return [one for one in held if one.gone_s >= GONE_S]


def _was_taken(region: Region, layers: Layers) -> bool:
    """Whether a place of the background has lost what stood out there, and keeps still."""
    still = share_of(cut(layers.static(GONE_S), region.box)[region.shape != 0])
    return still > STILL_SHARE and standing_out(layers.settled, layers.background, region) < TAKEN


def toppled(held: Sequence[Held], region: Region, layers: Layers) -> Held | None:
    """The object under watch that a new static place is, after it fell over or was shifted; None when it is another."""
    for one in held:
        smaller = min(one.region.box[2] * one.region.box[3], region.box[2] * region.box[3])
        near = shared_px(grown(one.region.box, 2 * MARGIN_PX, layers.background.shape), region.box)
        if near > SAME_OBJECT * smaller and not _stands(one, layers.settled):
            return one
    return None


def _stands(one: Held, settled: Picture) -> bool:
    around = grown(one.region.box, MARGIN_PX, settled.shape)
    now = edges_of(gray_of(cut(settled, around)))
    return correlation(now, edges_of(gray_of(one.look))) > STILL_THERE
