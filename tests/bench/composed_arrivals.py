"""Composed arrivals: deposits whose carrier is composed too, so that its direction, stop and vehicle are known.

A person, a rider or a vehicle comes onto the empty ground of a plate, leaves bags and goes off; in some scenes others
pass by. The same seed and number give the same pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from tests.bench.composed_carriers import MovingCutout, Waypoint, box_at, frames_of, straight
from tests.bench.composed_cutouts import Bag, Sprite
from tests.bench.composed_draw import Dice, Layer, PlacedBag, Weather
from tests.bench.composed_plates import Passage, Plate
from tests.bench.composed_scenes import (
    DEPOSIT_ROWS_MIN,
    LIGHTS,
    NO_GROUND,
    NO_ROAD,
    SIZES,
    Look,
    draw_value,
    place_bag,
)
from vision.detect.picture import Point
from vision.detect.port import Heading
from vision.detect.regions import Box, hull_of
from vision.score import TimedImage

STOPS, TURNS, PASSES, DEPTH = "person stops", "person turns back", "person walks on", "person goes in depth"
THROWS, RIDER_STOPS, UNLOADS = "rider throws", "rider stops", "vehicle unloads"
ARRIVALS: Final = (STOPS, THROWS, UNLOADS, TURNS, PASSES, RIDER_STOPS, DEPTH)
"""The kinds take turns."""
ON_ROAD: Final = frozenset({THROWS, RIDER_STOPS, UNLOADS})
ARRIVAL_RATES: Final = {10: 0.6, 5: 0.4}
"""Share of the scenes of each number of pictures a second."""
OTHERS_SHARE: Final = 0.4
"""Share of the scenes in which somebody else passes by."""
OTHERS_S: Final = (-8.0, 10.0)
"""When that person passes the spot, in seconds after the carrier went off."""
ROWS: Final = (0.5, 0.97)
"""Where the feet of a carrier are, as a share of the picture's height."""
PERSON_PX_MIN, PERSON_SHARE_MAX = 36, 0.6
"""Least height of a person in pixels, and most as a share of the picture's height."""
VEHICLE_WIDTH_MAX: Final = 0.5
"""Of the picture's width."""
LEAD_S, TAIL_S = (8.5, 11.0), 24.0
"""Seconds before a carrier comes into the picture, and after it has gone off."""
WALK, RIDE, THROW, DRIVE, IN_DEPTH = (0.5, 0.85), (1.5, 3.0), (1.5, 7.0), (1.0, 2.0), (0.2, 0.4)
"""Speeds in heights of the person or the vehicle a second; those in depth are foreshortened."""
BENDS_S, STAYS_S = (0.6, 2.0), (0.5, 4.0)
"""Seconds from the stop until the bag rests, and from then until the carrier goes."""
BAGS, BAG_EVERY_S, WAITS_S = (4, 6), (0.8, 2.2), (2.0, 18.0)
"""Number of bags of a load, seconds between two, and seconds from the last until the vehicle drives off."""
BESIDE: Final = 0.3
"""Most distance of a bag from its carrier, in heights of a person."""
AWAY_SHARE: Final = 0.45
"""Share of its height at which somebody who walks away is out of sight."""
SLOPE_MIN: Final = 0.1
"""Least change of a person's height by row at which somebody walks in depth."""
TRIES: Final = 40
GRAIN_PX: Final = 64
"""Margin of the tile of noise from which each picture takes a part."""

By = Literal["foot", "vehicle"]


@dataclass(frozen=True)
class ArrivalTruth:
    """What a composed carrier did.

    Attributes:
        by: How it came.
        heading: Direction in which it went off.
        in_passing: Whether it did not stop.
        rests_s: When the first bag rested.
        goes_s: When the carrier went off; an alarm before is early.
        boxes: The bags, in pixels of the plate.
    """

    by: By
    heading: Heading
    in_passing: bool
    rests_s: float
    goes_s: float
    boxes: tuple[Box, ...]

    @property
    def hull(self) -> Box:
        """Box of all bags."""
        return hull_of(*self.boxes)


