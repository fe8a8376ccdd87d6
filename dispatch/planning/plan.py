"""A plan: routes of trucks with times, and what is left for another day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo
from typing import Literal

import msgspec

from dispatch.planning.problem import TravelSource, VisitKind

DropReason = Literal["not_worth", "no_capacity", "too_large", "no_truck", "closed"]
"""Why a stop is on no route: fuel costs more than it is worth; trucks or hours do not suffice; its load fits in no
truck; no truck may enter its street or carry its stream; no truck is on duty within its window."""


def start_of(day: date, zone: tzinfo) -> datetime:
    """The local midnight from which the seconds of a day's plan count, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


class Visit(msgspec.Struct, frozen=True):
    """A truck at a stop or landfill. `leaves_s` is when it drives on, after a break if it takes one there."""

    kind: VisitKind
    id: str
    arrives_s: float
    starts_s: float
    leaves_s: float


class TruckRoute(msgspec.Struct, frozen=True):
    """The day of one truck: departs, visits, comes home. `break_s` is the start of its break, None without one."""

    truck: str
    departs_s: float
    visits: tuple[Visit, ...]
    returns_s: float
    metres: float
    break_s: float | None = None


class DroppedStop(msgspec.Struct, frozen=True):
    """A stop on no route, and why."""

    id: str
    reason: DropReason


class CollectionPlan(msgspec.Struct, frozen=True):
    """A whole plan. `travel_source` is where its travel times come from.

    `still_loaded`: trucks that cannot bring what they have on board to an open landfill within their shift.
    """

    routes: tuple[TruckRoute, ...]
    dropped: tuple[DroppedStop, ...]
    travel_source: TravelSource
    still_loaded: tuple[str, ...] = ()

    @property
    def metres(self) -> float:
        """Distance of all routes."""
        return sum(route.metres for route in self.routes)
