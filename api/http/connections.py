"""Limits of HTTP connections: time to send a request, time to read a response, and number of open connections.

uvicorn waits without limit for the rest of a request, keeps reading a request after its response has refused it, and
never closes a connection to make room. This module extends its HTTP/1.1 protocol where uvicorn has no setting.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

log = structlog.get_logger("api")

DRAINED_MAX_BYTES: Final = 64 << 10
"""Size of a refused body that is read and discarded, so that a well-behaved client keeps its connection."""
_WAITING: Final = (h11.IDLE, h11.SEND_BODY)
"""h11 states of a client whose request is incomplete."""


@dataclass(frozen=True)
class Limits:
    """Limits of connections.

    `request_s`: from the first byte of a request, or from the start of a new connection, to its last byte; a large body
    has as much longer as it takes at `request_bytes_per_s`. `stalled_s`: how long the client may leave a response
    unread. `linger_s`: how long a refused sender may read the response before the connection is aborted. At `open_max`
    connections, or `address_max` from one address, the connection that has waited longest for a complete request is
    closed for a new one; if all are being served, the new one is refused.
    """

    request_s: float = 10.0
    request_bytes_per_s: float = 131_072.0
    stalled_s: float = 30.0
    linger_s: float = 1.0
    open_max: int = 512
    address_max: int = 256


class ConnectionRegistry:
    """The open connections without websockets, and which of them wait for a request, longest first."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[BoundedProtocol, str] = {}
        self._waiting: dict[BoundedProtocol, None] = {}
        self._is_full = False

    @property
    def open(self) -> int:
        """Number of open connections."""
        return len(self._open)

    def admit(self, protocol: BoundedProtocol, address: str) -> bool:
        """Register a new connection, closing another if the limit is reached; False if none can be closed."""
        if self._count(address) >= self.limits.address_max and not self._close_longest_waiting(address):
            return False
        if len(self._open) >= self.limits.open_max and not self._close_longest_waiting(None):
            return False
        self._open[protocol] = address
        self._waiting[protocol] = None
        if len(self._open) < self.limits.open_max // 2:
            self._is_full = False
        return True

    def wait(self, protocol: BoundedProtocol) -> None:
        """Mark a connection as waiting for a request; a second call changes nothing."""
        if protocol in self._open:
            self._waiting.setdefault(protocol)

    def serve(self, protocol: BoundedProtocol) -> None:
        """Mark a connection as having a complete request."""
        self._waiting.pop(protocol, None)

    def forget(self, protocol: BoundedProtocol) -> None:
        """Remove a connection that is closed or has become a websocket."""
        self._open.pop(protocol, None)
        self._waiting.pop(protocol, None)

    def _count(self, address: str) -> int:
        return sum(1 for other in self._open.values() if other == address)

    def _close_longest_waiting(self, address: str | None) -> bool:
        if not self._is_full:
            self._is_full = True
            log.warning("api.connections_full", open=len(self._open), address=address or "all")
        longest = next((waiting for waiting in self._waiting if address in (None, self._open[waiting])), None)
        if longest is None:
            return False
        self.forget(longest)
        longest.time_out()
        return True


