"""Carriers of composed arrivals: people, riders and vehicles that come and go along a known path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from tests.bench.composed_cutouts import Cutout, Sprite
from tests.bench.composed_draw import Dice, blend, grain, ground_level, in_light_of, scaled
from vision.detect.picture import Image, Mask
from vision.detect.regions import Box, grow

RIDER_PX: Final = 120
"""Height of a rider's person as it is drawn, before it is scaled."""
SADDLE: Final = 0.72
"""Share of a person, from the top, that is seen above the saddle."""
WHEEL, AXLE = 0.2, 0.38
"""Radius of a wheel, and distance of its axle from the rider, in the person's heights."""
HALF_ALPHA: Final = 0.5
STILL_PX: Final = 1.0


@dataclass(frozen=True)
class Waypoint:
    """Where a carrier is at a time: the middle of its feet and its height, in pixels of the plate."""

    at_s: float
    x_px: float
    row_px: float
    height_px: float


@dataclass(frozen=True)
class MovingCutout:
    """A cut-out that follows a path, and is drawn in front of everything from its first waypoint to its last.

    Attributes:
        frames: As it moves to the right, `gap_s` seconds apart.
        gap_s: Seconds for which a frame is shown.
        path: In order of time.
        noise: Standard deviation in levels.
    """

    frames: tuple[Cutout, ...]
    gap_s: float
    path: tuple[Waypoint, ...]
    noise: float

    def place_at(self, at_s: float) -> Waypoint | None:
        """Where it is; None before its path begins and after it ends."""
        for start, end in pairwise(self.path):
            if start.at_s <= at_s < end.at_s:
                share = (at_s - start.at_s) / (end.at_s - start.at_s)
                x, row, height = (
                    first + share * (last - first)
                    for first, last in (
                        (start.x_px, end.x_px),
                        (start.row_px, end.row_px),
                        (start.height_px, end.height_px),
                    )
                )
                return Waypoint(at_s, x, row, height)
        return None

    def draw(self, canvas: Image, mask: Mask, at_s: float) -> None:  # noqa: ARG002 - the ground about it is quiet
        """Draw it where it is."""
        place = self.place_at(at_s)
        if place is None:
            return
        frame = self.frames[int(self._moving_s(at_s) / self.gap_s) % len(self.frames)]
        shown = scaled(frame, place.height_px, flipped=self._looks_left(at_s), by_height=True)
        height, width = shown.alpha.shape
        corner = (round(place.x_px - width / 2), round(place.row_px - height))
        blend(canvas, shown, corner, None, grain(self.noise, at_s))

    def _moving_s(self, at_s: float) -> float:
        """Seconds for which it has moved."""
        return sum(
            max(0.0, min(at_s, end.at_s) - start.at_s) for start, end in pairwise(self.path) if _moves(start, end)
        )

    def _looks_left(self, at_s: float) -> bool:
        """Whether its last movement across the picture was to the left."""
        ways = [end.x_px - start.x_px for start, end in pairwise(self.path) if start.at_s <= at_s]
        return next((way < 0 for way in reversed(ways) if abs(way) > STILL_PX), False)


def _moves(start: Waypoint, end: Waypoint) -> bool:
    return abs(end.x_px - start.x_px) > STILL_PX or abs(end.row_px - start.row_px) > STILL_PX


def frames_of(sprite: Sprite, median: Image, place: Waypoint, *, rides: Dice | None = None) -> tuple[Cutout, ...]:
    """The frames of a sprite, looking to the right, in the light of a place; on a motorbike if `rides` is given."""
    flipped = sprite.speed < 0
    frames = [scaled(frame, frame.alpha.shape[0], flipped=flipped, by_height=True) for frame in sprite.frames]
    if rides is not None:
        frames = [put_on_motorbike(frames[0], rides)]
    box = grow(box_at(place, frames[0]), 0, median.shape)
    return tuple(in_light_of(frame, ground_level(median, box)) for frame in frames)


def box_at(place: Waypoint, frame: Cutout) -> Box:
    """Box of a frame at a waypoint."""
    height, width = frame.alpha.shape
    width_px = round(width * place.height_px / height)
    return (
        round(place.x_px - width_px / 2),
        round(place.row_px - place.height_px),
        width_px,
        round(place.height_px),
    )


def put_on_motorbike(person: Cutout, dice: Dice) -> Cutout:
    """The upper part of a person, above a drawn motorbike that looks to the right."""
    upright = scaled(person, RIDER_PX, by_height=True)
    rows, columns = round(SADDLE * RIDER_PX), upright.alpha.shape[1]
    width = max(columns, round(2 * (AXLE + WHEEL) * RIDER_PX) + 4)
    image, alpha = np.zeros((RIDER_PX, width, 3), np.uint8), np.zeros((RIDER_PX, width), np.float32)
    _draw_motorbike(image, alpha, [int(level) for level in dice.integers(20, 150, 3)])
    left = (width - columns) // 2
    place = np.s_[:rows, left : left + columns]
    above = upright.alpha[:rows] > HALF_ALPHA
    image[place][above] = upright.image[:rows][above]
    alpha[place] = np.maximum(alpha[place], upright.alpha[:rows])
    return Cutout(image, cv2.GaussianBlur(alpha, (3, 3), 0).astype(np.float32), person.ground)


def _draw_motorbike(image: Image, alpha: np.ndarray[tuple[int, int], np.dtype[np.float32]], colour: list[int]) -> None:
    """Draw two wheels and a body into a picture and its alpha, in place."""
    height, width = alpha.shape
    radius, middle, axle_row = round(WHEEL * height), width // 2, round((1 - WHEEL) * height) - 1
    axles = [(middle + side * round(AXLE * height), axle_row) for side in (-1, 1)]
    body = np.array(
        [
            (axles[0][0], axle_row - radius),
            (axles[1][0] - radius // 2, axle_row - 2 * radius),
            (axles[1][0], axle_row),
            (axles[0][0], axle_row),
        ],
        np.int32,
    )
    mask = np.zeros(alpha.shape, np.uint8)
    for axle in axles:
        cv2.circle(image, axle, radius, (25, 25, 25), cv2.FILLED)
        cv2.circle(image, axle, radius // 2, (120, 120, 120), cv2.FILLED)
        cv2.circle(mask, axle, radius, 255, cv2.FILLED)
    cv2.fillPoly(image, [body], colour)
    cv2.fillPoly(mask, [body], 255)
    np.maximum(alpha, mask.astype(np.float32) / 255, out=alpha)


def straight(places: Sequence[tuple[float, float, float]], height_px: float) -> tuple[Waypoint, ...]:
    """Waypoints of (seconds, x, row) for a carrier that keeps its height."""
    return tuple(Waypoint(at_s, x_px, row_px, height_px) for at_s, x_px, row_px in places)
