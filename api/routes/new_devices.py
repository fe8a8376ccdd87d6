"""REST of unknown devices: list, preview with a profile, adoption, and ignoring."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from msgspec import Meta
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.auth.access import audit_action, require
from api.context import ApiContext
from api.dependencies import UnknownDeviceId, context_of, unknown_device_of
from api.http.description import problems
from api.http.problems import FieldErrorResponse, problem
from api.http.routing import ApiRoute
from api.queries.unknown_devices import PAYLOAD_SHOWN
from broker.contract.topics import ID_PATTERN, Kind
from city.errors import ConfigError, StorageError
from city.inventory.adoption import Adoption, adopt, adoption_of
from city.inventory.problems import InventoryError
from city.inventory.profiles import suggest
from ingest.decoding.dry_run import DryRunResult
from ingest.store.parked.quarantine import UnknownDevice, UnknownDeviceState

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1", tags=["new devices"], route_class=ApiRoute)

_MESSAGES_SHOWN: Final = 5


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


class PossibleProfileResponse(msgspec.Struct, frozen=True):
    """A profile that an unknown device may have."""

    id: str
    name: str
    kind: Kind


class ProfileResponse(PossibleProfileResponse, frozen=True):
    """A device profile: a supported third-party model."""

    adapters: Annotated[tuple[str, ...], Meta(description="Formats by which its messages come.")]
    fields: Annotated[list[str], Meta(description="Fields of the contract that it gives.")]


class UnknownDeviceResponse(UnknownDevice, frozen=True, kw_only=True):
    """An unknown device with its possible profiles; those that match its model come first."""

    profiles: list[PossibleProfileResponse]


class UnknownDevicesResponse(msgspec.Struct, frozen=True):
    """Unknown devices, newest first; `waiting` of them are not ignored."""

    waiting: int
    unknown_devices: list[UnknownDeviceResponse]


class UnknownMessageResponse(msgspec.Struct, frozen=True):
    """A message of an unknown device."""

    topic: str
    received_at: datetime
    payload: Annotated[str, Meta(description=f"Its first {PAYLOAD_SHOWN} bytes as text.")]
    bytes: Annotated[int, Meta(description="Size of the payload. Unit: B.")]


class UnknownDeviceMessagesResponse(UnknownDeviceResponse, frozen=True, kw_only=True):
    """An unknown device with its newest messages, newest first."""

    newest: list[UnknownMessageResponse]


class AdoptedResponse(msgspec.Struct, frozen=True):
    """The device is in the inventory; `waiting` of its messages are stored next."""

    device: str
    kind: Kind
    waiting: int


class MarkedResponse(msgspec.Struct, frozen=True):
    """The new state of an unknown device."""

    state: UnknownDeviceState


def _profiles(context: ApiContext, device: UnknownDevice) -> list[PossibleProfileResponse]:
    fitting = suggest(context.city.profiles.values(), device.adapter, device.model)
    return [PossibleProfileResponse(profile.id, profile.name, profile.kind) for profile in fitting]


def unknown_device_response(context: ApiContext, device: UnknownDevice) -> UnknownDeviceResponse:
    """An unknown device with its possible profiles."""
    return UnknownDeviceResponse(**msgspec.structs.asdict(device), profiles=_profiles(context, device))


@router.get("/profiles", dependencies=[require("telemetry.read")])
def list_profiles(request: Request, kind: Kind | None = None) -> list[ProfileResponse]:
    """Device profiles: the supported third-party models."""
    profiles = sorted(context_of(request).city.profiles.values(), key=lambda profile: profile.id)
    return [
        ProfileResponse(profile.id, profile.name, profile.kind, profile.adapters, sorted(profile.fields))
        for profile in profiles
        if kind in (None, profile.kind)
    ]


@router.get("/strangers", dependencies=[require("telemetry.read")], responses=problems(503))
def list_unknown_devices(request: Request) -> UnknownDevicesResponse:
    """Unknown devices, newest first, including ignored ones."""
    context = context_of(request)
    devices = context.quarantine.find(state=None)
    waiting = sum(device.state == "waiting" for device in devices)
    return UnknownDevicesResponse(waiting, [unknown_device_response(context, device) for device in devices])


@router.get("/strangers/{unknown_device}", dependencies=[require("devices.write")], responses=problems(404, 503))
def show_unknown_device(request: Request, unknown_device: UnknownDeviceId) -> UnknownDeviceMessagesResponse:
    """One unknown device with its newest messages."""
    context = context_of(request)
    device = unknown_device_of(context, unknown_device)
    newest = context.quarantine.messages_of(unknown_device)[-_MESSAGES_SHOWN:]
    messages = [
        UnknownMessageResponse(
            message.topic,
            message.received_at,
            message.payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace"),
            len(message.payload),
        )
        for message in reversed(newest)
    ]
    fields = msgspec.structs.asdict(device)
    return UnknownDeviceMessagesResponse(**fields, profiles=_profiles(context, device), newest=messages)


@router.get(
    "/strangers/{unknown_device}/preview", dependencies=[require("devices.write")], responses=problems(404, 503)
)
def preview_unknown_device(
    request: Request,
    unknown_device: UnknownDeviceId,
    profile: Annotated[str, Query(max_length=64)],
    container: Annotated[str, Query(max_length=64, description="A container model, for the fill level.")] = "",
) -> DryRunResult:
    """The records that a profile would store from the device's newest message."""
    context = context_of(request)
    unknown_device_of(context, unknown_device)
    messages = context.quarantine.messages_of(unknown_device)
    if not messages:
        raise HTTPException(404, "no message of this device is kept")
    try:
        return context.preview(profile, messages[-1], container)
    except ConfigError as exc:
        raise HTTPException(422, str(exc)) from exc


