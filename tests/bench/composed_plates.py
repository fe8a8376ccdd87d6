"""Clips as the ground of composed scenes: pictures of one size, what moves in them, and how high a person is where.

A plate is the longest stretch of a clip without a real deposit. Its pictures lie in files: memory holds few at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detect.picture import Image, Mask, Point, gray_of, polygon_mask, share_of
from vision.detect.regions import Box
from vision.detect.tracks import UPRIGHT, Perspective, Track, Tracker, kind_of
from vision.score import TimedImage

PIXELS_MAX: Final = 480 * 360
PICTURES_MAX: Final = 400
"""Of a plate, 80 s at five pictures a second."""
PICTURES_MIN: Final = 7
MEDIAN_PICTURES: Final = 61
AROUND_EVENT_S: Final = 1.0
"""A stretch without a deposit ends so long before the thing rests and begins so long after its owner has left."""
CHANGE_LEVELS: Final = 16.0
NOISE_FACTOR: Final = 4.0
MOVING_SHARE: Final = 0.0015
"""Least share of the picture that a passer-by fills."""
BUSY_SHARE: Final = 0.3
"""A clip of which more moves on average is no fixed view of ground."""
DRIFT_PX: Final = 1.2
"""Most shift between the beginning and the end of a plate: bags would float on a camera that drifts."""
HEIGHTS_MIN: Final = 8
SLIM: Final = 1.7
VEHICLES_MIN: Final = 3
VEHICLE_TO_PERSON: Final = 0.8
PATH_MIN: Final = 3
TALLEST: Final = 0.92
"""Of the picture's height; what is higher is no passer-by but light or somebody at the lens."""
NOT_REPLAYED: Final = frozenset({"bottle-taken-away.mp4"})
"""Something real is taken away: played backwards it is put down."""
QUIET_HALF: Final = 2.18
"""Standard deviation of normal noise by the mean of the smaller half of the absolute differences of two samples."""

Passer = Literal["person", "vehicle"]


@dataclass(frozen=True)
class Passage:
    """A passer-by in one picture of a plate; `box` in pixels of the plate."""

    index: int
    kind: Passer
    box: Box


@dataclass(frozen=True)
class Plate:
    """One clip's stretch of pictures.

    Attributes:
        name: The clip's.
        family: The clip's source.
        gap_s: Seconds between two pictures.
        zone: Watch zone in normalised coordinates; empty for the whole picture.
        images: File of (pictures, height, width, 3) uint8, BGR.
        masks: File of (pictures, height, width) uint8, 255 where something is in front of the median.
        median: (height, width, 3) uint8, BGR, without passers-by.
        noise: Standard deviation of a still pixel from picture to picture, in levels.
        person_px: Height of a person in pixels as (slope, base) over the row; None where nobody was seen upright.
        passages: Passers-by who may uncover something.
        tracks: Paths of passers-by as lists of passages, one each.
    """

    name: str
    family: str
    gap_s: float
    zone: tuple[Point, ...]
    images: Path
    masks: Path
    median: Image
    noise: float
    person_px: tuple[float, float] | None
    tracks: tuple[tuple[Passage, ...], ...]

    @property
    def passages(self) -> list[Passage]:
        """Every picture of every passer-by."""
        return [passage for track in self.tracks for passage in track]

    @property
    def inside(self) -> Mask:
        """Mask of the watch zone."""
        return polygon_mask([self.zone] if self.zone else [], *self.median.shape[:2])

    def height_at(self, row_px: float) -> float | None:
        """Height in pixels of a person whose feet are on a row; None while unknown."""
        if self.person_px is None:
            return None
        slope, base = self.person_px
        return max(8.0, slope * row_px + base)

    def load_images(self) -> NDArray[np.uint8]:
        """All pictures, mapped from the file."""
        return np.asarray(np.load(self.images, mmap_mode="r"))

    def load_masks(self) -> NDArray[np.uint8]:
        """All masks, mapped from the file."""
        return np.asarray(np.load(self.masks, mmap_mode="r"))


def scale_of(shape: Sequence[int]) -> float:
    """What pictures of (height, width) are multiplied with; 1 for small ones."""
    return float(min(1.0, (PIXELS_MAX / (shape[0] * shape[1])) ** 0.5))


def reduce_picture(image: Image) -> Image:
    """A picture of at most `PIXELS_MAX` pixels."""
    scale = scale_of(image.shape)
    if scale == 1.0:
        return image
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small


