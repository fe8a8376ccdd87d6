"""REST of plans: ask for one, look at it, accept or reject it, and take an action back."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.auth.access import origin_of_request, require, require_area
from api.dependencies import RowId, context_of, day_of, dispatch_refusals
from api.http.description import problems
from api.http.routing import ApiRoute
from api.queries.day_planner import PlanJob, PlanJobStatus
from api.queries.plan_views import PlanSummary, PlanView, describe_plan, summary_of
from broker.contract.topics import ID_PATTERN
from dispatch.planning.travel import BlockedArea
from dispatch.shifts.records import DispatchChange
from people.areas import Place

router = APIRouter(prefix="/api/v1", tags=["dispatch"], route_class=ApiRoute)

TRUCKS_MAX: Final = 200
BLOCKED_MAX: Final = 50


class PlansResponse(msgspec.Struct, frozen=True):
    """The plans of a day: the one in force, the one that is proposed, and what is being planned."""

    day: date
    in_force: PlanSummary | None
    proposal: PlanSummary | None
    planning: PlanJobStatus
    replanning: PlanJobStatus


class ActionResponse(msgspec.Struct, frozen=True):
    """What was done. `change` is its number, by which it is taken back within ten seconds."""

    change: int


class ChangesResponse(msgspec.Struct, frozen=True):
    """What whoever asks may still take back, newest first."""

    changes: list[DispatchChange]


class PlanRequestBody(BaseModel):
    """The day to be planned."""

    day: date = Field(description="Local day, today or later.", examples=["2026-12-01"])


class BlockedCircle(BaseModel):
    """A circle that no truck may enter."""

    lat_deg: float = Field(ge=-90, le=90)
    lon_deg: float = Field(ge=-180, le=180)
    radius_m: float = Field(gt=0, le=5_000, description="Unit: m.")


class ReplanRequestBody(BaseModel):
    """What has happened on a day; what was told before stays."""

    day: date = Field(description="Local day with a plan in force.", examples=["2026-12-01"])
    trucks_out: list[Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]] = Field([], max_length=TRUCKS_MAX)
    blocked: list[BlockedCircle] = Field([], max_length=BLOCKED_MAX)


@router.get("/plans", dependencies=[require("telemetry.read")])
def show_plans(
    request: Request, day: Annotated[date | None, Query(description="Local day; today without it.")] = None
) -> PlansResponse:
    """The plans of a day in numbers, and whether planning runs or why it failed."""
    context = context_of(request)
    wanted, plans = day or day_of(context), context.dispatch.plans
    current, proposal = plans.in_force(wanted), plans.proposal(wanted)
    return PlansResponse(
        wanted,
        summary_of(current) if current else None,
        summary_of(proposal) if proposal else None,
        context.planner.status("day"),
        context.planner.status("replan"),
    )


@router.get("/plans/{plan}", dependencies=[require("telemetry.read")], responses=problems(404))
def show_plan(request: Request, plan: RowId) -> PlanView:
    """One plan: tours, what is left out, and what it changes in the plan before it."""
    context = context_of(request)
    record = context.dispatch.plans.get(plan)
    if record is None:
        raise HTTPException(404, f"there is no plan {plan}")
    old = context.dispatch.plans.get(record.based_on) if record.based_on else None
    return describe_plan(record, old, context.city)


@router.post("/plans", dependencies=[require("dispatch.write")], responses=problems(409))
def plan_day(request: Request, body: PlanRequestBody) -> PlanJob:
    """Begin to plan a day; the proposal is there after a minute."""
    require_area(request, Place())
    with dispatch_refusals():
        return context_of(request).planner.start(origin_of_request(request), body.day)


@router.post("/plans/replan", dependencies=[require("dispatch.write")], responses=problems(409))
def replan_day(request: Request, body: ReplanRequestBody) -> PlanJob:
    """Begin to plan what is left of a day, from where trucks are; the proposal is there after ten seconds.

    Trucks that report a breakdown are out of service by themselves.
    """
    require_area(request, Place())
    blocked = [BlockedArea(circle.lat_deg, circle.lon_deg, circle.radius_m) for circle in body.blocked]
    with dispatch_refusals():
        planner = context_of(request).planner
        return planner.start_replan(origin_of_request(request), body.day, body.trucks_out, blocked)


@router.post("/plans/{plan}/accept", dependencies=[require("dispatch.write")], responses=problems(409))
def accept_plan(request: Request, plan: RowId) -> ActionResponse:
    """Put a proposal into force: its tours become shifts with stops."""
    require_area(request, Place())
    context = context_of(request)
    with dispatch_refusals():
        return ActionResponse(context.dispatch.shifts.accept(origin_of_request(request), plan, context.city))


@router.post("/plans/{plan}/reject", dependencies=[require("dispatch.write")], responses=problems(409))
def reject_plan(request: Request, plan: RowId) -> ActionResponse:
    """Drop a proposal; the plan in force stays."""
    require_area(request, Place())
    with dispatch_refusals():
        return ActionResponse(context_of(request).dispatch.plans.reject(origin_of_request(request), plan))


@router.get("/dispatch/changes", dependencies=[require("dispatch.write")])
def list_changes(request: Request) -> ChangesResponse:
    """What whoever asks did within the last ten seconds and may take back."""
    return ChangesResponse(context_of(request).dispatch.shifts.undoable(origin_of_request(request)))


@router.post("/dispatch/changes/{change}/undo", dependencies=[require("dispatch.write")], responses=problems(404, 409))
def undo_change(request: Request, change: RowId) -> DispatchChange:
    """Take back one's own action within ten seconds."""
    with dispatch_refusals():
        return context_of(request).dispatch.shifts.undo(origin_of_request(request), change)
