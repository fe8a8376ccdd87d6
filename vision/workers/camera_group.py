"""The cameras of one process. Each has a lock, an outbox, an agent and a worker, and publishes as its own device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import structlog

from broker.client import BusClient, connection_params
from city.errors import ConfigError, KotaError
from city.inventory.model import Camera
from city.inventory.zone_plans import ZonePlanFile, still_path
from city.runtime.blind_cameras import blind_path
from city.runtime.service import Runtime
from city.storage.file_lock import file_lock
from edge.agent import Agent
from edge.outbox import Outbox
from vision.camera.sink import AgentSink
from vision.camera.worker import CameraWorker
from vision.capture.address import kind_of
from vision.capture.demo import DemoSource
from vision.capture.port import FrameSource
from vision.capture.sources import open_source
from vision.capture.watchdog import RECORDED, STREAMED
from vision.evidence.encryption import PUBLIC_NAME, read_public_key
from vision.evidence.store import open_evidence_store
from vision.models.live_detector import LiveDetector

log = structlog.get_logger("vision")

DEMO_CLOCK: Final = "12:00"
SOURCE_FPS: Final = 10.0
HEARTBEAT_EVERY_S: Final = 1.0
STUCK_S: Final = 60.0
"""A camera whose loop has not iterated for so long hangs; evidence on a slow disk takes seconds."""
LOCK_RETRY_S: Final = 0.1
SHUTDOWN_TIMEOUT_S: Final = 3.0


class StuckError(KotaError):
    """A camera's own thread hangs; only a new process helps."""


class CameraWatch(NamedTuple):
    """A camera that is watched, with whether its site asks for clear copies."""

    camera: tuple[Camera, bool]
    stop: threading.Event
    thread: threading.Thread


