"""A camera on the network: RTSP over TCP, or JPEG pictures over HTTP; one connection at a time.

The configured address is that of the camera's low-rate sub stream. Pictures beyond the wanted rate are decoded, because
the next ones build on them, but neither converted nor copied.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

import cv2

from vision.capture.address import redact_address
from vision.capture.clock import Clock, RateLimiter, StreamClock
from vision.capture.ffmpeg import QUICK, THOROUGH, open_capture, position_s, require_size, require_small
from vision.capture.port import Frame, StreamLostError
from vision.capture.reachability import probe

OPEN_MS: Final = 5_000
"""Connections of other cameras wait meanwhile."""
READ_MS: Final = 10_000
"""Longer than the watchdog's limit: it ends a connection that the watchdog has given up."""

Connect = Callable[[str, threading.Event, str], cv2.VideoCapture]


def connect_to(address: str, stop: threading.Event, options: str) -> cv2.VideoCapture:
    """Connect to a camera; the caller checks with `isOpened` whether that succeeded.

    Raises:
        StreamLostError: The host does not answer.
    """
    probe(address)
    return open_capture(address, stop, options, open_ms=OPEN_MS, read_ms=READ_MS)


class StreamSource:
    """A network stream; `at_s` counts from the construction and goes on over all connections.

    Args:
        address: Its address; it may hold a password and appears in no log or error.
        fps: Maximum rate; pictures beyond it are dropped.
        clock: Clocks of the machine.
        connect: Makes a connection, which may have failed.
    """

    def __init__(
        self, address: str, *, fps: float | None = None, clock: Clock | None = None, connect: Connect = connect_to
    ) -> None:
        self._address = address
        self._fps = fps
        self._clock = clock or Clock()
        self._connect = connect
        self._began_s = self._clock.monotonic()
        # Pictures over HTTP carry no time stamps; OpenCV counts 25 a second, whatever comes.
        self._stamped = address.lower().startswith("rtsp")
        self._quick_open = True
        self.resyncs = 0

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Frames of one connection.

        Raises:
            StreamLostError: The connection could not be made, or has ended.
            PictureTooLargeError: Its pictures are too large.
        """
        options = QUICK if self._quick_open else THOROUGH
        # What gives no picture one way is tried the other way next.
        self._quick_open = not self._quick_open
        capture = self._connect(self._address, stop, options)
        try:
            if not capture.isOpened():
                raise StreamLostError(f"{redact_address(self._address)} cannot be opened")
            require_size(capture, self._address, stop)
            yield from self._read(capture, stop)
        except cv2.error:
            # What OpenCV says of it may hold the address.
            raise StreamLostError(f"{redact_address(self._address)} cannot be read") from None
        finally:
            capture.release()
        if not stop.is_set():
            raise StreamLostError(f"{redact_address(self._address)} has ended")

    def _read(self, capture: cv2.VideoCapture, stop: threading.Event) -> Iterator[Frame]:
        quick_open = not self._quick_open
        times, limiter = StreamClock(self._clock.monotonic()), RateLimiter(self._fps)
        while not stop.is_set() and capture.grab():
            arrived_s = self._clock.monotonic()
            resyncs = times.resyncs
            at_s = times.capture_time_s(position_s(capture) if self._stamped else None, arrived_s)
            self.resyncs += times.resyncs - resyncs
            if not limiter.accepts(at_s):
                continue
            done, image = capture.retrieve()
            if done:
                require_small(image, self._address)
                self._quick_open = quick_open
                # The wall clock is read for every picture: when NTP sets it, `captured_at` follows and `at_s` does not.
                captured_at = self._clock.now() - timedelta(seconds=arrived_s - at_s)
                yield Frame(image, at_s - self._began_s, captured_at)
