"""Middleware in front of every route and page.

request -> `SecurityHeadersMiddleware` (headers of every response)
-> `OriginCheckMiddleware` (malformed headers, other sites, remote access to a demo)
-> `AuthMiddleware` (pages need a session) -> `BodyLimitMiddleware` (rights before the body, and its size) -> routes
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth.access import SAFE_METHODS, check_rights, client_key, each_route, identity_of, same_origin
from api.context import ApiContext
from api.http.connections import DRAINED_MAX_BYTES
from api.http.hosts import parse_authority, parse_origin
from api.http.limiter import ConcurrencyLimiter, TooManyError
from api.http.problems import API_PATHS, on_http, problem, refusal_page
from api.http.templating import STYLE_HASHES
from city.errors import RetryLaterError
from city.runtime.ports import is_loopback

log = structlog.get_logger("api")

HEALTH_PATHS: Final = ("/healthz", "/readyz")
"""Health checks, which disclose nothing else; a container's monitor may use any host name and address."""
KEYS_PATH: Final = "/.well-known/jwks.json"
PUBLIC_PATHS: Final = (*HEALTH_PATHS, "/login", "/login/", "/logout", "/link", "/favicon.ico", KEYS_PATH)
"""Public paths: health checks, sign-in, assets without data, and public keys."""
CREW_PATH: Final = "/crew"
"""The crew's app, whose files hold no data, and whose own routes ask for a session of a shift."""
CROSS_ORIGIN_PATH: Final = "/api/v1/map/places.geojson"
"""Loaded by Grafana's maps from another origin."""
BODY_MAX_BYTES: Final = 1_000_000
FORM_MAX_BYTES: Final = 4_096
LARGE_BODIES_EACH: Final = 2
LARGE_BODIES_MAX: Final = 4
"""Bodies above `BODY_MAX_BYTES` in memory at once, of one account and of all."""
PASSKEY_MAX_BYTES: Final = 32_768
"""What a browser returns of a passkey has 1 KiB, with the certificate of an authenticator 4 KiB."""
EVENTS_MAX_BYTES: Final = 262_144
"""A hundred events of a crew's phone, each with as much detail as is kept."""
_BODY_LIMITS: Final = {
    "/login/passkey": PASSKEY_MAX_BYTES,
    "/api/v1/me/passkeys": PASSKEY_MAX_BYTES,
    "/login": FORM_MAX_BYTES,
    "/logout": FORM_MAX_BYTES,
    "/crew/api/sign-in": FORM_MAX_BYTES,
    "/crew/api/events": EVENTS_MAX_BYTES,
    "/link": FORM_MAX_BYTES,
}
_PROXY_HEADERS: Final = (
    *("forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "fastly-client-ip"),
    "x-original-host",
)
_PROXY_PREFIXES: Final = ("x-forwarded", "cf-", "x-envoy-", "x-amzn-", "x-azure-")

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The pages of sign-in and errors, which stand alone, have their style within them.
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'self'; style-src 'self' {' '.join(STYLE_HASHES)}; "
        "img-src 'self' data: blob: https://tile.openstreetmap.org; media-src 'self' blob:; connect-src 'self'; "
        "worker-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
    ),
    "X-Frame-Options": "DENY",
}


class SecurityHeadersMiddleware:
    """Adds security and caching headers to every response, including redirects and refusals."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request and add headers to the response."""
        is_body_left = scope["type"] == "http" and _is_long(scope)

        async def receive_and_track() -> Message:
            nonlocal is_body_left
            message = await receive()
            if not message.get("more_body", False):
                is_body_left = False
            return message

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if is_body_left:
                    # Nobody will read the rest of it (`api.http.connections`), so whoever sends it is told.
                    headers["Connection"] = "close"
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(API_PATHS):
                    headers.setdefault("Cache-Control", "no-store")
                elif scope["path"].startswith("/console/") and message["status"] == HTTPStatus.OK:
                    # Their address changes with them.
                    headers.setdefault("Cache-Control", "private, max-age=31536000, immutable")
            await send(message)

        if scope["type"] == "http":
            await self._app(scope, receive_and_track, complete)
        else:
            await self._app(scope, receive, send)


