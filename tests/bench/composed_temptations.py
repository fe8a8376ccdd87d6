"""What tempts a detector without a deposit: who stands, what parks, who was there before, and light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tests.bench.composed_cutouts import Cutout, Sprite
from tests.bench.composed_draw import Dice, Layer, LightPatch, blend, grain, ground_level, in_light_of, scaled
from tests.bench.composed_plates import Passer, Plate
from vision.detect.picture import Image, Mask
from vision.detect.regions import Box, grow

STANDS, PARKS, GHOST, LIGHT, PLAIN = "person stands", "vehicle parks", "ghost", "light changes", "plain"
TEMPTATIONS: Final = (STANDS, PARKS, GHOST, LIGHT, PLAIN)
WALKING: Final = frozenset({STANDS, PARKS, GHOST})
"""Those in which a cut-out moves, on ground of which the height of a person is known."""
LEAD_S: Final = (8.0, 10.0)
STANDS_S: Final = (5.0, 25.0)
GHOST_S: Final = (9.0, 16.0)
LIGHT_S: Final = (10.0, 30.0)
TAIL_S: Final = 16.0
PLAIN_S: Final = 40.0
TRAVEL_MAX_S: Final = 12.0
SWAY_S: Final = 0.6
WALK: Final = (0.45, 0.85)
DRIVE: Final = (1.0, 2.0)
"""Heights a second."""
PERSON_SHARE_MAX, VEHICLE_SHARE_MAX = 0.85, 0.45
"""Of the picture's height."""
FOREVER_S: Final = 1e9


@dataclass(frozen=True)
class Temptation:
    """What is added to a plate, and for how long it is shown."""

    layers: tuple[Layer, ...]
    seconds: float


@dataclass(frozen=True)
class Walk:
    """A cut-out passer-by who comes, stops and goes on at one height of the picture.

    Attributes:
        frames: As it moves, scaled and lit; `gap_s` seconds apart.
        stop_px: Where it stops.
        row_px: Its feet.
        speed_px: Pixels a second, to the right if positive.
        stops_s: Time at which it stops.
        goes_s: Time at which it goes on.
        sway: Pixels by which it sways, one for each `SWAY_S`; empty if it does not.
        noise: Standard deviation in levels.
    """

    frames: tuple[Cutout, ...]
    gap_s: float
    stop_px: float
    row_px: int
    speed_px: float
    stops_s: float
    goes_s: float
    sway: tuple[int, ...]
    noise: float

    def draw(self, canvas: Image, mask: Mask, at_s: float) -> None:
        """Draw it in front of everybody whose feet are higher up."""
        moving_s = min(0.0, at_s - self.stops_s) + max(0.0, at_s - self.goes_s)
        still = self.stops_s <= at_s <= self.goes_s
        frame = self.frames[int(abs(moving_s) / self.gap_s) % len(self.frames)]
        sway = self.sway[int(at_s / SWAY_S) % len(self.sway)] if still and self.sway else 0
        height, width = frame.alpha.shape
        corner = (round(self.stop_px + self.speed_px * moving_s - width / 2) + sway, self.row_px - height)
        blend(canvas, frame, corner, self._open_share(mask, (*corner, width, height)), grain(self.noise, at_s))

    def _open_share(self, mask: Mask, box: Box) -> np.ndarray[tuple[int, int], np.dtype[np.float32]] | None:
        """Share that the plate's own passers-by leave open: those who stand lower in the picture cover it."""
        left, top, width, height = grow(box, 0, mask.shape)
        below = mask[min(self.row_px + 2, mask.shape[0] - 1), max(0, left) : left + max(0, width)]
        if width <= 0 or height <= 0 or not below.any():
            return None
        share = np.ones((box[3], box[2]), np.float32)
        columns = slice(left - box[0], left - box[0] + width)
        covered = mask[top : top + height, left : left + width] > 0
        share[top - box[1] : top - box[1] + height, columns][covered & (below > 0)[None, :]] = 0.0
        return share


def tempt(dice: Dice, kind: str, plate: Plate, sprites: Sequence[Sprite], *, is_road: bool = False) -> Temptation:
    """One temptation on a plate; plain ground where no cut-out fits."""
    if kind == LIGHT:
        return _light(dice, plate)
    if kind == PLAIN:
        return Temptation((), PLAIN_S)
    drives = kind == PARKS or (kind == GHOST and is_road and dice.random() < 1 / 2)
    wanted: Passer = "vehicle" if drives else "person"
    fitting = [sprite for sprite in sprites if sprite.kind == wanted] or list(sprites)
    if not fitting:
        return Temptation((), PLAIN_S)
    sprite = fitting[int(dice.integers(len(fitting)))]
    return _walk(dice, kind, plate, sprite)


