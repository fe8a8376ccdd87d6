"""State of the detector at one picture, and the candidates: static regions under observation."""

from __future__ import annotations

from dataclasses import dataclass

from vision.detect.config import DetectorConfig
from vision.detect.dual_background import DualBackground
from vision.detect.frame_history import FrameHistory
from vision.detect.picture import Mask
from vision.detect.rapid_passage import RecentPictures
from vision.detect.recognition import Recogniser
from vision.detect.regions import Box, Region
from vision.detect.tracks import Perspective, Track, Tracker


@dataclass(frozen=True)
class FrameContext:
    """State of the detector at one picture, for the pure functions that judge a candidate."""

    at_s: float
    backgrounds: DualBackground
    history: FrameHistory
    tracker: Tracker
    recogniser: Recogniser
    perspective: Perspective
    config: DetectorConfig
    recent: RecentPictures
    scale: float = 1.0
    """Pixels of the source a pixel of the small picture."""
    interval_s: float = 0.0
    """Usual time between two pictures that are processed."""
    ignored: Mask | None = None
    """Where movement holds up no report; None if nowhere."""

    @property
    def min_area_px(self) -> int:
        """Minimum area of a region, in pixels."""
        return int(self.config.min_area * self.backgrounds.foreground.size)

    def person_px(self, box: Box) -> float | None:
        """Height in pixels of a person on the ground of a box; None while it is unknown."""
        return self.perspective.height_at(box[1] + box[3])

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width) of the picture."""
        return self.backgrounds.foreground.shape


@dataclass(eq=False)
class Candidate:
    """A static region. `since_s` is when it came to rest, `carrier` the track that brought it, if known.

    `passer` is who passed too fast to be tracked when it came; `is_searched` whether that was looked for.

    `vehicle` is the box of the vehicle that stood beside it when it came, in pixels of the small picture.
    `refused_s` and `object_s` are since when, without a break, it has been refused, and taken for an object.
    `growths` is how often it became larger since; `restores` how often it was absorbed into the background and taken
    out again. `is_doubted`: a close look showed a person; `close_looks` is how many in a row have shown none since.
    """

    region: Region
    first_s: float
    since_s: float
    seen_s: float
    brought: bool = False
    carrier: Track | None = None
    passer: Track | None = None
    vehicle: Box | None = None
    is_searched: bool = False
    refused_s: float | None = None
    object_s: float | None = None
    restores: int = 0
    growths: int = 0
    is_doubted: bool = False
    close_looks: int = 0
    close_look_due_s: float = 0.0
