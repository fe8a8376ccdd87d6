"""Sign-in to the console: exchanges a token for a session cookie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from api.auth.access import same_origin
from api.auth.session import COOKIE, LASTS, make_session
from api.dependencies import context_of
from api.http.templating import template_environment

router = APIRouter(include_in_schema=False)

_TEMPLATE: Final = template_environment(Path(__file__).parent / "templates").get_template("sign_in.html")


@router.get("/login")
def show_login() -> HTMLResponse:
    """The sign-in page."""
    return HTMLResponse(_TEMPLATE.render(wrong=False))


@router.post("/login")
def log_in(request: Request, token: Annotated[str, Form(max_length=200)]) -> Response:
    """Set the session cookie if the token is valid."""
    if not same_origin(request):
        raise HTTPException(403, "this request comes from another site")
    context = context_of(request)
    role = context.secrets.role_of(token.strip())
    if role is None:
        return HTMLResponse(_TEMPLATE.render(wrong=True), 401)
    answer = RedirectResponse("/", 303)
    # Behind a proxy with TLS only the browser knows that it speaks https.
    secure = "https" in (request.url.scheme, urlsplit(request.headers.get("origin", "")).scheme)
    session = make_session(context.secrets, role, context.clock())
    lasts_s = int(LASTS.total_seconds())
    answer.set_cookie(COOKIE, session, lasts_s, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/logout")
def log_out(request: Request) -> Response:
    """Delete the session cookie."""
    if not same_origin(request):
        raise HTTPException(403, "this request comes from another site")
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer
