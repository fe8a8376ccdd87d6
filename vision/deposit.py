"""Finds what was put down and left: static, rigid, not there before, brought by somebody who has gone.

`DepositDetector.step` takes pictures in order of time and knows no clock but theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.checks import cut, has_own_structure, is_added, rigidity
from vision.config import DetectorConfig
from vision.layers import Layers, Mask, Picture, differs
from vision.regions import Box, Region, overlap, pixels_near, regions_of

Image = NDArray[np.uint8]
NotArmed = Literal["", "warming_up", "light", "covered"]


@dataclass
class Deposit:
    """An object left behind. `box` is left, top, width, height in the source's own pixels."""

    id: int
    box: tuple[int, int, int, int]
    at_s: float
    since_s: float


@dataclass(frozen=True)
class StepResult:
    """What one picture told; `people` are boxes of whatever moves, in the source's own pixels."""

    alarms: list[Deposit] = field(default_factory=list)
    removed: list[Deposit] = field(default_factory=list)
    armed: bool = True
    reason: NotArmed = ""
    people: list[tuple[int, int, int, int]] = field(default_factory=list)


@dataclass
class _Candidate:
    """A static place under observation."""

    region: Region
    first_s: float
    since_s: float
    brought: bool = False
    refused_s: float | None = None


@dataclass
class _Held:
    """An object that has been reported and is watched until it goes."""

    deposit: Deposit
    region: Region
    gone_s: float = 0.0


@dataclass(frozen=True)
class _Memory:
    """A recent moment, kept to look back at who was near."""

    at_s: float
    foreground: Mask
    gray: NDArray[np.uint8]


MEMORY_S: Final = 20.0
MEMORY_EVERY_S: Final = 0.38
"""Two or three moments a second tell who was near; more would be the largest part of a camera's memory."""
COVERED_LEVELS: Final = 4.0
"""Standard deviation of a picture that shows nothing."""
GONE_S: Final = 2.0
PERSON_SHARE: Final = 0.8
"""Foreground beside an object, as a share of the object's area, that counts as somebody."""
CROWD_SHARE: Final = 0.25
BACK_S: Final = 0.4
"""From when on somebody beside a thing has brought it: before, the moving blob is the thing itself, or its owner."""