@dataclass(frozen=True)
class ArrivalScene:
    """One composed arrival, `seconds` long."""

    number: int
    seed: int
    kind: str
    plate: Plate
    look: Look
    seconds: float
    layers: tuple[Layer, ...]
    truth: ArrivalTruth

    @property
    def zone(self) -> tuple[Point, ...]:
        """Its watch zone in normalised coordinates."""
        return self.plate.zone

    def pictures(self) -> Iterator[TimedImage]:
        """Its pictures in order of time, at its rate."""
        ground = self.plate.median
        weather = Weather(self.look.light, (self.seed, self.number, 4), ground)
        dice = np.random.default_rng((self.seed, self.number, 6))
        tile = dice.normal(0, self.plate.noise, (ground.shape[0] + GRAIN_PX, ground.shape[1] + GRAIN_PX, 3))
        nobody = np.zeros(ground.shape[:2], np.uint8)
        for step in range(int(self.seconds * self.look.rate)):
            at_s = step / self.look.rate
            row, column = dice.integers(0, GRAIN_PX, 2)
            noise = tile[row : row + ground.shape[0], column : column + ground.shape[1]]
            canvas = np.clip(ground + noise + 0.5, 0, 255).astype(np.uint8)
            for layer in self.layers:
                layer.draw(canvas, nobody, at_s)
            yield at_s, weather.apply(canvas)


@dataclass(frozen=True)
class _Stage:
    """What a scene is made of: a plate, its light and rate, and the cut-outs of its half."""

    dice: Dice
    plate: Plate
    look: Look
    bags: Sequence[Bag]
    sprites: Sequence[Sprite]

    def sprite(self, kind: str) -> Sprite | None:
        """One of a kind; None if there is none."""
        able = [sprite for sprite in self.sprites if sprite.kind == kind]
        return able[int(self.dice.integers(len(able)))] if able else None

    def put_down(self, spot: Waypoint, rests_s: float, aside_px: float) -> PlacedBag | None:
        """A bag beside a spot, as large as `look` says; None if it does not fit there."""
        bag = self.bags[int(self.dice.integers(len(self.bags)))]
        width = round(0.4 * spot.height_px)
        left, top = round(spot.x_px + aside_px - width / 2), round(spot.row_px - spot.height_px)
        passage = Passage(0, "person", (left, top, width, round(spot.height_px)))
        return place_bag(self.dice, self.plate, passage, bag, self.look, rests_s)


def arrival_plates(plates: Sequence[Plate]) -> list[Plate]:
    """Those on which a carrier can be composed."""
    return [
        plate
        for plate in plates
        if plate.person_px is not None and plate.name not in NO_GROUND and plate.median.shape[0] >= DEPOSIT_ROWS_MIN
    ]


def compose_arrival(
    seed: int, number: int, plates: Sequence[Plate], bags: Sequence[Bag], sprites: Sequence[Sprite]
) -> ArrivalScene | None:
    """The arrival of a number, on the plate that is its turn or, where it does not fit, on the next.

    Args:
        seed: Other scenes for another one.
        number: Of the scene; the kinds take turns.
        plates: Those of `arrival_plates`.
        bags: What is put down.
        sprites: Who brings it.

    Returns:
        None if the kind fits on none of them.
    """
    dice = np.random.default_rng((seed, number, 5))
    kind = ARRIVALS[number % len(ARRIVALS)]
    able = [plate for plate in plates if _is_able(plate, kind)]
    for turn in range(len(able)):
        plate = able[(sum(divmod(number, len(ARRIVALS))) + turn) % len(able)]
        rate = int(dice.choice(list(ARRIVAL_RATES), p=list(ARRIVAL_RATES.values())))
        size = str(dice.choice(list(SIZES)))
        stage = _Stage(dice, plate, Look(size, "normal", draw_value(dice, LIGHTS), rate), bags, sprites)
        for _ in range(TRIES):
            composed = _try_arrival(stage, kind)
            if composed is not None:
                return _scene_of(seed, number, kind, stage, *composed)
    return None


