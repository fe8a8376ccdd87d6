"""Runs a detector over recorded clips: `kota vision score` writes its alarms, `kota bench vision` evaluates them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from city.errors import ConfigError
from vision.capture.folder import FRAME_SUFFIXES
from vision.capture.sources import open_source
from vision.detect.picture import Image, Point
from vision.detect.port import StepResult

VIDEO_SUFFIXES: Final = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".ts"})
FPS: Final = 5.0

TimedImage = tuple[float, Image]
"""Time in seconds, and picture (height, width, 3) uint8, BGR."""
Alarm = dict[str, Any]
"""`t_s`, second of the alarm; `box`, left, top, width, height in the clip's own pixels."""


class Detector(Protocol):
    """Raises alarms over the pictures of one camera."""

    def step(self, image: Image, at_s: float) -> StepResult:
        """Process the next picture, `at_s` in seconds; times go up."""


@dataclass(frozen=True)
class ClipHints:
    """Facts of a clip that a detector may use: watched polygon (normalised) and frame rate; never its events."""

    zone: tuple[Point, ...] = ()
    fps: float | None = None


NO_HINTS: Final = ClipHints()


@dataclass(frozen=True)
class ClipResult:
    """Result of one clip: number of pictures processed, and the alarms."""

    pictures: int
    alarms: list[Alarm]


def clips_in(folder: Path) -> list[Path]:
    """Video files and folders of pictures, by name.

    Raises:
        ConfigError: There is none.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    clips = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEO_SUFFIXES or _has_pictures(path)]
    if not clips:
        raise ConfigError(f"{folder}: holds no clips")
    return clips


def _has_pictures(path: Path) -> bool:
    return path.is_dir() and any(child.suffix.lower() in FRAME_SUFFIXES for child in path.iterdir())


def read_truth(path: Path) -> list[dict[str, Any]]:
    """The ground truth of clips, one mapping for each.

    Raises:
        ConfigError: The file is no list of clips with their names and sizes.
    """
    try:
        clips: list[dict[str, Any]] = json.loads(path.read_text())
        for clip in clips:
            hints_of(clip)
            str(clip["clip"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as exc:
        raise ConfigError(f"{path}: not a list of clips with width, height and zone: {exc}") from exc
    return clips


def hints_of(clip: Mapping[str, Any]) -> ClipHints:
    """The hints in a clip's ground truth."""
    width, height = clip["width"], clip["height"]
    return ClipHints(tuple((x / width, y / height) for x, y in clip.get("zone") or []), clip.get("fps"))


def frames_of(clip: Path, hints: ClipHints = NO_HINTS) -> Iterator[TimedImage]:
    """A clip's pictures with their times, at most about five a second of the clip, read without waiting."""
    source = open_source(str(clip), start_at=datetime.now(UTC), realtime=False, fps=FPS, numbered_fps=hints.fps)
    return ((frame.at_s, frame.image) for frame in source.frames(threading.Event()))


def run_detector(pictures: Iterable[TimedImage], detector: Detector) -> ClipResult:
    """Run a detector over the pictures of a clip."""
    count, alarms = 0, []
    for at_s, image in pictures:
        count += 1
        detected = detector.step(image, at_s).alarms
        alarms += [{"t_s": round(waste.at_s, 2), "box": list(waste.box)} for waste in detected]
    return ClipResult(count, alarms)
