"""Composed scenes: deposits put down behind real passers-by, and temptations in which nothing is put down.

A scene plays a plate forwards and backwards. The same seed and number give the same pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.bench.composed_cutouts import Bag, Sprite
from tests.bench.composed_draw import (
    SEEN,
    Dice,
    Layer,
    PlacedBag,
    Weather,
    ground_level,
    in_light_of,
    scaled,
    with_contrast,
)
from tests.bench.composed_plates import Passage, Plate
from tests.bench.composed_temptations import PARKS, TEMPTATIONS, WALKING, Temptation, tempt
from vision.detect.picture import Point
from vision.detect.regions import cut, grow
from vision.score import TimedImage

DEPOSIT: Final = "deposit"
SIZES: Final = {"small": (0.14, 0.2), "medium": (0.25, 0.35), "large": (0.42, 0.58)}
"""Longer side of a bag, as a share of a person's height."""
CONTRASTS: Final = {"normal": 0.65, "low": 0.35}
LIGHTS: Final = {"day": 0.4, "dusk": 0.2, "infrared": 0.2, "rain": 0.2}
RATES: Final = {5: 0.5, 2: 0.25, 1: 0.25}
"""Share of the scenes of each contrast, light and number of pictures a second."""
LEAD_S, TAIL_S = (8.5, 12.0), 24.0
"""Seconds before something happens, and after a bag rests."""
SIDE_MIN_PX: Final = 10
SIDE_SHARE_MAX: Final = 0.35
"""Of the picture's height."""
COVERED: Final = 0.6
"""Least share of a bag that a passer-by hides as it is put down: who puts it down bends over it."""
OPEN: Final = 0.9
UNCOVERED_S: Final = 4.0
"""Most seconds until the passer-by has uncovered it."""
ALONE_S: Final = 7.0
"""Seconds on end for which nobody is near; nothing can be told of a bag in the middle of a crowd."""
NEAR_SIDES, NEAR_SHARE = 1.3, 0.01
"""Somebody is near who fills this share of the surroundings, so many longer sides of the bag to each side."""
SEEN_EMPTY_S: Final = 2.0
TRIES: Final = 50
DEPOSIT_ROWS_MIN: Final = 200
"""Pixels of a plate's height; a bag on a smaller one is a speck."""
AREA_MIN: Final = 0.0006
"""Least share of the picture that a bag fills, about 10 x 10 of 480 x 360 pixels."""
WHOLE_PERSON: Final = (0.6, 1.5)
"""Least and most height of a passer-by, in those of a person on that row: legs alone or a pair stand elsewhere."""
QUIET_MIN: Final = 4
"""Pictures without anybody near that are played to and fro until a short clip's scene ends."""
JITTER_S: Final = 0.01
NO_GROUND: Final = {
    "baggage-belt.mp4": "the belt moves",
    "escalator.avi": "the stairs move",
    "lorry-fly-tip.mp4": "a lorry hides the ground from the first picture on",
    "bottle-put-down.mp4": "a table with a hand, nobody passes",
    "bottles-put-down.mp4": "the same",
    "night-ir-yard-1.mp4": "what passes are insects at the lens",
    "night-ir-yard-2.mp4": "the same",
    **{f"office-{i}.avi": "desks hide the feet of those who pass" for i in range(1, 7)},
}
"""Clips on which nobody puts down a bag and no cut-out walks, and why."""
NO_ROAD: Final = frozenset(
    {
        "aboda-1fps-video1",
        "aboda-1fps-video5",
        "aboda-1fps-video6",
        "aboda-v1-excerpt.mp4",
        "alley-bag-drop-1.mp4",
        "avss2007-easy.mp4",
        "corridor-caviar.mkv",
        "corridor-grey.avi",
        "people-standing-still.mp4",
        "pets2006-s1-c3.mp4",
    }
)
"""Clips on which no cut-out vehicle drives: rooms, and an alley between walls."""


@dataclass(frozen=True)
class Look:
    """What is varied; `size` and `contrast` are empty where nothing is put down."""

    size: str
    contrast: str
    light: str
    rate: int


