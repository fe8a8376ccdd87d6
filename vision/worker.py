"""One camera from picture to event: capture, bounded queue, detector, window check, evidence, event."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Protocol
from zoneinfo import ZoneInfo

import cv2
import structlog

from broker.contract.errors import KotaError, RetryLaterError
from city.model import Camera
from city.windows import DumpingHours
from vision.detect.detector import DepositDetector
from vision.detect.port import Deposit, StepResult
from vision.evidence import Recorder, pixelate, write_evidence
from vision.queue import DroppingQueue
from vision.sources import Frame, FrameSource, Image

log = structlog.get_logger("vision")

QUEUE_SIZE: Final = 8
HEALTH_EVERY_S: Final = 10.0
EVIDENCE_TRIES: Final = 5


class EventSink(Protocol):
    """Where a camera's words go: kept durably before these return."""

    def event(
        self, type_: str, state: Literal["raised", "cleared", "noted"], detail: dict[str, Any], at: datetime
    ) -> None:
        """Send an event."""

    def health(self, values: dict[str, float | int | bool], at: datetime) -> None:
        """Send camera telemetry."""


def is_offence(at: datetime, hours: DumpingHours, zone: ZoneInfo) -> bool:
    """Whether putting waste out at a time is against the hours of the place."""
    return not hours.allows(at, zone)


@dataclass
class _Open:
    """A case that has been reported and whose object still lies there."""

    case: str
    deposit: Deposit


@dataclass
class Counts:
    """What a worker has seen since it started."""

    frames: int = 0
    deposits: int = 0
    offences: int = 0
    allowed: int = 0
    armed: bool = False
    reason: str = "warming_up"
    ended: bool = False
    open: dict[int, _Open] = field(default_factory=dict)


