"""What the detector says, and the ports behind which its parts can be replaced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from vision.detect.picture import Image
from vision.detect.scene import NotArmed

FullBox = tuple[int, int, int, int]
"""Left, top, width, height in the source's own pixels."""


@dataclass(frozen=True)
class Deposit:
    """An object left behind.

    `since_s` is when it was put down, `left_s` when whoever brought it had gone, `by` how they came. All in seconds of
    the pictures' own clock.
    """

    id: int
    box: FullBox
    at_s: float
    since_s: float
    left_s: float | None = None
    by: Literal["foot", "vehicle", "unknown"] = "unknown"


@dataclass(frozen=True)
class StepResult:
    """What one picture told; `people` are boxes of whatever moves, in the source's own pixels."""

    alarms: list[Deposit] = field(default_factory=list)
    removed: list[Deposit] = field(default_factory=list)
    armed: bool = True
    reason: NotArmed = ""
    people: list[FullBox] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """Something that a finder recognises in a picture; `score` is 0 to 1."""

    kind: Literal["person", "vehicle", "animal", "object"]
    box: FullBox
    score: float


class Finder(Protocol):
    """Recognises things in one picture, for a second opinion before an alarm; may take long, is asked rarely."""

    def find(self, image: Image) -> list[Found]:
        """What is in a picture, (height, width, 3) uint8, BGR."""