def _is_able(plate: Plate, kind: str) -> bool:
    slope = plate.person_px[0] if plate.person_px else 0.0
    return not (kind in ON_ROAD and plate.name in NO_ROAD) and (kind != DEPTH or slope >= SLOPE_MIN)


def _scene_of(
    seed: int, number: int, kind: str, stage: _Stage, layers: tuple[Layer, ...], truth: ArrivalTruth
) -> ArrivalScene:
    gone_s = max(layer.path[-1].at_s for layer in layers if isinstance(layer, MovingCutout))
    others = _somebody_else(stage, truth) if stage.dice.random() < OTHERS_SHARE else ()
    seconds = max(truth.goes_s, min(gone_s, truth.goes_s + TAIL_S)) + TAIL_S
    return ArrivalScene(number, seed, kind, stage.plate, stage.look, seconds, (*layers, *others), truth)


def _somebody_else(stage: _Stage, truth: ArrivalTruth) -> tuple[Layer, ...]:
    """A person who crosses the picture without a stop about the time at which the carrier goes off."""
    sprite, spot = stage.sprite("person"), _draw_spot(stage)
    if sprite is None or spot is None:
        return ()
    passes_s = max(5.0, truth.goes_s + float(stage.dice.uniform(*OTHERS_S)))
    speed = float(stage.dice.uniform(*WALK)) * spot.height_px
    ends_px = [-spot.height_px, stage.plate.median.shape[1] + spot.height_px]
    if stage.dice.integers(2):
        ends_px.reverse()
    times_s = [passes_s - abs(spot.x_px - ends_px[0]) / speed, passes_s + abs(ends_px[1] - spot.x_px) / speed]
    path = straight([(at_s, x_px, spot.row_px) for at_s, x_px in zip(times_s, ends_px, strict=True)], spot.height_px)
    return (MovingCutout(frames_of(sprite, stage.plate.median, spot), sprite.gap_s, path, stage.plate.noise),)


Composed = tuple[tuple[Layer, ...], ArrivalTruth]


def _try_arrival(stage: _Stage, kind: str) -> Composed | None:
    """Layers and truth of a kind at a place drawn at random; None if it does not fit there."""
    spot = _draw_spot(stage)
    if spot is None:
        return None
    if kind == UNLOADS:
        return _try_load(stage, spot)
    sprite = stage.sprite("person")
    path = None if sprite is None else _path_of(stage, kind, spot)
    if sprite is None or path is None:
        return None
    is_rider = kind in {THROWS, RIDER_STOPS}
    frames = frames_of(sprite, stage.plate.median, spot, rides=stage.dice if is_rider else None)
    in_passing = kind in {PASSES, THROWS}
    stops_s = path[1].at_s
    goes_s = path[2].at_s if len(path) > 3 else stops_s
    rests_s = stops_s if in_passing else goes_s - float(stage.dice.uniform(0.1, 0.9)) * (goes_s - stops_s)
    aside_px = float(stage.dice.uniform(-BESIDE, BESIDE)) * spot.height_px
    placed = stage.put_down(spot, rests_s, aside_px)
    if placed is None:
        return None
    gap_s = 1e9 if is_rider else sprite.gap_s
    carrier = MovingCutout(frames, gap_s, path, stage.plate.noise)
    by: By = "vehicle" if is_rider else "foot"
    truth = ArrivalTruth(by, heading_after(path, goes_s), in_passing, rests_s, goes_s, (placed.box,))
    return (placed, carrier), truth


