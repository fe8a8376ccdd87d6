"""The pipeline of one camera: capture, bounded queue, detector, window check, evidence, event; and its health."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from city.inventory.field_types import Points
from city.inventory.model import Camera
from city.inventory.windows import DumpingHours
from city.inventory.zones import WATCHED, ZoneKind, ZonePlan, ground_point, kind_at
from vision.camera.pending_cases import PendingCase, PendingCases
from vision.camera.reporting import HealthReporter
from vision.camera.sink import EventSink
from vision.capture.port import Frame, FrameSource
from vision.capture.watchdog import RECORDED, FrameTimeouts, Watchdog
from vision.detect.detector import AbandonedObjectDetector
from vision.detect.port import AbandonedObject, ObjectArrival, ObjectDetector
from vision.evidence.collector import CollectedCase, EvidenceCollector
from vision.evidence.stills import StillWriter
from vision.evidence.store import EvidenceStore

log = structlog.get_logger("vision")

POLL_S: Final = 0.2
SHUTDOWN_TIMEOUT_S: Final = 1.0


def is_offence(at: datetime, hours: DumpingHours, zone: ZoneInfo, zone_kind: ZoneKind = "watch") -> bool:
    """Whether putting waste out at a time and in a kind of zone is against the rules: beside a container always."""
    return zone_kind in WATCHED and (zone_kind == "beside" or not hours.allows(at, zone))


def _passage(arrival: ObjectArrival) -> dict[str, Any]:
    """What is known of how an object came, for the event."""
    size = {} if arrival.size_heights is None else {"size_person_heights": arrival.size_heights}
    heading = {"heading": arrival.heading} if arrival.heading else {}
    return {"in_passing": arrival.in_passing, **heading, **size}


@dataclass
class _OpenCase:
    """A case whose object still lies there."""

    case: str
    waste: AbandonedObject


@dataclass
class WorkerState:
    """Counters of a worker since it started, the detector's state, and the open cases by object id."""

    frames: int = 0
    abandoned: int = 0
    offences: int = 0
    allowed: int = 0
    armed: bool = False
    reason: str = "warming_up"
    open_cases: dict[int, _OpenCase] = field(default_factory=dict)


