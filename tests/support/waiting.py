"""Waiting for conditions, never for seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0


def wait_for(condition: Callable[[], T], what: str, *, within_s: float = PATIENCE_S) -> T:
    """The first truthy answer of a condition; one that cannot be asked yet, for a socket or a file, is not met yet.

    Raises:
        AssertionError: There was none in time; says what was waited for and the last answer.
    """
    until = time.monotonic() + within_s
    while True:
        last: object
        try:
            answer = condition()
        except OSError as exc:
            last = exc
        else:
            if answer:
                return answer
            last = answer
        if time.monotonic() > until:
            raise AssertionError(f"waited {within_s:.0f} s for {what}; last answer: {last!r}")
        time.sleep(0.02)
