"""Finds what was put down and left: static, rigid, not there before, brought by somebody who has gone.

picture -> light and sway taken out (align) -> can the camera be believed (scene) -> background and settled layer (layers)
        -> who moves (tracks) -> static places (regions) -> verdict on each (candidates, checks) -> alarm, once
        -> watched until it goes (held)

`DepositDetector.step` takes pictures in order of time and knows no clock but theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vision.detect import held as watching
from vision.detect.align import NO_SHIFT, Shifts, Stretch, evened, gain_of, shifted_back, stretch_for
from vision.detect.candidates import Candidate, View, came_by, follow, judge, left_s
from vision.detect.config import DetectorConfig
from vision.detect.held import Held
from vision.detect.layers import Layers
from vision.detect.memory import Memory
from vision.detect.picture import Image, Levels, Mask, Picture, Point, gray_of, middle_of, polygon_mask, share_of, shrink
from vision.detect.port import Deposit, Finder, FullBox, StepResult
from vision.detect.regions import Box, Region, regions_of
from vision.detect.scene import NotArmed, SceneWatch
from vision.detect.tracks import Perspective, Tracker

ELAPSED_MAX_S = 2.0
"""A gap between pictures counts for no more than this: nobody saw what lay there meanwhile."""
REFER_EVERY_S = 2.0
SWITCH_SHARE = 0.15
"""Of the picture, different though its brightness is evened out: less is the flicker of a lamp."""
LESSONS_MIN = 2
"""Of one picture nobody can tell who is passing through it."""


class DepositDetector:
    """One camera's state; not for use by two threads at once."""

    def __init__(
        self,
        zone: Sequence[Point] = (),
        config: DetectorConfig | None = None,
        *,
        watched: Sequence[Sequence[Point]] = (),
        ignored: Sequence[Sequence[Point]] = (),
        person_height: Sequence[Point] = (),
        finder: Finder | None = None,
    ) -> None:
        """Start without a background.

        Args:
            zone: Polygon in normalised coordinates (0..1 from the top left); empty for the whole picture.
            config: Thresholds.
            watched: More such polygons; what lies in any of them is watched.
            ignored: Polygons in which nothing is reported.
            person_height: (row, height) of a person, both as shares of the picture's height; learnt when not given.
            finder: A second opinion asked before an alarm.
        """
        self._watched = [*([zone] if zone else []), *watched]
        self._ignored = list(ignored)
        self._person_height = list(person_height)
        self._config = config or DetectorConfig()
        self._finder = finder
        self._scene = SceneWatch()
        self._layers: Layers | None = None
        self._learning_until_s = 0.0
        self._reason: NotArmed = "warming_up"
        self._last_s = -1e9
        self._scale = 1.0
        self._stretch = Stretch()
        self._held: list[Held] = []
        self._count = 0
        self._last = StepResult(armed=False, reason="warming_up")

    @property
    def background(self) -> Image | None:
        """(height, width, 3) uint8, BGR: the scene without what passes, at the detector's size."""
        return self._layers.background if self._layers else None

    def step(self, image: Image, at_s: float) -> StepResult:
        """Look at the next picture.

        Args:
            image: (height, width, 3) uint8, BGR.
            at_s: Its time in seconds; pictures that come faster than `every_s` are passed over.
        """
        elapsed_s = at_s - self._last_s
        if elapsed_s < self._config.every_s:
            return StepResult(armed=self._last.armed, reason=self._last.reason, people=self._last.people)
        self._last_s = at_s
        plain, self._scale = shrink(image, self._config.pixels)
        picture = self._stretch.apply(plain)
        if self._layers is None or self._layers.background.shape != picture.shape:
            self._begin(plain, at_s)
            return self._last
        self._plain = plain
        self._last = self._look(picture, image, at_s, min(elapsed_s, ELAPSED_MAX_S))
        return self._last

    def _begin(self, picture: Picture, at_s: float) -> None:
        """Start for pictures of another size: nothing known of the old ones fits."""
        height_px, width_px = picture.shape[:2]
        self._shifts = Shifts(picture.shape)
        self._shift = NO_SHIFT
        self._inside = polygon_mask(self._watched, height_px, width_px)
        if self._ignored:
            self._inside &= ~polygon_mask(self._ignored, height_px, width_px)
        self._last = StepResult(armed=False, reason="warming_up")
        self._perspective = Perspective([(row * height_px, height * height_px) for row, height in self._person_height])
        self._held.clear()
        self._scene.start_anew()
        self._relearn(at_s, picture, "warming_up")

    def _relearn(self, at_s: float, plain: Picture, reason: NotArmed) -> None:
        """Take what shows now for the background; what is under watch stays so."""
        self._stretch = stretch_for(plain)
        picture = self._stretch.apply(plain)
        self._lessons = [picture]
        self._layers = Layers(picture)
        self._shifts.refer_to(picture)
        self._refer_due_s = at_s + REFER_EVERY_S
        self._learning_until_s = at_s + (self._config.moved_s if reason == "moved" else self._config.warm_up_s)
        self._reason = reason
        self._raw_share = 0.0
        self._full_since_s = at_s
        self._candidates: list[Candidate] = []
        self._memory = Memory()
        self._tracker = Tracker()

    def _look(self, picture: Picture, image: Image, at_s: float, elapsed_s: float) -> StepResult:
        layers, gray = self._layers, gray_of(picture)
        assert layers is not None  # noqa: S101 - made in step
        if self._scene.is_blank(gray_of(self._plain)):
            return self._blind(at_s, "covered")
        if self._scene.is_frozen(gray, elapsed_s):
            return StepResult(armed=False, reason="frozen")
        if self._reason:
            if at_s < self._learning_until_s or len(self._lessons) < LESSONS_MIN:
                return self._learn(picture, gray)
            layers = self._end_learning(elapsed_s)
        if self._scene.is_unsharp(gray, elapsed_s):
            return StepResult(armed=False, reason="defocused")
        raw = layers.changed(picture)
        rise, self._raw_share = share_of(raw) - self._raw_share, share_of(raw)
        picture = self._steadied(picture, gray, at_s)
        if self._scene.is_moved(self._shift, elapsed_s):
            return self._blind(at_s, "moved")
        changed = layers.changed(picture)
        if share_of(changed) > SWITCH_SHARE and self._scene.is_switched(gray, raw, rise):
            return self._blind(at_s, "light")
        if share_of(changed) > self._config.light_share:
            return self._wait_or_relearn(gray, changed, at_s)
        self._full_since_s = at_s
        layers.step(picture, elapsed_s, self._held_mask())
        self._cut_border(layers.foreground)
        self._scene.learn(gray_of(layers.background), elapsed_s)
        self._memory.add(at_s, layers.foreground, gray_of(picture))
        self._track(at_s)
        removed = self._find_removed(picture, elapsed_s)
        return StepResult(self._judge(image, at_s), removed, people=self._people())

    def _blind(self, at_s: float, reason: NotArmed) -> StepResult:
        """Say why nothing can be judged, and learn the view anew."""
        if reason == "moved":
            self._held.clear()
        self._relearn(at_s, self._plain, reason)
        return StepResult(armed=False, reason=reason)

    def _wait_or_relearn(self, gray: Levels, changed: Mask, at_s: float) -> StepResult:
        """Nearly everything has changed: another light, or something large in front that may go again."""
        why = self._scene.why_all_changed(gray, changed)
        if why == "light" or (why == "moved" and at_s - self._full_since_s > self._config.patience_s):
            return self._blind(at_s, why)
        return StepResult(armed=False, reason=why)

    def _cut_border(self, mask: Mask) -> None:
        """Clear what a shifted picture does not show."""
        if self._shift.sure:
            across, down = (int(abs(px)) + 1 for px in (self._shift.x_px, self._shift.y_px))
            mask[:down] = mask[-down:] = 0
            mask[:, :across] = mask[:, -across:] = 0

    def _learn(self, picture: Picture, gray: Levels) -> StepResult:
        shift = self._shifts.measure(gray)
        self._lessons.append(shifted_back(picture, shift) if shift.sure else picture)
        return StepResult(armed=False, reason=self._reason)

    def _end_learning(self, elapsed_s: float) -> Layers:
        """Take what most of the pictures have shown for the background."""
        self._layers = layers = Layers(middle_of(self._lessons))
        layers.confirm(self._lessons, self._config.warm_up_s / len(self._lessons))
        self._lessons = []
        self._reason = ""
        self._scene.start_anew()
        self._shifts.refer_to(layers.background)
        self._scene.learn(gray_of(layers.background), elapsed_s)
        return layers

    def _steadied(self, picture: Picture, gray: Levels, at_s: float) -> Picture:
        """The picture where and how bright the background is."""
        layers = self._layers
        assert layers is not None  # noqa: S101 - made in step
        if at_s >= self._refer_due_s:
            self._shifts.refer_to(layers.background)
            self._refer_due_s = at_s + REFER_EVERY_S
        self._shift = self._shifts.measure(gray)
        if self._shift.sure:
            picture = shifted_back(picture, self._shift)
        return evened(picture, gain_of(picture, layers.background, layers.foreground))

    def _held_mask(self) -> Mask:
        assert self._layers is not None  # noqa: S101 - made in step
        return watching.mask_of(self._held, self._layers.foreground.shape)

    def _track(self, at_s: float) -> None:
        layers = self._layers
        assert layers is not None  # noqa: S101 - made in step
        still = layers.static(self._config.quick_hold_s)
        self._cut_border(still)
        self._static = still
        moving = layers.foreground & ~still & ~self._held_mask()
        for track in self._tracker.step(moving, at_s, self._min_area_px()):
            self._perspective.learn(track, moving.shape)

    def _min_area_px(self) -> int:
        assert self._layers is not None  # noqa: S101 - made in step
        return int(self._config.min_area * self._layers.foreground.size)

    def _judge(self, image: Image, at_s: float) -> list[Deposit]:
        """Follow the static places and report those that pass every check."""
        layers = self._layers
        assert layers is not None  # noqa: S101 - made in step
        static = self._static & self._inside & ~self._held_mask()
        view = View(at_s, layers, self._memory, self._tracker, self._perspective, self._config)
        regions = regions_of(static, close_px=7, min_area_px=self._min_area_px())
        self._candidates = follow(self._candidates, regions, view)
        alarms = []
        for candidate in self._candidates:
            verdict = judge(candidate, view)
            if verdict == "background":
                layers.absorb(candidate.region)
            elif verdict == "deposit" and self._is_agreed(candidate, image):
                alarms += self._report(candidate, view)
        return alarms

    def _is_agreed(self, candidate: Candidate, image: Image) -> bool:
        """Whether the finder, where there is one, sees nobody in the thing's place."""
        if self._finder is None:
            return True
        return not any(
            found.kind != "object" and watching.shared_px(found.box, self._full(candidate.region.box)) > 0
            for found in self._finder.find(image)
        )

    def _report(self, candidate: Candidate, view: View) -> list[Deposit]:
        """One alarm for an object; none for one under watch that has only fallen over."""
        region = candidate.region
        fallen = watching.toppled(self._held, region, view.layers)
        if fallen is not None:
            self._held.remove(fallen)
            self._held.append(watching.hold(fallen.deposit, region, view.layers))
            return []
        self._count += 1
        box, left = self._full(region.box), left_s(candidate, view)
        deposit = Deposit(self._count, box, view.at_s, candidate.since_s, left, came_by(candidate, view))
        self._held.append(watching.hold(deposit, region, view.layers))
        return [deposit]

    def _find_removed(self, picture: Picture, elapsed_s: float) -> list[Deposit]:
        assert self._layers is not None  # noqa: S101 - made in step
        threshold = int(np.median(self._layers.threshold))
        gone = watching.watch(self._held, picture, threshold, elapsed_s)
        self._held = [one for one in self._held if one not in gone]
        return [one.deposit for one in gone]

    def _people(self) -> list[FullBox]:
        """Boxes of everything that differs from the background and is no reported object."""
        assert self._layers is not None  # noqa: S101 - made in step
        moving = self._layers.foreground & ~self._held_mask()
        found = regions_of(moving, close_px=9, min_area_px=self._min_area_px() // 2)
        return [self._full(region.box) for region in found]

    def _full(self, box: Box) -> FullBox:
        """A box in the source's pixels, where the picture shows it."""
        x, y = (self._shift.x_px, self._shift.y_px) if self._shift.sure else (0.0, 0.0)
        left, top, width, height = box
        return (
            round((left + x) * self._scale),
            round((top + y) * self._scale),
            round(width * self._scale),
            round(height * self._scale),
        )
