"""The camera workers as a service: one per camera that has a source, each speaking as its camera's own device."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, Literal

import cv2
import structlog

from broker.client import login_for
from broker.contract.errors import RetryLaterError
from city.drawn import DrawnPlan, still_path
from city.model import Camera
from city.runtime import Runtime
from edge.agent import Agent
from edge.outbox import Measured, Occurred, Outbox
from vision.demo import DemoSource
from vision.evidence import forget_before
from vision.sources import FrameSource, open_source
from vision.worker import CameraWorker

log = structlog.get_logger("vision")

DEMO_CLOCK: Final = "12:00"
SOURCE_FPS: Final = 10.0
RETENTION_EVERY_S: Final = 3_600.0


class AgentSink:
    """A camera's words through the agent and outbox that every device uses."""

    def __init__(self, agent: Agent, camera: Camera) -> None:
        """Keep whose words they are."""
        self._agent = agent
        self._camera = camera

    def event(
        self, type_: str, state: Literal["raised", "cleared", "noted"], detail: dict[str, Any], at: datetime
    ) -> None:
        """Keep an event in the outbox."""
        self._agent.record([Occurred(self._camera.id, "camera", at, type_, state, detail)])

    def health(self, values: dict[str, float | int | bool], at: datetime) -> None:
        """Keep health in the outbox; health that finds no room is told again soon."""
        try:
            self._agent.record([Measured(self._camera.id, "camera", at, values)])
        except RetryLaterError as exc:
            log.error("vision.outbox_refuses", reason=str(exc))


def serve(runtime: Runtime) -> None:
    """Watch every camera of the city that has a source, until the runtime stops."""
    cv2.setNumThreads(1)
    threads = [
        thread
        for camera in runtime.city.cameras.values()
        if camera.source and (runtime.settings.demo or camera.source != "demo")
        for thread in _start(runtime, camera)
    ]
    log.info("vision.watching", cameras=len(threads) // 2)
    while True:
        kept_since = datetime.now(UTC) - timedelta(days=runtime.settings.evidence_days)
        forget_before(runtime.settings.data / "evidence", kept_since)
        if runtime.stop.wait(RETENTION_EVERY_S):
            break
    for thread in threads:
        thread.join()


def _start(runtime: Runtime, camera: Camera) -> tuple[Any, Any]:
    settings, city = runtime.settings, runtime.city
    outbox = Outbox(settings.data / "edge" / f"{camera.id}.sqlite", max_bytes=settings.outbox_max_mb << 20)
    login = login_for(settings, camera.id, runtime.mqtt_password(camera.id))
    agent = Agent(city.id, {camera.id: "camera"}, outbox, login, firmware="vision")
    worker = CameraWorker(
        camera,
        city.hours_at(camera.site),
        city.time_zone,
        _source(runtime, camera),
        AgentSink(agent, camera),
        settings.data / "evidence",
        simulated=camera.source == "demo",
        plan=DrawnPlan(settings.data, camera.id, camera.plan).current,
        still=still_path(settings.data, camera.id),
    )
    return (
        runtime.thread(f"{camera.id}-agent", lambda: agent.run(runtime.stop)),
        runtime.thread(f"{camera.id}-worker", lambda: worker.run(runtime.stop)),
    )


def _source(runtime: Runtime, camera: Camera) -> FrameSource:
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
    shown = datetime.combine(local.date(), time(hour, minute), runtime.city.time_zone)
    return shown if shown <= now else shown - timedelta(days=1)
