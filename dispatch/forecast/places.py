"""Containers with their places: who borrows from whom, from container over site and kelurahan to the stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dispatch.forecast.distribution import Floats

Ints = npt.NDArray[np.int64]

SCATTER_PCT: Final = 6.0
SCATTER_L: Final = 240.0
"""Scatter of growth of a container of so many litres, and of one of unknown capacity."""
RATE_STRENGTHS: Final = (0.0, 8.0, 6.0, 4.0)
"""Days of observation that what a level borrows is worth: stream, kelurahan, site, container."""


class Container(msgspec.Struct, frozen=True):
    """A container with its place; `has_sensor` is whether one measures its fill. `capacity_l`: None is not known."""

    id: str
    stream: str
    kelurahan: str = ""
    site: str = ""
    has_sensor: bool = False
    capacity_l: float | None = None

    @property
    def scatter_pct(self) -> float:
        """Variance of its growth in points, for each point of growth.

        What is thrown in at once has litres: it is a larger share of a smaller container.
        """
        litres = SCATTER_L if self.capacity_l is None else min(max(self.capacity_l, SCATTER_L / 2), SCATTER_L * 20)
        return SCATTER_PCT * SCATTER_L / litres


class Places(msgspec.Struct, frozen=True):
    """Levels above containers. `levels` are the streams, then kelurahan of a stream, then sites of a stream.

    Each level has for each container the number of its group, (containers,) int64, and the parents of its groups.
    """

    containers: tuple[Container, ...]
    streams: tuple[str, ...]
    levels: tuple[Ints, ...]
    parents: tuple[Ints, ...]

    @property
    def is_unmeasured(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which containers have no sensor."""
        return np.array([not container.has_sensor for container in self.containers], dtype=np.bool_)

    @property
    def scatter_pct(self) -> Floats:
        """Scatter of growth of all containers, (containers,)."""
        return np.array([container.scatter_pct for container in self.containers], dtype=np.float64)

    def shrink(self, sums: Floats, weights: Floats, root: Floats, strengths: Sequence[float]) -> Floats:
        """Ratios `sums / weights` of each container, drawn to those of the groups above it.

        Args:
            sums: (containers, k).
            weights: (containers, k), not negative.
            root: (streams, k) what streams without weight have.
            strengths: Weight of what each level borrows: of streams, kelurahan, sites and containers.

        Returns:
            (containers, k).
        """
        borrowed = root
        for group, parent, strength in zip(self.levels, self.parents, strengths[:-1], strict=True):
            number = len(parent)
            borrowed = _ratio(_total(sums, group, number), _total(weights, group, number), borrowed[parent], strength)
        return _ratio(sums, weights, borrowed[self.levels[-1]], strengths[-1])

    def stream_totals(self, values: Floats) -> Floats:
        """Sums over the containers of each stream, (streams, k)."""
        return _total(values, self.levels[0], len(self.streams))


def places_of(containers: Iterable[Container]) -> Places:
    """The levels of containers. A container without a site is a site of its own."""
    listed = tuple(sorted(containers, key=lambda container: container.id))
    paths: list[tuple[str, ...]] = [
        (container.stream, container.kelurahan, container.site or f"/{container.id}") for container in listed
    ]
    names = [sorted({path[:depth] for path in paths}) for depth in (1, 2, 3)]
    numbers = [{name: number for number, name in enumerate(level)} for level in names]
    levels = [
        np.array([above[path[:depth]] for path in paths], dtype=np.int64)
        for depth, above in enumerate(numbers, start=1)
    ]
    parents = [np.arange(len(names[0]), dtype=np.int64)]
    for depth in (1, 2):
        above = numbers[depth - 1]
        parents.append(np.array([above[name[:depth]] for name in names[depth]], dtype=np.int64))
    return Places(listed, tuple(name[0] for name in names[0]), tuple(levels), tuple(parents))


def _total(values: Floats, group: Ints, number: int) -> Floats:
    """Sums of each group, (number, k)."""
    totals = np.zeros((number, values.shape[1]))
    np.add.at(totals, group, values)
    return totals


def _ratio(sums: Floats, weights: Floats, borrowed: Floats, strength: float) -> Floats:
    """Ratios, drawn to what is borrowed unless that is NaN; without any weight, what is borrowed."""
    known = np.where(np.isfinite(borrowed), borrowed, 0.0)
    total = weights + np.where(np.isfinite(borrowed), strength, 0.0)
    return np.where(total > 0, (sums + strength * known) / np.where(total > 0, total, 1.0), borrowed)
