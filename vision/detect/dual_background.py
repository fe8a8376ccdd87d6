"""Two memories of a scene: the background as it was, and what each pixel has settled on since; pure array work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detect.picture import Levels, Mask, Picture, difference
from vision.detect.regions import Region, cut

BACKGROUND_TAU_S: Final = 25.0
"""Time constant with which the background follows daylight."""
SETTLED_TAU_S: Final = 4.0
PAUSE_S: Final = 2.0
"""What shows for this long without a change is no longer passing: the pixel settles on it."""
SETTLED_MAX_S: Final = 600.0
CHANGE: Final = (16.0, 40.0)
"""Least and most levels (of 255) by which a pixel must differ to have changed; a bag in the shade differs by 20."""
NOISE_FACTOR: Final = 3.0
NOISE_BASE: Final = 12.0
"""A pixel has changed when it differs by this and `NOISE_FACTOR` times what it differs by on its own."""
NOISE_AT_FIRST: Final = 3.0
THRESHOLD_EVERY_S: Final = 1.0


class Layers:
    """The background and the settled layer of one camera, from a picture without passers-by on.

    `confirmed_s` is for how long a pixel has been seen to be background: what somebody hid while it was learnt has
    never been. `settled` is what a pixel has been showing, `settled_s` for how long it was seen and `settled_at` since
    when, in seconds of these layers' life. Somebody who walks past does not start the count anew: only what stays for
    `PAUSE_S` in front of it does. `settles` is where the newest picture shows what has settled.
    """

    def __init__(self, first: Picture) -> None:
        """Take the first picture for both layers."""
        shape = first.shape[:2]
        self._background: NDArray[np.float32] = first.astype(np.float32)
        self._settled: NDArray[np.float32] = first.astype(np.float32)
        self._newest: Picture = first.copy()
        self._newest_s: NDArray[np.float32] = np.zeros(shape, np.float32)
        self._noise: NDArray[np.float32] = np.full(shape, NOISE_AT_FIRST, np.float32)
        self._threshold_due_s = 0.0
        self.background: Picture = first.copy()
        self.settled: Picture = first.copy()
        self.settled_s: NDArray[np.float32] = np.zeros(shape, np.float32)
        self.settled_at: NDArray[np.float32] = np.zeros(shape, np.float32)
        self._age_s = 0.0
        self.threshold: Levels = np.full(shape, round(NOISE_BASE + NOISE_FACTOR * NOISE_AT_FIRST), np.uint8)
        self.settles: Mask = np.full(shape, 255, np.uint8)
        self.confirmed_s: NDArray[np.float32] = np.zeros(shape, np.float32)
        self.foreground: Mask = np.zeros(shape, np.uint8)

    def confirm(self, pictures: Sequence[Picture], each_s: float) -> None:
        """Count the pictures that the background was learnt from where they show it; one alone confirms nothing."""
        for picture in pictures:
            cv2.add(self.confirmed_s, each_s, self.confirmed_s, cv2.bitwise_not(self.changed(picture)))
        cv2.subtract(self.confirmed_s, each_s, self.confirmed_s)
        cv2.max(self.confirmed_s, 0.0, self.confirmed_s)

    def step(self, picture: Picture, elapsed_s: float, held: Mask) -> None:
        """Bring both layers up to a picture `elapsed_s` after the last; `held` places keep their background."""
        self._age_s += elapsed_s
        change = difference(picture, self.background)
        self.foreground = cv2.compare(change, self.threshold, cv2.CMP_GT)
        agrees = cv2.compare(difference(picture, self.settled), self.threshold, cv2.CMP_LE)
        self.settles = agrees
        cv2.add(self.settled_s, elapsed_s, self.settled_s, agrees)
        cv2.min(self.settled_s, SETTLED_MAX_S, self.settled_s)
        self._note_newest(picture, agrees, elapsed_s)
        cv2.accumulateWeighted(picture, self._settled, min(1.0, elapsed_s / SETTLED_TAU_S), agrees)
        quiet = cv2.bitwise_not(cv2.bitwise_or(self.foreground, held))
        share = 1.0 - float(np.exp(-elapsed_s / BACKGROUND_TAU_S))
        cv2.accumulateWeighted(picture, self._background, share, quiet)
        cv2.accumulateWeighted(change, self._noise, share, quiet)
        cv2.add(self.confirmed_s, elapsed_s, self.confirmed_s, cv2.bitwise_not(self.foreground))
        cv2.min(self.confirmed_s, SETTLED_MAX_S, self.confirmed_s)
        self._round()
        self._threshold_due_s -= elapsed_s
        if self._threshold_due_s <= 0:
            self._threshold_due_s = THRESHOLD_EVERY_S
            levels = cv2.convertScaleAbs(self._noise, alpha=NOISE_FACTOR, beta=NOISE_BASE)
            self.threshold = np.clip(levels, *CHANGE).astype(np.uint8)

    def changed(self, picture: Picture) -> Mask:
        """Where a picture differs from the background."""
        found: Mask = cv2.compare(difference(picture, self.background), self.threshold, cv2.CMP_GT)
        return found

    def _round(self) -> None:
        self.background = cv2.convertScaleAbs(self._background)
        self.settled = cv2.convertScaleAbs(self._settled)

    def _note_newest(self, picture: Picture, agrees: Mask, elapsed_s: float) -> None:
        """Count how long a pixel that left its settled value has shown the same new one, and settle on that."""
        same = cv2.compare(difference(picture, self._newest), self.threshold, cv2.CMP_LE)
        same = cv2.bitwise_and(same, cv2.bitwise_not(agrees))
        fresh = cv2.bitwise_not(cv2.bitwise_or(agrees, same))
        cv2.add(self._newest_s, elapsed_s, self._newest_s, same)
        cv2.copyTo(picture, fresh, self._newest)
        self._newest_s = cv2.copyTo(self._newest_s, same)
        moved = cv2.compare(self._newest_s, PAUSE_S, cv2.CMP_GE)
        if cv2.countNonZero(moved):
            cv2.copyTo(self._newest.astype(np.float32), moved, self._settled)
            cv2.copyTo(self._newest_s, moved, self.settled_s)
            cv2.copyTo(self._age_s - self._newest_s, moved, self.settled_at)
            self._newest_s = cv2.copyTo(self._newest_s, cv2.bitwise_not(moved))

    def shown_s(self, region: Region) -> float:
        """For how long, seen or hidden, half of a place has been what it is."""
        return self._age_s - float(np.median(cut(self.settled_at, region.box)[region.shape != 0]))

    def static(self, hold_s: float) -> Mask:
        """Where something other than the background has settled for `hold_s`."""
        long_enough = cv2.compare(self.settled_s, hold_s, cv2.CMP_GE)
        other = cv2.compare(difference(self.settled, self.background), self.threshold, cv2.CMP_GT)
        found: Mask = cv2.bitwise_and(long_enough, other)
        return found

    def absorb(self, region: Region) -> None:
        """Make what has settled in a place the background there."""
        inside = region.shape != 0
        cut(self._background, region.box)[inside] = cut(self._settled, region.box)[inside]
        cut(self.confirmed_s, region.box)[inside] = cut(self.settled_s, region.box)[inside]
        self._round()
