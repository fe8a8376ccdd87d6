"""Results of the detector, and the port of an optional object detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from vision.detect.picture import Image
from vision.detect.scene import NotArmed

BodyKind = Literal["person", "vehicle", "animal"]
FullBox = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the source."""


Heading = Literal["", "left", "right", "towards", "away"]


@dataclass(frozen=True)
class ObjectArrival:
    """How an object came.

    Attributes:
        by: How the carrier came.
        heading: Direction in the picture in which the carrier moved; empty if the carrier hardly moved.
        in_passing: Whether the carrier did not stop: the object was thrown.
        size_heights: Longer side of the object in heights of a person on that ground; None while these are unknown.
    """

    by: Literal["foot", "vehicle", "unknown"] = "unknown"
    heading: Heading = ""
    in_passing: bool = False
    size_heights: float | None = None


@dataclass(frozen=True)
class AbandonedObject:
    """An object left behind.

    `since_s` is when it was put down, `left_s` when the person who brought it had left. All times are in seconds of the
    pictures' clock (`Frame.at_s`).
    """

    id: int
    box: FullBox
    at_s: float
    since_s: float
    left_s: float | None = None
    arrival: ObjectArrival = ObjectArrival()


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

    kind: BodyKind | Literal["object"]
    box: FullBox
    score: float


class ObjectDetector(Protocol):
    """Recognises objects in one picture or a part of one. Called twice a second while something moves."""

    @property
    def is_ready(self) -> bool:
        """Whether it can recognise anything now; it may be installed, exchanged or removed at any time."""

    def detect(self, image: Image, least_score: float | None = None) -> list[Detection]:
        """Detect objects in a picture.

        Args:
            image: (height, width, 3) uint8, BGR.
            least_score: Minimum score, 0 to 1; None for the detector's own.
        """
