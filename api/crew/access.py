"""Who asks as a crew's phone: a token of a shift, which the app keeps beside the events that it has to deliver.

A cookie that no script can read would be safer against foreign scripts, which the app's policy keeps out. A browser
writes a cookie to disk up to half a minute late: a telephone that is killed meanwhile would keep its events and lose
the right to deliver them. A token in the app's own database has the fate of the events, and no other site can make a
browser send it.
"""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.exceptions import HTTPException

from api.auth.access import RightDependency
from api.dependencies import context_of
from dispatch.shifts.records import CrewSession

RIGHT: Final = "crew"


def crew_session(request: Request) -> CrewSession:
    """The session of the phone that asks.

    Raises:
        HTTPException: 401.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    crews = context_of(request).dispatch.crews
    session = crews.by_token(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
    if session is None:
        raise HTTPException(401, "sign in with the code of today", {"WWW-Authenticate": "Bearer"})
    return session


def require_crew() -> RightDependency:
    """The dependency of a route that is for phones of crews."""
    return RightDependency(crew_session, RIGHT)
