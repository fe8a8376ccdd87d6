"""What is printed or taken along: tours, the report of a shift or day, an order from camera to closure; PDF and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from api.auth.access import origin_of_request, require
from api.console.page_context import PageContext, page_context_of
from api.console.pages.dispatch_routes import OrderOf, ShiftOf
from api.console.pages.orders import TABS, place_of
from api.console.parts.dispatch_words import evidence_words, stop_state_words, truck_name, why_words
from api.dependencies import context_of, day_of
from api.queries.evidence_service import Actor
from api.queries.spreadsheet import escape_formula
from api.queries.tour_progress import served_at
from dispatch.shifts.records import CrewShift, Stop

PDF: Final = "application/pdf"
SHIFT_MAX: Final = 2**31

router = APIRouter(include_in_schema=False, dependencies=[require("telemetry.read")])
Day = Annotated[date | None, Query()]


@router.get("/tours.csv")
def download_stops(
    request: Request, day: Day = None, shift: Annotated[int | None, Query(ge=1, lt=SHIFT_MAX)] = None
) -> StreamingResponse:
    """The stops of a day, or of one of its shifts, as CSV. Times are local."""
    page = page_context_of(request, context_of(request))
    wanted = day or day_of(page.context)
    service = page.context.dispatch.shifts
    trucks = {known.id: known for known in service.of_day(wanted)}
    stops = [stop for stop in service.stops_of_day(wanted) if shift in (None, stop.shift_id)]
    rows = (_stop_cells(page, stop, trucks.get(stop.shift_id)) for stop in stops)
    return _csv(page, [page.t(key) for key in _STOP_COLUMNS], rows, f"tour-{wanted}")


@router.get("/orders.csv")
def download_orders(request: Request, show: str = "all") -> StreamingResponse:
    """Work orders as CSV. Times are local."""
    page = page_context_of(request, context_of(request))
    orders = page.context.dispatch.orders.find(TABS.get(show, ()), limit=500)
    columns = ("order_one", "order_what", "case", "order_where", "order_size", "order_due", "state", "truck_one")
    rows = (
        [
            order.id,
            page.t(f"order_kind_{order.kind}"),
            order.subject,
            place_of(page, order),
            round(order.size_kg),
            _local(page, order.due_at),
            page.t(f"order_is_{order.state}"),
            order.truck or "",
            order.reason or "",
        ]
        for order in orders
    )
    return _csv(page, [page.t(key) for key in (*columns, "alarm_reason")], rows, "work-orders")


@router.get("/tours.pdf")
def print_day(request: Request, day: Day = None) -> Response:
    """The report of a day: each shift with its figures and what was not collected."""
    from api.console.parts.dispatch_papers import day_report  # noqa: PLC0415 - PDF takes 20 MB, for a file now and then

    page = page_context_of(request, context_of(request))
    wanted = day or day_of(page.context)
    return _pdf(day_report(page, wanted), f"report-{wanted}")


@router.get("/tour/{shift}.pdf")
def print_tour(request: Request, shift: ShiftOf) -> Response:
    """The list of a tour, for the cab."""
    from api.console.parts.dispatch_papers import tour_list  # noqa: PLC0415 - as above

    return _pdf(tour_list(page_context_of(request, context_of(request)), shift), f"tour-{shift.day}-{shift.truck}")


@router.get("/tour/{shift}/report.pdf")
def print_report(request: Request, shift: ShiftOf) -> Response:
    """The report of a shift: what became of each stop, with its evidence."""
    from api.console.parts.dispatch_papers import shift_report  # noqa: PLC0415 - as above

    return _pdf(shift_report(page_context_of(request, context_of(request)), shift), f"report-{shift.day}-{shift.truck}")


@router.get("/order/{order}.pdf")
def print_order(request: Request, order: OrderOf) -> Response:
    """A work order from camera to closure, with its pictures."""
    from api.console.parts.order_paper import order_report  # noqa: PLC0415 - as above

    page, origin = page_context_of(request, context_of(request)), origin_of_request(request)
    return _pdf(order_report(page, order, Actor(origin.name, origin.address)), f"work-order-{order.id}")


def _pdf(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.pdf"', "Cache-Control": "no-store"}
    return Response(content, media_type=PDF, headers=headers)


def _csv(page: PageContext, headings: Sequence[str], rows: Iterable[Sequence[object]], name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{page.context.city.id}-{name}.csv"'}
    return StreamingResponse(_lines(headings, rows), media_type="text/csv; charset=utf-8", headers=headers)


def _lines(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """CSV with a mark for spreadsheet programs."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    yield "\ufeff"
    for row in (headings, *rows):
        writer.writerow([escape_formula(cell) for cell in row])
    yield buffer.getvalue()


def _local(page: PageContext, at: datetime | None) -> str:
    return at.astimezone(page.context.city.time_zone).isoformat(timespec="seconds") if at else ""


def _state(page: PageContext, stop: Stop) -> str:
    return page.t("landfill_stop") if stop.kind == "landfill" else stop_state_words(page, stop)


def _why(page: PageContext, stop: Stop) -> str:
    return "" if stop.kind == "landfill" else why_words(page, stop)


_STOP_CELLS: Final[Mapping[str, Callable[[PageContext, Stop, CrewShift | None], object]]] = {
    "truck_one": lambda page, _stop, shift: truck_name(page, shift.truck) if shift else "",
    "crew": lambda _page, _stop, shift: shift.crew if shift else "",
    "stop_number": lambda _page, stop, _shift: stop.number,
    "stop_one": lambda _page, stop, _shift: stop.name,
    "stop_subject": lambda _page, stop, _shift: stop.subject,
    "kelurahan": lambda _page, stop, _shift: stop.kelurahan,
    "waste_kind": lambda page, stop, _shift: page.word(stop.stream) if stop.stream else "",
    "stop_load": lambda _page, stop, _shift: round(stop.load_kg, 1),
    "tour_planned": lambda page, stop, _shift: _local(page, stop.starts_at),
    "tour_actual": lambda page, stop, _shift: _local(page, served_at(stop)),
    "state": lambda page, stop, _shift: _state(page, stop),
    "stop_why": lambda page, stop, _shift: _why(page, stop),
    "evidence": lambda page, stop, _shift: "; ".join(evidence_words(page, piece) for piece in stop.evidence),
}
_STOP_COLUMNS: Final = tuple(_STOP_CELLS)


def _stop_cells(page: PageContext, stop: Stop, shift: CrewShift | None) -> list[object]:
    return [cell(page, stop, shift) for cell in _STOP_CELLS.values()]
