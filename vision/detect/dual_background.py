"""Dual background of a scene: a long-term one, and a short-term one that takes in what stays; pure array work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detect.picture import Levels, Mask, Picture, difference
from vision.detect.regions import Region, cut, median_in

BACKGROUND_TAU_S: Final = 25.0
"""Time constant of the long-term background: it follows daylight."""
SHORT_TERM_TAU_S: Final = 4.0
PAUSE_S: Final = 2.0
"""A value that a pixel shows for this long without a change enters the short-term background."""
STABLE_MAX_S: Final = 600.0
CHANGE: Final = (16.0, 40.0)
"""Minimum and maximum of the change threshold, in levels of 255; a bag in the shade differs by 20."""
NOISE_FACTOR: Final = 3.0
NOISE_BASE: Final = 12.0
"""Change threshold of a pixel: this and `NOISE_FACTOR` times its mean noise, in levels."""
NOISE_INITIAL: Final = 3.0
THRESHOLD_EVERY_S: Final = 1.0


class DualBackground:
    """The long-term and the short-term background of one camera, both begun with one picture.

    - `background`, `short_term`: (height, width, 3) uint8, BGR.
    - `confirmed_s`: seconds for which a pixel was seen to show the long-term background; 0 where somebody hid it while
      it was learnt.
    - `stable_s`: seconds for which a pixel was seen to show its short-term value; `stable_since_s`: since when, in
      seconds since the construction. A passer-by does not reset them; a new value that stays for `PAUSE_S` does.
    - `matches_short_term`: mask of the pixels at which the newest picture shows the short-term background.
    """

    def __init__(self, first: Picture) -> None:
        shape = first.shape[:2]
        self._background: NDArray[np.float32] = first.astype(np.float32)
        self._short_term: NDArray[np.float32] = first.astype(np.float32)
        self._newest: Picture = first.copy()
        self._newest_s: NDArray[np.float32] = np.zeros(shape, np.float32)
        self._noise: NDArray[np.float32] = np.full(shape, NOISE_INITIAL, np.float32)
        self._threshold_due_s = 0.0
        self.background: Picture = first.copy()
        self.short_term: Picture = first.copy()
        self.stable_s: NDArray[np.float32] = np.zeros(shape, np.float32)
        self.stable_since_s: NDArray[np.float32] = np.zeros(shape, np.float32)
        self._age_s = 0.0
        self.threshold: Levels = np.full(shape, round(NOISE_BASE + NOISE_FACTOR * NOISE_INITIAL), np.uint8)
        self.matches_short_term: Mask = np.full(shape, 255, np.uint8)
        self.confirmed_s: NDArray[np.float32] = np.zeros(shape, np.float32)
        self.foreground: Mask = np.zeros(shape, np.uint8)

    def confirm(self, pictures: Sequence[Picture], each_s: float, occupied: Mask) -> None:
        """Add the pictures that the background was learnt from to `confirmed_s`; one alone confirms nothing.

        Args:
            pictures: The pictures.
            each_s: Seconds that each stands for.
            occupied: Where people, vehicles or animals were recognised: nothing is confirmed there.
        """
        for picture in pictures:
            cv2.add(self.confirmed_s, each_s, self.confirmed_s, cv2.bitwise_not(self.change_mask(picture)))
        cv2.subtract(self.confirmed_s, each_s, self.confirmed_s)
        cv2.max(self.confirmed_s, 0.0, self.confirmed_s)
        self.confirmed_s[occupied != 0] = 0.0

    def step(self, picture: Picture, elapsed_s: float, frozen: Mask, occupied: Mask | None = None) -> None:
        """Update both with a picture.

        Args:
            picture: The picture.
            elapsed_s: Seconds since the last one.
            frozen: Pixels that keep their long-term value.
            occupied: Pixels of recognised bodies: they keep their long-term value, and nothing is confirmed there.
        """
        occupied = np.zeros_like(frozen) if occupied is None else occupied
        frozen = cv2.bitwise_or(frozen, occupied)
        self._age_s += elapsed_s
        change = difference(picture, self.background)
        self.foreground = cv2.compare(change, self.threshold, cv2.CMP_GT)
        agrees = cv2.compare(difference(picture, self.short_term), self.threshold, cv2.CMP_LE)
        self.matches_short_term = agrees
        cv2.add(self.stable_s, elapsed_s, self.stable_s, agrees)
        cv2.min(self.stable_s, STABLE_MAX_S, self.stable_s)
        self._update_short_term(picture, agrees, elapsed_s)
        cv2.accumulateWeighted(picture, self._short_term, min(1.0, elapsed_s / SHORT_TERM_TAU_S), agrees)
        quiet = cv2.bitwise_not(cv2.bitwise_or(self.foreground, frozen))
        share = 1.0 - float(np.exp(-elapsed_s / BACKGROUND_TAU_S))
        cv2.accumulateWeighted(picture, self._background, share, quiet)
        cv2.accumulateWeighted(change, self._noise, share, quiet)
        unhidden = cv2.bitwise_not(cv2.bitwise_or(self.foreground, occupied))
        cv2.add(self.confirmed_s, elapsed_s, self.confirmed_s, unhidden)
        cv2.min(self.confirmed_s, STABLE_MAX_S, self.confirmed_s)
        self._round()
        self._threshold_due_s -= elapsed_s
        if self._threshold_due_s <= 0:
            self._threshold_due_s = THRESHOLD_EVERY_S
            levels = cv2.convertScaleAbs(self._noise, alpha=NOISE_FACTOR, beta=NOISE_BASE)
            self.threshold = np.clip(levels, *CHANGE).astype(np.uint8)

    def change_mask(self, picture: Picture) -> Mask:
        """Mask of the pixels at which a picture differs from the long-term background."""
        mask: Mask = cv2.compare(difference(picture, self.background), self.threshold, cv2.CMP_GT)
        return mask

    def _round(self) -> None:
        self.background = cv2.convertScaleAbs(self._background)
        self.short_term = cv2.convertScaleAbs(self._short_term)

    def _update_short_term(self, picture: Picture, agrees: Mask, elapsed_s: float) -> None:
        """Time each pixel's new value, and take it into the short-term background after `PAUSE_S`."""
        same = cv2.compare(difference(picture, self._newest), self.threshold, cv2.CMP_LE)
        same = cv2.bitwise_and(same, cv2.bitwise_not(agrees))
        fresh = cv2.bitwise_not(cv2.bitwise_or(agrees, same))
        cv2.add(self._newest_s, elapsed_s, self._newest_s, same)
        cv2.copyTo(picture, fresh, self._newest)
        self._newest_s = cv2.copyTo(self._newest_s, same)
        moved = cv2.compare(self._newest_s, PAUSE_S, cv2.CMP_GE)
        if cv2.countNonZero(moved):
            cv2.copyTo(self._newest.astype(np.float32), moved, self._short_term)
            cv2.copyTo(self._newest_s, moved, self.stable_s)
            cv2.copyTo(self._age_s - self._newest_s, moved, self.stable_since_s)
            self._newest_s = cv2.copyTo(self._newest_s, cv2.bitwise_not(moved))

    def unchanged_s(self, region: Region) -> float:
        """Median time in seconds, seen or hidden, since which the pixels of a region have their short-term value."""
        return self._age_s - median_in(self.stable_since_s, region)

    def static(self, hold_s: float) -> Mask:
        """Static foreground: pixels whose short-term value differs from the background, stable for `hold_s`."""
        long_enough = cv2.compare(self.stable_s, hold_s, cv2.CMP_GE)
        other = cv2.compare(difference(self.short_term, self.background), self.threshold, cv2.CMP_GT)
        mask: Mask = cv2.bitwise_and(long_enough, other)
        return mask

    def restore(self, region: Region, before: Picture, confirmed_s: NDArray[np.float32]) -> None:
        """Set the long-term background of a region to what it was before it was absorbed.

        Args:
            region: The region.
            before: The background inside its box, (height, width, 3) uint8.
            confirmed_s: `confirmed_s` inside its box.
        """
        inside = region.shape != 0
        cut(self._background, region.box)[inside] = before[inside]
        cut(self.confirmed_s, region.box)[inside] = confirmed_s[inside]
        self._round()

    def absorb(self, region: Region) -> None:
        """Copy the short-term background of a region into the long-term one."""
        inside = region.shape != 0
        cut(self._background, region.box)[inside] = cut(self._short_term, region.box)[inside]
        cut(self.confirmed_s, region.box)[inside] = cut(self.stable_s, region.box)[inside]
        self._round()