class CameraWorker:
    """Owns one camera; `run` blocks until `stop`.

    Args:
        camera: Which one.
        hours: When waste may be put out at its site.
        zone: The city's time zone.
        source: Its pictures.
        sink: Where events and health go.
        evidence: Folder of the cases.
        simulated: Mark what it reports.
        clock: The time of health reports, UTC.
    """

    def __init__(
        self,
        camera: Camera,
        hours: DumpingHours,
        zone: ZoneInfo,
        source: FrameSource,
        sink: EventSink,
        evidence: Path,
        *,
        simulated: bool,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; nothing is opened yet."""
        self._camera = camera
        self._hours = hours
        self._zone = zone
        self._source = source
        self._sink = sink
        self._evidence = evidence
        self._simulated = simulated
        self._clock = clock
        self._detector = DepositDetector(camera.zone)
        self._recorder = Recorder()
        self._queue: DroppingQueue[Frame] = DroppingQueue(QUEUE_SIZE)
        self.counts = Counts()

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop`; a source that ends is reported as blind from then on.

        Raises:
            KotaError: The source cannot be opened.
        """
        failure: list[KotaError] = []
        capture = threading.Thread(target=self._capture, args=(stop, failure), name="vision-capture", daemon=True)
        capture.start()
        began = reported = time.monotonic()
        frames_before = 0
        while not stop.is_set():
            frame = self._queue.get(0.2)
            if frame is not None:
                self.look(frame)
            elif self._queue.ended and not self.counts.ended:
                if failure:
                    raise failure[0]
                self.counts.ended = True
                log.info("vision.source_ended", camera=self._camera.id, frames=self.counts.frames)
            now = time.monotonic()
            if now - reported >= HEALTH_EVERY_S:
                fps = (self.counts.frames - frames_before) / (now - reported)
                reported, frames_before = now, self.counts.frames
                self._report_health(fps, now - began)
        capture.join(2.0)

    def _capture(self, stop: threading.Event, failure: list[KotaError]) -> None:
        try:
            for frame in self._source.frames(stop):
                self._queue.put(frame)
        except KotaError as exc:
            failure.append(exc)
        finally:
            self._queue.close()

    def look(self, frame: Frame) -> None:
        """Everything that one picture leads to."""
        self.counts.frames += 1
        result = self._detector.step(frame.image, frame.at_s)
        if (result.armed, result.reason) != (self.counts.armed, self.counts.reason):
            log.info("vision.armed" if result.armed else "vision.not_armed", camera=self._camera.id, why=result.reason)
        self.counts.armed, self.counts.reason = result.armed, result.reason
        spare = next((open_.deposit.box for open_ in self.counts.open.values()), None)
        # Without a background nothing tells a person from a wall, so nothing is kept.
        if result.armed:
            self._recorder.add(frame.image, frame.at_s, result.people, spare)
        for deposit in result.alarms:
            self._on_deposit(deposit, frame, result)
        for deposit in result.removed:
            self._on_removed(deposit, frame)

    def _on_deposit(self, deposit: Deposit, frame: Frame, result: StepResult) -> None:
        self.counts.deposits += 1
        since = frame.captured_at - timedelta(seconds=frame.at_s - deposit.since_s)
        if not is_offence(since, self._hours, self._zone):
            self.counts.allowed += 1
            place = {"camera": self._camera.id, "site": self._camera.site, "simulated": self._simulated}
            self._sink.event("deposit", "noted", {**place, "within_hours": self._hours.describe()}, frame.captured_at)
            return
        self.counts.offences += 1
        case = f"{self._camera.id}-{since.astimezone(UTC):%Y%m%dt%H%M%Sz}-{deposit.id}"
        detail: dict[str, Any] = {
            "case": case,
            "camera": self._camera.id,
            "site": self._camera.site,
            "box": list(deposit.box),
            "since": since.astimezone(UTC).isoformat(timespec="seconds"),
            "outside_hours": self._hours.describe(),
            "simulated": self._simulated,
        }
        hashes = self._keep_evidence(case, deposit, frame, result, detail)
        files = {"before": "before.jpg", "after": "after.jpg", "clip": "clip.webm"} if hashes else {}
        self._sink.event("dumping", "raised", {**detail, "evidence": files, "sha256": hashes}, frame.captured_at)
        self.counts.open[deposit.id] = _Open(case, deposit)
        log.info("vision.dumping", camera=self._camera.id, case=case)

    def _keep_evidence(
        self, case: str, deposit: Deposit, frame: Frame, result: StepResult, detail: dict[str, Any]
    ) -> dict[str, str]:
        """Evidence on disk before the event that names it; an event without it is better than none."""
        people = [box for box in result.people if box != deposit.box]
        after = pixelate(frame.image, people, deposit.box)
        left, top, width, height = deposit.box
        cv2.rectangle(after, (left - 3, top - 3), (left + width + 3, top + height + 3), (0, 0, 255), 2)
        for attempt in range(EVIDENCE_TRIES):
            try:
                return write_evidence(
                    self._evidence,
                    case,
                    # Whoever stood there when the background was learnt has gone by now, and shows as a difference.
                    before=pixelate(self._before(frame.image), people),
                    after=after,
                    clip=self._recorder.clip(),
                    about=detail,
                )
            except RetryLaterError as exc:
                log.error("vision.evidence_refused", case=case, reason=str(exc), attempt=attempt)
                time.sleep(0.2)
        return {}

    def _before(self, image: Image) -> Image:
        """The background at the picture's size: what the place looked like without anybody."""
        background = self._detector.background
        assert background is not None  # noqa: S101 - there is one before there is a deposit
        size = (image.shape[1], image.shape[0])
        resized: Image = cv2.resize(background, size, interpolation=cv2.INTER_CUBIC)
        return resized

    def _on_removed(self, deposit: Deposit, frame: Frame) -> None:
        found = self.counts.open.pop(deposit.id, None)
        if found:
            removed_at = frame.captured_at.astimezone(UTC).isoformat(timespec="seconds")
            detail = {"case": found.case, "removed_at": removed_at}
            self._sink.event("dumping", "cleared", detail, frame.captured_at)

    def _report_health(self, fps: float, uptime_s: float) -> None:
        values: dict[str, float | int | bool] = {
            "fps": round(fps, 1),
            "dropped_frames": self._queue.dropped,
            "scene_ok": self.counts.armed and not self.counts.ended,
            "uptime_s": int(uptime_s),
        }
        self._sink.health(values, self._clock())
