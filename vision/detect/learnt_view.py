"""What the detector knows of a view since its background was last learnt anew."""

from __future__ import annotations

from typing import Final

from vision.detect.absorption import AbsorbedRegions
from vision.detect.dual_background import DualBackground
from vision.detect.exposure import stretch_for
from vision.detect.frame_context import Candidate
from vision.detect.frame_history import FrameHistory
from vision.detect.picture import Mask, Picture, median_of
from vision.detect.scene import NotArmed
from vision.detect.stabilisation import Stabiliser
from vision.detect.tracks import Tracker

LEARNING_FRAMES_MIN: Final = 2
"""One picture alone does not tell background from passers-by."""


class LearntView:
    """What is known of a view since its background was last learnt anew.

    Attributes:
        stretch: Contrast stretch of its pictures.
        learning_frames: Pictures that the background is being learnt from; empty afterwards.
        backgrounds: Long-term and short-term background.
        stabiliser: Shift against the background.
        learning_until_s: Time until which it is being learnt, in seconds.
        reason: Why it is being learnt; empty afterwards.
        raw_share: Share of the last picture that differed before matching.
        judge_due_s: Time at which static regions are judged next, in seconds.
        filled_since_s: Time since which most of the picture differs, in seconds.
        candidates: Static regions under judgement.
        absorbed: Regions that were absorbed into the background.
        history: Recent foreground masks.
        tracker: Tracks of moving blobs.
    """

    def __init__(self, plain: Picture, at_s: float, reason: NotArmed, learning_s: float) -> None:
        self.stretch = stretch_for(plain)
        picture = self.stretch.apply(plain)
        self.learning_frames = [picture]
        self.backgrounds = DualBackground(picture)
        self.stabiliser = Stabiliser(picture, at_s)
        self.learning_until_s = at_s + learning_s
        self.reason: NotArmed = reason
        self.raw_share = self.judge_due_s = 0.0
        self.filled_since_s = at_s
        self.candidates: list[Candidate] = []
        self.absorbed = AbsorbedRegions()
        self.history = FrameHistory()
        self.tracker = Tracker()

    def is_learning(self, at_s: float) -> bool:
        """Whether the background is still being learnt at a time in seconds."""
        return bool(self.reason) and (at_s < self.learning_until_s or len(self.learning_frames) < LEARNING_FRAMES_MIN)

    def add_learning_frame(self, picture: Picture, at_s: float) -> None:
        """Learn from one more picture."""
        self.learning_frames.append(self.stabiliser.stabilise(picture, self.learning_frames[0], at_s))

    def end_learning(self, at_s: float, warm_up_s: float, occupied: Mask) -> None:
        """Set the background to the median of the learning frames.

        Args:
            at_s: The time in seconds.
            warm_up_s: Seconds that the learning frames stand for.
            occupied: Where bodies were recognised: the background is not known there.
        """
        self.backgrounds = DualBackground(median_of(self.learning_frames))
        self.backgrounds.confirm(self.learning_frames, warm_up_s / len(self.learning_frames), occupied)
        self.learning_frames = []
        self.reason = ""
        self.stabiliser.refer_to(self.backgrounds.background, at_s)
