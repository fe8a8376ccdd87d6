"""Responses of server-sent events, which stay open and are limited per client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.http.limiter import ConcurrencyLimiter, TooManyError
from api.http.problems import problem

MEDIA: Final = "text/event-stream"
STREAM_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class BoundedStream(StreamingResponse):
    """A response that counts against the limits of streams while it is sent."""

    def __init__(
        self, blocks: AsyncIterator[bytes], limiter: ConcurrencyLimiter, client: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(blocks, media_type=MEDIA, headers=headers)
        self._limiter = limiter
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, or 429 if the limit is reached."""
        try:
            with self._limiter.acquire(self._client):
                await super().__call__(scope, receive, send)
        except TooManyError as exc:
            await problem(429, str(exc), headers={"Retry-After": "10"})(scope, receive, send)
