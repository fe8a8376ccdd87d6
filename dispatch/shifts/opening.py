"""The rows of shifts and stops that a plan makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from city.inventory.model import City
from dispatch.planning.day import StopCandidate
from dispatch.planning.plan import TruckRoute, Visit, start_of
from dispatch.planning.plans import StoredPlan
from dispatch.planning.problem import CollectionStop, FleetTruck, Landfill
from dispatch.shifts.tables import stops

ORDER_SERVICE: Final = timedelta(minutes=15)
"""Time to fetch dumped waste, where no plan says more."""


class OrderPlace(msgspec.Struct, frozen=True):
    """What a stop takes from its work order."""

    id: int
    place: str
    site: str
    kelurahan: str
    lat_deg: float
    lon_deg: float


class DayRows:
    """Makes rows from the routes of a plan.

    Args:
        plan: The plan.
        city: The inventory.
        orders: Subject (such as a case) to its open work order.
        now: UTC.
    """

    def __init__(self, plan: StoredPlan, city: City, orders: Mapping[str, OrderPlace], now: datetime) -> None:
        self._plan, self._city, self._orders, self._now = plan, city, orders, now
        self._stops = {stop.id: stop for stop in plan.problem.stops}
        self._landfills = {landfill.id: landfill for landfill in plan.problem.landfills}
        self._trucks = {truck.id: truck for truck in plan.problem.trucks}
        self._midnight = start_of(plan.day, city.time_zone)

    def at(self, seconds: float) -> datetime:
        """The time of seconds after local midnight of the plan's day."""
        return self._midnight + timedelta(seconds=seconds)

    def shift(self, route: TruckRoute) -> dict[str, Any]:
        """The planned times of a route, as columns of its shift."""
        truck = self._trucks[route.truck]
        return {
            "starts_at": self.at(truck.starts_s),
            "ends_at": self.at(truck.ends_s),
            "departs_at": self.at(route.departs_s),
            "returns_at": self.at(route.returns_s),
            "break_at": None if route.break_s is None else self.at(route.break_s),
            "metres": route.metres,
        }

    def stops(self, route: TruckRoute) -> Iterator[dict[str, Any]]:
        """The columns of the stops of a route that a plan decides, in order; places that are gone are left out."""
        number = 0
        for visit in route.visits:
            place = self._place(visit)
            if place is not None:
                number += 1
                yield {"number": number, **place, **self._times(visit, self._trucks[route.truck])}

    def _times(self, visit: Visit, truck: FleetTruck) -> dict[str, Any]:
        """Planned times and window; where the site has no hours, the window is the truck's shift."""
        place: CollectionStop | Landfill = self._stops.get(visit.id) or self._landfills[visit.id]
        return {
            "arrives_at": self.at(visit.arrives_s),
            "starts_at": self.at(visit.starts_s),
            "leaves_at": self.at(visit.leaves_s),
            "window_from": self.at(max(place.opens_s, truck.starts_s)),
            "window_to": self.at(max(min(place.closes_s, truck.ends_s), visit.starts_s)),
            "service_s": place.service_s,
        }

    def _place(self, visit: Visit) -> dict[str, Any] | None:
        if visit.kind == "landfill":
            return self._landfill(visit.id)
        stop, candidate = self._stops[visit.id], self._plan.candidates[visit.id]
        common = {
            "subject": visit.id,
            "stream": stop.stream,
            "load_kg": stop.load,
            "why": _why(candidate),
        }
        if order := self._orders.get(visit.id):
            fields = msgspec.structs.asdict(order)
            return {**common, "kind": "order", "order_id": fields.pop("id"), "name": fields.pop("place"), **fields}
        return self._container(visit.id, candidate, common)

    def _container(self, id_: str, candidate: StopCandidate, common: dict[str, Any]) -> dict[str, Any] | None:
        bin_ = self._city.bins.get(id_)
        if bin_ is None:
            return None
        place = self._city.sites.get(bin_.site) or self._city.kelurahan.get(bin_.kelurahan)
        lat_deg = bin_.lat_deg if bin_.lat_deg is not None else place.lat_deg if place else 0.0
        lon_deg = bin_.lon_deg if bin_.lon_deg is not None else place.lon_deg if place else 0.0
        where = {"site": bin_.site, "kelurahan": bin_.kelurahan, "lat_deg": lat_deg, "lon_deg": lon_deg}
        return {**common, "kind": "container", "order_id": None, "name": candidate.name, **where}

    def _landfill(self, id_: str) -> dict[str, Any] | None:
        site = self._city.sites.get(id_)
        if site is None:
            return None
        return {
            "kind": "landfill",
            "subject": id_,
            "order_id": None,
            "name": site.name,
            "stream": "",
            "site": id_,
            "kelurahan": site.kelurahan,
            "lat_deg": site.lat_deg,
            "lon_deg": site.lon_deg,
            "load_kg": 0.0,
            "why": {},
        }

    def new_stop(self, shift_id: int, planned: Mapping[str, Any]) -> dict[str, Any]:
        """All columns of a stop that nobody has come to yet."""
        return {"shift_id": shift_id, **planned, **_first_state(self._now)}


def order_stop(connection: Connection, order: Row[Any], shift: Row[Any], now: datetime) -> dict[str, Any]:
    """The columns of a stop for an order that a dispatcher puts at the end of a shift."""
    last = (
        select(stops.c.number, stops.c.leaves_at)
        .where(stops.c.shift_id == shift.id, stops.c.removed_at.is_(None))
        .order_by(stops.c.number.desc())
        .limit(1)
    )
    row = connection.execute(last).one_or_none()
    at = max(now, shift.starts_at, row.leaves_at if row else now)
    copied = {name: getattr(order, name) for name in ("subject", "stream", "site", "kelurahan", "lat_deg", "lon_deg")}
    return {
        **copied,
        "shift_id": shift.id,
        "number": row.number + 1 if row else 1,
        "kind": "order",
        "order_id": order.id,
        "name": order.place,
        "load_kg": order.size_kg,
        "service_s": ORDER_SERVICE.total_seconds(),
        "arrives_at": at,
        "starts_at": at,
        "leaves_at": at + ORDER_SERVICE,
        "window_from": now,
        "window_to": max(shift.ends_at, at),
        "why": {"cause": "case"},
        **_first_state(now),
    }


def _first_state(now: datetime) -> dict[str, Any]:
    """Columns of a stop that nobody has come to yet."""
    state = {"state": "planned", "state_at": now, "evidence": [], "reason": "", "ruling": None}
    return {**state, "was_on": [], "removed_at": None, "removed_reason": ""}


def _why(candidate: StopCandidate) -> dict[str, Any]:
    """What explains a stop, as JSON."""
    why: dict[str, Any] = msgspec.to_builtins(candidate)
    return why
