"""An observation of a container: how full it was at a moment, by a sensor or by a crew; and the cleaning of many."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

AHEAD_MAX: Final = timedelta(minutes=10)
"""How far a device's clock may be ahead of ours; what is later still was measured by a wrong clock."""


class Observation(msgspec.Struct, frozen=True):
    """How full a container of a stream was at a moment.

    `amount` has the unit of its set: a level, or containers full. The position is that of the container, None where
    it is unknown.
    """

    container: str
    stream: str
    at: datetime
    amount: float
    lat_deg: float | None = None
    lon_deg: float | None = None


class CleanObservations(msgspec.Struct, frozen=True):
    """Observations in order of time, one for each container, stream and moment; and how many were left out."""

    observations: tuple[Observation, ...]
    not_numbers: int
    replaced: int
    from_future: int


def clean(observations: Iterable[Observation], now: datetime) -> CleanObservations:
    """Put observations in order and leave out what is none.

    Left out are amounts that are no number or negative, and times after `now`. Of several at one moment the last one
    given counts.
    """
    kept: dict[tuple[datetime, str, str], Observation] = {}
    not_numbers = replaced = from_future = 0
    for observation in observations:
        if not math.isfinite(observation.amount) or observation.amount < 0:
            not_numbers += 1
        elif observation.at > now + AHEAD_MAX:
            from_future += 1
        else:
            key = (observation.at, observation.container, observation.stream)
            replaced += key in kept
            kept[key] = observation
    in_order = tuple(kept[key] for key in sorted(kept))
    return CleanObservations(in_order, not_numbers, replaced, from_future)
