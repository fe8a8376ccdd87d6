"""REST of shifts: tours with their progress, stops with their evidence, codes and messages for crews."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec import Meta
from pydantic import BaseModel, Field

from api.auth.access import origin_of_request, require, require_area
from api.dependencies import NUMBER_MAX, RowId, context_of, day_of, dispatch_refusals, place_of_stop
from api.http.description import problems
from api.http.routing import ApiRoute
from api.queries.crew_code import crew_address
from dispatch.shifts.records import (
    TEXT_MAX,
    CrewMessage,
    CrewShift,
    Stop,
    StopCounts,
    StopHistoryEntry,
    StoredTap,
    sum_counts,
)
from people.areas import Place

router = APIRouter(prefix="/api/v1", tags=["dispatch"], route_class=ApiRoute)

CREW_MAX = 64


class ShiftsResponse(msgspec.Struct, frozen=True):
    """The shifts of a day by truck, and the counts of all their stops."""

    day: date
    counts: StopCounts
    shifts: list[CrewShift]


class ShiftResponse(msgspec.Struct, frozen=True):
    """A shift with its tour. `removed`: stops that were on it and are on no tour any more."""

    shift: CrewShift
    stops: list[Stop]
    removed: list[Stop]
    messages: list[CrewMessage]
    phones: Annotated[int, Meta(description="Phones that are signed in.")]


class StopResponse(msgspec.Struct, frozen=True):
    """A stop with its states, oldest first, and what crews tapped about it."""

    stop: Stop
    history: list[StopHistoryEntry]
    taps: list[StoredTap]


class ShiftCodeResponse(msgspec.Struct, frozen=True):
    """How phones sign in to a shift. `address` is what a QR code shows; both are shown once and kept nowhere."""

    shift: int
    code: Annotated[str, Meta(description="Six digits.")]
    address: str
    expires_at: datetime


class ShiftActionResponse(msgspec.Struct, frozen=True):
    """What was done. `change` is its number, by which it is taken back within ten seconds."""

    change: int


class MessageRequest(BaseModel):
    """A message to a crew."""

    text: str = Field(min_length=1, max_length=TEXT_MAX)


class CrewRequest(BaseModel):
    """The number of a crew; never the name of a person."""

    crew: str = Field(max_length=CREW_MAX, examples=["3"])


class AssignRequest(BaseModel):
    """The shift that takes a stop."""

    shift: int = Field(ge=1, le=NUMBER_MAX)


class RuleRequest(BaseModel):
    """What has become of a stop, decided by a person, and why."""

    state: Literal["verified", "missed", "not_possible"]
    reason: str = Field(min_length=1, max_length=TEXT_MAX)


@router.get("/shifts", dependencies=[require("telemetry.read")])
def list_shifts(
    request: Request, day: Annotated[date | None, Query(description="Local day; today without it.")] = None
) -> ShiftsResponse:
    """The shifts of a day with the progress of each."""
    context = context_of(request)
    wanted = day or day_of(context)
    shifts = context.dispatch.shifts.of_day(wanted)
    return ShiftsResponse(wanted, sum_counts(shift.counts for shift in shifts), shifts)


@router.get("/shifts/{shift}", dependencies=[require("telemetry.read")], responses=problems(404))
def show_shift(request: Request, shift: RowId) -> ShiftResponse:
    """One shift with its tour and its messages."""
    dispatch = context_of(request).dispatch
    with dispatch_refusals():
        known = dispatch.shifts.get(shift)
    stops = dispatch.shifts.stops(shift, removed=True)
    return ShiftResponse(
        known,
        [stop for stop in stops if stop.removed_at is None],
        [stop for stop in stops if stop.removed_at is not None],
        dispatch.shifts.messages(shift),
        len(dispatch.crews.sessions(shift)),
    )


@router.post("/shifts/{shift}/messages", dependencies=[require("dispatch.write")], responses=problems(404, 409))
def send_message(request: Request, shift: RowId, body: MessageRequest) -> ShiftActionResponse:
    """Send a message to the phones of a crew."""
    require_area(request, Place())
    with dispatch_refusals():
        shifts = context_of(request).dispatch.shifts
        return ShiftActionResponse(shifts.send_message(origin_of_request(request), shift, body.text))


@router.post("/shifts/{shift}/crew", dependencies=[require("dispatch.write")], responses=problems(404, 409))
def name_crew(request: Request, shift: RowId, body: CrewRequest) -> ShiftActionResponse:
    """Note which crew works on a shift."""
    require_area(request, Place())
    with dispatch_refusals():
        shifts = context_of(request).dispatch.shifts
        return ShiftActionResponse(shifts.name_crew(origin_of_request(request), shift, body.crew))


@router.post("/shifts/{shift}/close", dependencies=[require("dispatch.write")], responses=problems(404, 409))
def close_shift(request: Request, shift: RowId) -> ShiftActionResponse:
    """End a shift; what is open on it stays as it is."""
    require_area(request, Place())
    with dispatch_refusals():
        return ShiftActionResponse(context_of(request).dispatch.shifts.close(origin_of_request(request), shift))


@router.post("/shifts/{shift}/code", dependencies=[require("dispatch.write")], responses=problems(404, 409))
def make_code(request: Request, shift: RowId) -> ShiftCodeResponse:
    """Make the code by which phones sign in to a shift; earlier codes of the shift end."""
    require_area(request, Place())
    context = context_of(request)
    with dispatch_refusals():
        made = context.dispatch.crews.make_code(origin_of_request(request), shift)
    # Behind the #: browsers do not send it, so that no log of a server has it.
    return ShiftCodeResponse(shift, made.code, crew_address(context.public_url, made.key), made.expires_at)


@router.get("/stops/{stop}", dependencies=[require("telemetry.read")], responses=problems(404))
def show_stop(request: Request, stop: RowId) -> StopResponse:
    """One stop with its evidence and its history."""
    shifts = context_of(request).dispatch.shifts
    with dispatch_refusals():
        known = shifts.stop(stop)
    return StopResponse(known, shifts.stop_history(stop), shifts.taps_of_stop(stop))


@router.post("/stops/{stop}/assign", dependencies=[require("dispatch.write")], responses=problems(404, 409))
def assign_stop(request: Request, stop: RowId, body: AssignRequest) -> ShiftActionResponse:
    """Give a stop to another shift, at its end."""
    _require_stop_area(request, stop)
    with dispatch_refusals():
        shifts = context_of(request).dispatch.shifts
        return ShiftActionResponse(shifts.assign(origin_of_request(request), stop, body.shift))


@router.post("/stops/{stop}/rule", dependencies=[require("dispatch.write")], responses=problems(404))
def rule_stop(request: Request, stop: RowId, body: RuleRequest) -> ShiftActionResponse:
    """Decide what has become of a stop; it outweighs all signals."""
    _require_stop_area(request, stop)
    with dispatch_refusals():
        shifts = context_of(request).dispatch.shifts
        return ShiftActionResponse(shifts.rule(origin_of_request(request), stop, body.state, body.reason))


def _require_stop_area(request: Request, stop: int) -> None:
    with dispatch_refusals():
        known = context_of(request).dispatch.shifts.stop(stop)
    require_area(request, place_of_stop(known))
