"""The recent past of one camera, in memory only: pictures as JPEG, and what of each is hidden before it is stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vision.evidence.motion import Moved, Presence
from vision.evidence.pictures import CLIP_FPS, Box, Image, to_jpeg

PAST_S: Final = 75.0
"""An owner may linger for 40 s before the alarm; ten more belong to the clip, and fifteen tell who stood still."""
BYTES_MAX: Final = 14 << 20
QUALITY: Final = 80
MOMENT_OVERHEAD_BYTES: Final = 5_500
"""The packed masks of what moved, and Python's own objects."""


@dataclass(frozen=True)
class Moment:
    """A picture as it was, for memory only; `people` are boxes in its own pixels."""

    at_s: float
    jpeg: bytes
    people: tuple[Box, ...]
    moved: Moved

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return len(self.jpeg) + MOMENT_OVERHEAD_BYTES


class Recorder:
    """Keeps at most `PAST_S` and `BYTES_MAX`; where both do not fit, every other of the older pictures gives way."""

    def __init__(self) -> None:
        """Start without a past."""
        self._moments: deque[Moment] = deque()
        self._bytes = 0
        self._shape: tuple[int, ...] = ()
        self._presence = Presence()

    @property
    def bytes(self) -> int:
        """What is held in memory."""
        return self._bytes

    def is_due(self, at_s: float) -> bool:
        """Whether a picture of this second is kept: no more than a clip shows."""
        return not self._moments or at_s - self._moments[-1].at_s >= 0.9 / CLIP_FPS

    def add(self, image: Image, at_s: float, people: Sequence[Box]) -> None:
        """Keep a picture that is due; one of another size than the last begins a new past.

        Args:
            image: (height, width, 3) uint8, BGR, at the size it is stored at.
            at_s: Its time in seconds.
            people: Boxes of whatever moves in front of the background, in the picture's pixels.
        """
        if image.shape != self._shape:
            self._shape, self._bytes, self._presence = image.shape, 0, Presence()
            self._moments.clear()
        moment = Moment(at_s, to_jpeg(image, QUALITY), tuple(people), self._presence.step(image, at_s))
        self._moments.append(moment)
        self._bytes += moment.bytes
        while self._moments[0].at_s < at_s - PAST_S:
            self._bytes -= self._moments.popleft().bytes
        if self._bytes > BYTES_MAX:
            self._thin_out()

    def moments(self) -> list[Moment]:
        """What is kept, oldest first."""
        return list(self._moments)

    def _thin_out(self) -> None:
        """Drop every other picture of the older half, so that the time it spans stays."""
        kept = list(self._moments)
        half = len(kept) // 2
        self._moments = deque([*kept[:half:2], *kept[half:]])
        self._bytes = sum(moment.bytes for moment in self._moments)
