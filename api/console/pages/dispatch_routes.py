"""Routes of the dispatcher's pages, and of what is printed or taken along from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from api.auth.access import require
from api.console.answers import PART, answer
from api.console.page_context import PageContext, page_context_of
from api.console.pages import map as map_page
from api.console.pages import network as network_page
from api.console.pages import order as order_page
from api.console.pages import orders as orders_page
from api.console.pages import plan as plan_page
from api.console.pages import stop as stop_page
from api.console.pages import today as today_page
from api.console.pages import tour as tour_page
from api.console.pages import tours as tours_page
from api.console.pages import undo as undo_page
from api.console.parts.screen import Screen
from api.dependencies import RowId, context_of, dispatch_refusals
from dispatch.orders.records import WorkOrder
from dispatch.shifts.records import CrewShift, Stop
from people.rights import Identity

MAP_PARAMETERS: Final = ("wall", "to")
"""Parameters of addresses that the map had when it was the first page."""

router = APIRouter(include_in_schema=False, dependencies=[require("telemetry.read")])
Build = Callable[[PageContext, Screen], None]


def shift_or_404(request: Request, shift: RowId) -> CrewShift:
    """A shift; 404 if there is none."""
    with dispatch_refusals():
        return context_of(request).dispatch.shifts.get(shift)


def stop_or_404(request: Request, stop: RowId) -> Stop:
    """A stop; 404 if there is none."""
    with dispatch_refusals():
        return context_of(request).dispatch.shifts.stop(stop)


def order_or_404(request: Request, order: RowId) -> WorkOrder:
    """A work order; 404 if there is none."""
    with dispatch_refusals():
        return context_of(request).dispatch.orders.get(order)


ShiftOf = Annotated[CrewShift, Depends(shift_or_404)]
StopOf = Annotated[Stop, Depends(stop_or_404)]
OrderOf = Annotated[WorkOrder, Depends(order_or_404)]


def home_of(identity: Identity) -> str:
    """The path of the first page of a person, by rights."""
    if identity.may("dispatch.write"):
        return "/today"
    return "/network" if identity.may("devices.write") else "/map"


@router.get("/")
def show_home(request: Request) -> Response:
    """The first page, by role."""
    if PART not in request.query_params and any(name in request.query_params for name in MAP_PARAMETERS):
        return RedirectResponse(f"/map?{request.url.query}", 303)
    home = home_of(page_context_of(request, context_of(request)).identity)
    return _HOMES[home](request)


@router.get("/today")
def show_today(request: Request) -> Response:
    """What a dispatcher has to decide, the map, and the day's figures."""
    return answer(request, "today", lambda page, screen: today_page.build(page, screen, request.query_params))


@router.get("/network")
def show_network(request: Request) -> Response:
    """What is wrong with hotspots, and new devices."""
    return answer(request, "network", network_page.build)


@router.get("/map")
def show_map(request: Request) -> Response:
    """The map."""
    return answer(request, "map", lambda page, screen: map_page.build(page, screen, request.query_params))


_HOMES: Final[dict[str, Callable[[Request], Response]]] = {
    "/today": show_today,
    "/network": show_network,
    "/map": show_map,
}


@router.get("/plan")
def show_plan(request: Request) -> Response:
    """The plan of a day."""
    return answer(request, "plan", lambda page, screen: plan_page.build(page, screen, request.query_params))


@router.get("/tours")
def show_tours(request: Request) -> Response:
    """The tours of a day."""
    return answer(request, "tours", lambda page, screen: tours_page.build(page, screen, request.query_params))


@router.get("/tour/{shift}")
def show_tour(request: Request, shift: ShiftOf) -> Response:
    """One tour."""
    query = request.query_params
    return answer(request, "tours", lambda page, screen: tour_page.build(page, screen, shift, query), shift.truck)


@router.get("/stop/{stop}")
def show_stop(request: Request, stop: StopOf) -> Response:
    """One stop."""
    query = request.query_params
    return answer(request, "tours", lambda page, screen: stop_page.build(page, screen, stop, query), stop.name)


@router.get("/orders")
def show_orders(request: Request) -> Response:
    """The list of work orders."""
    return answer(request, "orders", lambda page, screen: orders_page.build(page, screen, request.query_params))


@router.get("/order/{order}")
def show_order(request: Request, order: OrderOf) -> Response:
    """One work order from camera to closure."""
    query = request.query_params
    return answer(request, "orders", lambda page, screen: order_page.build(page, screen, order, query), str(order.id))


@router.get("/undo/{change}", dependencies=[require("dispatch.write")])
def show_undo(request: Request, change: RowId) -> Response:
    """An action that may still be taken back."""
    query = request.query_params
    return answer(request, "undo_page", lambda page, screen: undo_page.build(page, screen, change, query))
