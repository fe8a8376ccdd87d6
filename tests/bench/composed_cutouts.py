"""Bags, people and vehicles cut out of real clips by their masks, for composed scenes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.bench.composed_plates import VEHICLES_MIN, Passage, Passer, Plate, middle_of
from vision.detect.picture import Image, Mask, difference, share_of
from vision.detect.regions import Box, cut, grow
from vision.score import TimedImage

AROUND_SHARE: Final = 0.35
"""Of the longer side of an event's box, how far around it its bag is looked for."""
BEFORE_S, GONE_S, AFTER_S = 1.5, 1.5, 16.0
"""The ground is seen until so long before the deposit, the bag from so long after its owner has left, for so long."""
DIFFERENT_LEVELS: Final = 18
BAG_SIDE_MIN_PX: Final = 20
FILL_MIN, FILL_MAX = 0.25, 1.6
"""Area of a mask by the area of the event's box; outside, it is no bag or not the bag alone."""
ELSEWHERE_SHARE: Final = 0.3
"""Most of the surroundings that may have changed with the bag: more, and the camera has moved."""
REFINED_SHARE: Final = 0.5
LARGE_PX: Final = 50
SPRITE_FRAMES: Final = 12
SPRITES_OF_A_PLATE: Final = 3
SPRITE_FILL: Final = 0.4
SOLID: Final = {"person": 0.6, "vehicle": 0.86}
"""Least share of its convex hull that a passer-by fills: two who touch fill less."""
ASPECT: Final = {"person": (1.7, 4.5), "vehicle": (0.35, 1.1)}
"""Least and most height by width."""
SINGLE: Final = (0.7, 1.25)
"""Least and most height of somebody by that of people on the same ground; two behind each other are higher."""
SPEED_MIN, SPEED_MAX = 0.15, 0.85
"""Heights a second across the picture: who comes towards the camera looks wrong when moved across, and nobody runs."""
PERSON_SIDE_MIN_PX, VEHICLE_SIDE_MIN_PX = 44, 26
EDGE_PX: Final = 2
SPRITE_GAP_S: Final = 0.5
WHOLE_HEIGHT: Final = 0.8
STEADY: Final = 0.18
"""Most change of a passer-by's height over the frames of a sprite, as a share: it meets nobody and comes no nearer."""


@dataclass(frozen=True)
class Cutout:
    """A part of a picture.

    - `image`: (height, width, 3) uint8, BGR.
    - `alpha`: (height, width) float32, share of it that is the object.
    - `ground`: mean level of what was around it.
    """

    image: Image
    alpha: NDArray[np.float32]
    ground: float


@dataclass(frozen=True)
class Bag:
    """An object that somebody put down in a clip; `family` is the clip's source."""

    name: str
    family: str
    cutout: Cutout


@dataclass(frozen=True)
class Sprite:
    """A person or vehicle that moves.

    - `frames`: as it moves, `gap_s` seconds apart; one for a vehicle.
    - `speed`: in heights a second, to the right if positive.
    - `persons`: its height as a multiple of a person's on the same ground.
    """

    name: str
    family: str
    kind: Passer
    frames: tuple[Cutout, ...]
    gap_s: float
    speed: float
    persons: float


def cut_bags(truth: dict[str, Any], family: str, pictures: Iterable[TimedImage]) -> list[Bag]:
    """The bags of a clip's deposits, those that come out whole.

    Args:
        truth: The clip's ground truth.
        family: The clip's source.
        pictures: The clip's, of their full size.
    """
    boxes = [_wide(event["box"], truth) for event in truth["events"]]
    crops: list[list[TimedImage]] = [[] for _ in boxes]
    for at_s, image in pictures if boxes else ():
        for box, kept in zip(boxes, crops, strict=True):
            kept.append((at_s, cut(image, box).copy()))
    bags = []
    for index, (event, box, kept) in enumerate(zip(truth["events"], boxes, crops, strict=True)):
        cutout = _cut_bag(event, box, kept)
        if cutout is not None:
            bags.append(Bag(f"{truth['clip']} {index + 1}", family, cutout))
    return bags


def _wide(box: Sequence[float], truth: dict[str, Any]) -> Box:
    left, top, width, height = (round(edge) for edge in box)
    around_px = 6 + round(AROUND_SHARE * max(width, height))
    return grow((left, top, width, height), around_px, (truth["height"], truth["width"]))


