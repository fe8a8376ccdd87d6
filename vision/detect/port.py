"""Results of the detector, and the port of an optional object detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from vision.detect.picture import Image
from vision.detect.scene import NotArmed

FullBox = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the source."""


@dataclass(frozen=True)
class AbandonedObject:
    """An object left behind.

    `since_s` is when it was put down, `left_s` when the person who brought it had left, `by` how that person came. All
    times are in seconds of the pictures' clock (`Frame.at_s`).
    """

    id: int
    box: FullBox
    at_s: float
    since_s: float
    left_s: float | None = None
    by: Literal["foot", "vehicle", "unknown"] = "unknown"


@dataclass(frozen=True)
class StepResult:
    """Result of one picture; `people` are boxes of everything that moves, in pixels of the source."""

    alarms: list[AbandonedObject] = field(default_factory=list)
    removed: list[AbandonedObject] = field(default_factory=list)
    armed: bool = True
    reason: NotArmed = ""
    people: list[FullBox] = field(default_factory=list)


@dataclass(frozen=True)
class Detection:
    """An object recognised in a picture; `score` is 0 to 1."""

    kind: Literal["person", "vehicle", "animal", "object"]
    box: FullBox
    score: float


class ObjectDetector(Protocol):
    """Recognises objects in one picture, as a second opinion before an alarm. Called rarely; may block for seconds."""

    def detect(self, image: Image, least_score: float | None = None) -> list[Detection]:
        """Detect objects in a picture.

        Args:
            image: (height, width, 3) uint8, BGR.
            least_score: Minimum score, 0 to 1; None for the detector's own.
        """