class OriginCheckMiddleware:
    """Refuses malformed headers and requests from pages of other sites; in an open demo, also from other machines."""

    def __init__(self, app: ASGIApp, context: ApiContext) -> None:
        self._app = app
        self._context = context
        self._has_warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse the request."""
        if scope["type"] == "websocket":
            # There are none here. An answer before the handshake, which the server turns into 403.
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._refusal(HTTPConnection(scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, connection: HTTPConnection) -> Response | None:
        if wrong := _find_malformed_part(connection):
            return problem(400, wrong)
        path = connection.scope["path"]
        if path in HEALTH_PATHS:
            return None
        if self._context.is_open and (why := _not_local(connection)):
            return self._demo_refusal(connection, why)
        is_public_data = path == CROSS_ORIGIN_PATH and connection.scope.get("method") in SAFE_METHODS
        if not is_public_data and _is_of_another_site(connection, is_open=self._context.is_open):
            return problem(403, "this request comes from another site")
        return None

    def _demo_refusal(self, connection: HTTPConnection, why: str) -> Response:
        if not self._has_warned:
            self._has_warned = True
            log.warning("api.demo_refused", reason=why, hint="start with --no-demo to serve other machines")
        return refusal_page(connection, why)


def _find_malformed_part(connection: HTTPConnection) -> str:
    """Why the path, `Host` or `Origin` of a request is malformed; empty if they are not."""
    path: str = connection.scope["path"]
    if not path.startswith("/") or any(ord(char) < ord(" ") or char == "\x7f" for char in path):
        return "the path is malformed"
    hosts, origins = connection.headers.getlist("host"), connection.headers.getlist("origin")
    # HTTP/1.0 may leave the host out; the server refuses HTTP/1.1 without one.
    if len(hosts) > 1 or any(parse_authority(host) is None for host in hosts):
        return "the header Host is malformed"
    if len(origins) > 1 or any(parse_origin(origin) is None for origin in origins):
        return "the header Origin is malformed"
    return ""


def _not_local(connection: HTTPConnection) -> str:
    """Why a request does not come from this machine; empty if it does."""
    for name in connection.headers:
        if name in _PROXY_HEADERS or name.startswith(_PROXY_PREFIXES):
            return f"a proxy stands before it (header {name})"
    if connection.client is None or not is_loopback(connection.client.host):
        return "the request comes from another machine"
    server = connection.scope.get("server")
    if server is None or not is_loopback(server[0]):
        return "the request came to an address that is not loopback"
    host = parse_authority(connection.headers.get("host", ""))
    if host is None or not is_loopback(host.host):
        return "the header Host is not a loopback name"
    return ""


def _is_of_another_site(connection: HTTPConnection, *, is_open: bool) -> bool:
    """Whether a page of another site sent the request, according to the browser's headers."""
    if "origin" in connection.headers and not same_origin(connection):
        return True
    # Pictures and scripts are fetched without an origin. Where nobody signs in, no cookie keeps other sites out.
    fetched = connection.headers.get("sec-fetch-site") == "cross-site"
    return is_open and fetched and connection.headers.get("sec-fetch-mode") != "navigate"


