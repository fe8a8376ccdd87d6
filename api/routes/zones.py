"""REST of camera zones: the zone plan, the still image to draw on, and suggested ignore zones."""

from __future__ import annotations

import threading
from typing import Annotated, Final

import msgspec
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from msgspec import Meta
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.auth.access import audit_action, require, require_area
from api.context import ApiContext
from api.dependencies import DeviceId, camera_of, context_of, place_of_camera
from api.http.description import problems, stored_file_answer
from api.http.problems import FieldErrorResponse, problem
from api.http.routing import ApiRoute
from api.queries.cases import cases
from api.queries.suggestions import LOOK_BACK, Suggestion, suggest_ignores
from city.errors import StorageError
from city.inventory.model import Camera
from city.inventory.polygons import Polygon
from city.inventory.zone_plans import ZonePlanFile, plan_path, plan_version, save_plan, still_path
from city.inventory.zones import Zone, ZoneFault, ZoneKind, ZonePlan, faults_of

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1/cameras", tags=["cameras"], responses=problems(404), route_class=ApiRoute)

POINTS_MAX: Final = 1_000
_STILL_MEDIA: Final = "image/jpeg"
_saving = threading.Lock()


class ZoneRequest(BaseModel):
    """A zone of the picture."""

    kind: ZoneKind
    name: str = Field(max_length=200)
    polygon: list[tuple[float, float]] = Field(max_length=POINTS_MAX, description="Points x, y in 0..1 from top left.")


class ZonePlanRequest(BaseModel):
    """A zone plan. `version`: the version that was edited; empty if there was no drawn plan."""

    zones: list[ZoneRequest] = Field(max_length=200)
    person_height: list[tuple[float, float]] = Field(
        [], max_length=2, description="Row of the feet and height of two persons, 0 to 1 of the picture's height."
    )
    version: Annotated[str, Field(max_length=64)] = ""


class ZoneResponse(msgspec.Struct, frozen=True):
    """A zone of the picture."""

    kind: ZoneKind
    name: str
    polygon: Polygon


class ZonePlanResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The zone plan in force of a camera, with suggested ignore zones.

    `drawn`: whether it was drawn here, `version` is its version then. `still`: whether there is an image to draw on.
    """

    zones: tuple[ZoneResponse, ...]
    person_height: Annotated[
        tuple[tuple[float, float], ...],
        Meta(
            description="Nothing, or of two persons the row of the feet and the height, 0 to 1 of the picture's height."
        ),
    ]
    camera: str
    drawn: bool
    version: str
    still: bool
    suggestions: list[Suggestion]


def plan_in_force(context: ApiContext, camera: Camera) -> ZonePlan:
    """The plan in force: the drawn one, else that of the inventory."""
    return ZonePlanFile(context.data, camera.id, camera.plan).current()


def plan_response(context: ApiContext, camera: Camera) -> ZonePlanResponse:
    """The zone plan of a camera, with suggestions from the rejected cases of 60 days."""
    plan = plan_in_force(context, camera)
    recent = cases(context, start=context.clock() - LOOK_BACK)
    suggestions = suggest_ignores([case for case in recent if case.camera == camera.id], plan.zones)
    return ZonePlanResponse(
        zones=tuple(ZoneResponse(zone.kind, zone.name, zone.polygon) for zone in plan.zones),
        person_height=plan.person_height,
        camera=camera.id,
        drawn=plan_path(context.data, camera.id).is_file(),
        version=plan_version(context.data, camera.id),
        still=still_path(context.data, camera.id).is_file(),
        suggestions=suggestions,
    )


def _camera_in_area(request: Request, camera: str) -> Camera:
    """A camera; 404 if there is none, 403 if it is outside of the areas of whoever asks."""
    context = context_of(request)
    known_camera = camera_of(context, camera)
    require_area(request, place_of_camera(context, known_camera))
    return known_camera


@router.get("/{camera}/zones", dependencies=[require("zones.write")], responses=problems(503))
def show_zones(request: Request, camera: DeviceId) -> ZonePlanResponse:
    """The zone plan in force, with suggested ignore zones."""
    context = context_of(request)
    return plan_response(context, _camera_in_area(request, camera))


@router.put("/{camera}/zones", dependencies=[require("zones.write")], responses=problems(409, 503))
def save_zones(request: Request, camera: DeviceId, body: ZonePlanRequest) -> ZonePlanResponse | Response:
    """Save a zone plan, which the camera worker applies from its next picture. Faults are listed with 422."""
    context = context_of(request)
    known_camera = _camera_in_area(request, camera)
    zones = tuple(Zone(zone.kind, zone.name.strip(), tuple(zone.polygon)) for zone in body.zones)
    plan = ZonePlan(zones, tuple(body.person_height))
    if faults := faults_of(plan):
        return problem(422, "; ".join(map(_fault_text, faults)), errors=[_error(fault) for fault in faults])
    with _saving:
        if body.version != plan_version(context.data, camera):
            raise HTTPException(409, "somebody else has drawn meanwhile; load the zones again")
        try:
            save_plan(context.data, camera, plan)
        except StorageError as exc:
            log.error("zones.refused", camera=camera, reason=str(exc))
            raise HTTPException(503, "the disk refuses; nothing was changed", {"Retry-After": "60"}) from exc
    audit_action(request, "zones.write", camera, zones=len(zones))
    return plan_response(context, known_camera)


@router.get(
    "/{camera}/still",
    dependencies=[require("zones.write")],
    response_class=FileResponse,
    responses=stored_file_answer("The background image, without people.", _STILL_MEDIA),
)
def show_still(request: Request, camera: DeviceId) -> FileResponse:
    """The camera's background image without people, privacy masks black; at most minutes old while it watches."""
    context = context_of(request)
    path = still_path(context.data, _camera_in_area(request, camera).id)
    if not path.is_file():
        raise HTTPException(404, f"camera {camera!r} has saved no still yet")
    return FileResponse(path, media_type=_STILL_MEDIA)


def _fault_text(fault: ZoneFault) -> str:
    return fault.detail if fault.zone is None else f"zones.{fault.zone}: {fault.detail}"


def _error(fault: ZoneFault) -> FieldErrorResponse:
    field = "person_height" if fault.code.startswith("person") else "zones"
    path = field if fault.zone is None else f"zones.{fault.zone}"
    return FieldErrorResponse(path, fault.detail, zone=fault.zone, code=fault.code)