@router.post("/strangers/{unknown_device}/adopt", dependencies=[require("devices.write")], responses=problems(404, 503))
def adopt_unknown_device(
    request: Request, unknown_device: UnknownDeviceId, body: AdoptRequest
) -> AdoptedResponse | Response:
    """Adopt an unknown device; ingest stores its waiting messages within seconds. Errors are listed with 422."""
    context = context_of(request)
    device = unknown_device_of(context, unknown_device)
    try:
        adopted = adopt(context.data, context.city, _adoption(context, device, body))
    except InventoryError as exc:
        errors = [FieldErrorResponse(mistake.field, mistake.message) for mistake in exc.problems]
        return problem(422, "; ".join(error.detail for error in errors), errors=errors)
    except StorageError as exc:
        log.error("unknown_device.refused", device=body.id, reason=str(exc))
        raise HTTPException(503, "the disk refuses; nothing was changed", {"Retry-After": "60"}) from exc
    audit_action(request, "device.adopt", adopted.id, adapter=device.adapter)
    return AdoptedResponse(adopted.id, adopted.KIND, device.messages - device.dropped)


@router.post(
    "/strangers/{unknown_device}/ignore", dependencies=[require("devices.write")], responses=problems(404, 503)
)
def ignore_unknown_device(request: Request, unknown_device: UnknownDeviceId) -> MarkedResponse:
    """Ignore a device, such as a neighbour's: its messages are deleted, and new ones are not kept."""
    return _mark(request, unknown_device, ignore=True)


@router.post(
    "/strangers/{unknown_device}/notice", dependencies=[require("devices.write")], responses=problems(404, 503)
)
def unignore_unknown_device(request: Request, unknown_device: UnknownDeviceId) -> MarkedResponse:
    """Keep the messages of an ignored device again."""
    return _mark(request, unknown_device, ignore=False)


def _mark(request: Request, unknown_device: int, *, ignore: bool) -> MarkedResponse:
    context = context_of(request)
    device = unknown_device_of(context, unknown_device)
    context.quarantine.mark(unknown_device, "ignored" if ignore else "waiting")
    audit_action(request, "device.ignore" if ignore else "device.notice", f"{unknown_device}", adapter=device.adapter)
    return MarkedResponse("ignored" if ignore else "waiting")


def _adoption(context: ApiContext, device: UnknownDevice, body: AdoptRequest) -> Adoption:
    reach = {"adapter": device.adapter, "address": device.inventory_address(), "profile": body.profile}
    is_there = body.id in context.city.devices
    given = {} if is_there else body.model_dump(exclude={"id", "profile"}, exclude_none=True)
    return adoption_of(context.city, body.id, reach, {name: value for name, value in given.items() if value != ""})
