"""Downloads of outages, and of the availability of devices, as CSV."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from api.auth.access import require
from api.dependencies import OutageQuery, context_of
from api.exports.csv_tables import Mark, csv_answer, local_time
from api.http.description import ATTACHMENT_HEADERS, CSV_MEDIA, file_answer, problems
from api.http.routing import ApiRoute
from api.queries.outages import PeriodUnit, find_outages, newest_first, periods_between, sort_worst_first
from ingest.store.views.device_condition import name_of
from ingest.store.views.outages import Availability

router = APIRouter(prefix="/api/v1/export", tags=["exports"], responses=problems(503), route_class=ApiRoute)


@router.get(
    "/outages.csv",
    dependencies=[require("telemetry.read")],
    response_class=StreamingResponse,
    responses=file_answer("One row per outage; lengths in seconds.", CSV_MEDIA, headers=ATTACHMENT_HEADERS),
)
def export_outages(request: Request, wanted: OutageQuery, *, bom: Mark = False) -> Response:
    """Outages, those that began last first. The end of one that lasts is empty."""
    context = context_of(request)
    now = context.clock()
    heading = ["device", "name", "kind", "kelurahan", "site", "outage", "from", "to", "length_s", "cause", "detail"]

    def rows() -> Iterator[list[object]]:
        for outage in newest_first(find_outages(context, wanted)):
            device = context.city.devices[outage.device]
            end = local_time(context, outage.end) if outage.end else ""
            length_s = round((outage.until(now) - outage.start).total_seconds(), 1)
            where = [name_of(device), device.KIND, device.kelurahan, device.site]
            period = [outage.outage, local_time(context, outage.start), end, length_s]
            yield [outage.device, *where, *period, outage.cause, outage.detail]

    return csv_answer(context, "outages", heading, rows(), bom=bom)


@router.get(
    "/availability.csv",
    dependencies=[require("telemetry.read")],
    response_class=StreamingResponse,
    responses=file_answer(
        "One row per device and period; times in seconds, the share from 0 to 1.", CSV_MEDIA, headers=ATTACHMENT_HEADERS
    ),
)
def export_availability(
    request: Request, wanted: OutageQuery, unit: PeriodUnit = "day", *, bom: Mark = False
) -> Response:
    """Availability by device and period, the least available device first; an unknown share is empty."""
    context = context_of(request)
    heading = ["device", "name", "kind", "kelurahan", "site", "from", "to", "known_s", "out_s", "longest_s"]
    periods = periods_between(unit, wanted.start, wanted.end, context.city.time_zone)

    def rows() -> Iterator[list[object]]:
        for outages, _ in sort_worst_first(find_outages(context, wanted), (wanted.start, wanted.end)):
            device = outages.device
            about = [device.id, name_of(device), device.KIND, device.kelurahan, device.site]
            for period in periods:
                known = outages.availability(period)
                times = [local_time(context, known.start), local_time(context, known.end)]
                yield [*about, *times, *_figures(known)]

    return csv_answer(context, "availability", [*heading, "times", "share"], rows(), bom=bom)


def _figures(known: Availability) -> list[object]:
    share = "" if known.share is None else round(known.share, 5)
    return [round(known.known_s, 1), round(known.out_s, 1), round(known.longest_s, 1), known.times, share]
