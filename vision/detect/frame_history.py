"""The recent past of one camera, kept to look back at who was near a place and whether it kept still."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vision.detect.picture import Levels, Mask

KEPT_S: Final = 20.0
EVERY_S: Final = 0.38
"""Two or three moments a second tell who was near; more would be the largest part of a camera's memory."""


@dataclass(frozen=True)
class Moment:
    """What differed from the background at a second, and the grey picture."""

    at_s: float
    foreground: Mask
    gray: Levels


class Memory:
    """Moments of the last `KEPT_S`."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._moments: deque[Moment] = deque()

    def add(self, at_s: float, foreground: Mask, gray: Levels) -> None:
        """Keep a moment; those that come faster than `EVERY_S` are passed over."""
        if self._moments and at_s - self._moments[-1].at_s < EVERY_S:
            return
        self._moments.append(Moment(at_s, foreground.copy(), gray.copy()))
        while self._moments[0].at_s < at_s - KEPT_S:
            self._moments.popleft()

    def since(self, at_s: float) -> Iterator[Moment]:
        """Moments from a second on, oldest first."""
        return (moment for moment in self._moments if moment.at_s >= at_s)

    def clear(self) -> None:
        """Forget everything: the scene is another."""
        self._moments.clear()