def _cut_bag(event: dict[str, Any], wide: Box, crops: Sequence[TimedImage]) -> Cutout | None:
    """What the place shows after the event and not before."""
    rests_s, gone_s = event["t_start_s"], event["t_person_leaves_s"] + GONE_S
    to_s = min(event.get("t_removed_s") or np.inf, gone_s + AFTER_S)
    before = [image for at_s, image in crops if at_s < rests_s - BEFORE_S]
    after = [image for at_s, image in crops if gone_s <= at_s < to_s]
    if not before or not after:
        return None
    left, top, width, height = event["box"]
    inner = (round(left) - wide[0], round(top) - wide[1], round(width), round(height))
    return cut_difference(middle_of(after), middle_of(before), inner)


def cut_difference(after: Image, before: Image, box: Box) -> Cutout | None:
    """Cut out what one picture shows at a box and the other does not; None if that is no compact object.

    Args:
        after: (height, width, 3) uint8, BGR, with the object.
        before: The same place without it.
        box: Where it is, in pixels of both.
    """
    if max(box[2], box[3]) < BAG_SIDE_MIN_PX:
        return None
    changed = _change_mask(after, before)
    mask = _refine(after, _largest_within(changed, box))
    share = cv2.countNonZero(mask) / (box[2] * box[3])
    near = cv2.dilate(mask, np.ones((9, 9), np.uint8))
    if not FILL_MIN <= share <= FILL_MAX or share_of(changed & ~near) > ELSEWHERE_SHARE:
        return None
    return cut_mask(after, before, mask)


