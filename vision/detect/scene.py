"""Whether a view is usable: light switched, camera covered, moved, out of focus or frozen; pure array work."""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np

from vision.detect.checks import Gray, correlation, edges_of
from vision.detect.picture import Levels, Mask, spread_of
from vision.detect.sharpness import TILES, Sharpness
from vision.detect.stabilisation import Shift

NotArmed = Literal["", "warming_up", "light", "covered", "moved", "defocused", "frozen"]

BLANK_LEVELS: Final = 4.0
"""Standard deviation in levels below which a picture is blank: a covered lens, a dark night without a lamp."""
COVERED_DETAIL: Final = 0.35
"""Share of the usual edge strength below which the camera is covered."""
SHARP: Final = 0.66
"""Share of the usual sharpness below which a picture is out of focus: half the resolution leaves 0.8, a blur of 0.6 %
of the width 0.6."""
SHARPNESS_EVERY_S: Final = 0.9
ALL_OVER: Final = 0.8
TILE_CHANGED: Final = 0.15
SET: Final = 255
"""Value of a set pixel of a mask."""
DEFOCUSED_S: Final = 4.0
SAME_EDGES: Final = 0.35
"""Edge correlation from which it is the same view in another light."""
FROZEN_S: Final = 20.0
"""Time with identical pictures after which a camera is frozen: sensors have noise."""
USUAL_TAU_S: Final = 120.0
SWITCH_RISE: Final = 0.25
"""Rise of the changed share between two pictures, after exposure matching, from which the light was switched."""
MOVED_S: Final = 0.6
TOO_BRIGHT: Final = 0.2
"""Share of a contrast-stretched picture that is clipped to white: a lamp was switched on."""
TOO_BRIGHT_S: Final = 1.0
OTHER_SHARE: Final = 0.1
"""Minimum share of changed pixels of another view: a street full of people keeps its edges, a turned camera not."""
OTHER_EDGES: Final = 0.45
"""Correlation below which the edges of a tile are lost."""
OTHER_TILES: Final = 0.5
"""Share of tiles with lost edges: half are lost by a turn of five degrees; people and cars hide three in ten."""
RICH: Final = 0.25
"""Share of the mean variance of edges below which a tile has no edges to lose."""
OTHER_S: Final = 5.0
HALF: Final = 2


