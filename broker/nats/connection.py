"""A service's connection to the embedded broker: with a timeout, and without reconnection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Final

from broker.nats.library import Client, NatsError, connect

CONNECT_WITHIN_S: Final = 5
PING_EVERY_S: Final = 10
_CLOSE_WITHIN_S: Final = 1.0
_CANCEL_EVERY_S: Final = 0.2


async def end_tasks(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until all have ended; what they raise is dropped.

    One cancellation is not enough: nats-py drops one that comes while it writes, and `asyncio.wait_for` of Python 3.11
    one that comes with its result.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_EVERY_S)
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def open_connection(
    url: str, user: str, password: str, *, inbox: str, on_error: Callable[[Exception], Awaitable[None]] | None = None
) -> AsyncIterator[Client]:
    """A client that is connected inside the context.

    Args:
        url: Address for services.
        user: The account.
        password: Its password.
        inbox: Prefix of the subjects of its replies.
        on_error: Called with asynchronous errors of the library.

    Raises:
        NatsError, TimeoutError, OSError: It cannot connect.
    """

    async def ignore(_exc: Exception) -> None:
        """Ignore: the caller that waits for the answer gets the error."""

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
