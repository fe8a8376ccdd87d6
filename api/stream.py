"""The live stream: devices that changed, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from api.access import person_of, require
from api.context import ApiContext
from api.problems import problem
from api.routes import context_of
from api.shapes import shape_device
from api.slots import Slots, TooManyError
from broker.contract.topics import Kind

EVERY_S: Final = 1.0
BEAT_AFTER: Final = 15
"""Rounds without news after which a comment keeps the connection alive."""
STREAMS_MAX: Final = 50
STREAMS_EACH: Final = 10
"""Of one token or session; in an open demo of one address."""
LOOK_BACK: Final = timedelta(hours=1)

router = APIRouter(prefix="/api/v1", tags=["devices"])
_slots: Final = Slots("streams", each=STREAMS_EACH, total=STREAMS_MAX)


@dataclass(eq=False)
class Stream:
    """One listener; `since` is when the newest it has been told of arrived."""

    context: ApiContext
    kind: Kind | None
    since: datetime

    async def events(self) -> AsyncIterator[bytes]:
        """Blocks of the stream until the listener goes away, which ends this generator."""
        yield b"retry: 2000\n\n"
        quiet = 0
        while True:
            block = await asyncio.to_thread(self.changes)
            quiet = 0 if block else quiet + 1
            if quiet and quiet % BEAT_AFTER == 0:
                block = b": alive\n\n"
            if block:
                yield block
            await asyncio.sleep(EVERY_S)

    def changes(self) -> bytes:
        """The devices that changed since the last call as one event, empty when there are none."""
        changed = self.context.reader.latest(kind=self.kind, changed_since=self.since)
        if not changed:
            return b""
        self.since = max(one.received_at for one in changed)
        now, devices = self.context.clock(), self.context.city.devices
        shapes: list[dict[str, Any]] = [
            shape_device(self.context, devices[one.device], one, now).model_dump(mode="json")
            for one in changed
            if one.device in devices
        ]
        return f"id: {self.since.isoformat()}\nevent: devices\ndata: ".encode() + msgspec.json.encode(shapes) + b"\n\n"


class BoundedStream(StreamingResponse):
    """An answer that holds a slot for as long as it is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, or 429."""
        try:
            with _slots.taken(person_of(HTTPConnection(scope))):
                await super().__call__(scope, receive, send)
        except TooManyError as exc:
            await problem(429, str(exc), headers={"Retry-After": "10"})(scope, receive, send)


@router.get("/stream", dependencies=[require("viewer")], response_class=StreamingResponse)
async def stream(request: Request, kind: Kind | None = None) -> StreamingResponse:
    """Server-sent events: `devices` that changed, about once a second; goes on after `Last-Event-ID`."""
    context = context_of(request)
    listener = Stream(context, kind, start_after(request.headers.get("last-event-id"), context.clock()))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return BoundedStream(listener.events(), media_type="text/event-stream", headers=headers)


def start_after(last_event: str | None, now: datetime) -> datetime:
    """Where a listener goes on: after what it had, but no further back than `LOOK_BACK`; else from now on."""
    try:
        at = datetime.fromisoformat(last_event or "")
    except ValueError:
        return now - timedelta(seconds=EVERY_S)
    return min(max(at, now - LOOK_BACK), now) if at.tzinfo else now
