"""What a plan adds up to: trucks, stops, distance, hours, load; of all tours or of each. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from dispatch.planning.plan import TruckRoute, start_of
from dispatch.planning.plans import StoredPlan


class PlanTotals(msgspec.Struct, frozen=True):
    """Sums of a plan, or of one tour.

    `seconds`: from departure to return. `first_s`, `last_s`: first departure and last return, seconds after local
    midnight.
    """

    day: date
    trucks: int = 0
    stops: int = 0
    metres: float = 0.0
    seconds: float = 0.0
    load_kg: float = 0.0
    first_s: float | None = None
    last_s: float | None = None

    def starts_at(self, zone: ZoneInfo) -> datetime | None:
        """When the first truck departs."""
        return _at(self.day, self.first_s, zone)

    def ends_at(self, zone: ZoneInfo) -> datetime | None:
        """When the last truck is back."""
        return _at(self.day, self.last_s, zone)


def _at(day: date, seconds: float | None, zone: ZoneInfo) -> datetime | None:
    if seconds is None:
        return None
    return start_of(day, zone) + timedelta(seconds=seconds)


def totals_of(plan: StoredPlan) -> PlanTotals:
    """The sums of a whole plan."""
    return _sum(plan, plan.plan.routes)


def totals_by_truck(plan: StoredPlan | None) -> dict[str, PlanTotals]:
    """The sums of each tour; none without a plan."""
    return {route.truck: _sum(plan, (route,)) for route in plan.plan.routes} if plan else {}


def _sum(plan: StoredPlan, routes: tuple[TruckRoute, ...]) -> PlanTotals:
    loads = {stop.id: stop.load for stop in plan.problem.stops}
    stops = [visit.id for route in routes for visit in route.visits if visit.kind == "stop"]
    return PlanTotals(
        plan.day,
        len(routes),
        len(stops),
        sum(route.metres for route in routes),
        sum(route.returns_s - route.departs_s for route in routes),
        sum(loads.get(id_, 0.0) for id_ in stops),
        min((route.departs_s for route in routes), default=None),
        max((route.returns_s for route in routes), default=None),
    )
