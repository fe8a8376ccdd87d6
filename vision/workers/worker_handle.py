"""The coordinator's handle of one worker process: its cameras, its heartbeats, and whether it failed."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from city.backoff import Backoff
from vision.workers.ipc import PACKET_BYTES, CameraAssignment, WorkerHeartbeat, socket_pair

START_TIMEOUT_S: Final = 30.0
HEARTBEAT_TIMEOUT_S: Final = 5.0
"""A restart takes three seconds more, and all of it is to be over within ten."""
STABLE_AFTER_S: Final = 60.0
"""The failure count of a process that ran this long starts again at 1."""
BACKOFF_MIN_S: Final = 0.2
BACKOFF_MAX_S: Final = 4.0

WorkerFailure = Literal["ended", "hung"]


class WorkerHandle:
    """Owns one worker process and its socket; `start_when_due` starts the process again after each failure.

    Args:
        cameras: Ids of the cameras that the worker watches.
        environment: Environment variables of the process.
    """

    def __init__(self, cameras: list[str], environment: Mapping[str, str]) -> None:
        self.cameras = cameras
        self._backoff = Backoff(BACKOFF_MIN_S, BACKOFF_MAX_S)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._started_s = self._due_s = 0.0
        self._heartbeat_s: float | None = None

    @property
    def pid(self) -> int | None:
        """Process id; None while no process runs."""
        return self._process.pid if self._process else None

    @property
    def failures(self) -> int:
        """Failures in a row since the process last ran steadily, or since `forgive`."""
        return self._backoff.failures

    def forgive(self) -> None:
        """Count failures from 0 again: the worker has other cameras now."""
        self._backoff.reset()

    def start_when_due(self, now_s: float) -> None:
        """Start the process if none runs and its restart backoff is over."""
        if self._process is not None or now_s < self._due_s:
            return
        self._close_socket()
        self._socket, worker_end = socket_pair()
        with worker_end:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "city", "serve", "vision-worker"],
                env={**self._environment, "KOTA_SUPERVISOR": str(os.getpid())},
                stdin=worker_end.fileno(),
            )
        with contextlib.suppress(OSError):  # it has ended already, which is noticed soon
            self._socket.send(msgspec.json.encode(CameraAssignment(self.cameras)))
        self._started_s, self._heartbeat_s = now_s, None

    def assign(self, cameras: Sequence[str]) -> None:
        """Give the worker other cameras; a running process follows within a second."""
        self.cameras[:] = cameras
        if self._process is not None and self._socket is not None:
            with contextlib.suppress(OSError):  # it has ended, and gets them at its next start
                self._socket.send(msgspec.json.encode(CameraAssignment(self.cameras)))

    def loads(self, now_s: float) -> dict[str, float]:
        """Camera to CPU seconds a second, from the newest heartbeat; empty if none arrived since the last call."""
        loads: dict[str, float] = {}
        if self._socket is None:
            return loads
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            while packet := self._socket.recv(PACKET_BYTES):
                loads, self._heartbeat_s = msgspec.json.decode(packet, type=WorkerHeartbeat).loads, now_s
        return loads

    def failure(self, now_s: float) -> WorkerFailure | None:
        """How the process failed; None if it is well or no process runs."""
        if self._process is None:
            return None
        if self._process.poll() is not None:
            return "ended"
        silent_s = now_s - (self._heartbeat_s or self._started_s)
        return "hung" if silent_s > (HEARTBEAT_TIMEOUT_S if self._heartbeat_s else START_TIMEOUT_S) else None

    def kill(self, now_s: float) -> None:
        """Kill the process and schedule its restart, with a backoff that doubles with each failure in a row."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None
        if now_s - self._started_s > STABLE_AFTER_S:
            self._backoff.reset()
        self._due_s = now_s + self._backoff.next_s()

    def stop(self) -> None:
        """Send SIGTERM to the process."""
        if self._process is not None:
            self._process.terminate()

    def join(self, timeout_s: float) -> None:
        """Wait until the process has ended; kill it after `timeout_s`."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, timeout_s))
            self._process.kill()
            self._process.wait()
        self._close_socket()

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