class CameraWorker:
    """Owns one camera; `run` blocks until `stop`. `iterated_s` is its last iteration (monotonic), `cpu_s` its CPU time.

    Args:
        camera: The camera.
        hours: Gives the hours at which waste may be put out at the camera's site; asked at every deposit.
        zone: The city's time zone.
        source: Source of its frames.
        sink: Takes events and health.
        evidence: Store of the evidence.
        simulated: Whether its events are marked as simulated.
        plan: The zone plan in force; called for every picture.
        still: File of the still, without people; None saves none.
        timeouts: After which time without a picture its source hangs.
        object_detector: Second opinion before an alarm; also recognises the people that evidence hides.
        blind_file: File of a raised `blind` event.
        pending: File of the cases whose evidence is not finished.
        clear_key: Public key that clear copies (with people) are encrypted for; None keeps no copies.
        clock: Time of health reports, UTC.
    """

    def __init__(
        self,
        camera: Camera,
        hours: Callable[[], DumpingHours],
        zone: ZoneInfo,
        source: FrameSource,
        sink: EventSink,
        evidence: EvidenceStore,
        *,
        simulated: bool,
        plan: Callable[[], ZonePlan] | None = None,
        still: Path | None = None,
        timeouts: FrameTimeouts = RECORDED,
        blind_file: Path | None = None,
        pending: Path | None = None,
        object_detector: ObjectDetector | None = None,
        clear_key: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._camera = camera
        self._hours = hours
        self._zone = zone
        self._sink = sink
        self._simulated = simulated
        self._plan = plan or (lambda: camera.plan)
        self._stills = StillWriter(still) if still else None
        self._detector = AbandonedObjectDetector(
            person_height=self._plan().person_height, object_detector=object_detector, ignored=self._zones_to_ignore
        )
        self._evidence = evidence
        self._collector = EvidenceCollector(
            evidence, lambda: self._plan().zones, clear_key=clear_key, object_detector=object_detector
        )
        self._watchdog = Watchdog(camera.id, source, timeouts)
        self._reporter = HealthReporter(camera.id, sink, blind_file, clock)
        self._pending = PendingCases(pending)
        self.state = WorkerState()
        self.iterated_s = time.monotonic()
        self.cpu_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop`. A source that has ended for good is reported as blind from then on."""
        self._publish(CollectedCase(case, self._evidence.resume(case)) for case in self._pending.case_ids())
        while not stop.is_set():
            self._watchdog.tick()
            frame = self._watchdog.queue.get(POLL_S)
            if frame is not None:
                self.process(frame)
            else:
                self._publish_ready()
            self._reporter.tick(self._watchdog)
            self.iterated_s = time.monotonic()
            self.cpu_s = time.thread_time() + self._watchdog.cpu_s
        self._watchdog.stop(SHUTDOWN_TIMEOUT_S)
        self.close()

    def close(self) -> None:
        """Publish the cases whose evidence is not finished, with the evidence there is."""
        self._publish(self._collector.finish())

    def process(self, frame: Frame) -> None:
        """Process one picture: detection, evidence, still and events."""
        self.state.frames += 1
        result = self._detector.step(frame.image, frame.at_s)
        if (result.armed, result.reason) != (self.state.armed, self.state.reason):
            log.info("vision.armed" if result.armed else "vision.not_armed", camera=self._camera.id, why=result.reason)
        self.state.armed, self.state.reason = result.armed, result.reason
        self._reporter.note_frame(result.reason)
        plan = self._plan()
        background = self._detector.background
        if result.armed and background is not None:
            self._collector.add(frame.image, frame.at_s, result.people)
            if self._stills and self._stills.is_due(plan, frame.at_s):
                self._stills.save(self._collector.redact_background(background), plan, frame.at_s)
        for waste in result.alarms:
            point = ground_point(waste.box, frame.image.shape[1], frame.image.shape[0])
            zone_kind = kind_at(plan.zones, point)
            if zone_kind in WATCHED:
                self._on_abandoned(waste, frame, zone_kind)
        for waste in result.removed:
            self._on_removed(waste, frame)
        self._publish_ready()

    def _zones_to_ignore(self) -> tuple[Points, ...]:
        """Polygons of the zones in which nothing is reported."""
        return tuple(zone.polygon for zone in self._plan().zones if zone.kind not in WATCHED)

    def _on_abandoned(self, waste: AbandonedObject, frame: Frame, zone_kind: ZoneKind) -> None:
        self.state.abandoned += 1
        since, hours = frame.captured_at - timedelta(seconds=frame.at_s - waste.since_s), self._hours()
        if not is_offence(since, hours, self._zone, zone_kind):
            self.state.allowed += 1
            where = {"camera": self._camera.id, "site": self._camera.site, "simulated": self._simulated}
            within = {**where, "zone": zone_kind, "within_hours": hours.describe()}
            self._sink.event("deposit", "noted", within, frame.captured_at)
            return
        self.state.offences += 1
        case = f"{self._camera.id}-{since.astimezone(UTC):%Y%m%dt%H%M%Sz}-{waste.id}"
        detail: dict[str, Any] = {
            "case": case,
            "camera": self._camera.id,
            "site": self._camera.site,
            "box": list(waste.box),
            "frame": [frame.image.shape[1], frame.image.shape[0]],
            "zone": zone_kind,
            "since": since.astimezone(UTC).isoformat(timespec="seconds"),
            "by": waste.arrival.by,
            **_passage(waste.arrival),
            "outside_hours": hours.describe(),
            "simulated": self._simulated,
        }
        background = self._detector.background
        assert background is not None  # noqa: S101 - there is one before anything is reported
        self._collector.begin(
            case, detail, box=waste.box, since_s=waste.since_s, image=frame.image, background=background
        )
        self.state.open_cases[waste.id] = _OpenCase(case, waste)
        self._pending.add(case, PendingCase(detail, frame.captured_at))

    def _publish_ready(self) -> None:
        """Publish the cases whose evidence is finished."""
        self._publish(self._collector.ready())

    def _publish(self, cases: Iterable[CollectedCase]) -> None:
        for collected in cases:
            pending = self._pending.get(collected.case)
            detail = {**pending.detail, "evidence": collected.files, "sha256": collected.sha256}
            self._sink.event("dumping", "raised", detail, pending.at)
            log.info("vision.dumping", camera=self._camera.id, case=collected.case)
            if pending.removed_at:
                self._clear(collected.case, pending.removed_at)
            self._pending.remove(collected.case)

    def _on_removed(self, waste: AbandonedObject, frame: Frame) -> None:
        open_case = self.state.open_cases.pop(waste.id, None)
        if open_case and open_case.case in self._pending:
            self._pending.note_removed(open_case.case, frame.captured_at)
        elif open_case:
            self._clear(open_case.case, frame.captured_at)

    def _clear(self, case: str, at: datetime) -> None:
        removed_at = at.astimezone(UTC).isoformat(timespec="seconds")
        self._sink.event("dumping", "cleared", {"case": case, "removed_at": removed_at}, at)
