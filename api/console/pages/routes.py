"""Routes of the console's pages, which NiceGUI renders on the API's app."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from markupsafe import Markup
from nicegui import APIRouter
from starlette.exceptions import HTTPException

from api.auth.access import require
from api.console.embedding import embed
from api.console.page_context import PageContext, page_context_of
from api.console.pages import account as account_page
from api.console.pages import alarms as alarms_page
from api.console.pages import audit as audit_page
from api.console.pages import cameras as cameras_page
from api.console.pages import device as device_page
from api.console.pages import dumping as dumping_page
from api.console.pages import events as events_page
from api.console.pages import listing
from api.console.pages import map as map_page
from api.console.pages import new_devices as new_devices_page
from api.console.pages import people as people_page
from api.console.pages import system as system_page
from api.console.pages import zones as zones_page
from api.console.parts.layout import STATIC, VERSION, render_layout, show
from api.console.parts.markup import link, tag
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
    app.include_router(router)
    app.mount(f"/console/{VERSION}", StaticFiles(directory=STATIC), name="console")
    app.add_api_route("/favicon.ico", _icon, include_in_schema=False)
    embed(app, ICON)


def _icon() -> Response:
    return Response(ICON, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


def _device_or_404(request: Request, device: DeviceId) -> Device:
    # A dependency, because an error inside a page's own function is answered as 500.
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


def _begin(request: Request, key: str, name: str = "") -> PageContext:
    """Start a page: layout and heading."""
    page = page_context_of(request, context_of(request))
    render_layout(page, request, key, f"{page.t(key)} {name}".strip())
    show(_heading(page, key, name))
    return page


def _heading(page: PageContext, key: str, name: str) -> Markup:
    """The heading; that of a device links to its list."""
    if not name:
        return tag("h1", page.t(key), id="content")
    list_ = {"new_devices": "/strangers", "alarms": "/alarms"}.get(key, f"/devices/{key}")
    return tag("h1", link(list_, page.t(key)), " › ", name, id="content")  # noqa: RUF001 - a path


@router.page("/")
def show_map(request: Request) -> None:
    """The map."""
    map_page.build(_begin(request, "map"))


@router.page("/alarms")
def show_alarms(request: Request) -> None:
    """What needs an action now, or the history of alarms."""
    alarms_page.build(_begin(request, "alarms"), request)


@router.page("/alarm/{alarm}")
def show_alarm(request: Request, alarm: Annotated[Alarm, Depends(_alarm_or_404)]) -> None:
    """One alarm with its history."""
    alarms_page.build_one(_begin(request, "alarms", str(alarm.id)), alarm)


@router.page("/events")
async def show_events(request: Request) -> None:
    """Everything that happened."""
    await events_page.build(_begin(request, "event_log"), request)


@router.page("/devices/{kind}")
async def show_list(request: Request, kind: Kind) -> None:
    """The list of devices of a kind."""
    await listing.build(_begin(request, kind), kind, request)


@router.page("/device/{device}")
async def show_device(request: Request, device: Annotated[Device, Depends(_device_or_404)], days: int = 1) -> None:
    """One device, with charts of one or seven days."""
    page = _begin(request, device.KIND, device.id)
    await device_page.build(page, device, days if days in device_page.CHART_RANGES else 1)


@router.page("/dumping")
async def show_dumping(request: Request) -> None:
    """The queue of dumping cases."""
    await dumping_page.build(_begin(request, "dumping"), request)


@router.page("/cameras")
async def show_cameras(request: Request) -> None:
    """Camera quality: false alarms and outages."""
    await cameras_page.build(_begin(request, "cameras"), request)


@router.page("/camera/{camera}/zones")
def show_zones(request: Request, camera: Annotated[Camera, Depends(_camera_or_404)]) -> None:
    """The zone editor of a camera."""
    zones_page.build(_begin(request, "camera", camera.id), camera)


@router.page("/strangers")
async def show_new_devices(request: Request) -> None:
    """The list of unknown devices."""
    await new_devices_page.build_list(_begin(request, "new_devices"))


@router.page("/stranger/{unknown_device}")
def show_new_device(
    request: Request, unknown_device: Annotated[UnknownDevice, Depends(_unknown_device_or_404)]
) -> None:
    """One unknown device, with the adoption form."""
    new_devices_page.build(_begin(request, "new_devices", unknown_device.address), unknown_device)


@router.page("/system")
async def show_system(request: Request) -> None:
    """The state of the platform."""
    await system_page.build(_begin(request, "system"))


@router.page("/account")
def show_account(request: Request) -> None:
    """One's own account."""
    account_page.build(_begin(request, "account"))


@router.page("/people")
def show_people(request: Request) -> None:
    """Accounts, and tokens of services."""
    people_page.build(_begin(request, "people"))


@router.page("/audit")
def show_audit(request: Request) -> None:
    """The audit."""
    audit_page.build(_begin(request, "audit"), request)
