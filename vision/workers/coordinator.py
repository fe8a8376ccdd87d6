"""Distributes the cameras over worker processes and restarts these. Imports no OpenCV, so that it stays small.

A worker that ends or hangs is started again with its cameras within ten seconds. A worker that keeps failing is split:
one camera's stream crashes the decoder, and after a few splits that camera is alone in its process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from city.errors import StorageError
from city.inventory.model import Camera
from city.runtime.blind_cameras import forget_other_cameras
from city.runtime.options import environment_of
from city.runtime.service import Runtime
from city.runtime.supervise import FRUGAL
from city.storage.atomic_files import replace_file
from vision.workers.balancing import balance, expected_loads
from vision.workers.worker_handle import WorkerHandle

log = structlog.get_logger("vision")

POLL_S: Final = 0.2
SAVE_LOADS_EVERY_S: Final = 300.0
SPLIT_AFTER_FAILURES: Final = 3
"""Failures in a row."""
SHUTDOWN_TIMEOUT_S: Final = 3.5


class Coordinator:
    """Owns the worker processes until the runtime stops.

    Args:
        runtime: Settings and the signal to stop.
        cameras: Gives all cameras to watch now.
        worker_count: Number of processes, at most the number of cameras.
        spawn: Makes the handle of a worker process.
    """

    def __init__(
        self,
        runtime: Runtime,
        cameras: Callable[[], Sequence[Camera]],
        worker_count: int,
        spawn: Callable[..., WorkerHandle] = WorkerHandle,
    ) -> None:
        self._runtime = runtime
        self._spawn = spawn
        self._path = runtime.settings.data / "vision" / "loads.json"
        self._loads = self._read_loads()
        self._environment = {**FRUGAL, **os.environ, **environment_of(runtime.settings)}
        self._cameras = cameras
        self._version = runtime.city.version
        groups = balance(expected_loads([camera.id for camera in cameras()], self._loads), worker_count)
        self.workers = [spawn(camera_ids, self._environment) for camera_ids in groups]

    def run(self) -> None:
        """Start the workers and restart those that end or hang, until the runtime stops."""
        saved_s = time.monotonic()
        while not self._runtime.stop.wait(POLL_S):
            now_s = time.monotonic()
            self._runtime.beat("vision", f"{len(self.workers)} workers")
            if (version := self._runtime.city.version) != self._version:
                self._version = version
                self.follow()
            for worker in list(self.workers):
                self._supervise(worker, now_s)
            if now_s - saved_s > SAVE_LOADS_EVERY_S:
                saved_s = now_s
                self._save_loads()
        for worker in self.workers:
            worker.stop()
        deadline_s = time.monotonic() + SHUTDOWN_TIMEOUT_S
        for worker in self.workers:
            worker.join(deadline_s - time.monotonic())
        self._save_loads()

    def follow(self) -> None:
        """Give up cameras that are not watched any more; a new one goes to the worker with the fewest."""
        ids = [camera.id for camera in self._cameras()]
        assigned = {camera for worker in self.workers for camera in worker.cameras}
        wanted = {id(worker): [camera for camera in worker.cameras if camera in ids] for worker in self.workers}
        for camera in (camera for camera in ids if camera not in assigned):
            min(wanted.values(), key=len).append(camera)
        for worker in self.workers:
            if wanted[id(worker)] != worker.cameras:
                worker.assign(wanted[id(worker)])
        if assigned != set(ids):
            log.info("vision.cameras_changed", cameras=len(ids))
            forget_other_cameras(self._runtime.settings.data, ids)

    def _supervise(self, worker: WorkerHandle, now_s: float) -> None:
        worker.start_when_due(now_s)
        self._loads.update(worker.loads(now_s))
        failure = worker.failure(now_s)
        if failure is None:
            return
        log.error("vision.worker_lost", why=failure, worker=worker.pid, cameras=len(worker.cameras))
        worker.kill(now_s)
        if worker.failures >= SPLIT_AFTER_FAILURES and len(worker.cameras) > 1:
            self._split(worker)

    def _split(self, worker: WorkerHandle) -> None:
        half = len(worker.cameras) // 2
        worker.forgive()
        self.workers.append(self._spawn(worker.cameras[half:], self._environment))
        del worker.cameras[half:]
        log.warning("vision.worker_split", cameras=[len(handle.cameras) for handle in self.workers])

    def _read_loads(self) -> dict[str, float]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, float])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _save_loads(self) -> None:
        try:
            replace_file(self._path, msgspec.json.encode(self._loads), parents=True)
        except StorageError as exc:
            log.warning("vision.loads_not_saved", reason=str(exc))
