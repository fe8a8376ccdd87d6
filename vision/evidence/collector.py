"""Collects the evidence of one camera: takes pictures, returns finished cases.

A case is finished when its clip is over, mostly at the time of the alarm. A thread of its own redacts and stores it, so
that detection goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import cv2
import structlog

from city.errors import RetryLaterError
from city.inventory.zones import Zone
from vision.detect.port import ObjectDetector
from vision.evidence.encryption import encrypt, encrypted_name
from vision.evidence.pictures import Box, Image, limit_size, resize
from vision.evidence.privacy.mosaic import pixelate
from vision.evidence.privacy.people_detector import PeopleDetector
from vision.evidence.privacy.redaction import CLIP_AFTER_S, ObjectAlarm, Redactor, areas_of_still
from vision.evidence.recorder import RecordedFrame, Recorder
from vision.evidence.store import EvidenceStore

log = structlog.get_logger("vision")

PUBLIC_FILES: Final = ("before.jpg", "deposit.jpg", "after.jpg", "clip.webm")
ATTEMPTS_MAX: Final = 5
RETRY_AFTER_S: Final = 0.2
CLIP_TIMEOUT_S: Final = 5.0
"""Wait beyond the clip's end: a camera that has failed gives no more pictures."""


@dataclass(frozen=True)
class CollectedCase:
    """A case whose evidence is on disk; without files if the disk refused them. `files` are the redacted ones."""

    case: str
    sha256: dict[str, str]

    @property
    def files(self) -> dict[str, str]:
        """Role of each redacted file (before, deposit, after, clip) to its name."""
        return {name.partition(".")[0]: name for name in PUBLIC_FILES if name in self.sha256}


@dataclass
class _UnfinishedCase:
    """A case whose clip is not over, or that is being redacted."""

    case: str
    alarm: ObjectAlarm
    about: dict[str, Any]
    waits_until_s: float
    work: Future[CollectedCase] | None = None


class EvidenceCollector:
    """Owns one camera's recent frames and its unfinished cases; all calls come from the camera's own thread.

    Args:
        store: Store of the evidence.
        masks: Zones of the camera in force; those of kind mask are black in every file.
        clear_key: Public key that clear copies (with people) are encrypted for; None keeps no copies.
        object_detector: Recognises people, beside the methods that need no model; None if there is none.
        clock: Monotonic seconds, for the wait for the clip's last picture.
    """

    def __init__(
        self,
        store: EvidenceStore,
        masks: Callable[[], Sequence[Zone]],
        *,
        clear_key: str | None = None,
        object_detector: ObjectDetector | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._masks = masks
        self._clear_key = clear_key
        self._people_detector = PeopleDetector(object_detector)
        self._clock = clock
        self._recorder = Recorder()
        self._unfinished: list[_UnfinishedCase] = []
        self._hurry = threading.Event()
        self._workers = ThreadPoolExecutor(1, "evidence")
        self._at_s = 0.0

    def add(self, image: Image, at_s: float, people: Sequence[Box]) -> None:
        """Record a picture. Only while there is a background: without one, people are not told from walls.

        Args:
            image: (height, width, 3) uint8, BGR.
            at_s: Its time in seconds.
            people: Boxes of everything that moves in front of the background, in the picture's pixels.
        """
        self._at_s = at_s
        if self._recorder.is_due(at_s):
            small = limit_size(image)
            self._recorder.add(small, at_s, [_scale_box(box, image, small) for box in people])

    def begin(
        self, case: str, about: dict[str, Any], *, box: Box, since_s: float, image: Image, background: Image
    ) -> None:
        """Begin a case with the picture that was added last.

        Args:
            case: Its id.
            about: Contents of `case.json`.
            box: The object, in the picture's pixels.
            since_s: Time in seconds at which it was put down.
            image: The picture of the alarm.
            background: The scene without the object, of any size.
        """
        small = limit_size(image)
        frames = self._recorder.frames()
        alarm = ObjectAlarm(
            _scale_box(box, image, small),
            since_s,
            self._at_s,
            small,
            resize(background, small.shape[1], small.shape[0]),
            frames[-1].people,
            about.get("size_person_heights"),
        )
        wait_s = max(0.0, since_s + CLIP_AFTER_S - self._at_s) + CLIP_TIMEOUT_S
        self._unfinished.append(_UnfinishedCase(case, alarm, about, self._clock() + wait_s))

    def ready(self) -> list[CollectedCase]:
        """Cases finished since the last call, in the order in which they began; never waits."""
        for unfinished in self._unfinished:
            over = self._at_s >= unfinished.alarm.since_s + CLIP_AFTER_S
            if unfinished.work is None and (over or self._clock() >= unfinished.waits_until_s):
                self._start(unfinished)
        finished = []
        while self._unfinished and (work := self._unfinished[0].work) is not None and work.done():
            finished.append(work.result())
            del self._unfinished[0]
        return finished

    def finish(self) -> list[CollectedCase]:
        """Finish all cases with the pictures there are, within a few seconds; nothing can be added afterwards."""
        self._hurry.set()
        for unfinished in self._unfinished:
            if unfinished.work is None:
                self._start(unfinished)
        self._workers.shutdown()
        return self.ready()

    def redact_background(self, background: Image) -> Image:
        """Hide the people in a background, which may have learnt a person who stood still."""
        return pixelate(background, areas_of_still(background, self._recorder.frames(), self._people_detector))

    def _start(self, unfinished: _UnfinishedCase) -> None:
        frames = self._recorder.frames()
        unfinished.work = self._workers.submit(self._finish, unfinished, frames)

    def _finish(self, unfinished: _UnfinishedCase, frames: Sequence[RecordedFrame]) -> CollectedCase:
        """Redact and store a case; without files if that fails: an event without evidence is better than none."""
        redactor = Redactor(unfinished.alarm, frames, self._masks(), self._hurry.is_set, self._people_detector)
        try:
            redacted = redactor.redact(clear=self._clear_key is not None)
        except (OSError, MemoryError, cv2.error) as exc:
            log.error("evidence.not_redacted", case=unfinished.case, reason=str(exc))
            return CollectedCase(unfinished.case, {})
        files = {**redacted.files, **self._encrypt(redacted.clear)}
        for attempt in range(ATTEMPTS_MAX):
            try:
                return CollectedCase(unfinished.case, self._store.keep(unfinished.case, files, unfinished.about))
            except RetryLaterError as exc:
                log.error("vision.evidence_refused", case=unfinished.case, reason=str(exc), attempt=attempt)
                time.sleep(RETRY_AFTER_S)
        return CollectedCase(unfinished.case, {})

    def _encrypt(self, clear: Mapping[str, bytes]) -> dict[str, bytes]:
        if self._clear_key is None:
            return {}
        return {encrypted_name(name): encrypt(content, self._clear_key) for name, content in clear.items()}


def _scale_box(box: Box, image: Image, small: Image) -> Box:
    """Scale a box of `image` to the size of `small`."""
    across, down = small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]
    left, top, width, height = box
    return round(left * across), round(top * down), max(1, round(width * across)), max(1, round(height * down))
