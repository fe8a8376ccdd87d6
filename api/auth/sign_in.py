"""Sign-in to the console with name and password, sign-out, and links that set a password."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from api.auth.access import COOKIE, address_of, identity_of, same_origin
from api.dependencies import context_of
from api.http.templating import template_environment
from people.errors import PeopleError, TooManyAttemptsError
from people.passwords import MAX_CHARACTERS, MIN_CHARACTERS
from people.sessions import LASTS

router = APIRouter(include_in_schema=False)

_TEMPLATES: Final = template_environment(Path(__file__).parent / "templates")
_SIGN_IN: Final = _TEMPLATES.get_template("sign_in.html")
_LINK: Final = _TEMPLATES.get_template("link.html")
_STATUS: Final = {"password_wrong": 401, "link_invalid": 410}
"""Status of a refused form; 422 of others."""
Password = Annotated[str, Form(max_length=4 * MAX_CHARACTERS)]
_UNCACHED: Final = {"Cache-Control": "no-store"}


@router.get("/login")
def show_login() -> HTMLResponse:
    """The sign-in page."""
    return HTMLResponse(_SIGN_IN.render(refusal="", wait_s=0, name=""), headers=_UNCACHED)


@router.post("/login")
def log_in(request: Request, name: Annotated[str, Form(max_length=200)], password: Password) -> Response:
    """Begin a session. Who fails often has to wait."""
    _require_same_origin(request)
    people = context_of(request).people
    try:
        signed_in = people.sign_in(
            name, password, address_of(request), _agent(request), replaces=request.cookies.get(COOKIE, "")
        )
    except TooManyAttemptsError as exc:
        wait_s = int(exc.wait_s) + 1
        page = _SIGN_IN.render(refusal="wait", wait_s=wait_s, name=name)
        return HTMLResponse(page, 429, headers={**_UNCACHED, "Retry-After": str(wait_s)})
    except PeopleError:
        return HTMLResponse(_SIGN_IN.render(refusal="password_wrong", wait_s=0, name=name), 401, headers=_UNCACHED)
    return _enter(request, signed_in.cookie)


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


def _link_page(name: str, key: str, refusal: str, status: int) -> HTMLResponse:
    page = _LINK.render(name=name, key=key, refusal=refusal, least=MIN_CHARACTERS)
    return HTMLResponse(page, status, headers=_UNCACHED)


def _enter(request: Request, cookie: str) -> Response:
    answer = RedirectResponse("/", 303)
    # Behind a proxy with TLS only the browser knows that it speaks https.
    secure = "https" in (request.url.scheme, urlsplit(request.headers.get("origin", "")).scheme)
    lasts_s = int(LASTS.total_seconds())
    answer.set_cookie(COOKIE, cookie, lasts_s, httponly=True, samesite="strict", secure=secure)
    return answer


def _require_same_origin(request: Request) -> None:
    if not same_origin(request):
        raise HTTPException(403, "this request comes from another site")


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")
