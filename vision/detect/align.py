"""Bring a picture back to where and how bright the background is: a pole that sways, an exposure that adjusts itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detect.picture import Levels, Mask, Picture, gray_of

WIDTH_PX: Final = 192
"""Of the grey picture that shifts are measured on; they come out to about a fifth of its pixels."""
SWAY_SHARE: Final = 0.1
"""Of the picture's width: a pole in the wind sways by less, who turns a camera turns it further."""
BETTER, FAR_BETTER = 0.9, 0.6
"""A shift is real when, taken back, it leaves less than this of the difference; a passing car pulls it the wrong way."""
SURE: Final = 0.12
"""Response of the phase correlation below which two pictures have too little in common to say."""
STILL_PX: Final = 0.4
"""Of the detector's picture: less is the measurement's own noise."""
GAIN_STEP: Final = 8
"""Every so many pixels in both directions are asked for the gain."""
GAIN_LIMITS: Final = (0.6, 1.6)
GAIN_SAME: Final = 0.015
CONTRAST: Final = 45.0
"""Standard deviation of the levels of a street by day."""
STRETCH_MAX: Final = 2.5
"""More would make a dark camera's noise look like things."""
WHITE: Final = 250
DARK, BRIGHT = 20, 245
"""Levels outside of which a pixel says nothing about gain."""


@dataclass(frozen=True)
class Shift:
    """How far a picture lies from its reference, in its own pixels; `sure` a sway to take back, `far` another view."""

    x_px: float
    y_px: float
    sure: bool
    far: bool = False


NO_SHIFT: Final = Shift(0.0, 0.0, sure=False)


class Shifts:
    """Measures the shift between pictures of one size and one reference."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Prepare for pictures of (height, width)."""
        self._scale = shape[1] / WIDTH_PX
        self._size = (WIDTH_PX, max(16, round(shape[0] / self._scale)))
        self._window = cv2.createHanningWindow(self._size, cv2.CV_32F)
        self._reference: NDArray[np.float32] | None = None

    def refer_to(self, picture: Picture) -> None:
        """Measure against this picture from now on."""
        self._reference = self._small(gray_of(picture))

    def measure(self, gray: Levels) -> Shift:
        """How far a grey picture lies from the reference."""
        if self._reference is None:
            return NO_SHIFT
        small = self._small(gray)
        (x, y), response = cv2.phaseCorrelate(self._reference, small, self._window)
        length = float(np.hypot(x, y))
        if response < SURE or length * self._scale < STILL_PX:
            return NO_SHIFT
        back = cv2.warpAffine(small, np.array([[1, 0, -x], [0, 1, -y]], np.float32), self._size)
        left_over = self._unlike(back, x, y) / max(1.0, self._unlike(small, x, y))
        far = length > SWAY_SHARE * WIDTH_PX
        if left_over > (FAR_BETTER if far else BETTER):
            return NO_SHIFT
        return Shift(x * self._scale, y * self._scale, sure=not far, far=far)

    def _unlike(self, small: NDArray[np.float32], x_px: float, y_px: float) -> float:
        """Mean difference from the reference, where a shift leaves both in view."""
        assert self._reference is not None  # noqa: S101 - asked for in measure
        across, down = int(abs(x_px)) + 1, int(abs(y_px)) + 1
        inner = (slice(down, self._size[1] - down), slice(across, self._size[0] - across))
        return float(cv2.norm(small[inner], self._reference[inner], cv2.NORM_L1))

    def _small(self, gray: Levels) -> NDArray[np.float32]:
        return cv2.resize(gray, self._size, interpolation=cv2.INTER_LINEAR).astype(np.float32)


def shifted_back(picture: Picture, shift: Shift) -> Picture:
    """The picture where it would be without its shift."""
    matrix = np.array([[1, 0, -shift.x_px], [0, 1, -shift.y_px]], np.float32)
    size = (picture.shape[1], picture.shape[0])
    moved = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.uint8, copy=False)


@dataclass(frozen=True)
class Stretch:
    """Makes a dull view as contrasty as a bright one: levels times `alpha` plus `beta`."""

    alpha: float = 1.0
    beta: float = 0.0

    def apply(self, picture: Picture) -> Picture:
        """The picture with more contrast."""
        if self.alpha <= 1.0:
            return picture
        return cv2.convertScaleAbs(cv2.max(picture, -self.beta / self.alpha), alpha=self.alpha, beta=self.beta).astype(
            np.uint8, copy=False
        )


def stretch_for(picture: Picture) -> Stretch:
    """What a view in the dark or in fog needs; nothing for one with contrast enough."""
    gray = gray_of(picture)
    alpha = float(np.clip(CONTRAST / max(1.0, float(gray.std())), 1.0, STRETCH_MAX))
    return Stretch(alpha, min(0.0, WHITE - alpha * float(np.percentile(gray, 99))))


def gain_of(picture: Picture, background: Picture, foreground: Mask) -> float:
    """How many times brighter a picture is than the background, by the middle one of the pixels that are not foreground.

    1 when fewer than a quarter of the pixels can say.
    """
    now = picture[::GAIN_STEP, ::GAIN_STEP].mean(axis=2)
    before = background[::GAIN_STEP, ::GAIN_STEP].mean(axis=2)
    usable = (foreground[::GAIN_STEP, ::GAIN_STEP] == 0) & (before > DARK) & (now > DARK / 2)
    usable &= (before < BRIGHT) & (now < BRIGHT)
    if usable.mean() < 0.25:  # noqa: PLR2004 - of the pixels, as said
        return 1.0
    gain = float(np.median(now[usable] / before[usable]))
    return gain if GAIN_LIMITS[0] <= gain <= GAIN_LIMITS[1] else 1.0


def evened(picture: Picture, gain: float) -> Picture:
    """The picture as bright as the background."""
    if abs(gain - 1.0) < GAIN_SAME:
        return picture
    return cv2.convertScaleAbs(picture, alpha=1.0 / gain).astype(np.uint8, copy=False)
