"""Shares the cameras among worker processes and looks after these; knows no OpenCV, so that it stays small.

A worker that ends or hangs is started again with its cameras within ten seconds. One that keeps failing is divided:
what crashes a decoder is one camera's stream, and after a few rounds that camera is alone with its crashes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from broker.contract.errors import ConfigError
from city.atomic_files import replace_file
from city.model import Camera
from city.options import environment_of
from city.runtime import Runtime
from city.supervise import FRUGAL
from vision.balancing import expected_loads, share
from vision.worker_handle import Crew

log = structlog.get_logger("vision")

TURN_S: Final = 0.2
KEEP_LOADS_EVERY_S: Final = 300.0
DIVIDE_AFTER: Final = 3
"""Failures in a row."""
STOP_WITHIN_S: Final = 3.5


class Coordinator:
    """Owns the worker processes until the runtime stops.

    Args:
        runtime: Settings and the signal to stop.
        cameras: All that are to be watched.
        workers: How many processes, at most as many as cameras.
        hire: Makes a worker.
    """

    def __init__(
        self, runtime: Runtime, cameras: Sequence[Camera], workers: int, hire: Callable[..., Crew] = Crew
    ) -> None:
        """Share the cameras by what they cost last time; nothing runs yet."""
        self._runtime = runtime
        self._hire = hire
        self._path = runtime.settings.data / "vision" / "loads.json"
        self._loads = self._read_loads()
        self._environment = {**FRUGAL, **os.environ, **environment_of(runtime.settings)}
        shares = share(expected_loads([camera.id for camera in cameras], self._loads), workers)
        self.crews = [hire(ids, self._environment) for ids in shares]

    def run(self) -> None:
        """Start the workers and keep them."""
        kept_s = time.monotonic()
        while not self._runtime.stop.wait(TURN_S):
            now_s = time.monotonic()
            self._runtime.beat("vision", f"{len(self.crews)} workers")
            for crew in list(self.crews):
                self._look_after(crew, now_s)
            if now_s - kept_s > KEEP_LOADS_EVERY_S:
                kept_s = now_s
                self._keep_loads()
        for crew in self.crews:
            crew.stop()
        deadline_s = time.monotonic() + STOP_WITHIN_S
        for crew in self.crews:
            crew.end(deadline_s - time.monotonic())
        self._keep_loads()

    def _look_after(self, crew: Crew, now_s: float) -> None:
        crew.start_when_due(now_s)
        self._loads.update(crew.loads(now_s))
        trouble = crew.trouble(now_s)
        if trouble is None:
            return
        log.error("vision.worker_lost", why=trouble, worker=crew.pid, cameras=len(crew.cameras))
        crew.give_up(now_s)
        if crew.failures >= DIVIDE_AFTER and len(crew.cameras) > 1:
            self._divide(crew)

    def _divide(self, crew: Crew) -> None:
        half = len(crew.cameras) // 2
        crew.failures = 0
        self.crews.append(self._hire(crew.cameras[half:], self._environment))
        del crew.cameras[half:]
        log.warning("vision.worker_divided", cameras=[len(one.cameras) for one in self.crews])

    def _read_loads(self) -> dict[str, float]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, float])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _keep_loads(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, msgspec.json.encode(self._loads).decode())
        except (OSError, ConfigError) as exc:
            log.warning("vision.loads_not_kept", reason=str(exc))
