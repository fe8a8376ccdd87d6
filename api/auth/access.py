"""Access control: a session or token belongs to a person or service with rights, and every route requires one.

Nobody has to sign in to a demo on loopback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import structlog
from fastapi import Request
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match
from starlette.types import Scope

from api.context import ApiContext
from api.dependencies import context_of
from api.http.hosts import is_same, parse_authority, parse_origin
from city.errors import RetryLaterError
from people.areas import Place, covers
from people.audit import Action, Origin, origin_of
from people.rights import DEMO, Identity, Right

log = structlog.get_logger("api")

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE: Final = "kota_session"
_KNOWN: Final = "kota.identity"
"""Key of a request's scope."""


def identity_of(connection: HTTPConnection, context: ApiContext) -> Identity | None:
    """Who asks, by a bearer token, a session, or as anybody in an open demo; None if nobody known.

    The database is asked once a request. `api.http.middleware` admits only requests of this machine to an open demo.
    """
    if _KNOWN not in connection.scope:
        connection.scope[_KNOWN] = find_identity(connection, context)
    identity: Identity | None = connection.scope[_KNOWN]
    return identity


def require_identity(request: Request) -> Identity:
    """Who asks.

    Raises:
        HTTPException: 401.
    """
    identity = identity_of(request, context_of(request))
    if identity is None:
        raise HTTPException(401, "sign in first")
    return identity


def find_identity(connection: HTTPConnection, context: ApiContext) -> Identity | None:
    """As `identity_of`, asked anew: connections that stay open ask again whether it still holds."""
    authorization = connection.headers.get("authorization", "")
    if authorization:
        scheme, _, token = authorization.partition(" ")
        return context.people.by_token(token.strip()) if scheme.lower() == "bearer" else None
    session = connection.cookies.get(COOKIE)
    if session and (identity := context.people.by_session(session)):
        return identity
    return DEMO if context.is_open else None


def still_may(connection: HTTPConnection, context: ApiContext, right: Right) -> bool:
    """Whether whoever opened a connection still has a right; while the database does not answer, they keep it."""
    try:
        identity = find_identity(connection, context)
    except RetryLaterError:
        return True
    return identity is not None and identity.may(right)


def address_of(connection: HTTPConnection) -> str:
    """The network address of whoever asks."""
    return connection.client.host if connection.client else ""


def origin_of_request(request: Request) -> Origin:
    """Who does something by a request, for the audit."""
    identity = identity_of(request, context_of(request))
    if identity is None:
        return Origin("unknown", "", address_of(request))
    return origin_of(identity, address_of(request))


def require_area(request: Request, place: Place) -> None:
    """Require that a place is in the areas of whoever asks.

    Raises:
        HTTPException: 403.
    """
    identity = identity_of(request, context_of(request))
    if identity is None or not covers(identity.areas, place):
        raise HTTPException(403, "this is outside of your areas")


def audit_action(request: Request, action: Action, object_: str, **detail: object) -> None:
    """Note in the audit what a request has done. The deed is done: a refusing database is logged."""
    context = context_of(request)
    try:
        context.people.audit.record(origin_of_request(request), action, object_, detail)
    except RetryLaterError as exc:
        log.error("audit.not_written", action=action, about=object_, reason=str(exc))


def client_key(connection: HTTPConnection, context: ApiContext) -> str:
    """The key that concurrency limits count by: the person or service, else the network address."""
    identity = identity_of(connection, context)
    return f"{identity.kind} {identity.id}" if identity and identity.id else f"address {address_of(connection)}"


class RightDependency(Depends):
    """The right that a route requires. `api.http.middleware` checks it before the body is read.

    `right` names it, or the kind of account that may send messages.
    """

    def __init__(self, check: Callable[[Request], Any], right: str) -> None:
        super().__init__(check)
        object.__setattr__(self, "right", right)

    right: str


class SenderDependency(RightDependency):
    """An account that may send messages. Its check returns the bound of the account's messages in bytes."""


def require(right: Right) -> Depends:
    """The dependency of a route that needs a right."""

    def check(request: Request) -> Identity:
        identity = identity_of(request, context_of(request))
        if identity is None:
            raise HTTPException(401, "sign in first, or send a token", {"WWW-Authenticate": "Bearer"})
        if not identity.may(right):
            raise HTTPException(403, f"this needs the right {right}")
        if request.method not in SAFE_METHODS and not same_origin(request):
            raise HTTPException(403, "this request comes from another site")
        return identity

    return RightDependency(check, right)


def same_origin(connection: HTTPConnection) -> bool:
    """Whether the request comes from our own pages, or carries a token, which a page of another site cannot know."""
    if "authorization" in connection.headers:
        return True
    origin = parse_origin(connection.headers.get("origin", ""))
    return is_same(origin, parse_authority(connection.headers.get("host", "")))


def each_route(routes: Iterable[Any]) -> Iterator[Any]:
    """Every route of an app, including those of its routers."""
    for route in routes:
        # FastAPI keeps an included router whole instead of copying its routes.
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from each_route(included.routes)


def rights_of(route: APIRoute) -> list[RightDependency]:
    """The rights that a route requires; empty for a public route."""
    return [dependency for dependency in route.dependencies if isinstance(dependency, RightDependency)]


def check_rights(routes: Iterable[APIRoute], scope: Scope) -> int | None:
    """Check the rights of the requested route, before the body is read.

    Returns:
        The bound of the body in bytes by the sender's account; None where the account does not matter.

    Raises:
        HTTPException: 401 or 403: the sender has no such right.
    """
    for route in routes:
        match, child_scope = route.matches(scope)
        if match is Match.FULL:
            bound: int | None = None
            for right in rights_of(route):
                if right.dependency is not None:
                    request = Request({**scope, **child_scope})
                    granted = right.dependency(request)
                    if _KNOWN in request.scope:  # the route asks for it again
                        scope[_KNOWN] = request.scope[_KNOWN]
                    bound = granted if isinstance(right, SenderDependency) else bound
            return bound
    return None
