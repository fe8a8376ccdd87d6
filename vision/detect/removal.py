"""Reported objects, tracked until they are removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from vision.detect.checks import TAKEN, correlation, edges_of, is_same_but_for_light, standing_out
from vision.detect.dual_background import DualBackground
from vision.detect.picture import Mask, Picture, gray_of, share_of
from vision.detect.port import AbandonedObject
from vision.detect.regions import Region, cut, gap_px, grow, shared_px

GONE_S: Final = 2.0
GROWS_S: Final = 60.0
"""What is put down beside a reported object within this time belongs to the same case."""
STILL_SHARE: Final = 0.6
MARGIN_PX: Final = 4
SAME_OBJECT: Final = 0.3
"""Share of the smaller box: a static region that overlaps a displaced object by this much is that object, toppled."""
STILL_THERE: Final = 0.6
"""Edge correlation with an object's first appearance from which it is unchanged."""


@dataclass(eq=False)
class ReportedObject:
    """A reported object; `before` and `appearance` are background and object inside the region's grown box.

    `relit` is set once the background was learnt anew with the object in it: `before` is then not used. `grown_s` is
    when the newest part of it was reported.
    """

    waste: AbandonedObject
    region: Region
    before: Picture
    appearance: Picture
    grown_s: float
    gone_s: float = 0.0
    relit: bool = False


def track(waste: AbandonedObject, region: Region, backgrounds: DualBackground, at_s: float) -> ReportedObject:
    """Start to track an object that has just been reported, at `at_s` seconds."""
    around = grow(region.box, MARGIN_PX, backgrounds.background.shape)
    return ReportedObject(
        waste, region, cut(backgrounds.background, around).copy(), cut(backgrounds.short_term, around).copy(), at_s
    )


def objects_mask(objects: Sequence[ReportedObject], shape: tuple[int, ...]) -> Mask:
    """(height, width) uint8, 0 or 255: the regions of reported objects, dilated by 4 pixels."""
    mask = np.zeros(shape[:2], np.uint8)
    for reported in objects:
        part = cut(mask, reported.region.box)
        np.maximum(part, reported.region.shape, out=part)
    return cv2.dilate(mask, np.ones((9, 9), np.uint8)).astype(np.uint8, copy=False) if objects else mask


def find_removed(
    objects: Sequence[ReportedObject], picture: Picture, backgrounds: DualBackground, elapsed_s: float
) -> list[ReportedObject]:
    """Objects whose region has looked like the background for `GONE_S`; updates the time of each object."""
    for reported in objects:
        threshold = int(np.median(cut(backgrounds.threshold, reported.region.box)))
        gone = is_same_but_for_light(picture, reported.before, reported.region, threshold)
        gone = gone or (reported.relit and _was_taken(reported.region, backgrounds))
        reported.gone_s = reported.gone_s + elapsed_s if gone else 0.0
    return [reported for reported in objects if reported.gone_s >= GONE_S]


def _was_taken(region: Region, backgrounds: DualBackground) -> bool:
    """Whether a region of the background has lost the object that it showed, and is static."""
    still = share_of(cut(backgrounds.static(GONE_S), region.box)[region.shape != 0])
    return still > STILL_SHARE and standing_out(backgrounds.short_term, backgrounds.background, region) < TAKEN


def find_toppled(
    objects: Sequence[ReportedObject], region: Region, backgrounds: DualBackground
) -> ReportedObject | None:
    """The reported object that a new static region is, toppled or shifted; None if it is another object."""
    for reported in objects:
        smaller = min(reported.region.box[2] * reported.region.box[3], region.box[2] * region.box[3])
        near = shared_px(grow(reported.region.box, 2 * MARGIN_PX, backgrounds.background.shape), region.box)
        if near > SAME_OBJECT * smaller and not _is_unchanged(reported, backgrounds.short_term):
            return reported
    return None


def find_grown(
    objects: Sequence[ReportedObject], region: Region, at_s: float, reach_px: float
) -> ReportedObject | None:
    """The reported object that a new region beside it belongs to: a load that is still being put down."""
    return next(
        (
            reported
            for reported in objects
            if at_s - reported.grown_s <= GROWS_S and gap_px(reported.region.box, region.box) <= reach_px
        ),
        None,
    )


def _is_unchanged(reported: ReportedObject, short_term: Picture) -> bool:
    around = grow(reported.region.box, MARGIN_PX, short_term.shape)
    now = edges_of(gray_of(cut(short_term, around)))
    return correlation(now, edges_of(gray_of(reported.appearance))) > STILL_THERE