class SceneWatch:
    """Remembers the usual view of a camera and classifies changes of it."""

    def __init__(self) -> None:
        self._edges: Gray | None = None
        self._sharpness: Sharpness | None = None
        self._usual_sharpness: float | None = None
        self._unchecked_s = 0.0
        self._last: Levels | None = None
        self._same_s = 0.0
        self._unsharp_s = 0.0
        self._shifted_s = 0.0
        self._elsewhere_s = 0.0
        self._too_bright_s = 0.0

    def is_blank(self, gray: Levels) -> bool:
        """Whether a picture shows nothing."""
        return spread_of(gray) < BLANK_LEVELS

    def is_frozen(self, gray: Levels, elapsed_s: float) -> bool:
        """Whether identical pictures have come for `FROZEN_S`."""
        same = (
            self._last is not None and self._last.shape == gray.shape and not cv2.norm(self._last, gray, cv2.NORM_INF)
        )
        self._same_s = self._same_s + elapsed_s if same else 0.0
        self._last = gray
        return self._same_s >= FROZEN_S

    def is_overexposed(self, clipped_share: float, elapsed_s: float) -> bool:
        """Whether too much of the contrast-stretched picture has been clipped for `TOO_BRIGHT_S`."""
        self._too_bright_s = self._too_bright_s + elapsed_s if clipped_share > TOO_BRIGHT else 0.0
        return self._too_bright_s >= TOO_BRIGHT_S

    def is_moved(self, shift: Shift, elapsed_s: float) -> bool:
        """Whether the view has been shifted far for `MOVED_S`."""
        self._shifted_s = self._shifted_s + elapsed_s if shift.far else 0.0
        return self._shifted_s >= MOVED_S

    def is_another_view(self, steady: Levels, share: float, elapsed_s: float) -> bool:
        """Whether much of the picture has differed for `OTHER_S` and the usual edges are lost.

        Args:
            steady: The stabilised picture, (height, width) uint8, grey.
            share: Share of it that differs from the background.
            elapsed_s: Seconds since the last picture.
        """
        elsewhere = (
            share > OTHER_SHARE and self._edges is not None and _lost_share(_edges(steady), self._edges) > OTHER_TILES
        )
        self._elsewhere_s = self._elsewhere_s + elapsed_s if elsewhere else 0.0
        return self._elsewhere_s >= OTHER_S

    def is_unsharp(self, gray: Levels, elapsed_s: float) -> bool:
        """Whether the view has been out of focus for `DEFOCUSED_S`."""
        self._unchecked_s += elapsed_s
        if self._sharpness is not None and self._unchecked_s >= SHARPNESS_EVERY_S:
            self._check_sharpness(self._sharpness.measure(gray))
            self._unchecked_s = 0.0
        return self._unsharp_s >= DEFOCUSED_S

    def _check_sharpness(self, sharpness: float | None) -> None:
        """Compare a sharpness with the usual one of this view, which the first picture sets."""
        usual = sharpness if self._usual_sharpness is None else self._usual_sharpness
        if sharpness is not None and usual is not None and sharpness < SHARP * usual:
            self._unsharp_s += self._unchecked_s
            return
        self._unsharp_s = 0.0
        if sharpness is not None and usual is not None:
            share = 1.0 - float(np.exp(-self._unchecked_s / USUAL_TAU_S))
            self._usual_sharpness = usual + share * (sharpness - usual)

    def is_switched(self, gray: Levels, changed: Mask, rise: float) -> bool:
        """Whether the light changed from one picture to the next; `rise` is that of the changed share."""
        return rise > SWITCH_RISE and self.change_reason(gray, changed) == "light"

    def change_reason(self, gray: Levels, changed: Mask) -> NotArmed:
        """Why a large part of the picture has changed; `changed` is the mask of changed pixels."""
        edges = _edges(gray)
        tiles = cv2.resize(changed, TILES, interpolation=cv2.INTER_AREA)
        everywhere = float((tiles > TILE_CHANGED * SET).mean()) > ALL_OVER
        if self._edges is None or (everywhere and correlation(edges, self._edges) >= SAME_EDGES):
            return "light"
        return "covered" if float(edges.mean()) < COVERED_DETAIL * float(self._edges.mean()) else "moved"

    def learn(self, background: Levels) -> None:
        """Set the usual view to a background without people."""
        self._edges = _edges(background)
        if self._sharpness is None:
            self._sharpness = Sharpness(background)

    def start_anew(self) -> None:
        """Forget the usual view."""
        self._edges = self._sharpness = None
        self._usual_sharpness = None
        self._unsharp_s = self._shifted_s = self._elsewhere_s = self._unchecked_s = self._too_bright_s = 0.0


def _lost_share(now: Gray, usual: Gray) -> float:
    """Share of the tiles with edges whose edges have gone or are others now."""
    mean, usual_mean = _mean(now), _mean(usual)
    variance, usual_variance = _mean(now * now) - mean**2, _mean(usual * usual) - usual_mean**2
    alike = (_mean(now * usual) - mean * usual_mean) / np.sqrt(np.maximum(1e-6, variance * usual_variance))
    return float((alike < OTHER_EDGES)[usual_variance > RICH * usual_variance.mean()].mean())


def _mean(values: Gray) -> Gray:
    return np.asarray(cv2.resize(values, TILES, interpolation=cv2.INTER_AREA), np.float32)


def _edges(gray: Levels) -> Gray:
    half = cv2.resize(gray, (gray.shape[1] // HALF, gray.shape[0] // HALF), interpolation=cv2.INTER_AREA)
    return edges_of(half)
