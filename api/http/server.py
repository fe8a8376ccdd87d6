"""The HTTP server, as configured for the service and for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from api.http.connections import ConnectionRegistry, Limits, protocol_with

GRACE_S: Final = 1


class BeatingServer(uvicorn.Server):
    """A server whose event loop beats ten times a second, for the watchdog.

    Uvicorn's `callback_notify` depends on the wall clock, which may be set back.
    """

    def __init__(self, config: uvicorn.Config, beat: Callable[[], None]) -> None:
        super().__init__(config)
        self._beat = beat

    async def on_tick(self, counter: int) -> bool:
        """Beat, then run uvicorn's own tick."""
        self._beat()
        return await super().on_tick(counter)


def http_server(
    app: ASGIApp,
    host: str,
    port: int,
    limits: Limits | None = None,
    beat: Callable[[], None] = lambda: None,
    trusted_proxies: str = "",
) -> uvicorn.Server:
    """A server that is not started yet.

    Args:
        app: The application.
        host: Address to listen on.
        port: Port to listen on.
        limits: Limits of connections.
        beat: Called by the event loop ten times a second.
        trusted_proxies: Addresses and networks, comma-separated. A request from one of them has the client of its
            `X-Forwarded-For`: the last address that is no trusted proxy. Of others that header counts for nothing.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        # uvicorn only calls it; what makes a protocol does as well as a class of one.
        http=protocol_with(ConnectionRegistry(limits or Limits())),  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies or None,
        server_header=False,
    )
    return BeatingServer(config, beat)
