"""Sign-in to the console by password, passkey or provider, sign-out, and links that set a password."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from api.auth.access import COOKIE, address_of, identity_of, same_origin
from api.context import ApiContext
from api.dependencies import context_of
from api.http.templating import template_environment
from people.errors import PeopleError, TooManyAttemptsError
from people.openid.attempts import ATTEMPT_LIFETIME
from people.openid.errors import ProviderAwayError, SignInRefusedError
from people.openid_sign_in import KNOWN_LASTS, OpenIdSignIn, ProviderSignIn
from people.passkeys.relying_party import RelyingParty
from people.passkeys.rows import CHALLENGE_LASTS
from people.passwords import MAX_CHARACTERS, MIN_CHARACTERS
from people.sessions import LASTS

log = structlog.get_logger("api")

ATTEMPT_COOKIE: Final = "kota_openid"
KNOWN_COOKIE: Final = "kota_known"
"""What tells a browser whose person has signed in by the provider before."""
CHALLENGE_COOKIE: Final = "kota_passkey"
"""The key of the challenge that a passkey of this browser signs."""
PASSKEY_ANSWER_MAX: Final = 12_000
"""Characters of what a browser returns of a passkey; commonly 900."""

router = APIRouter(include_in_schema=False)

_TEMPLATES: Final = template_environment(Path(__file__).parent / "templates")
_SIGN_IN: Final = _TEMPLATES.get_template("sign_in.html")
_LINK: Final = _TEMPLATES.get_template("link.html")
_ENTER: Final = _TEMPLATES.get_template("enter.html")
_SCRIPT: Final = (Path(__file__).parent / "static" / "passkey.js").read_bytes()
_STATUS: Final = {"password_wrong": 401, "link_invalid": 410}
"""Status of a refused form; 422 of others."""
Password = Annotated[str, Form(max_length=4 * MAX_CHARACTERS)]
_UNCACHED: Final = {"Cache-Control": "no-store"}


@router.get("/login")
def show_login(request: Request) -> HTMLResponse:
    """The sign-in page."""
    return _sign_in_page(context_of(request))


@router.post("/login")
def log_in(request: Request, name: Annotated[str, Form(max_length=200)], password: Password) -> Response:
    """Begin a session. Who fails often has to wait."""
    _require_same_origin(request)
    context = context_of(request)
    try:
        signed_in = context.people.sign_in(
            name, password, address_of(request), _agent(request), replaces=request.cookies.get(COOKIE, "")
        )
    except TooManyAttemptsError as exc:
        return _waiting_page(context, exc)
    except PeopleError:
        return _sign_in_page(context, "sign_in_wrong", 401)
    return _enter(request, signed_in.cookie)


@router.get("/login/passkey.js")
def show_passkey_script() -> Response:
    """The script of the sign-in page; those of the console are for who has signed in."""
    return Response(_SCRIPT, media_type="text/javascript", headers={"Cache-Control": "no-cache"})


@router.post("/login/passkey/options")
def begin_passkey(request: Request) -> Response:
    """A challenge for the passkeys of this browser, as WebAuthn's JSON."""
    _require_same_origin(request)
    context = context_of(request)
    options, key = context.people.passkeys.begin_sign_in(_relying_party(context))
    answer = JSONResponse(options, headers=_UNCACHED)
    _set_cookie(request, answer, CHALLENGE_COOKIE, key, CHALLENGE_LASTS)
    return answer


@router.post("/login/passkey")
def log_in_by_passkey(request: Request, credential: Annotated[str, Form(max_length=PASSKEY_ANSWER_MAX)]) -> Response:
    """Begin a session by a passkey. Who fails often has to wait."""
    _require_same_origin(request)
    context = context_of(request)
    party, key = _relying_party(context), request.cookies.get(CHALLENGE_COOKIE, "")
    replaces = request.cookies.get(COOKIE, "")
    try:
        signed_in = context.people.passkeys.sign_in(
            party, key, credential, address_of(request), _agent(request), replaces=replaces
        )
    except TooManyAttemptsError as exc:
        return _waiting_page(context, exc)
    except PeopleError:
        answer: Response = _sign_in_page(context, "passkey_refused", 401)
    else:
        answer = _enter(request, signed_in.cookie)
    answer.delete_cookie(CHALLENGE_COOKIE)
    return answer


@router.post("/logout")
def log_out(request: Request) -> Response:
    """End the session."""
    _require_same_origin(request)
    context = context_of(request)
    identity = identity_of(request, context)
    if identity is not None:
        context.people.sign_out(identity, address_of(request))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/link")
def show_link(request: Request, key: str = "") -> HTMLResponse:
    """The page on which the account of a link gets its password."""
    account = context_of(request).people.account_of_link(key)
    if account is None:
        return HTMLResponse(_LINK.render(name="", key="", refusal="link_invalid", least=MIN_CHARACTERS), 410)
    return _link_page(account.name, key, "", 200)


@router.post("/link")
def accept_link(request: Request, key: Annotated[str, Form(max_length=200)], password: Password) -> Response:
    """Set the password, and begin a session."""
    _require_same_origin(request)
    people = context_of(request).people
    try:
        signed_in = people.accept_link(key, password, address_of(request), _agent(request))
    except PeopleError as exc:
        account = people.account_of_link(key)
        return _link_page(account.name if account else "", key, exc.reason, _STATUS.get(exc.reason, 422))
    return _enter(request, signed_in.cookie)