class DepositDetector:
    """One camera's state; not for use by two threads at once."""

    def __init__(self, zone: Sequence[tuple[float, float]] = (), config: DetectorConfig | None = None) -> None:
        """Start without a background.

        Args:
            zone: Polygon in normalised coordinates (0..1 from the top left); empty for the whole picture.
            config: Thresholds.
        """
        self._zone = zone
        self._config = config or DetectorConfig()
        self._layers: Layers | None = None
        self._learning_until_s = 0.0
        self._reason: NotArmed = "warming_up"
        self._last_s = -1e9
        self._scale = 1.0
        self._inside: Mask | None = None
        self._memory: deque[_Memory] = deque()
        self._candidates: list[_Candidate] = []
        self._held: list[_Held] = []
        self._count = 0
        self._last = StepResult(armed=False, reason="warming_up")

    @property
    def background(self) -> Image | None:
        """(height, width, 3) uint8, BGR: the scene without what passes, at the detector's size."""
        return self._layers.background.astype(np.uint8) if self._layers else None

    def step(self, image: Image, at_s: float) -> StepResult:
        """Look at the next picture.

        Args:
            image: (height, width, 3) uint8, BGR, always of one size.
            at_s: Its time in seconds; pictures that come faster than `every_s` are passed over.
        """
        elapsed_s = at_s - self._last_s
        if elapsed_s < self._config.every_s:
            return StepResult(armed=self._last.armed, reason=self._last.reason, people=self._last.people)
        self._last_s = at_s
        picture = self._shrink(image)
        if self._layers is None or self._layers.background.shape != picture.shape:
            self._relearn(picture, at_s, "warming_up")
        self._last = self._look(picture, at_s, min(elapsed_s, 2.0))
        return self._last

    def _look(self, picture: Picture, at_s: float, elapsed_s: float) -> StepResult:
        layers = self._layers
        assert layers is not None  # noqa: S101 - made in step
        if float(picture.std()) < COVERED_LEVELS:
            self._relearn(picture, at_s, "covered")
        if at_s < self._learning_until_s:
            layers.learn(picture, 0.4)
            return StepResult(armed=False, reason=self._reason)
        if self._reason:
            layers.learn(picture, 0.0)
            self._reason = ""
        layers.step(picture, elapsed_s, self._held_mask(picture.shape[:2]))
        if float(layers.foreground.mean()) > self._config.light_share:
            self._relearn(picture, at_s, "light")
            return StepResult(armed=False, reason="light")
        self._remember(picture, at_s)
        alarms = self._judge(picture, at_s)
        return StepResult(alarms, self._find_removed(picture, elapsed_s), people=self._people())

    def _relearn(self, picture: Picture, at_s: float, reason: NotArmed) -> None:
        if self._layers is None or self._layers.background.shape != picture.shape or not self._reason:
            self._layers = Layers(picture)
        self._learning_until_s = at_s + self._config.warm_up_s
        self._reason = reason
        self._candidates.clear()
        self._memory.clear()

    def _shrink(self, image: Image) -> Picture:
        self._scale = (image.shape[0] * image.shape[1] / self._config.pixels) ** 0.5
        size = (round(image.shape[1] / self._scale), round(image.shape[0] / self._scale))
        method = cv2.INTER_AREA if self._scale > 1 else cv2.INTER_LINEAR
        small = cv2.resize(image, size, interpolation=method)
        if self._inside is None or self._inside.shape != small.shape[:2]:
            self._inside = self._zone_mask(small.shape[0], small.shape[1])
        blurred: Picture = cv2.GaussianBlur(small, (5, 5), 0).astype(np.float32)
        return blurred

    def _zone_mask(self, height_px: int, width_px: int) -> Mask:
        if not self._zone:
            return np.ones((height_px, width_px), np.bool_)
        canvas = np.zeros((height_px, width_px), np.uint8)
        points = np.array([[x * width_px, y * height_px] for x, y in self._zone], np.int32)
        cv2.fillPoly(canvas, [points], 1)
        return canvas.astype(np.bool_)

    def _remember(self, picture: Picture, at_s: float) -> None:
        assert self._layers is not None  # noqa: S101 - made in step
        if self._memory and at_s - self._memory[-1].at_s < MEMORY_EVERY_S:
            return
        gray: NDArray[np.uint8] = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8)
        self._memory.append(_Memory(at_s, self._layers.foreground.copy(), gray))
        while self._memory[0].at_s < at_s - MEMORY_S:
            self._memory.popleft()

    def _judge(self, picture: Picture, at_s: float) -> list[Deposit]:
        """Follow the static places and report those that pass every check."""
        layers, config = self._layers, self._config
        assert layers is not None  # noqa: S101 - made in step
        assert self._inside is not None  # noqa: S101 - made in step
        static = layers.static(config.hold_s) & self._inside & ~self._held_mask(picture.shape[:2])
        pixels = static.size
        found = regions_of(static, close_px=7, min_area_px=int(config.min_area * pixels))
        self._candidates = [self._follow(region, at_s) for region in found]
        alarms = []
        for candidate in self._candidates:
            verdict = self._verdict(candidate, at_s)
            if verdict == "background":
                layers.absorb(candidate.region.mask)
            elif verdict == "deposit":
                alarms.append(self._report(candidate, at_s))
        return alarms

    def _follow(self, region: Region, at_s: float) -> _Candidate:
        """The candidate a region continues, or a new one."""
        for known in self._candidates:
            if overlap(known.region.box, region.box) > 0.6:  # noqa: PLR2004 - the same place, shape nearly unchanged
                return replace(known, region=region)
        assert self._layers is not None  # noqa: S101 - made in step
        settled_s = float(np.median(self._layers.settled_s[region.mask]))
        return _Candidate(region, at_s, at_s - settled_s)

    def _verdict(self, candidate: _Candidate, at_s: float) -> Literal["wait", "background", "deposit"]:
        layers, config, region = self._layers, self._config, candidate.region
        assert layers is not None  # noqa: S101 - made in step
        if not config.may_be_waste(region):
            return "background"
        if not is_added(layers.settled, layers.background, region.mask) or not has_own_structure(
            layers.settled, layers.background, region.box
        ):
            candidate.refused_s = at_s if candidate.refused_s is None else candidate.refused_s
            return "background" if at_s - candidate.refused_s >= config.alone_s else "wait"
        candidate.refused_s = None
        candidate.brought = candidate.brought or self._was_brought(candidate)
        if not candidate.brought:
            return "background" if at_s - candidate.first_s > config.give_up_s else "wait"
        if not self._is_alone(region, at_s) or not self._is_rigid(region, at_s):
            return "wait"
        return "deposit"

    def _reach_px(self, region: Region) -> int:
        return max(8, int(self._config.near * max(region.box[2], region.box[3])))

    def _was_brought(self, candidate: _Candidate) -> bool:
        """Whether somebody was beside the place when the thing already lay there."""
        region, reach = candidate.region, self._reach_px(candidate.region)
        return any(
            pixels_near(moment.foreground, region.box, reach) >= PERSON_SHARE * region.area_px
            for moment in self._memory
            if moment.at_s >= candidate.since_s + BACK_S
        )

    def _is_alone(self, region: Region, at_s: float) -> bool:
        """Whether nobody has been near, and the thing has been in plain view, for `alone_s`."""
        reach = self._reach_px(region)
        recent = [moment for moment in self._memory if moment.at_s >= at_s - self._config.alone_s]
        return all(
            pixels_near(moment.foreground, region.box, reach) < CROWD_SHARE * region.area_px
            and float(moment.foreground[region.mask].mean()) > 0.5  # noqa: PLR2004 - most of it is seen
            for moment in recent
        )

    def _is_rigid(self, region: Region, at_s: float) -> bool:
        since_s = at_s - self._config.hold_s
        patches = [cut(m.gray.astype(np.float32), region.box) for m in self._memory if m.at_s >= since_s]
        return rigidity(patches) >= self._config.rigid

    def _report(self, candidate: _Candidate, at_s: float) -> Deposit:
        self._count += 1
        deposit = Deposit(self._count, self._full(candidate.region.box), at_s, candidate.since_s)
        self._held.append(_Held(deposit, candidate.region))
        return deposit

    def _find_removed(self, picture: Picture, elapsed_s: float) -> list[Deposit]:
        """Objects whose place has looked like the background again for a while."""
        assert self._layers is not None  # noqa: S101 - made in step
        changed = differs(picture, self._layers.background)
        removed = []
        for held in self._held:
            gone = float(changed[held.region.mask].mean()) < 0.3  # noqa: PLR2004 - most of it is background
            held.gone_s = held.gone_s + elapsed_s if gone else 0.0
            if held.gone_s >= GONE_S:
                removed.append(held.deposit)
        self._held = [held for held in self._held if held.gone_s < GONE_S]
        return removed

    def _held_mask(self, shape: tuple[int, ...]) -> Mask:
        mask = np.zeros(shape[:2], np.uint8)
        for held in self._held:
            mask |= held.region.mask.astype(np.uint8)
        return cv2.dilate(mask, np.ones((9, 9), np.uint8)).astype(np.bool_) if self._held else mask.astype(np.bool_)

    def _people(self) -> list[tuple[int, int, int, int]]:
        """Boxes of everything that differs from the background and is no reported object."""
        assert self._layers is not None  # noqa: S101 - made in step
        moving = self._layers.foreground & ~self._held_mask(self._layers.foreground.shape)
        found = regions_of(moving, close_px=9, min_area_px=int(self._config.min_area * moving.size / 2))
        return [self._full(region.box) for region in found]

    def _full(self, box: Box) -> tuple[int, int, int, int]:
        left, top, width, height = (round(edge * self._scale) for edge in box)
        return left, top, width, height
