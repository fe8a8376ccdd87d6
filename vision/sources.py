"""Where pictures come from: a video file, a folder of frames, an RTSP camera, or the rendered demo scene."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from broker.contract.errors import ConfigError

log = structlog.get_logger("vision")

Image = NDArray[np.uint8]

FPS_DEFAULT: Final = 25.0
RTSP_TIMEOUT_MS: Final = 8_000
RECONNECT_S: Final = (1.0, 30.0)
FRAME_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True)
class Frame:
    """One picture: (height, width, 3) uint8, BGR; seconds since the source began; when it was taken (aware)."""

    image: Image
    at_s: float
    captured_at: datetime


class FrameSource(Protocol):
    """A camera or what stands for one."""

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Yield pictures in order of time, until `stop` or the source's end; may block on the network."""


class Pace:
    """Lets recorded pictures out at the speed they were taken, or as fast as they can be read."""

    def __init__(self, *, realtime: bool) -> None:
        """Start counting at the first picture."""
        self._realtime = realtime
        self._began: float | None = None

    def wait(self, at_s: float, stop: threading.Event) -> None:
        """Wait until the picture of second `at_s` is due."""
        if not self._realtime:
            return
        if self._began is None:
            self._began = time.monotonic() - at_s
        stop.wait(max(0.0, self._began + at_s - time.monotonic()))


class FileSource:
    """A video file, played once; time comes from the file's own time stamps."""

    def __init__(self, path: Path, *, start_at: datetime, realtime: bool, fps: float | None = None) -> None:
        """Keep what to play.

        Args:
            path: The video.
            start_at: When its first picture counts as taken.
            realtime: Play at its own speed.
            fps: Pass over pictures that come faster than this.
        """
        self._path = path
        self._start_at = start_at
        self._realtime = realtime
        self._fps = fps

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Pictures until the end of the file.

        Raises:
            ConfigError: It is no video.
        """
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise ConfigError(f"{self._path}: not a video that can be read")
        rate = capture.get(cv2.CAP_PROP_FPS) or FPS_DEFAULT
        keep_every = max(1, int(rate / self._fps)) if self._fps else 1
        pace = Pace(realtime=self._realtime)
        index = 0
        try:
            while not stop.is_set() and capture.grab():
                if index % keep_every == 0:
                    at_s = index / rate
                    pace.wait(at_s, stop)
                    done, image = capture.retrieve()
                    if done:
                        yield Frame(image, at_s, self._start_at + timedelta(seconds=at_s))
                index += 1
        finally:
            capture.release()


class FolderSource:
    """A folder of pictures whose names are the second they were taken."""

    def __init__(self, path: Path, *, start_at: datetime, realtime: bool) -> None:
        """Keep what to play."""
        self._path = path
        self._start_at = start_at
        self._realtime = realtime

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Pictures in order of their names; one that cannot be read is left out.

        Raises:
            ConfigError: There is none.
        """
        named = sorted((_second_of(p), p) for p in self._path.iterdir() if p.suffix.lower() in FRAME_SUFFIXES)
        if not named:
            raise ConfigError(f"{self._path}: holds no pictures")
        pace = Pace(realtime=self._realtime)
        for at_s, path in named:
            if stop.is_set():
                return
            pace.wait(at_s - named[0][0], stop)
            image = cv2.imread(str(path))
            if image is None:
                log.warning("vision.picture_unreadable", file=path.name)
            else:
                yield Frame(image, at_s, self._start_at + timedelta(seconds=at_s))


def _second_of(path: Path) -> float:
    try:
        return float(path.stem)
    except ValueError as exc:
        raise ConfigError(f"{path}: the name of a picture is the second it was taken") from exc


class RtspSource:
    """A network camera over RTSP on TCP; comes back with backoff when the stream stalls or ends."""

    def __init__(self, url: str) -> None:
        """Keep the address; it may hold a password and is never logged."""
        self._url = url

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Pictures until `stop`, over as many connections as it takes."""
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
        began = time.monotonic()
        wait_s = RECONNECT_S[0]
        while not stop.is_set():
            for image in self._one_connection(stop):
                wait_s = RECONNECT_S[0]
                yield Frame(image, time.monotonic() - began, datetime.now(UTC))
            log.warning("vision.stream_lost", again_in_s=wait_s)
            stop.wait(wait_s)
            wait_s = min(2 * wait_s, RECONNECT_S[1])

    def _one_connection(self, stop: threading.Event) -> Iterator[Image]:
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, RTSP_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, RTSP_TIMEOUT_MS]
        capture = cv2.VideoCapture(self._url, cv2.CAP_FFMPEG, options)
        try:
            while not stop.is_set():
                done, image = capture.read()
                if not done:
                    return
                yield image
        finally:
            capture.release()


def open_source(text: str, *, start_at: datetime, realtime: bool, fps: float | None = None) -> FrameSource:
    """The source a text names: an `rtsp://` address, a folder or a file.

    Raises:
        ConfigError: It names nothing that is there.
    """
    if text.startswith(("rtsp://", "rtsps://", "http://", "https://")):
        return RtspSource(text)
    path = Path(text)
    if path.is_dir():
        return FolderSource(path, start_at=start_at, realtime=realtime)
    if path.is_file():
        return FileSource(path, start_at=start_at, realtime=realtime, fps=fps)
    raise ConfigError(f"{text}: neither an address, a folder nor a file")
