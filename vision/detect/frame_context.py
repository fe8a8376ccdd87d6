"""What is known at one picture, and the static places under observation."""

from __future__ import annotations

from dataclasses import dataclass

from vision.detect.config import DetectorConfig
from vision.detect.dual_background import Layers
from vision.detect.frame_history import Memory
from vision.detect.regions import Region
from vision.detect.tracks import Perspective, Track, Tracker


@dataclass(frozen=True)
class View:
    """What is known at one picture."""

    at_s: float
    layers: Layers
    memory: Memory
    tracker: Tracker
    perspective: Perspective
    config: DetectorConfig

    @property
    def min_area_px(self) -> int:
        """Of a place worth looking at."""
        return int(self.config.min_area * self.layers.foreground.size)

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width) of the picture."""
        return self.layers.foreground.shape


@dataclass
class Candidate:
    """A static place. `since_s` is when it settled, `carrier` who is known to have brought it."""

    region: Region
    first_s: float
    since_s: float
    seen_s: float
    brought: bool = False
    carrier: Track | None = None
    refused_s: float | None = None
