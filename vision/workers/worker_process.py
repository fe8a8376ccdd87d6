"""A worker process of `kota vision`: watches the cameras assigned to it and sends heartbeats."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final

import msgspec

from city.errors import ConfigError
from city.inventory.model import Camera
from city.runtime.service import Runtime
from vision.workers.camera_group import CameraGroup
from vision.workers.ipc import PACKET_BYTES, CameraAssignment, WorkerHeartbeat
from vision.workers.watch_list import WatchList

ASSIGNMENT_TIMEOUT_S: Final = 10.0


def serve(runtime: Runtime) -> None:
    """Watch until the runtime stops or the coordinator ends.

    Raises:
        ConfigError: No assignment arrives: the process was not started by `kota vision`.
        StuckError: A camera's own thread hangs.
    """
    with _coordinator_socket() as sock:
        assignment, watch_list = _receive_assignment(sock), WatchList(runtime)

        def cameras() -> list[Camera]:
            nonlocal assignment
            assignment = _newest_assignment(sock) or assignment
            return watch_list.among(assignment.cameras)

        def send_heartbeat(loads: dict[str, float]) -> None:
            runtime.beat("vision-worker", f"{len(loads)} cameras")
            # A coordinator that does not read is no reason to wait: the next heartbeat says the same.
            with contextlib.suppress(BlockingIOError):
                try:
                    sock.send(msgspec.json.encode(WorkerHeartbeat(loads)))
                except (BrokenPipeError, ConnectionResetError):
                    runtime.stop.set()

        CameraGroup(runtime, cameras).run(send_heartbeat)


def _coordinator_socket() -> socket.socket:
    try:
        sock = socket.socket(fileno=os.dup(0))
    except OSError as exc:
        raise ConfigError("a worker of the cameras is started by `kota vision`, not by hand") from exc
    sock.settimeout(ASSIGNMENT_TIMEOUT_S)
    return sock


def _receive_assignment(sock: socket.socket) -> CameraAssignment:
    try:
        assignment = msgspec.json.decode(sock.recv(PACKET_BYTES), type=CameraAssignment)
    except (OSError, msgspec.MsgspecError) as exc:
        raise ConfigError(f"no assignment from the coordinator: {exc}") from exc
    sock.setblocking(False)
    return assignment


def _newest_assignment(sock: socket.socket) -> CameraAssignment | None:
    """The newest assignment that has arrived; None if there is none."""
    newest = None
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        while packet := sock.recv(PACKET_BYTES):
            newest = msgspec.json.decode(packet, type=CameraAssignment)
    return newest
