"""Capture times of a stream's pictures, from the stream's time stamps and the machine's monotonic clock.

Neither is sufficient alone. Pictures arrive in bursts (at the start of a connection, after a stalled network), so
arrival times would squeeze seconds into milliseconds. A camera's clock drifts, and jumps when the camera sets it. So
the time stamps give the distance between pictures, and the monotonic clock gives the offset.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LIMIT_S: Final = 2.0
"""A change of delay beyond this means that the camera's clock has jumped or the network has stalled: resync."""
LEAK: Final = 0.001
"""Seconds per second by which the minimum delay may grow: slow camera clocks lose far less than 1 s in 1,000 s."""
RESYNCS_MAX: Final = (3, 60.0)
"""Number of resyncs, and the seconds within which so many mean that arrival times are used in place of time stamps."""


@dataclass(frozen=True)
class Clock:
    """The machine's clocks: monotonic seconds, which never jump, and wall time (aware), which NTP may set."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class StreamClock:
    """Capture times of one connection's pictures: never decreasing, from `floor_s` on, and never after arrival."""

    def __init__(self, floor_s: float) -> None:
        self._last_s = floor_s
        self._delay_s: float | None = None
        self._arrived_s = floor_s
        self._resynced: deque[float] = deque(maxlen=RESYNCS_MAX[0])
        self._trusted = True
        self.resyncs = 0

    def capture_time_s(self, stream_s: float | None, arrived_s: float) -> float:
        """Capture time of a picture, in monotonic seconds; that of the first one is its arrival.

        Args:
            stream_s: Time stamp of the stream in seconds; None if it has none.
            arrived_s: Arrival in monotonic seconds.
        """
        if stream_s is not None and self._trusted:
            self._follow(arrived_s - stream_s, arrived_s)
        delay_s = self._delay_s
        at_s = arrived_s if stream_s is None or delay_s is None or not self._trusted else stream_s + delay_s
        self._last_s = max(self._last_s, min(at_s, arrived_s))
        self._arrived_s = arrived_s
        return self._last_s

    def _follow(self, delay_s: float, arrived_s: float) -> None:
        """Keep the minimum delay seen: a picture is late for many reasons, and early for none."""
        if self._delay_s is None:
            self._delay_s = delay_s
        elif abs(delay_s - self._delay_s) > LIMIT_S:
            self._delay_s = delay_s
            self.resyncs += 1
            self._resynced.append(arrived_s)
            recent = [at_s for at_s in self._resynced if at_s > arrived_s - RESYNCS_MAX[1]]
            self._trusted = len(recent) < RESYNCS_MAX[0]
        else:
            self._delay_s = min(self._delay_s + LEAK * (arrived_s - self._arrived_s), delay_s)


class RateLimiter:
    """Drops pictures beyond `fps`; an uneven stream keeps its average rate. None keeps every picture."""

    def __init__(self, fps: float | None) -> None:
        self._every_s = 1 / fps if fps else 0.0
        self._due_s: float | None = None

    def accepts(self, at_s: float) -> bool:
        """Whether the picture taken at `at_s` seconds is due."""
        # A tenth early counts as due, else a stream of exactly that rate would lose every other picture to rounding.
        due_s = at_s if self._due_s is None else self._due_s
        if at_s < due_s - self._every_s / 10:
            return False
        self._due_s = max(due_s, at_s - self._every_s / 2) + self._every_s
        return True
