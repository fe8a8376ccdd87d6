"""The clock of a day without the break, for a solver that knows no breaks."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from typing import Final

from dispatch.planning.problem import FleetTruck

TIME_UNITS: Final = 10
"""Units of time a second, so that rounding up costs little on a day of many short legs."""


class ActiveTime:
    """The time in which crews work: the duration of their break is cut out of the day where its window begins.

    A route whose windows hold on this clock almost always holds them with the break taken at the next place; the
    scheduler verifies it.

    Args:
        trucks: The trucks; if their breaks differ, the earliest and the longest count for all.
    """

    def __init__(self, trucks: Sequence[FleetTruck]) -> None:
        pauses = [
            truck.pause
            for truck in trucks
            if truck.pause and truck.starts_s < truck.pause.to_s and truck.ends_s > truck.pause.from_s
        ]
        earliest_s = min((truck.starts_s for truck in trucks), default=0.0)
        self._from_s = max(min((pause.from_s for pause in pauses), default=0.0), earliest_s)
        self._duration_s = max((pause.duration_s for pause in pauses), default=0.0)

    def opens(self, time_s: float) -> int:
        """A time in units, rounded up."""
        return ceil(self._active_s(time_s) * TIME_UNITS)

    def closes(self, time_s: float) -> int:
        """A time in units, rounded down."""
        return floor(self._active_s(time_s) * TIME_UNITS)

    def _active_s(self, time_s: float) -> float:
        return time_s if time_s <= self._from_s else max(self._from_s, time_s - self._duration_s)
