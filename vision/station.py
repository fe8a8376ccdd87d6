"""The cameras of one process, each with its lock, outbox, agent and worker, speaking as its camera's own device."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Final

import cv2
import structlog

from broker.client import connection_params
from broker.contract.errors import ConfigError, KotaError
from city.drawn import DrawnPlan, still_path
from city.model import Camera
from city.runtime import Runtime
from edge.agent import Agent
from edge.outbox import Outbox
from vision.capture.address import kind_of
from vision.capture.opening import open_source
from vision.capture.port import FrameSource
from vision.capture.watchdog import RECORDED, STREAMED
from vision.demo import DemoSource
from vision.detect.learned import OnnxFinder
from vision.evidence.room import open_room
from vision.evidence.sealed import PUBLIC_NAME, read_key
from vision.sink import AgentSink
from vision.worker import CameraWorker

log = structlog.get_logger("vision")

DEMO_CLOCK: Final = "12:00"
SOURCE_FPS: Final = 10.0
BEAT_EVERY_S: Final = 1.0
STUCK_S: Final = 60.0
"""Evidence on a slow disk takes seconds; a camera that has had no turn for so long never will."""
LOCK_RETRY_S: Final = 0.1
LAST_WORDS_S: Final = 3.0


class StuckError(KotaError):
    """A camera's own thread hangs; nothing but a new process helps."""


class Station:
    """Owns the cameras of this process until the runtime stops.

    Args:
        runtime: Settings, city and the signal to stop.
        cameras: Which ones.

    Raises:
        ConfigError: The model of the settings cannot be used.
    """

    def __init__(self, runtime: Runtime, cameras: Sequence[Camera]) -> None:
        """Prepare; nothing is opened yet."""
        self._runtime = runtime
        self._cameras = cameras
        self._workers: dict[str, CameraWorker] = {}
        self._room = open_room(runtime.settings, runtime.secrets)
        model = runtime.settings.vision_model
        self._finder = OnnxFinder(model) if model else None

    def run(self, beat: Callable[[dict[str, float]], None] = lambda _loads: None) -> None:
        """Watch; once a second `beat` is told what each camera costs, in CPU seconds a second.

        Raises:
            StuckError: A camera's own thread hangs.
        """
        cv2.setNumThreads(1)
        began_s = time.monotonic()
        threads = [self._runtime.thread(f"{one.id}-worker", self._watching(one)) for one in self._cameras]
        log.info("vision.watching", cameras=len(threads))
        while True:
            now_s = time.monotonic()
            self._check(now_s)
            beat({id_: worker.cpu_s / max(1.0, now_s - began_s) for id_, worker in self._workers.items()})
            if self._runtime.stop.wait(BEAT_EVERY_S):
                break
        for thread in threads:
            thread.join()

    def _check(self, now_s: float) -> None:
        for camera, worker in self._workers.items():
            if now_s - worker.turned_s > STUCK_S:
                raise StuckError(f"{camera}: no turn for {now_s - worker.turned_s:.0f} s")

    def _watching(self, camera: Camera) -> Callable[[], None]:
        return lambda: self._watch(camera)

    def _watch(self, camera: Camera) -> None:
        """One camera from its lock to its last words."""
        runtime, settings = self._runtime, self._runtime.settings
        path = settings.data / "edge" / f"{camera.id}.sqlite"
        with held(path.with_suffix(".lock"), runtime.stop) as ours:
            if not ours:
                return
            with closing(Outbox(path, max_bytes=settings.outbox_max_mb << 20)) as outbox:
                login = connection_params(settings, camera.id, runtime.mqtt_password(camera.id))
                agent = Agent(runtime.city.id, {camera.id: "camera"}, outbox, login, firmware="vision")
                talking = runtime.thread(f"{camera.id}-agent", lambda: agent.run(runtime.stop))
                worker = self._workers[camera.id] = self._worker(camera, agent)
                worker.run(runtime.stop)
                talking.join(LAST_WORDS_S)

    def _worker(self, camera: Camera, agent: Agent) -> CameraWorker:
        city, data = self._runtime.city, self._runtime.settings.data
        return CameraWorker(
            camera,
            city.hours_at(camera.site),
            city.time_zone,
            source_of(self._runtime, camera),
            AgentSink(agent, camera),
            self._room,
            simulated=camera.source == "demo",
            plan=DrawnPlan(data, camera.id, camera.plan).current,
            still=still_path(data, camera.id),
            patience=STREAMED if kind_of(camera.source) == "stream" else RECORDED,
            note=data / "vision" / f"{camera.id}.json",
            waiting=data / "vision" / f"{camera.id}.waiting.json",
            finder=self._finder,
            clear_key=self._clear_key(camera),
        )

    def _clear_key(self, camera: Camera) -> bytes | None:
        """What copies with people are sealed for, where the camera's site asks for them and there is a key."""
        site = self._runtime.city.sites.get(camera.site)
        if site is None or not site.clear_copies:
            return None
        try:
            return read_key(self._room.folder / PUBLIC_NAME)
        except ConfigError as exc:
            log.warning("vision.no_clear_copies", camera=camera.id, site=camera.site, reason=str(exc))
            return None


@contextmanager
def held(path: Path, stop: threading.Event) -> Iterator[bool]:
    """Hold a camera for this process alone: waits for another to let go of it; False when stopped before.

    The kernel lets go of what a killed process held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        while not stop.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                stop.wait(LOCK_RETRY_S)
            else:
                yield True
                return
        yield False


def source_of(runtime: Runtime, camera: Camera) -> FrameSource:
    """The camera's pictures; the demo camera shows the rendered scene, or the clip that was asked for."""
    settings = runtime.settings
    if camera.source != "demo":
        return open_source(camera.source, start_at=datetime.now(UTC), realtime=True, fps=SOURCE_FPS)
    if settings.clip is None:
        return DemoSource(start_at=start_at(runtime, settings.clock or DEMO_CLOCK), seed=settings.seed)
    return open_source(str(settings.clip), start_at=start_at(runtime, settings.clock), realtime=True, fps=SOURCE_FPS)


def start_at(runtime: Runtime, clock: str, now: datetime | None = None) -> datetime:
    """The last time a local clock showed `HH:MM`, so that nothing seems to come from the future; empty for now."""
    now = now or datetime.now(UTC)
    if not clock:
        return now
    local = now.astimezone(runtime.city.time_zone)
    hour, minute = map(int, clock.split(":"))
    shown = datetime.combine(local.date(), time_of_day(hour, minute), runtime.city.time_zone)
    return shown if shown <= now else shown - timedelta(days=1)
