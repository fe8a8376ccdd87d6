"""The recent frames of one camera, in memory only: pictures as JPEG, and the boxes and motion masks that are hidden."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vision.evidence.pictures import CLIP_FPS, Box, Image, to_jpeg
from vision.evidence.privacy.motion import MotionDetector, MotionMasks

PAST_S: Final = 75.0
"""An owner may linger for 40 s before the alarm; 10 s before that belong to the clip, and 15 s show who stood still."""
BYTES_MAX: Final = 14 << 20
QUALITY: Final = 80
MOMENT_OVERHEAD_BYTES: Final = 5_500
"""Memory of a frame beside its JPEG: packed motion masks and Python objects."""


@dataclass(frozen=True)
class RecordedFrame:
    """One unredacted picture, in memory only; `people` are boxes in its pixels."""

    at_s: float
    jpeg: bytes
    people: tuple[Box, ...]
    motion: MotionMasks

    @property
    def bytes(self) -> int:
        """Memory of the frame in bytes."""
        return len(self.jpeg) + MOMENT_OVERHEAD_BYTES


class Recorder:
    """Keeps at most `PAST_S` and `BYTES_MAX`; beyond `BYTES_MAX` every other picture of the older half is dropped."""

    def __init__(self) -> None:
        self._frames: deque[RecordedFrame] = deque()
        self._bytes = 0
        self._shape: tuple[int, ...] = ()
        self._motion = MotionDetector()

    @property
    def bytes(self) -> int:
        """Memory of all frames in bytes."""
        return self._bytes

    def is_due(self, at_s: float) -> bool:
        """Whether a picture at `at_s` is kept: at most `CLIP_FPS` a second are."""
        return not self._frames or at_s - self._frames[-1].at_s >= 0.9 / CLIP_FPS

    def add(self, image: Image, at_s: float, people: Sequence[Box]) -> None:
        """Keep a picture that is due; one of another size than the last deletes all earlier ones.

        Args:
            image: (height, width, 3) uint8, BGR, at the size at which it is stored.
            at_s: Its time in seconds.
            people: Boxes of everything that moves in front of the background, in the picture's pixels.
        """
        if image.shape != self._shape:
            self._shape, self._bytes, self._motion = image.shape, 0, MotionDetector()
            self._frames.clear()
        frame = RecordedFrame(at_s, to_jpeg(image, QUALITY), tuple(people), self._motion.step(image, at_s))
        self._frames.append(frame)
        self._bytes += frame.bytes
        while self._frames[0].at_s < at_s - PAST_S:
            self._bytes -= self._frames.popleft().bytes
        if self._bytes > BYTES_MAX:
            self._thin_out()

    def frames(self) -> list[RecordedFrame]:
        """The frames, oldest first."""
        return list(self._frames)

    def _thin_out(self) -> None:
        """Drop every other picture of the older half, so that the time it spans stays."""
        kept = list(self._frames)
        half = len(kept) // 2
        self._frames = deque([*kept[:half:2], *kept[half:]])
        self._bytes = sum(frame.bytes for frame in self._frames)
