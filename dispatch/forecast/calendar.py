"""Hours and days that differ: hour of day, weekday, market days and days of rain, as arrays over local hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

HOURS_A_DAY: Final = 24
WEEKDAYS: Final = 7
WET_MM: Final = 5.0
"""Rain of a day from which on it counts as a day of rain."""
DAY_KINDS: Final = 4
"""Ordinary, market, rain, both: the kinds of day beside the weekday."""


class Calendar(msgspec.Struct, frozen=True):
    """Which days are market days, and how much rain each day has or is expected to have; none is known by default."""

    market_days: frozenset[date] = frozenset()
    rain_mm: Mapping[date, float] = {}

    def day_kind(self, day: date) -> int:
        """0 ordinary, 1 market, 2 rain, 3 both."""
        return int(day in self.market_days) + 2 * int(self.rain_mm.get(day, 0.0) >= WET_MM)


class Hours(msgspec.Struct, frozen=True):
    """Consecutive hours from a local midnight on, as arrays: (hours,) int64 each.

    Times are rounded to full hours, so that readings a minute before and after a full hour differ by none. Where clocks
    change, the hours after the change are named one off.
    """

    start_s: float
    hour_of_day: Ints
    weekday: Ints
    day_kind: Ints

    @property
    def count(self) -> int:
        """Number of hours."""
        return len(self.hour_of_day)

    def index(self, at: datetime) -> int:
        """The hour that begins nearest to a time; may lie outside."""
        return int(self.indices(np.array([at.timestamp()]))[0])

    def indices(self, times_s: npt.NDArray[np.float64]) -> Ints:
        """The hours that begin nearest to times in seconds; they may lie outside."""
        return np.floor((times_s - self.start_s) / 3600 + 0.5).astype(np.int64)


def hours_between(start: datetime, end: datetime, zone: tzinfo, calendar: Calendar) -> Hours:
    """Hours from the local midnight before `start` to the end of the local day of `end`."""
    midnight = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight.date()
    days = (end.astimezone(zone).date() - first).days + 1
    dates = [first + timedelta(days=number) for number in range(days)]
    return Hours(
        midnight.astimezone(UTC).timestamp(),
        np.tile(np.arange(HOURS_A_DAY), days),
        np.repeat(np.array([day.weekday() for day in dates], dtype=np.int64), HOURS_A_DAY),
        np.repeat(np.array([calendar.day_kind(day) for day in dates], dtype=np.int64), HOURS_A_DAY),
    )