@dataclass(frozen=True)
class Scene:
    """One composed scene; `kind` is `deposit` or the temptation's, `order` the plate's pictures as they are played."""

    number: int
    seed: int
    kind: str
    plate: Plate
    look: Look
    order: NDArray[np.int64]
    layers: tuple[Layer, ...]
    events: tuple[dict[str, Any], ...] = ()

    @property
    def zone(self) -> tuple[Point, ...]:
        """Its watch zone in normalised coordinates."""
        return self.plate.zone

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.order) * self.plate.gap_s

    def pictures(self) -> Iterator[TimedImage]:
        """Its pictures in order of time, at its rate."""
        images, masks = self.plate.load_images(), self.plate.load_masks()
        number = 2 * self.number + (self.kind == DEPOSIT)
        weather = Weather(self.look.light, (self.seed, number, 1), self.plate.median)
        due_s = 0.0
        for position, index in enumerate(self.order):
            at_s = position * self.plate.gap_s
            if at_s < due_s - JITTER_S:
                continue
            due_s += 1.0 / self.look.rate
            canvas = np.array(images[index])
            for layer in self.layers:
                layer.draw(canvas, np.asarray(masks[index]), at_s)
            yield at_s, weather.apply(canvas)


def ping_pong(count: int, middle: int, before: int, after: int, step: int = 1) -> NDArray[np.int64]:
    """Indices of `count` pictures played to and fro: `middle` comes after `before` others, and `after` follow it."""
    positions = middle + step * np.arange(-before, after + 1)
    period = max(1, 2 * (count - 1))
    folded = np.mod(positions, period)
    return np.where(folded < count, folded, period - folded).astype(np.int64)


def deposit_plates(plates: Sequence[Plate]) -> list[Plate]:
    """Those on which a bag can be put down."""
    return [
        plate
        for plate in plates
        if plate.passages and plate.median.shape[0] >= DEPOSIT_ROWS_MIN and plate.name not in NO_GROUND
    ]


