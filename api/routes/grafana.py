"""Sign-in to Grafana: the header for a proxy, the address for a browser, and the public keys that verify both."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from msgspec import Meta
from starlette.exceptions import HTTPException

from api.auth.access import identity_of, origin_of_request, require
from api.context import ApiContext
from api.dependencies import context_of
from api.http.description import empty_answer, problems
from api.http.middleware import KEYS_PATH
from api.http.routing import ApiRoute
from people.rights import Identity

HEADER: Final = "X-JWT-Assertion"
"""Grafana's setting `header_name`."""

router = APIRouter(tags=["grafana"], route_class=ApiRoute)
pages = APIRouter(include_in_schema=False)


class KeyResponse(msgspec.Struct, frozen=True):
    """A public key on P-256 (RFC 7517)."""

    kty: str
    crv: str
    x: Annotated[str, Meta(description="Coordinate, base64url.")]
    y: Annotated[str, Meta(description="Coordinate, base64url.")]
    use: str
    alg: str
    kid: Annotated[str, Meta(description="Thumbprint of the key (RFC 7638).")]


class KeySetResponse(msgspec.Struct, frozen=True):
    """The JSON Web Key Set that verifies the tokens for Grafana."""

    keys: list[KeyResponse]


@router.get(KEYS_PATH, responses=problems(403))
def show_keys(request: Request) -> KeySetResponse:
    """The public keys with which Grafana verifies tokens (`jwk_set_url`). Public."""
    return msgspec.convert(context_of(request).grafana.key.public_set(), KeySetResponse)


@router.get(
    "/api/v1/grafana/authorize",
    dependencies=[require("telemetry.read")],
    status_code=204,
    response_class=Response,
    responses=empty_answer("The request may go on to Grafana.", {HEADER: "A token for Grafana, in force for 60 s."}),
)
def authorize(request: Request) -> Response:
    """Tell a proxy in front of Grafana who asks: `auth_request` of nginx, `forward_auth` of Caddy."""
    context = context_of(request)
    assertion = context.grafana.assertion(_identity(request, context), context.clock())
    return Response(status_code=204, headers={HEADER: assertion})


@pages.get("/grafana", dependencies=[require("telemetry.read")])
def open_grafana(request: Request) -> Response:
    """Send a browser to Grafana and sign it in there. The audit has an entry first, or nobody is sent."""
    context = context_of(request)
    if not context.grafana.public_url:
        raise HTTPException(404, "there is no address of Grafana here")
    identity = _identity(request, context)
    address = context.grafana.address(identity, context.clock(), context.people.expiry_of(identity))
    detail = {"role": address.role, "expires_at": address.expires_at.isoformat(timespec="seconds")}
    context.people.audit.record(origin_of_request(request), "grafana.open", identity.id or identity.kind, detail)
    return RedirectResponse(address.url, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _identity(request: Request, context: ApiContext) -> Identity:
    identity = identity_of(request, context)
    if identity is None:
        raise HTTPException(401, "sign in first")
    return identity


router.include_router(pages)
