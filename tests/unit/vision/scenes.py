"""Scenes drawn for tests: a textured street with noise, people as moving blocks, a bag."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

HEIGHT, WIDTH = 240, 320
BAG = (150, 150, 26, 24)
BAG_COLOR = (40, 30, 35)


class Scene:
    """Pictures at will, the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        """Draw a street."""
        self._dice = np.random.default_rng(seed)
        coarse = self._dice.integers(90, 190, (HEIGHT // 8, WIDTH // 8, 3))
        self._street = np.kron(coarse, np.ones((8, 8, 1))).astype(np.int16)
        self._cloth = self._dice.integers(20, 230, (120, 40, 3)).astype(np.int16)

    def picture(
        self, *, person_x: int | None = None, person_y: int = 70, bag: bool = False, light: float = 1.0
    ) -> Image:
        """(240, 320, 3) uint8, BGR: the street, a person with its left edge at `person_x`, a bag."""
        image = self._street.copy()
        if bag:
            x, y, w, h = BAG
            image[y : y + h, x : x + w] = BAG_COLOR
            image[y + 4 : y + 8, x + 4 : x + w - 4] += 60
        if person_x is not None and -40 < person_x < WIDTH:
            left, right = max(0, person_x), min(WIDTH, person_x + 40)
            image[person_y : person_y + 120, left:right] = self._cloth[:, left - person_x : right - person_x]
        noisy = image * light + self._dice.normal(0, 3, image.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)


class Street(Scene):
    """A scene with detail of every size, as real ones have."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        street = np.full((HEIGHT, WIDTH, 3), 120.0)
        for side in (2, 4, 8, 16, 32, 64):
            coarse = self._dice.normal(0, 10, (HEIGHT // side + 1, WIDTH // side + 1, 3))
            street += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        self._street = street.astype(np.int16)
        self._cloth //= 3
