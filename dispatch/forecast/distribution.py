"""Distributions given by weighted outcomes, and 80 % intervals calibrated by what was found after earlier forecasts.

Source: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005), for conformal prediction; the rolling
window follows Gibbs and Candes, Adaptive Conformal Inference Under Distribution Shift (2021), in using recent errors.
"""

from __future__ import annotations

import bisect
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

OUTSIDE: Final = 0.2
"""Share of values that may lie outside the interval."""
CALIBRATED_BY: Final = 600
"""Number of recent forecasts that calibrate the interval."""
CALIBRATED_MIN: Final = 30
"""With fewer, the interval is the distribution's own."""
_ROUNDING: Final = 1e-9


class WeightedOutcomes:
    """A distribution given by outcomes and their weights.

    Args:
        outcomes: (n,) float64, n > 0.
        weights: (n,) float64, not negative, with a positive sum.
    """

    def __init__(self, outcomes: Floats, weights: Floats) -> None:
        order = np.argsort(outcomes, kind="stable")
        self._outcomes = outcomes[order]
        self._weights = weights[order] / weights.sum()
        self._cumulated = np.cumsum(self._weights)

    @property
    def mean(self) -> float:
        """The expected outcome."""
        return float(self._outcomes @ self._weights)

    def quantile(self, share: float) -> float:
        """The smallest outcome that at least `share` of the weight does not exceed."""
        index = int(np.searchsorted(self._cumulated, share - _ROUNDING))
        return float(self._outcomes[min(index, len(self._outcomes) - 1)])

    def two_sided_share(self, value: float) -> float:
        """Twice the smaller of the weights of outcomes up to, and from, a value.

        The interval between the quantiles `a / 2` and `1 - a / 2` contains the value if this is at least `a`.
        """
        up_to = int(np.searchsorted(self._outcomes, value + _ROUNDING, side="right"))
        below = int(np.searchsorted(self._outcomes, value - _ROUNDING, side="left"))
        share_up_to = self._cumulated[up_to - 1] if up_to else 0.0
        share_below = self._cumulated[below - 1] if below else 0.0
        return float(2 * min(share_up_to, 1 - share_below))


class CentralInterval(msgspec.Struct, frozen=True):
    """An interval of values, both ends included."""

    low: float
    high: float


class IntervalCalibration:
    """Chooses the quantiles of an 80 % interval so that it would have held 80 % of the recent values.

    Outcomes that are often the same number make the distribution's own interval too wide: with 95 % at zero, it holds
    95 %. The calibrated one holds 80 % over all forecasts of a stream.
    """

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._shares: list[float] = []

    def interval(self, distribution: WeightedOutcomes, at_s: float) -> CentralInterval:
        """The interval of a distribution, by what was found before a time in seconds."""
        outside = self.outside(at_s)
        return CentralInterval(distribution.quantile(outside / 2), distribution.quantile(1 - outside / 2))

    def outside(self, at_s: float) -> float:
        """The weight outside the interval, both sides together."""
        end = bisect.bisect_left(self._times_s, at_s)
        recent = self._shares[max(end - CALIBRATED_BY, 0) : end]
        if len(recent) < CALIBRATED_MIN:
            return OUTSIDE
        return min(float(np.quantile(np.array(recent), OUTSIDE)), 1.0)

    def learn(self, distribution: WeightedOutcomes, value: float, at_s: float) -> None:
        """Take note of what was found after a forecast, in order of time."""
        self._times_s.append(at_s)
        self._shares.append(distribution.two_sided_share(value))
