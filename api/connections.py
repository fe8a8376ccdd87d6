"""Connections with bounds: a request must be whole in time, an answer must be taken, and only so many are open at once.

uvicorn waits for ever for the rest of a request, reads on what an answer has already refused, and closes nobody's
connection to make room; its protocol for HTTP/1.1 is completed here where it offers no setting.
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
"""Of a body that its answer has refused: so much is passed over, so that a decent client keeps its connection."""
_WAITING: Final = (h11.IDLE, h11.SEND_BODY)
"""States of a client that has not sent a whole request."""


@dataclass(frozen=True)
class Limits:
    """Bounds of connections.

    `request_s` is from a request's first byte (of a new connection: from its beginning) to its last. `stalled_s` is how
    long an answer may lie untaken. `linger_s` is how long a refused sender may read the answer before the connection is
    cut. With `open_max`, or `address_max` from one address, the one that has waited longest for a whole request is
    closed for a new one; where all are being answered, the new one is.
    """

    request_s: float = 10.0
    stalled_s: float = 30.0
    linger_s: float = 1.0
    open_max: int = 512
    address_max: int = 256


class Ledger:
    """All open connections but websockets, and which of them wait, the longest waiting first."""

    def __init__(self, limits: Limits) -> None:
        """Nobody is connected."""
        self.limits = limits
        self._open: dict[BoundedProtocol, str] = {}
        self._waiting: dict[BoundedProtocol, None] = {}
        self._is_full = False

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._open)

    def admit(self, protocol: BoundedProtocol, address: str) -> bool:
        """Take in a new connection, closing another where there is no room; False where none can be closed."""
        if self._count(address) >= self.limits.address_max and not self._close_one(address):
            return False
        if len(self._open) >= self.limits.open_max and not self._close_one(None):
            return False
        self._open[protocol] = address
        self._waiting[protocol] = None
        if len(self._open) < self.limits.open_max // 2:
            self._is_full = False
        return True

    def wait(self, protocol: BoundedProtocol) -> None:
        """It waits for a request, from now on unless it did."""
        if protocol in self._open:
            self._waiting.setdefault(protocol)

    def serve(self, protocol: BoundedProtocol) -> None:
        """It has a whole request."""
        self._waiting.pop(protocol, None)

    def forget(self, protocol: BoundedProtocol) -> None:
        """It is closed, or has become a websocket."""
        self._open.pop(protocol, None)
        self._waiting.pop(protocol, None)

    def _count(self, address: str) -> int:
        return sum(1 for other in self._open.values() if other == address)

    def _close_one(self, address: str | None) -> bool:
        if not self._is_full:
            self._is_full = True
            log.warning("api.connections_full", open=len(self._open), address=address or "all")
        longest = next((one for one in self._waiting if address in (None, self._open[one])), None)
        if longest is None:
            return False
        self.forget(longest)
        longest.give_up()
        return True


class BoundedProtocol(H11Protocol):
    """One connection; the event loop alone calls it."""

    def __init__(self, ledger: Ledger, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        """Prepare; nobody is connected yet."""
        super().__init__(*args, **kwargs)
        self._ledger = ledger
        self._limits = ledger.limits
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._is_lingering = False
        self._drained_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connects; the time for a request runs."""
        super().connection_made(transport)
        if self._ledger.admit(self, self.client[0] if self.client else ""):
            self._start_deadline()
        else:
            self._end_with(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open", "Retry-After: 5\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._stop_timers()
        self._ledger.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """More of a request; what follows upon a refusal is not looked at."""
        if self._is_lingering or self.transport.is_closing():
            return
        super().data_received(data)
        if self._is_refused():
            self._drained_bytes += len(data)
            if self._drained_bytes > DRAINED_MAX_BYTES:
                self._linger()
                return
        self._follow()

    def handle_events(self) -> None:
        """Begin to answer what has come; the answer closes the connection through us."""
        super().handle_events()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not isinstance(cycle.transport, _ClosingGently):
            cycle.transport = _ClosingGently(self, self.transport)  # type: ignore[assignment]

    def close_gently(self) -> None:
        """Close, but let the sender of a body that is refused read the answer first."""
        if self.conn.their_state is h11.SEND_BODY:
            self._linger()
        else:
            self.transport.close()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """It becomes a websocket, which has bounds of its own (`api.front`)."""
        self._stop_timers()
        self._ledger.forget(self)
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """An answer is on its way; if its request is not whole, the rest is not wanted."""
        if self._is_lingering:
            return
        super().on_response_complete()
        self._drained_bytes = 0
        self._follow()

    def pause_writing(self) -> None:
        """Nobody takes the answer; the time for that runs."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self._limits.stalled_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Somebody does."""
        super().resume_writing()
        self._stop_stalled()

    def send_400_response(self, msg: str) -> None:
        """It is no HTTP: say so and close."""
        self._end_with(HTTPStatus.BAD_REQUEST, msg)

    def give_up(self) -> None:
        """Close; a request that is not whole is not waited for."""
        self._stop_timers()
        self._end_with(HTTPStatus.REQUEST_TIMEOUT, "the request was not complete in time")

    def _is_refused(self) -> bool:
        """Whether an answer is complete and its request is not."""
        return self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE

    def _follow(self) -> None:
        """Let time run for as long as a request is not whole."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self.conn.their_state not in _WAITING:
            self._stop_deadline()
            self._ledger.serve(self)
            return
        self._ledger.wait(self)
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            # Between two requests uvicorn's own, shorter time runs until the first byte.
            self._stop_deadline()
            if self.timeout_keep_alive_task is not None:
                return
        self._start_deadline()

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._limits.request_s, self.give_up)

    def _linger(self) -> None:
        """Let the sender read the answer, read nothing more, and cut."""
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

    def _end_with(self, status: HTTPStatus, detail: str, header: str = "") -> None:
        """Answer without h11, which may be in any state, unless an answer has begun; then close."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        is_answering = cycle is not None and cycle.response_started and not cycle.response_complete
        if not is_answering and not self._is_refused():
            self.transport.write(_problem(status, detail, header))
        self._unset_keepalive_if_required()
        self.transport.close()


class _ClosingGently:
    """A transport as uvicorn's answers use it: closing at once would take the answer from who is still sending."""

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


def protocol_with(ledger: Ledger) -> Callable[..., asyncio.Protocol]:
    """What uvicorn makes a connection with."""

    def make(*args: Any, **kwargs: Any) -> BoundedProtocol:  # noqa: ANN401 - uvicorn's own
        return BoundedProtocol(ledger, *args, **kwargs)

    return make
