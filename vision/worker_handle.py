"""One worker process as the coordinator sees it: its cameras, its beats, and whether it is well."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from vision.ipc import PACKET_BYTES, Beat, Order, socket_pair

START_WITHIN_S: Final = 30.0
HUNG_AFTER_S: Final = 5.0
"""Without a beat; a restart takes three seconds more, and all of it is to be over within ten."""
STEADY_AFTER_S: Final = 60.0
"""A process that lived so long starts anew without a penalty."""
RESTART_MAX_S: Final = 4.0

Trouble = Literal["ended", "hung"]


class Crew:
    """Owns one process and its line; the process is started again for as long as somebody asks `tend`.

    Args:
        cameras: Ids of what it watches.
        environment: Its variables.
    """

    def __init__(self, cameras: list[str], environment: Mapping[str, str]) -> None:
        """Prepare; nothing runs yet."""
        self.cameras = cameras
        self.failures = 0
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._began_s = self._due_s = 0.0
        self._beat_s: float | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs, None while there is none."""
        return self._process.pid if self._process else None

    def start_when_due(self, now_s: float) -> None:
        """Start the process where there is none and its wait is over."""
        if self._process is not None or now_s < self._due_s:
            return
        self._hang_up()
        self._line, theirs = socket_pair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "city", "serve", "vision-worker"],
                env={**self._environment, "KOTA_SUPERVISOR": str(os.getpid())},
                stdin=theirs.fileno(),
            )
        with contextlib.suppress(OSError):  # it has ended already, which is noticed soon
            self._line.send(msgspec.json.encode(Order(self.cameras)))
        self._began_s, self._beat_s = now_s, None

    def loads(self, now_s: float) -> dict[str, float]:
        """What its cameras cost, by its last beats; empty when none came."""
        loads: dict[str, float] = {}
        if self._line is None:
            return loads
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            while packet := self._line.recv(PACKET_BYTES):
                loads, self._beat_s = msgspec.json.decode(packet, type=Beat).loads, now_s
        return loads

    def trouble(self, now_s: float) -> Trouble | None:
        """What is wrong with the process, None when nothing is or there is none."""
        if self._process is None:
            return None
        if self._process.poll() is not None:
            return "ended"
        silent_s = now_s - (self._beat_s or self._began_s)
        return "hung" if silent_s > (HUNG_AFTER_S if self._beat_s else START_WITHIN_S) else None

    def give_up(self, now_s: float) -> None:
        """Kill the process and have it started again soon; sooner when it had been well for long."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None
        self.failures = 1 if now_s - self._began_s > STEADY_AFTER_S else self.failures + 1
        self._due_s = now_s + min(RESTART_MAX_S, 0.1 * 2 ** min(self.failures, 8))

    def stop(self) -> None:
        """Ask the process to end."""
        if self._process is not None:
            self._process.terminate()

    def end(self, within_s: float) -> None:
        """Wait until it has, and kill it when it does not."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, within_s))
            self._process.kill()
            self._process.wait()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