class CameraGroup:
    """Owns the cameras of this process until the runtime stops.

    Args:
        runtime: Settings, city and the signal to stop.
        cameras: Gives the cameras of this process now.
    """

    def __init__(self, runtime: Runtime, cameras: Callable[[], Sequence[Camera]]) -> None:
        self._runtime = runtime
        self._cameras = cameras
        self._watches: dict[str, CameraWatch] = {}
        self._workers: dict[str, CameraWorker] = {}
        self._evidence = open_evidence_store(runtime.settings, runtime.secrets)
        self._object_detector = LiveDetector(runtime.settings)

    def run(self, on_heartbeat: Callable[[dict[str, float]], None] = lambda _loads: None) -> None:
        """Watch; calls `on_heartbeat` once a second with each camera's load in CPU seconds a second.

        Raises:
            StuckError: A camera's own thread hangs.
        """
        cv2.setNumThreads(1)
        began_s = time.monotonic()
        self.follow()
        log.info("vision.watching", cameras=len(self._watches))
        try:
            while True:
                now_s = time.monotonic()
                self._check(now_s)
                self._object_detector.refresh()
                workers = dict(self._workers)
                on_heartbeat({id_: worker.cpu_s / max(1.0, now_s - began_s) for id_, worker in workers.items()})
                if self._runtime.stop.wait(HEARTBEAT_EVERY_S):
                    break
                self.follow()
        finally:
            for watch in self._watches.values():
                watch.stop.set()
        for watch in self._watches.values():
            watch.thread.join()

    def follow(self) -> None:
        """Watch the cameras of now: one that has changed is begun anew, one that has gone is left."""
        cameras = {camera.id: self._with_clear_copies(camera) for camera in self._cameras()}
        for id_, watch in list(self._watches.items()):
            if cameras.get(id_) != watch.camera:
                watch.stop.set()
                del self._watches[id_]
                self._workers.pop(id_, None)
                if id_ not in self._runtime.city.cameras:
                    blind_path(self._runtime.settings.data, id_).unlink(missing_ok=True)
                log.info("vision.camera_left" if id_ not in cameras else "vision.camera_changed", camera=id_)
        for id_, watched in cameras.items():
            if id_ not in self._watches:
                stop = threading.Event()
                # One that was left may still hold its lock; the new one waits for that.
                thread = self._runtime.thread(f"{id_}-worker", partial(self._watch, watched[0], stop))
                self._watches[id_] = CameraWatch(watched, stop, thread)

    def _with_clear_copies(self, camera: Camera) -> tuple[Camera, bool]:
        site = self._runtime.city.sites.get(camera.site)
        return camera, bool(site and site.clear_copies)

    def _check(self, now_s: float) -> None:
        for camera, worker in dict(self._workers).items():
            if now_s - worker.iterated_s > STUCK_S:
                raise StuckError(f"{camera}: no iteration for {now_s - worker.iterated_s:.0f} s")

    def _watch(self, camera: Camera, stop: threading.Event) -> None:
        """Run one camera: wait for its lock, publish and watch until `stop`, publish what is left."""
        runtime, settings = self._runtime, self._runtime.settings
        path = settings.data / "edge" / f"{camera.id}.sqlite"
        with camera_lock(path.with_suffix(".lock"), stop) as is_locked:
            if not is_locked:
                return
            with closing(Outbox(path, max_bytes=settings.outbox_max_mb << 20)) as outbox:
                login = connection_params(settings, camera.id, runtime.mqtt_password(camera.id))
                agent = Agent(runtime.city.id, {camera.id: "camera"}, outbox, BusClient(login), firmware="vision")
                publisher = runtime.thread(f"{camera.id}-agent", lambda: agent.run(stop))
                worker = self._worker(camera, agent)
                if not stop.is_set():
                    self._workers[camera.id] = worker
                worker.run(stop)
                if self._workers.get(camera.id) is worker:
                    del self._workers[camera.id]
                publisher.join(SHUTDOWN_TIMEOUT_S)

    def _worker(self, camera: Camera, agent: Agent) -> CameraWorker:
        city, data = self._runtime.city, self._runtime.settings.data
        return CameraWorker(
            camera,
            lambda: self._runtime.city.hours_at(camera.site),
            city.time_zone,
            source_of(self._runtime, camera),
            AgentSink(agent, camera),
            self._evidence,
            simulated=camera.source == "demo",
            plan=ZonePlanFile(data, camera.id, camera.plan).current,
            still=still_path(data, camera.id),
            timeouts=STREAMED if kind_of(camera.source) == "stream" else RECORDED,
            blind_file=blind_path(data, camera.id),
            pending=data / "vision" / f"{camera.id}.waiting.json",
            object_detector=self._object_detector,
            clear_key=self._clear_key(camera),
        )

    def _clear_key(self, camera: Camera) -> str | None:
        """Public key that clear copies are encrypted for; None if the site asks for no copies or there is no key."""
        site = self._runtime.city.sites.get(camera.site)
        if site is None or not site.clear_copies:
            return None
        try:
            return read_public_key(self._evidence.folder / PUBLIC_NAME)
        except ConfigError as exc:
            log.warning("vision.no_clear_copies", camera=camera.id, site=camera.site, reason=str(exc))
            return None


@contextmanager
def camera_lock(path: Path, stop: threading.Event) -> Iterator[bool]:
    """Lock a camera for this process. Waits for other processes; yields False if stopped before it has the lock.

    The kernel releases the lock of a killed process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        while not stop.is_set():
            try:
                held.enter_context(file_lock(path, wait=False))
            except BlockingIOError:
                stop.wait(LOCK_RETRY_S)
            else:
                yield True
                return
        yield False


def source_of(runtime: Runtime, camera: Camera) -> FrameSource:
    """The camera's frame source; the demo camera plays the rendered scene, or the clip of the settings."""
    settings = runtime.settings
    if camera.source != "demo":
        return open_source(camera.source, start_at=datetime.now(UTC), realtime=True, fps=SOURCE_FPS)
    if settings.clip is None:
        return DemoSource(start_at=latest_time_at(runtime, settings.clock or DEMO_CLOCK), seed=settings.seed)
    return open_source(
        str(settings.clip), start_at=latest_time_at(runtime, settings.clock), realtime=True, fps=SOURCE_FPS
    )


def latest_time_at(runtime: Runtime, clock: str, now: datetime | None = None) -> datetime:
    """The latest past moment at which the city's clock showed `HH:MM`; now if `clock` is empty."""
    now = now or datetime.now(UTC)
    if not clock:
        return now
    local = now.astimezone(runtime.city.time_zone)
    hour, minute = map(int, clock.split(":"))
    shown = datetime.combine(local.date(), time_of_day(hour, minute), runtime.city.time_zone)
    return shown if shown <= now else shown - timedelta(days=1)
