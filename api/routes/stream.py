"""Live updates of devices as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from api.auth.access import client_key, require, still_may
from api.context import ApiContext
from api.dependencies import context_of
from api.http.description import JSON_MEDIA, ModelSchema, Responses, problems
from api.http.limiter import ConcurrencyLimiter
from api.http.routing import ApiRoute
from api.http.streams import MEDIA, STREAM_HEADERS, BoundedStream
from api.schemas import DeviceResponse, device_response
from broker.contract.topics import Kind

EVERY_S: Final = 1.0
BEAT_AFTER: Final = 15
"""Number of polls without changes after which a comment keeps the connection alive."""
CHECKED_AFTER: Final = 3
"""Number of polls after which it is asked again whether the session or token is in force."""
STREAMS_MAX: Final = 50
STREAMS_EACH: Final = 10
"""Streams of one person or service; in an open demo, of one address."""
LOOK_BACK: Final = timedelta(hours=1)

router = APIRouter(prefix="/api/v1", tags=["devices"], route_class=ApiRoute)

_ANSWER: Final[Responses] = {
    200: {
        "description": "Server-sent events `devices`, about once a second; their ids are times.",
        "content": {
            MEDIA: {
                "schema": {
                    "type": "string",
                    "description": "The data of each event are the devices that changed.",
                    "contentMediaType": JSON_MEDIA,
                    "contentSchema": ModelSchema(list[DeviceResponse]),
                }
            }
        },
    }
}


@dataclass(eq=False)
class Stream:
    """One subscriber. `since`: receive time of the newest change that was sent."""

    context: ApiContext
    kind: Kind | None
    since: datetime
    is_allowed: Callable[[], bool]
    """Whether whoever asked may still read."""

    async def events(self) -> AsyncIterator[bytes]:
        """Blocks of the stream, until the client disconnects and this generator is closed."""
        yield b"retry: 2000\n\n"
        quiet = 0
        for poll in count(1):
            if poll % CHECKED_AFTER == 0 and not await asyncio.to_thread(self.is_allowed):
                return
            block = await asyncio.to_thread(self.changes)
            quiet = 0 if block else quiet + 1
            if quiet and quiet % BEAT_AFTER == 0:
                block = b": alive\n\n"
            if block:
                yield block
            await asyncio.sleep(EVERY_S)

    def changes(self) -> bytes:
        """One event with the devices that changed since the last call; empty if there are none."""
        changed = self.context.reader.latest(kind=self.kind, changed_since=self.since)
        if not changed:
            return b""
        self.since = max(latest.received_at for latest in changed)
        now, devices = self.context.clock(), self.context.city.devices
        responses = [
            device_response(self.context, devices[latest.device], latest, now)
            for latest in changed
            if latest.device in devices
        ]
        return (
            f"id: {self.since.isoformat()}\nevent: devices\ndata: ".encode() + msgspec.json.encode(responses) + b"\n\n"
        )


def stream_limiter() -> ConcurrencyLimiter:
    """The limits of streams of one app."""
    return ConcurrencyLimiter("streams", per_client=STREAMS_EACH, total=STREAMS_MAX)


@router.get(
    "/stream",
    dependencies=[require("telemetry.read")],
    response_class=StreamingResponse,
    responses={**_ANSWER, **problems(429)},
)
async def stream(request: Request, kind: Kind | None = None) -> StreamingResponse:
    """Server-sent events `devices` with changed devices, about once a second; resumes after `Last-Event-ID`."""
    context = context_of(request)
    since = start_after(request.headers.get("last-event-id"), context.clock())
    listener = Stream(context, kind, since, lambda: still_may(request, context, "telemetry.read"))
    client = client_key(request, context)
    return BoundedStream(listener.events(), request.app.state.stream_limiter, client, STREAM_HEADERS)


def start_after(last_event: str | None, now: datetime) -> datetime:
    """The time from which a stream resumes: that of the last event, at most `LOOK_BACK` ago; without one, now."""
    try:
        at = datetime.fromisoformat(last_event or "")
    except ValueError:
        return now - timedelta(seconds=EVERY_S)
    return min(max(at, now - LOOK_BACK), now) if at.tzinfo else now
