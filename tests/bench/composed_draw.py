"""Draws cut-outs, light and weather into pictures of composed scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.bench.composed_cutouts import Cutout
from vision.detect.picture import Image, Mask, gray_of
from vision.detect.regions import Box, cut, grow

Dice = np.random.Generator
Alpha = NDArray[np.float32]

GAIN_MIN, GAIN_MAX = 0.35, 1.7
"""Of a cut-out's light, from that of its own surroundings to that of the place."""
CONTRAST_LOW, CONTRAST_NORMAL = 22.0, 38.0
"""Mean difference from the ground in levels: the most at low contrast, the least at normal contrast."""
STRONGER_MAX: Final = 4.0
BEHIND_SHARE: Final = 0.12
"""Of an object's height: somebody whose feet are farther up than this above its base passes behind it."""
SHADE: Final = 0.35
JPEG_QUALITY: Final = 82
DUSK_LEVEL, DUSK_NOISE = 42.0, 4.0
"""Mean level of a scene at dusk, if it was brighter by day."""
INFRARED_GAIN, INFRARED_LIFT, INFRARED_NOISE = 1.0, 15, 3.5
STREAKS: Final = 70
SEEN: Final = 0.5
"""Alpha from which a pixel belongs to an object."""


class Layer(Protocol):
    """Something added to a plate."""

    def draw(self, canvas: Image, mask: Mask, at_s: float) -> None:
        """Draw into a picture, (height, width, 3) uint8, BGR, in place.

        Args:
            canvas: The picture.
            mask: (height, width) uint8, where the plate's own passers-by are.
            at_s: Seconds since the scene's beginning.
        """