@router.get("/login/openid")
def begin_openid(request: Request) -> Response:
    """Send the browser to the provider; while it is away, let in who has signed in there from this browser before."""
    context = context_of(request)
    sign_in = _provider(context)
    try:
        url, key = sign_in.begin(_callback(context))
    except ProviderAwayError:
        return _enter_known(request, sign_in)
    except SignInRefusedError as exc:
        log.warning("sign_in.provider_unusable", reason=str(exc))
        return _sign_in_page(context, "openid_refused", 503)
    answer = RedirectResponse(url, 303, headers=_UNCACHED)
    # The provider sends the browser back by a link of another site, with which strict cookies do not come.
    _set_cookie(request, answer, ATTEMPT_COOKIE, key, ATTEMPT_LIFETIME, same_site="lax")
    return answer


@router.get("/login/openid/callback")
def end_openid(request: Request) -> Response:
    """Begin a session of whom the provider confirms."""
    context = context_of(request)
    sign_in = _provider(context)
    key = request.cookies.get(ATTEMPT_COOKIE, "")
    try:
        signed_in = sign_in.complete(key, dict(request.query_params), _callback(context), address_of(request))
    except ProviderAwayError:
        answer: Response = _sign_in_page(context, "openid_away", 503)
    except PeopleError:
        answer = _sign_in_page(context, "openid_refused", 403)
    except SignInRefusedError as exc:
        log.warning("sign_in.refused", reason=exc.reason, detail=exc.detail)
        answer = _sign_in_page(context, "openid_refused", 403)
    else:
        answer = _enter_by_provider(request, signed_in)
    answer.delete_cookie(ATTEMPT_COOKIE)
    return answer


def _provider(context: ApiContext) -> OpenIdSignIn:
    if context.open_id is None:
        raise HTTPException(404, "there is no sign-in at a provider here")
    return context.open_id


def _relying_party(context: ApiContext) -> RelyingParty:
    if context.relying_party is None:
        raise HTTPException(404, "there are no passkeys at this address")
    return context.relying_party


def _callback(context: ApiContext) -> str:
    return f"{context.public_url}/login/openid/callback"


def _enter_known(request: Request, sign_in: OpenIdSignIn) -> Response:
    known = request.cookies.get(KNOWN_COOKIE, "")
    try:
        return _enter_by_provider(request, sign_in.enter_known(known, address_of(request)))
    except PeopleError:
        return _sign_in_page(context_of(request), "openid_away", 503)


def _enter_by_provider(request: Request, signed_in: ProviderSignIn) -> Response:
    people, replaces = context_of(request).people, request.cookies.get(COOKIE, "")
    session = people.enter(signed_in.account, signed_in.method, address_of(request), _agent(request), replaces)
    # A redirect would still count as begun by the provider's site, and the strict session cookie would not be sent.
    answer = HTMLResponse(_ENTER.render(), headers=_UNCACHED)
    _set_cookie(request, answer, COOKIE, session.cookie, LASTS)
    _set_cookie(request, answer, KNOWN_COOKIE, signed_in.known, KNOWN_LASTS)
    return answer


def _sign_in_page(context: ApiContext, refusal: str = "", status: int = 200, *, wait_s: int = 0) -> HTMLResponse:
    """The page with a refusal; 429 says in its header how long to wait. What was typed is not repeated."""
    party = context.relying_party
    page = _SIGN_IN.render(
        refusal=refusal,
        wait_s=wait_s,
        has_provider=context.open_id is not None,
        passkey_origin=party.origin if party else "",
    )
    return HTMLResponse(page, status, headers={**_UNCACHED, **({"Retry-After": str(wait_s)} if wait_s else {})})


def _waiting_page(context: ApiContext, exc: TooManyAttemptsError) -> HTMLResponse:
    return _sign_in_page(context, "sign_in_wait", 429, wait_s=int(exc.wait_s) + 1)


def _link_page(name: str, key: str, refusal: str, status: int) -> HTMLResponse:
    page = _LINK.render(name=name, key=key, refusal=refusal, least=MIN_CHARACTERS)
    return HTMLResponse(page, status, headers=_UNCACHED)


def _enter(request: Request, cookie: str) -> Response:
    answer = RedirectResponse("/", 303)
    _set_cookie(request, answer, COOKIE, cookie, LASTS)
    return answer


def _set_cookie(
    request: Request,
    answer: Response,
    name: str,
    value: str,
    lasts: timedelta,
    same_site: Literal["lax", "strict"] = "strict",
) -> None:
    # Behind a proxy with TLS only the browser, or the city's public address, knows that it is https.
    schemes = (request.url.scheme, *(urlsplit(url).scheme for url in _addresses(request)))
    secure = "https" in schemes
    answer.set_cookie(name, value, int(lasts.total_seconds()), httponly=True, samesite=same_site, secure=secure)


def _addresses(request: Request) -> tuple[str, str]:
    public = context_of(request).public_url if request.method == "GET" else ""
    return request.headers.get("origin", ""), public


def _require_same_origin(request: Request) -> None:
    if not same_origin(request):
        raise HTTPException(403, "this request comes from another site")


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")
