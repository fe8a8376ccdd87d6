"""REST of people and access: accounts, sessions, tokens, and the audit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec import Meta
from pydantic import BaseModel, Field

from api.auth.access import address_of, origin_of_request, require, require_identity
from api.auth.refusals import problem_of
from api.dependencies import NUMBER_MAX, AccountId, Moment, RowId, context_of
from api.http.description import problems
from api.http.routing import ApiRoute
from people.accounts import LINK_LASTS, Account
from people.audit import PAGE_MAX, AuditEntry
from people.errors import PeopleError, TooManyAttemptsError
from people.passwords import MAX_CHARACTERS
from people.rights import GRANTABLE, Identity, Right, Role
from people.sessions import Session
from people.tokens import DAYS_MAX, Token

router = APIRouter(prefix="/api/v1", tags=["people"], route_class=ApiRoute)


class AccountResponse(msgspec.Struct, frozen=True):
    """A person's account."""

    id: str
    name: Annotated[str, Meta(description="For signing in.")]
    shown_name: str
    role: Role
    areas: Annotated[tuple[str, ...], Meta(description="`KIND:NAME`; empty for the whole city.")]
    has_password: bool
    created_at: datetime
    disabled_at: datetime | None


class LinkResponse(msgspec.Struct, frozen=True):
    """A link that sets the password of an account once; it is shown only here."""

    account: AccountResponse
    link: Annotated[str, Meta(description="Path and query of the page.")]
    expires_at: datetime


class SessionResponse(msgspec.Struct, frozen=True):
    """An open session of an account."""

    id: int
    method: str
    address: str
    agent: Annotated[str, Meta(description="What the browser says of itself.")]
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    current: Annotated[bool, Meta(description="Whether this request belongs to it.")]


class TokenResponse(msgspec.Struct, frozen=True):
    """A token, without the secret. `account` is null for a service's."""

    id: int
    name: str
    account: str | None
    rights: list[Right]
    created_at: datetime
    created_by: str
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class NewTokenResponse(msgspec.Struct, frozen=True):
    """A new token; `token` is shown only here."""

    id: int
    token: str
    expires_at: datetime


class MeResponse(msgspec.Struct, frozen=True):
    """Who asks."""

    kind: str
    id: str
    name: str
    rights: list[Right]


class EndedResponse(msgspec.Struct, frozen=True):
    """Number of sessions that were ended, or of tokens that were revoked."""

    ended: Annotated[int, Meta(description="How many.")]


class AuditResponse(msgspec.Struct, frozen=True):
    """Entries of the audit, newest first. `next` is the value of `before` for older ones; null if there are none."""

    entries: list[AuditEntry]
    next: Annotated[int | None, Meta(description="Number of an entry.")]


class AccountRequest(BaseModel):
    """A new account."""

    name: str = Field(max_length=64, description="For signing in: small letters, digits, `.`, `_`, `@` and `-`.")
    shown_name: str = Field("", max_length=120)
    role: Role
    areas: list[str] = Field(default=[], max_length=200)


class AccountChangeRequest(BaseModel):
    """Role, areas and shown name of an account."""

    shown_name: str = Field("", max_length=120, description="Empty leaves it as it is.")
    role: Role
    areas: list[str] = Field(default=[], max_length=200)


class PasswordRequest(BaseModel):
    """A change of one's own password."""

    old: str = Field(max_length=4 * MAX_CHARACTERS)
    new: str = Field(max_length=4 * MAX_CHARACTERS)


class TokenRequest(BaseModel):
    """A new token."""

    name: str = Field(min_length=1, max_length=64, description="What uses it.")
    rights: list[str] = Field(max_length=len(GRANTABLE), description=f"Some of: {', '.join(GRANTABLE)}.")
    days: int = Field(90, ge=1, le=DAYS_MAX, description="Days until it expires. Unit: d.")


@router.get("/me", dependencies=[require("telemetry.read")])
def show_me(request: Request) -> MeResponse:
    """Who asks, with all rights."""
    identity = require_identity(request)
    return MeResponse(identity.kind, identity.id, identity.name, sorted(identity.rights))


@router.post("/me/password", dependencies=[require("account.own")], responses=problems(429))
def change_own_password(request: Request, body: PasswordRequest) -> EndedResponse:
    """Change one's own password; all other sessions of the account end."""
    context, identity = context_of(request), require_identity(request)
    try:
        ended = context.people.change_password(identity, body.old, body.new, address_of(request))
    except (PeopleError, TooManyAttemptsError) as exc:
        raise problem_of(exc) from exc
    return EndedResponse(ended)