def scaled(cutout: Cutout, side_px: float, *, flipped: bool = False, by_height: bool = False) -> Cutout:
    """A cut-out of which the longer side, or the height, has a length in pixels."""
    height, width = cutout.alpha.shape
    factor = side_px / (height if by_height else max(height, width))
    size = (max(2, round(width * factor)), max(2, round(height * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    image, alpha = cv2.resize(cutout.image, size, interpolation=how), cv2.resize(cutout.alpha, size, interpolation=how)
    if flipped:
        image, alpha = image[:, ::-1].copy(), alpha[:, ::-1].copy()
    return Cutout(image, alpha, cutout.ground)


def ground_level(median: Image, box: Box) -> float:
    """Mean level around a box."""
    around = grow(box, max(4, max(box[2:]) // 3), median.shape)
    outer, inner = cut(median, around), cut(median, box)
    pixels = outer.size - inner.size
    return float(outer.sum() - inner.sum()) / pixels if pixels else float(inner.mean())


def in_light_of(cutout: Cutout, level: float) -> Cutout:
    """A cut-out as bright as if it lay on ground of a level."""
    gain = float(np.clip(level / max(cutout.ground, 8.0), GAIN_MIN, GAIN_MAX))
    return Cutout(cv2.convertScaleAbs(cutout.image, alpha=gain), cutout.alpha, level)


def with_contrast(cutout: Cutout, ground: Image, *, low: bool) -> Cutout:
    """A cut-out that differs from the ground below it by at most or at least a few levels.

    Args:
        cutout: The object.
        ground: The place's pixels, of the cut-out's size.
        low: Whether it hardly differs.
    """
    body = cutout.alpha > SEEN
    base = ground.astype(np.float32)
    base[:] = base[body].mean(axis=0) if body.any() else base.mean(axis=(0, 1))
    change = cutout.image.astype(np.float32) - base
    mean = float(np.abs(change).max(axis=2)[body].mean()) if body.any() else 0.0
    if low:
        factor = min(1.0, CONTRAST_LOW / max(mean, 1.0))
    else:
        factor = float(np.clip(CONTRAST_NORMAL / max(mean, 1.0), 1.0, STRONGER_MAX))
    return Cutout(np.clip(base + factor * change, 0, 255).astype(np.uint8), cutout.alpha, cutout.ground)


def box_of(cutout: Cutout, corner: tuple[int, int]) -> Box:
    """The box of what is seen of a cut-out, drawn with its left top corner there."""
    left, top, width, height = cv2.boundingRect((cutout.alpha > SEEN).astype(np.uint8))
    return corner[0] + left, corner[1] + top, width, height


def front_of(mask: Mask, box: Box, height_px: int) -> Alpha:
    """Share of each pixel of a box that passers-by cover: those whose feet are not above the object's base.

    Args:
        mask: The picture's.
        box: Of the object.
        height_px: Height of the object.
    """
    part = cut(mask, box)
    if not part.any():
        return np.zeros(part.shape, np.float32)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    feet = stats[:, cv2.CC_STAT_TOP] + stats[:, cv2.CC_STAT_HEIGHT]
    is_front = feet >= box[1] + box[3] - BEHIND_SHARE * height_px - 1
    is_front[0] = False
    front = is_front[cut(labels, box)].astype(np.float32)
    covered: Alpha = cv2.GaussianBlur(cv2.dilate(front, np.ones((2, 2), np.uint8)), (3, 3), 0)
    return covered


@dataclass(frozen=True)
class PlacedBag:
    """A bag that lies somewhere from a time on, below whoever passes in front of it."""

    cutout: Cutout
    corner: tuple[int, int]
    rests_s: float
    noise: float
    shaded: bool = True

    @property
    def whole(self) -> Box:
        """Box of the cut-out with its soft edge."""
        height, width = self.cutout.alpha.shape
        return *self.corner, width, height

    @property
    def box(self) -> Box:
        """Box of the bag."""
        return box_of(self.cutout, self.corner)

    def draw(self, canvas: Image, mask: Mask, at_s: float) -> None:
        """Draw it if it is there yet."""
        if at_s < self.rests_s:
            return
        open_share = 1.0 - front_of(mask, self.whole, self.box[3])
        if self.shaded:
            _shade(canvas, self.whole, open_share)
        blend(canvas, self.cutout, self.corner, open_share, grain(self.noise, at_s))

    def visible_share(self, mask: Mask) -> float:
        """Share of the bag that passers-by leave open, 0 to 1."""
        alpha = self.cutout.alpha
        return float((alpha * (1.0 - front_of(mask, self.whole, self.box[3]))).sum() / alpha.sum())


def _shade(canvas: Image, box: Box, open_share: Alpha) -> None:
    """The shade of an object where it touches the ground."""
    left, top, width, height = box
    shade = np.zeros((height, width), np.float32)
    middle, axes = (width // 2, round(0.9 * height)), (max(1, round(0.42 * width)), max(1, round(0.09 * height)))
    cv2.ellipse(shade, middle, axes, 0, 0, 360, SHADE, cv2.FILLED)
    shade = cv2.GaussianBlur(shade, (0, 0), max(0.8, 0.04 * height)) * open_share
    part = canvas[top : top + height, left : left + width]
    part[:] = (part * (1.0 - shade[:, :, None])).astype(np.uint8)


def grain(noise: float, at_s: float) -> Callable[[tuple[int, ...]], NDArray[np.float32]]:
    """Noise of a standard deviation in levels, the same for the same time."""
    dice = np.random.default_rng(round(at_s * 1000) + 1)
    return lambda shape: dice.normal(0, noise, shape).astype(np.float32)


def blend(
    canvas: Image,
    cutout: Cutout,
    corner: tuple[int, int],
    open_share: Alpha | None = None,
    noise: Callable[[tuple[int, ...]], NDArray[np.float32]] | None = None,
) -> None:
    """Draw a cut-out with its left top corner at a place; what is outside the picture is left out.

    Args:
        canvas: The picture, changed in place.
        cutout: What is drawn.
        corner: Left and top in pixels, also negative.
        open_share: (height, width) of the cut-out, share that nothing covers; None for all.
        noise: Levels added, for a shape.
    """
    height, width = cutout.alpha.shape
    left, top = max(0, corner[0]), max(0, corner[1])
    right, bottom = min(canvas.shape[1], corner[0] + width), min(canvas.shape[0], corner[1] + height)
    if right <= left or bottom <= top:
        return
    rows, columns = slice(top - corner[1], bottom - corner[1]), slice(left - corner[0], right - corner[0])
    alpha = cutout.alpha if open_share is None else cutout.alpha * open_share
    share = alpha[rows, columns, None]
    image = cutout.image[rows, columns].astype(np.float32)
    if noise is not None:
        image = image + noise(image.shape)
    part = canvas[top:bottom, left:right]
    part[:] = np.clip(part * (1.0 - share) + image * share + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class LightPatch:
    """Soft-edged ground that is brighter or darker from one time to another; `gain` 1 is as before."""

    center: tuple[int, int]
    radii: tuple[int, int]
    gain: float
    from_s: float
    to_s: float
    ramp_s: float = 0.4

    def draw(self, canvas: Image, mask: Mask, at_s: float) -> None:  # noqa: ARG002 - passers-by are lit like the ground
        """Light the patch."""
        share = min(1.0, (at_s - self.from_s) / self.ramp_s, (self.to_s - at_s) / self.ramp_s)
        if share <= 0:
            return
        x, y = self.center
        left, top, width, height = grow((x, y, 1, 1), 2 * max(self.radii), canvas.shape)
        rows, columns = np.mgrid[top : top + height, left : left + width]
        far = ((columns - x) / self.radii[0]) ** 2 + ((rows - y) / self.radii[1]) ** 2
        gain = 1.0 + share * (self.gain - 1.0) / (1.0 + far**2)
        part = canvas[top : top + height, left : left + width]
        part[:] = np.clip(part * gain[:, :, None], 0, 255).astype(np.uint8)


class Weather:
    """Light, noise and compression of all pictures of one scene, the same for the same seed."""

    def __init__(self, light: str, seed: tuple[int, ...], median: Image) -> None:
        """Take one of `day`, `dusk`, `infrared`, `rain`, and the scene's empty ground."""
        self._light, shape = light, median.shape
        self._dusk_gain = min(1.0, DUSK_LEVEL / max(1.0, float(median.mean())))
        self._dice = np.random.default_rng(seed)
        sigma = {"dusk": DUSK_NOISE, "infrared": INFRARED_NOISE}.get(light, 0.0)
        self._tile = self._dice.normal(0, sigma, (shape[0] + 64, shape[1] + 64)).astype(np.int16) if sigma else None

    def apply(self, image: Image) -> Image:
        """The picture as the camera gives it."""
        if self._light == "dusk":
            image = cv2.convertScaleAbs(image, alpha=self._dusk_gain)
        elif self._light == "infrared":
            grey: Image = cv2.convertScaleAbs(gray_of(image), alpha=INFRARED_GAIN, beta=INFRARED_LIFT)
            image = np.repeat(grey[:, :, None], 3, axis=2)
        elif self._light == "rain":
            image = self._rain(image)
        return compress(self._noisy(image))

    def _noisy(self, image: Image) -> Image:
        if self._tile is None:
            return image
        x, y = self._dice.integers(0, 64, 2)
        noise = self._tile[y : y + image.shape[0], x : x + image.shape[1], None]
        noisy: Image = np.clip(image + noise, 0, 255).astype(np.uint8)
        return noisy

    def _rain(self, image: Image) -> Image:
        streaks = np.zeros(image.shape, np.uint8)
        height, width = image.shape[:2]
        lean = 0.18
        for x, y, length in self._dice.uniform((0, 0, 0.02), (width, height, 0.06), (STREAKS, 3)):
            end = (round(x + lean * length * height), round(y + length * height))
            cv2.line(streaks, (round(x), round(y)), end, (46, 44, 42), 1, cv2.LINE_AA)
        rainy: Image = cv2.add(cv2.convertScaleAbs(image, alpha=0.9), streaks)
        return rainy


def compress(image: Image) -> Image:
    """A picture after JPEG."""
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
