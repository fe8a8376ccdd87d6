"""The port of capture: sources of frames."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from city.errors import RetryLaterError

Image = NDArray[np.uint8]


class StreamLostError(RetryLaterError):
    """A stream could not be opened or has ended; it may come back."""


class PictureTooLargeError(StreamLostError):
    """A picture has more pixels than are decoded; the camera may come back with smaller ones."""


@dataclass(frozen=True)
class Frame:
    """One picture: (height, width, 3) uint8, BGR; monotonic seconds since the source began; wall time (aware)."""

    image: Image
    at_s: float
    captured_at: datetime


class FrameSource(Protocol):
    """A camera, or a recording that takes its place."""

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Yield pictures in order of time, until `stop` or the source's end; may block on the network.

        The end of the iterator is final. After `StreamLostError` it may be called again; `at_s` goes on then.

        Raises:
            ConfigError: The source cannot be used.
            PictureTooLargeError: Its pictures have more than `vision.capture.picture_size.PIXELS_MAX` pixels.
            StreamLostError: The stream is lost and may come back.
        """
