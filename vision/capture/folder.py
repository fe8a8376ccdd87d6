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

from city.errors import ConfigError
from vision.capture.pace import PlaybackPacer
from vision.capture.picture_size import is_too_large, size_of
from vision.capture.port import Frame, Image

log = structlog.get_logger("vision")

FRAME_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})

FILE_MAX_BYTES: Final = 64 << 20
"""At most this much of a file is read; a picture with the maximum of pixels takes less."""
_NUMBER: Final = re.compile(r"(?<![\d.])\d+$")
"""A whole number at the end of a name; `12.4` does not match."""


class FolderSource:
    """A folder of pictures whose names are their time in seconds, or a running number."""

    def __init__(self, path: Path, *, start_at: datetime, realtime: bool, numbered_fps: float | None = None) -> None:
        """Take the folder's parameters.

        Args:
            path: The folder.
            start_at: Capture time of second 0.
            realtime: Whether it plays at its own speed, or without waiting.
            numbered_fps: Pictures a second, if names end in a running number; None if names are seconds.
        """
        self._numbered_fps = numbered_fps
        self._path = path
        self._start_at = start_at
        self._realtime = realtime

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Frames in order of their times; a picture that cannot be read, or is too large, is skipped.

        Raises:
            ConfigError: The folder holds no picture, or a name is no time.
        """
        pictures = [path for path in self._path.iterdir() if path.suffix.lower() in FRAME_SUFFIXES]
        timed = sorted((_second_of(path, self._numbered_fps), path) for path in pictures)
        if not timed:
            raise ConfigError(f"{self._path}: holds no pictures")
        pacer = PlaybackPacer(realtime=self._realtime)
        for at_s, path in timed:
            if stop.is_set():
                return
            pacer.wait(at_s - timed[0][0], stop)
            image = _decode(path)
            if image is not None:
                yield Frame(image, at_s, self._start_at + timedelta(seconds=at_s))


def _decode(path: Path) -> Image | None:
    """Decode a picture; None if it is too large, or no picture."""
    try:
        with path.open("rb") as file:
            encoded = file.read(FILE_MAX_BYTES)
    except OSError as exc:
        log.warning("vision.picture_unreadable", file=path.name, reason=type(exc).__name__)
        return None
    size = size_of(encoded)
    if size and is_too_large(size):
        log.warning("vision.picture_too_large", file=path.name, width_px=size[0], height_px=size[1])
        return None
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR) if size else None
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
