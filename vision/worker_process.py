"""A worker process of `kota vision`: watches the cameras it is told to, and says that it lives."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final

import msgspec

from broker.contract.errors import ConfigError
from city.runtime import Runtime
from vision.camera_group import Station
from vision.ipc import PACKET_BYTES, Beat, Order

ORDER_WITHIN_S: Final = 10.0


def serve(runtime: Runtime) -> None:
    """Watch until the runtime stops or the coordinator has gone.

    Raises:
        ConfigError: Nobody gives orders: it was not started by `kota vision`.
        StuckError: A camera's own thread hangs.
    """
    with _line() as line:
        order = _order(line)
        cameras = [runtime.city.cameras[id_] for id_ in order.cameras]

        def beat(loads: dict[str, float]) -> None:
            runtime.beat("vision-worker", f"{len(loads)} cameras")
            # A coordinator that does not read is no reason to wait: the next beat says the same.
            with contextlib.suppress(BlockingIOError):
                try:
                    line.send(msgspec.json.encode(Beat(loads)))
                except (BrokenPipeError, ConnectionResetError):
                    runtime.stop.set()

        Station(runtime, cameras).run(beat)


def _line() -> socket.socket:
    try:
        line = socket.socket(fileno=os.dup(0))
    except OSError as exc:
        raise ConfigError("a worker of the cameras is started by `kota vision`, not by hand") from exc
    line.settimeout(ORDER_WITHIN_S)
    return line


def _order(line: socket.socket) -> Order:
    try:
        order = msgspec.json.decode(line.recv(PACKET_BYTES), type=Order)
    except (OSError, msgspec.MsgspecError) as exc:
        raise ConfigError(f"no order from the coordinator: {exc}") from exc
    line.setblocking(False)
    return order
