"""REST of devices that nobody knows: who they are, what they would store with a profile, and taking them in."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
import structlog
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.access import require, role_of
from api.context import ApiContext
from api.problems import problem
from api.routes import NUMBER_MAX, context_of
from broker.contract.errors import ConfigError
from broker.contract.topics import ID_PATTERN, Kind
from city.adopted import Adoption, adopt, adoption_of
from city.profiles import is_match, suggest
from ingest.store.quarantine import UnknownDevice

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1", tags=["strangers"])

PAYLOAD_SHOWN: Final = 4_000
_MESSAGES_SHOWN: Final = 5
StrangerId = Annotated[int, Path(ge=1, le=NUMBER_MAX)]


class AdoptOrder(BaseModel):
    """What a stranger is: its id here, how its messages are read, and the rest of its row in the inventory.

    With the id of a device that is there already, only `id` and `profile` are given.
    """

    id: str = Field(pattern=f"^{ID_PATTERN}$", examples=["bin-1401"])
    profile: str = Field(max_length=64, examples=["milesight-em310-udl"])
    lat_deg: float | None = None
    lon_deg: float | None = None
    kelurahan: str | None = Field(None, max_length=64)
    site: str | None = Field(None, max_length=64)
    interval_s: float | None = None
    model: str | None = Field(None, max_length=64)
    waste_kind: str | None = Field(None, max_length=32)
    color: str | None = Field(None, max_length=32)
    plate: str | None = Field(None, max_length=32)
    depot: str | None = Field(None, max_length=64)
    capacity_kg: float | None = None
    ssids: str | None = Field(None, max_length=400, description="Separated by `;`.")


def stranger_of(context: ApiContext, stranger: int) -> UnknownDevice:
    """A stranger, or 404."""
    found = context.quarantine.get(stranger)
    if found is None:
        raise HTTPException(404, f"there is no stranger {stranger}; it may have been taken in")
    return found


def shape_stranger(context: ApiContext, one: UnknownDevice) -> dict[str, Any]:
    """A stranger with the profiles it may have, those first that match its model."""
    fitting = suggest(context.city.profiles.values(), one.adapter, one.model)
    shape = msgspec.to_builtins(one)
    return {**shape, "profiles": [{"id": each.id, "name": each.name, "kind": each.kind} for each in fitting]}


def suggested(context: ApiContext, one: UnknownDevice) -> str:
    """The profile that matches what it says of its model, or the only one that fits; empty when neither is there."""
    fitting = suggest(context.city.profiles.values(), one.adapter, one.model)
    matching = [each for each in fitting if is_match(each, one.model)]
    chosen = matching[:1] or (fitting if len(fitting) == 1 else [])
    return chosen[0].id if chosen else ""


@router.get("/profiles", dependencies=[require("viewer")])
def list_profiles(request: Request, kind: Kind | None = None) -> list[dict[str, Any]]:
    """Device profiles: which models of other makers can be read."""
    profiles = sorted(context_of(request).city.profiles.values(), key=lambda one: one.id)
    return [
        {"id": one.id, "name": one.name, "kind": one.kind, "adapters": one.adapters, "fields": sorted(one.fields)}
        for one in profiles
        if kind in (None, one.kind)
    ]


@router.get("/strangers", dependencies=[require("viewer")])
def list_strangers(request: Request) -> dict[str, Any]:
    """Devices that are heard and that nobody knows, the newest first; ignored ones too."""
    context = context_of(request)
    found = context.quarantine.find(state=None)
    waiting = sum(one.state == "waiting" for one in found)
    return {"waiting": waiting, "strangers": [shape_stranger(context, one) for one in found]}


@router.get("/strangers/{stranger}", dependencies=[require("operator")])
def show_stranger(request: Request, stranger: StrangerId) -> dict[str, Any]:
    """One stranger with the newest of its messages."""
    context = context_of(request)
    one = stranger_of(context, stranger)
    newest = context.quarantine.messages_of(stranger)[-_MESSAGES_SHOWN:]
    messages = [
        {
            "topic": each.topic,
            "received_at": each.received_at,
            "payload": each.payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace"),
            "bytes": len(each.payload),
        }
        for each in reversed(newest)
    ]
    return {**shape_stranger(context, one), "newest": messages}


@router.get("/strangers/{stranger}/preview", dependencies=[require("operator")])
def preview_stranger(
    request: Request,
    stranger: StrangerId,
    profile: Annotated[str, Query(max_length=64)],
    container: Annotated[str, Query(max_length=64, description="A container model, for the fill level.")] = "",
) -> dict[str, Any]:
    """What would be stored of its newest message if it had a profile."""
    context = context_of(request)
    stranger_of(context, stranger)
    messages = context.quarantine.messages_of(stranger)
    if not messages:
        raise HTTPException(404, "no message of it is kept")
    try:
        found: dict[str, Any] = msgspec.to_builtins(context.preview(profile, messages[-1], container))
    except ConfigError as exc:
        raise HTTPException(422, str(exc)) from exc
    return found


@router.post("/strangers/{stranger}/adopt", dependencies=[require("operator")], response_model=None)
def adopt_stranger(request: Request, stranger: StrangerId, order: AdoptOrder) -> dict[str, Any] | Response:
    """Take a stranger in; ingest stores what waits of it within seconds. What is wrong is listed with 422."""
    context = context_of(request)
    one = stranger_of(context, stranger)
    try:
        device = adopt(context.data, context.city, _adoption(context, one, order))
    except ConfigError as exc:
        errors = [_error(line) for line in str(exc).splitlines()]
        return problem(422, "; ".join(str(each["detail"]) for each in errors), errors=errors)
    log.info("stranger.adopted", device=device.id, adapter=one.adapter, role=role_of(request, context))
    return {"device": device.id, "kind": device.KIND, "waiting": one.messages - one.dropped}


@router.post("/strangers/{stranger}/ignore", dependencies=[require("operator")])
def ignore_stranger(request: Request, stranger: StrangerId) -> dict[str, str]:
    """Keep nothing more of it: a neighbour's device, for instance. Its messages are deleted."""
    return _mark(request, stranger, ignore=True)


@router.post("/strangers/{stranger}/notice", dependencies=[require("operator")])
def notice_stranger(request: Request, stranger: StrangerId) -> dict[str, str]:
    """Take notice again of one that was ignored."""
    return _mark(request, stranger, ignore=False)


def _mark(request: Request, stranger: int, *, ignore: bool) -> dict[str, str]:
    context = context_of(request)
    one = stranger_of(context, stranger)
    context.quarantine.mark(stranger, "ignored" if ignore else "waiting")
    log.info("stranger.marked", adapter=one.adapter, ignored=ignore, role=role_of(request, context))
    return {"state": "ignored" if ignore else "waiting"}


def _adoption(context: ApiContext, one: UnknownDevice, order: AdoptOrder) -> Adoption:
    heard = {"adapter": one.adapter, "address": one.address, "profile": order.profile}
    is_there = order.id in context.city.devices
    given = {} if is_there else order.model_dump(exclude={"id", "profile"}, exclude_none=True)
    return adoption_of(context.city, order.id, heard, {name: value for name, value in given.items() if value != ""})


def _error(line: str) -> dict[str, str]:
    """`device: field: what is wrong` as an error of that field."""
    _, _, rest = line.partition(": ")
    field, _, detail = rest.partition(": ")
    return {"field": field, "detail": detail} if detail else {"field": "", "detail": rest or line}
