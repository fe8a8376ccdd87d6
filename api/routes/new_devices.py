"""REST of unknown devices: list, preview with a profile, adoption, and ignoring."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
import structlog
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.auth.access import require, role_of
from api.context import ApiContext
from api.http.problems import problem
from api.routes.readings import NUMBER_MAX, context_of
from broker.contract.topics import ID_PATTERN, Kind
from city.errors import ConfigError
from city.inventory.adoption import Adoption, adopt, adoption_of
from city.inventory.problems import InventoryError
from city.inventory.profiles import is_match, suggest
from ingest.store.parked.quarantine import UnknownDevice

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1", tags=["new devices"])

PAYLOAD_SHOWN: Final = 4_000
_MESSAGES_SHOWN: Final = 5
UnknownDeviceId = Annotated[int, Path(ge=1, le=NUMBER_MAX)]


class AdoptRequest(BaseModel):
    """The adoption of an unknown device: its new id, its profile, and the other columns of its inventory row.

    With the id of an existing device only `id` and `profile` are used.
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


def unknown_device_of(context: ApiContext, number: int) -> UnknownDevice:
    """An unknown device; 404 if there is none."""
    found = context.quarantine.get(number)
    if found is None:
        raise HTTPException(404, f"there is no unknown device {number}; it may have been adopted")
    return found


def unknown_device_response(context: ApiContext, device: UnknownDevice) -> dict[str, Any]:
    """An unknown device as JSON, with its possible profiles; those that match its model come first."""
    fitting = suggest(context.city.profiles.values(), device.adapter, device.model)
    fields = msgspec.to_builtins(device)
    return {
        **fields,
        "profiles": [{"id": profile.id, "name": profile.name, "kind": profile.kind} for profile in fitting],
    }


def suggested_profile(context: ApiContext, device: UnknownDevice) -> str:
    """The id of the profile that matches the device's model, or of the only possible one; empty if neither exists."""
    fitting = suggest(context.city.profiles.values(), device.adapter, device.model)
    matching = [profile for profile in fitting if is_match(profile, device.model)]
    chosen = matching[:1] or (fitting if len(fitting) == 1 else [])
    return chosen[0].id if chosen else ""


@router.get("/profiles", dependencies=[require("viewer")])
def list_profiles(request: Request, kind: Kind | None = None) -> list[dict[str, Any]]:
    """Device profiles: the supported third-party models."""
    profiles = sorted(context_of(request).city.profiles.values(), key=lambda profile: profile.id)
    return [
        {
            "id": profile.id,
            "name": profile.name,
            "kind": profile.kind,
            "adapters": profile.adapters,
            "fields": sorted(profile.fields),
        }
        for profile in profiles
        if kind in (None, profile.kind)
    ]


@router.get("/strangers", dependencies=[require("viewer")])
def list_unknown_devices(request: Request) -> dict[str, Any]:
    """Unknown devices, newest first, including ignored ones."""
    context = context_of(request)
    found = context.quarantine.find(state=None)
    waiting = sum(device.state == "waiting" for device in found)
    return {"waiting": waiting, "unknown_devices": [unknown_device_response(context, device) for device in found]}


@router.get("/strangers/{unknown_device}", dependencies=[require("operator")])
def show_unknown_device(request: Request, unknown_device: UnknownDeviceId) -> dict[str, Any]:
    """One unknown device with its newest messages."""
    context = context_of(request)
    device = unknown_device_of(context, unknown_device)
    newest = context.quarantine.messages_of(unknown_device)[-_MESSAGES_SHOWN:]
    messages = [
        {
            "topic": message.topic,
            "received_at": message.received_at,
            "payload": message.payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace"),
            "bytes": len(message.payload),
        }
        for message in reversed(newest)
    ]
    return {**unknown_device_response(context, device), "newest": messages}


@router.get("/strangers/{unknown_device}/preview", dependencies=[require("operator")])
def preview_unknown_device(
    request: Request,
    unknown_device: UnknownDeviceId,
    profile: Annotated[str, Query(max_length=64)],
    container: Annotated[str, Query(max_length=64, description="A container model, for the fill level.")] = "",
) -> dict[str, Any]:
    """The records that a profile would store from the device's newest message."""
    context = context_of(request)
    unknown_device_of(context, unknown_device)
    messages = context.quarantine.messages_of(unknown_device)
    if not messages:
        raise HTTPException(404, "no message of this device is kept")
    try:
        found: dict[str, Any] = msgspec.to_builtins(context.preview(profile, messages[-1], container))
    except ConfigError as exc:
        raise HTTPException(422, str(exc)) from exc
    return found


@router.post("/strangers/{unknown_device}/adopt", dependencies=[require("operator")], response_model=None)
def adopt_unknown_device(
    request: Request, unknown_device: UnknownDeviceId, body: AdoptRequest
) -> dict[str, Any] | Response:
    """Adopt an unknown device; ingest stores its waiting messages within seconds. Errors are listed with 422."""
    context = context_of(request)
    device = unknown_device_of(context, unknown_device)
    try:
        adopted = adopt(context.data, context.city, _adoption(context, device, body))
    except InventoryError as exc:
        errors = [{"field": mistake.field, "detail": mistake.message} for mistake in exc.problems]
        return problem(422, "; ".join(error["detail"] for error in errors), errors=errors)
    except ConfigError as exc:
        log.error("unknown_device.refused", device=body.id, reason=str(exc))
        raise HTTPException(503, "the disk refuses; nothing was changed", {"Retry-After": "60"}) from exc
    log.info("unknown_device.adopted", device=adopted.id, adapter=device.adapter, role=role_of(request, context))
    return {"device": adopted.id, "kind": adopted.KIND, "waiting": device.messages - device.dropped}


@router.post("/strangers/{unknown_device}/ignore", dependencies=[require("operator")])
def ignore_unknown_device(request: Request, unknown_device: UnknownDeviceId) -> dict[str, str]:
    """Ignore a device, such as a neighbour's: its messages are deleted, and new ones are not kept."""
    return _mark(request, unknown_device, ignore=True)


@router.post("/strangers/{unknown_device}/notice", dependencies=[require("operator")])
def unignore_unknown_device(request: Request, unknown_device: UnknownDeviceId) -> dict[str, str]:
    """Keep the messages of an ignored device again."""
    return _mark(request, unknown_device, ignore=False)


def _mark(request: Request, unknown_device: int, *, ignore: bool) -> dict[str, str]:
    context = context_of(request)
    device = unknown_device_of(context, unknown_device)
    context.quarantine.mark(unknown_device, "ignored" if ignore else "waiting")
    log.info("unknown_device.marked", adapter=device.adapter, ignored=ignore, role=role_of(request, context))
    return {"state": "ignored" if ignore else "waiting"}


def _adoption(context: ApiContext, device: UnknownDevice, body: AdoptRequest) -> Adoption:
    reach = {"adapter": device.adapter, "address": device.address, "profile": body.profile}
    is_there = body.id in context.city.devices
    given = {} if is_there else body.model_dump(exclude={"id", "profile"}, exclude_none=True)
    return adoption_of(context.city, body.id, reach, {name: value for name, value in given.items() if value != ""})
