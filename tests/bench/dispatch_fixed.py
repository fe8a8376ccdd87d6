"""Fixed tours: lists of containers that a truck collects on fixed weekdays, as a city without sensors works.

The same planner makes the tours, once and with much more time: all containers of a stream on the shortest routes that
fit into a shift. Each tour has its own number of collections a week, from one to seven, spread evenly. The numbers are
the best ones for the weeks before: nobody knows the weeks to come.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from dispatch.forecast.calendar import Ints
from dispatch.forecast.distribution import Floats
from dispatch.planning.plan import TruckRoute
from tests.bench.dispatch_city import CityFilling
from tests.bench.dispatch_days import FULL_PCT, HOURS, LEFT_PCT, hours_of

WEEK_DAYS: Final = 7
PRICES: Final = tuple(float(price) for price in np.geomspace(0.01, 100, 60))
"""Kilometres that an overflow is worth, from which calendars of different care follow."""


Calendar = tuple[frozenset[int], ...]
"""The weekdays of each tour."""


def weekdays(times: int, phase: int) -> frozenset[int]:
    """So many days of the week, spread evenly."""
    return frozenset((number * WEEK_DAYS // times + phase) % WEEK_DAYS for number in range(times))


class Calendars:
    """Chooses the weekdays of tours from what the days before would have brought.

    Args:
        tours: The tours.
        filling: Growth.
        first: First day of experience.
        days: Number of days of experience.
    """

    def __init__(self, tours: tuple[TruckRoute, ...], filling: CityFilling, first: int, days: int) -> None:
        self._tours, self._first, self._days = tours, first, days
        numbers = {id_: number for number, id_ in enumerate(filling.ids)}
        self._options = [self._of_tour(number, tour, filling, numbers) for number, tour in enumerate(tours)]

    def calendar(self, price_km: float) -> Calendar:
        """The best calendar if an overflow is worth so many kilometres."""
        return tuple(
            min(options, key=lambda option: options[option][0] + price_km * options[option][1])
            for options in self._options
        )

    def _of_tour(
        self, number: int, tour: TruckRoute, filling: CityFilling, numbers: dict[str, int]
    ) -> dict[frozenset[int], tuple[float, float]]:
        """Weekdays to kilometres and overflows a day. Tours begin on different days, so that the work is even."""
        hours = hours_of((tour,))
        rows = np.array([numbers[id_] for id_ in hours])
        served = np.array([int(hour) for hour in hours.values()])
        options = {}
        for times in range(1, WEEK_DAYS + 1):
            days = weekdays(times, number % WEEK_DAYS)
            full = overflows(filling.grown[rows], served, days, self._first, self._days)
            options[days] = tour.metres / 1000 * times / WEEK_DAYS, full / self._days
        return options


def overflows(grown: Floats, served: Ints, days: frozenset[int], first: int, count: int) -> int:
    """Container-days of overflow if containers are collected on weekdays; the days begin with a Monday.

    Args:
        grown: (n, hours + 1) points since the first midnight.
        served: (n,) hour of the day of the collection.
        days: Weekdays.
        first: First day that counts, at least a week after the beginning.
        count: Number of days that count.
    """
    rows, total = np.arange(len(served)), 0
    last = np.full(len(served), (first - WEEK_DAYS) * HOURS)
    for day in range(first - WEEK_DAYS, first + count):
        is_due = day % WEEK_DAYS in days
        at = day * HOURS + served
        before = grown[rows, at if is_due else (day + 1) * HOURS] - grown[rows, last]
        last = at if is_due else last
        fullest = LEFT_PCT + np.maximum(before, grown[rows, (day + 1) * HOURS] - grown[rows, last])
        total += int((fullest >= FULL_PCT).sum()) if day >= first else 0
    return total
