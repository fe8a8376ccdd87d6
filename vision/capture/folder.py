"""A folder of pictures as a camera."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import structlog

from broker.contract.errors import ConfigError
from vision.capture.pace import Pace
from vision.capture.port import Frame, Image
from vision.picture_size import is_too_large, size_of

log = structlog.get_logger("vision")

FRAME_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})

FILE_MAX_BYTES: Final = 64 << 20
"""A picture of the most pixels takes less, however badly it is packed; of a longer file so much is read."""
_NUMBER: Final = re.compile(r"(?<![\d.])\d+$")
"""At the end of a name; `12.4` is none."""


class FolderSource:
    """A folder of pictures whose names are the second they were taken, or a number."""

    def __init__(self, path: Path, *, start_at: datetime, realtime: bool, numbered_fps: float | None = None) -> None:
        """Keep what to play.

        Args:
            path: The folder.
            start_at: When second 0 was.
            realtime: Play at its own speed.
            numbered_fps: Names end in a number that counts so many pictures a second; None when they are seconds.
        """
        self._numbered_fps = numbered_fps
        self._path = path
        self._start_at = start_at
        self._realtime = realtime

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Pictures in order of their names; one that cannot be read, or is too large, is left out.

        Raises:
            ConfigError: There is none.
        """
        found = [path for path in self._path.iterdir() if path.suffix.lower() in FRAME_SUFFIXES]
        named = sorted((_second_of(path, self._numbered_fps), path) for path in found)
        if not named:
            raise ConfigError(f"{self._path}: holds no pictures")
        pace = Pace(realtime=self._realtime)
        for at_s, path in named:
            if stop.is_set():
                return
            pace.wait(at_s - named[0][0], stop)
            image = _decoded(path)
            if image is not None:
                yield Frame(image, at_s, self._start_at + timedelta(seconds=at_s))


def _decoded(path: Path) -> Image | None:
    """A picture, unless its header says that it is too large, or none."""
    try:
        with path.open("rb") as file:
            coded = file.read(FILE_MAX_BYTES)
    except OSError as exc:
        log.warning("vision.picture_unreadable", file=path.name, reason=type(exc).__name__)
        return None
    size = size_of(coded)
    if size and is_too_large(size):
        log.warning("vision.picture_too_large", file=path.name, width_px=size[0], height_px=size[1])
        return None
    image = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR) if size else None
    if image is None:
        log.warning("vision.picture_unreadable", file=path.name, reason="neither JPEG nor PNG")
        return None
    return np.asarray(image, np.uint8)


def _second_of(path: Path, numbered_fps: float | None) -> float:
    number = _NUMBER.search(path.stem)
    if numbered_fps and number:
        return int(number.group()) / numbered_fps
    try:
        return float(path.stem)
    except ValueError as exc:
        raise ConfigError(f"{path}: the name of a picture is the second it was taken") from exc
