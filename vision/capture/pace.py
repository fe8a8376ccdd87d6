"""Playback speed of recordings."""

from __future__ import annotations

import threading
import time


class PlaybackPacer:
    """Delays recorded pictures to the speed at which they were taken, or not at all."""

    def __init__(self, *, realtime: bool) -> None:
        self._realtime = realtime
        self._began: float | None = None

    def wait(self, at_s: float, stop: threading.Event) -> None:
        """Wait until the picture of second `at_s` is due."""
        if not self._realtime:
            return
        if self._began is None:
            self._began = time.monotonic() - at_s
        stop.wait(max(0.0, self._began + at_s - time.monotonic()))
