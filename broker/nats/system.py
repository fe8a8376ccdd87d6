"""Requests to nats-server's system account: memory, connections, and ending a connection.

Source: NATS documentation, "System events and decentralised monitoring": `$SYS.REQ.SERVER.*`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Final

import msgspec

from broker.nats.library import Client, NatsError

TIMEOUT_S: Final = 5
LISTED_MAX: Final = 1_024
_UNAUTHENTICATED: Final = "$G"
"""The server's global account, to which a connection belongs until it has authenticated."""


class ServerState(msgspec.Struct, frozen=True):
    """Memory of the process, and its connections."""

    memory_bytes: int = msgspec.field(name="mem", default=0)
    connections: int = 0


class ConnectionInfo(msgspec.Struct, frozen=True):
    """One connection: the server's id, its own, and the client's address."""

    server: str
    id: int
    address: str


class _StatszAnswer(msgspec.Struct):
    statsz: ServerState = ServerState()


class _ConnzEntry(msgspec.Struct, frozen=True):
    cid: int
    ip: str = ""


class _ConnzData(msgspec.Struct, frozen=True):
    connections: tuple[_ConnzEntry, ...] = ()


class _ServerInfo(msgspec.Struct, frozen=True):
    id: str = ""


class _ConnzAnswer(msgspec.Struct):
    server: _ServerInfo = _ServerInfo()
    data: _ConnzData = _ConnzData()


class SystemAccount:
    """Sends requests over one connection of the system account.

    Args:
        client: The connection.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def is_connected(self) -> bool:
        """Whether the server is connected."""
        return bool(self._client.is_connected)

    async def state(self) -> ServerState:
        """Memory and connections of the server.

        Raises:
            NatsError, TimeoutError, ValueError: It does not answer, or not as expected.
        """
        answer = await self._client.request("$SYS.REQ.SERVER.PING.STATSZ", b"", timeout=TIMEOUT_S)
        return msgspec.json.decode(answer.data, type=_StatszAnswer).statsz

    async def connections_of(self, user: str) -> list[ConnectionInfo]:
        """The connections of a user; none when the server does not answer."""
        return await self._connections({"auth": True, "user": user})

    async def list_unauthenticated(self) -> list[ConnectionInfo]:
        """Connections that have not authenticated, the oldest first."""
        return await self._connections({"acc": _UNAUTHENTICATED, "sort": "start"})

    async def end(self, connections: Iterable[ConnectionInfo]) -> None:
        """Ask the server to close connections; a busy one takes time."""
        with contextlib.suppress(NatsError, TimeoutError):
            for connection in connections:
                wish = msgspec.json.encode({"cid": connection.id})
                await self._client.publish(f"$SYS.REQ.SERVER.{connection.server}.KICK", wish)
            await self._client.flush(TIMEOUT_S)

    async def _connections(self, which: dict[str, object]) -> list[ConnectionInfo]:
        request = msgspec.json.encode({**which, "limit": LISTED_MAX})
        try:
            answer = await self._client.request("$SYS.REQ.SERVER.PING.CONNZ", request, timeout=TIMEOUT_S)
            listing = msgspec.json.decode(answer.data, type=_ConnzAnswer)
        except (NatsError, TimeoutError, msgspec.MsgspecError):
            return []
        return [ConnectionInfo(listing.server.id, entry.cid, entry.ip) for entry in listing.data.connections]
