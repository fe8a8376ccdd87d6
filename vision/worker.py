"""One camera from picture to event: capture, bounded queue, detector, window check, evidence, event; and its health."""

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

from city.model import Camera
from city.windows import DumpingHours
from city.zones import WATCHED, ZoneKind, ZonePlan, ground_point, kind_at
from vision.capture.port import Frame, FrameSource
from vision.capture.watchdog import RECORDED, Patience, Watchdog
from vision.detect.detector import DepositDetector
from vision.detect.port import Deposit, Finder
from vision.evidence.collector import EvidenceKeeper, Finished
from vision.evidence.store import EvidenceRoom
from vision.pending_cases import WaitingCase, WaitingCases
from vision.reporting import Reporter
from vision.sink import EventSink
from vision.stills import Stills

log = structlog.get_logger("vision")

TURN_S: Final = 0.2
STOP_WITHIN_S: Final = 1.0


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
        room: Where its cases are kept.
        simulated: Mark what it reports.
        plan: What is drawn on its picture now; asked with every picture.
        still: File of the scene without people, for whoever draws; None saves none.
        patience: When its source hangs.
        finder: A second opinion before an alarm.
        note: Where it is kept that the camera has been reported as blind.
        waiting: Where cases are kept whose evidence is not finished.
        clear_key: Public key that copies with people are sealed for; None keeps none.
        clock: The time of health reports, UTC.
    """

    def __init__(
        self,
        camera: Camera,
        hours: DumpingHours,
        zone: ZoneInfo,
        source: FrameSource,
        sink: EventSink,
        room: EvidenceRoom,
        *,
        simulated: bool,
        plan: Callable[[], ZonePlan] | None = None,
        still: Path | None = None,
        patience: Patience = RECORDED,
        note: Path | None = None,
        waiting: Path | None = None,
        finder: Finder | None = None,
        clear_key: bytes | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; nothing is opened yet."""
        self._camera = camera
        self._hours = hours
        self._zone = zone
        self._sink = sink
        self._simulated = simulated
        self._plan = plan or (lambda: camera.plan)
        self._stills = Stills(still) if still else None
        self._detector = DepositDetector(person_height=self._plan().person_height, finder=finder)
        self._room = room
        self._keeper = EvidenceKeeper(room, lambda: self._plan().zones, clear_key=clear_key)
        self._watchdog = Watchdog(camera.id, source, patience)
        self._reporter = Reporter(camera.id, sink, note, clock)
        self._waiting = WaitingCases(waiting)
        self.counts = Counts()
        self.turned_s = time.monotonic()
        self.cpu_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop`; a source that has ended for good is reported as blind from then on."""
        self._report(Finished(case, self._room.resume(case)) for case in self._waiting.cases())
        while not stop.is_set():
            self._watchdog.tick()
            frame = self._watchdog.queue.get(TURN_S)
            if frame is not None:
                self.look(frame)
            else:
                self._tell()
            self._reporter.tick(self._watchdog)
            self.turned_s = time.monotonic()
            self.cpu_s = time.thread_time() + self._watchdog.cpu_s
        self._watchdog.stop(STOP_WITHIN_S)
        self.close()

    def close(self) -> None:
        """Report what is still waiting for its evidence, with what there is of it."""
        self._report(self._keeper.finish())

    def look(self, frame: Frame) -> None:
        """Everything that one picture leads to."""
        self.counts.frames += 1
        result = self._detector.step(frame.image, frame.at_s)
        if (result.armed, result.reason) != (self.counts.armed, self.counts.reason):
            log.info("vision.armed" if result.armed else "vision.not_armed", camera=self._camera.id, why=result.reason)
        self.counts.armed, self.counts.reason = result.armed, result.reason
        self._reporter.see(result.reason)
        plan = self._plan()
        background = self._detector.background
        if result.armed and background is not None:
            self._keeper.add(frame.image, frame.at_s, result.people)
            if self._stills and self._stills.is_due(plan, frame.at_s):
                self._stills.save(self._keeper.hidden_scene(background), plan, frame.at_s)
        for deposit in result.alarms:
            point = ground_point(deposit.box, frame.image.shape[1], frame.image.shape[0])
            place = kind_at(plan.zones, point)
            if place in WATCHED:
                self._on_deposit(deposit, frame, place)
        for deposit in result.removed:
            self._on_removed(deposit, frame)
        self._tell()

    def _on_deposit(self, deposit: Deposit, frame: Frame, place: ZoneKind) -> None:
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
        background = self._detector.background
        assert background is not None  # noqa: S101 - there is one before there is a deposit
        self._keeper.begin(
            case, detail, box=deposit.box, since_s=deposit.since_s, image=frame.image, background=background
        )
        self.counts.open[deposit.id] = _Open(case, deposit)
        self._waiting.add(case, WaitingCase(detail, frame.captured_at))

    def _tell(self) -> None:
        """Report what has its evidence by now."""
        self._report(self._keeper.ready())

    def _report(self, finished: Iterable[Finished]) -> None:
        for one in finished:
            waiting = self._waiting.get(one.case)
            detail = {**waiting.detail, "evidence": one.files, "sha256": one.sha256}
            self._sink.event("dumping", "raised", detail, waiting.at)
            log.info("vision.dumping", camera=self._camera.id, case=one.case)
            if waiting.removed_at:
                self._clear(one.case, waiting.removed_at)
            self._waiting.remove(one.case)

    def _on_removed(self, deposit: Deposit, frame: Frame) -> None:
        found = self.counts.open.pop(deposit.id, None)
        if found and found.case in self._waiting:
            self._waiting.note_removed(found.case, frame.captured_at)
        elif found:
            self._clear(found.case, frame.captured_at)

    def _clear(self, case: str, at: datetime) -> None:
        removed_at = at.astimezone(UTC).isoformat(timespec="seconds")
        self._sink.event("dumping", "cleared", {"case": case, "removed_at": removed_at}, at)
