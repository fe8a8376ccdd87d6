"""Kills of this process at a chosen place of the code; of what is started for it, nothing else is loaded."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from typing import Any


def die() -> None:
    """SIGKILL, as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def wrap_with_death(owner: Any, function: str, *, after: bool, passes: int) -> None:
    """Have the process die before or after a function of an owner, at one of its passes."""
    original: Callable[..., Any] = getattr(owner, function)
    seen = 0

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        seen += 1
        if not after and seen >= passes:
            die()
        result = original(*args, **kwargs)
        if after and seen >= passes:
            die()
        return result

    setattr(owner, function, wrapped)
