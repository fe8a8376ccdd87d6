"""When a picture of a stream was taken, told from the stream's own clock held against the machine's monotonic one.

Neither is sound alone. Pictures arrive in bursts (the ones a connection began with, what a stalled network held back),
so arrival would squeeze seconds into milliseconds. A camera's clock runs at its own speed and jumps when the camera
sets it. So the camera's clock gives the distance between pictures, the monotonic clock where it stands.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LIMIT_S: Final = 2.0
"""A picture that is later than this is a clock that has jumped, or a network that stood still."""
LEAK: Final = 0.001
"""Of the time that passes, by which the least delay may grow: slow camera clocks lose far less than 1 s in 1,000 s."""
TRUST: Final = (3, 60.0)
"""So many resyncs within so many seconds are no clock at all: then arrival is all that is left."""


@dataclass(frozen=True)
class Clock:
    """The machine's two clocks: monotonic seconds, which never jump, and wall time (aware), which NTP may set."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class StreamClock:
    """One connection's clock; times go up from `floor_s` on and are never later than the arrival."""

    def __init__(self, floor_s: float) -> None:
        """Start; the first picture counts as taken when it arrives."""
        self._last_s = floor_s
        self._delay_s: float | None = None
        self._arrived_s = floor_s
        self._resynced: deque[float] = deque(maxlen=TRUST[0])
        self._trusted = True
        self.resyncs = 0

    def at(self, stream_s: float | None, arrived_s: float) -> float:
        """Monotonic seconds at which a picture was taken.

        Args:
            stream_s: What the stream says; None where it says nothing.
            arrived_s: Monotonic seconds when it came.
        """
        if stream_s is not None and self._trusted:
            self._follow(arrived_s - stream_s, arrived_s)
        delay_s = self._delay_s
        at_s = arrived_s if stream_s is None or delay_s is None or not self._trusted else stream_s + delay_s
        self._last_s = max(self._last_s, min(at_s, arrived_s))
        self._arrived_s = arrived_s
        return self._last_s

    def _follow(self, delay_s: float, arrived_s: float) -> None:
        """Keep the least delay seen: a picture is late for many reasons, and early for none."""
        if self._delay_s is None:
            self._delay_s = delay_s
        elif abs(delay_s - self._delay_s) > LIMIT_S:
            self._delay_s = delay_s
            self.resyncs += 1
            self._resynced.append(arrived_s)
            recent = [at_s for at_s in self._resynced if at_s > arrived_s - TRUST[1]]
            self._trusted = len(recent) < TRUST[0]
        else:
            self._delay_s = min(self._delay_s + LEAK * (arrived_s - self._arrived_s), delay_s)


class Thinner:
    """Passes over pictures that come faster than `fps`; an uneven stream keeps its average."""

    def __init__(self, fps: float | None) -> None:
        """Want every picture where `fps` is None."""
        self._every_s = 1 / fps if fps else 0.0
        self._due_s: float | None = None

    def wants(self, at_s: float) -> bool:
        """Whether the picture of a second is to be looked at."""
        # A tenth early counts as due, else a stream of exactly that rate would lose every other picture to rounding.
        due_s = at_s if self._due_s is None else self._due_s
        if at_s < due_s - self._every_s / 10:
            return False
        self._due_s = max(due_s, at_s - self._every_s / 2) + self._every_s
        return True
