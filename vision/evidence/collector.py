"""Evidence of one camera as its worker sees it: pictures go in, finished cases come out.

A case is finished when its clip is over, which it mostly is when the alarm comes, and developed in a thread of its own,
so that watching goes on.
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

from broker.contract.errors import RetryLaterError
from city.zones import Zone
from vision.evidence.encryption import seal, sealed_name
from vision.evidence.masking import Hiding
from vision.evidence.mosaic import pixelated
from vision.evidence.people_detector import Bodies
from vision.evidence.pictures import Box, Image, resized, scaled
from vision.evidence.recorder import Moment, Recorder
from vision.evidence.redaction import CLIP_AFTER_S, Alarm, Darkroom
from vision.evidence.store import EvidenceRoom

log = structlog.get_logger("vision")

PUBLIC_FILES: Final = ("before.jpg", "deposit.jpg", "after.jpg", "clip.webm")
TRIES: Final = 5
TRY_AGAIN_S: Final = 0.2
PATIENCE_S: Final = 5.0
"""Beyond the clip's end: a camera that has died shows nothing more."""


@dataclass(frozen=True)
class Finished:
    """A case whose evidence is on disk; without files where the disk refused it. `files` are those without people."""

    case: str
    sha256: dict[str, str]

    @property
    def files(self) -> dict[str, str]:
        """What each file is to its name."""
        return {name.partition(".")[0]: name for name in PUBLIC_FILES if name in self.sha256}


@dataclass
class _Begun:
    """A case whose clip is not over, or that is being developed."""

    case: str
    alarm: Alarm
    about: dict[str, Any]
    waits_until_s: float
    work: Future[Finished] | None = None


class EvidenceKeeper:
    """Owns one camera's recent past and its unfinished cases; all calls come from the camera's own thread.

    Args:
        room: Where cases are kept.
        masks: The camera's zones as they are now; those of kind mask are black in whatever is kept.
        clear_key: Public key that copies with people are sealed for; None keeps none.
        clock: Seconds, monotonic; how long a picture is waited for that may never come.
    """

    def __init__(
        self,
        room: EvidenceRoom,
        masks: Callable[[], Sequence[Zone]],
        *,
        clear_key: bytes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without a past."""
        self._room = room
        self._masks = masks
        self._clear_key = clear_key
        self._clock = clock
        self._recorder = Recorder()
        self._begun: list[_Begun] = []
        self._hurry = threading.Event()
        self._workers = ThreadPoolExecutor(1, "evidence")
        self._at_s = 0.0

    def add(self, image: Image, at_s: float, people: Sequence[Box]) -> None:
        """Take note of a picture. Only while there is a background: without one nothing tells a person from a wall.

        Args:
            image: (height, width, 3) uint8, BGR.
            at_s: Its time in seconds.
            people: Boxes of whatever moves in front of the background, in the picture's pixels.
        """
        self._at_s = at_s
        if self._recorder.is_due(at_s):
            small = scaled(image)
            self._recorder.add(small, at_s, [_scaled_box(box, image, small) for box in people])

    def begin(
        self, case: str, about: dict[str, Any], *, box: Box, since_s: float, image: Image, background: Image
    ) -> None:
        """Begin a case with the picture that was added last.

        Args:
            case: Its id.
            about: What `case.json` says.
            box: The object, in the picture's pixels.
            since_s: When it was put down.
            image: The picture of the alarm.
            background: The scene without the object, of any size.
        """
        small = scaled(image)
        moments = self._recorder.moments()
        alarm = Alarm(
            _scaled_box(box, image, small),
            since_s,
            self._at_s,
            small,
            resized(background, small.shape[1], small.shape[0]),
            moments[-1].people,
        )
        wait_s = max(0.0, since_s + CLIP_AFTER_S - self._at_s) + PATIENCE_S
        self._begun.append(_Begun(case, alarm, about, self._clock() + wait_s))

    def ready(self) -> list[Finished]:
        """Cases that have been finished since the last call, in the order in which they were begun; never waits."""
        for begun in self._begun:
            over = self._at_s >= begun.alarm.since_s + CLIP_AFTER_S
            if begun.work is None and (over or self._clock() >= begun.waits_until_s):
                self._start(begun)
        finished = []
        while self._begun and (work := self._begun[0].work) is not None and work.done():
            finished.append(work.result())
            del self._begun[0]
        return finished

    def finish(self) -> list[Finished]:
        """Finish what has been begun with what there is, in a few seconds; nothing can be added afterwards."""
        self._hurry.set()
        for begun in self._begun:
            if begun.work is None:
                self._start(begun)
        self._workers.shutdown()
        return self.ready()

    def hidden_scene(self, background: Image) -> Image:
        """The scene as it may be stored, without whoever stood in it for so long that the detector has learnt them."""
        height, width = background.shape[:2]
        moments = self._recorder.moments()
        areas = Hiding(moments, width, height).areas_of_background(Bodies().find(background))
        return pixelated(background, areas)

    def _start(self, begun: _Begun) -> None:
        moments = self._recorder.moments()
        begun.work = self._workers.submit(self._finish, begun, moments)

    def _finish(self, begun: _Begun, moments: Sequence[Moment]) -> Finished:
        """Evidence on disk before the event that names it; an event without it is better than none."""
        darkroom = Darkroom(begun.alarm, moments, self._masks(), self._hurry.is_set)
        try:
            developed = darkroom.develop(clear=self._clear_key is not None)
        except (OSError, MemoryError, cv2.error) as exc:
            log.error("evidence.not_developed", case=begun.case, reason=str(exc))
            return Finished(begun.case, {})
        files = {**developed.files, **self._sealed(begun.case, developed.clear)}
        for attempt in range(TRIES):
            try:
                return Finished(begun.case, self._room.keep(begun.case, files, begun.about))
            except RetryLaterError as exc:
                log.error("vision.evidence_refused", case=begun.case, reason=str(exc), attempt=attempt)
                time.sleep(TRY_AGAIN_S)
        return Finished(begun.case, {})

    def _sealed(self, case: str, clear: Mapping[str, bytes]) -> dict[str, bytes]:
        if self._clear_key is None:
            return {}
        return {sealed_name(name): seal(content, self._clear_key, f"{case}/{name}") for name, content in clear.items()}


def _scaled_box(box: Box, image: Image, small: Image) -> Box:
    """A box of a picture in another size of it."""
    across, down = small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]
    left, top, width, height = box
    return round(left * across), round(top * down), max(1, round(width * across)), max(1, round(height * down))
