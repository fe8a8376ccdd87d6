"""A camera on the network: RTSP over TCP, or JPEG pictures over HTTP; one connection at a time.

What is configured is the camera's low-rate sub stream. Pictures beyond the rate that is wanted are decoded, because
the next ones build on them, but neither converted nor copied.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

import cv2

from vision.capture.address import shown
from vision.capture.clock import Clock, StreamClock, Thinner
from vision.capture.ffmpeg import QUICK, THOROUGH, open_capture, position_s, require_size, require_small
from vision.capture.port import Frame, StreamLostError
from vision.capture.reachability import knock

OPEN_MS: Final = 5_000
"""Others wait for their turn meanwhile."""
READ_MS: Final = 10_000
"""Behind the watchdog's own limit: it ends a connection that nobody waits for any more."""

Connect = Callable[[str, threading.Event, str], cv2.VideoCapture]


def connect_to(address: str, stop: threading.Event, options: str) -> cv2.VideoCapture:
    """A connection to a camera, if it can be had.

    Raises:
        StreamLostError: Nobody answers there.
    """
    knock(address)
    return open_capture(address, stop, options, open_ms=OPEN_MS, read_ms=READ_MS)


class StreamSource:
    """A stream; `at_s` counts from here and goes on over all connections.

    Args:
        address: Where it is; it may hold a password and is shown to nobody.
        fps: Pass over pictures that come faster than this.
        clock: The machine's.
        connect: Makes a connection, which may have failed.
    """

    def __init__(
        self, address: str, *, fps: float | None = None, clock: Clock | None = None, connect: Connect = connect_to
    ) -> None:
        """Nothing is opened yet."""
        self._address = address
        self._fps = fps
        self._clock = clock or Clock()
        self._connect = connect
        self._began_s = self._clock.monotonic()
        # Pictures over HTTP carry no time stamps; OpenCV counts 25 a second, whatever comes.
        self._stamped = address.lower().startswith("rtsp")
        self._in_a_hurry = True
        self.resyncs = 0

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Pictures of one connection.

        Raises:
            StreamLostError: It could not be made, or is over.
            PictureTooLargeError: Its pictures are.
        """
        options = QUICK if self._in_a_hurry else THOROUGH
        # What gives no picture one way is tried the other way next.
        self._in_a_hurry = not self._in_a_hurry
        capture = self._connect(self._address, stop, options)
        try:
            if not capture.isOpened():
                raise StreamLostError(f"{shown(self._address)} cannot be opened")
            require_size(capture, self._address, stop)
            yield from self._read(capture, stop)
        except cv2.error:
            # What OpenCV says of it may hold the address.
            raise StreamLostError(f"{shown(self._address)} cannot be read") from None
        finally:
            capture.release()
        if not stop.is_set():
            raise StreamLostError(f"{shown(self._address)} has ended")

    def _read(self, capture: cv2.VideoCapture, stop: threading.Event) -> Iterator[Frame]:
        in_a_hurry = not self._in_a_hurry
        times, thinner = StreamClock(self._clock.monotonic()), Thinner(self._fps)
        while not stop.is_set() and capture.grab():
            arrived_s = self._clock.monotonic()
            resyncs = times.resyncs
            at_s = times.at(position_s(capture) if self._stamped else None, arrived_s)
            self.resyncs += times.resyncs - resyncs
            if not thinner.wants(at_s):
                continue
            done, image = capture.retrieve()
            if done:
                require_small(image, self._address)
                self._in_a_hurry = in_a_hurry
                # The wall clock is read for every picture: when NTP sets it, `captured_at` follows and `at_s` does not.
                captured_at = self._clock.now() - timedelta(seconds=arrived_s - at_s)
                yield Frame(image, at_s - self._began_s, captured_at)
