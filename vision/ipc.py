"""What the coordinator and a worker process tell each other, over the socket that is the worker's standard input.

One packet is one message; the end of the socket is the end of the other side.
"""

from __future__ import annotations

import socket

import msgspec

PACKET_BYTES = 1 << 17


class Order(msgspec.Struct, frozen=True):
    """Coordinator to worker, once: the ids of the cameras to watch."""

    cameras: list[str]


class Beat(msgspec.Struct, frozen=True):
    """Worker to coordinator, once a second: camera to CPU seconds a second. Who sends none for long hangs."""

    loads: dict[str, float]


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a line that keeps messages apart; neither ever waits for the other."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs
