"""Bring a picture to how bright and contrasty the background is: an exposure that adjusts itself, the dark, fog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from vision.detect.picture import Levels, Mask, Picture, gray_of

GAIN_STEP: Final = 8
"""Every so many pixels in both directions are asked for the gain."""
GAIN_LIMITS: Final = (0.6, 1.6)
"""Outside of these it is another light, not the camera's exposure."""
GAIN_SAME: Final = 0.015
TELLING_SHARE: Final = 0.25
DARK, BRIGHT = 20, 245
"""Levels outside of which a pixel says nothing about gain."""
CONTRAST: Final = 45.0
"""Standard deviation of the levels of a street by day."""
STRETCH_MAX: Final = 2.5
"""More would make a dark camera's noise look like things."""
WHITE: Final = 250.0


@dataclass(frozen=True)
class Stretch:
    """Makes a dull view as contrasty as a bright one: levels times `alpha` plus `beta`."""

    alpha: float = 1.0
    beta: float = 0.0

    def apply(self, picture: Picture) -> Picture:
        """The picture with more contrast."""
        if self.alpha <= 1.0:
            return picture
        # A negative level would come out positive; a plain number would count for the first channel alone.
        black = cv2.max(picture, (-self.beta / self.alpha,) * 4)
        stretched: Picture = cv2.convertScaleAbs(black, alpha=self.alpha, beta=self.beta)
        return stretched

    def beyond(self, gray: Levels) -> float:
        """The share of a picture that is too bright for this: where it would be white, and nothing else."""
        return float((gray[::GAIN_STEP, ::GAIN_STEP] > (255 - self.beta) / self.alpha).mean())

    def undone(self, picture: Picture) -> Picture:
        """The picture as it was before."""
        if self.alpha <= 1.0:
            return picture
        dull: Picture = cv2.convertScaleAbs(picture, alpha=1.0 / self.alpha, beta=-self.beta / self.alpha)
        return dull


def stretch_for(picture: Picture) -> Stretch:
    """What a view in the dark or in fog needs; nothing for one with contrast enough."""
    gray = gray_of(picture)
    alpha = float(np.clip(CONTRAST / max(1.0, float(gray.std())), 1.0, STRETCH_MAX))
    return Stretch(alpha, min(0.0, WHITE - alpha * float(np.percentile(gray, 99))))


def evened(picture: Picture, background: Picture, foreground: Mask) -> Picture:
    """The picture as bright as the background, by the pixels that are not foreground."""
    gain = gain_of(picture, background, foreground)
    if abs(gain - 1.0) < GAIN_SAME:
        return picture
    even: Picture = cv2.convertScaleAbs(picture, alpha=1.0 / gain)
    return even


def gain_of(picture: Picture, background: Picture, foreground: Mask) -> float:
    """How many times brighter a picture is than the background: the middle one of the pixels that are not foreground.

    1 when fewer than a quarter of the pixels can say.
    """
    now = picture[::GAIN_STEP, ::GAIN_STEP].mean(axis=2)
    before = background[::GAIN_STEP, ::GAIN_STEP].mean(axis=2)
    telling = (foreground[::GAIN_STEP, ::GAIN_STEP] == 0) & (before > DARK) & (now > DARK / 2)
    telling &= (before < BRIGHT) & (now < BRIGHT)
    if telling.mean() < TELLING_SHARE:
        return 1.0
    gain = float(np.median(now[telling] / before[telling]))
    return gain if GAIN_LIMITS[0] <= gain <= GAIN_LIMITS[1] else 1.0
