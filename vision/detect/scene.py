"""Can this camera be believed now? Light switched, camera covered, moved, out of focus or frozen; pure array work."""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np

from vision.detect.checks import Gray, correlation, edges_of
from vision.detect.picture import Levels, Mask
from vision.detect.sway import Shift

NotArmed = Literal["", "warming_up", "light", "covered", "moved", "defocused", "frozen"]

BLANK_LEVELS: Final = 4.0
"""Standard deviation of a picture that shows nothing: a hand on the lens, a dark night without a lamp."""
COVERED_DETAIL: Final = 0.35
DEFOCUSED_DETAIL: Final = 0.5
"""Of the usual strength of edges, all over the picture; fog and rain leave more."""
TILES: Final = (8, 6)
RICH: Final = 0.5
"""Of the mean strength of edges: a part of the picture with less has nothing to lose."""
RICH_TILES: Final = 12
"""A plain car park with fewer is hidden by one car."""
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
HALF: Final = 2


class SceneWatch:
    """Remembers what the view usually looks like, to say what has become of it."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._edges: Gray | None = None
        self._tiles: Gray | None = None
        self._last: Levels | None = None
        self._same_s = 0.0
        self._unsharp_s = 0.0
        self._shifted_s = 0.0

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

    def is_moved(self, shift: Shift, elapsed_s: float) -> bool:
        """Whether the view has kept lying elsewhere for `MOVED_S`."""
        self._shifted_s = self._shifted_s + elapsed_s if shift.far else 0.0
        return self._shifted_s >= MOVED_S

    def is_unsharp(self, gray: Levels, elapsed_s: float) -> bool:
        """Whether the same view has lost its edges for `DEFOCUSED_S`."""
        if self._tiles is None:
            return False
        rich = self._tiles > RICH * self._tiles.mean()
        if rich.sum() < RICH_TILES:
            return False
        unsharp = float((_tiles(_edges(gray)) < DEFOCUSED_DETAIL * self._tiles)[rich].mean()) > ALL_OVER
        self._unsharp_s = self._unsharp_s + elapsed_s if unsharp else 0.0
        return self._unsharp_s >= DEFOCUSED_S

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

    def learn(self, background: Levels, elapsed_s: float) -> None:
        """Take a background without anybody for the usual view."""
        self._edges = _edges(background)
        tiles = _tiles(self._edges)
        share = 1.0 - float(np.exp(-elapsed_s / USUAL_TAU_S))
        self._tiles = tiles if self._tiles is None else self._tiles + share * (tiles - self._tiles)

    def start_anew(self) -> None:
        """Forget the usual view: what shows now is another."""
        self._edges = self._tiles = None
        self._unsharp_s = self._shifted_s = 0.0


def _edges(gray: Levels) -> Gray:
    half = cv2.resize(gray, (gray.shape[1] // HALF, gray.shape[0] // HALF), interpolation=cv2.INTER_AREA)
    return edges_of(half)


def _tiles(edges: Gray) -> Gray:
    tiles: Gray = cv2.resize(edges, TILES, interpolation=cv2.INTER_AREA)
    return tiles
