"""What is known of a container before a visit or reading, as numbers that can be compared with earlier occasions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from dispatch.forecast.distribution import Floats


class Feature(NamedTuple):
    """A number of a context, and the difference that makes two occasions unlike."""

    name: str
    bandwidth: float


FEATURES: Final = (
    Feature("last", 0.1),
    Feature("second_last", 0.5),
    Feature("third_last", 1.0),
    Feature("mean_of_5", 0.2),
    Feature("mean_of_20", 0.1),
    Feature("log_h_since_observed", 1.0),
    Feature("log_h_since_filled", 0.7),
    Feature("log_h_since_empty", 1.5),
    Feature("log_h_since_other_stream", 0.7),
    Feature("hour_sine", 1.0),
    Feature("hour_cosine", 1.0),
    Feature("weekday_sine", 0.6),
    Feature("weekday_cosine", 0.6),
    Feature("nearby", 0.18),
)
"""Amounts are shares of the largest of the container's last `SIZE_OF` amounts."""
BANDWIDTHS: Final[Floats] = np.array([feature.bandwidth for feature in FEATURES])
SIZE_OF: Final = 60
_HOURS_MIN: Final = 0.1
_NEVER_H: Final = 1_000.0


class Past(NamedTuple):
    """Times in seconds and amounts of one container and stream before a moment, oldest first."""

    times_s: Sequence[float]
    amounts: Sequence[float]


def size_of(amounts: Sequence[float]) -> float:
    """The largest of the newest amounts, of all if these are zero, else 1."""
    return max(amounts[-SIZE_OF:], default=0.0) or max(amounts, default=0.0) or 1.0


def context_of(
    past: Past, size: float, at: datetime, at_s: float, other_filled_s: float | None, nearby: float
) -> Floats:
    """The context of an occasion.

    Args:
        past: At least one observation, all before `at_s`.
        size: See `size_of`.
        at: Local time of the occasion.
        at_s: The same in seconds.
        other_filled_s: When another stream of the same container was last found with something in it.
        nearby: Share (0 to 1) of fill that was found nearby shortly before.

    Returns:
        (len(FEATURES),) float64, each number divided by its bandwidth.
    """
    amounts = past.amounts
    recent = [amounts[-min(back, len(amounts))] / size for back in (1, 2, 3)]
    means = [math.fsum(amounts[-number:]) / len(amounts[-number:]) / size for number in (5, 20)]
    filled_s = next((time for time, amount in _newest(past) if amount > 0), None)
    empty_s = next((time for time, amount in _newest(past) if amount <= 0), None)
    waits = [_log_hours(at_s, since) for since in (past.times_s[-1], filled_s, empty_s, other_filled_s)]
    day = 2 * math.pi * (at.hour + at.minute / 60) / 24
    week = 2 * math.pi * at.weekday() / 7
    angles = [math.sin(day), math.cos(day), math.sin(week), math.cos(week)]
    return np.array([*recent, *means, *waits, *angles, nearby]) / BANDWIDTHS


def _newest(past: Past) -> zip[tuple[float, float]]:
    return zip(reversed(past.times_s), reversed(past.amounts), strict=True)


def _log_hours(at_s: float, since_s: float | None) -> float:
    hours = _NEVER_H if since_s is None else (at_s - since_s) / 3600
    return math.log(min(max(hours, _HOURS_MIN), _NEVER_H))
