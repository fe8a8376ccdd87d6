"""A video file as a camera."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import cv2

from city.errors import ConfigError
from vision.capture.ffmpeg import open_capture, position_s, require_size, require_small
from vision.capture.pace import PlaybackPacer
from vision.capture.port import Frame

FPS_DEFAULT: Final = 25.0


class FileSource:
    """A video file, played once; times are the file's time stamps."""

    def __init__(self, path: Path, *, start_at: datetime, realtime: bool, fps: float | None = None) -> None:
        """Take the file's parameters.

        Args:
            path: The video.
            start_at: Capture time of the first picture.
            realtime: Whether it plays at its own speed, or without waiting.
            fps: Maximum rate; pictures beyond it are dropped.
        """
        self._path = path
        self._start_at = start_at
        self._realtime = realtime
        self._fps = fps

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Frames until the end of the file.

        Raises:
            ConfigError: The file is no video.
            PictureTooLargeError: Its pictures are too large.
        """
        capture = open_capture(str(self._path), stop)
        if stop.is_set():
            return
        if not capture.isOpened():
            raise ConfigError(f"{self._path}: not a video that can be read")
        try:
            require_size(capture, str(self._path), stop)
            yield from self._play(capture, stop)
        finally:
            capture.release()

    def _play(self, capture: cv2.VideoCapture, stop: threading.Event) -> Iterator[Frame]:
        rate = capture.get(cv2.CAP_PROP_FPS) or FPS_DEFAULT
        keep_every = max(1, int(rate / self._fps)) if self._fps else 1
        pacer = PlaybackPacer(realtime=self._realtime)
        index, at_s = 0, -1 / rate
        while not stop.is_set() and capture.grab():
            stamp_s = position_s(capture)
            # The last pictures of an AVI come without a time stamp.
            at_s = stamp_s if stamp_s > at_s else at_s + 1 / rate
            if index % keep_every == 0:
                pacer.wait(at_s, stop)
                done, image = capture.retrieve()
                if done:
                    require_small(image, str(self._path))
                    yield Frame(image, at_s, self._start_at + timedelta(seconds=at_s))
            index += 1
