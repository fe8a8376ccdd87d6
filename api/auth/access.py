"""Access control: a token or session carries a role, every route requires one; a demo on loopback requires none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from fastapi import Request
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match
from starlette.types import Scope

from api.auth.session import COOKIE, role_of_session
from api.context import ApiContext
from api.dependencies import context_of
from api.http.hosts import is_same, parse_authority, parse_origin
from city.runtime.secrets import ROLES, Role

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def role_of(connection: HTTPConnection, context: ApiContext) -> Role | None:
    """The role of a request or websocket, from its bearer token, its session, or an open demo; None without one.

    `api.http.middleware` admits only requests of this machine to an open demo.
    """
    authorization = connection.headers.get("authorization", "")
    if authorization:
        scheme, _, token = authorization.partition(" ")
        return context.secrets.role_of(token.strip()) if scheme.lower() == "bearer" else None
    session = connection.cookies.get(COOKIE)
    if session and (role := role_of_session(context.secrets, session, context.clock())):
        return role
    return "operator" if context.is_open else None


def client_key(connection: HTTPConnection) -> str:
    """The key that concurrency limits count by: a digest of the token or session, else the network address."""
    for name, value in (
        ("token", connection.headers.get("authorization")),
        ("session", connection.cookies.get(COOKIE)),
    ):
        if value:
            return f"{name} {hashlib.blake2b(value.encode(), digest_size=16).hexdigest()}"
    return f"address {connection.client.host if connection.client else ''}"


class RoleDependency(Depends):
    """The role or account that a route requires. `api.http.middleware` checks it before the body is read.

    `right` names the role, or the kind of account that may send messages.
    """

    def __init__(self, check: Callable[[Request], Any], right: str) -> None:
        super().__init__(check)
        object.__setattr__(self, "right", right)

    right: str


class SenderDependency(RoleDependency):
    """An account that may send messages. Its check returns the bound of the account's messages in bytes."""


def require(role: Role) -> Depends:
    """The dependency of a route that needs at least `role`."""

    def check(request: Request) -> Role:
        sender_role = role_of(request, context_of(request))
        if sender_role is None:
            raise HTTPException(401, "sign in with a token", {"WWW-Authenticate": "Bearer"})
        if ROLES.index(sender_role) < ROLES.index(role):
            raise HTTPException(403, f"this needs the role {role}, not {sender_role}")
        if request.method not in SAFE_METHODS and not same_origin(request):
            raise HTTPException(403, "this request comes from another site")
        return sender_role

    return RoleDependency(check, role)


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


def rights_of(route: APIRoute) -> list[RoleDependency]:
    """The rights that a route requires; empty for a public route."""
    return [dependency for dependency in route.dependencies if isinstance(dependency, RoleDependency)]


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
                    granted = right.dependency(Request({**scope, **child_scope}))
                    bound = granted if isinstance(right, SenderDependency) else bound
            return bound
    return None