def compose_deposit(seed: int, number: int, plates: Sequence[Plate], bags: Sequence[Bag]) -> Scene | None:
    """The deposit of a number, on the plate that is its turn or, where none can be put down there, on the next.

    Returns:
        None if nothing can be put down on any of them.
    """
    dice = np.random.default_rng((seed, number, 2))
    size = list(SIZES)[number % len(SIZES)]
    for turn in range(len(plates)):
        plate = plates[(number // len(SIZES) + turn) % len(plates)]
        look = Look(size, draw_value(dice, CONTRASTS), draw_value(dice, LIGHTS), _rate(dice, plate))
        for _ in range(TRIES):
            scene = _try_deposit(dice, Scene(number, seed, DEPOSIT, plate, look, np.zeros(0, np.int64), ()), bags)
            if scene is not None:
                return scene
    return None


def draw_value(dice: Dice, shares: dict[str, float]) -> str:
    """One of the keys, each with its share."""
    return str(dice.choice(list(shares), p=list(shares.values())))


def _rate(dice: Dice, plate: Plate) -> int:
    """Pictures a second, no more than the plate has."""
    drawn = int(dice.choice(list(RATES), p=list(RATES.values())))
    return max(rate for rate in RATES if rate <= min(drawn, max(1, round(1.0 / plate.gap_s))))


def _try_deposit(dice: Dice, empty: Scene, bags: Sequence[Bag]) -> Scene | None:
    """Put a bag down behind a passer-by; None if it does not fit there, is not hidden, or is never alone."""
    plate, gap_s = empty.plate, empty.plate.gap_s
    passages = plate.passages
    passage = passages[int(dice.integers(len(passages)))]
    lead = round(dice.uniform(*LEAD_S) / gap_s)
    placed = place_bag(dice, plate, passage, bags[int(dice.integers(len(bags)))], empty.look, lead * gap_s)
    if placed is None:
        return None
    step, masks = int(dice.choice((-1, 1))), plate.load_masks()
    if placed.visible_share(masks[passage.index]) > 1 - COVERED:
        return None
    order = ping_pong(len(masks), passage.index, lead, round(TAIL_S / gap_s), step)
    played = _order_left_alone(placed, masks, order, lead, gap_s)
    if played is None:
        return None
    order, leaves = played
    event = {
        "kind": DEPOSIT,
        "t_start_s": placed.rests_s,
        "t_person_leaves_s": leaves * gap_s,
        "t_removed_s": None,
        "box": list(placed.box),
    }
    return Scene(empty.number, empty.seed, DEPOSIT, plate, empty.look, order, (placed,), (event,))


def place_bag(dice: Dice, plate: Plate, passage: Passage, bag: Bag, look: Look, rests_s: float) -> PlacedBag | None:
    """The bag at the feet of a passer-by, of the place's size and light; None if it is outside or no size for it."""
    left, top, width, height = passage.box
    row = top + height
    person_px = plate.height_at(row) or (height if passage.kind == "person" else 0.8 * height)
    if passage.kind == "person" and not WHOLE_PERSON[0] <= height / person_px <= WHOLE_PERSON[1]:
        return None
    side_px = float(dice.uniform(*SIZES[look.size])) * min(person_px, 1.3 * height)
    if not SIDE_MIN_PX <= side_px <= SIDE_SHARE_MAX * plate.median.shape[0]:
        return None
    cutout = scaled(bag.cutout, side_px, flipped=bool(dice.integers(2)))
    rows, columns = cutout.alpha.shape
    corner = (round(left + width * dice.uniform(0.35, 0.65) - columns / 2), round(row - 0.02 * height - rows))
    box = (*corner, columns, rows)
    if (cutout.alpha > SEEN).sum() < AREA_MIN * plate.inside.size:
        return None
    if grow(box, 2, plate.median.shape) != (corner[0] - 2, corner[1] - 2, columns + 4, rows + 4):
        return None
    if not cut(plate.inside, box).all():
        return None
    lit = in_light_of(cutout, ground_level(plate.median, box))
    contrasted = with_contrast(lit, cut(plate.median, box), low=look.contrast == "low")
    return PlacedBag(contrasted, corner, rests_s, plate.noise, shaded=look.contrast != "low")


def _order_left_alone(
    placed: PlacedBag, masks: NDArray[np.uint8], order: NDArray[np.int64], lead: int, gap_s: float
) -> tuple[NDArray[np.int64], int] | None:
    """The order in which the bag is once left alone, and the position at which the passer-by has uncovered it.

    Returns:
        None if the empty place was not seen before, the bag stays covered, or somebody is always near.
    """
    empty_s = gap_s * sum(not cut(masks[i], placed.whole).any() for i in order[:lead])
    last = lead + max(4, round(UNCOVERED_S / gap_s))
    opened = (i for i in range(lead + 1, last) if placed.visible_share(masks[order[i]]) >= OPEN)
    leaves = next(opened, None)
    if empty_s < SEEN_EMPTY_S or leaves is None:
        return None
    around = grow(placed.whole, round(NEAR_SIDES * max(placed.whole[2:])), masks.shape[1:])
    near = {int(i): float((cut(masks[i], around) > 0).mean()) for i in np.unique(order)}
    runs = quiet_runs([near[int(i)] < NEAR_SHARE for i in order[leaves:]])
    if any((to - start) * gap_s >= ALONE_S for start, to in runs):
        return order, leaves
    for start, to in runs:
        if to - start >= QUIET_MIN:
            first, run = leaves + start, order[leaves + start : leaves + to]
            again = run[ping_pong(len(run), 0, 0, len(order) - first - 1)]
            return np.concatenate((order[:first], again)), leaves
    return None


def quiet_runs(quiet: Sequence[bool]) -> list[tuple[int, int]]:
    """First position and the one after the last of each run that is quiet."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False])).astype(np.int8)))
    return [(int(start), int(to)) for start, to in zip(edges[::2], edges[1::2], strict=True)]


def compose_temptation(seed: int, number: int, plates: Sequence[Plate], sprites: Sequence[Sprite]) -> Scene:
    """The temptation of a number: the kinds and the plates take turns."""
    dice = np.random.default_rng((seed, number, 3))
    kind = TEMPTATIONS[number % len(TEMPTATIONS)]
    able = [plate for plate in plates if _is_able(plate, kind)] or plates
    plate = able[number // len(TEMPTATIONS) % len(able)]
    temptation: Temptation = tempt(dice, kind, plate, sprites, is_road=plate.name not in NO_ROAD)
    count = len(plate.load_masks())
    pictures = round(temptation.seconds / plate.gap_s)
    order = ping_pong(count, int(dice.integers(count)), 0, pictures, int(dice.choice((-1, 1))))
    look = Look("", "", draw_value(dice, LIGHTS), _rate(dice, plate))
    return Scene(number, seed, kind, plate, look, order, temptation.layers)


def _is_able(plate: Plate, kind: str) -> bool:
    """Whether a temptation of a kind looks right on a plate."""
    if kind not in WALKING:
        return True
    return plate.person_px is not None and plate.name not in NO_GROUND and (kind != PARKS or plate.name not in NO_ROAD)
