"""Whether a child process goes on, judged by the supervisor from its signs; pure, the clock is handed in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

import msgspec

from city.beats import PATIENCE_S, Sign

FIRST_SIGN_S: Final = 120.0
"""A child that has not said anything for so long after its start hangs; Python loads slowly on a Pi."""
STEP_MAX_S: Final = 2.0
"""Between two looks at the clock; a longer gap is one in which we were asleep ourselves."""
_READ_BYTES: Final = 1 << 16


class WakingClock:
    """Seconds that this process was awake, as long as it asks often: a suspended or frozen machine's do not count.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._awake_s = 0.0

    def __call__(self) -> float:
        """How long it was awake."""
        now = self._clock()
        self._awake_s += min(max(0.0, now - self._last), STEP_MAX_S)
        self._last = now
        return self._awake_s


class Progress:
    """What one life of a child has shown.

    A part is judged by when its count was last seen to grow, on our clock: a frozen child's own stands.

    Args:
        now_s: The waking time of its start.
    """

    def __init__(self, now_s: float) -> None:
        self._started_s = now_s
        self._parts: dict[tuple[str, str], tuple[int, float, float, str]] = {}

    def take(self, sign: Sign, now_s: float) -> None:
        """Take in what it says."""
        self._see((sign.service, ""), sign.number, now_s, PATIENCE_S, "its process")
        for beat in sign.beats:
            about = f"{beat.part} ({beat.doing})" if beat.doing else beat.part
            self._see((sign.service, beat.part), beat.count, now_s, beat.patience_s, about)

    def stuck(self, now_s: float) -> str:
        """Which part has made no progress for how long; empty when all have."""
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


class SignReader:
    """Our end of a child's pipe of signs; never waits.

    Args:
        pipe: The descriptor; it is ours to close.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._rest = b""
        os.set_blocking(pipe, False)

    def read(self) -> list[Sign]:
        """What has come since the last call."""
        data = self._rest
        try:
            while chunk := os.read(self._pipe, _READ_BYTES):
                data += chunk
        except BlockingIOError:
            pass
        *lines, self._rest = data.split(b"\n")
        return [sign for line in lines if (sign := _decoded(line))]

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._pipe)


def _decoded(line: bytes) -> Sign | None:
    try:
        return msgspec.json.decode(line, type=Sign)
    except msgspec.MsgspecError:
        return None