@router.get("/me/sessions", dependencies=[require("account.own")])
def list_own_sessions(request: Request) -> list[SessionResponse]:
    """One's own open sessions, the newest first."""
    context, identity = context_of(request), require_identity(request)
    return [session_response(session, identity) for session in context.people.sessions_of(identity.id)]


@router.delete("/me/sessions/{session}", dependencies=[require("account.own")], responses=problems(404))
def end_own_session(request: Request, session: RowId) -> EndedResponse:
    """End one of one's own sessions."""
    return _end(request, require_identity(request).id, session)


@router.post("/me/sessions/end-others", dependencies=[require("account.own")])
def end_other_sessions(request: Request) -> EndedResponse:
    """End all of one's own sessions but the one that asks."""
    context, identity = context_of(request), require_identity(request)
    return EndedResponse(context.people.end_sessions(origin_of_request(request), identity.id, keep=identity.session))


@router.get("/me/tokens", dependencies=[require("account.own")])
def list_own_tokens(request: Request) -> list[TokenResponse]:
    """One's own tokens, the newest first."""
    context = context_of(request)
    return [token_response(token) for token in context.people.tokens(require_identity(request).id)]


@router.post("/me/tokens", dependencies=[require("account.own")])
def make_own_token(request: Request, body: TokenRequest) -> NewTokenResponse:
    """Make a token of one's own; it never has more rights than oneself."""
    return _make_token(request, body, require_identity(request))


@router.delete("/me/tokens/{token}", dependencies=[require("account.own")], responses=problems(404))
def revoke_own_token(request: Request, token: RowId) -> EndedResponse:
    """Revoke one of one's own tokens."""
    return _revoke(request, token, require_identity(request).id)


@router.get("/accounts", dependencies=[require("people.write")])
def list_accounts(request: Request) -> list[AccountResponse]:
    """All accounts by name."""
    return [account_response(account) for account in context_of(request).people.accounts()]


@router.post("/accounts", dependencies=[require("people.write")], responses=problems(409))
def add_account(request: Request, body: AccountRequest) -> LinkResponse:
    """Add an account. The link is given to the person, who sets the password by it."""
    people, origin = context_of(request).people, origin_of_request(request)
    try:
        account, key = people.add(origin, body.name, body.shown_name, body.role, body.areas)
    except PeopleError as exc:
        raise problem_of(exc) from exc
    return _link(request, account, key)


@router.put("/accounts/{account}", dependencies=[require("people.write")], responses=problems(404, 409))
def change_account(request: Request, account: AccountId, body: AccountChangeRequest) -> AccountResponse:
    """Change role and areas of an account; its sessions have the new rights at once."""
    people, origin = context_of(request).people, origin_of_request(request)
    try:
        changed = people.change(origin, account, role=body.role, areas=body.areas, shown_name=body.shown_name)
    except PeopleError as exc:
        raise problem_of(exc) from exc
    return account_response(changed)


@router.post("/accounts/{account}/disable", dependencies=[require("people.write")], responses=problems(404, 409))
def disable_account(request: Request, account: AccountId) -> AccountResponse:
    """Disable an account; its sessions end, and its tokens are refused."""
    return _set_disabled(request, account, disabled=True)


@router.post("/accounts/{account}/enable", dependencies=[require("people.write")], responses=problems(404))
def enable_account(request: Request, account: AccountId) -> AccountResponse:
    """Enable an account again."""
    return _set_disabled(request, account, disabled=False)


@router.post("/accounts/{account}/link", dependencies=[require("people.write")], responses=problems(404))
def make_link(request: Request, account: AccountId) -> LinkResponse:
    """Make a link that sets the password of an account once; earlier ones end."""
    people = context_of(request).people
    try:
        return _link(request, people.account(account), people.invite(origin_of_request(request), account))
    except PeopleError as exc:
        raise problem_of(exc) from exc


@router.get("/accounts/{account}/sessions", dependencies=[require("people.write")])
def list_sessions(request: Request, account: AccountId) -> list[SessionResponse]:
    """Open sessions of an account, the newest first."""
    context, identity = context_of(request), require_identity(request)
    return [session_response(session, identity) for session in context.people.sessions_of(account)]


