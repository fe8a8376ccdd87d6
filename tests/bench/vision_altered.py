"""Clips as other cameras would have seen them: in other light, at another rate, on a pole that sways, and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np

from tests.bench.vision_clips import Clip
from vision.detect.picture import Image, Point, gray_of
from vision.score import TimedImage, hints_of

Dice = np.random.Generator
Look = Callable[[Image, Dice], Image]

JOINED_S: Final = 6.0
"""Before the first thing is put down, when a camera is switched on late."""
JITTER_S: Final = 0.01
NOISE_LEVELS: Final = 7.0
JPEG_QUALITY: Final = 22
SWAY_SHARE: Final = 0.004
"""Of the picture's width, standard deviation from picture to picture."""
FLICKER: Final = 0.15


@dataclass(frozen=True)
class Showing:
    """A clip as it is shown, and what is true of it then."""

    truth: dict[str, Any]
    pictures: Callable[[], Iterator[TimedImage]]

    @property
    def zone(self) -> tuple[Point, ...]:
        """Its watch zone in normalised coordinates."""
        return hints_of(self.truth).zone


Alteration = Callable[[Clip], Showing | None]
"""None for a clip that it does not apply to."""


def plain(clip: Clip) -> Showing:
    """The clip as it is."""
    return Showing(clip.truth, clip.pictures)


def _looking(look: Look) -> Alteration:
    return lambda clip: Showing(clip.truth, _looked(clip, look))


def _looked(clip: Clip, look: Look) -> Callable[[], Iterator[TimedImage]]:
    """The clip's pictures, each altered; the dice are the same for every clip."""

    def pictures() -> Iterator[TimedImage]:
        dice = np.random.default_rng(0)
        return ((at_s, look(image, dice)) for at_s, image in clip.pictures())

    return pictures


def _levels(alpha: float, beta: float = 0.0) -> Alteration:
    return _looking(lambda image, _: cv2.convertScaleAbs(image, alpha=alpha, beta=beta))


def _noisy(image: Image, dice: Dice) -> Image:
    return np.clip(image + dice.normal(0, NOISE_LEVELS, image.shape), 0, 255).astype(np.uint8)


def _compressed(image: Image, _: Dice) -> Image:
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _grey(image: Image, _: Dice) -> Image:
    grey: Image = cv2.cvtColor(gray_of(image), cv2.COLOR_GRAY2BGR)
    return grey


def _swaying(image: Image, dice: Dice) -> Image:
    across, down = dice.normal(0, SWAY_SHARE * image.shape[1], 2)
    matrix, size = np.array([[1, 0, across], [0, 1, down]], np.float32), (image.shape[1], image.shape[0])
    swayed: Image = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return swayed


def _flickering(image: Image, dice: Dice) -> Image:
    lit: Image = cv2.convertScaleAbs(image, alpha=dice.uniform(1 - FLICKER, 1 + FLICKER))
    return lit


def mirrored(clip: Clip) -> Showing:
    """Left is right, zone and boxes with it."""
    width = clip.truth["width"]
    events = [{**event, "box": _flipped(event["box"], width)} for event in clip.truth["events"]]
    zone = [[width - x, y] for x, y in clip.truth.get("zone") or []]
    pictures = _looked(clip, lambda image, _: image[:, ::-1].copy())
    return Showing({**clip.truth, "events": events, "zone": zone}, pictures)


def _flipped(box: list[float], width: float) -> list[float]:
    return [width - box[0] - box[2], *box[1:]]


def halved(clip: Clip) -> Showing:
    """Half as many pixels each way."""
    truth = clip.truth
    events = [{**event, "box": [edge / 2 for edge in event["box"]]} for event in truth["events"]]
    zone = [[x / 2, y / 2] for x, y in truth.get("zone") or []]
    size = {"width": truth["width"] / 2, "height": truth["height"] / 2}
    return Showing({**truth, **size, "events": events, "zone": zone}, _looked(clip, _smaller))


def _smaller(image: Image, _: Dice) -> Image:
    small: Image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return small


def backwards(clip: Clip) -> Showing | None:
    """From the end to the beginning: nothing is put down then, but what was taken away forwards."""
    if any(event.get("t_removed_s") for event in clip.truth["events"]):
        return None

    def pictures() -> Iterator[TimedImage]:
        images, last_s = np.load(clip.images, mmap_mode="r"), clip.times_s[-1]
        return ((last_s - clip.times_s[i], np.array(images[i])) for i in reversed(range(len(images))))

    return Showing({**clip.truth, "events": []}, pictures)


def _every(gap_s: float) -> Alteration:
    """Pictures no closer than `gap_s` to each other."""

    def altered(clip: Clip) -> Showing:
        def pictures() -> Iterator[TimedImage]:
            due_s = clip.times_s[0]
            for at_s, image in clip.pictures():
                if at_s >= due_s - JITTER_S:
                    due_s = gap_s + (due_s if at_s < due_s + gap_s else at_s)
                    yield at_s, image

        return Showing(clip.truth, pictures)

    return altered


def joined_late(clip: Clip) -> Showing | None:
    """The camera is switched on shortly before the first thing is put down."""
    if not clip.truth["events"]:
        return None
    from_s = clip.truth["events"][0]["t_start_s"] - JOINED_S
    return Showing(clip.truth, lambda: ((at_s, image) for at_s, image in clip.pictures() if at_s >= from_s))


ALTERATIONS: Final[dict[str, Alteration]] = {
    "plain": plain,
    "mirrored": mirrored,
    "backwards": backwards,
    "half brightness": _levels(0.5),
    "flat contrast": _levels(0.5, 60),
    "brighter": _levels(1.25),
    "grey": _looking(_grey),
    "noise": _looking(_noisy),
    f"JPEG {JPEG_QUALITY}": _looking(_compressed),
    "half resolution": halved,
    "2 pictures a second": _every(0.5),
    "1 picture a second": _every(1.0),
    "sway": _looking(_swaying),
    "flicker": _looking(_flickering),
    "joined 6 s before": joined_late,
}


def shown(clips: Iterable[Clip], name: str) -> list[Showing]:
    """The clips under one alteration, those it applies to."""
    altered = (ALTERATIONS[name](clip) for clip in clips)
    return [showing for showing in altered if showing is not None]
