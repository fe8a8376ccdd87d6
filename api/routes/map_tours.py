"""GeoJSON of the tours of a day: a line for each truck, and its stops with their states."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec import Meta

from api.auth.access import require
from api.dependencies import context_of, day_of
from api.http.description import model_answer, problems
from api.http.geojson_answer import geojson_answer
from api.http.routing import ApiRoute
from api.queries.geojson import MEDIA, PointGeometry, rounded_point
from dispatch.shifts.records import CrewShift, Stop, StopCounts
from dispatch.verification.states import StopState

router = APIRouter(prefix="/api/v1/map", tags=["map"], route_class=ApiRoute)


class LineGeometry(msgspec.Struct, frozen=True, tag_field="type", tag="LineString"):
    """A GeoJSON line."""

    coordinates: list[Annotated[tuple[float, float], Meta(description="Longitude and latitude, WGS 84. Unit: °.")]]


class TourProperties(msgspec.Struct, frozen=True, tag_field="kind", tag="tour"):
    """A tour on the map."""

    id: Annotated[int, Meta(description="Number of the shift.")]
    truck: str
    counts: StopCounts


class TourStopProperties(msgspec.Struct, frozen=True, tag_field="kind", tag="stop"):
    """A stop on the map."""

    id: int
    shift: int
    truck: str
    number: Annotated[int, Meta(description="Place in the order of the tour, from 1.")]
    name: str
    state: StopState | Literal["landfill"]
    planned_at: datetime


class MapTour(msgspec.Struct, frozen=True, tag_field="type", tag="Feature"):
    """A tour as a line, or a stop as a point."""

    geometry: LineGeometry | PointGeometry
    properties: TourProperties | TourStopProperties


class ToursResponse(msgspec.Struct, frozen=True, tag_field="type", tag="FeatureCollection"):
    """The tours of a day, then their stops."""

    features: list[MapTour]


@router.get(
    "/tours.geojson",
    dependencies=[require("telemetry.read")],
    response_class=Response,
    responses={**model_answer(ToursResponse, MEDIA), **problems(503)},
)
def show_tours(
    request: Request, day: Annotated[date | None, Query(description="Local day; today without it.")] = None
) -> Response:
    """The tours of a day as lines, and their stops as points with their states."""
    context = context_of(request)
    wanted, service = day or day_of(context), context.dispatch.shifts
    shifts, stops = service.of_day(wanted), service.stops_of_day(wanted)
    trucks = {shift.id: shift.truck for shift in shifts}
    features = [_tour(shift, [stop for stop in stops if stop.shift_id == shift.id]) for shift in shifts]
    features += [_stop(stop, trucks[stop.shift_id]) for stop in stops if stop.shift_id in trucks]
    return geojson_answer(request, ToursResponse([feature for feature in features if feature is not None]))


def _tour(shift: CrewShift, stops: list[Stop]) -> MapTour | None:
    """The line of a tour; None for one of fewer than two stops, which is no line."""
    points = [rounded_point(stop.lat_deg, stop.lon_deg).coordinates for stop in stops]
    if len(points) < 2:  # noqa: PLR2004 - RFC 7946: a line has two or more positions
        return None
    return MapTour(LineGeometry(points), TourProperties(shift.id, shift.truck, shift.counts))


def _stop(stop: Stop, truck: str) -> MapTour:
    state: StopState | Literal["landfill"] = "landfill" if stop.kind == "landfill" else stop.state
    properties = TourStopProperties(stop.id, stop.shift_id, truck, stop.number, stop.name, state, stop.starts_at)
    return MapTour(rounded_point(stop.lat_deg, stop.lon_deg), properties)