class BoundedProtocol(H11Protocol):
    """One connection. Only the event loop calls it."""

    def __init__(self, registry: ConnectionRegistry, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._registry = registry
        self._limits = registry.limits
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._is_lingering = False
        self._drained_bytes = 0
        self._deadline_began_s = 0.0
        self._request_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection and start the request deadline; uvicorn's hook."""
        super().connection_made(transport)
        if self._registry.admit(self, self.client[0] if self.client else ""):
            self._start_deadline()
        else:
            self._decide_refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open", "Retry-After: 5\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers and unregister the connection; uvicorn's hook."""
        self._stop_timers()
        self._registry.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process received bytes; bytes after a refusal are discarded."""
        if self._is_lingering or self.transport.is_closing():
            return
        self._request_bytes += len(data)
        super().data_received(data)
        if self._is_refused():
            self._drained_bytes += len(data)
            if self._drained_bytes > DRAINED_MAX_BYTES:
                self._linger()
                return
        self._follow()

    def handle_events(self) -> None:
        """Process h11 events; the response closes the connection through `close_gently`."""
        super().handle_events()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not isinstance(cycle.transport, _GentleTransport):
            cycle.transport = _GentleTransport(self, self.transport)  # type: ignore[assignment]

    def close_gently(self) -> None:
        """Close the connection; a client that is still sending a refused body may read the response first."""
        if self.conn.their_state is h11.SEND_BODY:
            self._linger()
        else:
            self.transport.close()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Unregister the connection: websockets have their own limits (`api.http.middleware`)."""
        self._stop_timers()
        self._registry.forget(self)
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Finish a response; the rest of an incomplete request is discarded."""
        if self._is_lingering:
            return
        super().on_response_complete()
        self._drained_bytes = 0
        self._follow()

    def pause_writing(self) -> None:
        """Start the stall timeout: the client does not read the response."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self._limits.stalled_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the stall timeout: the client reads again."""
        super().resume_writing()
        self._stop_stalled()

    def send_400_response(self, msg: str) -> None:
        """Answer malformed HTTP with 400 and close."""
        self._decide_refused(HTTPStatus.BAD_REQUEST, msg)

    def time_out(self) -> None:
        """Answer an incomplete request with 408 and close."""
        self._stop_timers()
        self._decide_refused(HTTPStatus.REQUEST_TIMEOUT, "the request was not complete in time")

    def _is_refused(self) -> bool:
        """Whether the response is complete and the request is not."""
        return self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE

    def _follow(self) -> None:
        """Run the deadline while the request is incomplete."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self.conn.their_state not in _WAITING:
            self._stop_deadline()
            self._registry.serve(self)
            return
        self._registry.wait(self)
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            # Between two requests uvicorn's own, shorter time runs until the first byte.
            self._stop_deadline()
            if self.timeout_keep_alive_task is not None:
                return
        self._start_deadline()

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline_began_s, self._request_bytes = self.loop.time(), 0
            self._deadline = self.loop.call_later(self._limits.request_s, self._end_deadline)

    def _end_deadline(self) -> None:
        """Time out, unless the bytes received so far have earned more time."""
        earned_s = self._limits.request_s + self._request_bytes / self._limits.request_bytes_per_s
        left_s = self._deadline_began_s + earned_s - self.loop.time()
        if left_s > 0:
            self._deadline = self.loop.call_later(left_s, self._end_deadline)
        else:
            self.time_out()

    def _linger(self) -> None:
        """Stop reading, and abort after `linger_s`, in which the client can read the response."""
        self._stop_timers()
        self._is_lingering = True
        self._unset_keepalive_if_required()
        self.transport.pause_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline = self.loop.call_later(self._limits.linger_s, self.transport.abort)

    def _stop_timers(self) -> None:
        self._stop_deadline()
        self._stop_stalled()

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _decide_refused(self, status: HTTPStatus, detail: str, header: str = "") -> None:
        """Close after a problem response, unless a response has begun. h11 is bypassed: it may be in any state."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        is_answering = cycle is not None and cycle.response_started and not cycle.response_complete
        if not is_answering and not self._is_refused():
            self.transport.write(_problem(status, detail, header))
        self._unset_keepalive_if_required()
        self.transport.close()


class _GentleTransport:
    """The transport of uvicorn's responses. Its `close` lets a client that is still sending read the response."""

    def __init__(self, protocol: BoundedProtocol, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self.write = transport.write
        self.is_closing = transport.is_closing

    def close(self) -> None:
        self._protocol.close_gently()


def _problem(status: HTTPStatus, detail: str, header: str) -> bytes:
    body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/problem+json\r\n{header}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def protocol_with(registry: ConnectionRegistry) -> Callable[..., asyncio.Protocol]:
    """A factory of connections that share a registry, for uvicorn's setting `http`."""

    def make(*args: Any, **kwargs: Any) -> BoundedProtocol:  # noqa: ANN401 - uvicorn's own
        return BoundedProtocol(registry, *args, **kwargs)

    return make
