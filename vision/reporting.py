"""What a camera says of its health: telemetry now and then and on every change, `blind` events when it is blind."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog

from broker.contract.errors import ConfigError, RetryLaterError
from city.atomic_files import replace_file
from vision.capture.watchdog import Watchdog
from vision.health import Change, Sight
from vision.sink import EventSink, Health

log = structlog.get_logger("vision")

HEALTH_EVERY_S: Final = 10.0
CHANGE_EVERY_S: Final = 1.0
"""A scene that flickers is told at most so often."""


class Blindness(msgspec.Struct, frozen=True):
    """A `blind` event that has been raised and not cleared; outlives the worker, or nobody would clear it."""

    reason: str
    since: datetime


class Reporter:
    """One camera's health; owns the note of its blindness.

    Args:
        camera: Its id.
        sink: Where words go.
        note: The file of the note; its folder is made. None keeps none.
        clock: Wall time, UTC.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self,
        camera: str,
        sink: EventSink,
        note: Path | None,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Go on where an earlier life ended."""
        self._camera = camera
        self._sink = sink
        self._note = note
        self._clock = clock
        self._monotonic = monotonic
        self._began_s = self._reported_s = monotonic()
        self._pictures = self._pictures_reported = 0
        self._scene = ""
        known = self._read_note()
        passed_s = max(0.0, (clock() - known.since).total_seconds()) if known else 0.0
        self._sight = Sight(self._began_s, known.reason if known else "", self._began_s - passed_s)

    def see(self, reason: str) -> None:
        """Take note of a picture: empty when the detector was armed, else why it was not."""
        self._pictures += 1
        self._sight.see(reason, self._monotonic())

    def tick(self, watchdog: Watchdog) -> None:
        """Say what is due; what the disk refuses is said later."""
        now_s = self._monotonic()
        change = self._sight.tick(now_s, too_large=watchdog.too_large)
        try:
            if change:
                self._tell(change)
                self._sight.told(change)
            scene = self._sight.scene
            passed_s = now_s - self._reported_s
            if passed_s >= HEALTH_EVERY_S or (scene != self._scene and (passed_s >= CHANGE_EVERY_S or not self._scene)):
                self._report(watchdog, now_s, passed_s)
        except RetryLaterError as exc:
            log.error("vision.health_refused", camera=self._camera, reason=str(exc))

    def _tell(self, change: Change) -> None:
        now, detail = self._clock(), {"reason": change.reason}
        if change.state == "raised":
            # Noted first: a note without an event is cleared needlessly, an event without a note never is.
            self._write_note(Blindness(change.reason, now - timedelta(seconds=change.lasted_s)))
            self._sink.event("blind", "raised", detail, now)
        else:
            self._sink.event("blind", "cleared", {**detail, "lasted_s": round(change.lasted_s)}, now)
            self._write_note(None)
        log.info("vision.blind", camera=self._camera, state=change.state, reason=change.reason)

    def _report(self, watchdog: Watchdog, now_s: float, passed_s: float) -> None:
        scene = self._sight.scene
        values: Health = {
            "dropped_frames": watchdog.queue.dropped,
            "scene_ok": scene == "armed",
            "uptime_s": int(now_s - self._began_s),
            "scene": scene,
            "blind_s": self._sight.blind_s,
            "reconnects": watchdog.reconnects,
        }
        if passed_s >= CHANGE_EVERY_S:
            values["fps"] = round((self._pictures - self._pictures_reported) / passed_s, 1)
        self._scene, self._reported_s, self._pictures_reported = scene, now_s, self._pictures
        self._sink.health(values, self._clock())

    def _read_note(self) -> Blindness | None:
        if self._note is None:
            return None
        try:
            return msgspec.json.decode(self._note.read_bytes(), type=Blindness)
        except (OSError, msgspec.MsgspecError):
            return None

    def _write_note(self, blindness: Blindness | None) -> None:
        if self._note is None:
            return
        try:
            self._note.parent.mkdir(parents=True, exist_ok=True)
            if blindness is None:
                self._note.unlink(missing_ok=True)
            else:
                replace_file(self._note, msgspec.json.encode(blindness).decode())
        except (OSError, ConfigError) as exc:
            raise RetryLaterError(f"{self._note}: {exc}") from exc
