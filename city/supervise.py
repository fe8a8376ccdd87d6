"""Child processes kept alive: start, watch, restart with backoff, stop; the mechanics behind `kota up`."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BACKOFF_MIN_S: Final = 0.3
BACKOFF_MAX_S: Final = 30.0
STEADY_AFTER_S: Final = 30.0
"""A child that lived this long starts anew without a penalty."""
STOP_WITHIN_S: Final = 4.5
LOG_MAX_BYTES: Final = 5 << 20
FRUGAL: Final = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
"""Variables of every child: one arena per thread makes small processes with many threads half as large again."""


@dataclass
class Child:
    """One service process: what to run, and how its present and past lives went."""

    name: str
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0
    failures: int = 0
    due_at: float = 0.0
    last_exit: int | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int | None:
        """The running process, None while there is none."""
        return self.process.pid if self.process and self.process.poll() is None else None


class Supervisor:
    """Owns the children of one `kota up`.

    Args:
        environment: Variables every child gets on top of ours.
        logs: Folder of their log files, one each, begun anew when it has grown.
    """

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        """Prepare; nothing runs yet."""
        self._environment = {**FRUGAL, **os.environ, **environment, "KOTA_SUPERVISOR": str(os.getpid())}
        self._logs = logs
        self._random = random.Random()  # noqa: S311 - spreads restarts, hides nothing
        self.children: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, arguments: list[str], **extra: str) -> None:
        """Start a child and keep it running from now on; `extra` are variables of its own."""
        child = Child(name, arguments, extra=extra)
        self.children.append(child)
        self._launch(child)

    def watch(self) -> list[Child]:
        """Notice ended children and start those whose wait is over; the children that ended since the last call."""
        now = time.monotonic()
        ended = []
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                child.last_exit = child.process.returncode
                child.process = None
                child.failures = 0 if now - child.started_at > STEADY_AFTER_S else child.failures + 1
                ceiling = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2 ** min(child.failures, 8))
                child.due_at = now + self._random.uniform(BACKOFF_MIN_S / 2, ceiling)
                ended.append(child)
            elif child.process is None and now >= child.due_at:
                child.restarts += 1
                self._launch(child)
        return ended

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL after `STOP_WITHIN_S` to whatever is left of their process groups."""
        for child in self.children:
            _signal_group(child, signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in self.children:
            if child.process is None:
                continue
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            _signal_group(child, signal.SIGKILL)
            child.process.wait()

    def _launch(self, child: Child) -> None:
        path = self._logs / f"{child.name}.log"
        if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            child.process = subprocess.Popen(  # noqa: S603 - our own module and arguments
                [sys.executable, "-m", "city", *child.arguments],
                env={**self._environment, **child.extra},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        child.started_at = time.monotonic()


def _signal_group(child: Child, number: signal.Signals) -> None:
    if child.process is None:
        return
    try:
        os.killpg(child.process.pid, number)
    except ProcessLookupError:
        return  # it is gone, which is what was wanted
