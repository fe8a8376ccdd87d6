"""One camera from picture to event: capture, bounded queue, detector, window check, evidence, event; and its health."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import cv2
import structlog

from broker.contract.errors import RetryLaterError
from city.model import Camera
from city.windows import DumpingHours
from city.zones import WATCHED, ZoneKind, ZonePlan, ground_point, kind_at
from vision.capture.port import Frame, FrameSource, Image
from vision.capture.watchdog import RECORDED, Patience, Watchdog
from vision.detect.detector import DepositDetector
from vision.detect.port import Deposit, Finder, StepResult
from vision.evidence import Recorder, pixelate, write_evidence
from vision.reporting import Reporter
from vision.sink import EventSink
from vision.stills import Stills, burn_masks

log = structlog.get_logger("vision")

TURN_S: Final = 0.2
STOP_WITHIN_S: Final = 1.0
EVIDENCE_TRIES: Final = 5


def is_offence(at: datetime, hours: DumpingHours, zone: ZoneInfo, place: ZoneKind = "watch") -> bool:
    """Whether putting waste out at a time and in a kind of zone is against the rules: beside a container always."""
    return place in WATCHED and (place == "beside" or not hours.allows(at, zone))


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
    open: dict[int, _Open] = field(default_factory=dict)


class CameraWorker:
    """Owns one camera; `run` blocks until `stop`. `turned_s` is when it last had a turn, `cpu_s` what it has used.

    Args:
        camera: Which one.
        hours: When waste may be put out at its site.
        zone: The city's time zone.
        source: Its pictures.
        sink: Where events and health go.
        evidence: Folder of the cases.
        simulated: Mark what it reports.
        plan: What is drawn on its picture now; asked with every picture.
        still: File of the scene without people, for whoever draws; None saves none.
        patience: When its source hangs.
        finder: A second opinion before an alarm.
        note: Where it is kept that the camera has been reported as blind.
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
        plan: Callable[[], ZonePlan] | None = None,
        still: Path | None = None,
        patience: Patience = RECORDED,
        note: Path | None = None,
        finder: Finder | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; nothing is opened yet."""
        self._camera = camera
        self._hours = hours
        self._zone = zone
        self._sink = sink
        self._evidence = evidence
        self._simulated = simulated
        self._plan = plan or (lambda: camera.plan)
        self._stills = Stills(still) if still else None
        self._detector = DepositDetector(person_height=self._plan().person_height, finder=finder)
        self._recorder = Recorder()
        self._watchdog = Watchdog(camera.id, source, patience)
        self._reporter = Reporter(camera.id, sink, note, clock)
        self.counts = Counts()
        self.turned_s = time.monotonic()
        self.cpu_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop`; a source that has ended for good is reported as blind from then on."""
        while not stop.is_set():
            self._watchdog.tick()
            frame = self._watchdog.queue.get(TURN_S)
            if frame is not None:
                self.look(frame)
            self._reporter.tick(self._watchdog)
            self.turned_s = time.monotonic()
            self.cpu_s = time.thread_time() + self._watchdog.cpu_s
        self._watchdog.stop(STOP_WITHIN_S)

    def look(self, frame: Frame) -> None:
        """Everything that one picture leads to."""
        self.counts.frames += 1
        result = self._detector.step(frame.image, frame.at_s)
        if (result.armed, result.reason) != (self.counts.armed, self.counts.reason):
            log.info("vision.armed" if result.armed else "vision.not_armed", camera=self._camera.id, why=result.reason)
        self.counts.armed, self.counts.reason = result.armed, result.reason
        self._reporter.see(result.reason)
        plan = self._plan()
        frame = replace(frame, image=burn_masks(frame.image, plan.zones))
        if self._stills and result.armed and self._stills.is_due(plan, frame.at_s):
            background = self._detector.background
            assert background is not None  # noqa: S101 - there is one where it is armed
            self._stills.save(background, plan, frame.at_s)
        spare = next((open_.deposit.box for open_ in self.counts.open.values()), None)
        # Without a background nothing tells a person from a wall, so nothing is kept.
        if result.armed:
            self._recorder.add(frame.image, frame.at_s, result.people, spare)
        for deposit in result.alarms:
            point = ground_point(deposit.box, frame.image.shape[1], frame.image.shape[0])
            place = kind_at(plan.zones, point)
            if place in WATCHED:
                self._on_deposit(deposit, frame, result, place)
        for deposit in result.removed:
            self._on_removed(deposit, frame)

    def _on_deposit(self, deposit: Deposit, frame: Frame, result: StepResult, place: ZoneKind) -> None:
        self.counts.deposits += 1
        since = frame.captured_at - timedelta(seconds=frame.at_s - deposit.since_s)
        if not is_offence(since, self._hours, self._zone, place):
            self.counts.allowed += 1
            where = {"camera": self._camera.id, "site": self._camera.site, "simulated": self._simulated}
            within = {**where, "zone": place, "within_hours": self._hours.describe()}
            self._sink.event("deposit", "noted", within, frame.captured_at)
            return
        self.counts.offences += 1
        case = f"{self._camera.id}-{since.astimezone(UTC):%Y%m%dt%H%M%Sz}-{deposit.id}"
        detail: dict[str, Any] = {
            "case": case,
            "camera": self._camera.id,
            "site": self._camera.site,
            "box": list(deposit.box),
            "frame": [frame.image.shape[1], frame.image.shape[0]],
            "zone": place,
            "since": since.astimezone(UTC).isoformat(timespec="seconds"),
            "by": deposit.by,
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
        return burn_masks(resized, self._plan().zones)

    def _on_removed(self, deposit: Deposit, frame: Frame) -> None:
        found = self.counts.open.pop(deposit.id, None)
        if found:
            removed_at = frame.captured_at.astimezone(UTC).isoformat(timespec="seconds")
            detail = {"case": found.case, "removed_at": removed_at}
            self._sink.event("dumping", "cleared", detail, frame.captured_at)
