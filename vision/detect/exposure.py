"""Matches a picture's exposure to the background, and stretches the contrast of dark and foggy views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from vision.detect.picture import Levels, Mask, Picture, gray_of, spread_of

GAIN_STEP: Final = 8
"""Sampling step in pixels, in both directions."""
GAIN_LIMITS: Final = (0.6, 1.6)
"""Gains outside of these limits are a change of light, not of the camera's exposure."""
GAIN_SAME: Final = 0.015
USABLE_SHARE_MIN: Final = 0.25
DARK, BRIGHT = 20, 245
"""Pixels with levels outside of this range are not used for the gain."""
CONTRAST: Final = 45.0
"""Standard deviation of the levels of a street by day."""
STRETCH_MAX: Final = 2.5
"""More would make a dark camera's noise look like things."""
WHITE: Final = 250.0


@dataclass(frozen=True)
class ContrastStretch:
    """A linear contrast stretch: levels times `alpha` plus `beta`; `alpha` of 1 changes nothing."""

    alpha: float = 1.0
    beta: float = 0.0

    def apply(self, picture: Picture) -> Picture:
        """The picture with stretched contrast."""
        if self.alpha <= 1.0:
            return picture
        # A negative level would come out positive; a plain number would count for the first channel alone.
        black = cv2.max(picture, (-self.beta / self.alpha,) * 4)
        stretched: Picture = cv2.convertScaleAbs(black, alpha=self.alpha, beta=self.beta)
        return stretched

    def clipped_share(self, gray: Levels) -> float:
        """Share (0 to 1) of the pixels that the stretch would clip to white."""
        return float((gray[::GAIN_STEP, ::GAIN_STEP] > (255 - self.beta) / self.alpha).mean())

    def undo(self, picture: Picture) -> Picture:
        """Invert the stretch."""
        if self.alpha <= 1.0:
            return picture
        dull: Picture = cv2.convertScaleAbs(picture, alpha=1.0 / self.alpha, beta=-self.beta / self.alpha)
        return dull


def stretch_for(picture: Picture) -> ContrastStretch:
    """The contrast stretch for a dark or foggy view; one that changes nothing if the contrast is sufficient."""
    gray = gray_of(picture)
    alpha = float(np.clip(CONTRAST / max(1.0, spread_of(gray)), 1.0, STRETCH_MAX))
    return ContrastStretch(alpha, min(0.0, WHITE - alpha * float(np.percentile(gray, 99))))


def match_exposure(picture: Picture, background: Picture, foreground: Mask) -> Picture:
    """Scale a picture's brightness to that of the background, measured on the pixels that are not foreground."""
    gain = gain_of(picture, background, foreground)
    if abs(gain - 1.0) < GAIN_SAME:
        return picture
    matched: Picture = cv2.convertScaleAbs(picture, alpha=1.0 / gain)
    return matched


def gain_of(picture: Picture, background: Picture, foreground: Mask) -> float:
    """Median ratio of a picture's brightness to the background's, over the pixels that are not foreground.

    1 if fewer than `USABLE_SHARE_MIN` of the pixels can be used.
    """
    now = picture[::GAIN_STEP, ::GAIN_STEP].mean(axis=2)
    before = background[::GAIN_STEP, ::GAIN_STEP].mean(axis=2)
    usable = (foreground[::GAIN_STEP, ::GAIN_STEP] == 0) & (before > DARK) & (now > DARK / 2)
    usable &= (before < BRIGHT) & (now < BRIGHT)
    if usable.mean() < USABLE_SHARE_MIN:
        return 1.0
    gain = float(np.median(now[usable] / before[usable]))
    return gain if GAIN_LIMITS[0] <= gain <= GAIN_LIMITS[1] else 1.0
