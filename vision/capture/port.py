"""What capture gives: pictures with their times, whatever takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from broker.contract.errors import RetryLaterError

Image = NDArray[np.uint8]


class StreamLostError(RetryLaterError):
    """A stream did not begin or has ended; it may come back."""


class PictureTooLargeError(StreamLostError):
    """Its pictures have more pixels than are decoded; a camera may come back with smaller ones."""


@dataclass(frozen=True)
class Frame:
    """One picture: (height, width, 3) uint8, BGR; steady seconds since the source began; wall time (aware)."""

    image: Image
    at_s: float
    captured_at: datetime


class FrameSource(Protocol):
    """A camera or what stands for one."""

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Yield pictures in order of time, until `stop` or the source's end; may block on the network.

        Returning is the end for good. May be called again after `StreamLostError`; `at_s` goes on then.

        Raises:
            ConfigError: What it reads is of no use.
            PictureTooLargeError: Its pictures have more than `vision.picture_size.PIXELS_MAX` pixels.
            StreamLostError: It may come back.
        """
