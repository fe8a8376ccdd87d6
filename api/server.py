"""The HTTP server as the service and its tests start it."""

from __future__ import annotations

from typing import Final

import uvicorn
from starlette.types import ASGIApp

from api.connections import Ledger, Limits, protocol_with

GRACE_S: Final = 1
WEBSOCKET_MESSAGE_MAX_BYTES: Final = 1 << 20
"""The console's pages send clicks and what is typed; uvicorn would take 16 MB."""


def http_server(app: ASGIApp, host: str, port: int, limits: Limits | None = None) -> uvicorn.Server:
    """A server that is not started yet."""
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
    return uvicorn.Server(config)
