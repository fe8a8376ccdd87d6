"""Who may do what: a token or a session gives a role, every route asks for one; a demo on loopback needs none."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.params import Depends
from fastapi.responses import RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import ApiContext
from api.problems import API_PATHS, problem
from api.session import COOKIE, role_of_session
from city.secrets import ROLES, Role

PUBLIC_PATHS: Final = ("/healthz", "/readyz", "/login", "/logout", "/_nicegui/", "/favicon.ico")
"""What anybody may ask for: signs of life, the way in, and assets without data."""
_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-real-ip")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
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
    if session and (role := role_of_session(context.secrets, session, context.clock())):
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
        if request.method not in _SAFE_METHODS and not same_origin(request):
            raise HTTPException(403, "this request comes from another site")
        return found

    return RoleDependency(check)


def same_origin(connection: HTTPConnection) -> bool:
    """Whether one of our own pages sent this, or a program that has a token: no page of another site can know one."""
    if "authorization" in connection.headers:
        return True
    origin = connection.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == connection.headers.get("host")


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
            # An answer before the handshake, which the server turns into 403.
            await send({"type": "websocket.close", "code": 1008})
        elif scope["path"].startswith("/_") or scope["method"] not in _SAFE_METHODS:
            await problem(401, "sign in first")(scope, receive, send)
        else:
            await RedirectResponse("/login", 303)(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        path: str = scope["path"]
        # API routes answer for themselves, with 401 or 403 instead of a page.
        if path.startswith((*API_PATHS, *PUBLIC_PATHS)) or path == "/metrics":
            return True
        connection = HTTPConnection(scope)
        if role_of(connection, self._context) is None:
            return False
        # A page of another site may open a websocket to us, or post to it: browsers only tell where it comes from.
        return not _writes(scope) or same_origin(connection)


def _writes(scope: Scope) -> bool:
    return scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS


class Headers:
    """Adds the headers that every answer carries, redirects and refusals included."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before everything else."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and complete the head of the answer."""

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(API_PATHS):
                    headers.setdefault("Cache-Control", "no-store")
                elif scope["path"].startswith("/console/") and message["status"] == HTTPStatus.OK:
                    # Their address changes with them.
                    headers.setdefault("Cache-Control", "private, max-age=31536000, immutable")
            await send(message)

        await self._app(scope, receive, complete if scope["type"] == "http" else send)


def install(app: FastAPI, context: ApiContext) -> None:
    """Guard an app and add the headers that every answer carries."""
    app.add_middleware(Guard, context=context)
    app.add_middleware(Headers)
