"""REST of passkeys, one's own and those of an account. `api/auth/sign_in.py` has the sign-in by one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from pydantic import BaseModel, Field

from api.auth.access import address_of, origin_of_request, require, require_identity
from api.auth.refusals import problem_of
from api.dependencies import AccountId, RowId, context_of
from api.http.description import problems
from api.http.routing import ApiRoute
from people.errors import PeopleError, TooManyAttemptsError
from people.passkeys.rows import NAME_MAX, Passkey
from people.passwords import MAX_CHARACTERS

router = APIRouter(prefix="/api/v1", tags=["people"], route_class=ApiRoute)


class PasskeyResponse(msgspec.Struct, frozen=True):
    """A passkey, without its key."""

    id: int
    name: Annotated[str, Meta(description="What its person calls it.")]
    created_at: datetime
    used_at: Annotated[datetime | None, Meta(description="Null if it was never used.")]


class RemovedResponse(msgspec.Struct, frozen=True):
    """Number of passkeys that were removed."""

    removed: Annotated[int, Meta(description="How many.")]


class PasskeyOptionsResponse(msgspec.Struct, frozen=True):
    """What a browser needs to make a passkey; it holds for 5 minutes and for the session that asks."""

    options: Annotated[dict[str, Any], Meta(description="WebAuthn's `PublicKeyCredentialCreationOptionsJSON`.")]


class PasskeyOptionsRequest(BaseModel):
    """Who adds a passkey shows the password, so that nobody adds one to an open session."""

    password: str = Field(
        "", max_length=4 * MAX_CHARACTERS, description="Empty for an account that has none; its session has to be new."
    )


class PasskeyRequest(BaseModel):
    """A passkey that a browser has made."""

    name: str = Field(min_length=1, max_length=NAME_MAX)
    credential: dict[str, Any] = Field(description="WebAuthn's `RegistrationResponseJSON`.")


@router.get("/me/passkeys", dependencies=[require("account.own")])
def list_own_passkeys(request: Request) -> list[PasskeyResponse]:
    """One's own passkeys, the newest first."""
    return _responses(context_of(request).people.passkeys.of(require_identity(request).id))


@router.post("/me/passkeys/options", dependencies=[require("account.own")], responses=problems(409, 429))
def begin_own_passkey(request: Request, body: PasskeyOptionsRequest) -> PasskeyOptionsResponse:
    """Begin to add a passkey. 409 if this city's address allows none, or the account has too many."""
    context, identity = context_of(request), require_identity(request)
    passkeys = context.people.passkeys
    try:
        options = passkeys.begin_registration(context.relying_party, identity, body.password, address_of(request))
    except (PeopleError, TooManyAttemptsError) as exc:
        raise problem_of(exc) from exc
    return PasskeyOptionsResponse(options)


@router.post("/me/passkeys", dependencies=[require("account.own")], responses=problems(409))
def add_own_passkey(request: Request, body: PasskeyRequest) -> PasskeyResponse:
    """Add the passkey that a browser has made for the options before."""
    context, identity = context_of(request), require_identity(request)
    try:
        passkey = context.people.passkeys.register(
            context.relying_party, identity, body.name, body.credential, address_of(request)
        )
    except PeopleError as exc:
        raise problem_of(exc) from exc
    return _response(passkey)


@router.delete("/me/passkeys/{passkey}", dependencies=[require("account.own")], responses=problems(404, 409))
def remove_own_passkey(request: Request, passkey: RowId) -> RemovedResponse:
    """Remove one of one's own passkeys."""
    return _remove(request, require_identity(request).id, passkey)


@router.get("/accounts/{account}/passkeys", dependencies=[require("people.write")])
def list_passkeys(request: Request, account: AccountId) -> list[PasskeyResponse]:
    """The passkeys of an account, the newest first."""
    return _responses(context_of(request).people.passkeys.of(account))


@router.delete(
    "/accounts/{account}/passkeys/{passkey}", dependencies=[require("people.write")], responses=problems(404, 409)
)
def remove_passkey(request: Request, account: AccountId, passkey: RowId) -> RemovedResponse:
    """Remove a passkey of an account, as of a lost telephone."""
    return _remove(request, account, passkey)


def _remove(request: Request, account: str, passkey: int) -> RemovedResponse:
    try:
        context_of(request).people.passkeys.remove(origin_of_request(request), account, passkey)
    except PeopleError as exc:
        raise problem_of(exc) from exc
    return RemovedResponse(1)


def _responses(passkeys: Iterable[Passkey]) -> list[PasskeyResponse]:
    return [_response(passkey) for passkey in passkeys]


def _response(passkey: Passkey) -> PasskeyResponse:
    return PasskeyResponse(passkey.id, passkey.name, passkey.created_at, passkey.used_at)
