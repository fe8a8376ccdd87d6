"""Who asks as a crew's phone: a session of a shift, by a cookie that no script can read and that only the app sends.

The cookie is sent below `/crew/` alone, and the console's sessions count for nothing here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from api.auth.access import SAFE_METHODS, RightDependency, same_origin
from api.dependencies import context_of
from dispatch.shifts.records import CrewSession

COOKIE: Final = "kota_crew"
PATH: Final = "/crew/"
COOKIE_LASTS: Final = timedelta(days=30)
"""Longer than a session: by its last token a phone stays the same phone, and delivers what it has kept."""
RIGHT: Final = "crew"


def crew_session(request: Request) -> CrewSession:
    """The session of the phone that asks.

    Raises:
        HTTPException: 401 without one; 403 for a request of another site.
    """
    if request.method not in SAFE_METHODS and not same_origin(request):
        raise HTTPException(403, "this request comes from another site")
    token = token_of(request)
    session = context_of(request).dispatch.crews.by_token(token) if token else None
    if session is None:
        raise HTTPException(401, "sign in with the code of today")
    return session


def require_crew() -> RightDependency:
    """The dependency of a route that is for phones of crews."""
    return RightDependency(crew_session, RIGHT)


def token_of(request: Request) -> str:
    """The phone's token, or its last one."""
    return request.cookies.get(COOKIE, "")


def set_token(request: Request, answer: Response, token: str) -> None:
    """Let the phone keep its token."""
    # Behind a proxy with TLS only the browser knows that it is https.
    secure = "https" in (request.url.scheme, urlsplit(request.headers.get("origin", "")).scheme)
    lasts_s = int(COOKIE_LASTS.total_seconds())
    answer.set_cookie(COOKIE, token, lasts_s, path=PATH, httponly=True, samesite="strict", secure=secure)
