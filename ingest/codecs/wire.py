"""Messages between the codec runner and its engine: MessagePack behind a length of four bytes."""

from __future__ import annotations

import socket
from typing import Final, Literal

import msgspec

OUTPUT_MAX_BYTES: Final = 64 << 10
ERROR_MAX_CHARS: Final = 200
MESSAGE_MAX_BYTES: Final = 4 << 20
_LENGTH_BYTES: Final = 4


class Request(msgspec.Struct, array_like=True):
    """One frame to decode; without `data` the codec is only loaded.

    `source` is sent once: the engine knows the codec by `key` afterwards.
    """

    key: bytes
    source: str | None
    port: int
    data: bytes | None
    at_ms: float


class Response(msgspec.Struct, array_like=True):
    """The codec's answer as JSON, or why there is none; `unknown` asks for the source."""

    outcome: Literal["decoded", "failed", "unknown"]
    text: str = ""


def send(link: socket.socket, message: Request | Response) -> None:
    """Send a message with its length.

    Raises:
        OSError: The other side is gone, or takes nothing within the socket's timeout.
    """
    encoded = msgspec.msgpack.encode(message)
    link.sendall(len(encoded).to_bytes(_LENGTH_BYTES) + encoded)


def receive(link: socket.socket, max_bytes: int = MESSAGE_MAX_BYTES) -> bytes:
    """Receive a message.

    Raises:
        EOFError: The other side is gone.
        OSError: It sends nothing within the socket's timeout, or too much.
    """
    length = int.from_bytes(_receive_exactly(link, _LENGTH_BYTES))
    if length > max_bytes:
        raise OSError(f"a message of {length} bytes")
    return _receive_exactly(link, length)


def _receive_exactly(link: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = link.recv(count - len(parts))
        if not part:
            raise EOFError("the other side is gone")
        parts += part
    return bytes(parts)
