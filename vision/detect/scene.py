"""Can this camera be believed now? Light switched, camera covered, moved, out of focus or frozen; pure array work."""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np

from vision.detect.checks import Gray, correlation, edges_of
from vision.detect.picture import Levels, Mask
from vision.detect.sharpness import TILES, Sharpness
from vision.detect.stabilisation import Shift

NotArmed = Literal["", "warming_up", "light", "covered", "moved", "defocused", "frozen"]

BLANK_LEVELS: Final = 4.0
"""Standard deviation of a picture that shows nothing: a hand on the lens, a dark night without a lamp."""
COVERED_DETAIL: Final = 0.35
"""Of the usual strength of edges."""
SHARP: Final = 0.66
"""Of the usual sharpness: half the resolution leaves 0.8, a blur of 0.6 % of the width 0.6."""
SHARPNESS_EVERY_S: Final = 0.9
ALL_OVER: Final = 0.8
TILE_CHANGED: Final = 0.15
SET: Final = 255
"""Of a mask."""
DEFOCUSED_S: Final = 4.0
SAME_EDGES: Final = 0.35
"""Correlation of edges from which it is the same view in another light."""
FROZEN_S: Final = 20.0
"""Sensors have noise: a camera that sends the very same picture for this long is no longer looking."""
USUAL_TAU_S: Final = 120.0
SWITCH_RISE: Final = 0.25
"""Of the picture, changed from one picture to the next though its brightness is evened out."""
MOVED_S: Final = 0.6
TOO_BRIGHT: Final = 0.2
"""Of the picture, whose contrast was stretched in the dark: a lamp was switched on."""
TOO_BRIGHT_S: Final = 1.0
OTHER_SHARE: Final = 0.1
"""Of the picture, changed: a street full of people leaves the edges behind them, a turned camera does not."""
OTHER_EDGES: Final = 0.45
"""Correlation below which the edges of a part of the view are lost."""
OTHER_TILES: Final = 0.5
"""Of the view's parts, their edges lost: a turn by five degrees; people and cars hide three in ten."""
RICH: Final = 0.25
"""Of the mean variance of edges: a part of the view with less has none to lose."""
OTHER_S: Final = 5.0
HALF: Final = 2


class SceneWatch:
    """Remembers what the view usually looks like, to say what has become of it."""

    def __init__(self) -> None:
        """Know nothing yet."""
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
        """Whether a picture shows nothing at all."""
        return float(gray.std()) < BLANK_LEVELS

    def is_frozen(self, gray: Levels, elapsed_s: float) -> bool:
        """Whether the very same picture has been coming for `FROZEN_S`."""
        same = (
            self._last is not None and self._last.shape == gray.shape and not cv2.norm(self._last, gray, cv2.NORM_INF)
        )
        self._same_s = self._same_s + elapsed_s if same else 0.0
        self._last = gray
        return self._same_s >= FROZEN_S

    def is_too_bright(self, beyond: float, elapsed_s: float) -> bool:
        """Whether much of the picture has been too bright for how it is looked at for `TOO_BRIGHT_S`."""
        self._too_bright_s = self._too_bright_s + elapsed_s if beyond > TOO_BRIGHT else 0.0
        return self._too_bright_s >= TOO_BRIGHT_S

    def is_moved(self, shift: Shift, elapsed_s: float) -> bool:
        """Whether the view has kept lying elsewhere for `MOVED_S`."""
        self._shifted_s = self._shifted_s + elapsed_s if shift.far else 0.0
        return self._shifted_s >= MOVED_S

    def is_another_view(self, steady: Levels, share: float, elapsed_s: float) -> bool:
        """Whether much has been different for `OTHER_S`, and the edges of the view are not there any more.

        Args:
            steady: The picture, brought back to where the background is.
            share: Of it, different from the background.
            elapsed_s: Since the last picture.
        """
        elsewhere = share > OTHER_SHARE and self._edges is not None and _lost(_edges(steady), self._edges) > OTHER_TILES
        self._elsewhere_s = self._elsewhere_s + elapsed_s if elsewhere else 0.0
        return self._elsewhere_s >= OTHER_S

    def is_unsharp(self, gray: Levels, elapsed_s: float) -> bool:
        """Whether the view has been out of focus for `DEFOCUSED_S`."""
        self._unchecked_s += elapsed_s
        if self._sharpness is not None and self._unchecked_s >= SHARPNESS_EVERY_S:
            self._check_sharpness(self._sharpness.of(gray))
            self._unchecked_s = 0.0
        return self._unsharp_s >= DEFOCUSED_S

    def _check_sharpness(self, found: float | None) -> None:
        """Compare with what pictures of this view usually have; the first one says what that is."""
        usual = found if self._usual_sharpness is None else self._usual_sharpness
        if found is not None and usual is not None and found < SHARP * usual:
            self._unsharp_s += self._unchecked_s
            return
        self._unsharp_s = 0.0
        if found is not None and usual is not None:
            share = 1.0 - float(np.exp(-self._unchecked_s / USUAL_TAU_S))
            self._usual_sharpness = usual + share * (found - usual)

    def is_switched(self, gray: Levels, changed: Mask, rise: float) -> bool:
        """Whether the same view is in another light from one picture to the next; `rise` of the changed share."""
        return rise > SWITCH_RISE and self.why_all_changed(gray, changed) == "light"

    def why_all_changed(self, gray: Levels, changed: Mask) -> NotArmed:
        """What a change of a large part of the picture is; `changed` says where."""
        edges = _edges(gray)
        tiles = cv2.resize(changed, TILES, interpolation=cv2.INTER_AREA)
        everywhere = float((tiles > TILE_CHANGED * SET).mean()) > ALL_OVER
        if self._edges is None or (everywhere and correlation(edges, self._edges) >= SAME_EDGES):
            return "light"
        return "covered" if float(edges.mean()) < COVERED_DETAIL * float(self._edges.mean()) else "moved"

    def learn(self, background: Levels) -> None:
        """Take a background without anybody for the usual view."""
        self._edges = _edges(background)
        if self._sharpness is None:
            self._sharpness = Sharpness(background)

    def start_anew(self) -> None:
        """Forget the usual view: what shows now is another."""
        self._edges = self._sharpness = None
        self._usual_sharpness = None
        self._unsharp_s = self._shifted_s = self._elsewhere_s = self._unchecked_s = self._too_bright_s = 0.0


def _lost(now: Gray, usual: Gray) -> float:
    """Of the parts of a view that have edges, the share whose edges have gone or are others now."""
    mean, usual_mean = _mean(now), _mean(usual)
    variance, usual_variance = _mean(now * now) - mean**2, _mean(usual * usual) - usual_mean**2
    alike = (_mean(now * usual) - mean * usual_mean) / np.sqrt(np.maximum(1e-6, variance * usual_variance))
    return float((alike < OTHER_EDGES)[usual_variance > RICH * usual_variance.mean()].mean())


def _mean(values: Gray) -> Gray:
    return np.asarray(cv2.resize(values, TILES, interpolation=cv2.INTER_AREA), np.float32)


def _edges(gray: Levels) -> Gray:
    half = cv2.resize(gray, (gray.shape[1] // HALF, gray.shape[0] // HALF), interpolation=cv2.INTER_AREA)
    return edges_of(half)