def _draw_spot(stage: _Stage) -> Waypoint | None:
    """Where a person stands; None if a person is too small or too large there."""
    rows_px, columns_px = stage.plate.median.shape[:2]
    row = float(stage.dice.uniform(*ROWS)) * rows_px
    height_px = stage.plate.height_at(row) or 0.0
    if not PERSON_PX_MIN <= height_px <= PERSON_SHARE_MAX * rows_px or height_px > row:
        return None
    return Waypoint(0.0, float(stage.dice.uniform(0.2, 0.8)) * columns_px, row, height_px)


def _path_of(stage: _Stage, kind: str, spot: Waypoint) -> tuple[Waypoint, ...] | None:
    """A path into the picture, past the spot and out of it; None if it does not fit."""
    dice, span_px = stage.dice, stage.plate.median.shape[1]
    speed = float(dice.uniform(*{THROWS: THROW, RIDER_STOPS: RIDE}.get(kind, WALK))) * spot.height_px
    outside_px = spot.height_px
    start_px, end_px = (-outside_px, span_px + outside_px)
    if dice.integers(2):
        start_px, end_px = end_px, start_px
    begins_s = float(dice.uniform(*LEAD_S))
    stops_s = begins_s + abs(spot.x_px - start_px) / speed
    goes_s = stops_s if kind in {PASSES, THROWS} else stops_s + float(dice.uniform(*BENDS_S) + dice.uniform(*STAYS_S))
    if kind == DEPTH:
        return _path_in_depth(stage, spot, (begins_s, start_px), (stops_s, goes_s))
    last_px = start_px if kind == TURNS else end_px
    gone_s = goes_s + abs(last_px - spot.x_px) / speed
    places = [(begins_s, start_px), (stops_s, spot.x_px), (goes_s, spot.x_px), (gone_s, last_px)]
    places = [*places[:2], *places[3:]] if goes_s == stops_s else places
    return straight([(at_s, x_px, spot.row_px) for at_s, x_px in places], spot.height_px)


def _path_in_depth(
    stage: _Stage, spot: Waypoint, begin: tuple[float, float], stop_s: tuple[float, float]
) -> tuple[Waypoint, ...] | None:
    """A path that comes from the side and goes away from or towards the camera."""
    (begins_s, start_px), (stops_s, goes_s) = begin, stop_s
    slope, base = stage.plate.person_px or (0.0, 0.0)
    to_row = (AWAY_SHARE * spot.height_px - base) / slope
    if stage.dice.integers(2):
        to_row = stage.plate.median.shape[0] + spot.height_px
    if abs(to_row - spot.row_px) < spot.height_px:
        return None
    gone_s = goes_s + abs(to_row - spot.row_px) / (float(stage.dice.uniform(*IN_DEPTH)) * spot.height_px)
    x_px = spot.x_px + float(stage.dice.uniform(-0.2, 0.2)) * (to_row - spot.row_px)
    come = straight([(begins_s, start_px, spot.row_px), (stops_s, spot.x_px, spot.row_px)], spot.height_px)
    stand = Waypoint(goes_s, spot.x_px, spot.row_px, spot.height_px)
    return (*come, stand, Waypoint(gone_s, x_px, to_row, max(8.0, slope * to_row + base)))


def heading_after(path: Sequence[Waypoint], goes_s: float) -> Heading:
    """Direction in which a path leads from a time on."""
    start, end = next((start, end) for start, end in pairwise(path) if start.at_s >= goes_s)
    across, down = end.x_px - start.x_px, end.row_px - start.row_px
    if abs(across) >= abs(down):
        return "right" if across > 0 else "left"
    return "towards" if down > 0 else "away"


