"""The reference of `kota bench vision`: what a slow and a fast MOG2 disagree on, held for a while, is a thing left.

The method of Porikli (2008) as it is usually programmed with OpenCV. Rates are seconds, so it holds at any frame rate;
its times, and the sizes that are the detector's own, suit the clips. It follows nobody and asks nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from vision.detect.config import DetectorConfig
from vision.detect.picture import Image, Mask, Point, polygon_mask
from vision.detect.port import AbandonedObject, FullBox, StepResult
from vision.detect.regions import Box, iou, regions_of, shared_px

WIDTH_PX: Final = 400
FAST_S: Final = 2.0
"""What stays for so long is background to the fast one, and for `SLOW_S` to the slow one."""
SLOW_S: Final = 300.0
HOLD_S: Final = 10.0
"""Of 5 to 15 s what suits it best on the clips: with 5 s nearly twice as many alarms are false, and half come early."""
ELAPSED_MAX_S: Final = 2.0
BACKGROUND_SHARE: Final = 0.9
"""OpenCV's own: what shows is background once all that showed before has less weight than this."""
SAME_OBJECT: Final = 0.2
CLOSE_PX: Final = 7


@dataclass
class _Held:
    """A place that has been reported."""

    box: Box
    seen_s: float


class DualMog2:
    """One camera's state; takes pictures as the detector does."""

    def __init__(self, zone: Sequence[Point] = ()) -> None:
        """Start without a background, for a zone in normalised coordinates."""
        self._zone = zone
        self._slow = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
        self._fast = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
        self._static_s = np.zeros((1, 1), np.float32)
        self._held: list[_Held] = []
        self._last_s: float | None = None
        self._count = 0

    def step(self, image: Image, at_s: float) -> StepResult:
        """Look at the next picture."""
        scale = image.shape[1] / WIDTH_PX
        size = (WIDTH_PX, round(image.shape[0] / scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        elapsed_s = 0.0 if self._last_s is None else min(at_s - self._last_s, ELAPSED_MAX_S)
        self._last_s = at_s
        static = self._settled(small, elapsed_s)
        area_px = static.size
        config = DetectorConfig()
        places = regions_of(static, close_px=CLOSE_PX, min_area_px=int(config.min_area * area_px))
        boxes = [place.box for place in places if place.area_px <= config.max_area * area_px]
        return StepResult([self._report(box, scale, at_s) for box in boxes if self._is_new(box, at_s)])

    def _settled(self, small: Image, elapsed_s: float) -> Mask:
        """Where the slow one has seen something for `HOLD_S` that the fast one takes for background."""
        slow = self._slow.apply(small, learningRate=1 - BACKGROUND_SHARE ** (elapsed_s / SLOW_S))
        fast = self._fast.apply(small, learningRate=1 - BACKGROUND_SHARE ** (elapsed_s / FAST_S))
        if self._static_s.shape != slow.shape:
            self._static_s = np.zeros(slow.shape, np.float32)
            self._inside = polygon_mask([self._zone] if self._zone else [], *slow.shape)
        static = (slow & ~fast & self._inside) > 0
        self._static_s = np.where(static, self._static_s + elapsed_s, np.maximum(0, self._static_s - elapsed_s))
        held: Mask = cv2.compare(self._static_s, HOLD_S, cv2.CMP_GE)
        return held

    def _is_new(self, box: Box, at_s: float) -> bool:
        """Whether a place has not been reported yet; one that was not static for `HOLD_S` is forgotten."""
        self._held = [held for held in self._held if at_s - held.seen_s <= HOLD_S]
        known = [held for held in self._held if _is_same(held.box, box)]
        for held in known:
            held.seen_s = at_s
        return not known

    def _report(self, box: Box, scale: float, at_s: float) -> AbandonedObject:
        self._count += 1
        self._held.append(_Held(box, at_s))
        left, top, width, height = (round(edge * scale) for edge in box)
        full: FullBox = (left, top, width, height)
        return AbandonedObject(self._count, full, at_s, at_s - HOLD_S)


def _is_same(one: Box, other: Box) -> bool:
    smaller = min(one[2] * one[3], other[2] * other[3])
    return iou(one, other) > SAME_OBJECT or shared_px(one, other) > smaller / 2
