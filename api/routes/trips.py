"""REST of trips: distance, stops and PTO time of a truck in a time range."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from api.auth.access import require
from api.dependencies import DeviceId, From, To, context_of, time_range
from api.http.description import problems
from api.http.routing import ApiRoute
from api.queries.trips import Trip, trip_between
from city.errors import PayloadError
from city.inventory.model import Truck

LENGTH_MAX: Final = timedelta(days=7)

router = APIRouter(prefix="/api/v1/trucks", tags=["trucks"], responses=problems(503), route_class=ApiRoute)


class TripResponse(Trip, frozen=True, kw_only=True):
    """The trip of a truck in the requested time range."""

    device: str
    simulated: bool


@router.get("/{device}/trip", dependencies=[require("telemetry.read")], responses=problems(404))
def show_trip(request: Request, device: DeviceId, start: From = None, to: To = None) -> TripResponse:
    """The trip of a truck: distance, stops, and PTO time; at most a week."""
    context = context_of(request)
    begin, end = time_range(context, start, to)
    if end - begin > LENGTH_MAX:
        raise PayloadError(f"a trip is at most {LENGTH_MAX.days} days")
    truck = context.city.devices.get(device)
    if not isinstance(truck, Truck):
        raise HTTPException(404, f"there is no truck {device!r} in the inventory of {context.city.id}")
    trip = trip_between(context, truck, begin, end)
    return TripResponse(**msgspec.structs.asdict(trip), device=device, simulated=context.demo)
