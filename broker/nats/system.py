"""Requests to nats-server's system account: memory, connections, and ending a connection.

Source: NATS documentation, "System events and decentralised monitoring": `$SYS.REQ.SERVER.*`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from broker.nats.library import Client, NatsError

TIMEOUT_S: Final = 5
LISTED_MAX: Final = 1_024
_UNAUTHENTICATED: Final = "$G"
"""The server's global account, to which a connection belongs until it has authenticated."""

_UNREAD: Final = "_INBOX_watcher.unread"


class ServerState(msgspec.Struct, frozen=True):
    """Memory of the process, and its connections."""

    memory_bytes: int = msgspec.field(name="mem", default=0)
    connections: int = 0


class ConnectionInfo(msgspec.Struct, frozen=True):
    """One connection: the server's id, its own, the client's address, since when it is there (UTC), and its user.

    `received_bytes` are what the server has received over it.
    """

    server: str
    id: int
    address: str
    since: datetime
    user: str = ""
    received_bytes: int = 0


class _StatszAnswer(msgspec.Struct):
    statsz: ServerState = ServerState()


class _ConnzEntry(msgspec.Struct, frozen=True):
    cid: int
    start: datetime
    ip: str = ""
    authorized_user: str = ""
    in_bytes: int = 0


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
        """The connections of a user.

        Raises:
            NatsError, TimeoutError, ValueError: The server does not answer, or not what was asked.
        """
        return await self._list({"auth": True, "user": user})

    async def connections_in(self, account: str) -> list[ConnectionInfo]:
        """The connections of an account of the server, with their users.

        Raises:
            NatsError, TimeoutError, ValueError: The server does not answer, or not what was asked.
        """
        return await self._list({"auth": True, "acc": account})

    async def list_unauthenticated(self) -> list[ConnectionInfo]:
        """Unauthenticated connections, oldest first.

        Raises:
            NatsError, TimeoutError, ValueError: The server does not answer, or not what was asked.
        """
        return await self._list({"acc": _UNAUTHENTICATED, "sort": "start"})

    async def end(self, connections: Iterable[ConnectionInfo]) -> None:
        """Ask the server to close connections, without waiting for its answers."""
        with contextlib.suppress(NatsError, TimeoutError):
            for connection in connections:
                request = msgspec.json.encode({"cid": connection.id})
                subject = f"$SYS.REQ.SERVER.{connection.server}.KICK"
                await self._client.publish(
                    subject, request, reply=_UNREAD
                )  # it ignores a request without a reply subject
            await self._client.flush(TIMEOUT_S)

    async def _list(self, which: dict[str, object]) -> list[ConnectionInfo]:
        request = msgspec.json.encode({**which, "limit": LISTED_MAX})
        answer = await self._client.request("$SYS.REQ.SERVER.PING.CONNZ", request, timeout=TIMEOUT_S)
        listed = msgspec.json.decode(answer.data, type=_ConnzAnswer)
        server = listed.server.id
        return [
            ConnectionInfo(server, entry.cid, entry.ip, entry.start, entry.authorized_user, entry.in_bytes)
            for entry in listed.data.connections
        ]
