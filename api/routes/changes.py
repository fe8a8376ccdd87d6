"""Names of what changed as server-sent events, for pages that are open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from api.auth.access import client_key, require, still_may
from api.context import ApiContext
from api.dependencies import context_of
from api.http.description import Responses, problems
from api.http.limiter import ConcurrencyLimiter
from api.http.routing import ApiRoute
from api.http.streams import MEDIA, STREAM_HEADERS, BoundedStream
from api.queries.changes import TOPICS, ChangeFeed, ChangeReader

CHECKED_EVERY_S: Final = 5.0
"""Interval at which it is asked again whether the session or token is in force."""
LISTENERS_EACH: Final = 64
LISTENERS_MAX: Final = 512
"""A browser has one for all of its pages, or one for each page."""

router = APIRouter(prefix="/api/v1", tags=["system"], route_class=ApiRoute)

_ANSWER: Final[Responses] = {
    200: {
        "description": (
            "Server-sent events `changed`, at most one a second. The data are names, separated by spaces: "
            f"{', '.join(TOPICS)}. An event without names says that the connection is alive."
        ),
        "content": {MEDIA: {"schema": {"type": "string"}}},
    }
}


def change_feed(context: ApiContext) -> ChangeFeed:
    """The feed of an app."""
    return ChangeFeed(ChangeReader(context).look)


def listener_limiter() -> ConcurrencyLimiter:
    """The limits of listeners of one app."""
    return ConcurrencyLimiter("pages", per_client=LISTENERS_EACH, total=LISTENERS_MAX)


@router.get(
    "/changes",
    dependencies=[require("telemetry.read")],
    response_class=StreamingResponse,
    responses={**_ANSWER, **problems(429)},
)
async def show_changes(request: Request) -> StreamingResponse:
    """Server-sent events `changed` with names of what changed: device kinds, `events`, `alarms`, `cases` and so on.

    A page asks again for what it shows of these. Nothing is sent again after an interruption.
    """
    context, state = context_of(request), request.app.state
    blocks = blocks_of(state.change_feed, lambda: still_may(request, context, "telemetry.read"))
    client = client_key(request, context)
    return BoundedStream(blocks, state.listener_limiter, client, STREAM_HEADERS)


async def blocks_of(feed: ChangeFeed, is_allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Blocks of the stream, until the client disconnects or may no longer read."""
    yield b"retry: 2000\nevent: changed\ndata: \n\n"
    due_s = time.monotonic() + CHECKED_EVERY_S
    async for topics in feed.changes():
        if time.monotonic() >= due_s:
            if not await asyncio.to_thread(is_allowed):
                return
            due_s = time.monotonic() + CHECKED_EVERY_S
        yield f"event: changed\ndata: {' '.join(sorted(topics))}\n\n".encode()
