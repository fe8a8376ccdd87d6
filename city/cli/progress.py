"""Progress of child processes, judged by the supervisor from their heartbeats; pure, the clock is a parameter."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

import msgspec

from city.runtime.heartbeats import PATIENCE_S, ServiceHeartbeat

FIRST_SIGN_S: Final = 120.0
"""Timeout of a child's first heartbeat after its start; Python loads slowly on a Pi."""
STEP_MAX_S: Final = 2.0
"""Maximum step between two readings of the clock; a longer gap means that this process itself was suspended."""
_READ_BYTES: Final = 1 << 16


class WakingClock:
    """Seconds for which this process was awake, if read often: the time of a suspended or frozen machine is left out.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._awake_s = 0.0

    def __call__(self) -> float:
        """Seconds awake since the construction."""
        now = self._clock()
        self._awake_s += min(max(0.0, now - self._last), STEP_MAX_S)
        self._last = now
        return self._awake_s


class ChildProgress:
    """Progress of one child process.

    A part is judged by when its count was last seen to grow, on our clock: that of a frozen child stands still.

    Args:
        now_s: Waking time of its start.
    """

    def __init__(self, now_s: float) -> None:
        self._started_s = now_s
        self._parts: dict[tuple[str, str], tuple[int, float, float, str]] = {}

    def update(self, heartbeat: ServiceHeartbeat, now_s: float) -> None:
        """Note the counts of a heartbeat."""
        self._see((heartbeat.service, ""), heartbeat.number, now_s, PATIENCE_S, "its process")
        for beat in heartbeat.beats:
            about = f"{beat.part} ({beat.doing})" if beat.doing else beat.part
            self._see((heartbeat.service, beat.part), beat.count, now_s, beat.patience_s, about)

    def stuck_reason(self, now_s: float) -> str:
        """The part without progress, and for how long; empty if all parts go on."""
        if not self._parts:
            silent_s = now_s - self._started_s
            return f"no sign of life for {silent_s:.0f} s after its start" if silent_s > FIRST_SIGN_S else ""
        late = [
            (now_s - seen_s - patience_s, f"{about}: no progress for {now_s - seen_s:.0f} s")
            for _, seen_s, patience_s, about in self._parts.values()
        ]
        overdue_s, words = max(late)
        return words if overdue_s > 0 else ""

    def _see(self, part: tuple[str, str], count: int, now_s: float, patience_s: float, about: str) -> None:
        if part not in self._parts or self._parts[part][0] != count:
            self._parts[part] = (count, now_s, patience_s, about)


class HeartbeatReader:
    """Reading end of a child's heartbeat pipe; never blocks.

    Args:
        pipe: The descriptor; closed by `close`.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._rest = b""
        os.set_blocking(pipe, False)

    def read(self) -> list[ServiceHeartbeat]:
        """Heartbeats received since the last call."""
        data = self._rest
        try:
            while chunk := os.read(self._pipe, _READ_BYTES):
                data += chunk
        except BlockingIOError:
            pass
        *lines, self._rest = data.split(b"\n")
        return [heartbeat for line in lines if (heartbeat := _decode(line))]

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._pipe)


def _decode(line: bytes) -> ServiceHeartbeat | None:
    try:
        return msgspec.json.decode(line, type=ServiceHeartbeat)
    except msgspec.MsgspecError:
        return None