def _refine(image: Image, mask: Mask) -> Mask:
    """Leave out of a mask what has the colours of the ground around it: light on the floor, a shadow's end."""
    core = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=max(1, round(mask.shape[0] / 14)))
    if not core.any():
        return mask
    labels = np.where(mask > 0, np.uint8(cv2.GC_PR_FGD), np.uint8(cv2.GC_BGD))
    labels[core > 0] = cv2.GC_FGD
    cv2.setRNGSeed(0)
    cv2.grabCut(image, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    own = np.where((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), np.uint8(255), np.uint8(0))
    refined = _solid_piece(own)
    return refined if cv2.countNonZero(refined) > REFINED_SHARE * cv2.countNonZero(mask) else mask


def _solid_piece(mask: Mask, side: int = 3) -> Mask:
    """The largest piece, without what hangs on it by fewer than `side` pixels."""
    cleaned = cv2.morphologyEx(mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cleaned, connectivity=4)
    if count < 2:
        return np.zeros_like(mask)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.where(labels == largest, np.uint8(255), np.uint8(0))


def cut_mask(image: Image, ground: Image, mask: Mask) -> Cutout:
    """Cut out the pixels of a mask, with a soft edge; `ground` is the place without the object."""
    box = grow(cv2.boundingRect(mask), 2, mask.shape)
    inner = cv2.erode(mask, np.ones((2, 2) if box[3] < LARGE_PX else (3, 3), np.uint8))
    alpha = cv2.GaussianBlur(inner, (3, 3), 0).astype(np.float32) / 255
    around = cut(cv2.dilate(mask, np.ones((9, 9), np.uint8)) & ~mask, box) > 0
    level = float(cut(ground, box)[around].mean()) if around.any() else float(ground.mean())
    return Cutout(cut(image, box).copy(), cut(alpha, box).copy(), level)


def _change_mask(after: Image, before: Image) -> Mask:
    change = difference(cv2.GaussianBlur(after, (3, 3), 0), cv2.GaussianBlur(before, (3, 3), 0))
    otsu, _ = cv2.threshold(change, 0, 255, cv2.THRESH_OTSU)
    mask: Mask = cv2.compare(change, max(DIFFERENT_LEVELS, 0.6 * float(otsu)), cv2.CMP_GT)
    return mask


def _largest_within(mask: Mask, box: Box) -> Mask:
    """The largest piece that lies mostly in a box grown a little, its gaps closed and its holes filled."""
    inside = np.zeros_like(mask)
    left, top, width, height = grow(box, 3, mask.shape)
    inside[top : top + height, left : left + width] = 255
    side = max(3, round(0.12 * max(box[2], box[3])) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened = cv2.morphologyEx(mask & inside, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel)
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = np.zeros_like(mask)
    if contours:
        cv2.drawContours(whole, [max(contours, key=cv2.contourArea)], -1, 255, cv2.FILLED)
    return whole


def cut_sprites(plate: Plate) -> list[Sprite]:
    """People and vehicles of a plate who pass alone, the largest few of both."""
    images, masks = plate.load_images(), plate.load_masks()
    shape = plate.median.shape
    sprites: dict[Passer, list[Sprite]] = {"person": [], "vehicle": []}
    vehicles = sum(track[0].kind == "vehicle" for track in plate.tracks)
    for track in plate.tracks:
        if track[0].kind == "vehicle" and vehicles < VEHICLES_MIN:
            continue
        runs = _steady_runs(track, shape) if track[0].kind == "person" else [_largest_whole(track, shape)]
        for run in runs:
            sprite = _cut_sprite(plate, run, images, masks) if run else None
            if sprite is not None:
                sprites[sprite.kind].append(sprite)
    return [sprite for alike in sprites.values() for sprite in sorted(alike, key=_worth)[:SPRITES_OF_A_PLATE]]


def _worth(sprite: Sprite) -> tuple[int, str]:
    return -len(sprite.frames) * sprite.frames[0].image.shape[0], sprite.name


def _largest_whole(track: Sequence[Passage], shape: tuple[int, ...]) -> list[Passage]:
    """The picture of a vehicle that shows most of it: it looks the same as it drives."""
    whole = [passage for passage in track if _is_whole(passage, shape) and passage.box[2] > passage.box[3]]
    return [max(whole, key=lambda passage: passage.box[2])] if whole else []


def _is_whole(passage: Passage, shape: tuple[int, ...]) -> bool:
    """Whether somebody is wholly inside the picture and large enough to be cut out."""
    left, top, width, height = passage.box
    side = PERSON_SIDE_MIN_PX if passage.kind == "person" else VEHICLE_SIDE_MIN_PX
    return (
        min(left, top) > EDGE_PX
        and left + width < shape[1] - EDGE_PX
        and top + height < shape[0] - EDGE_PX
        and height >= side
    )


def _steady_runs(track: Sequence[Passage], shape: tuple[int, ...]) -> list[list[Passage]]:
    """Stretches of a path wholly inside the picture and without a jump of the height."""
    runs: list[list[Passage]] = [[]]
    for passage in track:
        height, inside = passage.box[3], _is_whole(passage, shape)
        first, last = (runs[-1][0], runs[-1][-1]) if runs[-1] else (passage, passage)
        follows = passage.index - last.index <= 1 and abs(height - first.box[3]) <= STEADY * height
        if not (inside and follows and len(runs[-1]) < SPRITE_FRAMES):
            runs.append([])
        if inside:
            runs[-1].append(passage)
    return [run for run in runs if len(run) >= 4]


def _cut_sprite(
    plate: Plate, run: Sequence[Passage], images: NDArray[np.uint8], masks: NDArray[np.uint8]
) -> Sprite | None:
    frames = [_cut_passer(plate.median, images[passage.index], masks[passage.index], passage) for passage in run]
    whole = [frame for frame in frames if frame is not None]
    first, last = run[0], run[-1]
    across = (last.box[0] + last.box[2] / 2) - (first.box[0] + first.box[2] / 2)
    seconds = max(1, last.index - first.index) * plate.gap_s
    speed = across / seconds / float(np.median([passage.box[3] for passage in run]))
    walks = plate.gap_s <= SPRITE_GAP_S and SPEED_MIN <= abs(speed) <= SPEED_MAX
    if len(whole) < len(frames) or (first.kind == "person" and not walks):
        return None
    person_px = plate.height_at(first.box[1] + first.box[3])
    persons = 1.0 if person_px is None else first.box[3] / person_px
    if first.kind == "person":
        if not SINGLE[0] <= persons <= SINGLE[1]:
            return None
        persons = 1.0
    name = f"{plate.name} {first.index}"
    return Sprite(name, plate.family, first.kind, tuple(whole), plate.gap_s, speed, float(np.clip(persons, 0.7, 2.0)))


def _cut_passer(median: Image, image: Image, mask: Mask, passage: Passage) -> Cutout | None:
    """Somebody in one picture of a plate; None if others touch, or the shape is nobody's."""
    piece = np.zeros_like(mask)
    left, top, width, height = grow(passage.box, 4, mask.shape)
    piece[top : top + height, left : left + width] = cut(mask, (left, top, width, height))
    own = _solid_piece(piece, 5)
    if passage.kind == "vehicle" and own.any():
        own = _solid_piece(_refine(image, own), 5)
    contours, _ = cv2.findContours(own, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    _, _, width, height = cv2.boundingRect(own)
    area, hull = cv2.countNonZero(own), cv2.contourArea(cv2.convexHull(contours[0]))
    least, most = ASPECT[passage.kind]
    is_whole = area > SPRITE_FILL * width * height and area > SOLID[passage.kind] * hull
    if not is_whole or not least <= height / width <= most or height < WHOLE_HEIGHT * passage.box[3]:
        return None
    return cut_mask(image, median, own)
