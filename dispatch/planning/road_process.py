"""Travel times over imported roads for a process that must stay small: the planning process computes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from city.inventory.collection import VehicleClass
from dispatch.planning.problem import TravelTable
from dispatch.planning.process import PlanFailedError, travel_in_process
from dispatch.planning.travel import PLANNING_FOLDER, BlockedArea, Position, StraightLineTravel
from dispatch.planning.worker import TravelRequest

log = structlog.get_logger("dispatch")

ROADS_FILE: Final = "roads.npz"
DEADLINE_S: Final = 30.0


def has_roads(data: Path) -> bool:
    """Whether roads are imported into a data folder."""
    return (data / PLANNING_FOLDER / ROADS_FILE).is_file()


class RoadProcessTravel:
    """Travel over the roads of a data folder; straight lines, which the plan names, if they cannot be read in time.

    Args:
        data: The data folder.
        line: Straight lines.
        hour_factors: Travel time of each hour relative to the roads' speeds; empty for 1.
        deadline_s: Seconds after which straight lines are taken.
    """

    def __init__(
        self,
        data: Path,
        line: StraightLineTravel,
        hour_factors: tuple[float, ...] = (),
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._data, self._line, self._hour_factors, self._deadline_s = data, line, hour_factors, deadline_s

    def table(
        self, places: Sequence[Position], vehicle_class: VehicleClass, blocked: Sequence[BlockedArea] = ()
    ) -> TravelTable:
        """See `TravelModel`."""
        line = self._line.table(places, vehicle_class, blocked)
        data = str(self._data.absolute())
        request = TravelRequest(data, tuple(places), vehicle_class, tuple(blocked), line, self._hour_factors)
        try:
            return travel_in_process(request, self._deadline_s)
        except PlanFailedError as exc:
            log.warning("planning.roads_failed", failure=exc.failure, reason=str(exc))
            return line
