"""Finds what was put down and left: static, rigid, not there before, brought by somebody who has gone.

picture -> can the camera be believed (scene) -> sway and exposure taken out (sway, light)
        -> background and settled layer (layers) -> who moves (tracks) -> static places (regions)
        -> verdict on each (candidates, checks, owners) -> alarm, once -> watched until it goes (held)

`DepositDetector.step` takes pictures in order of time and knows no clock but theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from vision.detect.candidates import follow, judge
from vision.detect.config import DetectorConfig
from vision.detect.dual_background import Layers
from vision.detect.exposure import Stretch, evened, stretch_for
from vision.detect.frame_context import Candidate, View
from vision.detect.frame_history import Memory
from vision.detect.ownership import came_by, left_s
from vision.detect.picture import (
    Image,
    Levels,
    Mask,
    Picture,
    Point,
    gray_of,
    middle_of,
    polygon_mask,
    share_of,
    shrink,
)
from vision.detect.port import Deposit, Finder, FullBox, StepResult
from vision.detect.regions import Box, boxes_of, regions_of, shared_px
from vision.detect.removal import Held, hold, mask_of, toppled, watch
from vision.detect.scene import NotArmed, SceneWatch
from vision.detect.stabilisation import Sway
from vision.detect.tracks import Perspective, Tracker

ELAPSED_MAX_S: Final = 2.0
"""A gap between pictures counts for no more than this: nobody saw what lay there meanwhile."""
SWITCH_SHARE: Final = 0.15
"""Of the picture, different though its brightness is evened out: less is the flicker of a lamp."""
JUDGE_EVERY_S: Final = 0.38
"""Static places change slowly; looking at them is the most costly part."""
LESSONS_MIN: Final = 2
"""Of one picture nobody can tell who is passing through it."""
CLOSE_PX, CLOSE_PEOPLE_PX = 7, 9
NOTHING: Final[Picture] = np.zeros((1, 1, 3), np.uint8)


class DepositDetector:
    """One camera's state; not for use by two threads at once."""

    def __init__(
        self,
        zone: Sequence[Point] = (),
        config: DetectorConfig | None = None,
        *,
        person_height: Sequence[Point] = (),
        finder: Finder | None = None,
    ) -> None:
        """Start without a background.

        Args:
            zone: Polygon in normalised coordinates (0..1 from the top left); empty for the whole picture.
            config: Thresholds.
            person_height: (row, height) of a person, both as shares of the picture's height; learnt when not given.
            finder: A second opinion asked before an alarm.
        """
        self._zone = zone
        self._person_height = person_height
        self._config = config or DetectorConfig()
        self._finder = finder
        self._scene = SceneWatch()
        self._layers = Layers(NOTHING)
        self._stretch = Stretch()
        self._scale = 1.0
        self._last_s = -1e9
        self._blank = False
        self._held: list[Held] = []
        self._count = 0
        self._last = StepResult(armed=False, reason="warming_up")

    @property
    def background(self) -> Image | None:
        """(height, width, 3) uint8, BGR: the scene without what passes, at the detector's size; None at first."""
        layers = self._layers
        return self._stretch.undone(layers.background) if layers.background.size > NOTHING.size else None

    def step(self, image: Image, at_s: float) -> StepResult:
        """Look at the next picture.

        Args:
            image: (height, width, 3) uint8, BGR; one of another size than the last starts anew.
            at_s: Its time in seconds; pictures that come faster than `every_s` are passed over.
        """
        elapsed_s = at_s - self._last_s
        if elapsed_s < self._config.every_s:
            return StepResult(armed=self._last.armed, reason=self._last.reason, people=self._last.people)
        self._last_s = at_s
        plain, self._scale = shrink(image, self._config.pixels)
        if self._layers.background.shape != plain.shape:
            self._begin(plain, at_s)
        else:
            self._last = self._look(plain, image, at_s, min(elapsed_s, ELAPSED_MAX_S))
        return self._last

    def _begin(self, plain: Picture, at_s: float) -> None:
        """Start for pictures of another size: nothing known of the old ones fits."""
        height_px, width_px = plain.shape[:2]
        self._inside = polygon_mask([self._zone] if self._zone else [], height_px, width_px)
        self._perspective = Perspective([(row * height_px, height * height_px) for row, height in self._person_height])
        self._held.clear()
        self._scene.start_anew()
        self._last = self._blind(plain, at_s, "warming_up")

    def _blind(self, plain: Picture, at_s: float, reason: NotArmed) -> StepResult:
        """Say why nothing can be judged and learn the view anew; what is under watch stays so but in a new view."""
        if reason == "moved":
            self._held.clear()
        self._stretch = stretch_for(plain)
        picture = self._stretch.apply(plain)
        self._lessons = [picture]
        self._layers = Layers(picture)
        self._sway = Sway(picture, at_s)
        self._learning_until_s = at_s + (self._config.moved_s if reason == "moved" else self._config.warm_up_s)
        self._reason = reason
        self._raw_share = self._judge_due_s = 0.0
        self._full_since_s = at_s
        self._candidates: list[Candidate] = []
        self._memory = Memory()
        self._tracker = Tracker()
        return StepResult(armed=False, reason=reason)

    def _look(self, plain: Picture, image: Image, at_s: float, elapsed_s: float) -> StepResult:
        picture = self._stretch.apply(plain)
        gray = gray_of(picture)
        blank = self._scene.is_blank(gray_of(plain))
        if blank or self._blank:
            # What was learnt under a hand is the hand: the first picture without it begins anew too.
            self._blank = blank
            return self._blind(plain, at_s, "covered")
        if self._scene.is_too_bright(self._stretch.beyond(gray_of(plain)), elapsed_s):
            return self._blind(plain, at_s, "light")
        frozen = self._scene.is_frozen(gray, elapsed_s)
        if frozen or (self._reason and (at_s < self._learning_until_s or len(self._lessons) < LESSONS_MIN)):
            if not frozen:
                self._lessons.append(self._sway.steadied(picture, self._lessons[0], at_s))
            return StepResult(armed=False, reason="frozen" if frozen else self._reason)
        if self._reason:
            self._end_learning(at_s)
        if self._scene.is_unsharp(gray, elapsed_s):
            return StepResult(armed=False, reason="defocused")
        raw = self._layers.changed(picture)
        picture = self._sway.steadied(picture, self._layers.background, at_s)
        picture = evened(picture, self._layers.background, self._layers.foreground)
        even = self._layers.changed(picture)
        why, learn = self._what_changed(gray, raw, even, at_s, elapsed_s)
        if self._scene.is_another_view(gray_of(picture), share_of(even), elapsed_s):
            why, learn = "moved", True
        if why:
            return self._blind(plain, at_s, why) if learn else StepResult(armed=False, reason=why)
        return self._watch(picture, image, at_s, elapsed_s)

    def _end_learning(self, at_s: float) -> None:
        """Take what most of the pictures have shown for the background."""
        self._layers = Layers(middle_of(self._lessons))
        self._layers.confirm(self._lessons, self._config.warm_up_s / len(self._lessons))
        for one in self._held:
            one.relit = True
        self._lessons = []
        self._reason = ""
        self._sway.refer_to(self._layers.background, at_s)
        self._scene.start_anew()
        self._scene.learn(gray_of(self._layers.background))

    def _what_changed(
        self, gray: Levels, raw: Mask, even: Mask, at_s: float, elapsed_s: float
    ) -> tuple[NotArmed, bool]:
        """Why nearly everything has changed, and whether the view must be learnt anew for it; "" when it has not.

        Args:
            gray: The picture.
            raw: Where it differs from the background.
            even: Where it still does once sway and exposure are taken out.
            at_s: Its second.
            elapsed_s: Since the last one.
        """
        rise, self._raw_share = share_of(raw) - self._raw_share, share_of(raw)
        if self._scene.is_moved(self._sway.shift, elapsed_s):
            return "moved", True
        if share_of(even) > SWITCH_SHARE and self._scene.is_switched(gray, raw, rise):
            return "light", True
        if share_of(even) <= self._config.light_share:
            self._full_since_s = at_s
            return "", False
        why = self._scene.why_all_changed(gray, even)
        # Something large in front may go again: the background behind it is still good.
        return why, why == "light" or (why == "moved" and at_s - self._full_since_s > self._config.patience_s)

    def _watch(self, picture: Picture, image: Image, at_s: float, elapsed_s: float) -> StepResult:
        """Everything that one usable picture leads to."""
        layers = self._layers
        layers.step(picture, elapsed_s, self._held_mask())
        self._sway.cut_border(layers.foreground)
        self._scene.learn(gray_of(layers.background))
        self._memory.add(at_s, layers.foreground, gray_of(picture))
        static = layers.static(self._config.quick_hold_s)
        self._sway.cut_border(static)
        moving = layers.foreground & ~static & ~self._held_mask()
        for track in self._tracker.step(moving, at_s, self._min_area_px):
            self._perspective.learn(track, moving.shape)
        removed = self._find_removed(picture, elapsed_s)
        alarms = self._judge(static, image, at_s) if at_s >= self._judge_due_s else []
        return StepResult(alarms, removed, people=self._people())

    @property
    def _min_area_px(self) -> int:
        return int(self._config.min_area * self._layers.foreground.size)

    def _held_mask(self) -> Mask:
        return mask_of(self._held, self._layers.foreground.shape)

    def _judge(self, static: Mask, image: Image, at_s: float) -> list[Deposit]:
        """Follow the static places and report those that pass every check."""
        self._judge_due_s = at_s + JUDGE_EVERY_S
        view = View(at_s, self._layers, self._memory, self._tracker, self._perspective, self._config)
        places = static & self._inside & ~self._held_mask()
        regions = regions_of(places, close_px=CLOSE_PX, min_area_px=self._min_area_px)
        self._candidates = follow(self._candidates, regions, view)
        alarms = []
        for candidate in self._candidates:
            verdict = judge(candidate, view)
            if verdict == "background":
                self._layers.absorb(candidate.region)
            elif verdict == "deposit" and self._is_agreed(candidate, image):
                alarms += self._report(candidate, view)
        return alarms

    def _is_agreed(self, candidate: Candidate, image: Image) -> bool:
        """Whether the finder, where there is one, sees nobody in the thing's place."""
        if self._finder is None:
            return True
        box = self._full(candidate.region.box)
        return not any(found.kind != "object" and shared_px(found.box, box) > 0 for found in self._finder.find(image))

    def _report(self, candidate: Candidate, view: View) -> list[Deposit]:
        """One alarm for an object; none for one under watch that has only fallen over."""
        region = candidate.region
        fallen = toppled(self._held, region, view.layers)
        if fallen is not None:
            self._held.remove(fallen)
            self._held.append(hold(fallen.deposit, region, view.layers))
            return []
        self._count += 1
        box, left = self._full(region.box), left_s(candidate, view)
        deposit = Deposit(self._count, box, view.at_s, candidate.since_s, left, came_by(candidate, view))
        self._held.append(hold(deposit, region, view.layers))
        return [deposit]

    def _find_removed(self, picture: Picture, elapsed_s: float) -> list[Deposit]:
        gone = watch(self._held, picture, self._layers, elapsed_s)
        self._held = [one for one in self._held if one not in gone]
        return [one.deposit for one in gone]

    def _people(self) -> list[FullBox]:
        """Boxes of everything that differs from the background and is no reported object."""
        moving = self._layers.foreground & ~self._held_mask()
        boxes = boxes_of(moving, close_px=CLOSE_PEOPLE_PX, min_area_px=self._min_area_px // 2)
        return [self._full(box) for box in boxes]

    def _full(self, box: Box) -> FullBox:
        """A box in the source's pixels, where the picture shows it."""
        shift = self._sway.shift
        x, y = (shift.x_px, shift.y_px) if shift.sure else (0.0, 0.0)
        left, top, width, height = box
        edges = (left + x, top + y, width, height)
        left_px, top_px, width_px, height_px = (round(edge * self._scale) for edge in edges)
        return left_px, top_px, width_px, height_px
