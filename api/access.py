"""Who may do what: a token or a session gives a role, every route asks for one; a demo on loopback needs none."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.params import Depends
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.context import ApiContext
from api.problems import problem
from city.secrets import ROLES, Role

COOKIE: Final = "kota_session"
PUBLIC_PATHS: Final = ("/healthz", "/readyz", "/login", "/_nicegui/", "/favicon.ico")
"""What anybody may ask for: signs of life, the way in, and assets without data."""
_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-real-ip")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # NiceGUI builds its pages with inline scripts and compiles templates in the browser.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob: https://tile.openstreetmap.org; connect-src 'self' ws: wss:; "
        "frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'"
    ),
    "X-Frame-Options": "DENY",
}


def role_of(connection: HTTPConnection, context: ApiContext) -> Role | None:
    """The role of a request or websocket: its bearer token's, its session's, or a demo's on this very machine."""
    authorization = connection.headers.get("authorization", "")
    if authorization:
        scheme, _, token = authorization.partition(" ")
        return context.secrets.role_of(token.strip()) if scheme.lower() == "bearer" else None
    session = connection.cookies.get(COOKIE)
    if session and (role := context.secrets.role_of(session)):
        return role
    return "operator" if context.demo and _is_local(connection) else None


def _is_local(connection: HTTPConnection) -> bool:
    """Whether both ends are this machine: no proxy in between, and no foreign name that resolves to loopback."""
    if any(header in connection.headers for header in _PROXY_HEADERS) or connection.client is None:
        return False
    host = urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    return _is_loopback(connection.client.host) and (host == "localhost" or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class RoleDependency(Depends):
    """A route's demand for a role; a test walks the routes and looks for these."""


def require(role: Role) -> Depends:
    """The dependency of a route that needs at least `role`."""

    def check(request: Request) -> Role:
        found = role_of(request, request.app.state.context)
        if found is None:
            raise HTTPException(401, "sign in with a token", {"WWW-Authenticate": "Bearer"})
        if ROLES.index(found) < ROLES.index(role):
            raise HTTPException(403, f"this needs the role {role}, not {found}")
        if request.method not in _SAFE_METHODS and not _same_origin(request):
            raise HTTPException(403, "this request comes from another site")
        return found

    return RoleDependency(check)


def _same_origin(request: Request) -> bool:
    """Whether a browser sent this from one of our own pages; programs send no Origin and need a token anyway."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


class Guard:
    """Everything that is no API route, pages and their websocket included, needs at least a viewer."""

    def __init__(self, app: ASGIApp, context: ApiContext) -> None:
        """Stand before an app."""
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, redirect to the sign-in page, or refuse."""
        if scope["type"] not in ("http", "websocket") or self._may_pass(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["path"].startswith("/_") or scope["method"] not in _SAFE_METHODS:
            await problem(401, "sign in first")(scope, receive, send)
        else:
            await RedirectResponse("/login", 303)(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        path: str = scope["path"]
        # API routes answer for themselves, with 401 or 403 instead of a page.
        if path.startswith(("/api/", *PUBLIC_PATHS)) or path == "/metrics":
            return True
        return role_of(HTTPConnection(scope), self._context) is not None


def install(app: FastAPI, context: ApiContext) -> None:
    """Guard an app and add the headers that every answer carries."""

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.url.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    app.add_middleware(Guard, context=context)
