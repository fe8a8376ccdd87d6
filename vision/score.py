"""Recorded clips played to a detector: the alarms that `kota vision score` writes and `kota bench vision` judges."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from broker.contract.errors import ConfigError
from vision.capture.folder import FRAME_SUFFIXES
from vision.capture.sources import open_source
from vision.detect.picture import Image, Point
from vision.detect.port import StepResult

VIDEO_SUFFIXES: Final = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".ts"})
FPS: Final = 5.0

Seen = tuple[float, Image]
"""Second, and picture (height, width, 3) uint8, BGR."""
Alarm = dict[str, Any]
"""`t_s`, second of the alarm; `box`, left, top, width, height in the clip's own pixels."""


class Detector(Protocol):
    """What raises alarms over the pictures of one camera."""

    def step(self, image: Image, at_s: float) -> StepResult:
        """Look at the next picture."""


@dataclass(frozen=True)
class Known:
    """What may be known of a clip: where waste is watched for, and its pictures a second; never its events."""

    zone: tuple[Point, ...] = ()
    fps: float | None = None


NOTHING: Final = Known()


@dataclass(frozen=True)
class Played:
    """What a detector made of one clip."""

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
    """What is known of clips, one mapping for each.

    Raises:
        ConfigError: The file is no list of clips with their names and sizes.
    """
    try:
        clips: list[dict[str, Any]] = json.loads(path.read_text())
        for clip in clips:
            known_of(clip)
            str(clip["clip"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as exc:
        raise ConfigError(f"{path}: not a list of clips with width, height and zone: {exc}") from exc
    return clips


def known_of(clip: Mapping[str, Any]) -> Known:
    """What a detector may be told of a clip of the ground truth."""
    width, height = clip["width"], clip["height"]
    return Known(tuple((x / width, y / height) for x, y in clip.get("zone") or []), clip.get("fps"))


def pictures_of(clip: Path, known: Known = NOTHING) -> Iterator[Seen]:
    """A clip's pictures, about five a second at most, as fast as they can be read."""
    source = open_source(str(clip), start_at=datetime.now(UTC), realtime=False, fps=FPS, numbered_fps=known.fps)
    return ((frame.at_s, frame.image) for frame in source.frames(threading.Event()))


def play(pictures: Iterable[Seen], detector: Detector) -> Played:
    """Show a clip to a detector."""
    count, alarms = 0, []
    for at_s, image in pictures:
        count += 1
        found = detector.step(image, at_s).alarms
        alarms += [{"t_s": round(deposit.at_s, 2), "box": list(deposit.box)} for deposit in found]
    return Played(count, alarms)