class AuthMiddleware:
    """Requires a session or token for pages. API routes check rights themselves."""

    def __init__(self, app: ASGIApp, context: ApiContext) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, redirect it to the sign-in page, or refuse it."""
        if scope["type"] != "http" or _answers_itself(scope):
            await self._app(scope, receive, send)
            return
        try:
            may_pass = await asyncio.to_thread(self._may_pass, scope)
        except RetryLaterError as exc:
            await _accounts_away(exc)(scope, receive, send)
            return
        if may_pass:
            await self._app(scope, receive, send)
        elif scope["method"] not in SAFE_METHODS:
            await problem(401, "sign in first")(scope, receive, send)
        else:
            await RedirectResponse("/login", 303)(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        """Whether a request may go on; asks the database."""
        connection = HTTPConnection(scope)
        if identity_of(connection, self._context) is None:
            return False
        return scope["method"] in SAFE_METHODS or same_origin(connection)


def _answers_itself(scope: Scope) -> bool:
    """Whether a route is public, or of the API and answers for itself, with 401 or 403 instead of a page."""
    path: str = scope["path"]
    return path.startswith((*API_PATHS, *PUBLIC_PATHS, f"{CREW_PATH}/")) or path in ("/metrics", CREW_PATH)


def _accounts_away(reason: RetryLaterError) -> Response:
    log.warning("api.accounts_away", reason=str(reason))
    return problem(503, "the database of accounts is away", headers={"Retry-After": "5"})


class BodyLimitMiddleware:
    """Checks a route's rights before a body is read, and limits its size, by `Content-Length` where it is given.

    The size of a message is limited by its sender's account. A refused body is not read: `api.http.connections` closes
    the connection.
    """

    def __init__(self, app: ASGIApp, routes: list[APIRoute], context: ApiContext) -> None:
        self._app = app
        self._routes = routes
        self._context = context
        self._large = ConcurrencyLimiter("large messages", per_client=LARGE_BODIES_EACH, total=LARGE_BODIES_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse the request."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        with ExitStack() as stack:
            try:
                limit = await asyncio.to_thread(check_rights, self._routes, scope) or _body_limit(scope["path"])
                _check_length(scope, limit)
                if limit > BODY_MAX_BYTES and not _is_within(scope, BODY_MAX_BYTES):
                    stack.enter_context(self._large.acquire(client_key(HTTPConnection(scope), self._context)))
            except HTTPException as exc:
                await on_http(Request(scope), exc)(scope, receive, send)
            except TooManyError as exc:
                await problem(503, str(exc), headers={"Retry-After": "1"})(scope, receive, send)
            except RetryLaterError as exc:
                log.warning("api.accounts_away", reason=str(exc))
                await problem(503, "the database of accounts is away", headers={"Retry-After": "5"})(
                    scope, receive, send
                )
            else:
                await self._app(scope, _limit_body(receive, limit), send)


def _has_body(scope: Scope) -> bool:
    headers = HTTPConnection(scope).headers
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _is_long(scope: Scope) -> bool:
    """Whether a body may exceed the part of a refused body that is discarded."""
    headers = HTTPConnection(scope).headers
    length = headers.get("content-length", "0")
    return (
        "transfer-encoding" in headers or len(length) > len(str(DRAINED_MAX_BYTES)) or int(length) > DRAINED_MAX_BYTES
    )


def _body_limit(path: str) -> int:
    return next((limit for prefix, limit in _BODY_LIMITS.items() if path.startswith(prefix)), BODY_MAX_BYTES)


def _check_length(scope: Scope, limit: int) -> None:
    headers = HTTPConnection(scope).headers
    if "content-length" in headers and not _is_within(scope, limit):
        raise _too_large(limit)


def _is_within(scope: Scope, limit: int) -> bool:
    """Whether a body is known to be no larger than a limit; the length of a chunked one is not known."""
    length = HTTPConnection(scope).headers.get("content-length", "")
    # The server has checked that it is a number. Its length first: thousands of digits are slow to read.
    return bool(length) and len(length.lstrip("0")) <= len(str(limit)) and int(length) <= limit


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"a body has at most {limit} bytes here")


def _limit_body(receive: Receive, limit: int) -> Receive:
    """A `receive` that raises 413 as soon as the received body exceeds the limit, whatever `Content-Length` says."""
    size = 0

    async def receive_limited() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > limit:
                raise _too_large(limit)
        return message

    return receive_limited


def install(app: FastAPI, context: ApiContext) -> None:
    """Add the middleware to an app with its routes. The middleware added last runs first."""
    routes = [route for route in each_route(app.routes) if isinstance(route, APIRoute)]
    app.add_middleware(BodyLimitMiddleware, routes=routes, context=context)
    app.add_middleware(AuthMiddleware, context=context)
    app.add_middleware(OriginCheckMiddleware, context=context)
    app.add_middleware(SecurityHeadersMiddleware)
