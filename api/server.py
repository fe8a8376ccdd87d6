"""The HTTP server as the service and its tests start it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from api.connections import Ledger, Limits, protocol_with

GRACE_S: Final = 1
WEBSOCKET_MESSAGE_MAX_BYTES: Final = 1 << 20
"""The console's pages send clicks and what is typed; uvicorn would take 16 MB."""


class BeatingServer(uvicorn.Server):
    """A server whose event loop says that it turns, ten times a second.

    Uvicorn's own `callback_notify` asks the wall clock, which may be set back.
    """

    def __init__(self, config: uvicorn.Config, beat: Callable[[], None]) -> None:
        """Nothing runs yet."""
        super().__init__(config)
        self._beat = beat

    async def on_tick(self, counter: int) -> bool:
        """Uvicorn's own, and a beat."""
        self._beat()
        return await super().on_tick(counter)


def http_server(
    app: ASGIApp, host: str, port: int, limits: Limits | None = None, beat: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """A server that is not started yet; `beat` is called by its event loop, ten times a second."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        # uvicorn only calls it; what makes a protocol does as well as a class of one.
        http=protocol_with(Ledger(limits or Limits())),  # type: ignore[arg-type]
        ws_max_size=WEBSOCKET_MESSAGE_MAX_BYTES,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        proxy_headers=False,
        server_header=False,
    )
    return BeatingServer(config, beat)
