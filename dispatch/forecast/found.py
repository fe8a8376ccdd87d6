"""What crews find in containers without a sensor: it grows with the time since the emptying, but less than a rate says.

Crews come sooner to a container that fills faster, so that what they find depends little on the time they waited. The
line of found fill over time is learnt from the visits of each container; before there are enough, it is that of the
rate, through zero at the emptying.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from dispatch.forecast.distribution import Floats

SUMS: Final = 5
"""Number of sums of the visits of a container: visits, days, days squared, points found, days times points."""
LEVEL_VISITS: Final = 3.0
"""Visits that the level of the rate is worth."""
SLOPE_VISITS: Final = 1.0
"""Visits, one mean wait away from the mean wait, that the slope of the rate is worth: slopes differ widely."""
SOON: Final = 0.25
"""Share of the mean wait below which what is found goes to zero: few visits tell of so early a time."""


def sums_of(days: Floats, points: Floats) -> Floats:
    """The sums that each visit adds, (visits, SUMS)."""
    return np.stack((np.ones(len(days)), days, days**2, points, days * points), axis=1)


def found_after(sums: Floats, rate_pct: Floats, days: Floats) -> Floats:
    """Points that a visit finds so many days after the emptying.

    Args:
        sums: (n, SUMS) of the visits that are known.
        rate_pct: (n,) points a day.
        days: (n,) days since the emptying, weighted by the shape.

    Returns:
        (n,) points, not falling with the days.
    """
    visits, waited, squares, points, products = sums.T
    some = np.maximum(visits, 1.0)
    wait = np.where(visits > 0, waited / some, 1.0)
    level = (points - rate_pct * waited) / (visits + LEVEL_VISITS)
    spread = np.maximum(squares - some * wait**2, 0.0)
    tilt = (products - rate_pct * squares) - wait * (points - rate_pct * waited)
    slope = np.maximum(tilt / np.maximum(spread + SLOPE_VISITS * wait**2, 1e-9), -rate_pct)
    soon = SOON * wait
    later = np.maximum(days, soon)
    line = np.maximum(rate_pct * later + level + slope * (later - wait), 0.0)
    return np.where(visits > 0, line * np.minimum(days / np.maximum(soon, 1e-9), 1.0), rate_pct * days)
