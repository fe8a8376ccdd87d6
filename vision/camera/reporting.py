"""Publishes a camera's health: telemetry every 10 s and at every change of scene, and `blind` events."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog

from city.errors import RetryLaterError, StorageError
from city.runtime.blind_cameras import RaisedBlind, read_blind
from city.storage.atomic_files import replace_file
from vision.camera.health import BlindChange, VisibilityMonitor
from vision.camera.sink import EventSink, Health
from vision.capture.watchdog import Watchdog

log = structlog.get_logger("vision")

HEALTH_EVERY_S: Final = 10.0
CHANGE_EVERY_S: Final = 1.0
"""Minimum interval between two reports of a changed scene."""


class HealthReporter:
    """Reports one camera's health; owns the file of its raised `blind` event.

    Args:
        camera: Id of the camera.
        sink: Takes events and telemetry.
        blind_file: File of the raised event; its folder is made. None keeps no file.
        clock: Wall time, UTC.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self,
        camera: str,
        sink: EventSink,
        blind_file: Path | None,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._camera = camera
        self._sink = sink
        self._blind_file = blind_file
        self._clock = clock
        self._monotonic = monotonic
        self._began_s = self._reported_s = monotonic()
        self._pictures = self._pictures_reported = 0
        self._scene = ""
        known = self._read_raised()
        passed_s = max(0.0, (clock() - known.since).total_seconds()) if known else 0.0
        self._visibility = VisibilityMonitor(self._began_s, known.reason if known else "", self._began_s - passed_s)

    def note_frame(self, reason: str) -> None:
        """Note the detector's result for a picture: `reason` is why it was not armed, empty if it was."""
        self._pictures += 1
        self._visibility.note_frame(reason, self._monotonic())

    def tick(self, watchdog: Watchdog) -> None:
        """Publish what is due; what the outbox refuses is published later."""
        now_s = self._monotonic()
        change = self._visibility.tick(now_s, too_large=watchdog.too_large)
        try:
            if change:
                self._publish_blind(change)
                self._visibility.acknowledge(change)
            scene = self._visibility.scene
            passed_s = now_s - self._reported_s
            if passed_s >= HEALTH_EVERY_S or (scene != self._scene and (passed_s >= CHANGE_EVERY_S or not self._scene)):
                self._publish_health(watchdog, now_s, passed_s)
        except RetryLaterError as exc:
            log.error("vision.health_refused", camera=self._camera, reason=str(exc))

    def _publish_blind(self, change: BlindChange) -> None:
        now, detail = self._clock(), {"reason": change.reason}
        if change.state == "raised":
            # Noted first: a note without an event is cleared needlessly, an event without a note never is.
            self._write_raised(RaisedBlind(change.reason, now - timedelta(seconds=change.lasted_s)))
            self._sink.event("blind", "raised", detail, now)
        else:
            self._sink.event("blind", "cleared", {**detail, "lasted_s": round(change.lasted_s)}, now)
            self._write_raised(None)
        log.info("vision.blind", camera=self._camera, state=change.state, reason=change.reason)

    def _publish_health(self, watchdog: Watchdog, now_s: float, passed_s: float) -> None:
        scene = self._visibility.scene
        values: Health = {
            "dropped_frames": watchdog.queue.dropped,
            "scene_ok": scene == "armed",
            "uptime_s": int(now_s - self._began_s),
            "scene": scene,
            "blind_s": self._visibility.blind_s,
            "reconnects": watchdog.reconnects,
        }
        if passed_s >= CHANGE_EVERY_S:
            values["fps"] = round((self._pictures - self._pictures_reported) / passed_s, 1)
        self._scene, self._reported_s, self._pictures_reported = scene, now_s, self._pictures
        self._sink.health(values, self._clock())

    def _read_raised(self) -> RaisedBlind | None:
        return read_blind(self._blind_file) if self._blind_file else None

    def _write_raised(self, raised: RaisedBlind | None) -> None:
        if self._blind_file is None:
            return
        if raised is not None:
            replace_file(self._blind_file, msgspec.json.encode(raised), parents=True)
            return
        try:
            self._blind_file.unlink(missing_ok=True)
        except OSError as exc:
            raise StorageError(f"{self._blind_file}: {exc}") from exc