def quiet_stretch(truth: dict[str, Any], last_s: float) -> tuple[float, float]:
    """The longest stretch in seconds in which nothing is put down, shifted or taken away."""
    events = sorted(truth["events"], key=lambda event: event["t_start_s"])
    edges = [0.0]
    for event in events:
        edges += [event["t_start_s"] - AROUND_EVENT_S, event.get("t_person_leaves_s") or event["t_start_s"]]
        for shifted_s in [box[0] for box in event.get("boxes", ())[1:]]:
            edges += [shifted_s - AROUND_EVENT_S, shifted_s + AROUND_EVENT_S]
        if event.get("t_removed_s"):
            edges += [event["t_removed_s"] - 2 * AROUND_EVENT_S, event["t_removed_s"] + AROUND_EVENT_S]
    edges.append(last_s + AROUND_EVENT_S)
    return max(zip(edges[::2], edges[1::2], strict=True), key=lambda stretch: stretch[1] - stretch[0])


def middle_of(pictures: Sequence[Image]) -> Image:
    """Pixel by pixel the median of pictures of one size, as whole levels."""
    chosen = np.stack(pictures[:: max(1, len(pictures) // MEDIAN_PICTURES)])
    middle: Image = np.partition(chosen, len(chosen) // 2, axis=0)[len(chosen) // 2]
    return middle


def noise_of(pictures: Sequence[Image]) -> float:
    """Standard deviation of a still pixel in levels, from the quieter half of the changes between two pictures."""
    changes = [cv2.absdiff(first, second)[::2, ::2] for first, second in list(pairwise(pictures))[:40:2]]
    quiet = [np.partition(change, change.size // 2, axis=None)[: change.size // 2].mean() for change in changes]
    return float(np.clip(QUIET_HALF * float(np.median(quiet)), 0.4, 6.0))


def foreground_of(image: Image, median: Image, noise: float) -> Mask:
    """Mask of what is in front of the median; a change of the whole picture's light is none."""
    offset = np.median(image[::4, ::4].astype(np.int16) - median[::4, ::4], axis=(0, 1))
    change = cv2.GaussianBlur(image, (3, 3), 0).astype(np.float32) - cv2.GaussianBlur(median, (3, 3), 0) - offset
    levels = np.abs(change).max(axis=2)
    mask = np.where(levels > CHANGE_LEVELS + NOISE_FACTOR * noise, np.uint8(255), np.uint8(0))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    side = max(3, round(0.02 * mask.shape[0]) | 1)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return _fill_holes(closed)


def _fill_holes(mask: Mask) -> Mask:
    """Fill the holes of a mask that are smaller than a passer-by; what a crowd surrounds stays open."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.bitwise_not(mask), connectivity=4)
    small = np.zeros(count, np.bool_)
    small[1:] = stats[1:, cv2.CC_STAT_AREA] < 2 * MOVING_SHARE * mask.size
    return np.where(small[labels] & (mask == 0), np.uint8(255), mask)


def make_plate(
    truth: dict[str, Any], family: str, zone: Sequence[Point], pictures: Iterable[TimedImage], into: Path
) -> Plate | None:
    """The plate of one clip; None if it is too short, or no fixed view of ground.

    Args:
        truth: The clip's ground truth.
        family: The clip's source.
        zone: Watch zone in normalised coordinates.
        pictures: The clip's, of any size.
        into: Folder for its files.
    """
    name = truth["clip"]
    first, sample = _read_stretch(pictures, *quiet_stretch(truth, truth["duration_s"]))
    images = [image for _, image in first]
    if name in NOT_REPLAYED or len(images) < PICTURES_MIN or _has_drifted(sample):
        return None
    median, gap_s = middle_of(sample), float(np.median(np.diff([at_s for at_s, _ in first])))
    noise = noise_of(images)
    masks = [foreground_of(image, median, noise) for image in images]
    if np.mean([share_of(mask) for mask in masks]) > BUSY_SHARE:
        return None
    files = into / f"{name}.plate.npy", into / f"{name}.masks.npy"
    for file, stack in zip(files, (images, masks), strict=True):
        np.save(file, np.stack(stack))
    tracks, person_px = _passers(masks, gap_s)
    return Plate(name, family, gap_s, tuple(zone), *files, median, noise, person_px, tracks)


def _read_stretch(pictures: Iterable[TimedImage], from_s: float, to_s: float) -> tuple[list[TimedImage], list[Image]]:
    """The first `PICTURES_MAX` pictures of a stretch, and a sample of all of it that is as large at most."""
    first, sample, step, count = list[TimedImage](), list[Image](), 1, 0
    for at_s, image in pictures:
        if not from_s <= at_s < to_s:
            continue
        small = reduce_picture(image)
        if len(first) < PICTURES_MAX:
            first.append((at_s, small))
        if count % step == 0:
            sample.append(small)
        count += 1
        if len(sample) > PICTURES_MAX:
            sample, step = sample[::2], 2 * step
    return first, sample


def _has_drifted(images: Sequence[Image]) -> bool:
    third = len(images) // 3
    parts = (middle_of(images[:third]), middle_of(images[third:-third]), middle_of(images[-third:]))
    edges = [cv2.Laplacian(gray_of(part), cv2.CV_32F, ksize=3) for part in parts]
    window = cv2.createHanningWindow(edges[0].shape[::-1], cv2.CV_32F)
    shifts = [cv2.phaseCorrelate(first, second, window) for first, second in pairwise(edges)]
    return any(np.hypot(*shift) > DRIFT_PX and response > 0.05 for shift, response in shifts)


def _passers(masks: Sequence[Mask], gap_s: float) -> tuple[tuple[tuple[Passage, ...], ...], tuple[float, float] | None]:
    """Paths of people and vehicles through a plate, and the line of people's heights over the row."""
    tracker, perspective, tracks = Tracker(), Perspective(), dict[int, Track]()
    for index, mask in enumerate(masks):
        for track in tracker.step(mask, index * gap_s, int(MOVING_SHARE * mask.size)):
            tracks[track.id] = track
            perspective.learn(track, mask.shape)
    shape = masks[0].shape
    line = _line_of(perspective, shape) or _middle_line(tracks.values(), shape)
    if not _are_people(tracks.values(), shape):
        line = None
    middle = None if line is None else line[0] * shape[0] * 0.7 + line[1]
    paths = [path for track in tracks.values() if (path := _path_of(track, shape, middle, gap_s))]
    return tuple(paths), line or _line_by_vehicles(paths)


def _are_people(tracks: Iterable[Track], shape: tuple[int, ...]) -> bool:
    """Whether upright passers-by are as slim as people; cars side by side are not."""
    boxes = [box for track in tracks if track.has_travelled for _, box in track.path]
    slim = [box[3] / box[2] for box in boxes if _is_upright(box, shape)]
    return bool(slim) and float(np.median(slim)) >= SLIM


def _line_by_vehicles(paths: Sequence[Sequence[Passage]]) -> tuple[float, float] | None:
    """A person is about as high as a car with its shadow."""
    heights = [passage.box[3] for path in paths for passage in path if passage.kind == "vehicle"]
    return (0.0, VEHICLE_TO_PERSON * float(np.median(heights))) if len(paths) >= VEHICLES_MIN and heights else None


def _line_of(perspective: Perspective, shape: tuple[int, ...]) -> tuple[float, float] | None:
    top, bottom = perspective.height_at(0.6 * shape[0]), perspective.height_at(0.9 * shape[0])
    if top is None or bottom is None:
        return None
    slope = (bottom - top) / (0.3 * shape[0])
    return slope, top - slope * 0.6 * shape[0]


def _middle_line(tracks: Iterable[Track], shape: tuple[int, ...]) -> tuple[float, float] | None:
    """The same height on every row, where too few have walked for a line."""
    boxes = [box for track in tracks if track.has_travelled for _, box in track.path if _is_upright(box, shape)]
    return (0.0, float(np.median([box[3] for box in boxes]))) if len(boxes) >= HEIGHTS_MIN else None


def _is_upright(box: Box, shape: tuple[int, ...]) -> bool:
    left, top, width, height = box
    is_inside = left > 1 and top > 1 and left + width < shape[1] - 1 and top + height < shape[0] - 1
    return is_inside and UPRIGHT[0] <= height / width <= UPRIGHT[1]


def _path_of(track: Track, shape: tuple[int, ...], person_px: float | None, gap_s: float) -> tuple[Passage, ...]:
    kind = kind_of(track, shape, person_px)
    if kind == "thing" or len(track.path) < PATH_MIN or track.height_px > TALLEST * shape[0]:
        return ()
    return tuple(Passage(round(at_s / gap_s), kind, box) for at_s, box in track.path)
