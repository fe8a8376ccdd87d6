"""A rendered street corner: people walk past, one leaves a bag beside the container, later it is fetched.

The script repeats; the same seed gives the same pictures.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.capture.pace import PlaybackPacer
from vision.capture.port import Frame, Image

WIDTH_PX: Final = 480
HEIGHT_PX: Final = 270
FPS: Final = 5.0
ROUND_S: Final = 240.0
"""Length of one round: the bag is put down at `DROP_S` and fetched at `FETCH_S`."""
ARRIVE_S: Final = 6.0
DROP_S: Final = 11.0
GONE_S: Final = 17.0
FETCH_S: Final = 200.0
BAG_AT: Final = (300, 205)
BAG_SIZE: Final = (34, 30)
WALL: Final = (186, 196, 204)
NOISE: Final = 3.0


@dataclass(frozen=True)
class Walker:
    """A person who crosses the picture from one side to the other: start and duration in seconds of the round."""

    begins_s: float
    takes_s: float
    feet_px: int
    leftwards: bool
    shirt: tuple[int, int, int]


WALKERS: Final = (
    Walker(28, 14, 232, leftwards=True, shirt=(150, 60, 40)),
    Walker(52, 12, 248, leftwards=False, shirt=(40, 90, 160)),
    Walker(80, 16, 226, leftwards=True, shirt=(60, 130, 70)),
    Walker(118, 13, 252, leftwards=False, shirt=(120, 60, 120)),
    Walker(150, 15, 230, leftwards=True, shirt=(50, 50, 60)),
)


class DemoSource:
    """The rendered scene as a frame source, at `FPS` pictures a second."""

    def __init__(self, *, start_at: datetime, realtime: bool = True, seed: int = 1, rounds: int | None = None) -> None:
        """Render the street.

        Args:
            start_at: Capture time of the first picture.
            realtime: Whether pictures come at the camera's rate, or without waiting.
            seed: Seed of the noise and of the stains on the wall.
            rounds: Number of rounds; None repeats for ever.
        """
        self._start_at = start_at
        self._realtime = realtime
        self._rng = np.random.default_rng(seed)
        self._rounds = rounds
        self._street = _paint_street(self._rng)
        # A pool of noise to pick from costs less than random numbers for every pixel of every picture.
        shape = (8, HEIGHT_PX, WIDTH_PX, 3)
        self._noise: NDArray[np.int8] = self._rng.normal(0, NOISE, shape).astype(np.int8)

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Frames of the script, round after round."""
        pacer = PlaybackPacer(realtime=self._realtime)
        index = 0
        while not stop.is_set() and (self._rounds is None or index / FPS < self._rounds * ROUND_S):
            at_s = index / FPS
            pacer.wait(at_s, stop)
            yield Frame(self.picture(at_s), at_s, self._start_at + timedelta(seconds=at_s))
            index += 1

    def picture(self, at_s: float) -> Image:
        """(270, 480, 3) uint8, BGR: the scene at `at_s` seconds."""
        round_s = at_s % ROUND_S
        image = self._street.copy()
        if DROP_S <= round_s < FETCH_S:
            _paint_bag(image, BAG_AT)
        for walker in WALKERS:
            share = (round_s - walker.begins_s) / walker.takes_s
            if 0 <= share <= 1:
                left = -40 + share * (WIDTH_PX + 80)
                x = WIDTH_PX - left if walker.leftwards else left
                _paint_person(image, int(x), walker.feet_px, walker.shirt, round_s)
        self._paint_owner(image, round_s)
        light = 2.0 * math.sin(at_s / 37.0)
        noisy = image.astype(np.int16) + self._noise[self._rng.integers(8)] + np.int16(light)
        picture: Image = np.clip(noisy, 0, 255).astype(np.uint8)
        return picture

    def _paint_owner(self, image: Image, round_s: float) -> None:
        """Paint the person who brings the bag, and the one who fetches it."""
        shirt = (70, 70, 190)
        if ARRIVE_S <= round_s < GONE_S:
            come, go = (round_s - ARRIVE_S) / (DROP_S - ARRIVE_S), (round_s - DROP_S) / (GONE_S - DROP_S)
            x = -40 + min(1.0, come) * (BAG_AT[0] + 10) if go < 0 else BAG_AT[0] - 30 + go * (WIDTH_PX + 90 - BAG_AT[0])
            _paint_person(image, int(x), 238, shirt, round_s)
            if go < 0:
                _paint_bag(image, (int(x) + 22, 205))
        elif FETCH_S - 6 <= round_s < FETCH_S + 6:
            x = WIDTH_PX + 40 - (1 - abs(round_s - FETCH_S) / 6) * (WIDTH_PX + 40 - BAG_AT[0] - 30)
            _paint_person(image, int(x), 238, (60, 150, 200), round_s)


def _paint_street(rng: np.random.Generator) -> Image:
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), WALL, np.uint8)
    image[150:] = (104, 110, 116)
    cv2.rectangle(image, (0, 146), (WIDTH_PX, 154), (140, 146, 150), -1)
    for _ in range(220):
        x, y = int(rng.integers(WIDTH_PX)), int(rng.integers(HEIGHT_PX))
        shade = int(rng.integers(-26, 26))
        color = tuple(min(255, max(0, int(c) + shade)) for c in image[y, x])
        cv2.ellipse(image, (x, y), (int(rng.integers(2, 16)), int(rng.integers(1, 6))), 0, 0, 360, color, -1)
    cv2.rectangle(image, (352, 128), (440, 214), (70, 120, 60), -1)
    cv2.rectangle(image, (346, 118), (446, 132), (50, 92, 44), -1)
    cv2.putText(image, "TPS", (374, 182), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (230, 235, 230), 2)
    cv2.rectangle(image, (40, 40), (120, 110), (120, 100, 90), -1)
    soft: Image = cv2.GaussianBlur(image, (3, 3), 0)
    return soft


def _paint_bag(image: Image, at: tuple[int, int]) -> None:
    x, y = at
    width, height = BAG_SIZE
    cv2.ellipse(image, (x, y + height // 2), (width // 2, height // 2), 0, 0, 360, (30, 26, 28), -1)
    cv2.ellipse(image, (x, y), (6, 8), 0, 0, 360, (40, 36, 38), -1)
    cv2.line(image, (x - 9, y + 8), (x - 4, y + 24), (74, 70, 72), 2)
    cv2.line(image, (x + 7, y + 6), (x + 10, y + 20), (62, 58, 60), 2)


def _paint_person(image: Image, x: int, feet_px: int, shirt: tuple[int, int, int], at_s: float) -> None:
    swing = round(9 * math.sin(at_s * 6))
    hip = feet_px - 44
    cv2.line(image, (x, hip), (x - swing, feet_px), (52, 46, 44), 9)
    cv2.line(image, (x, hip), (x + swing, feet_px), (44, 40, 38), 9)
    cv2.rectangle(image, (x - 14, hip - 44), (x + 14, hip), shirt, -1)
    cv2.line(image, (x - 14, hip - 38), (x - 18 - swing // 2, hip - 6), shirt, 7)
    cv2.line(image, (x + 14, hip - 38), (x + 18 + swing // 2, hip - 6), shirt, 7)
    cv2.circle(image, (x, hip - 56), 11, (110, 140, 180), -1)
