"""The one backoff: how long to wait after failures in a row, in every service."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

_DOUBLINGS_MAX: Final = 16


class Backoff:
    """Counts failures in a row; the longest wait doubles with each, and a random part spreads those who wait alike.

    Not thread-safe: each loop has its own.

    Args:
        min_s: Longest wait after the first failure, in seconds; no wait is shorter than half of it.
        max_s: Longest wait, in seconds.
        sure_share: Share of the longest wait that is always waited, 0 to 1. 0 spreads many clients best; 0.5 spares a
            thing that each attempt disturbs.
        uniform: Draws a number between two; a test names its own.
    """

    def __init__(
        self,
        min_s: float,
        max_s: float,
        *,
        sure_share: float = 0.0,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._sure_share = sure_share
        self._uniform = uniform
        self._failures = 0

    def next_s(self, retry_after_s: float | None = None) -> float:
        """Count a failure; returns the seconds to wait.

        Args:
            retry_after_s: What the other side asked for; no wait is shorter.
        """
        ceiling_s = min(self._max_s, self._min_s * 2 ** min(self._failures, _DOUBLINGS_MAX))
        self._failures += 1
        sure_s = max(min(self._min_s, self._max_s) / 2, ceiling_s * self._sure_share)
        return max(retry_after_s or 0.0, self._uniform(sure_s, ceiling_s))

    @property
    def failures(self) -> int:
        """Failures since the last success."""
        return self._failures

    def reset(self) -> None:
        """Note a success: the next failure is the first of a row."""
        self._failures = 0
