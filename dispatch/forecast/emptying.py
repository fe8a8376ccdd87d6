"""Which falls of a fill level are emptyings, and which are waste that settles or noise of the sensor."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from dispatch.forecast.distribution import Floats

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

EMPTIED_FALL_PCT: Final = 25.0
"""A fall of so many points is an emptying: waste that settles loses less at once."""
EMPTIED_SHARE: Final = 0.6
"""A fall of this share of the level is one too, from `EMPTIED_FROM_PCT` on."""
EMPTIED_FROM_PCT: Final = 15.0
TRUCK_FALL_PCT: Final = 4.0
"""A fall of so many points is an emptying while a truck stands there; a smaller one is noise."""
SPIKE_PCT: Final = 15.0
"""A reading that differs by so much from both neighbours, to the same side, is a fault of the sensor."""
SPIKE_NEIGHBOURS_PCT: Final = 10.0
SPIKE_LASTS_S: Final = 6 * 3_600.0
"""Only neighbours this near in time show a spike; later a container may have been filled again."""


def without_spikes(series: Ints, times_s: Floats, fill_pct: Floats) -> Flags:
    """Which readings are believed.

    Args:
        series: (n,) number of the container of each reading; ascending.
        times_s: (n,) ascending within a container.
        fill_pct: (n,).
    """
    believed = np.ones(len(fill_pct), dtype=np.bool_)
    if len(fill_pct) < 3:  # noqa: PLR2004 - a reading and its two neighbours
        return believed
    before, here, after = fill_pct[:-2], fill_pct[1:-1], fill_pct[2:]
    is_one_series = (series[:-2] == series[2:]) & (times_s[2:] - times_s[:-2] <= SPIKE_LASTS_S)
    agree = np.abs(before - after) <= SPIKE_NEIGHBOURS_PCT
    above = (here - before >= SPIKE_PCT) & (here - after >= SPIKE_PCT)
    below = (before - here >= SPIKE_PCT) & (after - here >= SPIKE_PCT)
    believed[1:-1] = ~(is_one_series & agree & (above | below))
    return believed


def is_emptying(before_pct: Floats, after_pct: Floats, truck_stood: Flags) -> Flags:
    """Whether each fall is an emptying.

    Args:
        before_pct: (n,) the level of a reading.
        after_pct: (n,) the level of the next one.
        truck_stood: (n,) whether a truck stood there between the two.
    """
    fall = before_pct - after_pct
    is_large = (fall >= EMPTIED_FALL_PCT) | ((before_pct >= EMPTIED_FROM_PCT) & (fall >= EMPTIED_SHARE * before_pct))
    return np.asarray(is_large | (truck_stood & (fall >= TRUCK_FALL_PCT)))
