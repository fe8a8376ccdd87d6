"""Detects abandoned objects: static, rigid, not in the background, brought by a person who has left.

picture -> is the view usable (scene) -> sway and exposure removed (stabilisation, exposure)
        -> long-term and short-term background (dual_background) -> moving blobs (tracks) -> static regions (regions)
        -> decision on each (candidates, checks, ownership) -> alarm, once -> tracked until removed (removal)

`AbandonedObjectDetector.step` takes pictures in order of time; the only clock is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from vision.detect.candidates import decide, group_of, match_candidates, reach_of_group_px
from vision.detect.config import DetectorConfig
from vision.detect.exposure import match_exposure
from vision.detect.frame_context import Candidate, FrameContext
from vision.detect.learnt_view import LearntView
from vision.detect.ownership import left_s
from vision.detect.passage import arrival_of
from vision.detect.picture import (
    Image,
    Levels,
    Mask,
    Picture,
    Point,
    Polygons,
    gray_of,
    polygon_mask,
    scale_of,
    share_of,
    shrink,
)
from vision.detect.port import AbandonedObject, FullBox, ObjectDetector, StepResult
from vision.detect.rapid_passage import RecentPictures
from vision.detect.recognition import SLOW_EVERY_S, Geometry, Recogniser
from vision.detect.regions import Box, boxes_of, regions_of, union_of
from vision.detect.removal import ReportedObject, find_grown, find_removed, find_toppled, objects_mask, track
from vision.detect.scene import NotArmed, SceneWatch
from vision.detect.tracks import Perspective
from vision.detect.unloading import vehicle_has_left

ELAPSED_MAX_S: Final = 2.0
"""Maximum time that a gap between two pictures adds to any duration: the scene was not seen meanwhile."""
INTERVAL_WEIGHT: Final = 0.1
"""Weight of the newest gap in the usual time between two pictures."""
SWITCH_SHARE: Final = 0.15
"""Share of the picture that differs after exposure matching; less is the flicker of a lamp."""
JUDGE_EVERY_S: Final = 0.38
"""Static regions change slowly, and their checks are the most costly part."""
CLOSE_PX, CLOSE_PEOPLE_PX = 7, 9
CLOSE_LOOK_HEIGHTS: Final = 0.5
"""Height of a region, in heights of a person, from which it may be a person or most of one."""
CLOSE_LOOKS_DOUBTED: Final = 4
"""Close looks in a row without a person before a report, where one of them showed one."""
EMPTY_S: Final = 0.5
"""Maximum time for which pictures of the background alone are skipped."""
EMPTY_SHARE: Final = 0.0002
"""Share of foreground below which a picture shows the background alone: a third of the smallest object."""
NO_VIEW: Final[Picture] = np.zeros((2, 2, 3), np.uint8)
"""Stands for the view before the first picture: the smallest that OpenCV takes a gradient of."""


class AbandonedObjectDetector:
    """One camera's state; not for use by two threads at once."""

    def __init__(
        self,
        zone: Sequence[Point] = (),
        config: DetectorConfig | None = None,
        *,
        person_height: Sequence[Point] = (),
        object_detector: ObjectDetector | None = None,
        ignored: Callable[[], Polygons] = tuple,
    ) -> None:
        """Start without a background.

        Args:
            zone: Polygon in normalised coordinates (0..1 from the top left); empty for the whole picture.
            config: Thresholds.
            person_height: (row, height) of a person, both as shares of the picture's height; learnt if empty.
            object_detector: Recognises people, vehicles and animals; None judges by movement alone.
            ignored: Gives the polygons in which movement holds up no report; asked at each judgement.
        """
        self._zone = zone
        self._person_height = person_height
        self._config = config or DetectorConfig()
        self._recogniser = Recogniser(object_detector)
        self._ignored = ignored
        self._ignored_polygons: Polygons = ()
        self._ignored_mask: Mask | None = None
        self._scene = SceneWatch()
        self._recent = RecentPictures()
        self._view = LearntView(NO_VIEW, 0.0, "warming_up", 0.0)
        self._inside: Mask = np.zeros(NO_VIEW.shape[:2], np.bool_)
        self._perspective = Perspective(person_height)
        self._scale = 1.0
        self._taken_s = self._last_s = -1e9
        self._interval_s = self._config.every_s
        self._blank = False
        self._reported: list[ReportedObject] = []
        self._count = 0
        self._last = StepResult(armed=False, reason="warming_up")

    @property
    def background(self) -> Image | None:
        """The long-term background, (height, width, 3) uint8, BGR, at the detector's size; None at first."""
        backgrounds = self._view.backgrounds
        return self._view.stretch.undo(backgrounds.background) if backgrounds.background.size > NO_VIEW.size else None

    def step(self, image: Image, at_s: float) -> StepResult:
        """Process the next picture.

        Args:
            image: (height, width, 3) uint8, BGR; another size than the last resets the detector.
            at_s: Time of the picture in seconds. Pictures within `every_s` of the last are skipped, and for up to
                `EMPTY_S` those that show nothing but the background.
        """
        self._recent.add(at_s, image, scale_of(image, self._config.pixels))
        interval_s = at_s - self._taken_s
        if interval_s < self._config.every_s:
            return self._same_result()
        self._taken_s = at_s
        plain, self._scale = shrink(image, self._config.pixels)
        if self._view.backgrounds.background.shape != plain.shape:
            self._reset(plain, at_s)
        else:
            self._interval_s += INTERVAL_WEIGHT * (min(interval_s, ELAPSED_MAX_S) - self._interval_s)
            elapsed_s = at_s - self._last_s
            if elapsed_s < EMPTY_S and self._is_empty(plain):
                return self._same_result()
            self._last = self._process(plain, image, at_s, min(elapsed_s, ELAPSED_MAX_S))
        self._last_s = at_s
        return self._last

    def _same_result(self) -> StepResult:
        """The result of a picture that is not processed."""
        return StepResult(armed=self._last.armed, reason=self._last.reason, people=self._last.people)

    def _is_empty(self, plain: Picture) -> bool:
        """Whether a picture shows the background and reported objects only, as the last one that was processed did."""
        view = self._view
        if not self._last.armed or view.candidates:
            return False
        others = ~self._reported_mask()
        if share_of(view.backgrounds.foreground & others) > EMPTY_SHARE:
            return False
        return share_of(view.backgrounds.change_mask(view.stretch.apply(plain)) & others) < EMPTY_SHARE

    def _reset(self, plain: Picture, at_s: float) -> None:
        """Reset everything for pictures of another size."""
        height_px, width_px = plain.shape[:2]
        self._inside = polygon_mask([self._zone] if self._zone else [], height_px, width_px)
        self._perspective = Perspective([(row * height_px, height * height_px) for row, height in self._person_height])
        self._ignored_polygons, self._ignored_mask = (), None
        self._reported.clear()
        self._recogniser.clear()
        self._scene.start_anew()
        self._last = self._relearn(plain, at_s, "warming_up")

    def _relearn(self, plain: Picture, at_s: float, reason: NotArmed) -> StepResult:
        """Learn the background anew for a reason. Reported objects stay under watch unless the camera was moved."""
        self._recent.clear()
        if reason == "moved":
            self._reported.clear()
            self._recogniser.clear()
        learning_s = self._config.moved_s if reason == "moved" else self._config.warm_up_s
        self._view = LearntView(plain, at_s, reason, learning_s)
        return StepResult(armed=False, reason=reason)

    def _process(self, plain: Picture, image: Image, at_s: float, elapsed_s: float) -> StepResult:
        picture, plain_gray = self._view.stretch.apply(plain), gray_of(plain)
        gray = gray_of(picture)
        blank = self._scene.is_blank(plain_gray)
        if blank or self._blank:
            # The background learnt while covered shows the cover: the first picture without it is learnt anew too.
            self._blank = blank
            return self._relearn(plain, at_s, "covered")
        if self._scene.is_overexposed(self._view.stretch.clipped_share(plain_gray), elapsed_s):
            return self._relearn(plain, at_s, "light")
        frozen = self._scene.is_frozen(gray, elapsed_s)
        if frozen or self._view.is_learning(at_s):
            if not frozen:
                self._view.add_learning_frame(picture, at_s)
                self._look(image, at_s, [(0, 0, plain.shape[1], plain.shape[0])])
            return StepResult(armed=False, reason="frozen" if frozen else self._view.reason)
        if self._view.reason:
            self._end_learning(at_s)
        if self._scene.is_unsharp(gray, elapsed_s):
            return StepResult(armed=False, reason="defocused")
        raw = self._view.backgrounds.change_mask(picture)
        picture = self._view.stabiliser.stabilise(picture, self._view.backgrounds.background, at_s)
        picture = match_exposure(picture, self._view.backgrounds.background, self._view.backgrounds.foreground)
        matched = self._view.backgrounds.change_mask(picture)
        reason, learn = self._change_reason(gray, raw, matched, at_s, elapsed_s)
        if self._scene.is_another_view(gray_of(picture), share_of(matched), elapsed_s):
            reason, learn = "moved", True
        if reason:
            return self._relearn(plain, at_s, reason) if learn else StepResult(armed=False, reason=reason)
        return self._detect(picture, image, at_s, elapsed_s)

    def _end_learning(self, at_s: float) -> None:
        occupied = self._recogniser.mask(self._view.learning_frames[0].shape, at_s)
        self._view.end_learning(at_s, self._config.warm_up_s, occupied)
        for reported in self._reported:
            reported.relit = True
        self._scene.start_anew()
        self._scene.learn(gray_of(self._view.backgrounds.background))

    def _change_reason(
        self, gray: Levels, raw: Mask, matched: Mask, at_s: float, elapsed_s: float
    ) -> tuple[NotArmed, bool]:
        """Why most of the picture has changed ("" if it has not), and whether the background must be learnt anew.

        Args:
            gray: The picture, (height, width) uint8.
            raw: Where it differs from the background.
            matched: Where it still differs after stabilisation and exposure matching.
            at_s: Its time in seconds.
            elapsed_s: Seconds since the last picture.
        """
        rise, self._view.raw_share = share_of(raw) - self._view.raw_share, share_of(raw)
        if self._scene.is_moved(self._view.stabiliser.shift, elapsed_s):
            return "moved", True
        if share_of(matched) > SWITCH_SHARE and self._scene.is_switched(gray, raw, rise):
            return "light", True
        if share_of(matched) <= self._config.light_share:
            self._view.filled_since_s = at_s
            return "", False
        reason = self._scene.change_reason(gray, matched)
        # Something large in front may go again: the background behind it is still good.
        return reason, reason == "light" or (
            reason == "moved" and at_s - self._view.filled_since_s > self._config.patience_s
        )

    def _detect(self, picture: Picture, image: Image, at_s: float, elapsed_s: float) -> StepResult:
        """Update backgrounds, tracks and candidates with a usable picture."""
        backgrounds = self._view.backgrounds
        occupied = self._recogniser.mask(picture.shape, at_s)
        backgrounds.step(picture, elapsed_s, self._reported_mask(), occupied)
        self._view.stabiliser.cut_border(backgrounds.foreground)
        self._scene.learn(gray_of(backgrounds.background))
        self._view.history.add(at_s, backgrounds.foreground, gray_of(picture))
        static = backgrounds.static(self._config.quick_hold_s)
        self._view.stabiliser.cut_border(static)
        moving = backgrounds.foreground & ~static & ~self._reported_mask()
        blobs = self._view.tracker.step(moving, at_s, self._min_area_px)
        self._look(image, at_s, [blob.box for blob in blobs])
        for seen in self._recogniser.people(at_s) if self._recogniser.is_present else blobs:
            self._perspective.learn(seen, moving.shape)
        removed = self._find_removed(picture, elapsed_s)
        alarms = self._judge(static, image, at_s) if at_s >= self._view.judge_due_s else []
        return StepResult(alarms, removed, people=self._people())

    @property
    def _min_area_px(self) -> int:
        return int(self._config.min_area * self._view.backgrounds.foreground.size)

    def _reported_mask(self) -> Mask:
        return objects_mask(self._reported, self._view.backgrounds.foreground.shape)

    @property
    def _geometry(self) -> Geometry:
        shift = self._view.stabiliser.shift
        return Geometry(self._scale, (shift.x_px, shift.y_px) if shift.sure else (0.0, 0.0))

    def _look(self, image: Image, at_s: float, moving: Sequence[Box]) -> None:
        """Let the learned detector look at what moves and at what is being judged."""
        judged = [candidate.region.box for candidate in self._view.candidates]
        judged += self._recogniser.recent_boxes(at_s)
        self._recogniser.look(image, at_s, moving, judged, self._view.backgrounds.foreground, self._geometry)

    def _judge(self, static: Mask, image: Image, at_s: float) -> list[AbandonedObject]:
        """Match the static regions to the candidates and report those that pass every check."""
        self._view.judge_due_s = at_s + JUDGE_EVERY_S
        context = FrameContext(
            at_s,
            self._view.backgrounds,
            self._view.history,
            self._view.tracker,
            self._recogniser,
            self._perspective,
            self._config,
            self._recent,
            self._scale,
            self._interval_s,
            self._where_ignored(static.shape),
        )
        self._view.candidates += self._view.absorbed.restore(self._view.backgrounds, at_s)
        mask = static & self._inside & ~self._reported_mask()
        regions = regions_of(mask, close_px=CLOSE_PX, min_area_px=self._min_area_px)
        self._view.candidates = match_candidates(self._view.candidates, regions, context)
        alarms: list[AbandonedObject] = []
        joined: list[Candidate] = []
        for candidate in self._view.candidates:
            decision = decide(candidate, context)
            if decision == "background":
                self._view.absorbed.absorb(candidate, self._view.backgrounds, at_s)
            elif (
                decision == "abandoned"
                and not any(candidate is member for member in joined)
                and self._is_no_person(candidate, image, context)
            ):
                group = group_of(candidate, self._view.candidates, context)
                if all(vehicle_has_left(member, context) for member in group):
                    joined += group
                    alarms += self._report(candidate, group, context)
        return alarms

    def _where_ignored(self, shape: tuple[int, ...]) -> Mask | None:
        """Mask of the pixels in which movement holds up no report; None if there are none."""
        polygons = self._ignored()
        if polygons != self._ignored_polygons:
            self._ignored_polygons = polygons
            self._ignored_mask = polygon_mask(polygons, *shape[:2]) if polygons else None
        return self._ignored_mask

    def _is_no_person(self, candidate: Candidate, image: Image, context: FrameContext) -> bool:
        """Whether close looks, the last before a report, show that what lies there is no person.

        A small model misses a person in many looks: once one look has shown one, several in a row must show none.
        """
        at_s, box = context.at_s, candidate.region.box
        person_px = context.person_px(box)
        is_small = person_px is not None and box[3] < CLOSE_LOOK_HEIGHTS * person_px
        if is_small or not self._recogniser.is_present:
            return True
        if at_s < candidate.close_look_due_s:
            return False
        if self._recogniser.shows_person(image, box, context.backgrounds.foreground, self._geometry):
            candidate.is_doubted, candidate.close_looks = True, 0
        else:
            candidate.close_looks += 1
        if not candidate.is_doubted:
            return True
        candidate.close_look_due_s = at_s + SLOW_EVERY_S
        return candidate.close_looks >= CLOSE_LOOKS_DOUBTED

    def _report(self, candidate: Candidate, group: Sequence[Candidate], context: FrameContext) -> list[AbandonedObject]:
        """The alarm of a new object; none for a reported object that has only toppled or grown."""
        region = union_of([member.region for member in group])
        toppled = find_toppled(self._reported, region, context.backgrounds)
        known = toppled or find_grown(self._reported, region, context.at_s, reach_of_group_px(region, context))
        if known is not None:
            self._reported.remove(known)
            region = region if toppled else union_of([known.region, region])
            self._reported.append(track(known.waste, region, context.backgrounds, context.at_s))
            return []
        self._count += 1
        box, left = self._geometry.to_source(region.box), left_s(candidate, context)
        unloaded = next((member for member in group if member.vehicle is not None), candidate)
        arrival = arrival_of(unloaded, region, context)
        waste = AbandonedObject(self._count, box, context.at_s, candidate.since_s, left, arrival)
        self._reported.append(track(waste, region, context.backgrounds, context.at_s))
        return [waste]

    def _find_removed(self, picture: Picture, elapsed_s: float) -> list[AbandonedObject]:
        removed = find_removed(self._reported, picture, self._view.backgrounds, elapsed_s)
        self._reported = [reported for reported in self._reported if reported not in removed]
        return [reported.waste for reported in removed]

    def _people(self) -> list[FullBox]:
        """Boxes of all foreground that is no reported object."""
        moving = self._view.backgrounds.foreground & ~self._reported_mask()
        boxes = boxes_of(moving, close_px=CLOSE_PEOPLE_PX, min_area_px=self._min_area_px // 2)
        return [self._geometry.to_source(box) for box in boxes]