@router.delete(
    "/accounts/{account}/sessions/{session}", dependencies=[require("people.write")], responses=problems(404)
)
def end_session(request: Request, account: AccountId, session: RowId) -> EndedResponse:
    """End a session of an account."""
    return _end(request, account, session)


@router.post("/accounts/{account}/sessions/end-all", dependencies=[require("people.write")], responses=problems(404))
def end_all_sessions(request: Request, account: AccountId) -> EndedResponse:
    """End all sessions of an account."""
    people = context_of(request).people
    try:
        people.account(account)
    except PeopleError as exc:
        raise problem_of(exc) from exc
    return EndedResponse(people.end_sessions(origin_of_request(request), account))


@router.get("/tokens", dependencies=[require("people.write")])
def list_tokens(request: Request) -> list[TokenResponse]:
    """All tokens of services and persons, the newest first."""
    return [token_response(token) for token in context_of(request).people.tokens()]


@router.post("/tokens", dependencies=[require("people.write")])
def make_token(request: Request, body: TokenRequest) -> NewTokenResponse:
    """Make a token of a service."""
    return _make_token(request, body, None)


@router.delete("/tokens/{token}", dependencies=[require("people.write")], responses=problems(404))
def revoke_token(request: Request, token: RowId) -> EndedResponse:
    """Revoke a token."""
    return _revoke(request, token, None)


@router.get("/audit", dependencies=[require("audit.read")])
def search_audit(
    request: Request,
    actor: Annotated[str, Query(max_length=64, description="Id of an account or token.")] = "",
    action: Annotated[str, Query(max_length=64, description="What an action begins with.")] = "",
    about: Annotated[str, Query(max_length=160, description="What it was done to.")] = "",
    since: Annotated[Moment | None, Query(description="Start, inclusive.")] = None,
    until: Annotated[Moment | None, Query(description="End, exclusive.")] = None,
    before: Annotated[int | None, Query(ge=1, le=NUMBER_MAX, description="Only entries with a smaller number.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
) -> AuditResponse:
    """Who did what to which thing, from where; newest first."""
    entries = context_of(request).people.audit.search(
        before=before, actor=actor, action=action, object_=about, since=since, until=until, limit=limit
    )
    return AuditResponse(entries, entries[-1].n if len(entries) == limit else None)


def _make_token(request: Request, body: TokenRequest, account: Identity | None) -> NewTokenResponse:
    context = context_of(request)
    lasts = timedelta(days=body.days)
    try:
        id_, token = context.people.make_token(
            origin_of_request(request), body.name, body.rights, lasts, account=account
        )
    except PeopleError as exc:
        raise problem_of(exc) from exc
    return NewTokenResponse(id_, token, context.clock() + lasts)


def _revoke(request: Request, token: int, account: str | None) -> EndedResponse:
    try:
        context_of(request).people.revoke_token(origin_of_request(request), token, account=account)
    except PeopleError as exc:
        raise problem_of(exc) from exc
    return EndedResponse(1)


def _end(request: Request, account: str, session: int) -> EndedResponse:
    try:
        context_of(request).people.end_session(origin_of_request(request), account, session)
    except PeopleError as exc:
        raise problem_of(exc) from exc
    return EndedResponse(1)


def _set_disabled(request: Request, account: str, *, disabled: bool) -> AccountResponse:
    people = context_of(request).people
    try:
        people.disable(origin_of_request(request), account, disabled=disabled)
        return account_response(people.account(account))
    except PeopleError as exc:
        raise problem_of(exc) from exc


def _link(request: Request, account: Account, key: str) -> LinkResponse:
    return LinkResponse(account_response(account), f"/link?key={key}", context_of(request).clock() + LINK_LASTS)


def account_response(account: Account) -> AccountResponse:
    """An account as the API shows it."""
    return AccountResponse(
        account.id,
        account.name,
        account.shown_name,
        account.role,
        account.areas,
        account.has_password,
        account.created_at,
        account.disabled_at,
    )


def session_response(session: Session, identity: Identity) -> SessionResponse:
    """A session as the API shows it."""
    return SessionResponse(
        session.id,
        session.method,
        session.address,
        session.agent,
        session.created_at,
        session.seen_at,
        session.expires_at,
        session.id == identity.session,
    )


def token_response(token: Token) -> TokenResponse:
    """A token as the API shows it."""
    fields: dict[str, Any] = vars(token) | {"rights": sorted(token.rights)}
    return TokenResponse(**fields)
