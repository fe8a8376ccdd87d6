"""REST of alarms: what needs attention, the history, and what people do with an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec import Meta
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.auth.access import origin_of_request, require, require_area
from api.dependencies import NUMBER_MAX, Moment, RowId, context_of, place_of_alarm
from api.http.description import problems
from api.http.routing import ApiRoute
from dispatch.alarms.errors import AlarmError, AlarmRefusal
from dispatch.alarms.rules import AlarmKind
from dispatch.alarms.service import PAGE_MAX, TEXT_MAX, Alarm, AlarmEntry, AlarmFilter, AlarmState
from dispatch.notifications.deliveries import Notification

router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"], route_class=ApiRoute)

IDS_MAX: Final = 100
_STATUS: Final[dict[AlarmRefusal, int]] = {"alarm_unknown": 404, "alarm_cleared": 409, "undo_too_late": 409}
"""Status of a refusal; 422 of others."""


class AlarmsResponse(msgspec.Struct, frozen=True):
    """Alarms, newest first. `next` is the value of `before` for older ones; null if there are none."""

    alarms: list[Alarm]
    next: Annotated[int | None, Meta(description="Number of an alarm.")]


class ListedAlarmsResponse(msgspec.Struct, frozen=True):
    """What needs attention, the worst first. `not_current`: why the list is not of now; empty if it is."""

    alarms: list[Alarm]
    not_current: str


class AlarmDetailResponse(msgspec.Struct, frozen=True):
    """One alarm, what happened to it, and who was told of it, oldest first."""

    alarm: Alarm
    history: list[AlarmEntry]
    deliveries: list[Notification]


class AcknowledgedResponse(msgspec.Struct, frozen=True):
    """Number of alarms that were acknowledged by this request; others had been before."""

    acknowledged: Annotated[int, Meta(description="How many.")]


class AcknowledgeRequest(BaseModel):
    """Alarms that somebody takes note of."""

    ids: list[Annotated[int, Field(ge=1, le=NUMBER_MAX)]] = Field(min_length=1, max_length=IDS_MAX)
    note: str = Field("", max_length=TEXT_MAX)


class ShelveRequest(BaseModel):
    """Until when an alarm is not to be shown, and why."""

    until: Moment = Field(description="At most 7 days ahead.")
    reason: str = Field(min_length=1, max_length=TEXT_MAX)


class AlarmNoteRequest(BaseModel):
    """Something to be known about an alarm."""

    text: str = Field(min_length=1, max_length=TEXT_MAX)


@router.get("", dependencies=[require("telemetry.read")])
def find_alarms(
    request: Request,
    state: Annotated[list[AlarmState] | None, Query(description="One or several; all without it.")] = None,
    kind: Annotated[list[AlarmKind] | None, Query(description="One or several; all without it.")] = None,
    subject: Annotated[str, Query(max_length=128, description="Id of a device, case or site.")] = "",
    site: Annotated[str, Query(max_length=64, description="Id of a site.")] = "",
    kelurahan: Annotated[str, Query(max_length=64, description="Name of a kelurahan.")] = "",
    since: Annotated[Moment | None, Query(description="Raised since, inclusive.")] = None,
    until: Annotated[Moment | None, Query(description="Raised until, exclusive.")] = None,
    before: Annotated[int | None, Query(ge=1, le=NUMBER_MAX, description="Only alarms with a smaller number.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
) -> AlarmsResponse:
    """Alarms of any state, newest first."""
    wanted = AlarmFilter(tuple(state or ()), tuple(kind or ()), subject, site, kelurahan, since, until, before, limit)
    alarms = context_of(request).alarms.find(wanted)
    return AlarmsResponse(alarms, alarms[-1].id if len(alarms) == limit else None)


@router.get("/listed", dependencies=[require("telemetry.read")])
def list_alarms(request: Request) -> ListedAlarmsResponse:
    """What needs attention: the list of the console, at most two seconds old."""
    board = context_of(request).alarm_board
    return ListedAlarmsResponse(list(board.listed), board.failure)


@router.get("/{alarm}", dependencies=[require("telemetry.read")], responses=problems(404))
def show_alarm(request: Request, alarm: RowId) -> AlarmDetailResponse:
    """One alarm with its history."""
    return _detail(request, alarm)


@router.post("/acknowledge", dependencies=[require("alarms.handle")], responses=problems(404))
def acknowledge_alarms(request: Request, body: AcknowledgeRequest) -> AcknowledgedResponse:
    """Acknowledge alarms: all of them, or none. Of two people the first counts."""
    for id_ in body.ids:
        _require_place(request, id_)
    alarms, origin = context_of(request).alarms, origin_of_request(request)
    with _refusals():
        return AcknowledgedResponse(alarms.acknowledge(origin, body.ids, body.note))


@router.post("/{alarm}/undo", dependencies=[require("alarms.handle")], responses=problems(404, 409))
def undo_acknowledgement(request: Request, alarm: RowId) -> AlarmDetailResponse:
    """Take back one's own acknowledgement within 10 seconds."""
    _require_place(request, alarm)
    with _refusals():
        context_of(request).alarms.undo(origin_of_request(request), alarm)
    return _detail(request, alarm)


@router.post("/{alarm}/shelve", dependencies=[require("alarms.handle")], responses=problems(404, 409))
def shelve_alarm(request: Request, alarm: RowId, body: ShelveRequest) -> AlarmDetailResponse:
    """Keep an open alarm from the list for a time."""
    _require_place(request, alarm)
    with _refusals():
        context_of(request).alarms.shelve(origin_of_request(request), alarm, body.until, body.reason)
    return _detail(request, alarm)


@router.post("/{alarm}/unshelve", dependencies=[require("alarms.handle")], responses=problems(404))
def unshelve_alarm(request: Request, alarm: RowId) -> AlarmDetailResponse:
    """Put a shelved alarm back on the list."""
    _require_place(request, alarm)
    with _refusals():
        context_of(request).alarms.unshelve(origin_of_request(request), alarm)
    return _detail(request, alarm)


@router.post("/{alarm}/note", dependencies=[require("alarms.handle")], responses=problems(404))
def note_alarm(request: Request, alarm: RowId, body: AlarmNoteRequest) -> AlarmDetailResponse:
    """Add a note to an alarm's history."""
    _require_place(request, alarm)
    with _refusals():
        context_of(request).alarms.add_note(origin_of_request(request), alarm, body.text)
    return _detail(request, alarm)


def _require_place(request: Request, id_: int) -> None:
    """Require that an alarm is in the areas of whoever asks; those of the platform are everybody's."""
    with _refusals():
        alarm = context_of(request).alarms.get(id_)
    if place := place_of_alarm(alarm):
        require_area(request, place)


def _detail(request: Request, id_: int) -> AlarmDetailResponse:
    context = context_of(request)
    with _refusals():
        alarm = context.alarms.get(id_)
    return AlarmDetailResponse(alarm, context.alarms.history(id_), context.deliveries.of_alarm(id_))


@contextmanager
def _refusals() -> Iterator[None]:
    """What an alarm refuses, as an answer."""
    try:
        yield
    except AlarmError as exc:
        raise HTTPException(_STATUS.get(exc.reason, 422), str(exc)) from exc
