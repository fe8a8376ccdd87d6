"""REST of outages of hotspots, cameras and trucks, and of their availability by day, week and month."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta

from api.auth.access import require
from api.dependencies import OutageQuery, context_of
from api.http.description import problems
from api.http.routing import ApiRoute
from api.queries.outages import PeriodUnit, find_outages, newest_first, periods_between, sort_worst_first
from broker.contract.topics import Kind
from ingest.store.views.device_condition import name_of
from ingest.store.views.outages import Availability, Outage

router = APIRouter(prefix="/api/v1/outages", tags=["outages"], responses=problems(503), route_class=ApiRoute)


class OutagesResponse(msgspec.Struct, frozen=True):
    """Outages that touch the range, those that began last first."""

    start: Annotated[datetime, Meta(description="Start of the range.")] = msgspec.field(name="from")
    end: Annotated[datetime, Meta(description="End of the range.")] = msgspec.field(name="to")
    outages: list[Outage]
    simulated: bool


class DeviceAvailabilityResponse(msgspec.Struct, frozen=True):
    """How available a device was: in the whole range, and in each of its periods, which may begin before the range."""

    device: str
    name: str
    kind: Kind
    kelurahan: str
    site: str
    known_since: Annotated[datetime | None, Meta(description="When it was first heard of; null if never.")]
    total: Availability
    periods: list[Availability]


class AvailabilityResponse(msgspec.Struct, frozen=True):
    """The availability of devices, the least available first; those of which nothing is known are last."""

    start: Annotated[datetime, Meta(description="Start of the range.")] = msgspec.field(name="from")
    end: Annotated[datetime, Meta(description="End of the range.")] = msgspec.field(name="to")
    unit: PeriodUnit
    devices: list[DeviceAvailabilityResponse]
    simulated: bool


@router.get("", dependencies=[require("telemetry.read")])
def list_outages(request: Request, wanted: OutageQuery) -> OutagesResponse:
    """Outages as periods, at most of 93 days; by default of the last 7."""
    context = context_of(request)
    outages = newest_first(find_outages(context, wanted))
    return OutagesResponse(wanted.start, wanted.end, outages, context.demo)


@router.get("/availability", dependencies=[require("telemetry.read")])
def show_availability(request: Request, wanted: OutageQuery, unit: PeriodUnit = "day") -> AvailabilityResponse:
    """The availability of devices in the range and by local day, week (from Monday) or month."""
    context = context_of(request)
    periods = periods_between(unit, wanted.start, wanted.end, context.city.time_zone)
    devices = [
        DeviceAvailabilityResponse(
            device=outages.device.id,
            name=name_of(outages.device),
            kind=outages.device.KIND,
            kelurahan=outages.device.kelurahan,
            site=outages.device.site,
            known_since=outages.known_since,
            total=total,
            periods=[outages.availability(period) for period in periods],
        )
        for outages, total in sort_worst_first(find_outages(context, wanted), (wanted.start, wanted.end))
    ]
    return AvailabilityResponse(wanted.start, wanted.end, unit, devices, context.demo)