def _try_load(stage: _Stage, spot: Waypoint) -> Composed | None:
    """A vehicle stops at a spot, bags come one after another beside its rear, and it drives off."""
    dice, sprite, (rows_px, span_px) = stage.dice, stage.sprite("vehicle"), stage.plate.median.shape[:2]
    if sprite is None:
        return None
    height_px = sprite.persons * spot.height_px
    path = _drive(stage, Waypoint(0.0, spot.x_px, spot.row_px, height_px))
    frames = frames_of(sprite, stage.plate.median, path[1])
    vehicle = box_at(path[1], frames[0])
    if vehicle[2] > VEHICLE_WIDTH_MAX * span_px or height_px > PERSON_SHARE_MAX * rows_px:
        return None
    side = 1 if path[0].x_px > spot.x_px else -1
    bags = _pile(stage, spot, side, vehicle[2] / 2, path[1].at_s)
    if bags is None:
        return None
    goes_s = max(bag.rests_s for bag in bags) + float(dice.uniform(*WAITS_S))
    path = (*path[:2], *_from(path[1], goes_s, path[2]))
    truck = MovingCutout(frames, sprite.gap_s, path, stage.plate.noise)
    truth = ArrivalTruth(
        "vehicle", heading_after(path, goes_s), False, bags[0].rests_s, goes_s, tuple(bag.box for bag in bags)
    )
    worker = _unloader(stage, spot, side * vehicle[2] / 2, (bags[0].rests_s - 1.0, bags[-1].rests_s + 1.0))
    return (*bags, truck, *worker), truth


def _drive(stage: _Stage, spot: Waypoint) -> tuple[Waypoint, ...]:
    """From one side of the picture to a spot, and to the other side: three waypoints without the stop."""
    dice, outside_px = stage.dice, 2 * spot.height_px
    speed = float(dice.uniform(*DRIVE)) * spot.height_px
    start_px, end_px = -outside_px, stage.plate.median.shape[1] + outside_px
    if dice.integers(2):
        start_px, end_px = end_px, start_px
    begins_s = float(dice.uniform(*LEAD_S))
    stops_s = begins_s + abs(spot.x_px - start_px) / speed
    gone_s = stops_s + abs(end_px - spot.x_px) / speed
    places = [(begins_s, start_px), (stops_s, spot.x_px), (gone_s, end_px)]
    return straight([(at_s, x_px, spot.row_px) for at_s, x_px in places], spot.height_px)


def _from(stop: Waypoint, goes_s: float, end: Waypoint) -> tuple[Waypoint, Waypoint]:
    """The way from a stop to the end, begun later."""
    gone_s = goes_s + end.at_s - stop.at_s
    return (
        Waypoint(goes_s, stop.x_px, stop.row_px, stop.height_px),
        Waypoint(gone_s, end.x_px, end.row_px, end.height_px),
    )


def _pile(stage: _Stage, spot: Waypoint, side: int, half_px: float, stops_s: float) -> list[PlacedBag] | None:
    """Bags that come one after another, side by side from the rear of a vehicle on; None if they do not fit."""
    dice, bags = stage.dice, list[PlacedBag]()
    rests_s, aside_px = stops_s + float(dice.uniform(*BENDS_S)), half_px
    for _ in range(int(dice.integers(BAGS[0], BAGS[1] + 1))):
        aside_px += 0.14 * spot.height_px
        bag = stage.put_down(spot, rests_s, side * aside_px)
        if bag is None:
            return None
        bags.append(bag)
        aside_px += 0.1 * spot.height_px
        rests_s += float(dice.uniform(*BAG_EVERY_S))
    return bags


def _unloader(stage: _Stage, spot: Waypoint, aside_px: float, while_s: tuple[float, float]) -> tuple[Layer, ...]:
    """Somebody who stands at the load while it is unloaded, in every second scene."""
    sprite = stage.sprite("person")
    if sprite is None or stage.dice.integers(2):
        return ()
    from_px, to_px = spot.x_px + aside_px, spot.x_px + 1.6 * aside_px
    middle_s = sum(while_s) / 2
    places = [(while_s[0], from_px), (middle_s, to_px), (while_s[1], from_px)]
    path = straight([(at_s, x_px, spot.row_px) for at_s, x_px in places], spot.height_px)
    frames = frames_of(sprite, stage.plate.median, spot)
    return (MovingCutout(frames, sprite.gap_s, path, stage.plate.noise),)
