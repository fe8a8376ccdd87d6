"""Drawn scenes as recorded clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2

from tests.unit.vision.scenes import Scene
from vision.score import TimedImage

FPS = 5
PUT_DOWN_S, LEAVES_S, ENDS_S = 6.0, 8.0, 24.0


def bag_left(ends_s: float = ENDS_S) -> Iterator[TimedImage]:
    """Somebody comes in from the left, puts a bag down and goes on to the right."""
    scene = Scene()
    for index in range(int(ends_s * FPS)):
        at_s = index / FPS
        coming_x = None if at_s < 3 else int(min(105, -40 + (at_s - 3) * 48))
        x = coming_x if at_s < LEAVES_S else int(105 + (at_s - LEAVES_S) * 70)
        yield at_s, scene.picture(person_x=x, bag=at_s >= PUT_DOWN_S)


def nobody(ends_s: float = ENDS_S) -> Iterator[TimedImage]:
    """An empty street."""
    scene = Scene()
    return ((index / FPS, scene.picture()) for index in range(int(ends_s * FPS)))


def write_pictures(seen: Iterable[TimedImage], folder: Path) -> None:
    """As a folder of pictures, named by their second."""
    folder.mkdir(parents=True)
    for at_s, image in seen:
        cv2.imwrite(str(folder / f"{at_s:.1f}.png"), image)
