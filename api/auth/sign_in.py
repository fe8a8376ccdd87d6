"""Sign-in to the console: exchanges a token for a session cookie."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from api.auth.access import same_origin
from api.auth.session import COOKIE, LASTS, make_session
from api.dependencies import context_of

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="id"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Jaga Kota</title><style>
body {{ font: 20px/1.5 sans-serif; margin: 0; display: grid; place-items: center; min-height: 100vh }}
body {{ background: #f3f6f4 }}
form {{ background: #fff; padding: 2rem; border-radius: 12px; width: min(90vw, 26rem); box-sizing: border-box }}
input, button {{ font: inherit; width: 100%; padding: .6rem; box-sizing: border-box; margin-top: .5rem }}
button {{ background: #14532d; color: #fff; border: 0; border-radius: 8px }} p.wrong {{ color: #b00020 }}
</style></head><body><form method="post" action="/login"><h1>Jaga Kota</h1>
<label>Token masuk / Sign-in token<input type="password" name="token" autocomplete="current-password" required></label>
<button>Masuk / Sign in</button>{message}
<p><small>kota credentials --role operator</small></p></form></body></html>"""


@router.get("/login")
def show_login() -> HTMLResponse:
    """The sign-in page."""
    return HTMLResponse(_PAGE.format(message=""))


@router.post("/login")
def log_in(request: Request, token: Annotated[str, Form(max_length=200)]) -> Response:
    """Set the session cookie if the token is valid."""
    if not same_origin(request):
        raise HTTPException(403, "this request comes from another site")
    context = context_of(request)
    role = context.secrets.role_of(token.strip())
    if role is None:
        wrong = '<p class="wrong">Token tidak dikenal / Unknown token</p>'
        return HTMLResponse(_PAGE.format(message=wrong), 401)
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
