"""REST of work orders: what has to be fetched besides the tours, who could go, and how each was closed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec import Meta
from pydantic import BaseModel, Field

from api.auth.access import origin_of_request, require, require_area
from api.dependencies import NUMBER_MAX, RowId, context_of, dispatch_refusals, place_of_order
from api.http.description import problems
from api.http.routing import ApiRoute
from api.queries.order_trucks import trucks_for
from dispatch.orders.nearest import TruckProposal
from dispatch.orders.records import OrderEntry, OrderState, WorkOrder
from dispatch.orders.service import PAGE_MAX
from dispatch.shifts.records import TEXT_MAX

router = APIRouter(prefix="/api/v1/orders", tags=["dispatch"], route_class=ApiRoute)


class OrdersResponse(msgspec.Struct, frozen=True):
    """Orders, newest first. `next` is the value of `before` for older ones; null if there are none."""

    orders: list[WorkOrder]
    next: Annotated[int | None, Meta(description="Number of an order.")]


class OrderResponse(msgspec.Struct, frozen=True):
    """One order, what happened to it, and the trucks that could go now, the best first."""

    order: WorkOrder
    history: list[OrderEntry]
    trucks: list[TruckProposal]


class OrderActionResponse(msgspec.Struct, frozen=True):
    """What was done. `change` is its number, by which it is taken back within ten seconds."""

    change: int


class OrderAssignRequest(BaseModel):
    """The shift that takes an order."""

    shift: int = Field(ge=1, le=NUMBER_MAX)


class OrderReasonRequest(BaseModel):
    """Why an order is closed without proof, or opened again."""

    reason: str = Field(min_length=1, max_length=TEXT_MAX)


@router.get("", dependencies=[require("telemetry.read")])
def find_orders(
    request: Request,
    state: Annotated[list[OrderState] | None, Query(description="One or several; all without it.")] = None,
    before: Annotated[int | None, Query(ge=1, le=NUMBER_MAX, description="Only orders with a smaller number.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
) -> OrdersResponse:
    """Work orders, newest first."""
    orders = context_of(request).dispatch.orders.find(tuple(state or ()), before, limit)
    return OrdersResponse(orders, orders[-1].id if len(orders) == limit else None)


@router.get("/{order}", dependencies=[require("telemetry.read")], responses=problems(404, 503))
def show_order(request: Request, order: RowId) -> OrderResponse:
    """One order with its history."""
    context = context_of(request)
    with dispatch_refusals():
        known = context.dispatch.orders.get(order)
    return OrderResponse(known, context.dispatch.orders.history(order), trucks_for(context, known))


@router.post("/{order}/assign", dependencies=[require("dispatch.write")], responses=problems(404, 409))
def assign_order(request: Request, order: RowId, body: OrderAssignRequest) -> OrderActionResponse:
    """Put an order at the end of a shift."""
    _require_order_area(request, order)
    with dispatch_refusals():
        orders = context_of(request).dispatch.orders
        return OrderActionResponse(orders.assign(origin_of_request(request), order, body.shift))


@router.post("/{order}/close", dependencies=[require("dispatch.write")], responses=problems(404, 409))
def close_order(request: Request, order: RowId, body: OrderReasonRequest) -> OrderActionResponse:
    """Close an order that no camera and no photo has closed."""
    _require_order_area(request, order)
    with dispatch_refusals():
        orders = context_of(request).dispatch.orders
        return OrderActionResponse(orders.close(origin_of_request(request), order, body.reason))


@router.post("/{order}/reopen", dependencies=[require("dispatch.write")], responses=problems(404, 409))
def reopen_order(request: Request, order: RowId, body: OrderReasonRequest) -> OrderActionResponse:
    """Open a closed order again."""
    _require_order_area(request, order)
    with dispatch_refusals():
        orders = context_of(request).dispatch.orders
        return OrderActionResponse(orders.reopen(origin_of_request(request), order, body.reason))


def _require_order_area(request: Request, order: int) -> None:
    with dispatch_refusals():
        known = context_of(request).dispatch.orders.get(order)
    require_area(request, place_of_order(known))
