"""Routes of the console's pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from api.auth.access import require
from api.console.answers import PART, answer
from api.console.page_context import page_context_of
from api.console.pages import account as account_page
from api.console.pages import alarms as alarms_page
from api.console.pages import api_docs as api_docs_page
from api.console.pages import audit as audit_page
from api.console.pages import cameras as cameras_page
from api.console.pages import device as device_page
from api.console.pages import dispatch_actions, dispatch_documents, dispatch_routes, listing
from api.console.pages import dumping as dumping_page
from api.console.pages import events as events_page
from api.console.pages import new_devices as new_devices_page
from api.console.pages import people as people_page
from api.console.pages import search as search_page
from api.console.pages import system as system_page
from api.console.pages import zones as zones_page
from api.console.pages.listing import DeviceFilter
from api.console.parts.chart import CHART_RANGES
from api.console.parts.layout import LEAFLET, STATIC, SWAGGER, VERSION
from api.dependencies import DeviceId, RowId, UnknownDeviceId, camera_of, context_of, device_of, unknown_device_of
from broker.contract.topics import Kind
from city.inventory.model import Camera, Device
from dispatch.alarms.errors import AlarmError
from dispatch.alarms.service import Alarm
from ingest.store.parked.quarantine import UnknownDevice

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#14532d"/>'
    '<path d="M8 11h16l-2 15H10zM7 7h18v3H7zm6-3h6v3h-6z" fill="#fff"/></svg>'
)


router = APIRouter(include_in_schema=False, dependencies=[require("telemetry.read")])


def mount(app: FastAPI) -> None:
    """Add the pages to an app."""
    for pages in (router, dispatch_documents.router, dispatch_routes.router, dispatch_actions.router):
        app.include_router(pages)
    for folder, path in (("lib", LEAFLET), ("docs-lib", SWAGGER), ("", STATIC)):
        files = GZipMiddleware(StaticFiles(directory=path))
        app.mount(f"/console/{VERSION}/{folder}".rstrip("/"), files, name=f"console-{folder or 'own'}")
    app.add_api_route("/favicon.ico", _icon, include_in_schema=False)


def _icon() -> Response:
    return Response(ICON, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


def _device_or_404(request: Request, device: DeviceId) -> Device:
    return device_of(context_of(request), device)


def _camera_or_404(request: Request, camera: DeviceId) -> Camera:
    return camera_of(context_of(request), camera)


def _alarm_or_404(request: Request, alarm: RowId) -> Alarm:
    try:
        return context_of(request).alarms.get(alarm)
    except AlarmError as exc:
        raise HTTPException(404, str(exc)) from exc


def _unknown_device_or_404(request: Request, unknown_device: UnknownDeviceId) -> UnknownDevice:
    return unknown_device_of(context_of(request), unknown_device)


@router.get("/alarms")
def show_alarms(request: Request) -> Response:
    """What needs an action now, or the history of alarms."""
    return answer(request, "alarms", lambda page, screen: alarms_page.build(page, screen, request.query_params))


@router.get("/alarm/{alarm}")
def show_alarm(request: Request, alarm: Annotated[Alarm, Depends(_alarm_or_404)]) -> Response:
    """One alarm with its history."""
    return answer(request, "alarms", lambda page, screen: alarms_page.build_one(page, screen, alarm), str(alarm.id))


@router.get("/events")
def show_events(request: Request) -> Response:
    """Everything that happened."""
    return answer(request, "event_log", lambda page, screen: events_page.build(page, screen, request.query_params))


@router.get("/devices/{kind}.csv")
def download_list(request: Request, kind: Kind) -> Response:
    """What the list of a kind shows, as CSV."""
    page = page_context_of(request, context_of(request))
    rows = listing.write_csv(page, kind, DeviceFilter.of(request.query_params))
    headers = {"Content-Disposition": f'attachment; filename="{page.context.city.id}-{kind}.csv"'}
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/search")
def show_search(request: Request, q: str = "") -> Response:
    """What the search found; the page of a device whose name it is."""
    device = search_page.only_match(context_of(request).city, q)
    if device and PART not in request.query_params:
        return RedirectResponse(f"/device/{device}", 303)
    return answer(request, "search_all", lambda page, screen: search_page.build(page, screen, request.query_params))


@router.get("/devices/{kind}")
def show_list(request: Request, kind: Kind) -> Response:
    """The list of devices of a kind."""
    return answer(request, kind, lambda page, screen: listing.build(page, screen, kind, request.query_params))


@router.get("/device/{device}")
def show_device(request: Request, device: Annotated[Device, Depends(_device_or_404)], days: int = 1) -> Response:
    """One device, with charts of one or seven days."""
    days = days if days in CHART_RANGES else 1
    return answer(request, device.KIND, lambda page, screen: device_page.build(page, screen, device, days), device.id)


@router.get("/dumping")
def show_dumping(request: Request) -> Response:
    """The queue of dumping cases."""
    return answer(request, "dumping", lambda page, screen: dumping_page.build(page, screen, request.query_params))


@router.get("/cameras")
def show_cameras(request: Request) -> Response:
    """Camera quality: false alarms and outages."""
    return answer(request, "cameras", lambda page, screen: cameras_page.build(page, screen, request.query_params))


@router.get("/camera/{camera}/zones")
def show_zones(request: Request, camera: Annotated[Camera, Depends(_camera_or_404)]) -> Response:
    """The zone editor of a camera."""
    return answer(request, "camera", lambda page, screen: zones_page.build(page, screen, camera), camera.id)


@router.get("/strangers")
def show_new_devices(request: Request) -> Response:
    """The list of unknown devices."""
    return answer(request, "new_devices", new_devices_page.build_list)


@router.get("/stranger/{unknown_device}")
def show_new_device(
    request: Request, unknown_device: Annotated[UnknownDevice, Depends(_unknown_device_or_404)]
) -> Response:
    """One unknown device, with the adoption form."""
    name = unknown_device.address
    return answer(
        request, "new_devices", lambda page, screen: new_devices_page.build(page, screen, unknown_device), name
    )


@router.get("/system")
def show_system(request: Request) -> Response:
    """The state of the platform."""
    return answer(request, "system", system_page.build)


@router.get("/api-docs")
def show_api_docs(request: Request) -> Response:
    """The interactive description of the API."""
    return answer(request, "api_docs", api_docs_page.build)


@router.get("/account")
def show_account(request: Request) -> Response:
    """One's own account."""
    return answer(request, "account", account_page.build)


@router.get("/people")
def show_people(request: Request) -> Response:
    """Accounts, and tokens of services."""
    return answer(request, "people", people_page.build)


@router.get("/audit")
def show_audit(request: Request) -> Response:
    """The audit."""
    return answer(request, "audit", lambda page, screen: audit_page.build(page, screen, request.query_params))
