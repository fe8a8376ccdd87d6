"""Two memories of a scene: the background as it was, and what each pixel has settled on since; pure array work.

Pictures here are small: (height, width, 3) float32, BGR, blurred, about 400 px wide. Masks are (height, width) bool.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Mask = NDArray[np.bool_]

CHANGE: Final = 22.0
"""Levels (of 255) by which a pixel differs: above the noise of cheap cameras, below a bag's contrast."""
BACKGROUND_TAU_S: Final = 25.0
"""Time constant with which the background follows daylight."""
PAUSE_S: Final = 2.0
"""What shows for this long without a change is no longer passing: the pixel settles on it."""
SETTLED_MAX_S: Final = 60.0


def differs(one: Picture, other: Picture) -> Mask:
    """Where two pictures differ by more than `CHANGE` in any channel."""
    blue, green, red = cv2.split(cv2.absdiff(one, other))
    found: Mask = cv2.max(cv2.max(blue, green), red) > CHANGE
    return found


class Layers:
    """The background and the settled layer of one camera.

    `settled` is what a pixel has been showing and `settled_s` for how long. Somebody who walks past does not start the
    count anew: only what stays for `PAUSE_S` in front of it does.
    """

    def __init__(self, first: Picture) -> None:
        """Take the first picture for both layers."""
        self.background: Picture = first.copy()
        self.settled: Picture = first.copy()
        self.newest: Picture = first.copy()
        self.newest_s: NDArray[np.float32] = np.zeros(first.shape[:2], np.float32)
        self.settled_s: NDArray[np.float32] = np.zeros(first.shape[:2], np.float32)
        self.foreground: Mask = np.zeros(first.shape[:2], np.bool_)

    def learn(self, picture: Picture, share: float) -> None:
        """Take over `share` of a picture everywhere; for warming up and relearning."""
        cv2.accumulateWeighted(picture, self.background, share)
        self.settled = self.background.copy()
        self.settled_s[:] = 0
        self.foreground[:] = False

    def step(self, picture: Picture, elapsed_s: float, held: Mask) -> None:
        """Bring both layers up to a picture `elapsed_s` after the last; `held` places keep their background."""
        self.foreground = differs(picture, self.background)
        agrees = ~differs(picture, self.settled)
        self.settled_s[agrees] += elapsed_s
        np.minimum(self.settled_s, SETTLED_MAX_S, out=self.settled_s)
        self._note_newest(picture, agrees, elapsed_s)
        follow = min(1.0, elapsed_s / 4.0)
        cv2.accumulateWeighted(picture, self.settled, follow, agrees.astype(np.uint8))
        quiet = ~self.foreground & ~held
        share = 1.0 - float(np.exp(-elapsed_s / BACKGROUND_TAU_S))
        cv2.accumulateWeighted(picture, self.background, share, quiet.astype(np.uint8))

    def _note_newest(self, picture: Picture, agrees: Mask, elapsed_s: float) -> None:
        """Count how long a pixel that left its settled value has shown the same new one, and settle on that."""
        same = ~agrees & ~differs(picture, self.newest)
        self.newest_s[same] += elapsed_s
        fresh = ~agrees & ~same
        self.newest[fresh] = picture[fresh]
        self.newest_s[~same] = 0
        moved = self.newest_s >= PAUSE_S
        self.settled[moved] = self.newest[moved]
        self.settled_s[moved] = self.newest_s[moved]
        self.newest_s[moved] = 0

    def static(self, hold_s: float) -> Mask:
        """Where something other than the background has settled for `hold_s`."""
        return (self.settled_s >= hold_s) & differs(self.settled, self.background)

    def absorb(self, mask: Mask) -> None:
        """Make what has settled in a place the background there."""
        self.background[mask] = self.settled[mask]