def _walk(dice: Dice, kind: str, plate: Plate, sprite: Sprite) -> Temptation:
    row, height_px, place_px = _standing_place(dice, plate, sprite)
    rightwards = bool(dice.integers(2))
    flipped = rightwards != (sprite.speed >= 0)
    frames = tuple(scaled(frame, height_px, flipped=flipped, by_height=True) for frame in sprite.frames)
    span, width = plate.median.shape[1], frames[0].alpha.shape[1]
    low, high = min(width, span // 2), max(span - width, span // 2 + 1)
    stop_px = float(np.clip(place_px, low, high))
    speed = float(dice.uniform(*(WALK if sprite.kind == "person" else DRIVE))) * height_px
    way_px = max(stop_px, span - stop_px) + width
    speed = max(speed, way_px / TRAVEL_MAX_S)
    box = grow((round(stop_px - width / 2), row - round(height_px), width, round(height_px)), 0, plate.median.shape)
    frames = tuple(in_light_of(frame, ground_level(plate.median, box)) for frame in frames)
    stops_s, goes_s = _times(dice, kind, (stop_px if rightwards else span - stop_px) + width, speed)
    sway = tuple(int(step) for step in dice.integers(-1, 2, 64)) if sprite.kind == "person" else ()
    walk = Walk(frames, sprite.gap_s, stop_px, row, speed if rightwards else -speed, stops_s, goes_s, sway, plate.noise)
    gone_s = 0.0 if goes_s == FOREVER_S else goes_s + way_px / speed
    return Temptation((walk,), max(stops_s, 0.0, min(gone_s, goes_s + TAIL_S / 2)) + TAIL_S)


def _times(dice: Dice, kind: str, way_px: float, speed: float) -> tuple[float, float]:
    """When it stops and goes on, in seconds."""
    if kind == GHOST:
        return -FOREVER_S, float(dice.uniform(*GHOST_S))
    stops_s = float(dice.uniform(*LEAD_S)) + way_px / speed
    return stops_s, FOREVER_S if kind == PARKS else stops_s + float(dice.uniform(*STANDS_S))


def _standing_place(dice: Dice, plate: Plate, sprite: Sprite) -> tuple[int, float, float]:
    """A row on which somebody has walked, the height of the sprite there, and the middle near which it stops, in px."""
    rows_px, span_px = plate.median.shape[:2]
    row, middle_px = round(0.85 * rows_px), span_px / 2
    if plate.passages:
        left, top, width, height = plate.passages[int(dice.integers(len(plate.passages)))].box
        row, middle_px = min(top + height, rows_px - 3), left + width / 2
    person_px = plate.height_at(row) or 0.3 * rows_px
    share = PERSON_SHARE_MAX if sprite.kind == "person" else VEHICLE_SHARE_MAX
    height_px = max(12.0, min(sprite.persons * person_px, share * rows_px, row - 2.0))
    return row, height_px, middle_px + float(dice.uniform(-0.5, 0.5)) * height_px


def _light(dice: Dice, plate: Plate) -> Temptation:
    """A soft patch of ground that gets brighter or darker for a while, or a lamp that is switched on and stays."""
    height, width = plate.median.shape[:2]
    center = (round(dice.uniform(0.15, 0.85) * width), round(dice.uniform(0.35, 0.9) * height))
    from_s, lamp = float(dice.uniform(*LEAD_S)), dice.random() < 1 / 3
    radius = dice.uniform(0.18, 0.3) * width if lamp else dice.uniform(0.04, 0.14) * width
    gain = float(dice.uniform(1.35, 1.8) if lamp or dice.random() < 1 / 2 else dice.uniform(0.45, 0.7))
    to_s = FOREVER_S if lamp else from_s + float(dice.uniform(*LIGHT_S))
    patch = LightPatch(center, (round(radius), round(radius * dice.uniform(0.4, 0.9))), gain, from_s, to_s)
    return Temptation((patch,), from_s + TAIL_S if lamp else to_s + TAIL_S / 2)
