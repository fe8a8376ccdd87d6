"""What the keeper asks of nats-server about itself: memory, connections; and the end of a connection.

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
_UNSIGNED: Final = "$G"
"""The server's own account, to which a connection belongs until it has signed in."""


class ServerState(msgspec.Struct, frozen=True):
    """Memory of the process, and its connections."""

    memory_bytes: int = msgspec.field(name="mem", default=0)
    connections: int = 0


class Connected(msgspec.Struct, frozen=True):
    """One connection: the server's id, its own, and the client's address."""

    server: str
    id: int
    address: str


class _StateAnswer(msgspec.Struct):
    statsz: ServerState = ServerState()


class _Listed(msgspec.Struct, frozen=True):
    cid: int
    ip: str = ""


class _ListedData(msgspec.Struct, frozen=True):
    connections: tuple[_Listed, ...] = ()


class _Server(msgspec.Struct, frozen=True):
    id: str = ""


class _ListAnswer(msgspec.Struct):
    server: _Server = _Server()
    data: _ListedData = _ListedData()


class SystemAccount:
    """Asks over one connection of the system account.

    Args:
        client: The connection.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def is_connected(self) -> bool:
        """Whether the server is there."""
        return bool(self._client.is_connected)

    async def state(self) -> ServerState:
        """How the server does.

        Raises:
            NatsError, TimeoutError, ValueError: It does not answer, or not what was asked.
        """
        answer = await self._client.request("$SYS.REQ.SERVER.PING.STATSZ", b"", timeout=TIMEOUT_S)
        return msgspec.json.decode(answer.data, type=_StateAnswer).statsz

    async def connections_of(self, user: str) -> list[Connected]:
        """The connections of a user; none when the server does not answer."""
        return await self._list({"auth": True, "user": user})

    async def unsigned(self) -> list[Connected]:
        """Connections that have not signed in, the longest there first."""
        return await self._list({"acc": _UNSIGNED, "sort": "start"})

    async def end(self, connections: Iterable[Connected]) -> None:
        """Ask the server to close connections; a busy one takes its time."""
        with contextlib.suppress(NatsError, TimeoutError):
            for connection in connections:
                wish = msgspec.json.encode({"cid": connection.id})
                await self._client.publish(f"$SYS.REQ.SERVER.{connection.server}.KICK", wish)
            await self._client.flush(TIMEOUT_S)

    async def _list(self, which: dict[str, object]) -> list[Connected]:
        wish = msgspec.json.encode({**which, "limit": LISTED_MAX})
        try:
            answer = await self._client.request("$SYS.REQ.SERVER.PING.CONNZ", wish, timeout=TIMEOUT_S)
            listed = msgspec.json.decode(answer.data, type=_ListAnswer)
        except (NatsError, TimeoutError, msgspec.MsgspecError):
            return []
        return [Connected(listed.server.id, one.cid, one.ip) for one in listed.data.connections]
