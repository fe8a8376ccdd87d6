"""A connection of one of our services to the embedded broker: made once, with a timeout, and never again by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from broker.nats.library import Client, NatsError, connect

CONNECT_WITHIN_S: Final = 5
PING_EVERY_S: Final = 10
_CLOSE_WITHIN_S: Final = 1.0


@contextlib.asynccontextmanager
async def connected(
    url: str, user: str, password: str, *, inbox: str, on_error: Callable[[Exception], Awaitable[None]] | None = None
) -> AsyncIterator[Client]:
    """A client that is connected inside the context and gone afterwards.

    Args:
        url: Where the server listens for services.
        user: The account.
        password: Its password.
        inbox: Prefix of the subjects it is answered on.
        on_error: Told what the library finds while nobody waits for an answer.

    Raises:
        NatsError, TimeoutError, OSError: It cannot be made.
    """

    async def ignore(_exc: Exception) -> None:
        """Who waits for an answer finds out."""

    async with asyncio.timeout(CONNECT_WITHIN_S):
        client = await connect(
            url,
            user=user,
            password=password,
            allow_reconnect=False,
            max_reconnect_attempts=1,  # the library counts the first connect as one
            reconnect_time_wait=0,
            connect_timeout=CONNECT_WITHIN_S,
            ping_interval=PING_EVERY_S,
            inbox_prefix=inbox,
            error_cb=on_error or ignore,
        )
    try:
        yield client
    finally:
        with contextlib.suppress(NatsError, TimeoutError, OSError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await client.close()
