"""Messages between the coordinator and a worker process, over a socket that is the worker's standard input.

One packet is one message. A closed socket means that the other process has ended.
"""

from __future__ import annotations

import socket

import msgspec

PACKET_BYTES = 1 << 17


class CameraAssignment(msgspec.Struct, frozen=True):
    """Coordinator to worker, at its start and when they change: the ids of the cameras to watch."""

    cameras: list[str]


class WorkerHeartbeat(msgspec.Struct, frozen=True):
    """Worker to coordinator, once a second: camera to CPU seconds a second."""

    loads: dict[str, float]


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """A pair of SOCK_SEQPACKET sockets (message boundaries are kept); the first is non-blocking."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs
