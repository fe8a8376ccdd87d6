"""The console's pages and where they are found; NiceGUI builds them, on the API's own app."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from nicegui import APIRouter, ui
from nicegui import app as nicegui_app
from starlette.routing import Match, Mount
from starlette.types import Scope

from api.access import require
from api.console import (
    cameras_page,
    device_page,
    dumping_page,
    listing,
    map_page,
    strangers_page,
    system_page,
    zones_page,
)
from api.console.frame import STATIC, VERSION, framed, show
from api.console.markup import Markup, link, tag
from api.console.view import View, view_of
from api.routes import DeviceId, context_of, device_of
from api.stranger_routes import StrangerId, stranger_of
from api.zone_routes import camera_of
from broker.contract.topics import Kind
from city.model import Camera, Device
from ingest.store.quarantine import UnknownDevice

RECONNECT_S = 10.0
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#14532d"/>'
    '<path d="M8 11h16l-2 15H10zM7 7h18v3H7zm6-3h6v3h-6z" fill="#fff"/></svg>'
)


router = APIRouter(include_in_schema=False, dependencies=[require("viewer")])


class AssetsMount(Mount):
    """NiceGUI's own app: its assets and its websocket, nothing else; other unknown paths are ours to answer."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match what NiceGUI's pages ask for."""
        if not scope.get("path", "").startswith(("/_nicegui/", "/_nicegui_ws/")):
            return Match.NONE, {}
        return super().matches(scope)


def mount(app: FastAPI) -> None:
    """Add the pages to an app."""
    app.include_router(router)
    app.mount(f"/console/{VERSION}", StaticFiles(directory=STATIC), name="console")
    app.add_api_route("/favicon.ico", _icon, include_in_schema=False)
    # NiceGUI has one app in a process; each of ours completes it anew, also after it has answered for another.
    nicegui_app.middleware_stack = None
    nicegui_app.user_middleware.clear()
    ui.run_with(
        app,
        title="Jaga Kota",
        favicon=ICON,
        language="id",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=RECONNECT_S,
    )
    # It mounts itself on every path that is left, which would answer wrong API paths with a page.
    app.router.routes[-1] = AssetsMount("/", nicegui_app)


def _icon() -> Response:
    return Response(ICON, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


def _known(request: Request, device: DeviceId) -> Device:
    # A dependency, because an error inside a page's own function is answered as 500.
    return device_of(context_of(request), device)


def _known_camera(request: Request, camera: DeviceId) -> Camera:
    return camera_of(context_of(request), camera)


def _known_stranger(request: Request, stranger: StrangerId) -> UnknownDevice:
    return stranger_of(context_of(request), stranger)


def _begin(request: Request, key: str, name: str = "") -> View:
    """Start a page: what all share, and its heading."""
    view = view_of(request, context_of(request))
    framed(view, request, key, f"{view.t(key)} {name}".strip())
    show(_heading(view, key, name))
    return view


def _heading(view: View, key: str, name: str) -> Markup:
    """The heading; a device's leads back to its list."""
    if not name:
        return tag("h1", view.t(key), id="content")
    list_ = "/strangers" if key == "strangers" else f"/devices/{key}"
    return tag("h1", link(list_, view.t(key)), " › ", name, id="content")  # noqa: RUF001 - a path


@router.page("/")
def show_map(request: Request) -> None:
    """The map."""
    map_page.build(_begin(request, "map"))


@router.page("/devices/{kind}")
async def show_list(request: Request, kind: Kind) -> None:
    """Devices of a kind."""
    await listing.build(_begin(request, kind), kind, request)


@router.page("/device/{device}")
async def show_device(request: Request, device: Annotated[Device, Depends(_known)], days: int = 1) -> None:
    """One device, its charts over one or seven days."""
    view = _begin(request, device.KIND, device.id)
    await device_page.build(view, device, days if days in device_page.SPANS else 1)


@router.page("/dumping")
async def show_dumping(request: Request) -> None:
    """The queue of dumping cases."""
    await dumping_page.build(_begin(request, "dumping"), request)


@router.page("/cameras")
async def show_cameras(request: Request) -> None:
    """Which camera lies."""
    await cameras_page.build(_begin(request, "cameras"), request)


@router.page("/camera/{camera}/zones")
def show_zones(request: Request, camera: Annotated[Camera, Depends(_known_camera)]) -> None:
    """The zone editor of a camera."""
    zones_page.build(_begin(request, "camera", camera.id), camera)


@router.page("/strangers")
async def show_strangers(request: Request) -> None:
    """Devices that nobody knows."""
    await strangers_page.build_list(_begin(request, "strangers"))


@router.page("/stranger/{stranger}")
def show_stranger(request: Request, stranger: Annotated[UnknownDevice, Depends(_known_stranger)]) -> None:
    """One of them, to be taken in."""
    strangers_page.build(_begin(request, "strangers", stranger.address), stranger)


@router.page("/system")
async def show_system(request: Request) -> None:
    """How the platform does."""
    await system_page.build(_begin(request, "system"))
