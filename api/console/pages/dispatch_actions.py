"""What dispatchers do on their pages: plain forms, so that they work without scripts; each can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from api.auth.access import origin_of_request, require, require_area
from api.console.answers import PART, answer
from api.console.pages import code as code_page
from api.console.pages.dispatch_routes import OrderOf, ShiftOf, StopOf
from api.console.parts.dispatch_forms import REFUSED
from api.dependencies import NUMBER_MAX, RowId, context_of, place_of_order, place_of_stop
from dispatch.planning.travel import BlockedArea
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.records import DispatchChange
from people.areas import Place

RADIUS_MAX_M: Final = 5_000
TRUCKS_MAX: Final = 200
FIELD_MAX: Final = 2_000
PAGES: Final = {"shift": "/tour/{}", "stop": "/stop/{}", "order": "/order/{}"}
"""The page of what an action was about."""

router = APIRouter(include_in_schema=False, dependencies=[require("dispatch.write")])
Text = Annotated[str, Form(max_length=FIELD_MAX)]
Number = Annotated[int, Form(ge=1, le=NUMBER_MAX)]


def _act(to: str, do: Callable[[], object]) -> Response:
    """Carry out an action and go to a page, which says what was refused."""
    try:
        do()
    except DispatchError as exc:
        to = f"{to}{'&' if '?' in to else '?'}{REFUSED}={exc.reason}"
    return RedirectResponse(to, 303)


@router.post("/plan/make")
def make_plan(request: Request, day: Annotated[date, Form()]) -> Response:
    """Begin to plan a day."""
    require_area(request, Place())
    planner, origin = context_of(request).planner, origin_of_request(request)
    return _act(f"/plan?day={day}", lambda: planner.start(origin, day))


@router.post("/plan/replan")
def replan(
    request: Request,
    day: Annotated[date, Form()],
    trucks_out: Annotated[list[str], Form(max_length=TRUCKS_MAX)] = [],  # noqa: B006 - FastAPI copies it
    blocked_site: Text = "",
    radius_m: Annotated[float, Form(gt=0, le=RADIUS_MAX_M)] = 250.0,
) -> Response:
    """Begin to plan what is left of a day, with trucks that are out of service and a street that is blocked."""
    require_area(request, Place())
    context, origin = context_of(request), origin_of_request(request)
    site = context.city.sites.get(blocked_site)
    if blocked_site and site is None:
        raise HTTPException(422, "no such site")
    blocked = [BlockedArea(site.lat_deg, site.lon_deg, radius_m)] if site else []
    return _act(f"/plan?day={day}", lambda: context.planner.start_replan(origin, day, trucks_out, blocked))


@router.post("/plan/{plan}/accept")
def accept_plan(request: Request, plan: RowId) -> Response:
    """Put a proposal into force."""
    require_area(request, Place())
    context, origin = context_of(request), origin_of_request(request)
    return _act(_plan_page(request, plan), lambda: context.dispatch.shifts.accept(origin, plan, context.city))


@router.post("/plan/{plan}/reject")
def reject_plan(request: Request, plan: RowId) -> Response:
    """Drop a proposal."""
    require_area(request, Place())
    context, origin = context_of(request), origin_of_request(request)
    return _act(_plan_page(request, plan), lambda: context.dispatch.plans.reject(origin, plan))


def _plan_page(request: Request, plan: int) -> str:
    record = context_of(request).dispatch.plans.get(plan)
    return f"/plan?day={record.day}" if record else "/plan"


@router.post("/tour/{shift}/message")
def send_message(request: Request, shift: ShiftOf, text: Text = "") -> Response:
    """Send a message to a crew."""
    require_area(request, Place())
    shifts, origin = context_of(request).dispatch.shifts, origin_of_request(request)
    return _act(f"/tour/{shift.id}", lambda: shifts.send_message(origin, shift.id, text))


@router.post("/tour/{shift}/crew")
def name_crew(request: Request, shift: ShiftOf, crew: Annotated[str, Form(max_length=64)] = "") -> Response:
    """Note the number of a crew."""
    require_area(request, Place())
    shifts, origin = context_of(request).dispatch.shifts, origin_of_request(request)
    return _act(f"/tour/{shift.id}", lambda: shifts.name_crew(origin, shift.id, crew))


@router.post("/tour/{shift}/close")
def close_shift(request: Request, shift: ShiftOf) -> Response:
    """End a shift."""
    require_area(request, Place())
    shifts, origin = context_of(request).dispatch.shifts, origin_of_request(request)
    return _act(f"/tour/{shift.id}", lambda: shifts.close(origin, shift.id))


@router.post("/tour/{shift}/code")
def make_code(request: Request, shift: ShiftOf) -> Response:
    """Make the code of a shift and show it, once."""
    require_area(request, Place())
    try:
        code = context_of(request).dispatch.crews.make_code(origin_of_request(request), shift.id)
    except DispatchError as exc:
        return RedirectResponse(f"/tour/{shift.id}?{REFUSED}={exc.reason}", 303)
    shown = answer(request, "tours", lambda page, screen: code_page.build(page, screen, shift, code), shift.truck)
    shown.headers["Cache-Control"] = "no-store"
    return shown


@router.get("/tour/{shift}/code")
def leave_code(request: Request, shift: RowId) -> Response:
    """The live sections of the page of a code; the page itself cannot be asked for again, nothing keeps the code."""
    if PART in request.query_params:
        return answer(request, "tours", lambda _page, _screen: None)
    return RedirectResponse(f"/tour/{shift}", 303)


@router.post("/stop/{stop}/assign")
def assign_stop(request: Request, stop: StopOf, shift: Number) -> Response:
    """Give a stop to another truck."""
    require_area(request, place_of_stop(stop))
    shifts, origin = context_of(request).dispatch.shifts, origin_of_request(request)
    return _act(f"/stop/{stop.id}", lambda: shifts.assign(origin, stop.id, shift))


@router.post("/stop/{stop}/rule")
def rule_stop(request: Request, stop: StopOf, state: Text = "", reason: Text = "") -> Response:
    """Decide what has become of a stop."""
    require_area(request, place_of_stop(stop))
    shifts, origin = context_of(request).dispatch.shifts, origin_of_request(request)
    return _act(f"/stop/{stop.id}", lambda: shifts.rule(origin, stop.id, state, reason))


@router.post("/order/{order}/assign")
def assign_order(request: Request, order: OrderOf, shift: Number) -> Response:
    """Put an order on a tour."""
    require_area(request, place_of_order(order))
    orders, origin = context_of(request).dispatch.orders, origin_of_request(request)
    return _act(f"/order/{order.id}", lambda: orders.assign(origin, order.id, shift))


@router.post("/order/{order}/close")
def close_order(request: Request, order: OrderOf, reason: Text = "") -> Response:
    """Close an order without proof."""
    require_area(request, place_of_order(order))
    orders, origin = context_of(request).dispatch.orders, origin_of_request(request)
    return _act(f"/order/{order.id}", lambda: orders.close(origin, order.id, reason))


@router.post("/order/{order}/reopen")
def reopen_order(request: Request, order: OrderOf, reason: Text = "") -> Response:
    """Open a closed order again."""
    require_area(request, place_of_order(order))
    orders, origin = context_of(request).dispatch.orders, origin_of_request(request)
    return _act(f"/order/{order.id}", lambda: orders.reopen(origin, order.id, reason))


@router.post("/undo/{change}")
def undo(request: Request, change: RowId) -> Response:
    """Take back one's own action within ten seconds, and show what it was about."""
    try:
        undone = context_of(request).dispatch.shifts.undo(origin_of_request(request), change)
    except DispatchError as exc:
        return RedirectResponse(f"/undo/{change}?{REFUSED}={exc.reason}", 303)
    return RedirectResponse(_page_of(request, undone), 303)


def _page_of(request: Request, change: DispatchChange) -> str:
    """The page of what an action was about."""
    kind, _, id_ = change.object.partition(":")
    if kind == "plan" and id_.isdecimal():
        return _plan_page(request, int(id_))
    return PAGES[kind].format(id_) if kind in PAGES else "/"
