"""The speed at which recorded pictures are shown."""

from __future__ import annotations

import threading
import time


class Pace:
    """Lets recorded pictures out at the speed they were taken, or as fast as they can be read."""

    def __init__(self, *, realtime: bool) -> None:
        """Start counting at the first picture."""
        self._realtime = realtime
        self._began: float | None = None

    def wait(self, at_s: float, stop: threading.Event) -> None:
        """Wait until the picture of second `at_s` is due."""
        if not self._realtime:
            return
        if self._began is None:
            self._began = time.monotonic() - at_s
        stop.wait(max(0.0, self._began + at_s - time.monotonic()))
